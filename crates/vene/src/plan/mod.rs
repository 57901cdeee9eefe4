//! Plans: which values of which run are to be replaced by what.
//!
//! A [`Plan`] is declared by a builder and says nothing wrong about any model yet; resolved
//! against a model's outline and its examples ([`Plan::resolve`]) it becomes a [`ResolvedPlan`],
//! in which every position is a number, every edit lands somewhere, and no two edits contradict
//! each other. Executors take only the latter. No weight is read for any of this.

mod alignment;
mod check;
mod conflicts;
mod edit;
mod ends;
mod heads;
mod outputs;
mod over_rows;
mod padded;
mod positions;
mod receipt;
mod resolve;
mod resolve_source;
mod resolved;
mod runs;
mod source_positions;
mod span;
mod teacher_forced;
mod unchanged;
mod when;

pub use alignment::align;
pub(crate) use check::Width;
pub use edit::{Edit, Module, Source};
pub use ends::{Ends, ShortPrompt};
pub use heads::Heads;
pub use outputs::{Outputs, Reduce, Tokens};
pub use over_rows::OverRows;
pub use padded::{Padded, PaddingError};
pub use positions::{Part, Positions};
pub(crate) use receipt::Tally;
pub use receipt::{Change, Outcome, Receipt};
pub use resolved::{
    EditedSource, ResolvedCollect, ResolvedEdit, ResolvedPlan, ResolvedSource, Unit,
};
pub use source_positions::SourcePositions;
pub use teacher_forced::TeacherForced;
pub(crate) use unchanged::unchanged;
pub use when::When;

use std::sync::Arc;

use crate::error::{PlanError, Whose};
use crate::intervention::Parameter;
use crate::training::learned_by;
use vene_model::{Component, InputError, Outline, Prompt};

/// A base prompt and the sources that are read to edit its run.
#[derive(Clone, Debug)]
pub struct Example {
    /// The prompt whose run is edited.
    pub base: Prompt,
    /// The prompts whose runs are read.
    pub sources: Vec<Prompt>,
    /// Which row of a data set it is, where it is one: what is drawn at random is drawn by it, so that a row's numbers
    /// depend on no other row. Default: the example's index in its plan.
    pub row: Option<usize>,
}

/// One of an example's runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Run {
    /// The base's.
    Base,
    /// That of the source with this index.
    Source(usize),
}

impl Example {
    /// An example without sources.
    pub fn new(base: Prompt) -> Self {
        Self { base, sources: Vec::new(), row: None }
    }

    /// As this row of a data set.
    #[must_use]
    pub fn of_row(mut self, row: usize) -> Self {
        self.row = Some(row);
        self
    }

    /// Adds a source; its index is the number of sources so far.
    #[must_use]
    pub fn source(mut self, source: Prompt) -> Self {
        self.sources.push(source);
        self
    }

    /// The same for another model of the same shape and tokenizer.
    fn for_another_model(&self, example: usize, outline: &Outline) -> Result<Self, PlanError> {
        let taken = |run: Run, prompt: &Prompt| {
            let whose = self.whose(run);
            let input = |error| PlanError::Input { whose, example, error: Box::new(error) };
            prompt.for_another_model(outline).map_err(|error| match error {
                InputError::AnotherModel(error) => error.into(),
                error => input(error),
            })
        };
        let sources = self.sources.iter().enumerate();
        let sources = sources.map(|(index, source)| taken(Run::Source(index), source));
        Ok(Self {
            base: taken(Run::Base, &self.base)?,
            sources: sources.collect::<Result<_, _>>()?,
            row: self.row,
        })
    }

    /// Whose text a run's prompt is, for messages.
    pub(crate) fn whose(&self, run: Run) -> Whose {
        match run {
            Run::Base => Whose::Base,
            Run::Source(index) => Whose::Source { index, sources: self.sources.len() },
        }
    }

    /// The prompt of a run that a resolved plan speaks of.
    pub(crate) fn prompt(&self, run: Run) -> &Prompt {
        match run {
            Run::Base => &self.base,
            Run::Source(index) => &self.sources[index],
        }
    }

    /// The prompt of a run, if there is one.
    pub(crate) fn get(&self, run: Run) -> Option<&Prompt> {
        match run {
            Run::Base => Some(&self.base),
            Run::Source(index) => self.sources.get(index),
        }
    }
}

/// What to do to a run and what to read off it, for each of a batch of examples.
///
/// ```
/// use vene::{Component, Edit, Example, Model, Plan, Positions, RunPlans};
///
/// let model = Model::load("embedded")?;
/// let example = Example::new(model.prompt("The capital of Spain is")?)
///     .source(model.prompt("The capital of Italy is")?);
/// let plan = Plan::new()
///     .edit(
///         Edit::interchange(Component::BlockOutput, 0)
///             .at(Positions::last_of("Spain"))
///             .from(Positions::last_of("Italy")),
///     )
///     .resolve(&model, &[example])?;
/// let outcome = model.run(&plan)?;
/// let rome = model.tokenizer().single_token(" Rome")?;
/// assert!(outcome.distribution(0, 0)?.probability(rome) > Some(0.1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub(crate) edits: Vec<Edit>,
    pub(crate) collects: Vec<Collect>,
    pub(crate) read: Positions,
    pub(crate) outputs: Outputs,
    pub(crate) original: bool,
}

/// Activations to be kept from the edited run.
#[derive(Clone, Debug)]
pub(crate) struct Collect {
    pub(crate) component: Component,
    pub(crate) layer: Option<usize>,
    pub(crate) positions: Positions,
}

impl Plan {
    /// An empty plan: the base's run as it is, read at the last position.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an edit. Edits at one site are applied in the order in which they were added.
    #[must_use]
    pub fn edit(mut self, edit: Edit) -> Self {
        self.edits.push(edit);
        self
    }

    /// Keeps a site's activations, as they are after all edits there.
    #[must_use]
    pub fn collect(
        mut self,
        component: Component,
        layer: impl Into<Option<usize>>,
        positions: Positions,
    ) -> Self {
        self.collects.push(Collect { component, layer: layer.into(), positions });
        self
    }

    /// What is kept of the edited run: components, their layers, and at which positions.
    pub fn collects(&self) -> impl Iterator<Item = (Component, Option<usize>, &Positions)> {
        let each = self.collects.iter();
        each.map(|collect| (collect.component, collect.layer, &collect.positions))
    }

    /// The same plan, keeping no activations.
    #[must_use]
    pub fn without_collects(mut self) -> Self {
        self.collects.clear();
        self
    }

    /// The positions whose next-token distributions are wanted; the last one unless told.
    #[must_use]
    pub fn read(mut self, positions: Positions) -> Self {
        self.read = positions;
        self
    }

    /// Of the next-token distributions only the logits of these tokens are wanted: a few rows of the
    /// unembedding are multiplied instead of all.
    #[must_use]
    pub fn logits_of(mut self, tokens: impl Into<Tokens>) -> Self {
        self.outputs = Outputs::Logits(tokens.into());
        self
    }

    /// Of the next-token distributions only the logits and the probabilities of these tokens are
    /// wanted: the vocabulary is summed over, and its logits are kept nowhere.
    #[must_use]
    pub fn probabilities_of(mut self, tokens: impl Into<Tokens>) -> Self {
        self.outputs = Outputs::Probabilities(tokens.into());
        self
    }

    /// Of each next-token distribution only a few numbers are wanted, made of it at once.
    #[must_use]
    pub fn reduced(mut self, reduce: Arc<dyn Reduce>) -> Self {
        self.outputs = Outputs::Reduced(reduce);
        self
    }

    /// What is wanted of the next-token distributions; all of them unless told.
    #[must_use]
    pub fn outputs(mut self, outputs: Outputs) -> Self {
        self.outputs = outputs;
        self
    }

    /// The base's run as it is without any edit is read as the edited one is, and its activations are
    /// kept ([`PlanOutcome::original`](crate::PlanOutcome::original); pyvene's
    /// `output_original_output`).
    #[must_use]
    pub fn with_original(mut self) -> Self {
        self.original = true;
        self
    }

    /// What its edits do, in their order, each name once.
    pub fn intervention_names(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for edit in &self.edits {
            if !names.contains(&edit.intervention.name()) {
                names.push(edit.intervention.name());
            }
        }
        names
    }

    /// What its interventions learn, each under its name in the plan (`edit.0.rotate_layer.weight`); what several edits share is there
    /// once.
    pub fn learned(&self) -> Vec<Parameter> {
        learned_by(self.edits.iter().map(|edit| &*edit.intervention))
    }

    /// Checks the plan against a model and examples, and turns every name into numbers.
    ///
    /// # Errors
    /// Whatever is wrong with it: see [`PlanError`].
    pub fn resolve(
        &self,
        outline: &Outline,
        examples: &[Example],
    ) -> Result<ResolvedPlan, PlanError> {
        resolve::resolve(self, outline, examples.into())
    }

    /// [`Plan::resolve`] for many plans of the same examples, which are kept once.
    ///
    /// # Errors
    /// As [`Plan::resolve`].
    pub fn resolve_shared(
        &self,
        outline: &Outline,
        examples: &Arc<[Example]>,
    ) -> Result<ResolvedPlan, PlanError> {
        resolve::resolve(self, outline, examples.clone())
    }
}
