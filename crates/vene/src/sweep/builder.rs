//! Declaring a sweep.

use std::collections::BTreeMap;
use std::sync::Arc;

use vene_model::{BeginningOfSequence, Component, Outline, Prompt};
use vene_named::named;

use super::metrics::{AnswerTexts, PairMetrics};
use super::{Cell, Method, Sweep, Target, noise, places};
use crate::error::{SweepError, Whose};
use crate::intervention::SourceCount;
use crate::metric::Metric;
use crate::plan::{Edit, Example, Plan, Positions, Run, SourcePositions, align};

named! {
    /// What is edited at once in each cell.
    pub enum SweepUnit as "unit", default Position {
        /// One position, all heads.
        Position = "pos",
        /// One head, all positions.
        Head = "h",
        /// One head at one position.
        HeadPosition = "h.pos",
    }
}

impl SweepUnit {
    /// What is edited at once, in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Position => "one position at a time",
            Self::Head => "one head at a time",
            Self::HeadPosition => "one head at one position",
        }
    }
}

/// Which positions a sweep visits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SweepPositions {
    /// Every one; base and sources must be equally long.
    #[default]
    All,
    /// Those that correspond in base and source (see [`align`]); of several sources that are read, in all
    /// of them.
    Aligned,
    /// These in the base, and these in the sources, pair by pair; what stands for several positions
    /// is visited one by one. Words are looked up in each source that is read.
    Named(Vec<(Positions, SourcePositions)>),
}

/// Declares a sweep; nothing is checked before [`SweepBuilder::build`].
#[derive(Clone)]
pub struct SweepBuilder<'a> {
    outline: &'a Outline,
    bos: BeginningOfSequence,
    base: Option<Input>,
    sources: Vec<Input>,
    components: Vec<Component>,
    layers: Option<Vec<usize>>,
    heads: Option<Vec<usize>>,
    positions: SweepPositions,
    unit: SweepUnit,
    method: Method,
    tokens: Vec<String>,
    metrics: Vec<Arc<dyn Metric>>,
    answers: AnswerTexts,
}

#[derive(Clone)]
enum Input {
    Text(String),
    Prompt(Prompt),
}

impl<'a> SweepBuilder<'a> {
    pub(super) fn new(outline: &'a Outline) -> Self {
        Self {
            outline,
            bos: BeginningOfSequence::Model,
            base: None,
            sources: Vec::new(),
            components: Vec::new(),
            layers: None,
            heads: None,
            positions: SweepPositions::All,
            unit: SweepUnit::Position,
            method: Method::Interchange,
            tokens: Vec::new(),
            metrics: Vec::new(),
            answers: AnswerTexts::default(),
        }
    }

    /// The prompt whose run is edited.
    #[must_use]
    pub fn base(mut self, text: impl Into<String>) -> Self {
        self.base = Some(Input::Text(text.into()));
        self
    }

    /// The same, tokenized already.
    #[must_use]
    pub fn base_prompt(mut self, prompt: Prompt) -> Self {
        self.base = Some(Input::Prompt(prompt));
        self
    }

    /// A prompt whose run is read. Interventions that read one take the first; `mean` takes all.
    #[must_use]
    pub fn source(mut self, text: impl Into<String>) -> Self {
        self.sources.push(Input::Text(text.into()));
        self
    }

    /// The same, tokenized already.
    #[must_use]
    pub fn source_prompt(mut self, prompt: Prompt) -> Self {
        self.sources.push(Input::Prompt(prompt));
        self
    }

    /// Whether texts begin with a beginning-of-sequence token; by the model's own rule unless told.
    #[must_use]
    pub fn bos(mut self, bos: BeginningOfSequence) -> Self {
        self.bos = bos;
        self
    }

    /// What is edited.
    #[must_use]
    pub fn components(mut self, components: impl IntoIterator<Item = Component>) -> Self {
        self.components = components.into_iter().collect();
        self
    }

    /// In which layers; in all unless told.
    #[must_use]
    pub fn layers(mut self, layers: impl IntoIterator<Item = usize>) -> Self {
        self.layers = Some(layers.into_iter().collect());
        self
    }

    /// In which heads, where the unit is one of heads; in all unless told.
    #[must_use]
    pub fn heads(mut self, heads: impl IntoIterator<Item = usize>) -> Self {
        self.heads = Some(heads.into_iter().collect());
        self
    }

    /// At which positions; at all unless told.
    #[must_use]
    pub fn positions(mut self, positions: SweepPositions) -> Self {
        self.positions = positions;
        self
    }

    /// What is edited at once; a position unless told.
    #[must_use]
    pub fn unit(mut self, unit: SweepUnit) -> Self {
        self.unit = unit;
        self
    }

    /// The intervention; interchange unless told.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// The tokens whose probabilities are followed, each with its leading space: `" Madrid"`.
    #[must_use]
    pub fn tokens(mut self, tokens: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tokens = tokens.into_iter().map(Into::into).collect();
        self
    }

    /// What is measured, beside the tokens or instead of them; see [`SweepOutcome::metric_table`].
    ///
    /// [`SweepOutcome::metric_table`]: super::SweepOutcome::metric_table
    #[must_use]
    pub fn metrics(mut self, metrics: impl IntoIterator<Item = Arc<dyn Metric>>) -> Self {
        self.metrics = metrics.into_iter().collect();
        self
    }

    /// A right answer to the base, with its leading space, for metrics that read answers: of any number of tokens;
    /// again for more, any of which is right.
    #[must_use]
    pub fn target(mut self, answer: impl Into<String>) -> Self {
        self.answers.target.push(answer.into());
        self
    }

    /// A right answer to the source, likewise.
    #[must_use]
    pub fn foil(mut self, answer: impl Into<String>) -> Self {
        self.answers.foil.push(answer.into());
        self
    }

    /// Checks everything, down to the last cell. No weight is read.
    ///
    /// # Errors
    /// Whatever is wrong or missing: see [`SweepError`].
    pub fn build(self) -> Result<Sweep, SweepError> {
        let base = self.prompt(self.base.as_ref().ok_or(SweepError::NoBase)?, Whose::Base)?;
        if self.method.reads_source() && self.sources.is_empty() {
            return Err(SweepError::NoSource { method: self.method.name() });
        }
        if self.components.is_empty() {
            return Err(SweepError::NoComponents);
        }
        if self.tokens.is_empty() && self.metrics.is_empty() {
            return Err(SweepError::NoTokens);
        }
        let sources = self
            .sources
            .iter()
            .enumerate()
            .map(|(index, source)| {
                self.prompt(source, Whose::Source { index, sources: self.sources.len() })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let targets = self.targets()?;
        let positions = self.pairs(&base, &sources)?;
        if positions.is_empty() {
            return Err(SweepError::NoPositions);
        }
        let example: Arc<[Example]> =
            [Example { base: base.clone(), sources: sources.clone(), row: None }].into();
        let tokens: Vec<u32> = targets.iter().map(|target| target.id).collect();
        let config = self.outline.config();
        let pair = (&base, sources.as_slice());
        let mut metrics =
            PairMetrics::new(self.outline, &self.metrics, &self.answers, self.bos, pair)?;
        let (mut cells, mut plans) = (Vec::new(), Vec::new());
        for (component, layer) in places::of(&self.components, self.layers.as_deref(), config) {
            for (position, read) in &positions {
                for head in places::heads(self.unit, component, self.heads.as_deref(), config)? {
                    let cell = Cell { component, layer, position: *position, head };
                    let edit = self.edit(cell, read)?;
                    let plan = Plan::new().edit(edit.clone());
                    let plan = match tokens.as_slice() {
                        [] => plan.read(Positions::At(Vec::new())),
                        tokens => plan.probabilities_of(tokens.to_vec()),
                    };
                    plans.push(plan.resolve_shared(self.outline, &example)?);
                    metrics.add_cell(self.outline, &self.method, edit, &sources)?;
                    cells.push(cell);
                }
            }
        }
        let noise_places = noise::places(&plans);
        Ok(Sweep {
            base,
            sources,
            method: self.method,
            unit: self.unit,
            targets,
            cells,
            plans,
            metrics,
            noise_places,
        })
    }

    fn prompt(&self, input: &Input, whose: Whose) -> Result<Prompt, SweepError> {
        match input {
            Input::Prompt(prompt) => Ok(prompt.clone()),
            Input::Text(text) => self
                .outline
                .prompt_with(text, self.bos)
                .map_err(|error| SweepError::Input { whose, error: Box::new(error) }),
        }
    }

    fn targets(&self) -> Result<Vec<Target>, SweepError> {
        let tokenizer = self.outline.tokenizer();
        let mut targets: Vec<Target> = Vec::new();
        for text in &self.tokens {
            let id = tokenizer.single_token(text).map_err(SweepError::Token)?;
            if targets.iter().any(|target| target.id == id) {
                return Err(SweepError::TokenTwice { token: text.clone() });
            }
            targets.push(Target { text: text.clone(), id });
        }
        Ok(targets)
    }

    /// The places that are visited, each by its position in the base and those in the sources that are
    /// read; `None` stands for all positions at once.
    fn pairs(&self, base: &Prompt, sources: &[Prompt]) -> Result<Vec<Pair>, SweepError> {
        let read = self.method.read(sources);
        let must_match = self.unit == SweepUnit::Head || self.positions == SweepPositions::All;
        let other = read.iter().position(|source| source.len() != base.len());
        if let Some(index) = other.filter(|_| must_match) {
            return Err(SweepError::DifferentLengths {
                base: base.len(),
                source_tokens: read[index].len(),
                whose: Whose::Source { index, sources: read.len() },
            });
        }
        if self.unit == SweepUnit::Head {
            if self.positions != SweepPositions::All {
                return Err(SweepError::PositionsWithoutUnit);
            }
            return Ok(vec![(None, Vec::new())]);
        }
        match &self.positions {
            SweepPositions::All => {
                let everywhere = |position| (Some(position), vec![position; read.len()]);
                Ok((0..base.len()).map(everywhere).collect())
            }
            SweepPositions::Aligned => Ok(aligned(base, read)),
            SweepPositions::Named(names) => {
                let mut pairs: Vec<Pair> = Vec::new();
                for (in_base, in_sources) in names {
                    for pair in named(base, in_base, read, in_sources)? {
                        if let Some(other) = pairs.iter().find(|other| other.0 == pair.0) {
                            return Err(twice(other, &pair));
                        }
                        pairs.push(pair);
                    }
                }
                Ok(pairs)
            }
        }
    }

    fn edit(&self, cell: Cell, read: &[usize]) -> Result<Edit, SweepError> {
        let at = |position: usize| Positions::index(position as i64);
        let base = cell.position.map_or(Positions::All, at);
        let source = match (cell.position, self.method.source_count(), read) {
            (None, ..) => SourcePositions::Same(Positions::All),
            (_, SourceCount::Several, read) => {
                read.iter().copied().map(at).collect::<Vec<_>>().into()
            }
            (_, _, [position, ..]) => at(*position).into(),
            (_, _, []) => base.clone().into(),
        };
        let edit = self.method.edit(cell.component, cell.layer, base, source)?;
        Ok(match cell.head {
            Some(head) => edit.heads([head]),
            None => edit,
        })
    }
}

/// A position in the base (`None`: all), and that in each source that is read.
type Pair = (Option<usize>, Vec<usize>);

/// The error that two names are one position of the base.
fn twice((position, one): &Pair, (_, other): &Pair) -> SweepError {
    let position = position.unwrap_or(0);
    let sources = one.len();
    let mut differ = one.iter().zip(other).enumerate().filter(|(_, (one, other))| one != other);
    match differ.next() {
        None => SweepError::PositionTwice { position },
        Some((index, (&one, &other))) => {
            let whose = Whose::Source { index, sources };
            SweepError::PositionShared { position, one, other, whose }
        }
    }
}

/// Positions of the base that have a counterpart in each source.
fn aligned(base: &Prompt, sources: &[Prompt]) -> Vec<Pair> {
    let maps: Vec<BTreeMap<usize, usize>> =
        sources.iter().map(|source| align(base, source).into_iter().collect()).collect();
    let counterparts = |position: usize| {
        let each = maps.iter().map(|map| map.get(&position).copied());
        Some((Some(position), each.collect::<Option<Vec<_>>>()?))
    };
    (0..base.len()).filter_map(counterparts).collect()
}

/// What is named in the base with what is named in each source, position by position.
fn named(
    base: &Prompt,
    in_base: &Positions,
    sources: &[Prompt],
    in_sources: &SourcePositions,
) -> Result<Vec<Pair>, SweepError> {
    let resolve = |positions: &Positions, prompt, whose: Whose| {
        positions.resolve(prompt, 0).map_err(|error| SweepError::Position { whose, error })
    };
    let written = resolve(in_base, base, Whose::Base)?;
    let mut pairs: Vec<Pair> =
        written.iter().map(|&position| (Some(position), Vec::new())).collect();
    if let SourcePositions::BySource(each) = in_sources
        && !sources.is_empty()
        && each.len() != sources.len()
    {
        return Err(SweepError::SourceLists { lists: each.len(), sources: sources.len() });
    }
    for (index, source) in sources.iter().enumerate() {
        let Some(words) = in_sources.of(Run::Source(index)) else { continue };
        let whose = Whose::Source { index, sources: sources.len() };
        let read = resolve(words, source, whose)?;
        if written.len() != read.len() {
            let (base, source_tokens) = (written.len(), read.len());
            return Err(SweepError::UnequalSpans { base, source_tokens, whose });
        }
        for ((_, in_each), position) in pairs.iter_mut().zip(read) {
            in_each.push(position);
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn positions_are_not_passed_over() {
        let outline = Outline::open(vene_model::EMBEDDED, &mut |_| {}).unwrap();
        let sweep = Sweep::builder(&outline)
            .base("The capital of Spain is")
            .source("The capital of Italy is")
            .components([Component::AttentionValueOutput])
            .unit(SweepUnit::Head)
            .tokens([" Madrid"]);
        let last = vec![(Positions::Last, Positions::Last.into())];
        let refused = sweep.clone().positions(SweepPositions::Named(last)).build();
        assert!(matches!(refused, Err(SweepError::PositionsWithoutUnit)));
        assert!(sweep.build().is_ok());
    }

    #[test]
    fn positions_that_a_table_could_not_tell_apart_are_refused() {
        let outline = Outline::open(vene_model::EMBEDDED, &mut |_| {}).unwrap();
        let pair = |source: i64| (Positions::index(3), Positions::index(source).into());
        let refused = |sources: [i64; 2]| {
            let sweep = Sweep::builder(&outline)
                .base("The capital of Spain is")
                .source("The capital of Papua New Guinea is")
                .components([Component::BlockOutput])
                .positions(SweepPositions::Named(sources.map(pair).into()))
                .tokens([" Madrid"]);
            sweep.build().err().unwrap().to_string()
        };
        assert_eq!(refused([4, 4]), "position 3 is named twice");
        let shared = refused([3, 5]);
        assert!(
            shared.starts_with(
                "two of the named positions are position 3 of the base, and read position 3 and 5 of the source:"
            ),
            "{shared}"
        );
    }
}
