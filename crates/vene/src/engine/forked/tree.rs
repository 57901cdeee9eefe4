//! The tree of forks: which plans leave which run where.
//!
//! A plan's edits in one example, in the order in which data flows, are *steps*: all edits at one
//! site are one. Plans that begin with the same steps are the same run up to where they part, so
//! they are interned as prompts are: a noised run that a thousand plans repair, each at another
//! place, is run once. Steps that are sure to change nothing are left out before, with a receipt.
//!
//! A *fork* is a stretch of steps behind which runs part or end. It leaves its *stem*, which is a
//! run of the trunk or another fork.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use vene_model::{Component, DecoderConfig, Prompt, Site};

use super::trunk::Trunk;
use crate::engine::apply::Application;
use crate::plan::{Example, ResolvedEdit, ResolvedPlan, ResolvedSource, Run, Unit};

/// What a run branches off from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stem {
    /// A run of the trunk.
    Trunk(usize),
    /// A fork.
    Fork(usize),
}

/// An edited run, from where it leaves its stem.
pub(super) struct Fork<'a> {
    pub(super) stem: Stem,
    pub(super) steps: Vec<Step<'a>>,
    /// Tokens of the whole run.
    pub(super) length: usize,
}

/// All edits of a run at one site, in declared order; of an attention pattern those of scores, then
/// those of weights.
pub(super) struct Step<'a> {
    /// The first edit's.
    pub(super) site: Site,
    pub(super) edits: Vec<Application<'a>>,
}

/// Where a plan's run in one example ends up.
pub(super) struct Leaf<'a> {
    pub(super) plan: &'a ResolvedPlan,
    pub(super) example: usize,
    /// The fork, or run of the trunk, that is its run.
    pub(super) stem: Stem,
    /// For each edit of the plan where it is applied.
    pub(super) marks: Vec<Mark>,
}

/// Where an edit of a leaf is applied.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    /// Nowhere: it is sure to change nothing.
    Unchanged,
    /// Nowhere: it names nothing of this example.
    NotEdited,
    /// By a fork, at one of its steps, as one of the edits there.
    Fork { fork: usize, step: usize, edit: usize },
    /// On the leaf's own logits.
    Logits,
}

/// A plan in one of its examples.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) plan: &'a ResolvedPlan,
    pub(super) example: usize,
}

/// Trunk, forks and leaves of a pass.
pub(super) struct Tree<'a> {
    pub(super) trunk: Trunk,
    pub(super) forks: Vec<Fork<'a>>,
    /// One for each job.
    pub(super) leaves: Vec<Leaf<'a>>,
    /// The trunk's run of each example's runs.
    runs: HashMap<(*const Example, Run), usize>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(config: &DecoderConfig, jobs: &[Job<'a>]) -> Self {
        let mut trunk = Trunk::default();
        let mut runs = HashMap::new();
        let mut nodes = Nodes::default();
        let mut ends = Vec::with_capacity(jobs.len());
        for job in jobs {
            let example = &job.plan.examples[job.example];
            let place = std::ptr::from_ref(example);
            if let Entry::Vacant(entry) = runs.entry((place, Run::Base)) {
                let mut run = |prompt: &Prompt| {
                    trunk.run(prompt.tokens(), config.rotary_length(prompt.len()))
                };
                let base = *entry.insert(run(&example.base));
                let sources: Vec<usize> = example.sources.iter().map(run).collect();
                debug_assert_eq!(trunk.runs()[base].path.len(), example.base.len());
                for (index, source) in sources.into_iter().enumerate() {
                    runs.insert((place, Run::Source(index)), source);
                }
            }
            ends.push(nodes.add(*job, runs[&(place, Run::Base)]));
        }
        let (forks, leaves) = nodes.into_forks(jobs, ends);
        Self { trunk, forks, leaves, runs }
    }

    /// The trunk's run of one of an example's runs.
    pub(super) fn run(&self, plan: &ResolvedPlan, example: usize, run: Run) -> usize {
        self.runs[&(std::ptr::from_ref(&plan.examples[example]), run)]
    }
}

/// The tree before stretches without a parting become one fork each.
#[derive(Default)]
struct Nodes<'a> {
    nodes: Vec<Node<'a>>,
    known: HashMap<Key<'a>, usize>,
}

struct Node<'a> {
    parent: Option<usize>,
    run: usize,
    length: usize,
    step: Step<'a>,
    children: usize,
    ends: bool,
}

/// What makes two steps the same.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    parent: Option<usize>,
    example: *const Example,
    edits: Vec<EditKey<'a>>,
}

/// Interventions are the same if they are one object; an edit that is cloned from plan to plan
/// shares it.
#[derive(PartialEq, Eq, Hash)]
struct EditKey<'a> {
    site: Site,
    intervention: *const (),
    unit: &'a Unit,
    source: SourceKey<'a>,
    subspace: Option<&'a [usize]>,
    concatenated: bool,
}

#[derive(PartialEq, Eq, Hash)]
enum SourceKey<'a> {
    None,
    Runs(Site, &'a [(Run, Unit)]),
    Current(Site),
    Given(Vec<*const Vec<f64>>),
}

impl<'a> EditKey<'a> {
    fn of(edit: &'a ResolvedEdit, example: usize) -> Self {
        let source = match &edit.source {
            None => SourceKey::None,
            Some(ResolvedSource::Runs { site, units }) => SourceKey::Runs(*site, &units[example]),
            Some(ResolvedSource::Current(site)) => SourceKey::Current(*site),
            Some(ResolvedSource::Given(values)) => {
                SourceKey::Given(values[example].iter().map(Arc::as_ptr).collect())
            }
        };
        Self {
            site: edit.site,
            intervention: Arc::as_ptr(&edit.intervention).cast(),
            unit: &edit.units[example],
            source,
            concatenated: edit.concatenated,
            subspace: edit.subspaces.as_ref().map(|subspaces| subspaces[example].as_slice()),
        }
    }
}

/// Whether edits at two sites are one step: at the same site, or both of one layer's attention
/// pattern, of which no row is live between scores and weights.
fn are_one(a: Site, b: Site) -> bool {
    let both_patterns = a.component().is_pattern() && b.component().is_pattern();
    a == b || (both_patterns && a.layer() == b.layer())
}

/// Where a job ends: its last node, or its base's run; and its marks, with nodes for forks.
struct End {
    node: Option<usize>,
    run: usize,
    marks: Vec<Mark>,
}

impl<'a> Nodes<'a> {
    fn add(&mut self, job: Job<'a>, run: usize) -> End {
        let Job { plan, example } = job;
        let application = |index| Application::new(plan, index, example);
        let mut marks = vec![Mark::Unchanged; plan.edits.len()];
        let mut edits: Vec<usize> = Vec::with_capacity(plan.edits.len());
        for (index, edit) in plan.edits.iter().enumerate() {
            if edit.units[example].is_empty() {
                marks[index] = Mark::NotEdited;
            } else if edit.site.component() == Component::Logits {
                marks[index] = Mark::Logits;
            } else if !application(index).is_shared_prefix() {
                edits.push(index);
            }
        }
        edits.sort_by_key(|&index| plan.edits[index].site.depth());
        let mut parent = None;
        for step in edits.chunk_by(|&a, &b| are_one(plan.edits[a].site, plan.edits[b].site)) {
            let site = plan.edits[step[0]].site;
            let key = Key {
                parent,
                example: &plan.examples[example],
                edits: step.iter().map(|&edit| EditKey::of(&plan.edits[edit], example)).collect(),
            };
            let next = self.nodes.len();
            let node = *self.known.entry(key).or_insert(next);
            if node == next {
                if let Some(parent) = parent {
                    self.nodes[parent].children += 1;
                }
                let edits = step.iter().map(|&edit| application(edit)).collect();
                let length = plan.examples[example].base.len();
                let step = Step { site, edits };
                self.nodes.push(Node { parent, run, length, step, children: 0, ends: false });
            }
            for (edit, &index) in step.iter().enumerate() {
                marks[index] = Mark::Fork { fork: node, step: 0, edit };
            }
            parent = Some(node);
        }
        if let Some(node) = parent {
            self.nodes[node].ends = true;
        }
        End { node: parent, run, marks }
    }

    /// Joins what does not part.
    fn into_forks(self, jobs: &[Job<'a>], ends: Vec<End>) -> (Vec<Fork<'a>>, Vec<Leaf<'a>>) {
        let goes_on: Vec<bool> =
            self.nodes.iter().map(|node| node.children == 1 && !node.ends).collect();
        let mut forks: Vec<Fork<'a>> = Vec::with_capacity(self.nodes.len());
        // Of each node the fork, and the step in it.
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(self.nodes.len());
        for node in self.nodes {
            let place = match node.parent {
                Some(parent) if goes_on[parent] => {
                    let fork = places[parent].0;
                    forks[fork].steps.push(node.step);
                    (fork, forks[fork].steps.len() - 1)
                }
                parent => {
                    let stem =
                        parent.map_or(Stem::Trunk(node.run), |parent| Stem::Fork(places[parent].0));
                    forks.push(Fork { stem, steps: vec![node.step], length: node.length });
                    (forks.len() - 1, 0)
                }
            };
            places.push(place);
        }
        let leaf = |(job, end): (&Job<'a>, End)| Leaf {
            plan: job.plan,
            example: job.example,
            stem: end.node.map_or(Stem::Trunk(end.run), |node| Stem::Fork(places[node].0)),
            marks: end
                .marks
                .into_iter()
                .map(|mark| match mark {
                    Mark::Fork { fork: node, edit, .. } => {
                        let (fork, step) = places[node];
                        Mark::Fork { fork, step, edit }
                    }
                    mark => mark,
                })
                .collect(),
        };
        (forks, jobs.iter().zip(ends).map(leaf).collect())
    }
}
