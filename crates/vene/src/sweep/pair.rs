//! A pair of prompts as the one row of a sweep. What is wrong with it is an error, and no reason to leave it out.

use std::collections::BTreeMap;

use vene_data::{FurtherSource, PreparedRow, Requirements, Row, Span, answers};
use vene_engine::Whose;
use vene_model::Prompt;

use super::positions::{PairPosition, PairPrompts};
use super::{Control, Direction, Method, Sweep, SweepBuilder, SweepPositions, Target, pair_noise};
use crate::metric::Meter;
use crate::sweep::SweepError;

/// What is declared of a pair.
#[derive(Clone, Default)]
pub(super) struct Pair {
    pub(super) base: Option<Input>,
    pub(super) sources: Vec<Input>,
    pub(super) target: Vec<String>,
    pub(super) foil: Vec<String>,
    pub(super) spans: BTreeMap<String, Span>,
    pub(super) tokens: Vec<String>,
}

/// A prompt as it is declared.
#[derive(Clone)]
pub(super) enum Input {
    Text(String),
    Prompt(Prompt),
}

impl Pair {
    /// What is declared of it, where something is.
    pub(super) fn what(&self) -> Option<&'static str> {
        let given = [
            ("a base", self.base.is_some()),
            ("a source", !self.sources.is_empty()),
            ("a target", !self.target.is_empty()),
            ("a foil", !self.foil.is_empty()),
            ("a span", !self.spans.is_empty()),
            ("the probability of a token", !self.tokens.is_empty()),
        ];
        given.into_iter().find_map(|(what, is_given)| is_given.then_some(what))
    }

    /// Its texts and answers.
    fn row(&self, base: &Prompt, source: Option<&Prompt>) -> Row {
        let text = |prompt: &Prompt| prompt.said().unwrap_or_default().to_owned();
        Row {
            source: source.map(text),
            target: self.target.clone(),
            foil: self.foil.clone(),
            spans: self.spans.clone().into(),
            ..Row::of_base(text(base))
        }
    }
}

impl Input {
    fn prompt(&self, builder: &SweepBuilder<'_>, whose: Whose) -> Result<Prompt, SweepError> {
        match self {
            Self::Prompt(prompt) => Ok(prompt.clone()),
            Self::Text(text) => builder
                .outline
                .prompt_with(text, &builder.form)
                .map_err(|error| SweepError::Input { whose, error: Box::new(error) }),
        }
    }
}

impl SweepBuilder<'_> {
    /// Checks what a pair has no part in, or too much of.
    pub(super) fn check_pair(&self) -> Result<(), SweepError> {
        if self.pair.base.is_none() {
            return Err(SweepError::NoBase);
        }
        if self.method.reads_source() && self.pair.sources.is_empty() {
            return Err(SweepError::NoSource { method: self.method.name() });
        }
        if self.method.needs_rows() {
            return Err(SweepError::OneRow { what: self.method.name(), of: "is made of" });
        }
        if self.controls.contains(&Control::ShuffledSource) {
            return Err(SweepError::OneRow { what: "the control `shuffled`", of: "reads" });
        }
        if self.distinct_roles {
            return Err(SweepError::OneRow { what: "distinct positions", of: "are told by" });
        }
        let sources = self.pair.sources.len();
        if self.directions.contains(&Direction::Denoising) && sources > 1 {
            return Err(SweepError::DenoisingSeveral { sources });
        }
        if self.components.is_empty() {
            return Err(SweepError::NoComponents);
        }
        if self.pair.tokens.is_empty() && self.measured().is_empty() {
            return Err(SweepError::NoTokens);
        }
        Ok(())
    }

    /// The sweep over a pair.
    pub(super) fn build_pair(self) -> Result<Sweep, SweepError> {
        let declared = self.pair.base.as_ref().ok_or(SweepError::NoBase)?;
        let base = declared.prompt(&self, Whose::Base)?;
        let sources = self.pair.sources.iter().enumerate();
        let sources = sources
            .map(|(index, source)| {
                source.prompt(&self, Whose::Source { index, sources: self.pair.sources.len() })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let targets = self.targets()?;
        let row = self.pair.row(&base, sources.first());
        let read = self.method.read(&sources);
        let prompts = PairPrompts { row: &row, base: &base, read };
        let is_given = self.positions.is_some();
        let visited = prompts.positions(&self.swept_positions(), self.unit, is_given)?;
        let meter = Meter::new(self.measured(), self.outline.config().vocabulary);
        refuse(&meter, &self.pair)?;
        let row = self.prepared(&row, (&base, &sources), &visited, &meter)?;
        let roles = match self.positions {
            Some(SweepPositions::Roles(ref roles)) => roles.clone(),
            _ => Vec::new(),
        };
        let mut sweep = Sweep {
            cells: self.cells(visited.len())?,
            rows: vec![row],
            left_out: Vec::new(),
            words: visited.into_iter().map(|position| position.word).collect(),
            roles,
            unit: self.unit,
            method: self.method,
            directions: self.directions,
            window: self.window,
            effect: self.effect,
            meter,
            targets,
            controls: self.controls,
            seed: self.seed,
            first_tokens: self.first_tokens,
            distinct_roles: false,
            noise_cells: Some(Vec::new()),
            weights: crate::effort::weights(self.outline.config()),
        };
        super::batch::check(&sweep, self.outline)?;
        sweep.noise_cells = Some(pair_noise::cells(&sweep, self.outline)?);
        Ok(sweep)
    }

    /// The pair in tokens.
    fn prepared(
        &self,
        row: &Row,
        (base, sources): (&Prompt, &[Prompt]),
        visited: &[PairPosition],
        meter: &Meter,
    ) -> Result<PreparedRow, SweepError> {
        let requirements = Requirements {
            form: &self.form,
            roles: &[],
            read: &[],
            distinct_roles: 0,
            reads_source: false,
            same_length: false,
            needs_target: false,
            needs_foil: false,
            needs_single_tokens: meter.reads().needs_single_tokens(),
            first_tokens: self.first_tokens,
        };
        let answers = answers(self.outline, row, &requirements, base, sources)
            .map_err(|reason| SweepError::Answers { reason: reason.to_string() })?;
        let read = |prompt: &Prompt, whose: Whose| {
            let each = meter.sites().iter().map(|site| {
                let of_role = match whose {
                    Whose::Base => row.role_in_base(&site.position, prompt),
                    _ => row.role_in_source(&site.position, prompt),
                };
                of_role.map_err(|error| SweepError::Position { whose, error })
            });
            each.collect::<Result<Vec<_>, _>>()
        };
        let mut base_positions: Vec<Vec<usize>> =
            visited.iter().map(|position| position.base.clone()).collect();
        if let Method::Restore { corrupted, .. } = &self.method {
            let found = row.role_in_base(corrupted, base);
            let refused = |error| SweepError::Position { whose: Whose::Base, error };
            base_positions.push(found.map_err(refused)?);
        }
        let in_source = |index: usize| -> Vec<Vec<usize>> {
            visited.iter().filter_map(|place| place.sources.get(index).cloned()).collect()
        };
        let whose = |index| Whose::Source { index, sources: sources.len() };
        let mut further = Vec::new();
        for (index, prompt) in sources.iter().enumerate().skip(1) {
            let read = read(prompt, whose(index))?;
            further.push(FurtherSource {
                prompt: prompt.clone(),
                positions: in_source(index),
                read,
            });
        }
        let source = sources.first();
        Ok(PreparedRow {
            index: 0,
            row: row.clone(),
            base: base.clone(),
            source: source.cloned(),
            answers,
            base_positions,
            source_positions: in_source(0),
            base_read: read(base, Whose::Base)?,
            source_read: source
                .map(|source| read(source, whose(0)))
                .transpose()?
                .unwrap_or_default(),
            further,
        })
    }

    /// The tokens whose probabilities are read.
    fn targets(&self) -> Result<Vec<Target>, SweepError> {
        let tokenizer = self.outline.tokenizer();
        let mut targets: Vec<Target> = Vec::new();
        for text in &self.pair.tokens {
            let id = tokenizer.single_token(text).map_err(SweepError::Token)?;
            if targets.iter().any(|target| target.id == id) {
                return Err(SweepError::TokenTwice { token: text.clone() });
            }
            targets.push(Target { text: text.clone(), id });
        }
        Ok(targets)
    }
}

/// Refuses metrics without the answers that they read, and answers that none reads.
fn refuse(meter: &Meter, pair: &Pair) -> Result<(), SweepError> {
    let owned = str::to_owned;
    if let (Some(metric), true) = (meter.who(|reads| reads.foil), pair.foil.is_empty()) {
        return Err(SweepError::NoFoil { metric: owned(metric) });
    }
    let reader = meter.who(|reads| reads.needs_answers());
    match (reader, pair.target.is_empty(), pair.foil.is_empty()) {
        (Some(metric), true, _) => Err(SweepError::NoTarget { metric: owned(metric) }),
        (None, false, _) | (None, _, false) => Err(SweepError::AnswersUnread),
        _ => Ok(()),
    }
}
