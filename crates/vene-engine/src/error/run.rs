//! A run that failed.

use vene_files::Panicked;
use vene_model::{AnotherModel, OperationError, Site, SiteError};

/// A run that failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The computation failed.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// A plan that was resolved for another model.
    #[error(transparent)]
    AnotherModel(#[from] AnotherModel),
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
    /// An intervention, such as a closure, panicked.
    #[error("{intervention} at {site} panicked: {message} (it was given {sources} sources)")]
    InterventionPanicked {
        /// Its name.
        intervention: &'static str,
        /// Where.
        site: Site,
        /// How many sources it was given.
        sources: usize,
        /// What it panicked with.
        message: String,
    },
    /// A metric gave no number.
    #[error(transparent)]
    Metric(Box<dyn std::error::Error + Send + Sync>),
    /// A function of one's own, other than an intervention, panicked.
    #[error("{what} panicked: {message}")]
    Panicked {
        /// Which kind of function.
        what: &'static str,
        /// What it panicked with.
        message: String,
    },
    /// An intervention returned values of another type.
    #[error(
        "{intervention} at {site} returned values of type {returned}; expected the base's, {expected}"
    )]
    InterventionType {
        /// Its name.
        intervention: &'static str,
        /// Where.
        site: Site,
        /// What it returned.
        returned: &'static str,
        /// What it was given.
        expected: &'static str,
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
        "an edit of a source's run has trainable parameters: sources are run once, before training; \
         freeze them, or train the edit in the base's run"
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
    /// A site of another model.
    #[error("{site}: {problem}")]
    NoSite {
        /// The site.
        site: Site,
        /// What is wrong.
        problem: SiteError,
    },
    /// A source's site that was not traced.
    #[error("{site} of the sources was not traced: trace the sources for this very plan")]
    NotTraced {
        /// The site.
        site: Site,
    },
    /// A site that was not collected.
    #[error(
        "{site} was not collected; the plan collects {collected}: add it to the plan before it is resolved"
    )]
    NotCollected {
        /// The site.
        site: Site,
        /// Those that were.
        collected: String,
    },
    /// Numbers of a distribution that were not asked for.
    #[error(
        "read {read} of example {example}: the plan's runs gave {what} at {there} positions; its `outputs` and \
         `read` say what is wanted"
    )]
    NotRead {
        /// What was looked for.
        what: &'static str,
        /// The example.
        example: usize,
        /// Which of its reads, counted from 0.
        read: usize,
        /// At how many positions of the example it is there.
        there: usize,
    },
    /// No example.
    #[error("no example is chosen; name at least one")]
    NoneChosen,
    /// An example that the plan does not have.
    #[error("example {example} is asked for, and the plan has {examples}, counted from 0")]
    NoExample {
        /// The example.
        example: usize,
        /// How many there are.
        examples: usize,
    },
    /// An edit that the plan does not have.
    #[error("the receipt of edit {edit} is asked for, and the plan has {edits}, counted from 0")]
    NoEdit {
        /// The edit.
        edit: usize,
        /// How many there are.
        edits: usize,
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
    /// A prompt that a session has not run.
    #[error(
        "{prompt} is none of the prompts that this session has run; give it to the session when it is made, or run \
         the plan on the model"
    )]
    NotInSession {
        /// The prompt's text or tokens, shortened.
        prompt: String,
    },
    /// A session that does not fit its budget.
    #[error(
        "keys and values of {rows} tokens take {least} bytes, and the session may take {budget}; give it more, or \
         fewer prompts"
    )]
    SessionMemory {
        /// What it may take, in bytes.
        budget: usize,
        /// The least that it takes, in bytes.
        least: usize,
        /// Tokens, those of equal beginnings counted once.
        rows: usize,
    },
    /// A budget of memory into which a single example does not fit.
    #[error(
        "one example takes about {least} bytes of memory beside the weights, and it may take {budget}: give it at least \
         {least}"
    )]
    Memory {
        /// What it may take, in bytes.
        budget: usize,
        /// The least that would do, in bytes.
        least: usize,
    },
    /// The run was stopped.
    #[error("stopped")]
    Stopped,
}

vene_named::debug_as_sentence!(RunError);

impl RunError {
    /// A user's function panicked.
    pub fn panicked(what: &'static str, panic: Panicked) -> Self {
        Self::Panicked { what, message: panic.message }
    }
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
