//! An edit: a write site, what is read, and the function between them.

use std::sync::Arc;

use vene_intervention::{
    Addition, Interchange, Intervention, Knockout, Mean, Noise, Scaling, SourceCount, Subspace,
    Subtraction, Zero,
};
use vene_model::Component;
use vene_named::named;

use super::Run;
use super::heads::Heads;
use super::positions::Positions;
use super::source_positions::SourcePositions;
use super::when::When;

/// Where an intervention takes a source's values from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The run of the example's source with this index, at the written site; as it is edited, where
    /// the plan edits it ([`Edit::within`]). A source's run that reads itself reads itself unedited.
    Run(usize),
    /// The base's own run as it is without any edit, at the written site: what other edits changed
    /// is put back there.
    Base,
    /// This very run, at a site that lies before the written one in the same layer.
    Current(Component),
    /// Given values, row-major: one row `[width]` for every edited position, or a row for each,
    /// `[positions * width]`. Of attention patterns `[heads * keys]` for every edited query, or
    /// `[heads * queries * keys]`, as they are collected.
    Given(Arc<Vec<f64>>),
    /// The same, for each example its own.
    GivenEach(Vec<Arc<Vec<f64>>>),
    /// The runs of all sources of the example but the edited one, at the written site.
    AllRuns,
}

named! {
    /// A module that can be skipped.
    pub enum Module as "module" {
        /// `attention_output` becomes `attention_input`.
        Attention = "attention",
        /// `mlp_output` becomes `mlp_input`.
        Mlp = "mlp",
        /// `block_output` becomes `block_input`.
        Block = "block",
    }
}

/// Replaces values at one site of the base's run, or of a source's ([`Edit::within`]).
///
/// Made by one of the constructors, each an intervention; by default it edits the last position
/// of all heads and, where the intervention reads a source, reads the example's first source at
/// the same positions.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The component that is written.
    pub component: Component,
    /// Its layer; `None` for one that stands outside of layers.
    pub layer: Option<usize>,
    /// The positions that are written.
    pub positions: Positions,
    /// The run that is written.
    pub run: Run,
    /// The heads that are written; `None` for all.
    pub heads: Option<Heads>,
    /// Whether the positions are handed over as one vector.
    pub concatenated: bool,
    /// Of an attention pattern the keys that are written; `None` for all.
    pub keys: Option<Positions>,
    /// What becomes of the values.
    pub intervention: Arc<dyn Intervention>,
    /// What it reads beside the base's values.
    pub source: Option<Source>,
    /// The positions that it reads, where they are not those that are written.
    pub source_positions: Option<SourcePositions>,
    /// The keys that are read, where they are others than those that are written.
    pub source_keys: Option<Positions>,
    /// The heads that are read, where they are others than those that are written.
    pub source_heads: Option<Heads>,
    /// The layer that is read, where it is another than the written one.
    pub source_layer: Option<usize>,
    /// Whether it is a control: an edit that may well change nothing.
    pub control: bool,
    /// For each example the coordinates that are edited; `None` for all.
    pub subspaces: Option<Vec<Subspace>>,
    /// At which steps of a generation it is made.
    pub when: When,
}

impl Edit {
    /// An edit by any intervention, a user's own included. One that reads sources reads the
    /// example's first, or all of them if it takes several.
    pub fn new(
        component: Component,
        layer: impl Into<Option<usize>>,
        intervention: Arc<dyn Intervention>,
    ) -> Self {
        let source = usual(intervention.as_ref());
        Self {
            component,
            layer: layer.into(),
            positions: Positions::Last,
            run: Run::Base,
            heads: None,
            concatenated: false,
            keys: None,
            intervention,
            source,
            source_positions: None,
            source_keys: None,
            source_heads: None,
            source_layer: None,
            control: false,
            subspaces: None,
            when: When::Prompt,
        }
    }

    /// The same by another intervention, which reads what it reads unless told.
    pub fn by(self, intervention: Arc<dyn Intervention>) -> Self {
        Self { source: usual(intervention.as_ref()), intervention, ..self }
    }

    /// The source's values instead of the base's.
    pub fn interchange(component: Component, layer: impl Into<Option<usize>>) -> Self {
        Self::new(component, layer, Arc::new(Interchange))
    }

    /// 0 instead of the base's values.
    pub fn zero(component: Component, layer: impl Into<Option<usize>>) -> Self {
        Self::new(component, layer, Arc::new(Zero))
    }

    /// The mean of all sources' values instead of the base's.
    pub fn mean(component: Component, layer: impl Into<Option<usize>>) -> Self {
        Self::new(component, layer, Arc::new(Mean))
    }

    /// Given values instead of the base's: one row for every position, or a row for each.
    pub fn constant(
        component: Component,
        layer: impl Into<Option<usize>>,
        values: Vec<f64>,
    ) -> Self {
        Self::interchange(component, layer).source(Source::Given(Arc::new(values)))
    }

    /// The base's own values as they are without any edit: what earlier edits changed is put back,
    /// so that nothing flows through here (a direct effect holds later attention so).
    pub fn freeze(component: Component, layer: impl Into<Option<usize>>) -> Self {
        Self::interchange(component, layer).source(Source::Base)
    }

    /// The source's values added to the base's.
    pub fn addition(component: Component, layer: impl Into<Option<usize>>) -> Self {
        Self::new(component, layer, Arc::new(Addition))
    }

    /// A given vector added to the base's values: steering.
    pub fn steering(
        component: Component,
        layer: impl Into<Option<usize>>,
        vector: Vec<f64>,
    ) -> Self {
        Self::addition(component, layer).source(Source::Given(Arc::new(vector)))
    }

    /// The source's values subtracted from the base's.
    pub fn subtraction(component: Component, layer: impl Into<Option<usize>>) -> Self {
        Self::new(component, layer, Arc::new(Subtraction))
    }

    /// The base's values times a factor.
    pub fn scaling(component: Component, layer: impl Into<Option<usize>>, factor: f64) -> Self {
        Self::new(component, layer, Arc::new(Scaling { factor }))
    }

    /// Gaussian noise added to the base's values.
    pub fn noise(
        component: Component,
        layer: impl Into<Option<usize>>,
        standard_deviation: f64,
        seed: u64,
    ) -> Self {
        Self::new(component, layer, Arc::new(Noise { standard_deviation, seed }))
    }

    /// A module is skipped: its output becomes its own input in this run (pyvene's
    /// `SkipIntervention`).
    pub fn skip(module: Module, layer: usize) -> Self {
        let (output, input) = match module {
            Module::Attention => (Component::AttentionOutput, Component::AttentionInput),
            Module::Mlp => (Component::MlpOutput, Component::MlpInput),
            Module::Block => (Component::BlockOutput, Component::BlockInput),
        };
        Self::interchange(output, layer).source(Source::Current(input))
    }

    /// Attention knocked out: the queries at [`Edit::at`] no longer see the keys at
    /// [`Edit::keys`], in all heads or in [`Edit::heads`].
    pub fn knockout(layer: usize) -> Self {
        Self::new(Component::AttentionScore, layer, Arc::new(Knockout))
    }

    /// The positions that are edited; of attention patterns, the queries. An example whose list of
    /// [`Positions::Each`] is empty is not edited.
    #[must_use]
    pub fn at(mut self, positions: Positions) -> Self {
        self.positions = positions;
        self
    }

    /// Edits this run instead of the base's: a source that is itself edited before it is read. Runs
    /// must not read each other in a circle.
    #[must_use]
    pub fn within(mut self, run: Run) -> Self {
        self.run = run;
        self
    }

    /// Hands all edited values of an example to the intervention as one vector: several positions are
    /// edited together instead of each by itself, as pyvene does where `max_number_of_units` is more
    /// than 1. A rotation then has `positions * width` dimensions.
    #[must_use]
    pub fn concatenated(mut self) -> Self {
        self.concatenated = true;
        self
    }

    /// The heads that are edited, in all examples or a list for each; all unless told. An example
    /// whose list is empty is not edited.
    #[must_use]
    pub fn heads(mut self, heads: impl Into<Heads>) -> Self {
        self.heads = Some(heads.into());
        self
    }

    /// The keys of an attention pattern that are edited; all unless told.
    #[must_use]
    pub fn keys(mut self, positions: Positions) -> Self {
        self.keys = Some(positions);
        self
    }

    /// The subspace that is edited in each example, in place of the intervention's own: one for each, or
    /// one for all.
    #[must_use]
    pub fn subspaces(mut self, subspaces: impl Into<Vec<Subspace>>) -> Self {
        self.subspaces = Some(subspaces.into());
        self
    }

    /// Where the source's values are taken from.
    #[must_use]
    pub fn source(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    /// At which steps of a generation the edit is made; on the prompt unless told. Executors run the
    /// prompt, and refuse an edit that is not on it.
    #[must_use]
    pub fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    /// Makes the edit a control: it is run even where it is sure to change nothing, since base and
    /// source are the same there. What it changes after all is the noise of the floats.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.control = true;
        self
    }

    /// Whether it reads runs: of sources, or of the base as it is without any edit.
    pub fn reads_runs(&self) -> bool {
        matches!(self.source, Some(Source::Run(_) | Source::AllRuns | Source::Base))
    }

    /// The positions that are read in the source, by default the same words as [`Edit::at`]. Words are
    /// looked up in each source that is read; a list has for each of the example's sources its own.
    ///
    /// ```
    /// use vene::{Component, Edit, Positions};
    ///
    /// // The mean over two sources, each at its own country.
    /// let edit = Edit::mean(Component::BlockOutput, 3)
    ///     .at(Positions::last_of("Spain"))
    ///     .from([Positions::last_of("Italy"), Positions::last_of("New Zealand")]);
    /// ```
    #[must_use]
    pub fn from(mut self, positions: impl Into<SourcePositions>) -> Self {
        self.source_positions = Some(positions.into());
        self
    }

    /// The heads that are read in the source; the edited ones unless told.
    #[must_use]
    pub fn from_heads(mut self, heads: impl Into<Heads>) -> Self {
        self.source_heads = Some(heads.into());
        self
    }

    /// The layer that is read in the source; the edited one unless told.
    #[must_use]
    pub fn from_layer(mut self, layer: usize) -> Self {
        self.source_layer = Some(layer);
        self
    }
}

/// What an intervention reads unless told.
fn usual(intervention: &dyn Intervention) -> Option<Source> {
    match intervention.traits().sources {
        SourceCount::None => None,
        SourceCount::One => Some(Source::Run(0)),
        SourceCount::Several => Some(Source::AllRuns),
    }
}
