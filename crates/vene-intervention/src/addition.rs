//! Addition: the source's values on top of the base's (pyvene's `AdditionIntervention`; with a
//! given vector, a steering vector: Turner et al. 2023).

use candle_core::Tensor;

use super::{Granularity, Intervention, Settings, SourceCount, Traits, UnitContext, only_source};

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

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::One).granularity(Granularity::Element)
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        base + only_source(sources)?
    }

    fn apply_in_place(&self, base: &mut [f32], sources: &[&[f32]]) {
        base.iter_mut().zip(sources[0]).for_each(|(base, source)| *base += source);
    }
}
