//! Executors: plans in, what the edited runs showed out.
//!
//! [`Reference`] is the definition of what is right: one full forward pass for every plan, edits
//! at their sites, on plain operations. Whatever is faster is held to it. [`RunPlans`] names none.

mod apply;
mod attend;
mod counted_runs;
mod distribution;
mod executor;
mod forked;
mod gradients;
mod measure;
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

pub(crate) use counted_runs::work_of_reference;
pub use distribution::Distribution;
pub use executor::{ExampleOutcome, Executor, ExecutorName, PlanOutcome};
pub(crate) use forked::{Budget, Decode, Sequence, Showed};
pub use forked::{Forked, Session, TrainRun};
pub use gradients::{Gradients, SiteGradients};
pub use reading::Reading;
pub use reference::Reference;
pub use run_plans::RunPlans;
pub use unembedding::unembedding_gradient;
