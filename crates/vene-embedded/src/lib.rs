//! The model that ships inside vene, and what it was taught.
//!
//! A tool for interventions needs something to intervene on before anything was downloaded: in a
//! demonstration, a doctest, a test on a machine without a network. This crate holds such a model
//! as bytes: a GPT-2 of our own with eight layers, trained from scratch on facts about countries,
//! in the three files in which Hugging Face publishes a GPT-2. It knows that "The capital of
//! Spain is" goes on with " Madrid", and not much else; the model card is this crate's README.
//!
//! The crate depends on nothing. Who wants to run the model gives the bytes to a loader; who
//! wants to build a task (a data set of base and source prompts with known answers) takes
//! [`FACTS`] and [`PHRASINGS`], from which the training corpus was made too:
//!
//! ```
//! use vene_embedded::{FACTS, PHRASINGS, Relation};
//!
//! let spain = FACTS.iter().find(|fact| fact.country == "Spain").ok_or("no Spain")?;
//! let plainest = PHRASINGS.iter().find(|phrasing| phrasing.relation == Relation::Capital)
//!     .ok_or("no phrasing")?;
//! assert_eq!(plainest.prompt(spain), "The capital of Spain is");
//! assert_eq!(spain.answer(Relation::Capital), "Madrid");
//! # Ok::<(), &str>(())
//! ```
//!
//! The model is made by `cargo run --release -p vene-embedded --example train`.

mod fact;
mod phrasing;

pub use fact::{FACTS, Fact, Relation};
pub use phrasing::{PHRASINGS, Phrasing, Split};

/// The model's name on the command line and in tables.
pub const NAME: &str = "embedded";

/// `config.json`: sizes and options, in Hugging Face's form for GPT-2.
pub static CONFIG: &str = include_str!("../model/config.json");

/// `model.safetensors`: float16 weights under Hugging Face's names (`transformer.h.0.attn.c_attn.weight`),
/// matrices stored `[in, out]`; the unembedding is the token embedding.
pub static WEIGHTS: &[u8] = include_bytes!("../model/model.safetensors");

/// `tokenizer.json`: a byte-level BPE in the form of Hugging Face's `tokenizers`.
pub static TOKENIZER: &str = include_str!("../model/tokenizer.json");
