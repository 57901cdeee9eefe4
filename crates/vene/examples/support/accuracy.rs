//! Interchange-intervention accuracy on rows of a causal model, and tables of it.

use std::error::Error;
use std::ops::ControlFlow;

use vene::causal::{
    CausalModel, CounterfactualRow, Proportion, Value, base_clusters,
    interchange_intervention_accuracy,
};
use vene::plan::ResolvedPlan;
use vene::statistics::Bootstrap;
use vene::{Executor, Forked, Model};

/// The class that each example's run names, as the number of its logit.
pub fn answers(model: &Model, plan: &ResolvedPlan) -> Result<Vec<u32>, Box<dyn Error>> {
    let mut answers = Vec::new();
    Forked::new(model).run_all(std::slice::from_ref(plan), &mut |_, outcome| {
        let likeliest = |example: &vene::ExampleOutcome| example.distributions[0].top(1)[0];
        answers = outcome.examples.iter().map(likeliest).collect();
        ControlFlow::Continue(())
    })?;
    Ok(answers)
}

/// How often a model is right of some rows: of one set of exchanged variables, told by its name.
#[derive(Clone, Debug)]
pub struct Accuracy {
    pub exchanged: String,
    pub all: Proportion,
    /// Of the rows whose label the interchange changes.
    pub changed: Proportion,
}

/// The accuracy of a plan whose examples are these rows; `value` is what a class means.
pub fn accuracy(
    model: &Model,
    plan: &ResolvedPlan,
    rows: &[CounterfactualRow],
    value: impl Fn(u32) -> Value,
) -> Result<Vec<Accuracy>, Box<dyn Error>> {
    let said: Vec<_> = answers(model, plan)?.into_iter().map(|class| Some(value(class))).collect();
    let (clusters, bootstrap) = (base_clusters(rows), Bootstrap::default());
    let found = interchange_intervention_accuracy(rows, &said, &clusters, &bootstrap)?;
    let named = |found: vene::causal::InterchangeAccuracy| Accuracy {
        exchanged: found.variables.concat().join(" and "),
        all: found.all,
        changed: found.changed,
    };
    Ok(found.into_iter().map(named).collect())
}

/// The share of inputs that the network answers as the causal model does.
pub fn own_accuracy(
    model: &Model,
    plan: &ResolvedPlan,
    causal: &CausalModel,
    settings: &[vene::causal::Setting],
    value: impl Fn(u32) -> Value,
) -> Result<f64, Box<dyn Error>> {
    let said = answers(model, plan)?;
    let right = |(class, setting): (&u32, &vene::causal::Setting)| {
        value(*class) == setting[causal.output()]
    };
    Ok(said.iter().zip(settings).filter(|pair| right(*pair)).count() as f64 / said.len() as f64)
}
