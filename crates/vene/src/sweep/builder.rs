//! Declaring a sweep.

use std::sync::Arc;

use vene_data::{Phrase, Row, Span};
use vene_engine::PlanError;
use vene_model::{Component, Outline, Prompt, PromptForm, Site};

use super::pair::Pair;
use super::{
    Cell, Control, Direction, EffectType, Method, Sweep, SweepPositions, SweepUnit, places,
    positions,
};
use crate::metric::{LOGIT_DIFFERENCE, Metric};
use crate::sweep::SweepError;

/// Declares a sweep; nothing is checked before [`SweepBuilder::build`].
///
/// It is over one pair of prompts ([`SweepBuilder::base`], [`SweepBuilder::source`]) or over the rows of a data set
/// ([`SweepBuilder::rows`]).
#[derive(Clone)]
pub struct SweepBuilder<'a> {
    pub(super) outline: &'a Outline,
    pub(super) form: PromptForm,
    pub(super) rows: Option<&'a [Row]>,
    pub(super) pair: Pair,
    pub(super) components: Vec<Component>,
    pub(super) layers: Option<Vec<usize>>,
    pub(super) heads: Option<Vec<usize>>,
    pub(super) positions: Option<SweepPositions>,
    pub(super) unit: SweepUnit,
    pub(super) method: Method,
    pub(super) directions: Vec<Direction>,
    pub(super) window: usize,
    pub(super) effect: EffectType,
    pub(super) metrics: Option<Vec<Arc<dyn Metric>>>,
    pub(super) controls: Vec<Control>,
    pub(super) seed: u64,
    pub(super) first_tokens: bool,
    pub(super) distinct_roles: bool,
}

impl<'a> SweepBuilder<'a> {
    pub(super) fn new(outline: &'a Outline) -> Self {
        Self {
            outline,
            form: PromptForm::default(),
            rows: None,
            pair: Pair::default(),
            components: Vec::new(),
            layers: None,
            heads: None,
            positions: None,
            unit: SweepUnit::Position,
            method: Method::Interchange,
            directions: vec![Direction::Noising],
            window: 1,
            effect: EffectType::Total,
            metrics: None,
            controls: Vec::new(),
            seed: 0,
            first_tokens: false,
            distinct_roles: false,
        }
    }

    /// The rows of a data set.
    #[must_use]
    pub fn rows(mut self, rows: &'a [Row]) -> Self {
        self.rows = Some(rows);
        self
    }

    /// The prompt of a pair whose run is edited.
    #[must_use]
    pub fn base(mut self, text: impl Into<String>) -> Self {
        self.pair.base = Some(super::pair::Input::Text(text.into()));
        self
    }

    /// The same, tokenized already.
    #[must_use]
    pub fn base_prompt(mut self, prompt: Prompt) -> Self {
        self.pair.base = Some(super::pair::Input::Prompt(prompt));
        self
    }

    /// A prompt of a pair whose run is read. Methods that read one take the first; `mean` takes all.
    #[must_use]
    pub fn source(mut self, text: impl Into<String>) -> Self {
        self.pair.sources.push(super::pair::Input::Text(text.into()));
        self
    }

    /// The same, tokenized already.
    #[must_use]
    pub fn source_prompt(mut self, prompt: Prompt) -> Self {
        self.pair.sources.push(super::pair::Input::Prompt(prompt));
        self
    }

    /// A right answer to a pair's base, with its leading space, for metrics that read answers: of any number of
    /// tokens; again for more, any of which is right.
    #[must_use]
    pub fn target(mut self, answer: impl Into<String>) -> Self {
        self.pair.target.push(answer.into());
        self
    }

    /// A right answer to a pair's source, likewise.
    #[must_use]
    pub fn foil(mut self, answer: impl Into<String>) -> Self {
        self.pair.foil.push(answer.into());
        self
    }

    /// A phrase of a pair after which roles are named: `subject` for `subject_last`.
    #[must_use]
    pub fn span(
        mut self,
        name: impl Into<String>,
        base: impl Into<String>,
        source: impl Into<String>,
    ) -> Self {
        let phrase = |text: String| Phrase::Text { text, occurrence: None };
        let span = Span { base: phrase(base.into()), source: Some(phrase(source.into())) };
        self.pair.spans.insert(name.into(), span);
        self
    }

    /// The tokens whose probabilities after a pair's last position are read, each with its leading space: `" Madrid"`.
    /// See [`SweepOutcome::tokens`](super::SweepOutcome::tokens).
    #[must_use]
    pub fn tokens(mut self, tokens: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.pair.tokens = tokens.into_iter().map(Into::into).collect();
        self
    }

    /// How prompts are made of texts. Default: as texts, with the model's own rule for the beginning.
    #[must_use]
    pub fn prompt_form(mut self, form: impl Into<PromptForm>) -> Self {
        self.form = form.into();
        self
    }

    /// What is edited.
    #[must_use]
    pub fn components(mut self, components: impl IntoIterator<Item = Component>) -> Self {
        self.components = components.into_iter().collect();
        self
    }

    /// Layers to edit. Default: all.
    #[must_use]
    pub fn layers(mut self, layers: impl IntoIterator<Item = usize>) -> Self {
        self.layers = Some(layers.into_iter().collect());
        self
    }

    /// Heads to edit, where the unit is one of heads. Default: all.
    #[must_use]
    pub fn heads(mut self, heads: impl IntoIterator<Item = usize>) -> Self {
        self.heads = Some(heads.into_iter().collect());
        self
    }

    /// Positions to edit. Default: of a pair all, of rows the last.
    #[must_use]
    pub fn positions(mut self, positions: SweepPositions) -> Self {
        self.positions = Some(positions);
        self
    }

    /// Positions to edit, by role ([`SweepPositions::Roles`]). With the unit `h` all positions of a row are edited at
    /// once, and roles are not looked at.
    #[must_use]
    pub fn roles(self, roles: impl IntoIterator<Item = vene_data::Role>) -> Self {
        self.positions(SweepPositions::Roles(roles.into_iter().collect()))
    }

    /// What is edited at once. Default: a position.
    #[must_use]
    pub fn unit(mut self, unit: SweepUnit) -> Self {
        self.unit = unit;
        self
    }

    /// What is done. Default: interchange.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Which run is edited. Default: the base's (noising).
    #[must_use]
    pub fn directions(mut self, directions: impl IntoIterator<Item = Direction>) -> Self {
        self.directions = directions.into_iter().collect();
        self
    }

    /// How many adjacent layers are edited at once, around the cell's. Default: 1. Of an even number one more lies
    /// before the cell's layer than after it.
    #[must_use]
    pub fn window(mut self, layers: usize) -> Self {
        self.window = layers;
        self
    }

    /// What effects go through. Default: everything.
    #[must_use]
    pub fn effect(mut self, effect: EffectType) -> Self {
        self.effect = effect;
        self
    }

    /// What is measured: built-in metrics, closures, types of one's own ([`metric`](crate::metric)). Default: of rows
    /// the logit difference, of a pair its [tokens](SweepBuilder::tokens) alone.
    #[must_use]
    pub fn metrics(mut self, metrics: impl IntoIterator<Item = Arc<dyn Metric>>) -> Self {
        self.metrics = Some(metrics.into_iter().collect());
        self
    }

    /// Maps beside the first, of what should not matter.
    #[must_use]
    pub fn controls(mut self, controls: impl IntoIterator<Item = Control>) -> Self {
        self.controls = controls.into_iter().collect();
        self
    }

    /// What random draws depend on. Default: 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether an answer's first token stands for it: cheaper, and what much of the literature does.
    /// Default: an answer of several tokens is a sequence, each token read after those before it.
    #[must_use]
    pub fn first_tokens(mut self, first: bool) -> Self {
        self.first_tokens = first;
        self
    }

    /// Whether rows are left out in which two of the roles are the same token, such as the first and the
    /// last of a phrase of one. Default: they are kept, and the preflight says how many there are.
    #[must_use]
    pub fn distinct_roles(mut self, distinct: bool) -> Self {
        self.distinct_roles = distinct;
        self
    }

    /// Checks everything, down to the last cell; rows that cannot be used are left out and listed. No weight is read.
    ///
    /// # Errors
    /// Whatever is wrong or missing: see [`SweepError`].
    pub fn build(mut self) -> Result<Sweep, SweepError> {
        self.check()?;
        if let (SweepUnit::Head, Method::MeanAblation { per_position }) =
            (self.unit, &mut self.method)
        {
            // All positions are written at once, and their roles are not looked at.
            *per_position = false;
        }
        match self.rows {
            Some(rows) => self.build_rows(rows),
            None => self.build_pair(),
        }
    }

    pub(super) fn swept_positions(&self) -> SweepPositions {
        self.positions.clone().unwrap_or_else(|| positions::usual(self.rows.is_none()))
    }

    pub(super) fn measured(&self) -> Vec<Arc<dyn Metric>> {
        let usual = || -> Vec<Arc<dyn Metric>> {
            if self.rows.is_some() { vec![Arc::new(LOGIT_DIFFERENCE)] } else { Vec::new() }
        };
        self.metrics.clone().unwrap_or_else(usual)
    }

    /// The places, in the table's order, of so many positions.
    pub(super) fn cells(&self, positions: usize) -> Result<Vec<Cell>, SweepError> {
        let config = self.outline.config();
        let positions: Vec<Option<usize>> = match self.unit {
            SweepUnit::Head => vec![None],
            _ => (0..positions).map(Some).collect(),
        };
        let mut cells = Vec::new();
        for (component, layer) in places::of(&self.components, self.layers.as_deref(), config) {
            // A window cut at the model's ends would have none of the layers past them, and edit nothing.
            Site::new(component, layer, config).map_err(PlanError::from)?;
            for &position in &positions {
                for head in places::heads(self.unit, component, self.heads.as_deref(), config)? {
                    cells.push(Cell { component, layer, position, head });
                }
            }
        }
        Ok(cells)
    }
}
