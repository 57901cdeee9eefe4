//! Plans of interventions, and the engines that run them.
//!
//! A [`Plan`] says which values of which run are replaced by what, and is checked as a whole before a weight is read.
//! Executors take resolved plans and give what the edited runs showed. [`Reference`] is the definition of what is right: one full
//! forward pass for every plan, edits at their sites, on plain operations. [`Forked`] is fast and held to it, a [`Session`]
//! keeps unedited runs for any number of plans, [`TrainRun`] and [`Gradients`] differentiate, a
//! [`Generator`](generation::Generator) writes text; [`RunPlans`] (`model.run(&plan)`) names no executor.
//!
//! This crate knows nothing of files, data sets or statistics. Users meet it as a part of the crate `vene`.

mod apply;
mod attend;
mod counted_runs;
mod distribution;
mod error;
mod executor;
mod forked;
pub mod generation;
mod gradients;
mod measure;
pub mod plan;
mod reading;
mod reference;
mod run_plans;
mod sequences;
mod stages;
mod still;
mod tap;
mod trace;
mod unembedding;
mod unit;

pub use counted_runs::work_of_reference;
pub use distribution::Distribution;
pub use error::{PlanError, PositionError, RunError, Whose};
pub use executor::{ExampleOutcome, Executor, ExecutorName, PlanOutcome};
pub(crate) use forked::{Budget, Decode, Sequence, Showed};
pub use forked::{Forked, Session, TrainRun};
pub use gradients::{Gradients, SiteGradients};
pub use plan::{Edit, Example, Plan, Positions};
pub use reading::Reading;
pub use reference::Reference;
pub use run_plans::RunPlans;
pub use unembedding::unembedding_gradient;
