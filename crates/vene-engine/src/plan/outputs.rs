//! Which numbers of a next-token distribution are wanted.
//!
//! The unembedding is the widest matrix of a model by far. Who needs two logits pays for two of
//! its rows; who needs a probability pays for all, but not for their memory; who needs a number that
//! the whole distribution decides (a divergence, a rank) gets it whole, but only for a moment.

use std::fmt::Debug;
use std::sync::Arc;

use crate::Distribution;
use crate::error::PlanError;

/// What is read off the next-token distribution at each read position.
#[derive(Clone, Debug, Default)]
pub enum Outputs {
    /// All of it.
    #[default]
    Distributions,
    /// The logits of some tokens.
    Logits(Tokens),
    /// The logits of some tokens, and what makes probabilities of them.
    Probabilities(Tokens),
    /// For each example its tokens, and whether what makes probabilities of them is wanted too.
    Each(Arc<[(Vec<u32>, bool)]>),
    /// A few numbers made of it as soon as it is there; it is not kept.
    Reduced(Arc<dyn Reduce>),
}

/// Makes a few numbers of a next-token distribution.
pub trait Reduce: Debug + Send + Sync {
    /// The numbers; `example` is the example's index, `read` that of the position among those that
    /// the plan reads.
    fn reduce(&self, example: usize, read: usize, distribution: &Distribution) -> Vec<f64>;
}

/// The same tokens for all examples, or for each its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Tokens {
    /// The same for all.
    Same(Arc<[u32]>),
    /// For each example its own.
    Each(Arc<[Vec<u32>]>),
}

impl From<Vec<u32>> for Tokens {
    fn from(tokens: Vec<u32>) -> Self {
        Self::Same(tokens.into())
    }
}

impl From<Vec<Vec<u32>>> for Tokens {
    fn from(tokens: Vec<Vec<u32>>) -> Self {
        Self::Each(tokens.into())
    }
}

impl Outputs {
    /// An example's tokens, and whether they are to become probabilities; `None` where the whole
    /// distribution is wanted.
    pub(crate) fn chosen(&self, example: usize) -> Option<(&[u32], bool)> {
        let (tokens, normalised) = match self {
            Self::Distributions | Self::Reduced(_) => return None,
            Self::Logits(tokens) => (tokens, false),
            Self::Probabilities(tokens) => (tokens, true),
            Self::Each(each) => {
                let (tokens, normalised) = each.get(example)?;
                return Some((tokens, *normalised));
            }
        };
        match tokens {
            Tokens::Same(tokens) => Some((tokens, normalised)),
            Tokens::Each(lists) => lists.get(example).map(|tokens| (tokens.as_slice(), normalised)),
        }
    }

    /// What makes numbers of whole distributions, where somebody does.
    pub(crate) fn reduction(&self) -> Option<&dyn Reduce> {
        match self {
            Self::Reduced(reduce) => Some(reduce.as_ref()),
            _ => None,
        }
    }

    /// Whether whole distributions are computed.
    pub(crate) fn whole(&self) -> bool {
        matches!(self, Self::Distributions | Self::Reduced(_))
    }

    /// Refuses tokens that the model does not have, and lists for another number of examples.
    pub(super) fn check(&self, examples: usize, vocabulary: usize) -> Result<(), PlanError> {
        let lists = match self {
            Self::Logits(Tokens::Each(lists)) | Self::Probabilities(Tokens::Each(lists)) => {
                lists.len()
            }
            Self::Each(each) => each.len(),
            _ => examples,
        };
        if lists != examples {
            return Err(PlanError::TokenLists { lists, examples });
        }
        for example in 0..examples {
            let tokens = self.chosen(example).map_or(&[][..], |(tokens, _)| tokens);
            if let Some(&token) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
                return Err(PlanError::UnknownToken { token, vocabulary });
            }
        }
        Ok(())
    }
}
