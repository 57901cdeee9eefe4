//! Plans are run: chunk by chunk, each one pass.

use std::ops::ControlFlow;

use vene_model::{Counted, Decoder, DecoderConfig, ModelKey, Operations, Prompt, Work};
use vene_named::shown;

use super::cache::ActivationCache;
use super::chunks::{self, Budget};
use super::outcome::{Outcomes, showed};
use super::pass::{Cached, ForkedPass};
use super::sources::Reader;
use super::tree::{ExampleRuns, Job, Tree, runs_of};
use super::trunk::Trunk;
use crate::error::RunError;
use crate::executor::Each;
use crate::plan::ResolvedPlan;

/// Refuses plans of another model, and those that only a generation can run.
pub(super) fn check(plans: &[ResolvedPlan], key: &ModelKey) -> Result<(), RunError> {
    plans.iter().try_for_each(|plan| {
        plan.expect(key)?;
        plan.refuse_steps()
    })
}

/// Runs plans whose prompts are run with them, in passes that fit the budget.
pub(super) fn run_once<O: Operations>(
    decoder: &Decoder<O>,
    plans: &[ResolvedPlan],
    budget: Budget,
    each: Each<'_>,
) -> Result<(), RunError> {
    let (places, jobs) = jobs(plans);
    let mut all = Trunk::default();
    let runs = runs_of(&jobs, &mut |prompt| all.add(prompt, decoder.config()));
    let mut outcomes = Outcomes::new(plans);
    for chunk in chunks::of(&jobs, &runs, decoder.config(), budget, false)? {
        let jobs: Vec<Job<'_>> = chunk.iter().map(|&job| jobs[job]).collect();
        let mut trunk = Trunk::default();
        let runs = runs_of(&jobs, &mut |prompt| trunk.add(prompt, decoder.config()));
        let places = chunk.iter().map(|&job| places[job]);
        run_chunk(decoder, None, &trunk, &jobs, runs, places, budget, &mut outcomes, each)?;
    }
    Ok(())
}

/// Runs plans whose prompts' runs were kept.
pub(super) fn run_kept<O: Operations>(
    decoder: &Decoder<O>,
    cache: &ActivationCache<O>,
    trunk: &Trunk,
    plans: &[ResolvedPlan],
    budget: Budget,
    each: Each<'_>,
) -> Result<(), RunError> {
    let (places, jobs) = jobs(plans);
    let runs = kept_runs(decoder, trunk, &jobs)?;
    let mut outcomes = Outcomes::new(plans);
    for chunk in chunks::of(&jobs, &runs, decoder.config(), budget, true)? {
        let jobs: Vec<Job<'_>> = chunk.iter().map(|&job| jobs[job]).collect();
        let runs = chunk.iter().map(|&job| runs[job].clone()).collect();
        let places = chunk.iter().map(|&job| places[job]);
        run_chunk(decoder, Some(cache), trunk, &jobs, runs, places, budget, &mut outcomes, each)?;
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

/// The bytes that the largest example of plans takes by itself.
pub(super) fn least(config: &DecoderConfig, plans: &[ResolvedPlan]) -> usize {
    chunks::least(&jobs(plans).1, config, false)
}

/// What running plans takes, their prompts with them.
pub(super) fn count_once(
    decoder: &Decoder<Counted>,
    plans: &[ResolvedPlan],
    budget: Budget,
) -> Result<Work, RunError> {
    run_once(decoder, plans, budget, &mut |_, _| ControlFlow::Continue(()))?;
    Ok(decoder.operations().work())
}

#[allow(clippy::too_many_arguments)]
fn run_chunk<O: Operations>(
    decoder: &Decoder<O>,
    cache: Option<&ActivationCache<O>>,
    trunk: &Trunk,
    jobs: &[Job<'_>],
    runs: Vec<ExampleRuns>,
    places: impl Iterator<Item = usize>,
    budget: Budget,
    outcomes: &mut Outcomes<'_>,
    each: Each<'_>,
) -> Result<(), RunError> {
    let mut tree = Tree::new(trunk, jobs, runs);
    let read = Reader { decoder, cache, memory: budget.bytes }.read_before(&mut tree)?;
    let cached = cache.map_or(Cached::Nothing, Cached::All);
    let (mut found, logits) = ForkedPass::new(decoder, &tree, cached, &read.activations).run()?;
    if !decoder.operations().has_values() {
        return Ok(());
    }
    for (fork, outcomes) in read.outcomes {
        if tree.forks[fork].steps.is_empty() {
            found.outcomes[fork] = outcomes;
        }
    }
    for (index, (place, job)) in places.zip(jobs).enumerate() {
        let (showed, receipts) = showed(decoder.operations(), &tree, index, &mut found, &logits)?;
        if let Some((plan, outcome)) = outcomes.add(place, job, showed, receipts)
            && each(plan, outcome).is_break()
        {
            return Err(RunError::Stopped);
        }
    }
    Ok(())
}

/// Every plan in every example, and without its edits where that is wanted; and for each the plan's index.
fn jobs(plans: &[ResolvedPlan]) -> (Vec<usize>, Vec<Job<'_>>) {
    let of_plan = |(place, plan)| {
        let plan: &ResolvedPlan = plan;
        let of_example = move |example| {
            plan.base_runs().iter().map(move |&is_edited| (place, Job { plan, example, is_edited }))
        };
        (0..plan.examples.len()).flat_map(of_example)
    };
    plans.iter().enumerate().flat_map(of_plan).unzip()
}
