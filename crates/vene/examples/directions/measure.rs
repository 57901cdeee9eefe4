//! What interchanges along directions do to held-out pairs.

use std::ops::ControlFlow;

use anyhow::{Context, Result};
use vene::plan::ResolvedPlan;
use vene::{Edit, Executor, Forked, Model, Plan, Tokens};

use crate::contrast::{Pair, examples};

/// Logits and probabilities of a pair's two answers in one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answered {
    /// Logit of the base's answer less that of the source's: log-odds, in nats.
    pub difference: f64,
    /// Both answers' probabilities together.
    pub either: f64,
}

/// What pairs' base runs answer under each list of edits, `[edits][pair]`. `source` runs the source
/// prompts instead, and takes no edits that read one.
pub fn answered(
    model: &Model,
    pairs: &[&Pair],
    edits: &[Vec<Edit>],
    source: bool,
) -> Result<Vec<Vec<Answered>>> {
    let mut all = examples(pairs);
    if source {
        for (example, pair) in all.iter_mut().zip(pairs) {
            example.base = pair.prompts[1].clone();
        }
    }
    let tokens = Tokens::from(pairs.iter().map(|pair| pair.answers.to_vec()).collect::<Vec<_>>());
    let plans = edits
        .iter()
        .map(|edits| {
            let plan = Plan::new().probabilities_of(tokens.clone());
            let plan = edits.iter().cloned().fold(plan, Plan::edit);
            Ok(plan.resolve(model, &all)?)
        })
        .collect::<Result<Vec<ResolvedPlan>>>()?;
    let mut found: Vec<Vec<Answered>> = vec![Vec::new(); plans.len()];
    Forked::new(model).run_all(&plans, &mut |index, outcome| {
        let read = outcome.examples.iter().filter_map(|showed| {
            let reading = showed.readings.first()?;
            let [base, source] = *reading.logits() else { return None };
            let either = reading.probabilities()?.iter().sum();
            Some(Answered { difference: base - source, either })
        });
        found[index] = read.collect();
        ControlFlow::Continue(())
    })?;
    let complete = found.iter().all(|found| found.len() == pairs.len());
    complete.then_some(found).context("a run was not read")
}
