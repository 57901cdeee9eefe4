//! How a tree is made: plans that begin with the same steps are the same nodes, and a stretch of nodes without a parting
//! becomes one fork.
//!
//! A source that a plan edits is a fork like any other, made before those that read it.

use std::collections::HashMap;

use super::same::{EditKey, Key};
use super::{EditPlace, ExampleRuns, Fork, Job, PlanRun, RunId, RunsId, Step, StepEdit, Tree};
use crate::apply::Application;
use crate::forked::identity::{Interned, InterventionId};
use crate::forked::trunk::Trunk;
use crate::plan::{Example, ResolvedEdit, unchanged};

/// The tree before stretches without a parting become one fork each.
#[derive(Default)]
pub(super) struct Nodes<'a> {
    nodes: Vec<Node<'a>>,
    known: HashMap<Key<'a>, usize>,
    interned: Interned,
    /// Those that are edited are named by their last nodes.
    runs: Vec<ExampleRuns>,
    interned_runs: HashMap<ExampleRuns, RunsId>,
}

struct Node<'a> {
    parent: Option<usize>,
    run: usize,
    step: Step<'a>,
    children: usize,
    /// Whether a run ends here.
    ends: bool,
}

/// Whether two edits are one step: at the same site, or both of one layer's attention
/// pattern, of which no row is live between scores and weights, or both inside one layer's recurrent block.
fn are_one(a: &ResolvedEdit, b: &ResolvedEdit) -> bool {
    let both = |is_so: fn(&ResolvedEdit) -> bool| is_so(a) && is_so(b);
    let in_one_place = both(|edit| edit.site.component().is_pattern()) || both(|edit| edit.by_step);
    a.site == b.site || (in_one_place && a.site.layer() == b.site.layer())
}

/// Where a job ends, with nodes for forks.
pub(super) struct End {
    runs: RunsId,
    base: Edited,
    /// For each source that the plan edits.
    sources: Vec<Edited>,
}

/// Where a run that is edited ends: its last node, if any; and the places of its edits.
#[derive(Default)]
struct Edited {
    node: Option<usize>,
    places: Vec<EditPlace>,
}

/// Edits of one run in an example.
#[derive(Clone, Copy)]
struct RunEdits<'a> {
    edits: &'a [ResolvedEdit],
    examples: &'a [Example],
    example: usize,
}

impl<'a> Nodes<'a> {
    /// Adds a job; with the sources that its plan edits, unless they were run before.
    pub(super) fn add(&mut self, job: Job<'a>, mut runs: ExampleRuns, with_sources: bool) -> End {
        let Job { plan, example, .. } = job;
        let of = |edits| RunEdits { edits, examples: &plan.examples, example };
        let mut sources = Vec::new();
        for edited in plan.edited_sources.iter().filter(|_| with_sources && job.is_edited) {
            let run = runs.sources[edited.source];
            let source = match run {
                RunId::Trunk(run) => self.add_run(of(&edited.edits), run, &runs),
                RunId::Fork(_) => Edited::default(),
            };
            if let Some(node) = source.node {
                runs.sources[edited.source] = RunId::Fork(node);
            }
            sources.push(source);
        }
        let edits = if job.is_edited { plan.edits.as_slice() } else { &[] };
        let base = self.add_run(of(edits), runs.edited, &runs);
        End { runs: self.id_of(&runs), base, sources }
    }

    fn id_of(&mut self, runs: &ExampleRuns) -> RunsId {
        if let Some(&id) = self.interned_runs.get(runs) {
            return id;
        }
        let id = RunsId(self.runs.len());
        self.runs.push(runs.clone());
        self.interned_runs.insert(runs.clone(), id);
        id
    }

    /// Adds the edits of a run of the trunk.
    fn add_run(&mut self, of: RunEdits<'a>, run: usize, runs: &ExampleRuns) -> Edited {
        let RunEdits { edits, examples, example } = of;
        if edits.is_empty() {
            return Edited::default();
        }
        let id = self.id_of(runs);
        let is_unchanged = unchanged(edits, example, &examples[example]);
        let mut places = vec![EditPlace::Unchanged; edits.len()];
        let mut made: Vec<usize> = Vec::with_capacity(edits.len());
        for (index, edit) in edits.iter().enumerate() {
            if edit.units[example].is_empty() {
                places[index] = EditPlace::NotEdited;
            } else if !is_unchanged[index] {
                made.push(index);
            }
        }
        made.sort_by_key(|&index| edits[index].site.depth());
        let mut parent = None;
        for step in made.chunk_by(|&a, &b| are_one(&edits[a], &edits[b])) {
            let site = edits[step[0]].site;
            let ids = step.iter().map(|&edit| self.interned.id(&edits[edit].intervention));
            let ids: Vec<InterventionId> = ids.collect();
            let keys = step.iter().zip(&ids);
            let keys = keys.map(|(&edit, &id)| EditKey::of(&edits[edit], id, example, runs));
            let next = self.nodes.len();
            let key = Key { parent, run, edits: keys.collect() };
            let node = *self.known.entry(key).or_insert(next);
            if node == next {
                if let Some(parent) = parent {
                    self.nodes[parent].children += 1;
                }
                let edit = |(&edit, &intervention)| {
                    let application = Application::new(edits, examples, edit, example);
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
        Edited { node: parent, places }
    }

    /// Joins what does not part.
    pub(super) fn into_tree(
        self,
        trunk: &'a Trunk,
        jobs: &[Job<'a>],
        ends: Vec<End>,
        has_sources: bool,
    ) -> Tree<'a> {
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
        let mut runs = self.runs;
        if has_sources {
            for source in runs.iter_mut().flat_map(|runs| &mut runs.sources) {
                if let RunId::Fork(node) = source {
                    *source = RunId::Fork(at[*node].0);
                }
            }
        }
        let placed = |places: Vec<EditPlace>| -> Vec<EditPlace> {
            let place = |place| match place {
                EditPlace::Fork { fork: node, edit, .. } => {
                    let (fork, step) = at[node];
                    EditPlace::Fork { fork, step, edit }
                }
                place => place,
            };
            places.into_iter().map(place).collect()
        };
        let end = |(job, end): (&Job<'a>, End)| PlanRun {
            plan: job.plan,
            example: job.example,
            run: match end.base.node {
                None => RunId::Trunk(runs[end.runs.0].edited),
                Some(node) => RunId::Fork(at[node].0),
            },
            runs: end.runs,
            reads: 0..0,
            places: placed(end.base.places),
            source_places: end.sources.into_iter().map(|source| placed(source.places)).collect(),
        };
        let ends = jobs.iter().zip(ends).map(end).collect();
        let is_earlier = vec![false; forks.len()];
        Tree { trunk, forks, ends, reads: Vec::new(), has_sources, is_earlier, runs }
    }
}
