//! Interchange: the source's values instead of the base's (Geiger et al. 2020; pyvene's
//! `VanillaIntervention`; activation patching in Vig et al. 2020 and Meng et al. 2022).

use candle_core::Tensor;

use super::{
    Dependence, Granularity, Intervention, Settings, SourceCount, Traits, UnitContext, only_source,
};

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

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::One).result(Dependence::Copies).granularity(Granularity::Element)
    }

    fn apply(
        &self,
        _: &Tensor,
        sources: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        only_source(sources).cloned()
    }

    fn apply_in_place(&self, base: &mut [f32], sources: &[&[f32]]) {
        base.copy_from_slice(sources[0]);
    }
}
