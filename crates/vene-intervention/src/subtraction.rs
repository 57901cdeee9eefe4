//! Subtraction: the base's values less the source's (pyvene's `SubtractionIntervention`).

use candle_core::Tensor;

use super::{Granularity, Intervention, Settings, SourceCount, Traits, UnitContext, only_source};

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

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::One).granularity(Granularity::Element)
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        base - only_source(sources)?
    }

    fn apply_in_place(&self, base: &mut [f32], sources: &[&[f32]]) {
        base.iter_mut().zip(sources[0]).for_each(|(base, source)| *base -= source);
    }
}
