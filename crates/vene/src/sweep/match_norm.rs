//! A control: a random change as large as the one that it is a control for.

use std::sync::Arc;

use candle_core::Tensor;
use vene_intervention::{Intervention, Traits, UnitContext};

/// A change in a random direction, as large as that of another intervention.
#[derive(Debug)]
pub(super) struct MatchNorm {
    pub(super) change: Arc<dyn Intervention>,
    /// A [`RandomDirection`](vene_intervention::RandomDirection).
    pub(super) direction: Arc<dyn Intervention>,
}

impl Intervention for MatchNorm {
    fn name(&self) -> &'static str {
        self.direction.name()
    }

    fn traits(&self) -> Traits {
        Traits::of(self.change.traits().sources)
    }

    fn inner(&self) -> Option<&dyn Intervention> {
        Some(&*self.change)
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let changed = self.change.apply(base, sources, context)?;
        self.direction.apply(base, &[changed], context)
    }
}
