//! DiReFT: something learned is added along orthonormal directions, "direct" without taking away
//! what was there (Wu et al. 2024, equation 3; pyreft's `DireftIntervention`).

use candle_core::Tensor;

use super::{Activation, Linear, expect_same};
use crate::intervention::{
    Granularity, Intervention, Parameter, ParameterError, Rotation, Settings, SourceCount, Traits,
    UnitContext,
};

/// `h + f(W h + b) Rᵀ` with orthonormal directions in the columns of `R` `[width, rank]`.
///
/// Parameters: `rotate_layer.weight`, `R`; `learned_source.weight`, `W` `[rank, width]`;
/// `learned_source.bias`, `b`.
#[derive(Clone, Debug)]
pub struct DiReft {
    rotation: Rotation,
    source: Linear,
    activation: Activation,
}

impl DiReft {
    /// From its directions and its learned source, of as many numbers as there are directions.
    ///
    /// # Errors
    /// Sizes that do not go together.
    pub fn new(
        rotation: Rotation,
        source: Linear,
        activation: Activation,
    ) -> Result<Self, ParameterError> {
        expect_same(&source, rotation.width(), rotation.rank())?;
        Ok(Self { rotation, source, activation })
    }

    /// As a training begins: random directions and a random linear source.
    ///
    /// # Errors
    /// A rank above the width, or 0.
    pub fn random(width: usize, rank: usize, seed: u64) -> Result<Self, ParameterError> {
        let source = Linear::random(width, rank, true, seed)?;
        Self::new(Rotation::random(width, rank, seed)?, source, Activation::Linear)
    }
}

impl Intervention for DiReft {
    fn name(&self) -> &'static str {
        "direft"
    }

    fn settings(&self) -> Option<Settings> {
        let settings = Settings::new(self.name()).with("rank", self.rotation.rank());
        Some(settings.with("activation", self.activation.name()))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None).granularity(Granularity::Row)
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        self.rotation.check(width)
    }

    fn parameters(&self) -> Vec<Parameter> {
        let learned = self.source.parameters("learned_source");
        [self.rotation.parameter()].into_iter().chain(learned).collect()
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let directions = self.rotation.cast(base, None)?;
        let added = self.activation.apply(&self.source.apply(base)?)?;
        base + added.matmul(&directions.t()?)?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_learned_source_is_added_along_the_direction() {
        let tensor = |values: &[[f64; 3]; 1]| Tensor::new(values, &Device::Cpu).unwrap();
        let rotation =
            Rotation::new(&tensor(&[[0.6, 0.0, 0.8]]).t().unwrap().contiguous().unwrap());
        let bias = Tensor::new(&[-1.0], &Device::Cpu).unwrap();
        let source = Linear::new(&tensor(&[[1.0, 1.0, 0.0]]), Some(&bias)).unwrap();
        let context = UnitContext::at(&[0]);
        let edit = DiReft::new(rotation.unwrap(), source, Activation::Linear).unwrap();
        let base = tensor(&[[1.0, 2.0, 3.0]]);
        let edited = edit.apply(&base, &[], context).unwrap().to_vec2::<f64>().unwrap();
        assert!(
            edited[0].iter().zip([2.2, 2.0, 4.6]).all(|(e, x): (&f64, f64)| (e - x).abs() < 1e-14),
            "{edited:?}"
        );
    }
}
