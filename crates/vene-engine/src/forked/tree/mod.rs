//! The tree of forks: which plans leave which run where.
//!
//! A plan's edits in one example, in the order in which data flows, are *steps*: all edits at one
//! site are one. Plans that begin with the same steps are the same run up to where they part, so
//! they are interned as prompts are: a noised run that a thousand plans repair, each at another
//! place, is run once. Steps that are sure to change nothing are left out before, with a receipt.
//!
//! A *fork* is a stretch of steps after which runs part or end. It leaves its *parent*, which is a
//! run of the trunk or another fork. A source that is edited is read as the fork that it is.

mod nodes;
mod same;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use vene_model::{Component, Site};

use super::identity::InterventionId;
use super::trunk::Trunk;
use crate::apply::Application;
use crate::plan::{ResolvedEdit, ResolvedPlan, ResolvedSource, Run, Unit};
use nodes::Nodes;

/// A run of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum RunId {
    /// A run of the trunk.
    Trunk(usize),
    /// A fork.
    Fork(usize),
}

impl RunId {
    /// The fork that it is, if it is one.
    pub(super) fn fork(self) -> Option<usize> {
        match self {
            Self::Fork(fork) => Some(fork),
            Self::Trunk(_) => None,
        }
    }
}

/// A position of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RunPosition {
    pub(super) run: RunId,
    pub(super) position: usize,
}

/// An edited run, from where it leaves its parent.
#[derive(Clone)]
pub(super) struct Fork<'a> {
    pub(super) parent: RunId,
    pub(super) steps: Vec<Step<'a>>,
    /// How many of the run's first tokens matter: none after them is edited or read.
    pub(super) length: usize,
}

/// All edits of a run at one site, in declared order; of an attention pattern those of scores, then
/// those of weights.
#[derive(Clone)]
pub(super) struct Step<'a> {
    /// The first edit's.
    pub(super) site: Site,
    pub(super) edits: Vec<StepEdit<'a>>,
}

/// An edit of a step.
#[derive(Clone, Copy)]
pub(super) struct StepEdit<'a> {
    pub(super) application: Application<'a>,
    pub(super) intervention: InterventionId,
    /// Whose runs it reads.
    runs: RunsId,
}

/// Where a plan's run in one example ends up.
pub(super) struct PlanRun<'a> {
    pub(super) plan: &'a ResolvedPlan,
    pub(super) example: usize,
    pub(super) run: RunId,
    runs: RunsId,
    /// For each edit of the base's run where it is applied; none of a run without any.
    pub(super) places: Vec<EditPlace>,
    /// The same for the edits of each source that is edited.
    pub(super) source_places: Vec<Vec<EditPlace>>,
    /// The reads that the plan's collects are.
    pub(super) reads: Range<usize>,
}

/// Values that are read of a run as it passes a site.
pub(super) struct SiteRead<'a> {
    pub(super) run: RunId,
    pub(super) site: Site,
    /// A row for each; of attention patterns, which are read whole, none.
    pub(super) positions: Cow<'a, [usize]>,
}

/// Where an edit of a plan is applied.
#[derive(Clone, Copy, Debug)]
pub(super) enum EditPlace {
    /// Nowhere: it is sure to change nothing.
    Unchanged,
    /// Nowhere: it names nothing of this example.
    NotEdited,
    /// By a fork, at one of its steps, as one of the edits there.
    Fork { fork: usize, step: usize, edit: usize },
}

/// A plan in one of its examples.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) plan: &'a ResolvedPlan,
    pub(super) example: usize,
    /// Whether it is run with its edits, or as it is.
    pub(super) is_edited: bool,
}

/// An example's runs. Those that are read may be of another tree, whose runs were read before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ExampleRuns {
    /// The run that is edited, in the trunk.
    pub(super) edited: usize,
    /// What is read as the base: its run in the trunk, unedited.
    pub(super) base: usize,
    /// What is read as sources, as they are edited so far.
    pub(super) sources: Vec<RunId>,
}

impl ExampleRuns {
    /// What is read as one of the example's runs.
    pub(super) fn of(&self, run: Run) -> RunId {
        match run {
            Run::Base => RunId::Trunk(self.base),
            Run::Source(index) => self.sources[index],
        }
    }
}

/// The index of an [`ExampleRuns`] in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RunsId(usize);

/// Forks and ends of a pass.
pub(super) struct Tree<'a> {
    pub(super) trunk: &'a Trunk,
    /// Each after its parent.
    pub(super) forks: Vec<Fork<'a>>,
    /// One for each job.
    pub(super) ends: Vec<PlanRun<'a>>,
    pub(super) reads: Vec<SiteRead<'a>>,
    /// Whether sources are runs of this tree; else what edits read of them was read before.
    has_sources: bool,
    /// For each fork whether it was run, and read, in an earlier pass.
    is_earlier: Vec<bool>,
    runs: Vec<ExampleRuns>,
}

/// Runs of the trunk for jobs, one for each.
pub(super) fn runs_of(
    jobs: &[Job<'_>],
    run: &mut dyn FnMut(&vene_model::Prompt) -> usize,
) -> Vec<ExampleRuns> {
    let mut all: Vec<ExampleRuns> = Vec::with_capacity(jobs.len());
    for (index, job) in jobs.iter().enumerate() {
        // Plans over the same examples stand together as a rule: their prompts need not be found again.
        let same = |other: &&Job<'_>| {
            other.example == job.example && Arc::ptr_eq(&other.plan.examples, &job.plan.examples)
        };
        if index.checked_sub(1).and_then(|before| jobs.get(before)).filter(same).is_some() {
            all.push(all[index - 1].clone());
            continue;
        }
        let example = &job.plan.examples[job.example];
        let base = run(&example.base);
        let sources = example.sources.iter().map(|source| RunId::Trunk(run(source))).collect();
        all.push(ExampleRuns { edited: base, base, sources });
    }
    all
}

impl<'a> Tree<'a> {
    /// The tree of jobs, whose prompts are these runs of the trunk.
    pub(super) fn new(trunk: &'a Trunk, jobs: &[Job<'a>], runs: Vec<ExampleRuns>) -> Self {
        Self::of(trunk, jobs, runs, true)
    }

    /// The same where what edits read of sources was read before.
    pub(super) fn after_sources(
        trunk: &'a Trunk,
        jobs: &[Job<'a>],
        runs: Vec<ExampleRuns>,
    ) -> Self {
        Self::of(trunk, jobs, runs, false)
    }

    fn of(trunk: &'a Trunk, jobs: &[Job<'a>], runs: Vec<ExampleRuns>, has_sources: bool) -> Self {
        let mut nodes = Nodes::default();
        let add = |(job, runs): (&Job<'a>, _)| nodes.add(*job, runs, has_sources);
        let ends = jobs.iter().zip(runs).map(add).collect();
        let mut tree = nodes.into_tree(trunk, jobs, ends, has_sources);
        for end in &mut tree.ends {
            let start = tree.reads.len();
            tree.reads.extend(end.plan.collects.iter().map(|collect| SiteRead {
                run: end.run,
                site: collect.site,
                positions: Cow::Borrowed(match collect.site.component().is_pattern() {
                    true => &[],
                    false => &collect.positions[end.example],
                }),
            }));
            end.reads = start..tree.reads.len();
        }
        tree.shorten();
        tree
    }

    /// Unedited runs of which something is read.
    pub(super) fn of_reads(trunk: &'a Trunk, reads: Vec<SiteRead<'a>>) -> Self {
        let (forks, ends, runs) = (Vec::new(), Vec::new(), Vec::new());
        Self { trunk, forks, ends, reads, has_sources: true, is_earlier: Vec::new(), runs }
    }

    /// The ends of plans, which are not run then, and nothing that they read.
    pub(super) fn take_ends(&mut self) -> Vec<PlanRun<'a>> {
        self.reads.clear();
        std::mem::take(&mut self.ends)
    }

    /// Some of the forks alone, under their own numbers, of which something is read.
    pub(super) fn part(&self, is_run: &dyn Fn(usize) -> bool, reads: Vec<SiteRead<'a>>) -> Self {
        let mut part = Self {
            forks: self.forks.clone(),
            ends: Vec::new(),
            reads,
            is_earlier: self.is_earlier.clone(),
            runs: self.runs.clone(),
            ..*self
        };
        part.keep_only(is_run);
        part
    }

    /// Leaves these forks' steps, and no other's.
    pub(super) fn keep_only(&mut self, is_run: &dyn Fn(usize) -> bool) {
        for (index, fork) in self.forks.iter_mut().enumerate() {
            if !is_run(index) {
                fork.steps.clear();
                fork.length = 0;
            }
        }
    }

    /// Says of a fork that it is run, and read, in an earlier pass.
    pub(super) fn set_earlier(&mut self, fork: usize) {
        self.is_earlier[fork] = true;
    }

    /// Whether a run that an edit reads is a row of the pass at the very site at which it is written.
    pub(super) fn reads_in_passing(&self, edit: &ResolvedEdit, run: RunId) -> bool {
        let is_here = match run {
            RunId::Trunk(_) => true,
            RunId::Fork(fork) => self.has_sources && !self.is_earlier[fork],
        };
        self.has_sources && is_here && could_read_in_passing(edit)
    }

    /// The edits of all forks.
    pub(super) fn edits(&self) -> impl Iterator<Item = &StepEdit<'a>> {
        self.forks.iter().flat_map(|fork| &fork.steps).flat_map(|step| &step.edits)
    }

    /// The fork at whose end a run's logits are edited, if they are: nothing comes after them.
    pub(super) fn edits_logits(&self, run: RunId) -> Option<usize> {
        let RunId::Fork(fork) = run else { return None };
        let last = self.forks[fork].steps.last();
        last.is_some_and(Step::is_of_logits).then_some(fork)
    }

    /// The runs that an edit reads, with what it reads of each.
    pub(super) fn runs_read(&self, edit: &StepEdit<'a>) -> impl Iterator<Item = (RunId, &'a Unit)> {
        let units = edit.edit().units_read(edit.application.example);
        units.map(|(run, unit)| (self.read_run(edit, run), unit))
    }

    /// Those of them that it reads in passing.
    pub(super) fn read_in_passing(
        &self,
        edit: &StepEdit<'a>,
    ) -> impl Iterator<Item = (RunId, &'a Unit)> {
        let edit_of = edit.edit();
        self.runs_read(edit).filter(move |(run, _)| self.reads_in_passing(edit_of, *run))
    }

    /// How many tokens a run has.
    pub(super) fn run_length(&self, run: RunId) -> usize {
        self.trunk.runs()[self.trunk_run(run)].path.len()
    }

    /// The positions of a run whose rows a read needs.
    pub(super) fn positions_of<'r>(&self, read: &'r SiteRead<'_>) -> Cow<'r, [usize]> {
        if read.site.component().is_pattern() {
            Cow::Owned((0..self.run_length(read.run)).collect())
        } else {
            Cow::Borrowed(&read.positions)
        }
    }

    /// The run that an edit reads as one of its example's.
    fn read_run(&self, edit: &StepEdit<'_>, run: Run) -> RunId {
        self.runs[edit.runs.0].of(run)
    }

    /// The runs that a plan's edits read, as they are edited.
    pub(super) fn runs_of_plan(&self, end: &PlanRun<'_>) -> &ExampleRuns {
        &self.runs[end.runs.0]
    }

    /// A fork and its parents, up to the trunk's run.
    pub(super) fn line(&self, run: RunId) -> impl Iterator<Item = RunId> + '_ {
        std::iter::successors(Some(run), |run| match run {
            RunId::Trunk(_) => None,
            RunId::Fork(fork) => Some(self.forks[*fork].parent),
        })
    }

    /// The run of the trunk that a run leaves in the end.
    pub(super) fn trunk_run(&self, run: RunId) -> usize {
        let last = self.line(run).last();
        last.map_or(0, |run| match run {
            RunId::Trunk(run) => run,
            RunId::Fork(_) => unreachable!("a line ends in the trunk"),
        })
    }

    /// Attention looks back only: what comes after the last position that is edited or read is not computed.
    fn shorten(&mut self) {
        let length = |fork: &Fork<'_>| {
            // A pattern has all keys of its run.
            let is_pattern = |step: &Step<'_>| step.site.component().is_pattern();
            match fork.steps.iter().any(is_pattern) {
                true => self.run_length(fork.parent),
                false => fork.last_edited() + 1,
            }
        };
        let mut lengths: Vec<usize> = self.forks.iter().map(length).collect();
        for end in &self.ends {
            if let RunId::Fork(fork) = end.run {
                let last = end.plan.logit_positions(end.example).last().copied();
                lengths[fork] = lengths[fork].max(last.map_or(0, |last| last + 1));
            }
        }
        for read in &self.reads {
            if let RunId::Fork(fork) = read.run {
                let last = self.positions_of(read).iter().max().copied();
                lengths[fork] = lengths[fork].max(last.map_or(0, |last| last + 1));
            }
        }
        for edit in self.edits().filter(|_| self.has_sources) {
            for (run, unit) in self.runs_read(edit) {
                let RunId::Fork(fork) = run else { continue };
                let is_pattern =
                    edit.edit().read_site().is_some_and(|s| s.component().is_pattern());
                let read = if is_pattern {
                    self.run_length(run)
                } else {
                    unit.positions.iter().max().map_or(0, |last| last + 1)
                };
                lengths[fork] = lengths[fork].max(read);
            }
        }
        for (index, fork) in self.forks.iter_mut().enumerate().rev() {
            fork.length = lengths[index];
            if let RunId::Fork(parent) = fork.parent {
                lengths[parent] = lengths[parent].max(lengths[index]);
            }
        }
    }
}

/// Whether an edit's source could be a row of the pass at the very site at which it is written.
pub(super) fn could_read_in_passing(edit: &ResolvedEdit) -> bool {
    let component = edit.site.component();
    matches!(&edit.source, Some(ResolvedSource::Runs { site, .. }) if *site == edit.site)
        && !edit.by_step
        && !component.is_pattern()
        && component != Component::Logits
}

impl Fork<'_> {
    /// The first position of which it has rows of its own.
    pub(super) fn first_own(&self) -> Option<usize> {
        let in_model = self.steps.iter().filter(|step| !step.is_of_logits());
        in_model.flat_map(Step::positions).min()
    }

    fn last_edited(&self) -> usize {
        let edits = self.steps.iter().flat_map(|step| &step.edits);
        let positions = edits.flat_map(|edit| &edit.application.unit().positions);
        positions.max().copied().unwrap_or(0)
    }
}

impl<'a> Step<'a> {
    /// Whether it edits what is said of tokens, behind everything that has rows.
    fn is_of_logits(&self) -> bool {
        self.site.component() == Component::Logits
    }

    /// The positions that it edits, one edit after the other.
    pub(super) fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        self.edits.iter().flat_map(|edit| edit.application.unit().positions.iter().copied())
    }
}

impl<'a> StepEdit<'a> {
    pub(super) fn edit(&self) -> &'a ResolvedEdit {
        self.application.edit()
    }

    pub(super) fn unit(&self) -> &'a Unit {
        self.application.unit()
    }
}
