//! Zero: nothing instead of the base's values (zero ablation; pyvene's `ZeroIntervention`).

use candle_core::Tensor;

use super::{Intervention, Settings, SourceCount, UnitContext};

/// Replaces the base's values by 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Zero;

impl Intervention for Zero {
    fn name(&self) -> &'static str {
        "zero"
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

    fn row_by_row(&self) -> bool {
        true
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        base.zeros_like()
    }

    fn in_place(&self) -> bool {
        true
    }

    fn apply_in_place(&self, base: &mut [f32], _: &[&[f32]]) {
        base.fill(0.0);
    }
}
