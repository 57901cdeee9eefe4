//! A rotation: orthonormal directions in which values are read and written.

use candle_core::{Result, Tensor, Var};

use super::orthogonal;
use super::parameter::{self, Parameter, ParameterError};
use super::product::product;

/// A rotation is refused where its columns' products differ from the identity's by more than this;
/// one that was kept in bfloat16 passes.
pub(super) const LARGEST_DRIFT: f64 = 2e-2;

/// The name under which a rotation stands in files.
pub(super) const NAME: &str = "rotate_layer.weight";

/// Orthonormal directions, the columns of `R` `[width, rank]`. A clone shares its values.
#[derive(Clone, Debug)]
pub struct Rotation {
    directions: Var,
}

impl Rotation {
    /// The given directions, `[width, rank]`, as they are.
    ///
    /// # Errors
    /// More directions than dimensions; directions that are not orthonormal, or no numbers.
    pub fn new(directions: &Tensor) -> std::result::Result<Self, ParameterError> {
        let name = || NAME.to_owned();
        match *directions.dims() {
            [width, rank] if (1..=width).contains(&rank) => {}
            _ => {
                return Err(ParameterError::Shape {
                    name: name(),
                    found: directions.dims().to_vec(),
                    expected: "[width, rank] with at most as many directions as dimensions"
                        .to_owned(),
                });
            }
        }
        let directions = parameter::variable(NAME, directions, directions.dims())?;
        let drift = orthogonal::drift(&directions)?;
        match drift <= LARGEST_DRIFT {
            true => Ok(Self { directions }),
            false => Err(ParameterError::NotOrthogonal { name: name(), drift }),
        }
    }

    /// Random directions in double precision, all equally likely.
    ///
    /// # Errors
    /// More directions than dimensions, or none.
    pub fn random(
        width: usize,
        rank: usize,
        seed: u64,
    ) -> std::result::Result<Self, ParameterError> {
        Ok(Self { directions: Var::from_tensor(&orthogonal::random(width, rank, seed)?)? })
    }

    /// How wide the values are that it rotates.
    pub fn width(&self) -> usize {
        self.directions.dims()[0]
    }

    /// How many directions there are.
    pub fn rank(&self) -> usize {
        self.directions.dims()[1]
    }

    /// The directions, `[width, rank]`.
    pub fn directions(&self) -> &Var {
        &self.directions
    }

    /// Refuses a rotation that is not one of the whole space.
    pub(super) fn square(self) -> std::result::Result<Self, ParameterError> {
        if self.rank() == self.width() {
            return Ok(self);
        }
        Err(ParameterError::Shape {
            name: NAME.to_owned(),
            found: self.directions.dims().to_vec(),
            expected: "as many directions as dimensions; for fewer there is low_rank_rotated_space"
                .to_owned(),
        })
    }

    pub(super) fn parameter(&self) -> Parameter {
        Parameter::orthogonal(NAME, &self.directions)
    }

    /// What a plan is refused for.
    pub(super) fn check(&self, width: Option<usize>) -> std::result::Result<(), String> {
        parameter::expect_width("a rotation", self.width(), width)
    }

    /// The directions in the precision of `like`; of all of them those that are chosen.
    pub(super) fn cast(&self, like: &Tensor, chosen: Option<&[usize]>) -> Result<Tensor> {
        let directions = match chosen {
            None => self.directions.as_tensor().clone(),
            Some(chosen) => {
                let chosen = chosen.iter().map(|&index| index as u32);
                let chosen = Tensor::from_iter(chosen, self.directions.device())?;
                self.directions.index_select(&chosen, 1)?
            }
        };
        parameter::cast(&directions, like)
    }

    /// `base + ((source − base) R ∘ share) Rᵀ`: along each direction the given share (`[rank]`, all
    /// of it where there is none) of the way from the base to the source. `directions` are a
    /// rotation's in the base's precision.
    ///
    /// For a square `R` this is `((1 − share) ∘ base R + share ∘ source R) Rᵀ`, as the papers write
    /// it. In this form nothing is multiplied that is not exchanged, a base that is its own source
    /// stays as it is, bit for bit, and the same lines do for a few directions.
    pub(super) fn exchange(
        base: &Tensor,
        source: &Tensor,
        directions: &Tensor,
        share: Option<&Tensor>,
    ) -> Result<Tensor> {
        let change = product(&(source - base)?, directions)?;
        let change = match share {
            None => change,
            Some(share) => change.broadcast_mul(share)?,
        };
        base + product(&change, &directions.t()?)?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn what_is_no_rotation_is_refused() {
        let new = |values: &[[f64; 2]]| {
            let shape = (values.len(), 2);
            Rotation::new(&Tensor::from_vec(values.concat(), shape, &Device::Cpu).unwrap())
        };
        assert_eq!(new(&[[0.6, -0.8], [0.8, 0.6], [0.0, 0.0]]).unwrap().rank(), 2);
        let sheared = new(&[[1.0, 0.5], [0.0, 1.0]]).unwrap_err().to_string();
        assert!(
            sheared.starts_with("the columns of `rotate_layer.weight` are not orthonormal"),
            "{sheared}"
        );
        assert!(matches!(new(&[[1.0, 0.0]]).unwrap_err(), ParameterError::Shape { .. }));
        assert!(matches!(
            new(&[[f64::NAN, 0.0], [0.0, 1.0]]).unwrap_err(),
            ParameterError::NotFinite { index: 0, .. }
        ));
    }

    #[test]
    fn it_is_cast_to_the_bases_precision() {
        let rotation = Rotation::random(4, 2, 1).unwrap();
        assert_eq!(rotation.directions().dtype(), DType::F64);
        let like = Tensor::zeros((1, 4), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(rotation.cast(&like, Some(&[1])).unwrap().dtype(), DType::F32);
    }
}
