//! A generation that cannot be run.

use vene_model::Site;

use crate::error::RunError;

/// A generation that cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerationError {
    /// No token is asked for.
    #[error("0 new tokens are asked for; ask for one at least")]
    NothingToGenerate,
    /// No sample is asked for.
    #[error("0 samples of each prompt are asked for; ask for one at least")]
    NoSamples,
    /// Several samples of what has only one.
    #[error(
        "{samples} samples of each prompt are asked for, and greedy generation would give {samples} times the \
         same: set a temperature, or ask for one"
    )]
    GreedySamples {
        /// How many were asked for.
        samples: usize,
    },
    /// A temperature that is none.
    #[error(
        "a temperature of {temperature}; expected a number above 0 (greedy generation has none)"
    )]
    Temperature {
        /// It.
        temperature: f64,
    },
    /// Sampling among no tokens.
    #[error("a top-k of 0 leaves no token to sample; expected 1 or more")]
    TopK,
    /// A share that is none.
    #[error("a top-p of {top_p}; expected a number above 0 and at most 1")]
    TopP {
        /// It.
        top_p: f64,
    },
    /// A token to stop at that the model does not have.
    #[error("token {token} is to end a text, and the model's vocabulary has {vocabulary} (0 to {})", vocabulary - 1)]
    UnknownToken {
        /// The token.
        token: u32,
        /// Rows of the unembedding.
        vocabulary: usize,
    },
    /// An edit behind the last step.
    #[error(
        "edit {edit} ({site}) is made at step {step}, and {max_new_tokens} new tokens take steps 0 to {}",
        max_new_tokens - 1
    )]
    NoSuchStep {
        /// The edit.
        edit: usize,
        /// Where.
        site: Site,
        /// The step that it names.
        step: usize,
        /// How many tokens are asked for at most.
        max_new_tokens: usize,
    },
    /// The plan collects.
    #[error(
        "the plan collects {site}, which a generation does not: edit there by the intervention `collect`, \
         which keeps the values of the steps that its edit is made at"
    )]
    Collects {
        /// What it collects.
        site: Site,
    },
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<Box<vene_model::ModelError>> for GenerationError {
    fn from(error: Box<vene_model::ModelError>) -> Self {
        Self::Run(error.into())
    }
}
