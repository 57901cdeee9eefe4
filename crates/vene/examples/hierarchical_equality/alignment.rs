//! Distributed alignment search for both variables at once: one rotation of a layer's output, whose first
//! half of directions is to hold `left` and whose second half `right`.

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use vene::causal::{CausalModel, CounterfactualRow, Counterfactuals};
use vene::intervention::{Partition, RotatedSpace, Rotation, Subspace};
use vene::plan::{Positions, ResolvedPlan};
use vene::training::{AdamW, Examples, Objective, Schedule, Trainer};
use vene::{Component, Edit, Example, Model, Plan, Source};

use super::perceptron::{Inputs, WIDTH};

/// Rows of interchanges in which `left`, `right` and both of them are exchanged in turn; the prompts of their
/// runs are inputs of the table that was drawn for them.
pub struct Rows {
    pub rows: Vec<CounterfactualRow>,
    /// The inputs' numbers: of the base, of the source of `left`, of the source of `right`.
    inputs: Vec<[u32; 3]>,
}

impl Rows {
    /// So many rows, their objects drawn from `inputs`.
    pub fn draw(
        causal: &CausalModel,
        count: usize,
        seed: u64,
        inputs: &mut Inputs,
    ) -> Result<Self, Box<dyn Error>> {
        let rows = Counterfactuals::of(causal)
            .exchange([["left"]])
            .exchange([["right"]])
            .exchange([["left"], ["right"]])
            .balanced()
            .seed(seed)
            .rows(count)?;
        let numbers = rows.iter().map(|row| {
            let base = inputs.add(&row.base);
            let mut of = |variable: &str| {
                let gives = |exchange: &&vene::causal::Exchange| {
                    exchange.variables.iter().any(|name| name == variable)
                };
                let exchange = row.sources.iter().find(gives);
                exchange.map_or(base, |exchange| inputs.add(&exchange.source))
            };
            [base, of("left"), of("right")]
        });
        let numbers = numbers.collect();
        Ok(Self { rows, inputs: numbers })
    }

    /// What the edited runs should answer.
    pub fn labels(&self) -> Vec<u32> {
        self.rows.iter().map(|row| u32::from(row.label.is_true())).collect()
    }

    /// The plan in which a rotation's halves are exchanged at the output of a layer.
    pub fn plan(
        &self,
        model: &Model,
        rotation: &RotatedSpace,
        layer: usize,
    ) -> Result<ResolvedPlan, Box<dyn Error>> {
        let halves = Partition::new(WIDTH, [("left", 0..WIDTH / 2), ("right", WIDTH / 2..WIDTH)])?;
        let examples = self.inputs.iter().map(|inputs| {
            let [base, left, right] = inputs.map(|number| model.prompt_from_tokens(&[number]));
            Ok(Example::new(base?).source(left?).source(right?))
        });
        let examples = examples.collect::<Result<Vec<_>, vene::InputError>>()?;
        let mut plan = Plan::new();
        for (source, variable) in ["left", "right"].into_iter().enumerate() {
            // Rows that do not exchange the variable are not edited here.
            let edited = |row: &CounterfactualRow| {
                row.variables().concat().iter().any(|name| name == variable)
            };
            let positions = self.rows.iter().map(|row| if edited(row) { vec![0] } else { vec![] });
            let edit = Edit::new(Component::BlockOutput, layer, Arc::new(rotation.clone()))
                .at(Positions::Each(positions.collect()))
                .source(Source::Run(source))
                .subspaces(vec![halves.subspace([variable])?]);
            plan = plan.edit(edit);
        }
        Ok(plan.resolve(model, &examples)?)
    }
}

/// A rotation that nothing was learned of.
pub fn random_rotation(seed: u64) -> Result<RotatedSpace, Box<dyn Error>> {
    Ok(RotatedSpace::new(Rotation::random(WIDTH, WIDTH, seed)?, Subspace::All)?)
}

/// Trains a rotation of a layer's output on rows.
pub fn train(
    model: &Model,
    rows: &Rows,
    layer: usize,
    epochs: usize,
    seed: u64,
) -> Result<RotatedSpace, Box<dyn Error>> {
    let rotation = random_rotation(seed)?;
    let trainer = Trainer {
        epochs,
        batch: 64,
        optimizer: AdamW { learning_rate: 0.02, ..AdamW::default() },
        schedule: Schedule::Linear { warmup: 20 },
        ..Trainer::default()
    };
    let plan = rows.plan(model, &rotation, layer)?;
    let objective = Objective::labels(&rows.labels());
    let examples = Examples { plan: &plan, objective: &objective };
    trainer.train(model, examples, None, &mut |_| ControlFlow::Continue(()))?;
    Ok(rotation)
}
