//! Knockout: attention scores to −∞, so that these queries no longer see these keys (Geva et al.
//! 2023, "Dissecting Recall of Factual Associations").

use candle_core::Tensor;

use super::{Dependence, Intervention, Settings, SourceCount, Traits, UnitContext};

/// Replaces attention scores by −∞.
#[derive(Clone, Copy, Debug, Default)]
pub struct Knockout;

impl Intervention for Knockout {
    fn name(&self) -> &'static str {
        "knockout"
    }

    fn settings(&self) -> Option<Settings> {
        Some(Settings::new(self.name()))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None).result(Dependence::Absolute)
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        Tensor::full(f64::NEG_INFINITY, base.shape(), base.device())?.to_dtype(base.dtype())
    }
}
