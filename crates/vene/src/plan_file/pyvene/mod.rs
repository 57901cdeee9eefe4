//! Plans that pyvene 0.1.8 saved: `config.json`, and for each intervention with parameters a pickled
//! state dict.
//!
//! What is read is what pyvene would compute, as far as the folder says it: the first `interchange_dim`
//! dimensions only, parts of two numbers as ranges. Where a *call* of pyvene's does something else than
//! it was asked (docs/differences.md: subspaces by example, linked interventions in two places, no
//! locations), it is done here as it was asked. What pyvene would not compute, or what is not known
//! here, is refused. Such folders come from strangers: nothing of them is run (`pickle.rs`), and every
//! size in them is checked against the bytes that are there.

mod call;
mod config;
mod interventions;
mod parametrised;
mod pickle;
mod saved;
mod torch;
mod units;

pub use call::{Nested, PyveneCall};
pub(crate) use interventions::{Import, Reads, Saved, words};
pub use saved::{PyveneSaved, PyveneState, pyvene_parameters};
