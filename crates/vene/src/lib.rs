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
//! * [`inspect`]: logit lens, direct logit attribution, attention patterns, weights;
//! * [`Generator`]: text, with edits made while it is written.

mod indices;
pub mod metric;
pub mod plan_file;
pub mod plan_sweep;
pub mod registry;
pub mod sweep;
pub mod training;

#[doc(inline)]
pub use vene_data::{causal, task};
#[doc(inline)]
pub use vene_engine::generation;
#[doc(inline)]
pub use vene_inspect as inspect;
#[doc(inline)]
pub use vene_intervention as intervention;
#[doc(inline)]
pub use vene_statistics as statistics;

/// Data sets: rows of a base, a source, their answers, and the phrases that positions are named after.
pub mod data {
    pub use vene_data::{
        DataError, DataFile, FoilIs, Layout, LeftOut, OverRows, Phrase, Place, PlanRows,
        PreparedRow, ReadOptions, Reason, Role, RoleError, Row, RowError, RowName, Span, Split,
        SplitError, SplitRows, Together, Unspaced, UnusedColumn, WriteError, read, read_with,
        shared_prompts, unspaced, write_jsonl,
    };
}

/// Plans: which values of which run are replaced by what.
pub mod plan {
    pub use vene_data::{OverRows, PlanRows};
    pub use vene_engine::plan::*;
}

pub use candle_core;
pub use generation::{Generation, GenerationError, Generator, Sampling};
pub use indices::{IndicesError, indices};
pub use sweep::{
    AnswerTokens, Control, Direction, EffectType, Forecast, ForecastOf, Method, NoiseSize, Sweep,
    SweepBuilder, SweepError, SweepOutcome, SweepPositions, SweepUnit,
};
pub use vene_data::PlanRows;
pub use vene_engine::plan::{
    Edit, Example, Heads, Module, Outputs, Part, Plan, Positions, Receipt, Reduce, Run, Source,
    SourcePositions, Tokens, When,
};
pub use vene_engine::{
    Distribution, ExampleOutcome, Executor, ExecutorName, Forked, Gradients, PlanError,
    PlanOutcome, PositionError, Reading, Reference, RunError, RunPlans, Session, SiteGradients,
    Whose,
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
