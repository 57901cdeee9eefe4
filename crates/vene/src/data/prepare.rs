//! From texts to tokens: which rows can be used, and why the others cannot.
//!
//! A row that cannot be used is left out and said so, by name and number; nothing is cut, padded or
//! guessed to make it fit.

use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};

use vene_model::{BeginningOfSequence, InputError, Outline, Prompt};

use super::answers::Answers;
use super::prompts::Prompts;
use super::read::Place;
use super::role::Role;
use super::row::Row;
use crate::error::PositionError;

/// What rows must have to be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requirements<'a> {
    pub(crate) bos: BeginningOfSequence,
    /// The positions that are edited.
    pub(crate) roles: &'a [Role],
    /// How many of them, the first ones, must be different positions.
    pub(crate) distinct_roles: usize,
    /// Whether sources are read, so that roles must be found there too.
    pub(crate) reads_source: bool,
    /// Whether base and source must be equally long, since all positions are edited at once.
    pub(crate) same_length: bool,
    pub(crate) needs_foil: bool,
    pub(crate) needs_single_tokens: bool,
    /// Whether an answer's first token stands for it.
    pub(crate) first_tokens: bool,
}

/// A row in tokens.
#[derive(Clone, Debug)]
pub struct PreparedRow {
    /// Which row of its file it is, counted from 0; for rows that were read from no file, or from
    /// several, which of the rows given.
    pub index: usize,
    /// The row.
    pub row: Row,
    /// Its base.
    pub base: Prompt,
    /// Its source.
    pub source: Option<Prompt>,
    pub(crate) answers: Answers,
    /// For each role its positions in the base.
    pub(crate) base_positions: Vec<Vec<usize>>,
    /// For each role its positions in the source; empty where there is none.
    pub(crate) source_positions: Vec<Vec<usize>>,
}

impl PreparedRow {
    /// The same row for another model of the same shape and tokenizer, such as one that was fine-tuned
    /// from its own.
    ///
    /// # Errors
    /// Another shape or tokenizer; a prompt that is longer than the other model's context.
    pub fn for_another_model(&self, outline: &Outline) -> Result<Self, InputError> {
        let source = self.source.as_ref();
        Ok(Self {
            base: self.base.for_another_model(outline)?,
            source: source.map(|source| source.for_another_model(outline)).transpose()?,
            ..self.clone()
        })
    }

    /// The first tokens of its answers: of those to its base, and of those to its source.
    pub fn first_tokens(&self) -> [Vec<u32>; 2] {
        self.answers.first_tokens()
    }

    /// Where it stands, for messages.
    pub fn name(&self) -> RowName {
        RowName { index: self.index, place: self.row.place }
    }

    /// The same row, left out.
    pub(crate) fn left_out(&self, reason: Reason) -> LeftOut {
        LeftOut { index: self.index, place: self.row.place, reason }
    }
}

/// How messages name a row: by its place in its file, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowName {
    index: usize,
    place: Option<Place>,
}

impl Display for RowName {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => place.fmt(formatter),
            None => write!(formatter, "row {} (counted from 0)", self.index),
        }
    }
}

/// A row that cannot be used.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// Which row it is, counted as [`PreparedRow::index`].
    pub index: usize,
    /// Where it stands in its file.
    pub place: Option<Place>,
    /// Why.
    pub reason: Reason,
}

impl LeftOut {
    /// Where it stands, for messages.
    pub fn name(&self) -> RowName {
        RowName { index: self.index, place: self.place }
    }
}

/// Why a row cannot be used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The model cannot take a prompt.
    Prompt {
        /// Base or source.
        whose: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// It has no source, and one is read.
    NoSource,
    /// It has no target.
    NoTarget,
    /// It has no foil, and a metric needs one.
    NoFoil,
    /// An answer is right for both base and source, as far as it is looked at.
    SameAnswer {
        /// The answer.
        answer: String,
    },
    /// An answer begins with one to the other prompt, so that whoever says it says both.
    Overlap {
        /// The answer that is right for the base.
        target: String,
        /// The one that is right for the source.
        foil: String,
    },
    /// An answer that no token stands for alone.
    Answer {
        /// The answer.
        answer: String,
        /// What is wrong.
        problem: String,
    },
    /// An answer has several tokens, and a metric is about single ones.
    SeveralTokens {
        /// The answer.
        answer: String,
        /// How many.
        tokens: usize,
    },
    /// A role that is nowhere.
    Position {
        /// Base or source.
        whose: &'static str,
        /// The role.
        role: Role,
        /// What is wrong.
        error: PositionError,
    },
    /// A role that is in the base and nowhere in the source, for which the row names no phrase of its own.
    Counterpart {
        /// The role.
        role: Role,
        /// The span.
        span: String,
        /// What is wrong.
        error: PositionError,
    },
    /// Two positions that must differ are the same token.
    SamePosition {
        /// One role.
        role: Role,
        /// The other.
        other: Role,
    },
    /// A span that has more tokens on one side than on the other.
    UnequalSpans {
        /// The role.
        role: Role,
        /// Tokens in the base.
        base: usize,
        /// Tokens in the source.
        source: usize,
    },
    /// All positions are edited at once, and base and source differ in length.
    UnequalLengths {
        /// Tokens of the base.
        base: usize,
        /// Tokens of the source.
        source: usize,
    },
    /// Too few other rows to draw from.
    FewPartners {
        /// How many are needed.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// A knockout of what does not exist, or of everything.
    Blind {
        /// The layer.
        layer: usize,
        /// The role, or all positions.
        position: String,
        /// How much the last position sees there.
        sees: &'static str,
        /// What a knockout there would do.
        would: &'static str,
    },
    /// A plan cannot be run on it.
    Plan {
        /// What is wrong.
        problem: String,
    },
    /// Its foil is to be learned, and is no answer to its source.
    FoilNotOfSource,
}

impl Reason {
    /// What rows that are left out for a like reason have in common.
    pub fn kind(&self) -> String {
        match self {
            Self::Prompt { whose, .. } => format!("the model cannot take the {whose}"),
            Self::NoSource => "no source".to_owned(),
            Self::NoTarget => "no target".to_owned(),
            Self::NoFoil => "no foil".to_owned(),
            Self::SameAnswer { .. } => "target and foil share an answer".to_owned(),
            Self::Overlap { .. } => "target and foil begin alike to the end of one".to_owned(),
            Self::Answer { .. } => "an answer is no continuation in tokens".to_owned(),
            Self::SeveralTokens { .. } => "an answer has several tokens".to_owned(),
            Self::Position { whose, role, .. } => format!("{role} is not found in the {whose}"),
            Self::Counterpart { role, .. } => format!("{role} is not found in the source"),
            Self::SamePosition { role, other } => format!("{role} and {other} are the same token"),
            Self::UnequalSpans { role, .. } => {
                format!("{role} has more tokens on one side than on the other")
            }
            Self::UnequalLengths { .. } => "base and source differ in length".to_owned(),
            Self::FewPartners { .. } => "too few other rows fit it".to_owned(),
            Self::Blind { .. } => "a knockout has nothing to hide, or hides everything".to_owned(),
            Self::Plan { .. } => "the plan does not fit the row".to_owned(),
            Self::FoilNotOfSource => "the foil is not the source's answer".to_owned(),
        }
    }
}

impl Display for Reason {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt { whose, problem } => write!(formatter, "{whose}: {problem}"),
            Self::SameAnswer { answer } => {
                write!(formatter, "`{answer}` is right for both base and source")
            }
            Self::Overlap { target, foil } => write!(
                formatter,
                "in tokens one of `{target}` and `{foil}` begins the other, so that who says the longer has \
                 said both"
            ),
            Self::Answer { answer, problem } => write!(formatter, "`{answer}`: {problem}"),
            Self::SeveralTokens { answer, tokens } => {
                write!(formatter, "`{answer}` has {tokens} tokens; a metric is about single ones")
            }
            Self::Position { whose, role, error } => write!(formatter, "{role}, {whose}: {error}"),
            Self::Counterpart { role, span, error } => write!(
                formatter,
                "{role}, source: {error} (say in `source_{span}` what stands there in its place)"
            ),
            Self::UnequalSpans { role, base, source } => {
                write!(formatter, "{role} has {base} tokens in the base and {source} in the source")
            }
            Self::UnequalLengths { base, source } => {
                write!(formatter, "the base has {base} tokens and the source {source}")
            }
            Self::FewPartners { needed, found } => write!(
                formatter,
                "it needs {needed} other rows to draw from that fit it in length, and there are {found}"
            ),
            Self::Blind { layer, position, sees, would } => write!(
                formatter,
                "in layer {layer} the last position sees {sees} at {position}; a knockout there would {would}"
            ),
            Self::Plan { problem } => write!(formatter, "{problem}"),
            Self::FoilNotOfSource => write!(
                formatter,
                "the foil is not the source's answer (the row says so in `foil_is`), so that the edited run \
                 should not say it"
            ),
            Self::NoSource | Self::NoTarget | Self::NoFoil | Self::SamePosition { .. } => {
                write!(formatter, "{}", self.kind())
            }
        }
    }
}

/// The rows that can be used, and those that cannot.
pub(crate) fn prepare(
    outline: &Outline,
    rows: &[Row],
    requirements: &Requirements<'_>,
) -> (Vec<PreparedRow>, Vec<LeftOut>) {
    let (mut prepared, mut left_out) = (Vec::new(), Vec::new());
    let prompts = Prompts::new(outline, requirements.bos);
    for (index, row) in numbers(rows).into_iter().zip(rows) {
        match (Preparer { outline, row, requirements, prompts: &prompts }).prepare(index) {
            Ok(row) => prepared.push(row),
            Err(reason) => left_out.push(LeftOut { index, place: row.place, reason }),
        }
    }
    (prepared, left_out)
}

/// The rows' numbers: those that they have in their file, if they are all of one, else those here.
fn numbers(rows: &[Row]) -> Vec<usize> {
    let of_file: Option<Vec<usize>> = rows.iter().map(|row| Some(row.place?.row)).collect();
    let mut seen = HashSet::new();
    match of_file {
        Some(numbers) if numbers.iter().all(|&number| seen.insert(number)) => numbers,
        _ => (0..rows.len()).collect(),
    }
}

struct Preparer<'a> {
    outline: &'a Outline,
    row: &'a Row,
    requirements: &'a Requirements<'a>,
    prompts: &'a Prompts<'a>,
}

impl Preparer<'_> {
    fn prepare(&self, index: usize) -> Result<PreparedRow, Reason> {
        let Self { row, requirements, .. } = self;
        if row.source.is_none() && requirements.reads_source {
            return Err(Reason::NoSource);
        }
        let base = self.prompt(&row.base, "base")?;
        let source = row.source.as_ref().map(|source| self.prompt(source, "source")).transpose()?;
        let answers = self.answers(&base, source.as_ref())?;
        let base_positions = self.positions("base", |role| role.in_base(row, &base))?;
        let distinct = &base_positions[..requirements.distinct_roles.min(base_positions.len())];
        for (second, positions) in distinct.iter().enumerate() {
            if let Some(first) = distinct[..second].iter().position(|first| first == positions) {
                let [role, other] = [first, second].map(|index| requirements.roles[index].clone());
                return Err(Reason::SamePosition { role, other });
            }
        }
        let mut source_positions = Vec::new();
        if let (Some(source), true) = (&source, requirements.reads_source) {
            source_positions = self.positions("source", |role| role.in_source(row, source))?;
            let roles = requirements.roles.iter().zip(base_positions.iter().zip(&source_positions));
            for (role, (base, source)) in roles {
                if base.len() != source.len() {
                    let (role, base, source) = (role.clone(), base.len(), source.len());
                    return Err(Reason::UnequalSpans { role, base, source });
                }
            }
            if requirements.same_length && base.len() != source.len() {
                return Err(Reason::UnequalLengths { base: base.len(), source: source.len() });
            }
        }
        let row = (*row).clone();
        Ok(PreparedRow { index, row, base, source, answers, base_positions, source_positions })
    }

    fn prompt(&self, text: &str, whose: &'static str) -> Result<Prompt, Reason> {
        self.prompts.of(text).map_err(|problem| Reason::Prompt { whose, problem })
    }

    fn positions(
        &self,
        whose: &'static str,
        resolve: impl Fn(&Role) -> Result<Vec<usize>, PositionError>,
    ) -> Result<Vec<Vec<usize>>, Reason> {
        let each = self.requirements.roles.iter().map(|role| {
            resolve(role).map_err(|error| match self.has_counterpart(role) || whose == "base" {
                true => Reason::Position { whose, role: role.clone(), error },
                false => {
                    let span = role.span().unwrap_or_default().to_owned();
                    Reason::Counterpart { role: role.clone(), span, error }
                }
            })
        });
        each.collect()
    }

    /// Whether the row says by itself where a role is in the source, or the role does.
    fn has_counterpart(&self, role: &Role) -> bool {
        let span = role.span().and_then(|name| self.row.spans.get(name));
        span.is_none_or(|span| span.source.is_some())
    }

    fn answers(&self, base: &Prompt, source: Option<&Prompt>) -> Result<Answers, Reason> {
        let Self { row, requirements, .. } = self;
        if row.target.is_empty() {
            return Err(Reason::NoTarget);
        }
        if row.foil.is_empty() && requirements.needs_foil {
            return Err(Reason::NoFoil);
        }
        let tokens = |answer: &String| {
            let tokens = self.continuation(base, answer)?;
            // Both runs are asked for it.
            if let Some(source) = source
                && self.continuation(source, answer)? != tokens
            {
                let problem = "it is other tokens after the base than after the source".to_owned();
                return Err(Reason::Answer { answer: answer.clone(), problem });
            }
            let count = if requirements.first_tokens { 1 } else { tokens.len() };
            Ok(tokens[..count].to_vec())
        };
        let target = row.target.iter().map(tokens).collect::<Result<Vec<_>, _>>()?;
        let foil = row.foil.iter().map(tokens).collect::<Result<Vec<_>, _>>()?;
        for (answer, tokens) in row.target.iter().chain(&row.foil).zip(target.iter().chain(&foil)) {
            if tokens.len() > 1 && requirements.needs_single_tokens {
                let (answer, tokens) = (answer.clone(), tokens.len());
                return Err(Reason::SeveralTokens { answer, tokens });
            }
        }
        if let Some(index) = target.iter().position(|tokens| foil.contains(tokens)) {
            return Err(Reason::SameAnswer { answer: row.target[index].clone() });
        }
        for (answer, target) in row.target.iter().zip(&target) {
            let overlaps = |foil: &Vec<u32>| foil.starts_with(target) || target.starts_with(foil);
            if let Some(index) = foil.iter().position(overlaps) {
                let (target, foil) = (answer.clone(), row.foil[index].clone());
                return Err(Reason::Overlap { target, foil });
            }
        }
        Ok(Answers::new(&target, &foil))
    }

    /// The tokens of an answer where it stands behind a prompt.
    fn continuation(&self, prompt: &Prompt, answer: &str) -> Result<Vec<u32>, Reason> {
        let problem = |problem: &str| Reason::Answer {
            answer: answer.to_owned(),
            problem: problem.to_owned(),
        };
        let text = format!("{}{answer}", prompt.text().unwrap_or_default());
        let whole = self.prompts.of(&text).map_err(|error| problem(&error))?;
        match whole.tokens().strip_prefix(prompt.tokens()) {
            Some([]) => Err(problem("it is empty")),
            Some(tokens) => {
                let outputs = self.outline.config().vocabulary;
                match tokens.iter().find(|&&token| token as usize >= outputs) {
                    Some(token) => Err(problem(&format!(
                        "its token {token} is none of the {outputs} that the model tells apart in its answers"
                    ))),
                    None => Ok(tokens.to_vec()),
                }
            }
            None => Err(problem(
                "its first token swallows the end of the prompt; a space belongs to the answer, not to \
                 the end of the prompt",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Model;
    use crate::data::Span;

    fn prepared(rows: &[Row], roles: &[&str]) -> (Vec<PreparedRow>, Vec<String>) {
        let model = Model::load("embedded").unwrap();
        let roles: Vec<Role> = roles.iter().map(|role| role.parse().unwrap()).collect();
        let requirements = Requirements {
            bos: BeginningOfSequence::Model,
            roles: &roles,
            distinct_roles: 0,
            reads_source: true,
            same_length: false,
            needs_foil: true,
            needs_single_tokens: false,
            first_tokens: false,
        };
        let (rows, left_out) = prepare(&model, rows, &requirements);
        (rows, left_out.iter().map(|row| format!("{}: {}", row.index, row.reason)).collect())
    }

    fn row() -> Row {
        Row::new("The capital of Spain is", "The capital of Italy is")
            .target(" Madrid")
            .foil(" Rome")
            .span("subject", "Spain", "Italy")
    }

    #[test]
    fn a_good_row_is_kept_with_its_positions() {
        let (rows, left_out) = prepared(&[row()], &["subject_last", "last"]);
        assert_eq!(left_out, [""; 0]);
        assert_eq!(rows[0].base_positions, [[3], [4]]);
        assert_eq!(rows[0].answers.runs.len(), 1);
    }

    #[test]
    fn rows_keep_the_numbers_of_their_file() {
        let at = |number| Row {
            place: Some(Place { row: number, line: Some(number as u64 + 2) }),
            ..row()
        };
        let bad = Row { target: vec![], ..at(7) };
        let (rows, left_out) = prepared(&[at(9), bad, at(4)], &["last"]);
        assert_eq!(rows.iter().map(|row| row.index).collect::<Vec<_>>(), [9, 4]);
        assert_eq!(rows[0].name().to_string(), "line 11 (row 9)");
        assert_eq!(left_out, ["7: no target"]);
        // Rows of two files may have the same numbers.
        let (rows, _) = prepared(&[at(9), at(9), row()], &["last"]);
        assert_eq!(rows.iter().map(|row| row.index).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let same = Span { base: "Spain".into(), source: None };
        let mut other = row();
        other.base = "The capital of Portugal is".to_owned();
        let rows = [
            other,
            Row::of_base("The capital of Spain is").target(" Madrid"),
            Row { target: vec![], ..row() },
            Row { foil: vec![], ..row() },
            row().foil(" Madrid"),
            Row { target: vec![String::new()], ..row() },
            Row { target: vec!["in".to_owned()], base: "The capital of Spa".to_owned(), ..row() },
            Row { source: Some(String::new()), ..row() },
            Row { spans: [("subject".to_owned(), same)].into(), ..row() },
        ];
        let (kept, left_out) = prepared(&rows, &["subject_last"]);
        let expected = [
            "0: subject_last, base: `Spain` is not in",
            "1: no source",
            "2: no target",
            "3: no foil",
            "4: ` Madrid` is right for both",
            "5: ``: it is empty",
            "6: `in`: its first token swallows",
            "7: source: ",
            "8: subject_last, source: `Spain` is not in `The capital of Italy is` (say in `source_subject`",
        ];
        assert!(kept.is_empty(), "{kept:?}");
        for (said, expected) in left_out.iter().zip(expected) {
            assert!(said.starts_with(expected), "{said} / {expected}");
        }
    }
}
