//! Declaring a sweep.

use std::sync::Arc;

use vene_model::{BeginningOfSequence, Component, Outline, Prompt};

use super::{Cell, Method, Sweep, Target, control, places};
use crate::error::SweepError;
use crate::plan::{Example, Plan, Positions, align};

/// What is edited at once in each cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SweepUnit {
    /// One position, all heads (`pos`).
    #[default]
    Position,
    /// One head, all positions (`h`).
    Head,
    /// One head at one position (`h.pos`).
    HeadPosition,
}

impl SweepUnit {
    /// Its name, as pyvene has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Position => "pos",
            Self::Head => "h",
            Self::HeadPosition => "h.pos",
        }
    }

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
    /// Every one; base and source must be equally long.
    #[default]
    All,
    /// Those that correspond in base and source (see [`align`]).
    Aligned,
    /// These in the base, and these in the source, pair by pair; what stands for several positions
    /// is visited one by one.
    Named(Vec<(Positions, Positions)>),
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

    /// Checks everything, down to the last cell. No weight is read.
    ///
    /// # Errors
    /// Whatever is wrong or missing: see [`SweepError`].
    pub fn build(self) -> Result<Sweep, SweepError> {
        let base = self.prompt(self.base.as_ref().ok_or(SweepError::NoBase)?, "base")?;
        if self.method.reads_source() && self.sources.is_empty() {
            return Err(SweepError::NoSource { method: self.method.name() });
        }
        if self.components.is_empty() {
            return Err(SweepError::NoComponents);
        }
        if self.tokens.is_empty() {
            return Err(SweepError::NoTokens);
        }
        let sources = self
            .sources
            .iter()
            .map(|source| self.prompt(source, "source"))
            .collect::<Result<Vec<_>, _>>()?;
        let targets = self.targets()?;
        let positions = self.pairs(&base, sources.first())?;
        let example: Arc<[Example]> =
            [Example { base: base.clone(), sources: sources.clone() }].into();
        let tokens: Vec<u32> = targets.iter().map(|target| target.id).collect();
        let config = self.outline.config();
        let (mut cells, mut plans) = (Vec::new(), Vec::new());
        for (component, layer) in places::of(&self.components, self.layers.as_deref(), config) {
            for &(position, source_position) in &positions {
                for head in places::heads(self.unit, component, self.heads.as_deref(), config)? {
                    let cell = Cell { component, layer, position, head };
                    plans.push(self.plan(cell, source_position, &example, &tokens)?);
                    cells.push(cell);
                }
            }
        }
        let controls = control::of(self.outline, &cells, &plans, &tokens)?;
        Ok(Sweep {
            base,
            sources,
            method: self.method,
            unit: self.unit,
            targets,
            cells,
            plans,
            controls,
        })
    }

    fn prompt(&self, input: &Input, whose: &'static str) -> Result<Prompt, SweepError> {
        match input {
            Input::Prompt(prompt) => Ok(prompt.clone()),
            Input::Text(text) => self
                .outline
                .prompt_with(text, self.bos)
                .map_err(|error| SweepError::Input { whose, error }),
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

    /// Pairs of base and source positions; `None` stands for all positions at once.
    #[allow(clippy::type_complexity)]
    fn pairs(
        &self,
        base: &Prompt,
        source: Option<&Prompt>,
    ) -> Result<Vec<(Option<usize>, Option<usize>)>, SweepError> {
        let source = source.filter(|_| self.method.reads_source()).unwrap_or(base);
        let must_match = self.unit == SweepUnit::Head || self.positions == SweepPositions::All;
        if must_match && base.len() != source.len() {
            return Err(SweepError::DifferentLengths {
                base: base.len(),
                source_tokens: source.len(),
            });
        }
        if self.unit == SweepUnit::Head {
            return Ok(vec![(None, None)]);
        }
        let both = |(base, source)| (Some(base), Some(source));
        match &self.positions {
            SweepPositions::All => {
                Ok((0..base.len()).map(|position| both((position, position))).collect())
            }
            SweepPositions::Aligned => Ok(align(base, source).into_iter().map(both).collect()),
            SweepPositions::Named(names) => {
                let mut pairs = Vec::new();
                for (in_base, in_source) in names {
                    let resolve = |positions: &Positions, prompt, whose| {
                        positions
                            .resolve(prompt, 0)
                            .map_err(|error| SweepError::Position { whose, error })
                    };
                    let written = resolve(in_base, base, "base")?;
                    let read = match self.method.reads_source() {
                        true => resolve(in_source, source, "source")?,
                        false => written.clone(),
                    };
                    if written.len() != read.len() {
                        return Err(SweepError::UnequalSpans {
                            base: written.len(),
                            source_tokens: read.len(),
                        });
                    }
                    for pair in written.into_iter().zip(read).map(both) {
                        if pairs.contains(&pair) {
                            return Err(SweepError::PositionTwice {
                                position: pair.0.unwrap_or(0),
                            });
                        }
                        pairs.push(pair);
                    }
                }
                Ok(pairs)
            }
        }
    }

    fn plan(
        &self,
        cell: Cell,
        source_position: Option<usize>,
        example: &Arc<[Example]>,
        tokens: &[u32],
    ) -> Result<crate::plan::ResolvedPlan, SweepError> {
        let positions = |position: Option<usize>| match position {
            Some(position) => Positions::index(position as i64),
            None => Positions::All,
        };
        let (base, source) = (positions(cell.position), positions(source_position));
        let mut edit = self.method.edit(cell.component, cell.layer, base, source)?;
        if let Some(head) = cell.head {
            edit = edit.heads([head]);
        }
        let plan = Plan::new().edit(edit).probabilities_of(tokens.to_vec());
        Ok(plan.resolve_shared(self.outline, example)?)
    }
}
