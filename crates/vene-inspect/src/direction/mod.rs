//! Steering vectors and probes: a direction of an activation along which two sides of a data set are told apart.
//!
//! Each row is a pair: its base is on one side, its source on the other (loving and hating, true and false). What is found
//! points from the source's side to the base's, and is as long as the way between the sides' means along it, so that a dose of 1
//! moves the one to the other. How well it tells texts apart is measured on pairs of groups that it was not found on.

mod find;
mod logistic;
mod separation;

use candle_core::{Device, Tensor};
use vene_intervention::{ParameterError, PrincipalComponents};
use vene_named::named;

pub use find::{Direction, Directions, FoundDirections, METRICS, pairs};
pub use logistic::logistic_weights;
use logistic::{dot, solve, times};

/// What is added to the covariance of a probe's sides, as a share of the mean variance.
const SHRINKAGE: f64 = 0.1;

named! {
    /// How a direction is found.
    pub enum DirectionMethod as "method of finding directions", default Means {
        /// The difference of the sides' means.
        Means = "means",
        /// The first principal component, after each pair's mean is subtracted (Zou et al. 2023).
        Pca = "pca",
        /// The difference of means by the inverse covariance within the sides (mass-mean probing, Marks & Tegmark 2023).
        Probe = "probe",
        /// The weights of a logistic regression.
        Logistic = "logistic",
    }
}

/// What cannot be told apart.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DirectionError {
    /// Classes that are not those of the rows.
    #[error(
        "{rows} rows of activations and {classes} classes: each row needs one, and there must be two rows or more"
    )]
    Classes {
        /// How many rows.
        rows: usize,
        /// How many classes.
        classes: usize,
    },
    /// Values that are not finite.
    #[error("the activations have values that are not finite")]
    NotFinite,
    /// Sides that do not differ.
    #[error(
        "the two sides have the same activations on average, so that nothing points from one to the other"
    )]
    Same,
    /// Rows of which neither side is the positive one.
    #[error(
        "a row's base is answered by `{target}`, and its source by no answer of the positive side ({positive}): which side it is on is not known"
    )]
    Side {
        /// The base's answer.
        target: String,
        /// The answers that tell the side.
        positive: String,
    },
    /// Rows that cannot be divided.
    #[error(
        "all rows are of one group (`{group}`), and a direction is tested on other groups than it was found on: give rows of two or more"
    )]
    OneGroup {
        /// The group.
        group: String,
    },
    /// A computation that failed.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A tensor that cannot be made.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

vene_named::debug_as_sentence!(DirectionError);

/// Activations of pairs at a site: of each side, `[pair][width]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contrast {
    /// What points up: the bases.
    pub positive: Vec<Vec<f64>>,
    /// The sources.
    pub negative: Vec<Vec<f64>>,
}

impl Contrast {
    /// Of some pairs alone.
    #[must_use]
    pub fn of(&self, pairs: &[usize]) -> Self {
        let some = |side: &[Vec<f64>]| pairs.iter().map(|&pair| side[pair].clone()).collect();
        Self { positive: some(&self.positive), negative: some(&self.negative) }
    }

    /// The mean of the positive side − that of the other, `[width]`.
    ///
    /// # Errors
    /// No pair.
    pub fn difference(&self) -> Result<Vec<f64>, DirectionError> {
        let (positive, negative) = (mean(&self.positive)?, mean(&self.negative)?);
        Ok(positive.iter().zip(&negative).map(|(one, other)| one - other).collect())
    }

    /// The direction that a method finds, `[width]`: the difference of means, projected on it.
    ///
    /// # Errors
    /// Sides that are the same on average along it; too few pairs; values that are not finite.
    pub fn direction(&self, method: DirectionMethod) -> Result<Vec<f64>, DirectionError> {
        let difference = self.difference()?;
        if difference.iter().any(|value| !value.is_finite()) {
            return Err(DirectionError::NotFinite);
        }
        let found = match method {
            DirectionMethod::Means => difference.clone(),
            DirectionMethod::Pca => self.principal()?,
            DirectionMethod::Probe => self.mass_mean(&difference)?,
            DirectionMethod::Logistic => {
                let rows = [self.positive.clone(), self.negative.clone()].concat();
                let classes: Vec<bool> =
                    (0..rows.len()).map(|row| row < self.positive.len()).collect();
                logistic_weights(&rows, &classes)?
            }
        };
        let way = dot(&found, &difference) / dot(&found, &found);
        match way.is_finite() && way != 0.0 {
            true => Ok(found.into_iter().map(|value| way * value).collect()),
            false => Err(DirectionError::Same),
        }
    }

    /// The first principal component of both sides, each pair's mean subtracted.
    fn principal(&self) -> Result<Vec<f64>, DirectionError> {
        let half = |(one, other): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
            one.iter().zip(other).map(|(one, other)| (one - other) / 2.0).collect()
        };
        let halves: Vec<Vec<f64>> = self.positive.iter().zip(&self.negative).map(half).collect();
        let width = halves.first().map_or(0, Vec::len);
        let both = halves.iter().flatten().copied();
        let both: Vec<f64> = both.chain(halves.iter().flatten().map(|value| -value)).collect();
        let rows = Tensor::from_vec(both, (2 * halves.len(), width), &Device::Cpu)?;
        Ok(PrincipalComponents::fit(&rows, 1, false)?.components.get(0)?.to_vec1()?)
    }

    /// (Σ + s t I)⁻¹ δ, with the covariance Σ within the sides, its mean variance t and the shrinkage s, by way of the products of the rows: there are
    /// fewer of them than dimensions.
    fn mass_mean(&self, difference: &[f64]) -> Result<Vec<f64>, DirectionError> {
        let mut rows = Vec::with_capacity(2 * self.positive.len());
        for side in [&self.positive, &self.negative] {
            let mean = mean(side)?;
            let centred = |row: &Vec<f64>| -> Vec<f64> {
                row.iter().zip(&mean).map(|(value, mean)| value - mean).collect()
            };
            rows.extend(side.iter().map(centred));
        }
        let (count, width) = (rows.len() as f64, difference.len() as f64);
        let total: f64 = rows.iter().map(|row| dot(row, row)).sum();
        let ridge = SHRINKAGE * total / (count * width);
        if ridge == 0.0 {
            // Nothing varies within the sides.
            return Ok(difference.to_vec());
        }
        let mut products: Vec<Vec<f64>> =
            rows.iter().map(|one| rows.iter().map(|other| dot(one, other)).collect()).collect();
        for (index, row) in products.iter_mut().enumerate() {
            row[index] += ridge * count;
        }
        let shares = solve(products, times(&rows, difference))?;
        let mut found = difference.to_vec();
        for (row, share) in rows.iter().zip(&shares) {
            for (found, value) in found.iter_mut().zip(row) {
                *found -= share * value;
            }
        }
        Ok(found)
    }
}

fn mean(rows: &[Vec<f64>]) -> Result<Vec<f64>, DirectionError> {
    let first = rows.first().ok_or(DirectionError::Classes { rows: 0, classes: 0 })?;
    let mut mean = vec![0.0; first.len()];
    for row in rows {
        for (mean, value) in mean.iter_mut().zip(row) {
            *mean += value / rows.len() as f64;
        }
    }
    Ok(mean)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Sides 2 apart along (0.6, 0.8, 0), with far more going on along the third axis, alike on both sides of a pair.
    fn planted() -> Contrast {
        let mut made = Contrast::default();
        for pair in 0..40 {
            let wave = |factor: f64| (f64::from(pair) * factor).sin();
            let side = |sign: f64, shift: f64| {
                vec![
                    0.6 * sign + 0.1 * wave(1.3 + shift),
                    0.8 * sign + 0.1 * wave(2.1 + shift),
                    20.0 * wave(0.7) + wave(0.9 + shift),
                ]
            };
            made.positive.push(side(1.0, 0.0));
            made.negative.push(side(-1.0, 1.0));
        }
        made
    }

    #[test]
    fn what_is_planted_is_found() {
        for method in DirectionMethod::ALL {
            let found = planted().direction(*method).unwrap();
            let along = dot(&found, &[0.6, 0.8, 0.0]);
            let length = dot(&found, &found).sqrt();
            let cosine = along / length;
            assert!(cosine > 0.95, "{method}: {cosine}");
            // As long as the way from one mean to the other along it.
            let difference = planted().difference().unwrap();
            assert!((dot(&found, &difference) / length - length).abs() < 1e-9, "{method}");
            assert!((1.8..2.2).contains(&length), "{method}: {length}");
        }
    }

    /// (Σ + s t I) w = δ, computed the long way.
    #[test]
    fn a_probe_solves_its_equation() {
        let planted = planted();
        let difference = planted.difference().unwrap();
        let found = planted.mass_mean(&difference).unwrap();
        let (up, down) = (mean(&planted.positive).unwrap(), mean(&planted.negative).unwrap());
        let sides = [(&planted.positive, &up), (&planted.negative, &down)];
        let mut covariance = [[0.0; 3]; 3];
        for (side, mean) in sides {
            for row in side {
                for (one, values) in covariance.iter_mut().enumerate() {
                    for (other, value) in values.iter_mut().enumerate() {
                        *value += (row[one] - mean[one]) * (row[other] - mean[other]) / 80.0;
                    }
                }
            }
        }
        let trace: f64 = (0..3).map(|index| covariance[index][index]).sum();
        let scale = SHRINKAGE * trace / 3.0;
        for (index, (values, wanted)) in covariance.iter().zip(&difference).enumerate() {
            let value = dot(values, &found) + scale * found[index];
            // The ridge's scale is left out of the weights.
            assert!((value - scale * wanted).abs() < 1e-9 * scale.max(1.0), "{value} {wanted}");
        }
    }

    #[test]
    fn sides_that_are_the_same_have_no_direction() {
        let same = vec![vec![1.0, 2.0], vec![2.0, 0.0], vec![0.0, 1.0]];
        let contrast = Contrast { positive: same.clone(), negative: same };
        for method in DirectionMethod::ALL {
            assert!(contrast.direction(*method).is_err(), "{method}");
        }
        let bad = Contrast { positive: vec![vec![f64::NAN]], negative: vec![vec![1.0]] };
        assert!(bad.direction(DirectionMethod::Means).is_err());
    }
}
