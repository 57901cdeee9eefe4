//! Interventions as a data set needs them: what is drawn is drawn by row, and a random change is as large
//! as the one that it is a control for.

use std::sync::Arc;

use candle_core::Tensor;

use crate::intervention::{Intervention, Parameter, Traits, UnitContext};

/// An intervention that is told the data set's row for the example, which is only a place in a batch.
/// So all runs of a row draw alike, and a row's numbers depend on no other row.
#[derive(Debug)]
pub(super) struct ByRow {
    pub(super) inner: Arc<dyn Intervention>,
    /// By example.
    pub(super) rows: Arc<[usize]>,
}

impl Intervention for ByRow {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn traits(&self) -> Traits {
        self.inner.traits()
    }

    fn problem(&self) -> Option<String> {
        self.inner.problem()
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        self.inner.check(width)
    }

    fn coordinates(&self, width: Option<usize>) -> Option<usize> {
        self.inner.coordinates(width)
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let example = self.rows.get(context.example).copied().unwrap_or(context.example);
        self.inner.apply(base, sources, UnitContext { example, ..context })
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.inner.parameters()
    }

    fn set_training_step(&self, step: Option<u64>) {
        self.inner.set_training_step(step);
    }

    fn apply_in_place(&self, base: &mut [f32], sources: &[&[f32]]) {
        self.inner.apply_in_place(base, sources);
    }
}

/// A change in a random direction, as large as that of another intervention.
#[derive(Debug)]
pub(super) struct AsLarge {
    pub(super) change: Arc<dyn Intervention>,
    /// A [`RandomDirection`](crate::intervention::RandomDirection).
    pub(super) direction: Arc<dyn Intervention>,
}

impl Intervention for AsLarge {
    fn name(&self) -> &'static str {
        self.direction.name()
    }

    fn traits(&self) -> Traits {
        Traits::of(self.change.traits().sources)
    }

    fn problem(&self) -> Option<String> {
        self.change.problem()
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        self.change.check(width)
    }

    fn coordinates(&self, width: Option<usize>) -> Option<usize> {
        self.change.coordinates(width)
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
