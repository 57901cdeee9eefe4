//! Plans are run: chunk by chunk, each one pass.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use vene_model::{Counted, Decoder, Operations, Prompt, Site, Work};

use super::cache::ActivationCache;
use super::chunks;
use super::outcome::{Outcomes, showed};
use super::pass::{Activations, Cached, ForkedPass};
use super::tree::{
    EditPlace, ExampleRuns, Job, RunId, SiteRead, Tree, could_read_in_passing, runs_of,
};
use super::trunk::Trunk;
use crate::engine::stages::Each;
use crate::error::RunError;
use crate::plan::{ResolvedEdit, ResolvedPlan, ResolvedSource, Run};
use crate::shown::shown;

/// Runs plans whose prompts are run with them, in passes of about `memory` bytes.
pub(super) fn run_once<O: Operations>(
    decoder: &Decoder<O>,
    plans: &[ResolvedPlan],
    memory: usize,
    each: Each<'_>,
) -> Result<(), RunError> {
    let (places, jobs) = jobs(plans);
    let mut all = Trunk::default();
    let runs = runs_of(&jobs, &mut |prompt| all.add(prompt, decoder.config()));
    let mut outcomes = Outcomes::new(plans);
    for chunk in chunks::of(&jobs, &runs, decoder.config(), memory, false) {
        let jobs: Vec<Job<'_>> = chunk.iter().map(|&job| jobs[job]).collect();
        let mut trunk = Trunk::default();
        let runs = runs_of(&jobs, &mut |prompt| trunk.add(prompt, decoder.config()));
        let places = chunk.iter().map(|&job| places[job]);
        run_chunk(decoder, None, &trunk, &jobs, runs, places, memory, &mut outcomes, each)?;
    }
    Ok(())
}

/// Runs plans whose prompts' runs were kept.
pub(super) fn run_kept<O: Operations>(
    decoder: &Decoder<O>,
    cache: &ActivationCache<O>,
    trunk: &Trunk,
    plans: &[ResolvedPlan],
    memory: usize,
    each: Each<'_>,
) -> Result<(), RunError> {
    let (places, jobs) = jobs(plans);
    let runs = kept_runs(decoder, trunk, &jobs)?;
    let mut outcomes = Outcomes::new(plans);
    for chunk in chunks::of(&jobs, &runs, decoder.config(), memory, true) {
        let jobs: Vec<Job<'_>> = chunk.iter().map(|&job| jobs[job]).collect();
        let runs = chunk.iter().map(|&job| runs[job].clone()).collect();
        let places = chunk.iter().map(|&job| places[job]);
        run_chunk(decoder, Some(cache), trunk, &jobs, runs, places, memory, &mut outcomes, each)?;
    }
    Ok(())
}

/// The kept runs of jobs' prompts.
fn kept_runs<O: Operations>(
    decoder: &Decoder<O>,
    trunk: &Trunk,
    jobs: &[Job<'_>],
) -> Result<Vec<ExampleRuns>, RunError> {
    let mut missing = None;
    let runs = runs_of(jobs, &mut |prompt| {
        let run = trunk.find(prompt, decoder.config());
        if run.is_none() {
            missing.get_or_insert_with(|| prompt.clone());
        }
        run.unwrap_or_default()
    });
    match missing {
        None => Ok(runs),
        Some(prompt) => Err(RunError::NotInSession { prompt: shown_prompt(&prompt) }),
    }
}

/// A prompt as a message shows it.
fn shown_prompt(prompt: &Prompt) -> String {
    match prompt.text() {
        Some(text) => format!("{:?}", shown(text)),
        None => shown(&format!("the prompt of tokens {:?}", prompt.tokens())),
    }
}

/// What running plans takes, their prompts with them.
pub(super) fn count_once(
    decoder: &Decoder<Counted>,
    plans: &[ResolvedPlan],
    memory: usize,
) -> Work {
    // Nothing is computed, so nothing fails.
    let _ = run_once(decoder, plans, memory, &mut |_, _| ControlFlow::Continue(()));
    decoder.operations().work()
}

#[allow(clippy::too_many_arguments)]
fn run_chunk<O: Operations>(
    decoder: &Decoder<O>,
    cache: Option<&ActivationCache<O>>,
    trunk: &Trunk,
    jobs: &[Job<'_>],
    runs: Vec<ExampleRuns>,
    places: impl Iterator<Item = usize>,
    memory: usize,
    outcomes: &mut Outcomes<'_>,
    each: Each<'_>,
) -> Result<(), RunError> {
    let tree = Tree::new(trunk, jobs, runs);
    let activations = read(decoder, cache, trunk, reads_elsewhere(&tree), memory)?;
    let cached = cache.map_or(Cached::Nothing, Cached::All);
    let (mut found, logits) = ForkedPass::new(decoder, &tree, cached, &activations).run()?;
    if !decoder.operations().has_values() {
        return Ok(());
    }
    for (index, (place, job)) in places.zip(jobs).enumerate() {
        let (showed, receipts) = showed(decoder.operations(), &tree, index, &mut found, &logits)?;
        if let Some((plan, outcome)) = outcomes.add(place, job.example, showed, receipts)
            && each(plan, outcome).is_break()
        {
            return Err(RunError::Stopped);
        }
    }
    Ok(())
}

/// What is read of unedited runs, by run and site: the positions.
pub(super) type Reads = BTreeMap<(usize, Site), Vec<usize>>;

/// What edits read of unedited runs where no row of theirs is at hand: at other sites than
/// those at which they write, and of attention patterns and logits.
fn reads_elsewhere(tree: &Tree<'_>) -> Reads {
    let mut reads = Reads::new();
    let mut add = |edit: &ResolvedEdit, example: usize, run_of: &dyn Fn(Run) -> RunId| {
        if !could_read_in_passing(edit) {
            add_reads(edit, example, run_of, &mut reads);
        }
    };
    for edit in tree.forks.iter().flat_map(|fork| &fork.steps).flat_map(|step| &step.edits) {
        add(edit.edit(), edit.application.example, &|run| tree.read_run(edit, run));
    }
    for end in &tree.ends {
        let on_logits = end.plan.edits.iter().zip(&end.places);
        for (edit, _) in on_logits.filter(|(_, place)| matches!(place, EditPlace::Logits)) {
            add(edit, end.example, &|run| tree.run_of_plan(end, run));
        }
    }
    reads
}

/// What all edits of a job read of unedited runs.
pub(super) fn reads_of(job: Job<'_>, runs: &ExampleRuns, reads: &mut Reads) {
    for edit in &job.plan.edits {
        add_reads(edit, job.example, &|run| RunId::Trunk(runs.of(run)), reads);
    }
}

/// What an edit reads of unedited runs in an example. `run_of` says which run one of the example's is.
fn add_reads(
    edit: &ResolvedEdit,
    example: usize,
    run_of: &dyn Fn(Run) -> RunId,
    reads: &mut Reads,
) {
    let Some(ResolvedSource::Runs { site, units }) = &edit.source else { return };
    for (run, unit) in &units[example] {
        if let RunId::Trunk(run) = run_of(*run) {
            reads.entry((run, *site)).or_default().extend(&unit.positions);
        }
    }
}

/// Reads unedited runs in passes of their own, of about `memory` bytes.
pub(super) fn read<O: Operations>(
    decoder: &Decoder<O>,
    cache: Option<&ActivationCache<O>>,
    trunk: &Trunk,
    reads: Reads,
    memory: usize,
) -> Result<Activations, RunError> {
    let mut activations = Activations::default();
    if reads.is_empty() {
        return Ok(activations);
    }
    let most = (memory / chunks::row_bytes(decoder.config())).max(1);
    let (mut chunk, mut rows, mut last) = (Reads::new(), 0, None);
    for ((run, site), positions) in reads {
        if last != Some(run) {
            rows += trunk.runs()[run].path.len();
            last = Some(run);
            if rows > most && !chunk.is_empty() {
                read_at_once(decoder, cache, trunk, std::mem::take(&mut chunk), &mut activations)?;
                rows = trunk.runs()[run].path.len();
            }
        }
        chunk.insert((run, site), positions);
    }
    read_at_once(decoder, cache, trunk, chunk, &mut activations)?;
    Ok(activations)
}

fn read_at_once<O: Operations>(
    decoder: &Decoder<O>,
    cache: Option<&ActivationCache<O>>,
    trunk: &Trunk,
    reads: Reads,
    activations: &mut Activations,
) -> Result<(), RunError> {
    let reads = reads.into_iter().map(|((run, site), mut positions)| {
        positions.sort_unstable();
        positions.dedup();
        if site.component().is_pattern() {
            positions.clear();
        }
        SiteRead { run: RunId::Trunk(run), site, positions: Cow::Owned(positions), job: None }
    });
    let tree = Tree::of_reads(trunk, reads.collect());
    let nothing = Activations::default();
    let cached = cache.map_or(Cached::Nothing, Cached::All);
    let (found, _) = ForkedPass::new(decoder, &tree, cached, &nothing).run()?;
    for (index, values) in found.reads {
        let read = &tree.reads[index];
        let RunId::Trunk(run) = read.run else { continue };
        activations.keep(run, read.site, read.positions.to_vec(), values);
    }
    Ok(())
}

/// Every plan in every example; and for each the plan's index.
fn jobs(plans: &[ResolvedPlan]) -> (Vec<usize>, Vec<Job<'_>>) {
    let of_plan = |(place, plan)| {
        let plan: &ResolvedPlan = plan;
        (0..plan.examples.len()).map(move |example| (place, Job { plan, example }))
    };
    plans.iter().enumerate().flat_map(of_plan).unzip()
}
