//! Addition: the source's values on top of the base's (pyvene's `AdditionIntervention`; with a
//! given vector, a steering vector: Turner et al. 2023).

use candle_core::Tensor;

use super::{Intervention, Settings, SourceCount, UnitContext, only_source};

/// `base + source`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addition;

impl Intervention for Addition {
    fn name(&self) -> &'static str {
        "addition"
    }

    fn settings(&self) -> Option<Settings> {
        Some(Settings::new(self.name()))
    }

    fn source_count(&self) -> SourceCount {
        SourceCount::One
    }

    fn is_absolute(&self) -> bool {
        false
    }

    fn row_by_row(&self) -> bool {
        true
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        base + only_source(sources)?
    }

    fn in_place(&self) -> bool {
        true
    }

    fn apply_in_place(&self, base: &mut [f32], sources: &[&[f32]]) {
        base.iter_mut().zip(sources[0]).for_each(|(base, source)| *base += source);
    }
}
