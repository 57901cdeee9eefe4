//! Boundless DAS: how many directions of the rotated space are exchanged is learned along with the
//! rotation (Wu et al. 2023, "Interpretability at Scale: Identifying Causal Mechanisms in Alpaca";
//! pyvene's `BoundlessRotatedSpaceIntervention`).

use candle_core::{DType, Tensor, Var};

use super::parameter::{self, cast, variable};
use super::sigmoid::sigmoid;
use super::{
    Granularity, Intervention, Parameter, ParameterError, Rotation, Settings, SourceCount, Traits,
    UnitContext, only_source,
};

/// `((1 − m) ∘ base R + m ∘ source R) Rᵀ` with a mask over the directions `i = 0 .. width − 1` that
/// goes softly from a lower boundary to an upper one:
///
/// `m_i = σ((i − lower · width) / temperature) · σ((upper · width − i) / temperature)`
///
/// Parameters: `rotate_layer.weight`, `R` `[width, width]`; `intervention_boundaries`, `[upper]`
/// with a lower boundary of 0, as in pyvene, or `[lower, upper]`, as fractions of the width, the
/// upper clamped to 0.001 to 1 and the lower to 0 to 1; `temperature`, not trained: a trainer
/// lowers it step by step (50 to 0.1 in the paper), and the mask becomes hard.
#[derive(Clone, Debug)]
pub struct BoundlessRotatedSpace {
    rotation: Rotation,
    boundaries: Var,
    temperature: Var,
}

impl BoundlessRotatedSpace {
    /// As a training begins: the upper boundary at half of the width, a temperature of 50.
    ///
    /// # Errors
    /// Fewer directions than dimensions.
    pub fn new(rotation: Rotation) -> Result<Self, ParameterError> {
        Self::with_boundaries(rotation, &[0.5], 50.0)
    }

    /// With `[upper]` or `[lower, upper]`, as fractions of the width, and a temperature.
    ///
    /// # Errors
    /// Fewer directions than dimensions, another number of boundaries, or what is no number.
    pub fn with_boundaries(
        rotation: Rotation,
        boundaries: &[f64],
        temperature: f64,
    ) -> Result<Self, ParameterError> {
        let device = rotation.directions().device().clone();
        let given = Tensor::new(boundaries, &device)?;
        if !(1..=2).contains(&boundaries.len()) {
            return Err(ParameterError::Shape {
                name: "intervention_boundaries".to_owned(),
                found: given.dims().to_vec(),
                expected: "[1], the upper, or [2], the lower and the upper".to_owned(),
            });
        }
        let boundaries = variable("intervention_boundaries", &given, given.dims())?;
        let temperature = variable("temperature", &Tensor::new(temperature, &device)?, &[])?;
        Ok(Self { rotation: rotation.square()?, boundaries, temperature })
    }

    /// The rotation.
    pub fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// `[upper]` or `[lower, upper]`, as fractions of the width.
    pub fn boundaries(&self) -> &Var {
        &self.boundaries
    }

    /// The mask's temperature, in directions.
    pub fn temperature(&self) -> &Var {
        &self.temperature
    }

    /// How much of each direction is exchanged, `[width]` in double precision.
    ///
    /// # Errors
    /// Failures of the tensor operations.
    pub fn mask(&self) -> candle_core::Result<Tensor> {
        let width = self.rotation.width();
        let boundaries = self.boundaries.to_dtype(DType::F64)?;
        let temperature = self.temperature.to_dtype(DType::F64)?;
        let last = boundaries.dim(0)? - 1;
        let upper = (boundaries.narrow(0, last, 1)?.clamp(1e-3, 1.0)? * width as f64)?;
        let directions = Tensor::arange(0.0, width as f64, boundaries.device())?;
        let from_lower = match last {
            0 => directions.clone(),
            _ => {
                let lower = (boundaries.narrow(0, 0, 1)?.clamp(0.0, 1.0)? * width as f64)?;
                directions.broadcast_sub(&lower)?
            }
        };
        let to_upper = upper.broadcast_sub(&directions)?;
        sigmoid(&from_lower.broadcast_div(&temperature)?)?
            * sigmoid(&to_upper.broadcast_div(&temperature)?)?
    }
}

impl Intervention for BoundlessRotatedSpace {
    fn name(&self) -> &'static str {
        "boundless_rotated_space"
    }

    fn settings(&self) -> Option<Settings> {
        Some(Settings::new(self.name()))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::One).granularity(Granularity::Row)
    }

    fn problem(&self) -> Option<String> {
        parameter::temperature_problem(&self.temperature)
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        self.rotation.check(width)
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![
            self.rotation.parameter(),
            Parameter::trained("intervention_boundaries", &self.boundaries),
            Parameter::temperature("temperature", &self.temperature),
        ]
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let directions = self.rotation.cast(base, None)?;
        Rotation::exchange(
            base,
            only_source(sources)?,
            &directions,
            Some(&cast(&self.mask()?, base)?),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cold_mask_is_what_lies_between_the_boundaries() {
        let rotation = Rotation::random(10, 10, 1).unwrap();
        let mask = |boundaries: &[f64]| {
            BoundlessRotatedSpace::with_boundaries(rotation.clone(), boundaries, 0.01)
                .and_then(|boundless| Ok(boundless.mask()?.to_vec1::<f64>()?))
        };
        let near = |mask: Vec<f64>, expected: [f64; 10]| {
            assert!(mask.iter().zip(expected).all(|(m, e)| (m - e).abs() < 1e-12), "{mask:?}");
        };
        near(mask(&[0.25, 0.65]).unwrap(), [0., 0., 0., 1., 1., 1., 1., 0., 0., 0.]);
        // The lower boundary at 0 goes through the middle of the first direction.
        near(mask(&[0.35]).unwrap(), [0.5, 1., 1., 1., 0., 0., 0., 0., 0., 0.]);
        near(mask(&[7.0]).unwrap(), [0.5, 1., 1., 1., 1., 1., 1., 1., 1., 1.]);
        assert!(mask(&[]).is_err() && mask(&[0.1, 0.2, 0.3]).is_err());
    }

    #[test]
    fn a_temperature_of_0_is_a_problem() {
        let rotation = Rotation::random(2, 2, 1).unwrap();
        let boundless = BoundlessRotatedSpace::with_boundaries(rotation, &[0.5], 0.0).unwrap();
        assert_eq!(boundless.problem().unwrap(), "a temperature of 0; expected a number above 0");
    }
}
