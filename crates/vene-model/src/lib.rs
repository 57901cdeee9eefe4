//! Transformer language models, and small networks of other kinds, whose every internal site can be
//! read and edited.
//!
//! Weights in, logits out, sites announced on the way. This crate knows what such models are made of
//! and nothing of interventions: a [`Pass`] is told of every [`Site`] while the one [`Decoder`] runs, and
//! may do there what it likes.
//!
//! * [`component`]: the normative table of what the places inside a model are called;
//! * [`config`]: what differs between models, said once for all families;
//! * [`decoder`]: the model itself, on a few screens;
//! * [`operations`]: what it is computed with;
//! * [`pass`]: what rides through it;
//! * [`family`]: published configurations and tensor names, translated.

pub mod alias;
mod block;
pub mod component;
pub mod config;
pub mod decoder;
mod error;
pub mod family;
mod key;
pub mod matrix;
mod model;
mod opening;
pub mod operations;
mod outline;
pub mod pass;
mod prompt;
mod prompt_form;
mod recurrence;
mod rotary;
mod site;
pub mod tensors;

pub use component::{Component, Module};
pub use config::{BlockKind, DecoderConfig};
pub use decoder::{Decoder, Logits, Projection};
pub use error::{InputError, ModelError, SiteError};
pub use key::{AnotherModel, ModelKey};
pub use model::Model;
pub use opening::Opening;
pub use operations::{
    ChosenLogits, Counted, CountedRows, Differentiable, Fused, HostRows, OperationError,
    Operations, OwnedPath, Path, Plain, Precision, Query, Recorded, Scoring, Visibility, Work,
    cross_entropy_of, with_backward,
};
pub use outline::{EMBEDDED, Loading, Outline};
pub use pass::{Attention, Choice, Pass, Readout, RowPlaces};
pub use prompt::{Prompt, said_in};
pub use prompt_form::{Chat, PromptForm};
pub use recurrence::{AtStep, Recurrence, StateFrom, TimeStep};
pub use site::Site;
pub use vene_checkpoint::{
    BeginningOfSequence, ChatTemplate, Checkpoint, CheckpointError, Message, Progress, Provenance,
    Tokenizer, opened, placeholder, safetensors_problem, text_instead,
};
pub use vene_kernels::ranking;
