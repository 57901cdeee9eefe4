//! What keeps a training from being run, or from going on.

use vene_engine::RunError;

/// A training that cannot be run.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// Nothing to learn.
    #[error(
        "the plan has no trainable intervention: add an edit by one with parameters, such as rotated_space"
    )]
    NothingToTrain,
    /// Labels, or what else a loss is about, for another number of examples.
    #[error("{given} {what} are given for {examples} examples; each needs its own")]
    Examples {
        /// What is given.
        what: &'static str,
        /// For how many.
        given: usize,
        /// How many there are.
        examples: usize,
    },
    /// The same for another number of reads.
    #[error(
        "{given} {what} are given for example {example}, of which the plan reads {reads} positions; each \
         needs one"
    )]
    Reads {
        /// What is given.
        what: &'static str,
        /// The example.
        example: usize,
        /// For how many.
        given: usize,
        /// How many there are.
        reads: usize,
    },
    /// Distributions over another vocabulary.
    #[error(
        "{given} log-probabilities are given for {reads} reads of a vocabulary of {vocabulary}"
    )]
    Distributions {
        /// Numbers.
        given: usize,
        /// Reads.
        reads: usize,
        /// Tokens.
        vocabulary: usize,
    },
    /// A penalty on what is not there.
    #[error("a penalty is on `{name}`, which is no parameter that is trained: there are {found}")]
    NoParameter {
        /// The name.
        name: String,
        /// What there is.
        found: String,
    },
    /// Annealing of nothing.
    #[error("the temperature is to be annealed, and no intervention of the plan has one")]
    NoTemperature,
    /// A temperature that cannot be.
    #[error("a temperature of {0}; expected a number above 0")]
    Temperature(f64),
    /// A batch of none.
    #[error("a batch of 0 examples trains nothing")]
    EmptyBatch,
    /// The loss left the numbers.
    #[error("the loss is {loss} after {step} steps: try a smaller learning rate")]
    Diverged {
        /// The step.
        step: usize,
        /// The loss.
        loss: f64,
    },
    /// A checkpoint of another training.
    #[error("{path} is no checkpoint of this training: {problem}; delete it to begin again")]
    Checkpoint {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A checkpoint that cannot be written.
    #[error("the checkpoint {path} cannot be written: {problem}")]
    Unwritable {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The computation failed.
    #[error(transparent)]
    Computation(#[from] vene_model::OperationError),
}

vene_named::debug_as_sentence!(TrainingError);

impl From<candle_core::Error> for TrainingError {
    fn from(error: candle_core::Error) -> Self {
        Self::Computation(error.into())
    }
}
