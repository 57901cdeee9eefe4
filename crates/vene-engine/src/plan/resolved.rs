//! Plans that can be run: every position is a number, every edit lands somewhere.

use std::sync::Arc;

use vene_intervention::{Dependence, Intervention};
use vene_model::{AnotherModel, Component, ModelKey, Outline, Prompt, Site};

use super::{Example, Outputs, Run, When};
use crate::error::PlanError;

/// A plan in which every position is a number and every edit lands somewhere.
#[derive(Clone, Debug)]
pub struct ResolvedPlan {
    pub(crate) examples: Arc<[Example]>,
    /// Those of the base's run.
    pub(crate) edits: Vec<ResolvedEdit>,
    /// Sources whose runs are edited, each behind those that it reads.
    pub(crate) edited_sources: Vec<EditedSource>,
    pub(crate) collects: Vec<ResolvedCollect>,
    pub(crate) read: Vec<Vec<usize>>,
    pub(crate) outputs: Outputs,
    /// Whether the base's run as it is without any edit is read too.
    pub(crate) original: bool,
}

/// A source whose run is edited before it is read, or read beside one that is.
#[derive(Clone, Debug)]
pub struct EditedSource {
    /// The source's index.
    pub source: usize,
    /// Its edits; none where it is only read beside an edited one.
    pub edits: Vec<ResolvedEdit>,
}

/// An edit with its units in each example.
#[derive(Clone, Debug)]
pub struct ResolvedEdit {
    /// Its index in the plan as it was declared.
    pub index: usize,
    /// At which steps of a generation it is made.
    pub when: When,
    /// The run that it writes to.
    pub run: Run,
    /// Where it writes.
    pub site: Site,
    /// Whether it is applied to one position after the other, inside a recurrent block.
    pub by_step: bool,
    /// What it does.
    pub intervention: Arc<dyn Intervention>,
    /// What it writes, for each example.
    pub units: Vec<Unit>,
    /// Whether the values of a unit are one vector, rather than one for each position.
    pub concatenated: bool,
    /// What it reads.
    pub source: Option<ResolvedSource>,
    /// Whether a run that it reads is edited itself.
    pub reads_edited: bool,
    /// Whether it is run even where it is sure to change nothing.
    pub control: bool,
    /// The coordinates that it edits, for each example, where the plan says so.
    pub subspaces: Option<Vec<Vec<usize>>>,
}

/// What an edit reads.
#[derive(Clone, Debug)]
pub enum ResolvedSource {
    /// Runs of the example.
    Runs {
        /// Where it reads.
        site: Site,
        /// For each example the runs, and what is read in each.
        units: Vec<Vec<(Run, Unit)>>,
    },
    /// The edited run itself, at a site before the written one.
    Current(Site),
    /// Given values, for each example those of each source: one row, or a row for each position.
    Given(Vec<Vec<Arc<Vec<f64>>>>),
}

/// Values within a component of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Unit {
    /// Token positions; of attention patterns, the queries. None where an example is not edited.
    pub positions: Vec<usize>,
    /// Heads, where not all or where the component has none.
    pub heads: Option<Vec<usize>>,
    /// Keys, where the component is an attention pattern and not all are meant.
    pub keys: Option<Vec<usize>>,
}

impl Unit {
    /// Whether it is no value at all: the plan does not edit this example here.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }
}

/// Activations to be kept.
#[derive(Clone, Debug)]
pub struct ResolvedCollect {
    /// Where.
    pub site: Site,
    /// Which positions, for each example.
    pub positions: Vec<Vec<usize>>,
}

impl ResolvedPlan {
    /// The examples it is for.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// The model that it was resolved for; `None` of a plan without examples.
    pub fn model(&self) -> Option<&ModelKey> {
        // All prompts are of one model: resolving has seen to it.
        self.examples.first().map(|example| example.base.model())
    }

    /// Refuses another model than the one that it was resolved for.
    pub fn expect(&self, key: &ModelKey) -> Result<(), AnotherModel> {
        self.model().map_or(Ok(()), |model| model.expect("the plan", key))
    }

    /// The same plan for another model of the same shape and tokenizer, such as one that was fine-tuned
    /// from its own: without it a plan runs on no model but the one that it was resolved for.
    ///
    /// # Errors
    /// Another shape or tokenizer; a prompt that is longer than the other model's context.
    pub fn for_another_model(&self, outline: &Outline) -> Result<Self, PlanError> {
        Ok(self.with_examples(taken_over(&self.examples, outline)?))
    }

    /// The same plan for the same examples as another model has them.
    pub(crate) fn with_examples(&self, examples: Arc<[Example]>) -> Self {
        Self { examples, ..self.clone() }
    }

    /// A prompt's run as it is, read at its last position.
    pub fn unedited(prompt: &Prompt) -> Self {
        let examples = [Example::new(prompt.clone())];
        Self::reading(examples.into(), vec![vec![prompt.len() - 1]], Outputs::Distributions)
    }

    /// Bases' runs as they are, read at these positions.
    pub(crate) fn reading(
        examples: Arc<[Example]>,
        read: Vec<Vec<usize>>,
        outputs: Outputs,
    ) -> Self {
        Self {
            examples,
            read,
            outputs,
            edits: Vec::new(),
            edited_sources: Vec::new(),
            collects: Vec::new(),
            original: false,
        }
    }

    /// Its edits of the base's run.
    pub fn edits(&self) -> &[ResolvedEdit] {
        &self.edits
    }

    /// The sources whose runs it edits, each behind those that it reads.
    pub fn edited_sources(&self) -> &[EditedSource] {
        &self.edited_sources
    }

    /// Whether an example's sources have a part in what is computed: they are read, or edited.
    pub fn reads_sources(&self) -> bool {
        let is_source = |run: &Run| *run != Run::Base;
        let reads = |edit: &ResolvedEdit| match &edit.source {
            Some(ResolvedSource::Runs { units, .. }) => {
                units.iter().flatten().any(|(run, _)| is_source(run))
            }
            _ => false,
        };
        !self.edited_sources.is_empty() || self.edits.iter().any(reads)
    }

    /// Whether the base's run as it is without any edit is wanted too.
    pub fn wants_original(&self) -> bool {
        self.original
    }

    /// Of each run of a base that is wanted whether it is edited: with the plan's edits, and where that is wanted too as it is.
    pub(crate) fn base_runs(&self) -> &'static [bool] {
        if self.original { &[true, false] } else { &[true] }
    }

    /// Whether one run of base and sources is all that it needs.
    pub(crate) fn is_one_run(&self) -> bool {
        self.edited_sources.is_empty() && !self.original
    }

    /// The positions of an example whose logits are needed: those read, edited and collected.
    pub(crate) fn logit_positions(&self, example: usize) -> Vec<usize> {
        let is_logits = |site: Site| site.component() == Component::Logits;
        let edited = self.edits.iter().filter(|edit| is_logits(edit.site));
        let collected = self.collects.iter().filter(|collect| is_logits(collect.site));
        let mut positions = self.read[example].clone();
        positions.extend(edited.flat_map(|edit| &edit.units[example].positions));
        positions.extend(collected.flat_map(|collect| &collect.positions[example]));
        positions.sort_unstable();
        positions.dedup();
        positions
    }

    /// What is collected, with the positions in an example.
    pub fn collected_at(&self, example: usize) -> impl Iterator<Item = (Site, &[usize])> {
        self.collects.iter().filter_map(move |collect| {
            Some((collect.site, collect.positions.get(example)?.as_slice()))
        })
    }

    /// The positions whose distributions are read, for each example.
    pub fn read(&self) -> &[Vec<usize>] {
        &self.read
    }
}

impl ResolvedEdit {
    /// Whether the edit is sure to change nothing in an example that is not edited otherwise: it is an interchange whose
    /// every read row is its write row, since both runs are the same up to there.
    pub fn is_shared_prefix(&self, example: usize, prompts: &Example) -> bool {
        let Some(ResolvedSource::Runs { site, units }) = &self.source else { return false };
        let (Some(unit), Some(read)) = (self.units.get(example), units.get(example)) else {
            return false;
        };
        let is_shared = |(run, read): &(Run, Unit)| {
            let prompts = prompts.get(self.run).zip(prompts.get(*run));
            let shared = prompts.map_or(0, |(written, read)| written.shared_run(read));
            read == unit && unit.positions.iter().all(|&position| position < shared)
        };
        !self.control
            && !self.reads_edited
            && !unit.is_empty()
            && self.intervention.traits().result == Dependence::Copies
            && *site == self.site
            && read.iter().all(is_shared)
    }

    /// Where it reads runs of the example, if it does.
    pub(crate) fn read_site(&self) -> Option<Site> {
        match self.source {
            Some(ResolvedSource::Runs { site, .. }) => Some(site),
            _ => None,
        }
    }

    /// The runs of an example that it reads, with the positions that are read there.
    pub(crate) fn positions_read(&self, example: usize) -> Vec<(Run, Vec<usize>)> {
        self.units_read(example).map(|(run, unit)| (run, unit.positions.clone())).collect()
    }

    /// The runs of an example that it reads, with what it reads of each.
    pub(crate) fn units_read(&self, example: usize) -> impl Iterator<Item = (Run, &Unit)> {
        let units = match &self.source {
            Some(ResolvedSource::Runs { units, .. }) => units[example].as_slice(),
            _ => &[],
        };
        units.iter().map(|(run, unit)| (*run, unit))
    }

    /// Where it reads the edited run itself, if it does.
    pub(crate) fn reads_current(&self) -> Option<Site> {
        match self.source {
            Some(ResolvedSource::Current(site)) => Some(site),
            _ => None,
        }
    }
}

/// Examples as another model of the same shape and tokenizer has them.
fn taken_over(examples: &[Example], outline: &Outline) -> Result<Arc<[Example]>, PlanError> {
    let examples = examples.iter().enumerate();
    examples.map(|(index, example)| example.for_another_model(index, outline)).collect()
}
