//! What a pass found, job by job, put together to outcomes of plans.

use vene_model::{Logits, Operations};

use super::pass::Found;
use super::readout::Kind;
use super::tree::{EditPlace, Job, PlanRun, Tree};
use crate::apply::Application;
use crate::distribution::Distribution;
use crate::error::RunError;
use crate::executor::{ExampleOutcome, PlanOutcome};
use crate::plan::{Outcome, Receipt, ResolvedEdit, ResolvedPlan};
use crate::reading::Reading;

/// What a job's run showed, and its receipts.
pub(super) fn showed<O: Operations>(
    operations: &O,
    tree: &Tree<'_>,
    index: usize,
    found: &mut Found,
    logits: &Logits<O>,
) -> Result<(ExampleOutcome, Vec<Receipt>), RunError> {
    let end = &tree.ends[index];
    let PlanRun { plan, example, .. } = *end;
    let mut showed = ExampleOutcome::default();
    let chosen = plan.outputs.chosen(example);
    for (read, &position) in plan.read[example].iter().enumerate() {
        let Some(place) = found.readouts.place(index, position) else { continue };
        match (place.of, chosen) {
            (Kind::Choice(choice), Some((tokens, _))) => showed.readings.push(Reading::of_row(
                &logits.chosen[choice],
                tokens.len(),
                place.row,
                example,
            )?),
            _ => {
                let Some(whole) = &logits.whole else { continue };
                let row = operations.values(whole, &[place.row])?;
                let distribution = Distribution::of_row(&row, 0, example)?;
                showed.take(&plan.outputs, example, read, distribution)?;
            }
        }
    }
    showed.collected.extend(end.reads.clone().filter_map(|read| found.reads.remove(&read)));
    let outcomes = |fork: usize| found.outcomes.get(fork);
    let mut receipts = receipts(&plan.edits, end, &end.places, &outcomes);
    receipts.extend(receipts_of_sources(end, &outcomes));
    receipts.sort_by_key(|receipt| receipt.edit);
    Ok((showed, receipts))
}

/// By step and edit what a fork's edits did.
type OutcomesOf<'o> = &'o dyn Fn(usize) -> Option<&'o Vec<Vec<Outcome>>>;

/// The receipts of the edits of one of an example's runs.
fn receipts(
    edits: &[ResolvedEdit],
    end: &PlanRun<'_>,
    places: &[EditPlace],
    outcomes: OutcomesOf<'_>,
) -> Vec<Receipt> {
    let receipt = |(edit, place): (usize, &EditPlace)| {
        let outcome = match *place {
            EditPlace::Unchanged => Outcome::SharedPrefix,
            EditPlace::NotEdited => Outcome::NotEdited,
            EditPlace::Fork { fork, step, edit } => outcomes(fork)?.get(step)?.get(edit)?.clone(),
        };
        Some(Application::new(edits, &end.plan.examples, edit, end.example).receipt(outcome))
    };
    places.iter().enumerate().filter_map(receipt).collect()
}

/// The receipts of edits of an example's sources.
pub(super) fn receipts_of_sources(end: &PlanRun<'_>, outcomes: OutcomesOf<'_>) -> Vec<Receipt> {
    let sources = end.plan.edited_sources.iter().zip(&end.source_places);
    sources.flat_map(|(source, places)| receipts(&source.edits, end, places, outcomes)).collect()
}

/// What an example showed with the plan's edits, with its receipts, and without.
#[derive(Default)]
struct Showed {
    edited: Option<(ExampleOutcome, Vec<Receipt>)>,
    original: Option<ExampleOutcome>,
}

/// Outcomes of plans, whose examples may come in several chunks.
pub(super) struct Outcomes<'a> {
    plans: &'a [ResolvedPlan],
    /// By plan and example.
    examples: Vec<Vec<Showed>>,
    /// Runs that are still to come, by plan.
    missing: Vec<usize>,
}

impl<'a> Outcomes<'a> {
    pub(super) fn new(plans: &'a [ResolvedPlan]) -> Self {
        let runs = |plan: &ResolvedPlan| plan.examples.len() * plan.base_runs().len();
        let empty = |plan: &ResolvedPlan| plan.examples.iter().map(|_| Showed::default()).collect();
        let examples = plans.iter().map(empty).collect();
        Self { plans, examples, missing: plans.iter().map(runs).collect() }
    }

    /// Takes what a job of a plan showed; the plan's index and outcome if it was the last one missing.
    pub(super) fn add(
        &mut self,
        place: usize,
        job: &Job<'_>,
        showed: ExampleOutcome,
        receipts: Vec<Receipt>,
    ) -> Option<(usize, PlanOutcome)> {
        let of_example = &mut self.examples[place][job.example];
        if job.is_edited {
            of_example.edited = Some((showed, receipts));
        } else {
            of_example.original = Some(showed);
        }
        self.missing[place] -= 1;
        if self.missing[place] > 0 {
            return None;
        }
        let plan = &self.plans[place];
        let collected = plan.collects.iter().map(|collect| collect.site).collect();
        let mut outcome = PlanOutcome { collected, ..PlanOutcome::default() };
        for Showed { edited, original } in std::mem::take(&mut self.examples[place]) {
            outcome.original.extend(original);
            if let Some((showed, receipts)) = edited {
                outcome.examples.push(showed);
                outcome.receipts.extend(receipts);
            }
        }
        Some((place, outcome))
    }
}
