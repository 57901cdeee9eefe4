//! Zero: nothing instead of the base's values (zero ablation; pyvene's `ZeroIntervention`).

use candle_core::Tensor;

use super::{Dependence, Granularity, Intervention, Settings, SourceCount, Traits, UnitContext};

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

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None).result(Dependence::Absolute).granularity(Granularity::Element)
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        base.zeros_like()
    }

    fn apply_in_place(&self, base: &mut [f32], _: &[&[f32]]) {
        base.fill(0.0);
    }
}
