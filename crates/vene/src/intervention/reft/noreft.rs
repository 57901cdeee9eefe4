//! NoReFT: LoReFT along any learned directions (Wu et al. 2024, the ablation without orthogonality;
//! pyreft's `NoreftIntervention`).

use candle_core::Tensor;

use super::{Activation, Linear, expect_same};
use crate::intervention::parameter::{self, cast};
use crate::intervention::{
    Granularity, Intervention, Parameter, ParameterError, Settings, SourceCount, Traits,
    UnitContext,
};

/// `h + (f(W h + b) − (P h + c)) P`: LoReFT with the rows of `P` `[rank, width]` instead of
/// orthonormal directions.
///
/// Parameters: `proj_layer.weight`, `P`; `proj_layer.bias`, `c`, where there is one (pyreft's
/// `add_bias`); `learned_source.weight`, `W` `[rank, width]`; `learned_source.bias`, `b`.
#[derive(Clone, Debug)]
pub struct NoReft {
    projection: Linear,
    source: Linear,
    activation: Activation,
}

impl NoReft {
    /// From its directions, the rows of `projection`'s weight, and its learned source, of as many
    /// numbers as there are directions.
    ///
    /// # Errors
    /// Sizes that do not go together.
    pub fn new(
        projection: Linear,
        source: Linear,
        activation: Activation,
    ) -> Result<Self, ParameterError> {
        expect_same(&source, projection.width(), projection.rank())?;
        Ok(Self { projection, source, activation })
    }

    /// As a training begins: random with a bias in both, a linear source.
    ///
    /// # Errors
    /// Failures of the tensor operations.
    pub fn random(width: usize, rank: usize, seed: u64) -> Result<Self, ParameterError> {
        let projection = Linear::random(width, rank, true, !seed)?;
        let source = Linear::random(width, rank, true, seed)?;
        Self::new(projection, source, Activation::Linear)
    }
}

impl Intervention for NoReft {
    fn name(&self) -> &'static str {
        "noreft"
    }

    fn settings(&self) -> Option<Settings> {
        let settings = Settings::new(self.name()).with("rank", self.projection.rank());
        Some(settings.with("activation", self.activation.name()))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None).granularity(Granularity::Row)
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        parameter::expect_width("a projection", self.projection.width(), width)
    }

    fn parameters(&self) -> Vec<Parameter> {
        let learned = self.source.parameters("learned_source");
        self.projection.parameters("proj_layer").chain(learned).collect()
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let wanted = self.activation.apply(&self.source.apply(base)?)?;
        let change = (wanted - self.projection.apply(base)?)?;
        base + change.matmul(&cast(self.projection.weight(), base)?)?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn it_is_the_formula() {
        let tensor = |values: &[[f64; 3]; 1]| Tensor::new(values, &Device::Cpu).unwrap();
        let half = Tensor::new(&[0.5], &Device::Cpu).unwrap();
        let projection = Linear::new(&tensor(&[[1.0, 0.0, 2.0]]), Some(&half)).unwrap();
        let bias = Tensor::new(&[-1.0], &Device::Cpu).unwrap();
        let source = Linear::new(&tensor(&[[1.0, 1.0, 0.0]]), Some(&bias)).unwrap();
        let context = UnitContext::at(&[0]);
        let edit = NoReft::new(projection, source, Activation::Linear).unwrap();
        let base = tensor(&[[1.0, 2.0, 3.0]]);
        let edited = edit.apply(&base, &[], context).unwrap().to_vec2::<f64>().unwrap();
        assert!(
            edited[0]
                .iter()
                .zip([-4.5, 2.0, -8.0])
                .all(|(e, x): (&f64, f64)| (e - x).abs() < 1e-14),
            "{edited:?}"
        );
    }
}
