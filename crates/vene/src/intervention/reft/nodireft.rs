//! NodiReFT: something learned is added along any learned directions: a low-rank adapter of the
//! hidden state (pyreft's `NodireftIntervention`; of the family of Wu et al. 2024).

use candle_core::Tensor;

use super::{Activation, Linear, expect_same};
use crate::intervention::parameter::{self, cast};
use crate::intervention::{
    Granularity, Intervention, Parameter, ParameterError, Settings, SourceCount, Traits,
    UnitContext,
};

/// `h + f(W h + b) P` with any directions in the rows of `P` `[rank, width]`.
///
/// Parameters: `proj_layer.weight`, `P`; `learned_source.weight`, `W` `[rank, width]`;
/// `learned_source.bias`, `b`. pyreft may have a `proj_layer.bias` too, which its formula does not
/// use.
#[derive(Clone, Debug)]
pub struct NodiReft {
    projection: Linear,
    source: Linear,
    activation: Activation,
}

impl NodiReft {
    /// From its directions, the rows of `projection`'s weight, and its learned source, of as many
    /// numbers as there are directions. The projection's bias is not used.
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

    /// As a training begins: random, a linear source.
    ///
    /// # Errors
    /// Failures of the tensor operations.
    pub fn random(width: usize, rank: usize, seed: u64) -> Result<Self, ParameterError> {
        let projection = Linear::random(width, rank, false, !seed)?;
        let source = Linear::random(width, rank, true, seed)?;
        Self::new(projection, source, Activation::Linear)
    }
}

impl Intervention for NodiReft {
    fn name(&self) -> &'static str {
        "nodireft"
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
        let directions = Parameter::trained("proj_layer.weight", self.projection.weight());
        [directions].into_iter().chain(self.source.parameters("learned_source")).collect()
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let added = self.activation.apply(&self.source.apply(base)?)?;
        base + added.matmul(&cast(self.projection.weight(), base)?)?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_learned_source_is_added_along_the_projection() {
        let tensor = |values: &[[f64; 3]; 1]| Tensor::new(values, &Device::Cpu).unwrap();
        let projection = Linear::new(&tensor(&[[1.0, 0.0, 2.0]]), None).unwrap();
        let bias = Tensor::new(&[-1.0], &Device::Cpu).unwrap();
        let source = Linear::new(&tensor(&[[1.0, 1.0, 0.0]]), Some(&bias)).unwrap();
        let context = UnitContext::at(&[0]);
        let edit = NodiReft::new(projection, source, Activation::Linear).unwrap();
        let base = tensor(&[[1.0, 2.0, 3.0]]);
        let edited = edit.apply(&base, &[], context).unwrap().to_vec2::<f64>().unwrap();
        assert!(
            edited[0].iter().zip([3.0, 2.0, 7.0]).all(|(e, x): (&f64, f64)| (e - x).abs() < 1e-14),
            "{edited:?}"
        );
    }
}
