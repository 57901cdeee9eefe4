//! Mean: the mean of the sources' values instead of the base's (mean ablation, when the sources
//! are a sample of a data set; Wang et al. 2022).

use candle_core::Tensor;

use super::{Dependence, Intervention, Settings, SourceCount, Traits, UnitContext};

/// Replaces the base's values by the mean over all sources.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean;

impl Intervention for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn settings(&self) -> Option<Settings> {
        Some(Settings::new(self.name()))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::Several).result(Dependence::Absolute)
    }

    fn apply(
        &self,
        _: &Tensor,
        sources: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        Tensor::stack(sources, 0)?.mean(0)
    }
}
