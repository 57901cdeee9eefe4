//! From texts to tokens: which rows can be used, and why the others cannot.
//!
//! A row that cannot be used is left out and said so, by name and number; nothing is cut, padded or
//! guessed to make it fit.

use std::collections::HashSet;

use vene_engine::PositionError;
use vene_engine::plan::Role;
use vene_model::{InputError, Message, Outline, Prompt, PromptForm};

use super::answers::Answers;
use super::left_out::{LeftOut, Reason, RowName};
use super::prompts::Prompts;
use super::row::Row;

/// What rows must have to be used.
#[derive(Clone, Copy, Debug)]
pub struct Requirements<'a> {
    /// How prompts are made of texts.
    pub form: &'a PromptForm,
    /// The positions that are edited.
    pub roles: &'a [Role],
    /// The positions that metrics read, in base and source alike.
    pub read: &'a [Role],
    /// How many of them, the first ones, must be different positions.
    pub distinct_roles: usize,
    /// Whether sources are read, so that roles must be found there too.
    pub reads_source: bool,
    /// Whether base and source must be equally long, since all positions are edited at once.
    pub same_length: bool,
    /// Whether a row needs a target.
    pub needs_target: bool,
    /// Whether a row needs a foil.
    pub needs_foil: bool,
    /// Whether each answer must be a single token.
    pub needs_single_tokens: bool,
    /// Whether an answer's first token stands for it.
    pub first_tokens: bool,
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
    /// Where its answers are read.
    pub answers: Answers,
    /// For each role its positions in the base.
    pub base_positions: Vec<Vec<usize>>,
    /// For each role its positions in the source; empty where there is none.
    pub source_positions: Vec<Vec<usize>>,
    /// For each role that metrics read its positions in the base.
    pub base_read: Vec<Vec<usize>>,
    /// Likewise in the source; empty where there is none.
    pub source_read: Vec<Vec<usize>>,
    /// The sources after the first; none but in a pair that was given several.
    pub further: Vec<FurtherSource>,
}

/// A source after the first.
#[derive(Clone, Debug)]
pub struct FurtherSource {
    /// Its prompt.
    pub prompt: Prompt,
    /// For each role its positions; empty where they are not read.
    pub positions: Vec<Vec<usize>>,
    /// For each role that metrics read its positions.
    pub read: Vec<Vec<usize>>,
}

impl PreparedRow {
    /// The same row for another model of the same shape and tokenizer, such as one that was fine-tuned
    /// from its own.
    ///
    /// # Errors
    /// Another shape or tokenizer; a prompt that is longer than the other model's context.
    pub fn for_another_model(&self, outline: &Outline) -> Result<Self, InputError> {
        let source = self.source.as_ref();
        let further = |further: &FurtherSource| -> Result<FurtherSource, InputError> {
            Ok(FurtherSource {
                prompt: further.prompt.for_another_model(outline)?,
                ..further.clone()
            })
        };
        Ok(Self {
            base: self.base.for_another_model(outline)?,
            source: source.map(|source| source.for_another_model(outline)).transpose()?,
            further: self.further.iter().map(further).collect::<Result<_, _>>()?,
            ..self.clone()
        })
    }

    /// All its sources, in their order: a row of a data set has at most one.
    pub fn sources(&self) -> impl Iterator<Item = &Prompt> {
        self.source.iter().chain(self.further.iter().map(|further| &further.prompt))
    }

    /// The positions of a role in its base; `roles` are those that it was prepared for.
    pub fn positions_of(&self, roles: &[Role], role: &Role) -> &[usize] {
        let place = roles.iter().position(|known| known == role);
        place.and_then(|place| self.base_positions.get(place)).map_or(&[], Vec::as_slice)
    }

    /// The first tokens of its answers: of those to its base, and of those to its source.
    pub fn first_tokens(&self) -> [Vec<u32>; 2] {
        self.answers.first_tokens()
    }

    /// The tokens of its answers, as far as they were looked at: of those to its base, and of those to its source. Of
    /// answers that begin with another one only that one is there.
    pub fn answer_tokens(&self) -> [Vec<Vec<u32>>; 2] {
        self.answers.tokens()
    }

    /// Where it stands, for messages.
    pub fn name(&self) -> RowName {
        RowName { index: self.index, place: self.row.place }
    }

    /// The same row, left out.
    pub fn left_out(&self, reason: Reason) -> LeftOut {
        LeftOut { index: self.index, place: self.row.place, reason }
    }
}

/// The rows that can be used, and those that cannot.
pub fn prepare(
    outline: &Outline,
    rows: &[Row],
    requirements: &Requirements<'_>,
) -> (Vec<PreparedRow>, Vec<LeftOut>) {
    let (mut prepared, mut left_out) = (Vec::new(), Vec::new());
    let prompts = Prompts::new(outline, requirements.form);
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

/// The answers of a pair of its own, in tokens: `row` says which they are, and its texts are not looked at.
pub fn answers(
    outline: &Outline,
    row: &Row,
    requirements: &Requirements<'_>,
    base: &Prompt,
    sources: &[Prompt],
) -> Result<Answers, Reason> {
    let prompts = Prompts::new(outline, requirements.form);
    Preparer { outline, row, requirements, prompts: &prompts }.answers(base, sources)
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
        if let Some(what) = empty_text(row) {
            return Err(Reason::Empty { what });
        }
        if row.source.is_none() && requirements.reads_source {
            return Err(Reason::NoSource);
        }
        let base = self.prompt(&row.base, &row.base_messages, "base")?;
        let source = row.source.as_ref();
        let source = source.map(|source| self.prompt(source, &row.source_messages, "source"));
        let source = source.transpose()?;
        let answers = self.answers(&base, source.as_slice())?;
        let in_base = |roles| self.positions(roles, "base", |role| row.role_in_base(role, &base));
        let base_positions = in_base(requirements.roles)?;
        let base_read = in_base(requirements.read)?;
        let distinct = &base_positions[..requirements.distinct_roles.min(base_positions.len())];
        for (second, positions) in distinct.iter().enumerate() {
            if let Some(first) = distinct[..second].iter().position(|first| first == positions) {
                let [role, other] = [first, second].map(|index| requirements.roles[index].clone());
                return Err(Reason::SamePosition { role, other });
            }
        }
        let in_source = |source, roles| {
            self.positions(roles, "source", |role| row.role_in_source(role, source))
        };
        let (mut source_positions, mut source_read) = (Vec::new(), Vec::new());
        if let Some(source) = &source {
            source_read = in_source(source, requirements.read)?;
        }
        if let (Some(source), true) = (&source, requirements.reads_source) {
            source_positions = in_source(source, requirements.roles)?;
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
        Ok(PreparedRow {
            index,
            row,
            base,
            source,
            answers,
            base_positions,
            source_positions,
            base_read,
            source_read,
            further: Vec::new(),
        })
    }

    fn prompt(
        &self,
        text: &str,
        messages: &[Message],
        whose: &'static str,
    ) -> Result<Prompt, Reason> {
        let prompt = if messages.is_empty() {
            self.prompts.of(text)
        } else {
            self.prompts.of_conversation(text, messages)
        };
        prompt.map_err(|problem| Reason::Prompt { whose, problem })
    }

    fn positions(
        &self,
        roles: &[Role],
        whose: &'static str,
        resolve: impl Fn(&Role) -> Result<Vec<usize>, PositionError>,
    ) -> Result<Vec<Vec<usize>>, Reason> {
        let each = roles.iter().map(|role| {
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

    fn answers(&self, base: &Prompt, sources: &[Prompt]) -> Result<Answers, Reason> {
        let Self { row, requirements, .. } = self;
        if row.target.is_empty() && requirements.needs_target {
            return Err(Reason::NoTarget);
        }
        if row.foil.is_empty() && requirements.needs_foil {
            return Err(Reason::NoFoil);
        }
        let tokens = |answer: &String| {
            let tokens = self.continuation(base, answer)?;
            // All runs are asked for it.
            for source in sources {
                if self.continuation(source, answer)? != tokens {
                    let problem =
                        "it is other tokens after the base than after the source".to_owned();
                    return Err(Reason::Answer { answer: answer.clone(), problem });
                }
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
        for (answer, tokens) in row.target.iter().zip(&target) {
            let shared =
                |(other, found): &(&String, &Vec<u32>)| *found == tokens && *other == answer;
            let alike = |(_, found): &(&String, &Vec<u32>)| *found == tokens;
            let mut foils = row.foil.iter().zip(&foil);
            if foils.clone().any(|foil| shared(&foil)) {
                return Err(Reason::SameAnswer { answer: answer.clone() });
            }
            if let Some((foil, _)) = foils.find(alike) {
                let (target, foil) = (answer.clone(), foil.clone());
                return Err(match requirements.first_tokens {
                    true => Reason::SameFirstToken { target, foil },
                    false => Reason::SameAnswer { answer: target },
                });
            }
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
        if prompt.text().is_none() {
            return Err(problem(
                "an answer is tokenized after the prompt's text, and the prompt has none",
            ));
        }
        let whole = self.prompts.continued(prompt, answer).map_err(|error| problem(&error))?;
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

/// Which of a row's prompts and answers is an empty text.
fn empty_text(row: &Row) -> Option<&'static str> {
    let is_empty = |texts: &[String]| texts.iter().any(String::is_empty);
    if row.base.is_empty() {
        Some("base")
    } else if row.source.as_ref().is_some_and(String::is_empty) {
        Some("source")
    } else if is_empty(&row.target) {
        Some("target")
    } else if is_empty(&row.foil) {
        Some("foil")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use vene_model::Model;

    use crate::Span;
    use crate::read::Place;

    fn prepared(rows: &[Row], roles: &[&str]) -> (Vec<PreparedRow>, Vec<String>) {
        let model = Model::load("embedded").unwrap();
        let roles: Vec<Role> = roles.iter().map(|role| role.parse().unwrap()).collect();
        let requirements = Requirements {
            form: &PromptForm::default(),
            roles: &roles,
            read: &[],
            distinct_roles: 0,
            reads_source: true,
            same_length: false,
            needs_target: true,
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
    fn answers_that_differ_behind_their_first_token_say_so() {
        let model = Model::load("embedded").unwrap();
        let requirements = Requirements {
            form: &PromptForm::default(),
            roles: &[],
            read: &[],
            distinct_roles: 0,
            reads_source: true,
            same_length: false,
            needs_target: true,
            needs_foil: true,
            needs_single_tokens: false,
            first_tokens: true,
        };
        let alike = Row { target: vec![" Madrid a".to_owned()], ..row().foil(" Madrid b") };
        let alike = Row { foil: vec![" Madrid b".to_owned()], ..alike };
        let same = Row { foil: vec![" Madrid".to_owned()], ..row() };
        let (_, left_out) = prepare(&model, &[alike, same], &requirements);
        let said: Vec<String> = left_out.iter().map(|row| row.reason.to_string()).collect();
        assert!(
            said[0].starts_with("` Madrid a` and ` Madrid b` begin with the same token"),
            "{said:?}"
        );
        assert!(said[1].starts_with("` Madrid` is right for both"), "{said:?}");
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
            Row { spans: BTreeMap::from([("subject".to_owned(), same)]).into(), ..row() },
        ];
        let (kept, left_out) = prepared(&rows, &["subject_last"]);
        let expected = [
            "0: subject_last, base: `Spain` is not in",
            "1: no source",
            "2: no target",
            "3: no foil",
            "4: ` Madrid` is right for both",
            "5: the target is an empty text; leave it out",
            "6: `in`: its first token swallows",
            "7: the source is an empty text; leave it out",
            "8: subject_last, source: `Spain` is not in `The capital of Italy is` (say in `source_subject`",
        ];
        assert!(kept.is_empty(), "{kept:?}");
        for (said, expected) in left_out.iter().zip(expected) {
            assert!(said.starts_with(expected), "{said} / {expected}");
        }
    }
}
