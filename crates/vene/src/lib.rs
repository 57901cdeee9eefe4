//! Causal interventions on language models.
//!
//! To know *how* a transformer computes an answer, replace an internal activation of one run (the
//! *base*) by that of another (the *source*) and watch the answer change. This crate plans such
//! interventions, checks the plans before a weight is read, runs them, and gives tables.
//!
//! | I want to | use |
//! | --- | --- |
//! | ask what a model says next | [`run::RunPlans::predict`]: [below](#what-does-the-model-say-next) |
//! | intervene at every one of many places | [`Sweep`]: [below](#a-sweep-over-a-pair-of-prompts) |
//! | do so with a number of my own | [`metric::from_fn`]: [below](#a-sweep-with-a-metric-of-my-own) |
//! | do so over a data set, with intervals | [`Sweep`] and [`sweep::Summary`]: [below](#a-sweep-over-rows) |
//! | make any edits, several at once, also by a closure | [`Plan`], [`Edit`], [`intervention`]: [below](#an-intervention-of-my-own) |
//! | keep activations | [`Plan::collect`]: [below](#activations) |
//! | run many plans from the same prompts, one after the other | [`run::Session`]: [below](#asking-again) |
//! | train an intervention | [`training`]: [below](#training) |
//! | write text while activations are edited | [`Generator`]: [below](#generating-text) |
//! | run a plan that stands in a file | [`PlanFile::run`](plan_file::PlanFile::run): [below](#running-a-file) |
//! | run a plan over a data set | [`plan::plan_sweep::PlanSweep`] |
//! | make a data set, or read one | [`data::task::Task`], [`data::read()`] |
//! | look inside: logit lens, attribution, attention, weights | [`inspect`] |
//! | score every edge of a model's graph, run circuits | [`circuit`] |
//! | take gradients at sites | [`run::Gradients`] |
//! | name a type that a function gives | [`model`], [`run`], [`plan`], [`data`], [`table`] |
//!
//! [`metric`], [`intervention`] and [`training`] take values of traits, which your own types may implement
//! (`docs/extending.md` in the repository shows each).
//!
//! # What does the model say next?
//!
//! ```
//! use vene::Model;
//! use vene::run::RunPlans;
//!
//! let model = Model::load("embedded")?;
//! let told = model.predict(&[&model.prompt("The capital of Spain is")?])?;
//! assert_eq!(model.tokenizer().decode(&[told[0].likeliest()])?, " Madrid");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A sweep over a pair of prompts
//!
//! That of pyvene's tutorial: at which layer and position does the capital come in?
//!
//! ```
//! use vene::{Component, Model, Sweep};
//!
//! let model = Model::load("embedded")?;
//! let outcome = Sweep::builder(&model)
//!     .base("The capital of Spain is")
//!     .source("The capital of Italy is")
//!     .components(["mlp_output".parse::<Component>()?, Component::AttentionInput])
//!     .tokens([" Madrid", " Rome"])
//!     .build()?
//!     .run(&model)?;
//! let table = outcome.tokens().expect("tokens are read");
//! assert_eq!(table.rows(), 2 * 2 * 5 * model.config().layers.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A sweep with a metric of my own
//!
//! ```
//! use vene::metric::{self, Reads};
//! use vene::{Component, Model, Sweep};
//!
//! let model = Model::load("embedded")?;
//! let entropy = metric::from_fn("entropy", Reads::distribution(), |observed| {
//!     Some(observed.log_probabilities()?.iter().map(|log_p| -log_p.exp() * log_p).sum())
//! });
//! let outcome = Sweep::builder(&model)
//!     .base("The capital of Spain is")
//!     .source("The capital of Italy is")
//!     .components([Component::BlockOutput])
//!     .metrics([entropy])
//!     .build()?
//!     .run(&model)?;
//! println!("{}", outcome.examples());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A sweep over rows
//!
//! ```
//! use vene::sweep::Summary;
//! use vene::data::task::Task;
//! use vene::{Component, Model, Sweep};
//!
//! let model = Model::load("embedded")?;
//! let rows = Task::Capital.rows(&model, 20, 1)?.rows;
//! let outcome = Sweep::builder(&model)
//!     .rows(&rows)
//!     .components([Component::BlockOutput])
//!     .roles(["subject_last".parse()?, "last".parse()?])
//!     .build()?
//!     .run(&model)?;
//! let summary = Summary::default().of(outcome.examples())?;
//! assert!(summary.optional_floats("low")?[0] < summary.optional_floats("high")?[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # An intervention of my own
//!
//! ```
//! use std::sync::Arc;
//!
//! use vene::intervention::from_fn_with_source;
//! use vene::run::RunPlans;
//! use vene::{Component, Edit, Example, Model, Plan, Positions};
//!
//! let model = Model::load("embedded")?;
//! let example = Example::new(model.prompt("The capital of Spain is")?)
//!     .source(model.prompt("The capital of Italy is")?);
//! let halfway = from_fn_with_source("halfway", |base, source| (base + source)? * 0.5);
//! let plan = Plan::new()
//!     .edit(
//!         Edit::new(Component::BlockOutput, 2, Arc::new(halfway))
//!             .at(Positions::last_of("Spain"))
//!             .from(Positions::last_of("Italy")),
//!     )
//!     .edit(Edit::zero(Component::AttentionValueOutput, 5).at(Positions::Last).heads([0, 1]))
//!     .resolve(&model, &[example])?;
//! let outcome = model.run(&plan)?;
//! println!("{:?}", outcome.receipt(0, 0)?);
//! println!("{}", outcome.distribution(0, 0)?.likeliest());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Activations
//!
//! ```
//! use vene::model::Site;
//! use vene::run::RunPlans;
//! use vene::{Component, Example, Model, Plan, Positions};
//!
//! let model = Model::load("embedded")?;
//! let example = Example::new(model.prompt("The capital of Spain is")?);
//! let plan = Plan::new().collect(Component::MlpOutput, 6, Positions::All);
//! let outcome = model.run(&plan.resolve(&model, &[example])?)?;
//! let site = Site::new(Component::MlpOutput, Some(6), model.config())?;
//! assert_eq!(outcome.activation(0, site)?.dims(), [5, model.config().d_model]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Asking again
//!
//! ```
//! use vene::run::Session;
//! use vene::{Component, Edit, Example, Model, Plan};
//!
//! let model = Model::load("embedded")?;
//! let prompt = model.prompt("The capital of Spain is")?;
//! let session = Session::new(&model, [&prompt])?;
//! for layer in 0..model.config().layers.len() {
//!     let plan = Plan::new().edit(Edit::zero(Component::MlpOutput, layer));
//!     let outcome = session.run(&plan.resolve(&model, &[Example::new(prompt.clone())])?)?;
//!     println!("{layer}: {}", outcome.distribution(0, 0)?.likeliest());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Training
//!
//! ```
//! use std::ops::ControlFlow;
//! use std::sync::Arc;
//!
//! use vene::intervention::{RotatedSpace, Rotation, Subspace};
//! use vene::training::{Examples, Objective, Trainer};
//! use vene::{Component, Edit, Example, Model, Plan, Positions};
//!
//! let model = Model::load("embedded")?;
//! let prompt = |country: &str| model.prompt(&format!("The capital of {country} is"));
//! let examples = [Example::new(prompt("Spain")?).source(prompt("Italy")?)];
//! let labels = [model.tokenizer().single_token(" Rome")?];
//! let rotation = Rotation::random(model.config().d_model, 16, 0)?;
//! let space = RotatedSpace::low_rank(rotation, Subspace::All);
//! let edit = Edit::new(Component::BlockOutput, 2, Arc::new(space)).at(Positions::index(3));
//! let plan = Plan::new().edit(edit).resolve(&model, &examples)?;
//! let objective = Objective::labels(&labels);
//! let trainer = Trainer { epochs: 3, ..Trainer::default() };
//! let examples = Examples { plan: &plan, objective: &objective };
//! let trained = trainer.train(&model, examples, None, &mut |_| ControlFlow::Continue(()))?;
//! assert_eq!(trained.steps.len(), 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Generating text
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use vene::plan::When;
//! use vene::{Component, Edit, Example, Generator, Model, Plan};
//!
//! let model = Model::load("embedded")?;
//! let plan = Plan::new().edit(Edit::scaling(Component::MlpOutput, 3, 0.5).when(When::EveryStep));
//! let plan = plan.resolve(&model, &[Example::new(model.prompt("The capital of Spain is")?)])?;
//! let generator = Generator { max_new_tokens: 3, ..Generator::default() };
//! let written = generator.run(&model, &plan, &mut |token| {
//!     println!("{}", token.token);
//!     ControlFlow::Continue(())
//! })?;
//! println!("{}", written.continuations[0].text(&model, &plan)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Running a file
//!
//! ```no_run
//! use vene::Model;
//! use vene::plan_file::PlanFile;
//!
//! let file = PlanFile::read("patch.toml".as_ref())?;
//! let ran = file.run(&Model::load("embedded")?)?;
//! ran.examples.write_csv("examples.csv")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod effort;
mod indices;
#[cfg(test)]
mod names;
pub mod plan_file;
#[doc(hidden)]
pub mod plan_sweep;
#[doc(hidden)]
pub mod registry;
mod run_file;
pub mod sweep;
pub mod training;

#[doc(inline)]
pub use vene_circuit as circuit;
#[doc(inline)]
pub use vene_engine::generation;
#[doc(inline)]
pub use vene_inspect as inspect;
#[doc(inline)]
pub use vene_intervention as intervention;
#[doc(inline)]
pub use vene_metric as metric;
#[doc(inline)]
pub use vene_statistics as statistics;

/// Data sets: rows of a base, a source, their answers, and the phrases that positions are named after; generators of them
/// ([`task`]), and causal models of a task ([`causal`]).
pub mod data {
    pub use vene_data::{
        DataError, DataFile, FoilIs, Layout, LeftOut, OverRows, Phrase, Place, PlanRows,
        PreparedRow, ReadOptions, Reason, Role, RoleError, Row, RowError, RowName, Span, Split,
        SplitError, SplitRows, Together, Unspaced, UnusedColumn, WriteError, lacks_space, read,
        read_with, shared_prompts, unspaced, write_jsonl,
    };
    #[doc(inline)]
    pub use vene_data::{causal, task};
}

/// Models: their configuration, tokenizer, prompts, sites and components; and lists of layers in words.
pub mod model {
    pub use crate::indices::{IndicesError, indices};
    pub use candle_core;
    pub use vene_model::config::{DecoderConfig, Experts, LayerConfig};
    pub use vene_model::tensors::HostTensor;
    pub use vene_model::{
        AnotherModel, BeginningOfSequence, BlockKind, Chat, ChatTemplate, Checkpoint,
        CheckpointError, Component, InputError, Loading, Message, Model, ModelError, ModelKey,
        Opening, Outline, Precision, Progress, Prompt, PromptForm, Provenance, Site, SiteError,
        Tokenizer, Work, alias, ranking,
    };
}

/// Tables: what sweeps and plans over data sets give, and what reads them.
pub mod table {
    pub use arrow_array::RecordBatch;
    pub use vene_table::{
        Chunks, Column, Distinct, Joined, Kind, Table, TableBuilder, TableError, TableFile,
        TableSource, Value, Words,
    };
}

/// Plans: which values of which run are replaced by what; over the rows of a data set ([`plan_sweep`]); and
/// the interventions by name ([`registry`]).
pub mod plan {
    #[doc(inline)]
    pub use crate::{plan_sweep, registry};
    pub use vene_data::{OverRows, PlanRows};
    pub use vene_engine::plan::*;
}

/// Running plans: by the engine, by a session that keeps the unedited runs, by the executor that defines what is right; and
/// gradients at sites.
pub mod run {
    pub use vene_engine::{
        Distribution, ExampleOutcome, Executor, ExecutorName, Forked, Gradients, PlanError,
        PlanOutcome, PositionError, Reading, Reference, RunError, RunPlans, Session, SiteGradients,
        Whose,
    };
    pub use vene_named::{Named, UnknownName};
}

pub use sweep::Sweep;
pub use vene_engine::plan::{Edit, Example, Plan};
pub use vene_model::{Component, Model};

/// Names that stand in one of the modules above, by the shorter path that programs already use.
mod short {
    #![allow(unused_imports)]
    pub use crate::indices::{IndicesError, indices};
    pub use crate::run_file::RunFileError;
    pub use crate::sweep::{
        AnswerTokens, Control, Direction, EffectType, Forecast, ForecastOf, Method, NoiseSize,
        SweepBuilder, SweepError, SweepOutcome, SweepPositions, SweepUnit,
    };
    pub use candle_core;
    pub use vene_data::{PlanRows, causal, task};
    pub use vene_engine::generation::{Generation, GenerationError, Generator, Sampling};
    pub use vene_engine::plan::{
        Heads, Module, Outputs, Part, Positions, Receipt, Reduce, Run, Source, SourcePositions,
        Tokens, When,
    };
    pub use vene_engine::{
        Distribution, ExampleOutcome, Executor, ExecutorName, Forked, Gradients, PlanError,
        PlanOutcome, PositionError, Reading, Reference, RunError, RunPlans, Session, SiteGradients,
        Whose,
    };
    pub use vene_model::tensors::HostTensor;
    pub use vene_model::{
        AnotherModel, BeginningOfSequence, BlockKind, Chat, Checkpoint, InputError, Loading,
        ModelError, ModelKey, Outline, Precision, Prompt, PromptForm, Site, SiteError, Work, alias,
        ranking,
    };
    pub use vene_named::{Named, UnknownName};
    pub use vene_table::Table;
}
#[doc(hidden)]
pub use short::*;

/// The README's examples are tested like those here.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// So are those of the page about interventions, metrics and losses of one's own.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/extending.md")]
struct ExtendingPage;

/// So are those of the page about circuits.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/circuits.md")]
struct CircuitsPage;

/// So are those of the page about training.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/training.md")]
struct TrainingPage;
