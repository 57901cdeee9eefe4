//! Metrics: one number for what a run shows.
//!
//! A [`Metric`] is a value: a built-in one ([`BUILT_IN`], found by [`named`]), a closure ([`from_fn`]) or a type of
//! one's own. It declares what it reads ([`Reads`]), so that a sweep computes no more than its metrics need: two rows
//! of the unembedding for a logit difference, all of them, summed on the fly, for a probability, the whole
//! distribution for a divergence. The same value is measured in a sweep over one pair
//! and over the rows of a data set (`vene::Sweep`).
//!
//! Answers may be *sets* (any of them is right) and *sequences* of tokens. Each token of a sequence is read after the
//! prompt and the tokens before it (teacher forcing): its log-probability is the sum of theirs. So a number that a
//! tokenizer splits into digits is an answer like any other.
//!
//! The entropy of the next token, with intervals over a data set:
//!
//! ```
//! use vene::data::Row;
//! use vene::sweep::Summary;
//! use vene::metric::{self, Reads};
//! use vene::{Component, Model, Sweep};
//!
//! let model = Model::load("embedded")?;
//! let entropy = metric::from_fn("entropy", Reads::distribution(), |observed| {
//!     Some(observed.log_probabilities()?.iter().map(|log_p| -log_p.exp() * log_p).sum())
//! });
//! let pair = |base: &str, source: &str, target: &str| {
//!     let of = |country: &str| format!("The capital of {country} is");
//!     Row::new(of(base), of(source)).target(target)
//! };
//! let rows = [pair("Spain", "Italy", " Madrid"), pair("Japan", "Peru", " Tokyo")];
//! let sweep = Sweep::builder(&model)
//!     .rows(&rows)
//!     .components([Component::BlockOutput])
//!     .metrics([entropy])
//!     .build()?;
//! let summary = Summary::default().of(sweep.run(&model)?.examples())?;
//! let (mean, low) = (summary.optional_floats("mean")?, summary.optional_floats("low")?);
//! assert!(mean.len() == model.config().layers.len() && low[0] <= mean[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answers;
mod error;
mod from_fn;
mod kl;
mod meter;
mod observed;
mod ranks;
mod reads;
mod reduction;
mod registry;

use std::fmt::Debug;

pub use answers::{
    FORCED_CHOICE, LOG_PROBABILITY, LOGIT_DIFFERENCE, PROBABILITY, PROBABILITY_DIFFERENCE,
};
pub use error::{MetricError, MetricProblem};
pub use from_fn::from_fn;
pub use kl::KL;
pub use meter::{Meter, RowRun};
pub use observed::Observed;
pub use ranks::{ACCURACY, RANK};
pub use reads::{AnswerReads, ReadSite, Reads};
pub use reduction::{Asked, answer_outputs, numbers};
pub use registry::{BUILT_IN, BuiltIn, named};
pub use vene_data::Said;

/// A number for what a run shows.
pub trait Metric: Debug + Send + Sync {
    /// Its name in tables.
    fn name(&self) -> &str;

    /// What it reads of a run. It is asked once, when a sweep is built.
    fn reads(&self) -> Reads;

    /// The number, finite; `None` where something is not there that it did not declare to read. What is no number,
    /// `None` and a panic end the sweep with a [`MetricError`].
    fn value(&self, observed: &Observed<'_>) -> Option<f64>;

    /// The numbers of several runs, in their order: those of a batch where it [reads](Reads::batched) them together, else
    /// as many as happen to be there. Default: [`Metric::value`] of each.
    ///
    /// # Errors
    /// The first run that has no number, and why.
    fn values(&self, observed: &[Observed<'_>]) -> Result<Vec<f64>, (usize, MetricProblem)> {
        let number = |(index, observed): (usize, &Observed<'_>)| {
            self.value(observed).ok_or((index, MetricProblem::Unread))
        };
        observed.iter().enumerate().map(number).collect()
    }
}
