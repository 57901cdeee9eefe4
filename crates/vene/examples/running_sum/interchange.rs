//! Interchanges of the network's state, and of the sum in the causal model, at one time step.

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use vene::causal::{CausalModel, CounterfactualRow, Counterfactuals, Setting};
use vene::intervention::{Intervention, RotatedSpace, Rotation, Subspace};
use vene::plan::{Positions, ResolvedPlan};
use vene::training::{AdamW, Examples, Objective, Schedule, Trainer};
use vene::{Component, Edit, Example, Model, Plan, Prompt};

use super::recurrent::{LENGTH, WIDTH};

/// The sum modulo 3 of six digits, one after the other: `sum1` to `sum6`, of which the last is the answer.
pub fn running_sum() -> Result<CausalModel, vene::causal::CausalError> {
    let mut model = CausalModel::builder();
    for step in 1..=LENGTH {
        model = model.input(format!("digit{step}"), 0..3);
    }
    let digit = |value: &vene::causal::Value| value.integer();
    model = model.computed("sum1", ["digit1"], move |[first]| digit(first));
    for step in 2..=LENGTH {
        let (before, own) = (format!("sum{}", step - 1), format!("digit{step}"));
        let sum = move |[before, own]: [&vene::causal::Value; 2]| {
            Some((digit(before)? + digit(own)?) % 3)
        };
        model = model.computed(format!("sum{step}"), [before.as_str(), own.as_str()], sum);
    }
    model.build()
}

/// Rows in which the sum behind so many digits comes from another run.
pub fn rows(
    causal: &CausalModel,
    step: usize,
    count: usize,
    seed: u64,
) -> Result<Vec<CounterfactualRow>, vene::causal::CausalError> {
    Counterfactuals::of(causal).exchange([[format!("sum{step}")]]).seed(seed).rows(count)
}

/// The digits of a run as a prompt.
pub fn prompt(model: &Model, setting: &Setting) -> Result<Prompt, vene::InputError> {
    let digit =
        |step: usize| setting[format!("digit{step}").as_str()].integer().unwrap_or(0) as u32;
    model.prompt_from_tokens(&(1..=LENGTH).map(digit).collect::<Vec<_>>())
}

/// The plan in which a component's row behind so many digits is edited.
pub fn plan(
    model: &Model,
    rows: &[CounterfactualRow],
    component: Component,
    intervention: Arc<dyn Intervention>,
    step: usize,
) -> Result<ResolvedPlan, Box<dyn Error>> {
    let examples = rows.iter().map(|row| {
        let base = Example::new(prompt(model, &row.base)?);
        Ok(base.source(prompt(model, &row.sources[0].source)?))
    });
    let examples = examples.collect::<Result<Vec<_>, vene::InputError>>()?;
    let edit = Edit::new(component, 0, intervention).at(Positions::index(step as i64 - 1));
    Ok(Plan::new().edit(edit).resolve(model, &examples)?)
}

/// Directions of the state that nothing was learned of.
pub fn random_directions(count: usize, seed: u64) -> Result<RotatedSpace, Box<dyn Error>> {
    Ok(RotatedSpace::low_rank(Rotation::random(WIDTH, count, seed)?, Subspace::All))
}

/// So many directions of the state that hold the sum, learned from interchanges behind one number of digits.
pub fn learned_directions(
    model: &Model,
    causal: &CausalModel,
    step: usize,
    count: usize,
) -> Result<RotatedSpace, Box<dyn Error>> {
    let directions = random_directions(count, 5)?;
    let learned_on = rows(causal, step, 2_000, 1)?;
    let labels: Vec<u32> =
        learned_on.iter().map(|row| row.label.integer().unwrap_or(0) as u32).collect();
    let trainer = Trainer {
        epochs: 12,
        batch: 50,
        optimizer: AdamW { learning_rate: 0.02, ..AdamW::default() },
        schedule: Schedule::Linear { warmup: 10 },
        ..Trainer::default()
    };
    let intervention = Arc::new(directions.clone());
    let plan = plan(model, &learned_on, Component::BlockOutput, intervention, step)?;
    let objective = Objective::labels(&labels);
    let examples = Examples { plan: &plan, objective: &objective };
    trainer.train(model, examples, None, &mut |_| ControlFlow::Continue(()))?;
    Ok(directions)
}
