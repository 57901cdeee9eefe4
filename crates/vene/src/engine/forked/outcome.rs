//! What a pass found, job by job, put together to outcomes of plans.

use vene_model::{Logits, Operations};

use super::pass::Found;
use super::readout::Kind;
use super::tree::{EditPlace, PlanRun, Tree};
use crate::engine::apply::Application;
use crate::engine::distribution::Distribution;
use crate::engine::executor::{ExampleOutcome, PlanOutcome};
use crate::engine::reading::Reading;
use crate::error::RunError;
use crate::plan::{Outcome, Receipt, ResolvedPlan};

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
    let receipt = |(edit, place): (usize, &EditPlace)| {
        let outcome = match *place {
            EditPlace::Unchanged => Outcome::SharedPrefix,
            EditPlace::NotEdited => Outcome::NotEdited,
            EditPlace::Fork { fork, step, edit } => found.outcomes[fork][step][edit].clone(),
            EditPlace::Logits => {
                found.on_logits.remove(&(index, edit)).unwrap_or(Outcome::SameValues)
            }
        };
        Application::new(plan, edit, example).receipt(outcome)
    };
    Ok((showed, end.places.iter().enumerate().map(receipt).collect()))
}

/// What an example showed, and its receipts.
type Showed = (ExampleOutcome, Vec<Receipt>);

/// Outcomes of plans, whose examples may come in several chunks.
pub(super) struct Outcomes<'a> {
    plans: &'a [ResolvedPlan],
    /// By plan and example.
    examples: Vec<Vec<Option<Showed>>>,
    missing: Vec<usize>,
}

impl<'a> Outcomes<'a> {
    pub(super) fn new(plans: &'a [ResolvedPlan]) -> Self {
        let missing: Vec<usize> = plans.iter().map(|plan| plan.examples.len()).collect();
        let empty = |&examples: &usize| (0..examples).map(|_| None).collect();
        Self { plans, examples: missing.iter().map(empty).collect(), missing }
    }

    /// Takes what an example showed; the plan's index and outcome if it was the last one missing.
    pub(super) fn add(
        &mut self,
        place: usize,
        example: usize,
        showed: ExampleOutcome,
        receipts: Vec<Receipt>,
    ) -> Option<(usize, PlanOutcome)> {
        self.examples[place][example] = Some((showed, receipts));
        self.missing[place] -= 1;
        if self.missing[place] > 0 {
            return None;
        }
        let plan = &self.plans[place];
        let collected = plan.collects.iter().map(|collect| collect.site).collect();
        let mut outcome = PlanOutcome { collected, ..PlanOutcome::default() };
        for (showed, receipts) in std::mem::take(&mut self.examples[place]).into_iter().flatten() {
            outcome.examples.push(showed);
            outcome.receipts.extend(receipts);
        }
        Some((place, outcome))
    }
}
