//! Mean: the mean of the sources' values instead of the base's (mean ablation, when the sources
//! are a sample of a data set; Wang et al. 2022).

use candle_core::Tensor;

use super::{Intervention, Settings, SourceCount, UnitContext};

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

    fn source_count(&self) -> SourceCount {
        SourceCount::Several
    }

    fn is_absolute(&self) -> bool {
        true
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
