//! Directions: what is learned from activations alone, and what is learned by intervening.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device, Tensor};
use vene::inspect::direction::{Contrast, logistic_weights};
use vene::intervention::{PrincipalComponents, RotatedSpace, Rotation, Subspace};
use vene::training::{AdamW, Epoch, Examples, Objective, Schedule, Trainer};
use vene::{Component, Edit, Executor, Forked, Model, Plan, Positions};

use crate::contrast::{Pair, examples, positions};

/// Random directions that are averaged.
pub const RANDOM: u64 = 5;

/// Activations of pairs at one site, and the side that each is on.
#[derive(Clone, Debug, Default)]
pub struct Activations {
    /// `[sample][width]`: bases, then sources.
    pub rows: Vec<Vec<f64>>,
    /// For each row its side.
    pub positive: Vec<bool>,
}

impl Activations {
    /// The residual stream behind some layers at the contrast's position, one for each layer.
    pub fn of(model: &Model, pairs: &[&Pair], layers: &[usize]) -> Result<Vec<Self>> {
        let mut found = vec![Self::default(); layers.len()];
        let executor = Forked::new(model);
        for side in 0..2 {
            let prompts: Vec<_> =
                pairs.iter().map(|pair| vene::Example::new(pair.prompts[side].clone())).collect();
            let none = Positions::Each(vec![Vec::new(); pairs.len()]);
            let at = positions(pairs, side);
            let plan = layers.iter().fold(Plan::new().read(none), |plan, &layer| {
                plan.collect(Component::BlockOutput, layer, at.clone())
            });
            let mut outcome = None;
            executor.run_all(&[plan.resolve(model, &prompts)?], &mut |_, showed| {
                outcome = Some(showed);
                ControlFlow::Continue(())
            })?;
            let outcome = outcome.context("a plan without an outcome")?;
            for (pair, showed) in pairs.iter().zip(outcome.examples) {
                for (found, values) in found.iter_mut().zip(showed.collected) {
                    found.rows.push(values.get(0)?.to_dtype(DType::F64)?.to_vec1()?);
                    found.positive.push(pair.positive[side]);
                }
            }
        }
        Ok(found)
    }

    /// The mean of the positive side less that of the other.
    pub fn difference_of_means(&self) -> Result<Vec<f64>> {
        let side = |side: bool| {
            let rows = self.rows.iter().zip(&self.positive).filter(move |row| *row.1 == side);
            rows.map(|row| row.0.clone()).collect()
        };
        Ok(Contrast { positive: side(true), negative: side(false) }.difference()?)
    }

    /// The first principal component, sides not looked at.
    pub fn principal(&self) -> Result<Vec<f64>> {
        let width = self.rows.first().context("no activations")?.len();
        let all = Tensor::from_vec(self.rows.concat(), (self.rows.len(), width), &Device::Cpu)?;
        Ok(PrincipalComponents::fit(&all, 1, false)?.components.get(0)?.to_vec1()?)
    }

    /// The weights of a logistic-regression probe.
    pub fn probe(&self) -> Result<Vec<f64>> {
        Ok(logistic_weights(&self.rows, &self.positive)?)
    }
}

/// A vector as the one direction of an interchange.
pub fn direction(vector: &[f64]) -> Result<Rotation> {
    let norm = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    ensure!(norm > 0.0 && norm.is_finite(), "a vector of length {norm} is no direction");
    let unit: Vec<f64> = vector.iter().map(|value| value / norm).collect();
    Ok(Rotation::new(&Tensor::from_vec(unit, (vector.len(), 1), &Device::Cpu)?)?)
}

/// How distributed alignment search is run: a few dozen steps are enough for one direction.
pub fn trainer() -> Trainer {
    Trainer {
        epochs: 5,
        batch: 10,
        optimizer: AdamW { learning_rate: 2e-2, ..AdamW::default() },
        schedule: Schedule::Linear { warmup: 3 },
        ..Trainer::default()
    }
}

/// Distributed alignment search (Geiger et al. 2024) for one direction: from a random one on, moved so
/// that an interchange along it makes bases be answered as their sources are. Also the mean loss of the
/// first and of the last epoch.
pub fn aligned(
    model: &Model,
    pairs: &[&Pair],
    layer: usize,
    trainer: &Trainer,
    seed: u64,
) -> Result<(Rotation, [f64; 2])> {
    let rotation = Rotation::random(model.config().d_model, 1, seed)?;
    let plan = Plan::new().edit(interchange(&rotation, layer, pairs));
    let plan = plan.resolve(model, &examples(pairs))?;
    let labels: Vec<u32> = pairs.iter().map(|pair| pair.answers[1]).collect();
    // The plan's intervention shares the rotation's values.
    let objective = Objective::labels(&labels);
    let examples = Examples { plan: &plan, objective: &objective };
    let trained = trainer.train(model, examples, None, &mut |_| ControlFlow::Continue(()))?;
    let loss = |epoch: Option<&Epoch>| epoch.map_or(f64::NAN, |epoch| epoch.trained.loss);
    Ok((rotation, [loss(trained.epochs.first()), loss(trained.epochs.last())]))
}

/// The edit that takes the source's part along directions.
pub fn interchange(rotation: &Rotation, layer: usize, pairs: &[&Pair]) -> Edit {
    let along = RotatedSpace::low_rank(rotation.clone(), Subspace::All);
    Edit::new(Component::BlockOutput, layer, Arc::new(along))
        .at(positions(pairs, 0))
        .from(positions(pairs, 1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Sides 2 apart along (0.6, 0.8, 0), with far more going on along the third axis.
    fn planted() -> Activations {
        let mut made = Activations::default();
        for sample in 0..60 {
            let positive = sample % 2 == 0;
            let side = if positive { 1.0 } else { -1.0 };
            let wave = |factor: f64| (sample as f64 * factor).sin();
            made.rows.push(vec![
                0.6 * side + 0.1 * wave(1.3),
                0.8 * side + 0.1 * wave(2.1),
                20.0 * wave(0.7),
            ]);
            made.positive.push(positive);
        }
        made
    }

    fn cosine(vector: &[f64], other: [f64; 3]) -> f64 {
        let unit = direction(vector).unwrap().directions().flatten_all().unwrap();
        let unit: Vec<f64> = unit.to_vec1().unwrap();
        unit.iter().zip(other).map(|(one, other)| one * other).sum()
    }

    #[test]
    fn what_is_planted_is_found_by_those_who_know_the_sides() {
        let planted = planted();
        let axis = [0.6, 0.8, 0.0];
        assert!(cosine(&planted.probe().unwrap(), axis) > 0.98);
        let means = planted.difference_of_means().unwrap();
        // The large axis' chance difference is in it.
        assert!(means[0] > 1.0 && means[1] > 1.4 && means[0] < 1.4 && means[1] < 1.8);
        assert!(cosine(&planted.principal().unwrap(), [0.0, 0.0, 1.0]).abs() > 0.98);
    }

    #[test]
    fn a_vector_without_length_is_no_direction() {
        assert!(direction(&[0.0, 0.0]).is_err());
        assert!(direction(&[f64::NAN, 1.0]).is_err());
    }
}
