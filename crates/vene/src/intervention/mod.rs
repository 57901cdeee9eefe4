//! Interventions: from the base's values, and a source's, to the edited base's.
//!
//! An intervention knows nothing of models. It is handed the values of one unit, tensors in,
//! tensor out, and is differentiable through them. One file each; a user's own is another
//! implementation of [`Intervention`].

mod addition;
mod interchange;
mod knockout;
mod mean;
mod noise;
mod random_direction;
mod scaling;
mod subtraction;
mod zero;

use std::fmt::Debug;

use candle_core::Tensor;

pub use addition::Addition;
pub use interchange::Interchange;
pub use knockout::Knockout;
pub use mean::Mean;
pub use noise::Noise;
pub use random_direction::RandomDirection;
pub use scaling::Scaling;
pub use subtraction::Subtraction;
pub use zero::Zero;

/// How many sources an intervention reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceCount {
    /// None: it is a function of the base alone.
    None,
    /// Exactly one.
    One,
    /// At least one.
    Several,
}

/// Which unit of which example is being edited; what a seeded intervention draws from.
#[derive(Clone, Copy, Debug)]
pub struct UnitContext<'a> {
    /// The example's index.
    pub example: usize,
    /// The token positions that are edited, one for each row of the values.
    pub positions: &'a [usize],
    /// Where the first edited column stands in the component's row, for each edited head; of
    /// attention patterns, the edited heads.
    pub columns: &'a [usize],
    /// The edited keys, of attention patterns.
    pub keys: Option<&'a [usize]>,
}

/// A trainable value of an intervention.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name within the intervention.
    pub name: &'static str,
    /// The value.
    pub variable: candle_core::Var,
    /// What must stay true of it.
    pub constraint: Constraint,
}

/// What must stay true of a parameter while it is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// Nothing.
    Free,
    /// Its columns are orthonormal.
    Orthogonal,
}

/// A function (base, sources) → edited base.
pub trait Intervention: Debug + Send + Sync {
    /// The name under which it stands in receipts and tables.
    fn name(&self) -> &'static str;

    /// How many sources it reads.
    fn source_count(&self) -> SourceCount;

    /// Whether its result does not depend on the base's values. Two absolute interventions on
    /// the same values contradict each other and are refused.
    fn is_absolute(&self) -> bool;

    /// What is wrong with its parameters, if something is; such a plan is refused.
    fn problem(&self) -> Option<String> {
        None
    }

    /// The edited values, of the base's shape: `[positions, width]`, where `width` spans the
    /// edited heads or the whole row; for attention patterns `[heads, queries, keys]`.
    ///
    /// # Errors
    /// Failures of the tensor operations.
    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor>;

    /// Its trainable values, in a fixed order.
    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// Whether [`Intervention::apply_in_place`] does the same: the intervention is a function of
    /// each value by itself, wherever it stands.
    fn in_place(&self) -> bool {
        false
    }

    /// [`Intervention::apply`] on 32-bit floats where they lie, a stretch of values at a time: what
    /// a sweep of many thousand edits is fast with. Called only where [`Intervention::in_place`]
    /// says so; must give the same values, bit for bit.
    fn apply_in_place(&self, base: &mut [f32], sources: &[&[f32]]) {
        let _ = (base, sources);
    }
}
