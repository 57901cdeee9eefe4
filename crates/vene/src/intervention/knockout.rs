//! Knockout: attention scores to −∞, so that these queries no longer see these keys (Geva et al.
//! 2023, "Dissecting Recall of Factual Associations").

use candle_core::Tensor;

use super::{Intervention, Settings, SourceCount, UnitContext};

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

    fn source_count(&self) -> SourceCount {
        SourceCount::None
    }

    fn is_absolute(&self) -> bool {
        true
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
