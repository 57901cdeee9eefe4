//! Scaling: the base's values times a factor.

use candle_core::Tensor;

use super::{Granularity, Intervention, Settings, SourceCount, Traits, UnitContext};

/// `factor * base`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// The factor.
    pub factor: f64,
}

impl Intervention for Scaling {
    fn name(&self) -> &'static str {
        "scaling"
    }

    fn settings(&self) -> Option<Settings> {
        Some(Settings::new(self.name()).with("factor", self.factor))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None).granularity(Granularity::Element)
    }

    fn problem(&self) -> Option<String> {
        let factor = self.factor;
        (!factor.is_finite()).then(|| format!("a factor of {factor}; expected a finite number"))
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        base * self.factor
    }

    fn apply_in_place(&self, base: &mut [f32], _: &[&[f32]]) {
        // 0 is added as the tensor's operation does: it makes -0 a 0.
        base.iter_mut().for_each(|value| *value = *value * self.factor as f32 + 0.0);
    }
}
