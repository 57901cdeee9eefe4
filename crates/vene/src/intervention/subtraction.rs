//! Subtraction: the base's values less the source's (pyvene's `SubtractionIntervention`).

use candle_core::Tensor;

use super::{Intervention, Settings, SourceCount, UnitContext, only_source};

/// `base - source`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subtraction;

impl Intervention for Subtraction {
    fn name(&self) -> &'static str {
        "subtraction"
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
        base - only_source(sources)?
    }

    fn in_place(&self) -> bool {
        true
    }

    fn apply_in_place(&self, base: &mut [f32], sources: &[&[f32]]) {
        base.iter_mut().zip(sources[0]).for_each(|(base, source)| *base -= source);
    }
}
