//! A learned mask over the directions of a learned rotation: DAS that finds its subspace's
//! dimensions by itself (pyvene's `SigmoidMaskRotatedSpaceIntervention`; the mask as in Csordás et
//! al. 2021, the rotation as in Geiger et al. 2024).

use candle_core::{DType, Tensor, Var};

use super::parameter::{self, cast, variable};
use super::sigmoid::sigmoid;
use super::{
    Granularity, Intervention, Parameter, ParameterError, Rotation, Settings, SourceCount, Traits,
    UnitContext, only_source,
};

/// `((1 − m) ∘ base R + m ∘ source R) Rᵀ` with `m = σ(masks / temperature)`, a share for each
/// direction.
///
/// Parameters: `rotate_layer.weight`, `R` `[width, width]`; `masks` `[width]`, before the sigmoid;
/// `temperature`, not trained: a trainer lowers it.
#[derive(Clone, Debug)]
pub struct SigmoidMaskRotatedSpace {
    rotation: Rotation,
    masks: Var,
    temperature: Var,
}

impl SigmoidMaskRotatedSpace {
    /// As a training begins: masks of 100 at a temperature of 50, so that 0.88 of each direction is
    /// the source's.
    ///
    /// # Errors
    /// Fewer directions than dimensions.
    pub fn new(rotation: Rotation) -> Result<Self, ParameterError> {
        let masks = Tensor::full(100.0, rotation.width(), rotation.directions().device())?;
        Self::with_masks(rotation, &masks, 50.0)
    }

    /// With masks `[width]`, before the sigmoid, and a temperature.
    ///
    /// # Errors
    /// Fewer directions than dimensions, masks of another shape, or what is no number.
    pub fn with_masks(
        rotation: Rotation,
        masks: &Tensor,
        temperature: f64,
    ) -> Result<Self, ParameterError> {
        let rotation = rotation.square()?;
        let temperature = Tensor::new(temperature, masks.device())?;
        Ok(Self {
            masks: variable("masks", masks, &[rotation.width()])?,
            temperature: variable("temperature", &temperature, &[])?,
            rotation,
        })
    }

    /// The rotation.
    pub fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// The masks' temperature.
    pub fn temperature(&self) -> &Var {
        &self.temperature
    }

    /// The source's share of each direction, `[width]` in double precision.
    ///
    /// # Errors
    /// Failures of the tensor operations.
    pub fn share(&self) -> candle_core::Result<Tensor> {
        let temperature = self.temperature.to_dtype(DType::F64)?;
        sigmoid(&self.masks.to_dtype(DType::F64)?.broadcast_div(&temperature)?)
    }
}

impl Intervention for SigmoidMaskRotatedSpace {
    fn name(&self) -> &'static str {
        "sigmoid_mask_rotated_space"
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
            Parameter::trained("masks", &self.masks),
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
            Some(&cast(&self.share()?, base)?),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_direction_that_is_masked_out_stays_the_bases() {
        let rotation = Rotation::random(3, 3, 4).unwrap();
        let masks = Tensor::new(&[90.0, -90.0, 0.0], &Device::Cpu).unwrap();
        let edit = SigmoidMaskRotatedSpace::with_masks(rotation.clone(), &masks, 1.0).unwrap();
        let [base, source] = [1, 2].map(|_| Tensor::randn(0.0, 1.0, (1, 3), &Device::Cpu).unwrap());
        let context = UnitContext::at(&[0]);
        let edited = edit.apply(&base, std::slice::from_ref(&source), context).unwrap();
        let [edited, base, source] = [edited, base, source].map(|values| {
            values.matmul(rotation.directions()).unwrap().to_vec2::<f64>().unwrap().concat()
        });
        let expected = [source[0], base[1], (base[2] + source[2]) / 2.0];
        assert!(edited.iter().zip(expected).all(|(e, x)| (e - x).abs() < 1e-14));
    }

    #[test]
    fn it_begins_near_an_interchange() {
        let edit = SigmoidMaskRotatedSpace::new(Rotation::random(2, 2, 4).unwrap()).unwrap();
        let share = edit.share().unwrap().to_vec1::<f64>().unwrap();
        assert!(share.iter().all(|share| (share - 0.880_797_077_977_882_3).abs() < 1e-15));
    }
}
