//! A run that failed.

use vene_model::{OperationError, Site};

/// A run that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The computation failed.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// The weights could not be read in the form that this executor needs.
    #[error(transparent)]
    Model(#[from] Box<vene_model::ModelError>),
    /// An intervention failed.
    #[error("{intervention} at {site}: {}", first_line(error))]
    Intervention {
        /// Its name.
        intervention: &'static str,
        /// Where.
        site: Site,
        /// What candle said.
        error: Box<candle_core::Error>,
    },
    /// An intervention returned values of another shape.
    #[error(
        "{intervention} at {site} returned values of shape {returned:?}; expected the base's, {expected:?}"
    )]
    InterventionShape {
        /// Its name.
        intervention: &'static str,
        /// Where.
        site: Site,
        /// What it returned.
        returned: Vec<usize>,
        /// What it was given.
        expected: Vec<usize>,
    },
    /// An edit produced something that is no number.
    #[error(
        "{intervention} at {site} produced {value} in example {example}: it is no number to go on with"
    )]
    NotFinite {
        /// Its name.
        intervention: &'static str,
        /// Where.
        site: Site,
        /// NaN or infinite.
        value: f64,
        /// The example.
        example: usize,
    },
    /// The run ended in something that is no number.
    #[error(
        "the run of example {example} ended in logits of {value}: its edits drive it out of the range \
         of its floats; make them smaller, or load the model in double precision"
    )]
    LogitsNotFinite {
        /// NaN or infinite.
        value: f64,
        /// The example.
        example: usize,
    },
    /// All keys of a query were knocked out.
    #[error(
        "attention of layer {layer}, head {head}: the query at position {query} of example {example} \
         has no key left to attend to; leave it at least one"
    )]
    NothingToAttend {
        /// The layer.
        layer: usize,
        /// The head.
        head: usize,
        /// The query's position.
        query: usize,
        /// The example.
        example: usize,
    },
    /// An intervention that would learn in a source's run.
    #[error(
        "an edit of a source's run has trainable parameters: sources are run once, before training;          freeze them, or train the edit in the base's run"
    )]
    LearnsInSource,
    /// An edit that lies behind what is run.
    #[error(
        "edit {edit} ({site}) is made at generated tokens only, and an executor runs the prompt: \
         generate with it, or make it on the prompt too"
    )]
    NotOnPrompt {
        /// The edit.
        edit: usize,
        /// Where.
        site: Site,
    },
    /// A source's site that was not traced.
    #[error("{site} of the sources was not traced: trace the sources for this very plan")]
    NotTraced {
        /// The site.
        site: Site,
    },
    /// Labels for another number of reads.
    #[error("{given} labels are given for {reads} positions that are read; each needs one")]
    Labels {
        /// Labels.
        given: usize,
        /// Positions that are read.
        reads: usize,
    },
    /// A label that is no token.
    #[error("label {label} is no token of a vocabulary of {vocabulary}")]
    NoToken {
        /// The label.
        label: u32,
        /// Tokens that have logits.
        vocabulary: usize,
    },
    /// The run was stopped.
    #[error("stopped")]
    Stopped,
}

/// What candle says behind its first line is a backtrace.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

impl From<candle_core::Error> for RunError {
    fn from(error: candle_core::Error) -> Self {
        Self::Operation(error.into())
    }
}
