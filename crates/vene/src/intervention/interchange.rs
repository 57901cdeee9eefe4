//! Interchange: the source's values instead of the base's (Geiger et al. 2020; pyvene's
//! `VanillaIntervention`; activation patching in Vig et al. 2020 and Meng et al. 2022).

use candle_core::Tensor;

use super::{Intervention, Settings, SourceCount, UnitContext, only_source};

/// Replaces the base's values by the source's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interchange;

impl Intervention for Interchange {
    fn name(&self) -> &'static str {
        "interchange"
    }

    fn settings(&self) -> Option<Settings> {
        Some(Settings::new(self.name()))
    }

    fn source_count(&self) -> SourceCount {
        SourceCount::One
    }

    fn is_absolute(&self) -> bool {
        true
    }

    fn row_by_row(&self) -> bool {
        true
    }

    fn apply(
        &self,
        _: &Tensor,
        sources: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        only_source(sources).cloned()
    }

    fn in_place(&self) -> bool {
        true
    }

    fn apply_in_place(&self, base: &mut [f32], sources: &[&[f32]]) {
        base.copy_from_slice(sources[0]);
    }
}
