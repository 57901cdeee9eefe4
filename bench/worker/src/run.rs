//! Runs a workload's plans and reads off what it asks for.

use std::ops::ControlFlow;

use anyhow::Result;
use vene::plan::ResolvedPlan;
use vene::{Executor, Forked, Model, PlanOutcome, Reading};

use crate::workload::{Kind, Read, Workload};

/// The workload's values, in its order.
pub(crate) fn values(
    workload: &Workload,
    plans: &[ResolvedPlan],
    model: &Model,
) -> Result<Vec<f64>> {
    let mut read = vec![Vec::new(); plans.len()];
    Forked::new(model).run_all(plans, &mut |index, outcome| {
        read[index] = of_outcome(&workload.read, &outcome);
        ControlFlow::Continue(())
    })?;
    let base = read.pop().unwrap_or_default();
    Ok(match (&workload.read, workload.kind) {
        (_, Kind::Forward) => base,
        (Read::Probability { .. }, _) => read.concat(),
        (Read::LogitDifference { .. }, _) => {
            read.iter().map(|patched| relative_change(patched, &base)).collect()
        }
    })
}

/// What a plan's runs show, example by example.
fn of_outcome(read: &Read, outcome: &PlanOutcome) -> Vec<f64> {
    let readings = outcome.examples.iter().flat_map(|example| &example.readings);
    let of_example = |reading: &Reading| match read {
        Read::Probability { .. } => reading.probabilities().unwrap_or_default(),
        Read::LogitDifference { .. } => vec![reading.logits()[0] - reading.logits()[1]],
    };
    readings.flat_map(of_example).collect()
}

/// (mean patched - mean base) / mean base, over examples.
fn relative_change(patched: &[f64], base: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    (mean(patched) - mean(base)) / mean(base)
}
