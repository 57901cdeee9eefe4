//! Causal interventions on language models.
//!
//! To know *how* a transformer computes an answer, replace an internal activation of one run (the
//! *base*) by that of another (the *source*) and watch the answer change. This crate plans such
//! interventions, checks the plans before a weight is read, runs them, and gives tables.
//!
//! The sweep of pyvene's tutorial: at which layer and position does the capital come in?
//!
//! ```
//! use vene::{Component, Model, Sweep};
//!
//! let model = Model::load("embedded")?;
//! let outcome = Sweep::builder(&model)
//!     .base("The capital of Spain is")
//!     .source("The capital of Italy is")
//!     .components([Component::MlpOutput, Component::AttentionInput])
//!     .tokens([" Madrid", " Rome"])
//!     .build()?
//!     .run(&model)?;
//! let table = outcome.tokens().expect("tokens are read");
//! assert_eq!(table.rows(), 2 * 2 * 5 * model.config().layers.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! * [`Plan`] and [`Edit`]: any interventions on any sites, several at once;
//! * [`plan_file`]: plans in files, and saved with what their interventions learned;
//! * [`intervention`]: what can be done to values;
//! * [`RunPlans`]: `model.run(&plan)`; [`Reference`]: the executor that defines what is right;
//! * [`Session`]: unedited runs that are kept, and any number of plans run from them;
//! * [`Sweep`]: the same intervention at many places, over a pair of prompts or the rows of a data set;
//! * [`Generator`]: text, with edits made while it is written.

pub mod causal;
pub mod data;
mod engine;
mod error;
pub mod generation;
mod indices;
pub mod intervention;
pub mod metric;
mod opened;
pub mod plan;
pub mod plan_file;
pub mod plan_sweep;
mod random;
mod shown;
pub mod statistics;
pub mod sweep;
pub mod task;
pub mod training;

pub use candle_core;
pub use engine::{
    Distribution, ExampleOutcome, Executor, ExecutorName, Forked, Gradients, PlanOutcome, Reading,
    Reference, RunPlans, Session, SiteGradients,
};
pub use error::{PlanError, PositionError, RunError, SweepError, Whose};
pub use generation::{Generation, GenerationError, Generator, Sampling};
pub use indices::{IndicesError, indices};
pub use plan::{
    Edit, Example, Heads, Module, Outputs, Part, Plan, Positions, Receipt, Reduce, Run, Source,
    SourcePositions, Tokens, When,
};
pub use sweep::{
    AnswerTokens, Control, Direction, EffectType, Forecast, ForecastOf, Method, NoiseSize, Sweep,
    SweepBuilder, SweepOutcome, SweepPositions, SweepUnit,
};
pub use vene_model::tensors::HostTensor;
pub use vene_model::{
    AnotherModel, BeginningOfSequence, BlockKind, Checkpoint, Component, InputError, Loading,
    Model, ModelError, ModelKey, Outline, Precision, Prompt, Site, SiteError, Work, alias, ranking,
};
pub use vene_named::{Named, UnknownName};
pub use vene_table::Table;

/// The README's examples are tested like those here.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// So are those of the page about interventions, metrics and losses of one's own.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/extending.md")]
struct ExtendingPage;

/// So are those of the page about training.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/training.md")]
struct TrainingPage;
