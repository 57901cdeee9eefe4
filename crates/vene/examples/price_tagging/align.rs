//! Boundless distributed alignment search (Wu et al. 2023): where in the network is a variable?

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context, Result};
use vene::causal::{
    CounterfactualRow, Counterfactuals, InterchangeAccuracy, Proportion, Value, base_clusters,
    interchange_intervention_accuracy,
};
use vene::intervention::{RotatedSpace, Rotation};
use vene::plan::ResolvedPlan;
use vene::statistics::Bootstrap;
use vene::training::{AdamW, Annealing, Examples, Objective, SumOf, Trainer};
use vene::{Component, Edit, Example, Executor, Forked, Model, Plan, Positions};
use vene_table::{Table, TableError};

use crate::task::{AMOUNT, Hypothesis, answer, is_bracket, prompt_of};

/// How a search is made.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Pairs that are learned from.
    pub seen: usize,
    /// Pairs that are shown.
    pub shown: usize,
    /// How often each pair is seen.
    pub epochs: usize,
    /// AdamW's step.
    pub learning_rate: f64,
    /// What each unit of the boundary costs, in nats; without it there is no reason for a narrow
    /// subspace.
    pub cost_of_width: f64,
}

/// What a search found at one place.
#[derive(Clone, Debug)]
pub struct Found {
    network: String,
    hypothesis: &'static str,
    layer: usize,
    /// On pairs that had no part in it.
    accuracy: InterchangeAccuracy,
    /// The same with as many random directions.
    control: InterchangeAccuracy,
    /// How many directions are exchanged, out of how many.
    width: f64,
    dimensions: usize,
    /// The last epoch's mean loss, in nats.
    loss: f64,
}

impl Search {
    /// Pairs of which half change their answer when the variable is exchanged, as it says.
    fn rows(
        &self,
        hypothesis: &Hypothesis,
        count: usize,
        seed: u64,
    ) -> Result<Vec<CounterfactualRow>> {
        Ok(Counterfactuals::of(&hypothesis.model)
            .exchange([[hypothesis.variable]])
            .changed(0.5)
            .keep_inputs(is_bracket)
            .seed(seed)
            .rows(count)?)
    }

    /// Looks for a hypothesis' variable behind a layer of the network of this name, at the amount.
    pub fn run(
        &self,
        model: &Model,
        network: &str,
        hypothesis: &Hypothesis,
        layer: usize,
    ) -> Result<Found> {
        let seen = self.rows(hypothesis, self.seen, 1)?;
        let shown = self.rows(hypothesis, self.shown, 2)?;
        let dimensions = model.config().d_model;
        // A temperature in directions: soft over a good part of them at first.
        let annealing = Annealing { from: dimensions as f64 / 10.0, to: 0.1 };
        let boundless = RotatedSpace::with_boundaries(
            Rotation::random(dimensions, dimensions, 1)?,
            &[0.5],
            annealing.from,
        )?;
        let labels = seen
            .iter()
            .map(|row| Ok(model.tokenizer().single_token(answer(row.label.is_true()))?))
            .collect::<Result<Vec<u32>>>()?;
        let plan = plan(model, &boundless, &seen, layer)?;
        let trainer = Trainer {
            epochs: self.epochs,
            batch: 64,
            optimizer: AdamW { learning_rate: self.learning_rate, ..AdamW::default() },
            annealing: Some(annealing),
            ..Trainer::default()
        };
        let width =
            SumOf { parameter: "intervention_boundaries".to_owned(), weight: self.cost_of_width };
        let objective = Objective::labels(&labels).penalty(width);
        let examples = Examples { plan: &plan, objective: &objective };
        let trained = trainer.train(model, examples, None, &mut |_| ControlFlow::Continue(()))?;
        let mask = boundless.mask().context("no mask")?;
        let boundaries: Vec<f64> = mask.learned().to_vec1()?;
        let random = RotatedSpace::with_boundaries(
            Rotation::random(dimensions, dimensions, 77)?,
            &boundaries,
            annealing.to,
        )?;
        Ok(Found {
            network: network.to_owned(),
            hypothesis: hypothesis.name,
            layer,
            accuracy: accuracy(model, &boundless, &shown, layer)?,
            control: accuracy(model, &random, &shown, layer)?,
            width: mask.share()?.sum_all()?.to_scalar()?,
            dimensions,
            loss: trained.epochs.last().context("no epoch")?.trained.loss,
        })
    }
}

/// The interchange of pairs, base and source read at the amount.
fn plan(
    model: &Model,
    boundless: &RotatedSpace,
    rows: &[CounterfactualRow],
    layer: usize,
) -> Result<ResolvedPlan> {
    let examples = rows
        .iter()
        .map(|row| {
            let exchange = row.sources.first().context("a pair without a source")?;
            let base = model.prompt(&prompt_of(&row.base))?;
            Ok(Example::new(base).source(model.prompt(&prompt_of(&exchange.source))?))
        })
        .collect::<Result<Vec<_>>>()?;
    let edit = Edit::new(Component::BlockOutput, layer, Arc::new(boundless.clone()))
        .at(Positions::index(AMOUNT))
        .from(Positions::index(AMOUNT));
    Ok(Plan::new().edit(edit).resolve(model, &examples)?)
}

/// How often the network answers as the algorithm does, variables exchanged in both.
fn accuracy(
    model: &Model,
    boundless: &RotatedSpace,
    rows: &[CounterfactualRow],
    layer: usize,
) -> Result<InterchangeAccuracy> {
    let [yes, no] = [true, false].map(|within| model.tokenizer().single_token(answer(within)));
    let (yes, no) = (yes?, no?);
    let mut predictions = Vec::new();
    let plan = plan(model, boundless, rows, layer)?;
    Forked::new(model).run_all(&[plan], &mut |_, outcome| {
        for showed in &outcome.examples {
            let top = showed.distributions.first().map(|read| read.top(1));
            let said = top.and_then(|top| top.first().copied());
            predictions.push(match said {
                Some(token) if token == yes => Some(Value::from(true)),
                Some(token) if token == no => Some(Value::from(false)),
                _ => None,
            });
        }
        ControlFlow::Continue(())
    })?;
    let clusters = base_clusters(rows);
    let found =
        interchange_intervention_accuracy(rows, &predictions, &clusters, &Bootstrap::default())?;
    found.into_iter().next().context("no accuracy")
}

/// A row for each place and hypothesis.
pub fn table(found: &[Found]) -> Result<Table, TableError> {
    let text =
        |of: fn(&Found) -> &str| found.iter().map(|found| of(found).to_owned()).collect::<Vec<_>>();
    type Share = fn(&Found) -> &Proportion;
    let proportions: [(&str, Share); 4] = [
        ("accuracy", |found| &found.accuracy.all),
        ("changed", |found| &found.accuracy.changed),
        ("unchanged", |found| &found.accuracy.unchanged),
        ("control", |found| &found.control.all),
    ];
    let mut table = Table::builder()
        .column("network", text(|found| &found.network))
        .column("hypothesis", text(|found| found.hypothesis))
        .column("layer", found.iter().map(|found| found.layer as i64).collect::<Vec<_>>())
        .column("n", found.iter().map(|found| found.accuracy.all.rows as i64).collect::<Vec<_>>())
        .column(
            "clusters",
            found.iter().map(|found| found.accuracy.all.clusters as i64).collect::<Vec<_>>(),
        )
        .column("width", found.iter().map(|found| found.width).collect::<Vec<_>>())
        .column("dimensions", found.iter().map(|found| found.dimensions as i64).collect::<Vec<_>>())
        .column("loss", found.iter().map(|found| found.loss).collect::<Vec<_>>());
    for (name, of) in proportions {
        let float = |value: &dyn Fn(&Proportion) -> Option<f64>| {
            found.iter().map(|found| value(of(found))).collect::<Vec<_>>()
        };
        table = table
            .column(name, float(&|share| share.share))
            .column(format!("{name}_low"), float(&|share| Some(share.interval?.low)))
            .column(format!("{name}_high"), float(&|share| Some(share.interval?.high)));
    }
    table.build()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::network::{Recipe, train, write};
    use crate::task::hypotheses;

    /// Behind the last layer nothing but the last position is read: whatever the source says is said, so
    /// that a search there finds how the output is exchanged, and as many random directions do not.
    #[test]
    fn an_output_is_found_where_it_is_said() {
        let recipe = Recipe {
            highest: 5,
            width: 16,
            layers: 1,
            steps: 500,
            rows: 64,
            learning_rate: 1e-2,
            seed: 1,
        };
        let folder = tempfile::tempdir().unwrap();
        let trained = train(&recipe, &mut |_, _| ()).unwrap();
        write(folder.path(), &trained, recipe.highest).unwrap();
        let model = Model::load(folder.path().to_str().unwrap()).unwrap();
        let learned = crate::network::accuracy(&model, recipe.highest, 100).unwrap();
        assert!(learned > 0.75, "{learned}");

        let mut hypotheses = hypotheses(recipe.highest).unwrap();
        let output = Hypothesis { variable: "within", ..hypotheses.swap_remove(0) };
        let search =
            Search { seen: 128, shown: 100, epochs: 15, learning_rate: 2e-2, cost_of_width: 0.5 };
        let found = search.run(&model, "small", &output, 0).unwrap();
        let (accuracy, control) =
            (found.accuracy.all.share.unwrap(), found.control.all.share.unwrap());
        assert!(accuracy > 0.8 && control < accuracy - 0.1, "{accuracy}, random {control}");
        assert!(found.width > 0.0 && found.width < 12.0, "{}", found.width);
        let table = table(&[found]).unwrap();
        assert_eq!(table.integers("n").unwrap(), [100]);
        assert_eq!(table.optional_floats("accuracy").unwrap(), [Some(accuracy)]);
    }
}
