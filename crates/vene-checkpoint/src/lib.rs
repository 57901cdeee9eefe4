//! Model files in; named tensors, a configuration and a tokenizer out.
//!
//! A language model is published in one of a few shapes: a folder of safetensors with a
//! `config.json`, a single GGUF file, a repository on the Hugging Face hub. This crate opens each
//! of them as the same thing, a [`Checkpoint`], and knows nothing about what the tensors mean:
//! which of them is a query projection, and which configuration key changes the mathematics, is
//! the business of the crate that builds models out of checkpoints. Tensors therefore keep the
//! names that their file gives them.
//!
//! Files come from strangers. Every count, length, offset and shape in them is checked against
//! the bytes that are there *before* anything is allocated or read, and what is found wrong is
//! told in one line that names the file and the thing ([`CheckpointError`]). Past this crate
//! nothing needs to be defended against: tensors have the shapes they claim and hold no NaN.
//!
//! Weights are memory-mapped and turned into `f32` only when they are asked for
//! ([`Tensors::read_f32`]), so that opening costs next to nothing and a model that is read tensor
//! by tensor is never in memory twice.
//!
//! ```no_run
//! use vene_checkpoint::{Checkpoint, ModelSource};
//!
//! let source = ModelSource::parse("HuggingFaceTB/SmolLM2-135M")?;
//! let checkpoint = Checkpoint::open(&source, &mut |progress| eprintln!("{progress}"))?;
//! let prompt = checkpoint.tokenizer.encode("The capital of Spain is")?;
//! assert_eq!(prompt.ids.len(), 5);
//! # Ok::<(), vene_checkpoint::CheckpointError>(())
//! ```

mod absence;
mod chat;
mod checkpoint;
mod dequantise;
mod description;
mod directory;
mod element;
mod error;
mod fingerprint;
pub mod gguf;
mod hub;
mod json;
mod lent;
mod mapped;
mod microscaled;
mod notice;
pub mod opened;
mod progress;
mod provenance;
mod safetensors;
mod source;
mod stored;
mod tensors;
mod tokenizer;
mod tokenizer_files;
mod watched;

pub use absence::{placeholder, text_instead};
pub use chat::{ChatTemplate, Message, Rendered, Segment};
pub use checkpoint::Checkpoint;
pub use dequantise::{Quanta, read_quanta};
pub use description::Description;
pub use element::Element;
pub use error::CheckpointError;
pub use hub::{CachedModel, HubPart, HubPlace, cached_models};
pub use lent::{LentBytes, LentTensor};
pub use notice::Notices;
pub use progress::Progress;
pub use provenance::{FileIdentity, Provenance};
pub use safetensors::problem as safetensors_problem;
pub use source::ModelSource;
pub use stored::StoredTensor;
pub use tensors::Tensors;
pub use tokenizer::{BeginningOfSequence, Configured, Encoding, GenerationSettings, Tokenizer};
