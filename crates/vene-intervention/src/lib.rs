//! Interventions: from the base's values, and a source's, to the edited base's.
//!
//! An intervention knows nothing of models. It is handed the values of one unit, tensors in,
//! tensor out, and is differentiable through them. One file each; a user's own is another
//! implementation of [`Intervention`], or a closure ([`from_fn`], [`from_fn_with_source`]).
//!
//! The registry of the crate `vene` has a row for each: its name, its class in pyvene or pyreft, what it reads, its settings and what it does;
//! `vene interventions` and `docs/plans.md` show them. What pyvene has as an option stands around an intervention here:
//! `subspaces` are [`InSubspace`], a trained `source_representation` is [`ConstantSource`], pyreft's `dropout` is
//! [`Dropout`].
//!
//! # Parameters
//!
//! What can be trained stands in [`Var`](candle_core::Var)s inside the intervention and is told by
//! [`Intervention::parameters`]. `apply` uses them through candle's operations, so that a loss on
//! what the model then says has gradients with respect to them. They keep the precision that they
//! were made in: double where this crate draws them, so that thousands of small steps add up and
//! rotations stay orthogonal, and that of the file where they are loaded; `apply` casts them to the
//! base's. A clone of an intervention shares its variables: it is tied to the original. [`save`]
//! and [`load`] keep them in safetensors.

mod addition;
mod autoencoder;
mod collect;
mod constant_source;
mod dropout;
mod from_fn;
mod in_subspace;
mod interchange;
mod knockout;
mod mask;
mod mean;
mod noise;
pub mod orthogonal;
pub mod parameter;
mod pca;
mod product;
mod random_direction;
pub mod reft;
mod rotated_space;
mod rotation;
mod scaling;
mod settings;
mod sigmoid;
mod sigmoid_mask;
pub mod state;
mod subspace;
mod subtraction;
mod traits;
mod zero;

use std::fmt::Debug;

use candle_core::Tensor;

pub use addition::Addition;
pub use autoencoder::{
    Autoencoder, AutoencoderOrigin, ErrorTerm, FeatureChange, FeatureEdit, LatentInterchange,
    LinearAutoencoder, SparseAutoencoder, gemma_scope, sae_lens,
};
pub use collect::{Collect, Collected};
pub use constant_source::ConstantSource;
pub use dropout::Dropout;
pub use from_fn::{FromFn, from_fn, from_fn_with_source, from_fn_with_sources};
pub use in_subspace::InSubspace;
pub use interchange::Interchange;
pub use knockout::Knockout;
pub use mask::Mask;
pub use mean::Mean;
pub use noise::Noise;
pub use parameter::{Constraint, Parameter, ParameterError, ParameterRole};
pub use pca::{PcaRotatedSpace, PrincipalComponents};
pub use random_direction::RandomDirection;
pub use reft::{Activation, Linear, Reft, ReftKind};
pub use rotated_space::RotatedSpace;
pub use rotation::Rotation;
pub use scaling::Scaling;
pub use settings::{Setting, Settings};
pub use sigmoid_mask::SigmoidMask;
pub use state::{load, save};
pub use subspace::{Partition, Subspace, SubspaceError};
pub use subtraction::Subtraction;
pub use traits::{Dependence, Granularity, SourceCount, Traits};
pub use zero::Zero;

/// The one source of an intervention that reads exactly one.
fn only_source(sources: &[Tensor]) -> candle_core::Result<&Tensor> {
    match sources {
        [source] => Ok(source),
        _ => candle_core::bail!("it reads one source, and {} are given", sources.len()),
    }
}

/// Which unit of which example is being edited; what a seeded intervention draws from.
#[derive(Clone, Copy, Debug)]
pub struct UnitContext<'a> {
    /// The example's index in its plan.
    pub example: usize,
    /// What draws depend on: the example's row in its data set (`Example::row`), or its index.
    pub row: usize,
    /// The step of the training that is going on; `None` where there is none. What is random in training only
    /// ([`Dropout`]) draws by it.
    pub step: Option<u64>,
    /// The token positions that are edited, one for each row of the values.
    pub positions: &'a [usize],
    /// Where the first edited column stands in the component's row, for each edited head; of
    /// attention patterns, the edited heads.
    pub columns: &'a [usize],
    /// The edited keys, of attention patterns.
    pub keys: Option<&'a [usize]>,
    /// The coordinates that the plan chose for this example
    /// (`Edit::subspaces`), each below [`Intervention::coordinates`],
    /// none twice; `None` leaves it to the intervention.
    pub subspace: Option<&'a [usize]>,
}

impl<'a> UnitContext<'a> {
    /// Rows at these positions of a plan's first example, whole and outside any training: for calling an intervention by
    /// hand.
    pub const fn at(positions: &'a [usize]) -> Self {
        Self {
            example: 0,
            row: 0,
            step: None,
            positions,
            columns: &[0],
            keys: None,
            subspace: None,
        }
    }
}

/// A function (base, sources) → edited base.
///
/// A wrapper says by [`Intervention::inner`] what it is around, and then writes only what it changes: problems, checks,
/// coordinates and parameters are the inner one's by default.
pub trait Intervention: Debug + Send + Sync {
    /// Its name in receipts and tables.
    fn name(&self) -> &'static str;

    /// What it reads, what its result depends on, and what it must be shown together.
    fn traits(&self) -> Traits;

    /// The intervention that this one is around; `None` unless it is a wrapper.
    fn inner(&self) -> Option<&dyn Intervention> {
        None
    }

    /// The values that it kept of the runs since this was last asked, if it keeps any ([`Collect`]).
    fn take_collected(&self) -> Vec<Collected> {
        self.inner().map_or_else(Vec::new, |inner| inner.take_collected())
    }

    /// What is wrong with its parameters, if something is; such a plan is refused.
    fn problem(&self) -> Option<String> {
        self.inner()?.problem()
    }

    /// What is wrong with editing values of this width by it, if something is; such a plan is
    /// refused. Reads behind "has", as in "a rotation of 8 dimensions; the values have 16".
    ///
    /// The width is that of the edited heads together, or of the component; `None` stands for
    /// attention patterns, whose width is the prompt's.
    ///
    /// # Errors
    /// What is wrong.
    fn check(&self, width: Option<usize>) -> Result<(), String> {
        self.inner().map_or(Ok(()), |inner| inner.check(width))
    }

    /// How many coordinates a plan may choose a subspace from, example by example, where values
    /// of this width are edited; `None` if the intervention takes no subspace.
    fn coordinates(&self, width: Option<usize>) -> Option<usize> {
        self.inner()?.coordinates(width)
    }

    /// What it was made with besides its parameters' values, so that a plan's file can say it;
    /// `None` for one that no file can describe, such as a closure. A wrapper has settings of its own
    /// ([`Settings::around`]), or none.
    fn settings(&self) -> Option<Settings> {
        None
    }

    /// Its parameters, each under a name of its own; always the same variables.
    fn parameters(&self) -> Vec<Parameter> {
        self.inner().map(|inner| inner.parameters()).unwrap_or_default()
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

    /// [`Intervention::apply`] on 32-bit floats where they lie, a stretch of values at a time: what
    /// a sweep of many thousand edits is fast with. Called only where the traits say [`Granularity::Element`]; must
    /// give the same values, bit for bit.
    ///
    /// # Panics
    /// Unless it is implemented: an engine says so, as of whatever else panics.
    fn apply_in_place(&self, base: &mut [f32], sources: &[&[f32]]) {
        let _ = (base, sources);
        panic!("its traits say that it works value by value, and it has no apply_in_place");
    }
}
