//! The tree of forks: which plans leave which run where.
//!
//! A plan's edits in one example, in the order in which data flows, are *steps*: all edits at one
//! site are one. Plans that begin with the same steps are the same run up to where they part, so
//! they are interned as prompts are: a noised run that a thousand plans repair, each at another
//! place, is run once. Steps that are sure to change nothing are left out before, with a receipt.
//!
//! A *fork* is a stretch of steps after which runs part or end. It leaves its *parent*, which is a
//! run of the trunk or another fork.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use vene_model::{Component, Site};

use super::identity::{Interned, InterventionId};
use super::trunk::Trunk;
use crate::engine::apply::Application;
use crate::intervention::Granularity;
use crate::plan::{ResolvedEdit, ResolvedPlan, ResolvedSource, Run, Unit};

/// A run of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum RunId {
    /// A run of the trunk.
    Trunk(usize),
    /// A fork.
    Fork(usize),
}

/// A position of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RunPosition {
    pub(super) run: RunId,
    pub(super) position: usize,
}

/// An edited run, from where it leaves its parent.
pub(super) struct Fork<'a> {
    pub(super) parent: RunId,
    pub(super) steps: Vec<Step<'a>>,
    /// How many of the run's first tokens matter: none after them is edited or read.
    pub(super) length: usize,
}

/// All edits of a run at one site, in declared order; of an attention pattern those of scores, then
/// those of weights.
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
    /// For each edit of the plan where it is applied.
    pub(super) places: Vec<EditPlace>,
    /// The reads that the plan's collects are.
    pub(super) reads: Range<usize>,
}

/// Values that are read of a run as it passes a site.
pub(super) struct SiteRead<'a> {
    pub(super) run: RunId,
    pub(super) site: Site,
    /// A row for each; of attention patterns, which are read whole, none.
    pub(super) positions: Cow<'a, [usize]>,
    /// The plan's run that it is a collect of, by job.
    pub(super) job: Option<usize>,
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
    /// On the plan's own logits.
    Logits,
}

/// A plan in one of its examples.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) plan: &'a ResolvedPlan,
    pub(super) example: usize,
}

/// The runs of an example's prompts. Those that are read may be of another trunk, whose runs were read before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ExampleRuns {
    /// The run that is edited, in the trunk.
    pub(super) edited: usize,
    /// What is read as the base, unedited.
    pub(super) base: usize,
    pub(super) sources: Vec<usize>,
}

impl ExampleRuns {
    /// The run of the trunk that one of the example's is.
    pub(super) fn of(&self, run: Run) -> usize {
        match run {
            Run::Base => self.base,
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
    /// Whether sources are runs of the trunk; else what edits read of them was read before.
    pub(super) has_sources: bool,
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
        let sources = example.sources.iter().map(&mut *run).collect();
        all.push(ExampleRuns { edited: base, base, sources });
    }
    all
}

impl<'a> Tree<'a> {
    /// The tree of jobs, whose prompts are these runs of the trunk.
    pub(super) fn new(trunk: &'a Trunk, jobs: &[Job<'a>], runs: Vec<ExampleRuns>) -> Self {
        let mut interned: HashMap<ExampleRuns, RunsId> = HashMap::new();
        let mut nodes = Nodes::default();
        let mut ends = Vec::with_capacity(jobs.len());
        for (&job, runs) in jobs.iter().zip(runs) {
            let next = RunsId(nodes.runs.len());
            let id = *interned.entry(runs).or_insert_with_key(|runs| {
                nodes.runs.push(runs.clone());
                next
            });
            ends.push(nodes.add(job, id));
        }
        let mut tree = nodes.into_tree(trunk, jobs, ends);
        for (job, end) in tree.ends.iter_mut().enumerate() {
            let start = tree.reads.len();
            tree.reads.extend(end.plan.collects.iter().map(|collect| SiteRead {
                run: end.run,
                site: collect.site,
                positions: Cow::Borrowed(match collect.site.component().is_pattern() {
                    true => &[],
                    false => &collect.positions[end.example],
                }),
                job: Some(job),
            }));
            end.reads = start..tree.reads.len();
        }
        tree.shorten();
        tree
    }

    /// The same where what edits read of sources was read before.
    pub(super) fn without_sources(self) -> Self {
        Self { has_sources: false, ..self }
    }

    /// Whether an edit's source is a row of the pass at the very site at which it is written.
    pub(super) fn reads_in_passing(&self, edit: &ResolvedEdit) -> bool {
        self.has_sources && could_read_in_passing(edit)
    }

    /// Unedited runs of which something is read.
    pub(super) fn of_reads(trunk: &'a Trunk, reads: Vec<SiteRead<'a>>) -> Self {
        let (forks, ends, runs) = (Vec::new(), Vec::new(), Vec::new());
        Self { trunk, forks, ends, reads, has_sources: true, runs }
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
    pub(super) fn read_run(&self, edit: &StepEdit<'_>, run: Run) -> RunId {
        self.run_of(edit.runs, run)
    }

    /// The run that a plan reads as one of its example's.
    pub(super) fn run_of_plan(&self, end: &PlanRun<'_>, run: Run) -> RunId {
        self.run_of(end.runs, run)
    }

    fn run_of(&self, RunsId(runs): RunsId, run: Run) -> RunId {
        RunId::Trunk(self.runs[runs].of(run))
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
    /// The first position that it edits.
    pub(super) fn first_edited(&self) -> usize {
        self.steps.iter().flat_map(Step::positions).min().unwrap_or(0)
    }

    fn last_edited(&self) -> usize {
        let edits = self.steps.iter().flat_map(|step| &step.edits);
        let positions = edits.flat_map(|edit| &edit.application.unit().positions);
        positions.max().copied().unwrap_or(0)
    }
}

impl<'a> Step<'a> {
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

/// The tree before stretches without a parting become one fork each.
#[derive(Default)]
struct Nodes<'a> {
    nodes: Vec<Node<'a>>,
    known: HashMap<Key<'a>, usize>,
    interned: Interned,
    runs: Vec<ExampleRuns>,
}

struct Node<'a> {
    parent: Option<usize>,
    run: usize,
    step: Step<'a>,
    children: usize,
    ends: bool,
}

/// What makes two steps the same: they leave the same run, and their edits are the same.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    parent: Option<usize>,
    run: usize,
    edits: Vec<EditKey<'a>>,
}

#[derive(PartialEq, Eq, Hash)]
struct EditKey<'a> {
    site: Site,
    intervention: InterventionId,
    /// The example, where what the intervention does may depend on it.
    example: Option<usize>,
    unit: &'a Unit,
    source: SourceKey<'a>,
    subspace: Option<&'a [usize]>,
    concatenated: bool,
}

#[derive(PartialEq, Eq, Hash)]
enum SourceKey<'a> {
    None,
    /// Which run of the trunk is read, and what of it.
    Runs(Site, Vec<(usize, &'a Unit)>),
    Current(Site),
    Given(Vec<Given<'a>>),
}

/// Given values, compared by their bits.
struct Given<'a>(&'a [f64]);

impl Given<'_> {
    fn bits(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|value| value.to_bits())
    }
}

impl PartialEq for Given<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0) || self.bits().eq(other.bits())
    }
}

impl Eq for Given<'_> {}

impl Hash for Given<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits().for_each(|bits| bits.hash(state));
    }
}

impl<'a> EditKey<'a> {
    fn of(
        edit: &'a ResolvedEdit,
        intervention: InterventionId,
        example: usize,
        runs: &ExampleRuns,
    ) -> Self {
        let source = match &edit.source {
            None => SourceKey::None,
            Some(ResolvedSource::Runs { site, units }) => {
                let read = units[example].iter().map(|(read, unit)| (runs.of(*read), unit));
                SourceKey::Runs(*site, read.collect())
            }
            Some(ResolvedSource::Current(site)) => SourceKey::Current(*site),
            Some(ResolvedSource::Given(values)) => {
                SourceKey::Given(values[example].iter().map(|values| Given(values)).collect())
            }
        };
        let is_whole = edit.intervention.traits().granularity == Granularity::Whole;
        Self {
            site: edit.site,
            intervention,
            example: is_whole.then_some(example),
            unit: &edit.units[example],
            source,
            concatenated: edit.concatenated,
            subspace: edit.subspaces.as_ref().map(|subspaces| subspaces[example].as_slice()),
        }
    }
}

/// Whether two edits are one step: at the same site, or both of one layer's attention
/// pattern, of which no row is live between scores and weights, or both inside one layer's recurrent block.
fn are_one(a: &ResolvedEdit, b: &ResolvedEdit) -> bool {
    let both = |is_so: fn(&ResolvedEdit) -> bool| is_so(a) && is_so(b);
    let in_one_place = both(|edit| edit.site.component().is_pattern()) || both(|edit| edit.by_step);
    a.site == b.site || (in_one_place && a.site.layer() == b.site.layer())
}

/// Where a job ends: its last node, if any; and the places of its edits, with nodes for forks.
struct End {
    node: Option<usize>,
    runs: RunsId,
    places: Vec<EditPlace>,
}

impl<'a> Nodes<'a> {
    fn add(&mut self, job: Job<'a>, id: RunsId) -> End {
        let Job { plan, example } = job;
        let application = |index| Application::new(plan, index, example);
        let mut places = vec![EditPlace::Unchanged; plan.edits.len()];
        let mut edits: Vec<usize> = Vec::with_capacity(plan.edits.len());
        for (index, edit) in plan.edits.iter().enumerate() {
            if edit.units[example].is_empty() {
                places[index] = EditPlace::NotEdited;
            } else if edit.site.component() == Component::Logits {
                places[index] = EditPlace::Logits;
            } else if !application(index).is_shared_prefix() {
                edits.push(index);
            }
        }
        edits.sort_by_key(|&index| plan.edits[index].site.depth());
        let mut parent = None;
        for step in edits.chunk_by(|&a, &b| are_one(&plan.edits[a], &plan.edits[b])) {
            let site = plan.edits[step[0]].site;
            let ids = step.iter().map(|&edit| self.interned.id(&plan.edits[edit].intervention));
            let ids: Vec<InterventionId> = ids.collect();
            let runs = &self.runs[id.0];
            let keys = step.iter().zip(&ids).map(|(&edit, &intervention)| {
                EditKey::of(&plan.edits[edit], intervention, example, runs)
            });
            let (run, next) = (runs.edited, self.nodes.len());
            let key = Key { parent, run, edits: keys.collect() };
            let node = *self.known.entry(key).or_insert(next);
            if node == next {
                if let Some(parent) = parent {
                    self.nodes[parent].children += 1;
                }
                let edit = |(&edit, &intervention)| {
                    let application = application(edit);
                    StepEdit { application, intervention, runs: id }
                };
                let step = Step { site, edits: step.iter().zip(&ids).map(edit).collect() };
                self.nodes.push(Node { parent, run, step, children: 0, ends: false });
            }
            for (edit, &index) in step.iter().enumerate() {
                places[index] = EditPlace::Fork { fork: node, step: 0, edit };
            }
            parent = Some(node);
        }
        if let Some(node) = parent {
            self.nodes[node].ends = true;
        }
        End { node: parent, runs: id, places }
    }

    /// Joins what does not part.
    fn into_tree(self, trunk: &'a Trunk, jobs: &[Job<'a>], ends: Vec<End>) -> Tree<'a> {
        let goes_on: Vec<bool> =
            self.nodes.iter().map(|node| node.children == 1 && !node.ends).collect();
        let mut forks: Vec<Fork<'a>> = Vec::with_capacity(self.nodes.len());
        // Of each node the fork, and the step in it.
        let mut at: Vec<(usize, usize)> = Vec::with_capacity(self.nodes.len());
        for node in self.nodes {
            let place = match node.parent {
                Some(parent) if goes_on[parent] => {
                    let fork = at[parent].0;
                    forks[fork].steps.push(node.step);
                    (fork, forks[fork].steps.len() - 1)
                }
                parent => {
                    let parent =
                        parent.map_or(RunId::Trunk(node.run), |parent| RunId::Fork(at[parent].0));
                    forks.push(Fork { parent, steps: vec![node.step], length: 0 });
                    (forks.len() - 1, 0)
                }
            };
            at.push(place);
        }
        let runs = self.runs;
        let end = |(job, end): (&Job<'a>, End)| PlanRun {
            plan: job.plan,
            example: job.example,
            run: match end.node {
                None => RunId::Trunk(runs[end.runs.0].edited),
                Some(node) => RunId::Fork(at[node].0),
            },
            runs: end.runs,
            reads: 0..0,
            places: end
                .places
                .into_iter()
                .map(|place| match place {
                    EditPlace::Fork { fork: node, edit, .. } => {
                        let (fork, step) = at[node];
                        EditPlace::Fork { fork, step, edit }
                    }
                    place => place,
                })
                .collect(),
        };
        let ends = jobs.iter().zip(ends).map(end).collect();
        Tree { trunk, forks, ends, reads: Vec::new(), has_sources: true, runs }
    }
}
