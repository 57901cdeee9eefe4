//! What is looked at: a prompt, or the rows of a data set, at some of its positions, with the tokens that are asked about.

use std::ops::Range;

use vene_data::{LeftOut, PreparedRow, Reason, Requirements, Role, Row, at_rows, prepare};
use vene_engine::{Example, Plan, Positions};
use vene_model::{Outline, Prompt, PromptForm};
use vene_table::{Table, TableBuilder};

use crate::InspectError;

/// A prompt that is looked into.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The prompt, and the sources that its edits read.
    pub example: Example,
    /// The edits under which it runs; none: the model as it is.
    pub plan: Plan,
    /// Where it is looked at.
    pub seen: Vec<Seen>,
    /// The tokens that are asked about, in the order of tables.
    pub asked: Vec<Asked>,
    /// The group of its row: rows of one group are no independent observations.
    pub group: Option<String>,
    /// Which row of a data set it is, counted from 0; `None` for a prompt that is no row.
    pub row: Option<usize>,
}

/// A position that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Counted from 0.
    pub position: usize,
    /// What it is called in all rows of a data set.
    pub role: Option<String>,
}

/// A token that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What it is to its prompt: `target` or `foil` in a data set, else the token's own text.
    pub name: String,
    /// Its id.
    pub token: u32,
}

impl Subject {
    /// A prompt as it is, looked at in all positions.
    pub fn new(prompt: Prompt) -> Self {
        let seen = (0..prompt.len()).map(|position| Seen { position, role: None }).collect();
        Self {
            example: Example::new(prompt),
            plan: Plan::new(),
            seen,
            asked: Vec::new(),
            group: None,
            row: None,
        }
    }

    /// Looked at in these positions only.
    ///
    /// # Errors
    /// A position that the prompt does not have.
    pub fn at(mut self, positions: &Positions) -> Result<Self, InspectError> {
        let found = positions.resolve(&self.example.base, 0)?;
        self.seen = found.into_iter().map(|position| Seen { position, role: None }).collect();
        Ok(self)
    }

    /// One more token is asked about.
    #[must_use]
    pub fn asking(mut self, name: impl Into<String>, token: u32) -> Self {
        self.asked.push(Asked { name: name.into(), token });
        self
    }

    /// Run under a plan's edits, which read these sources. What else the plan collects or reads is left out.
    #[must_use]
    pub fn edited(mut self, plan: Plan, sources: impl IntoIterator<Item = Prompt>) -> Self {
        self.plan = Plan { edits: plan.edits, ..Plan::new() };
        self.example = sources.into_iter().fold(self.example, Example::source);
        self
    }

    /// The prompt.
    pub fn prompt(&self) -> &Prompt {
        &self.example.base
    }

    /// The positions, counted from 0.
    pub(crate) fn positions(&self) -> impl ExactSizeIterator<Item = usize> {
        self.seen.iter().map(|seen| seen.position)
    }
}

/// What is asked of the rows of a data set.
#[derive(Clone, Debug)]
pub struct RowsAsked<'a> {
    /// Where each row is looked at.
    pub roles: &'a [Role],
    /// The edits under which all rows run.
    pub plan: &'a Plan,
    /// How prompts are made of texts.
    pub form: PromptForm,
    /// Whether each row must have a target.
    pub needs_target: bool,
    /// Whether each row must have a foil.
    pub needs_foil: bool,
}

/// The rows of a data set as subjects.
#[derive(Debug)]
pub struct OfRows {
    /// Those that can be used.
    pub subjects: Vec<Subject>,
    /// The others, and why.
    pub left_out: Vec<LeftOut>,
}

impl RowsAsked<'_> {
    /// The rows as subjects. The first token of a row's first target is asked about, then that of its first foil.
    ///
    /// # Errors
    /// No row that can be used; edits that fit no row.
    pub fn of(&self, outline: &Outline, rows: &[Row]) -> Result<OfRows, InspectError> {
        let mut roles = self.plan.roles();
        roles.extend(
            self.roles.iter().filter(|role| !roles.contains(role)).cloned().collect::<Vec<_>>(),
        );
        let requirements = Requirements {
            distinct_roles: 0,
            form: &self.form,
            roles: &roles,
            read: &[],
            reads_source: self.plan.reads_sources(),
            same_length: false,
            needs_target: self.needs_target,
            needs_foil: self.needs_foil,
            needs_single_tokens: false,
            first_tokens: true,
        };
        let (prepared, mut left_out) = prepare(outline, rows, &requirements);
        let mut subjects = Vec::new();
        for row in &prepared {
            let subject = self.subject(&roles, row);
            match crate::collected::resolve(outline, &subject, &[], &[]) {
                Ok(_) => subjects.push(subject),
                Err(error) if self.plan.edits.is_empty() => return Err(error),
                Err(error) => {
                    left_out.push(row.left_out(Reason::Plan { problem: error.to_string() }))
                }
            }
        }
        left_out.sort_by_key(|row| row.index);
        match (subjects.is_empty(), left_out.first()) {
            (false, _) => Ok(OfRows { subjects, left_out }),
            (true, None) => Err(InspectError::Empty),
            (true, Some(first)) => Err(InspectError::NoRows {
                rows: rows.len(),
                first: first.name(),
                reason: first.reason.to_string(),
            }),
        }
    }

    fn subject(&self, roles: &[Role], row: &PreparedRow) -> Subject {
        let seen = self.roles.iter().flat_map(|role| {
            let positions = row.positions_of(roles, role).iter();
            positions.map(|&position| Seen { position, role: Some(role.to_string()) })
        });
        let answers = ["target", "foil"].into_iter().zip(row.first_tokens());
        let asked = answers.filter_map(|(name, tokens)| {
            let token = tokens.first().copied()?;
            Some(Asked { name: name.to_owned(), token })
        });
        let plan = Plan { edits: self.plan.edits.clone(), ..Plan::new() };
        Subject {
            example: row.example(),
            plan: at_rows(&plan, roles, &[row]),
            seen: seen.collect(),
            asked: asked.collect(),
            group: row.row.group.clone(),
            row: Some(row.index),
        }
    }
}

/// How many bytes what is collected of a chunk of subjects may take.
pub(crate) const CHUNK: usize = 128 << 20;

/// The same subjects; one that takes more than so many bytes is cut into several that are looked at in some of its positions
/// each.
pub(crate) fn pieces(
    subjects: &[Subject],
    budget: usize,
    bytes: impl Fn(&Subject) -> usize,
) -> Vec<Subject> {
    let cut = |subject: &Subject| -> Vec<Subject> {
        let of_position = bytes(subject) / subject.seen.len().max(1);
        let most = (budget / of_position.max(1)).max(1);
        let part = |seen: &[Seen]| Subject { seen: seen.to_vec(), ..subject.clone() };
        subject.seen.chunks(most).map(part).collect()
    };
    subjects.iter().flat_map(cut).collect()
}

/// Subjects in chunks whose activations fit into memory together: `bytes` is what one of them takes. A subject that takes more
/// than a chunk may is one of its own.
pub fn chunks(subjects: &[Subject], bytes: impl Fn(&Subject) -> usize) -> Vec<Range<usize>> {
    chunks_within(subjects, CHUNK, bytes)
}

/// [`chunks`] of so many bytes.
pub(crate) fn chunks_within(
    subjects: &[Subject],
    budget: usize,
    bytes: impl Fn(&Subject) -> usize,
) -> Vec<Range<usize>> {
    let (mut chunks, mut start, mut taken) = (Vec::new(), 0, 0_usize);
    for (index, subject) in subjects.iter().enumerate() {
        let own = bytes(subject);
        if index > start && taken.saturating_add(own) > budget {
            chunks.push(start..index);
            (start, taken) = (index, 0);
        }
        taken = taken.saturating_add(own);
    }
    if start < subjects.len() {
        chunks.push(start..subjects.len());
    }
    chunks
}

/// The columns that say which position of which subject a line of a table is about: `row`, `position`, `role`, `input`. Prompts
/// that are no rows have neither row nor role.
pub(crate) fn place_columns<'s>(
    outline: &Outline,
    lines: impl Iterator<Item = (&'s Subject, usize)> + Clone,
) -> TableBuilder {
    let mut table = Table::builder();
    let of_rows = lines.clone().all(|(subject, _)| subject.row.is_some());
    if of_rows {
        table = table.column(
            "row",
            lines.clone().map(|(subject, _)| subject.row.unwrap_or(0)).collect::<Vec<_>>(),
        );
    }
    let seen = lines.clone().map(|(subject, at)| &subject.seen[at]);
    table = table.column("position", seen.clone().map(|seen| seen.position).collect::<Vec<_>>());
    if of_rows {
        let roles = seen.map(|seen| seen.role.as_deref().unwrap_or_default());
        table = table.column("role", roles.collect::<Vec<_>>());
    }
    let inputs = lines.map(|(subject, at)| {
        let token = subject.prompt().tokens().get(subject.seen[at].position);
        token.map(|&token| outline.tokenizer().display(token)).unwrap_or_default()
    });
    table.column("input", inputs.collect::<Vec<_>>())
}
