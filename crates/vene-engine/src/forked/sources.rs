//! What is read before a pass: sources of edits that are no row of the pass where they are written.
//!
//! An edit that reads where it writes finds its source's row beside its own, in the same pass. What it reads at another
//! site, of an attention pattern, or in a recurrent block is read in passes of their own: of the trunk, and of forks, which are
//! sources that are edited. These may read others before them, so that they are run in order.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use vene_model::{Decoder, Operations, Site};

use super::cache::ActivationCache;
use super::chunks;
use super::outcome::receipts_of_sources;
use super::pass::{Activations, Cached, ForkedPass};
use super::tree::{EditPlace, ExampleRuns, Job, PlanRun, RunId, SiteRead, Tree, runs_of};
use super::trunk::Trunk;
use crate::error::RunError;
use crate::plan::{Outcome, Receipt, ResolvedEdit, ResolvedPlan};

/// What is read of runs, by run and site: the positions.
type Reads = BTreeMap<(RunId, Site), Vec<usize>>;

/// What was read before a pass, and what edits of sources did there.
#[derive(Default)]
pub(super) struct ReadBefore {
    pub(super) activations: Activations,
    /// By fork; of each, by step and edit.
    pub(super) outcomes: HashMap<usize, Vec<Vec<Outcome>>>,
}

/// Where and of whom passes read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a, O: Operations> {
    pub(super) decoder: &'a Decoder<O>,
    /// The trunk's runs, where they are kept.
    pub(super) cache: Option<&'a ActivationCache<O>>,
    /// About how many bytes the rows of one pass may take.
    pub(super) memory: usize,
}

/// What a plan's edits of its bases read, read once and for all: what a training and a generation begin with.
pub(super) struct Sources {
    pub(super) activations: Activations,
    /// What each of the examples reads, in their order.
    pub(super) runs: Vec<ExampleRuns>,
    pub(super) receipts: Vec<Receipt>,
}

impl Sources {
    /// Runs the sources of some of a plan's examples, with their edits.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention.
    pub(super) fn of<O: Operations>(
        decoder: &Decoder<O>,
        plan: &ResolvedPlan,
        examples: &[usize],
        memory: usize,
    ) -> Result<Self, RunError> {
        let job = |&example: &usize| Job { plan, example, is_edited: true };
        let jobs: Vec<Job<'_>> = examples.iter().map(job).collect();
        let mut trunk = Trunk::default();
        let runs = runs_of(&jobs, &mut |prompt| trunk.add(prompt, decoder.config()));
        let mut tree = Tree::new(&trunk, &jobs, runs);
        let ends = tree.take_ends();
        let edited = ends.iter().flat_map(sources_of);
        let all = closure(&tree, edited.clone(), &|_, _, _| true);
        tree.keep_only(&|fork| all.contains(&fork));

        let reads = |tree: &Tree<'_>| {
            let mut reads = reads_elsewhere(tree);
            for end in &ends {
                for edit in &plan.edits {
                    for (run, unit) in edit.units_read(end.example) {
                        let Some(site) = edit.read_site() else { continue };
                        let run = tree.runs_of_plan(end).of(run);
                        reads.entry((run, site)).or_default().extend(&unit.positions);
                    }
                }
            }
            // What nothing reads in its example leaves a receipt all the same.
            for fork in ends.iter().flat_map(sources_of) {
                if let Some(step) = tree.forks[fork].steps.last() {
                    reads.entry((RunId::Fork(fork), step.site)).or_default();
                }
            }
            reads
        };
        for fork in forks(&reads(&tree)) {
            tree.set_earlier(fork);
        }
        let reader = Reader { decoder, cache: None, memory };
        let read = reader.read_all(&tree, reads(&tree))?;
        let receipts =
            ends.iter().flat_map(|end| receipts_of_sources(end, &|fork| read.outcomes.get(&fork)));
        let runs = ends.iter().map(|end| tree.runs_of_plan(end).clone()).collect();
        Ok(Self { receipts: receipts.collect(), runs, activations: read.activations })
    }
}

impl<O: Operations> Reader<'_, O> {
    /// Reads what a pass over a tree finds no row of. Forks that are run for it are not run in that pass again.
    pub(super) fn read_before(&self, tree: &mut Tree<'_>) -> Result<ReadBefore, RunError> {
        let mut reads = reads_elsewhere(tree);
        let earlier = forks(&reads);
        if !earlier.is_empty() {
            // Whoever reads such a fork finds it there.
            earlier.into_iter().for_each(|fork| tree.set_earlier(fork));
            reads = reads_elsewhere(tree);
        }
        let read = self.read_all(tree, reads)?;
        if !read.outcomes.is_empty() {
            let ends = tree.ends.iter().filter_map(|end| end.run.fork());
            let sources = tree.ends.iter().flat_map(sources_of);
            let sources = sources.filter(|fork| !read.outcomes.contains_key(fork));
            let all = closure(tree, ends.chain(sources), &|tree, edit, run| {
                tree.reads_in_passing(edit, run)
            });
            tree.keep_only(&|fork| all.contains(&fork));
        }
        Ok(read)
    }

    fn read_all(&self, tree: &Tree<'_>, reads: Reads) -> Result<ReadBefore, RunError> {
        let mut read = ReadBefore::default();
        let (mut of_trunk, mut of_forks) = (Vec::new(), BTreeMap::<usize, Vec<_>>::new());
        let mut levels = Levels::default();
        for ((run, site), positions) in reads {
            let of_site = site_read(run, site, positions);
            match run {
                RunId::Trunk(_) => of_trunk.push(of_site),
                RunId::Fork(fork) => {
                    of_forks.entry(levels.of(tree, fork)).or_default().push(of_site);
                }
            }
        }
        for reads in self.chunks(tree, of_trunk) {
            self.read_at_once(tree, &HashSet::new(), reads, &mut read)?;
        }
        for reads in of_forks.into_values() {
            for reads in self.chunks(tree, reads) {
                let forks = reads.iter().filter_map(|read| read.run.fork());
                let forks =
                    closure(tree, forks, &|tree, edit, run| tree.reads_in_passing(edit, run));
                self.read_at_once(tree, &forks, reads, &mut read)?;
            }
        }
        Ok(read)
    }

    /// Reads, by run, in chunks that fit the memory.
    fn chunks<'t>(&self, tree: &Tree<'_>, reads: Vec<SiteRead<'t>>) -> Vec<Vec<SiteRead<'t>>> {
        let most = (self.memory / chunks::row_bytes(self.decoder.config())).max(1);
        let (mut chunks, mut rows, mut last): (Vec<Vec<SiteRead<'t>>>, _, _) =
            (Vec::new(), 0, None);
        for read in reads {
            if last != Some(read.run) {
                let of_run = tree.run_length(read.run) * tree.line(read.run).count();
                rows += of_run;
                last = Some(read.run);
                if rows > most || chunks.is_empty() {
                    chunks.push(Vec::new());
                    rows = of_run;
                }
            }
            if let Some(chunk) = chunks.last_mut() {
                chunk.push(read);
            }
        }
        chunks
    }

    fn read_at_once<'t>(
        &self,
        tree: &Tree<'t>,
        forks: &HashSet<usize>,
        reads: Vec<SiteRead<'t>>,
        to: &mut ReadBefore,
    ) -> Result<(), RunError> {
        let part = if forks.is_empty() {
            Tree::of_reads(tree.trunk, reads)
        } else {
            tree.part(&|fork| forks.contains(&fork), reads)
        };
        let cached = self.cache.map_or(Cached::Nothing, Cached::All);
        let (found, _) = ForkedPass::new(self.decoder, &part, cached, &to.activations).run()?;
        for (index, values) in found.reads {
            let SiteRead { run, site, positions, .. } = &part.reads[index];
            to.activations.keep(*run, *site, positions.to_vec(), values);
        }
        to.outcomes.extend(forks.iter().map(|&fork| (fork, found.outcomes[fork].clone())));
        Ok(())
    }
}

/// How many passes must come before the one that a fork is run in, since it reads what they find.
#[derive(Default)]
struct Levels {
    known: HashMap<usize, usize>,
}

impl Levels {
    fn of(&mut self, tree: &Tree<'_>, fork: usize) -> usize {
        if let Some(&level) = self.known.get(&fork) {
            return level;
        }
        let of_fork = &tree.forks[fork];
        let mut level = match of_fork.parent {
            RunId::Fork(parent) => self.of(tree, parent),
            RunId::Trunk(_) => 0,
        };
        for edit in of_fork.steps.iter().flat_map(|step| &step.edits) {
            for (run, _) in tree.runs_read(edit) {
                let RunId::Fork(read) = run else { continue };
                let is_before = !tree.reads_in_passing(edit.edit(), run);
                level = level.max(self.of(tree, read) + usize::from(is_before));
            }
        }
        self.known.insert(fork, level);
        level
    }
}

/// What edits read where no row of it is at hand.
fn reads_elsewhere(tree: &Tree<'_>) -> Reads {
    let mut reads = Reads::new();
    for edit in tree.edits() {
        let Some(site) = edit.edit().read_site() else { continue };
        for (run, unit) in tree.runs_read(edit) {
            if !tree.reads_in_passing(edit.edit(), run) {
                reads.entry((run, site)).or_default().extend(&unit.positions);
            }
        }
    }
    reads
}

fn forks(reads: &Reads) -> BTreeSet<usize> {
    reads.keys().filter_map(|(run, _)| run.fork()).collect()
}

/// The last forks of the sources that a plan edits in an example.
fn sources_of<'e>(end: &'e PlanRun<'_>) -> impl Iterator<Item = usize> + Clone + 'e {
    let fork = |place: &EditPlace| match place {
        EditPlace::Fork { fork, .. } => Some(*fork),
        _ => None,
    };
    end.source_places.iter().flatten().filter_map(fork)
}

/// These forks, those that they leave, and those that any of them reads, as far as `follows` says.
fn closure(
    tree: &Tree<'_>,
    forks: impl Iterator<Item = usize>,
    follows: &dyn Fn(&Tree<'_>, &ResolvedEdit, RunId) -> bool,
) -> HashSet<usize> {
    let mut all = HashSet::new();
    let mut left: Vec<RunId> = forks.map(RunId::Fork).collect();
    while let Some(run) = left.pop() {
        let RunId::Fork(fork) = run else { continue };
        if !all.insert(fork) {
            continue;
        }
        let of_fork = &tree.forks[fork];
        left.push(of_fork.parent);
        for edit in of_fork.steps.iter().flat_map(|step| &step.edits) {
            let read = tree.runs_read(edit).map(|(run, _)| run);
            left.extend(read.filter(|run| follows(tree, edit.edit(), *run)));
        }
    }
    all
}

fn site_read<'t>(run: RunId, site: Site, mut positions: Vec<usize>) -> SiteRead<'t> {
    positions.sort_unstable();
    positions.dedup();
    if site.component().is_pattern() {
        positions.clear();
    }
    SiteRead { run, site, positions: Cow::Owned(positions) }
}
