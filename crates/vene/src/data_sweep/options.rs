//! What a sweep over a data set does, said exactly: papers differ in each of these, and so do their
//! results.

use vene_named::named;

use crate::data::Role;
use crate::sweep::Method;

/// What is done at each place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Treatment {
    /// The values of the row's other prompt instead of its own (activation patching).
    Interchange,
    /// 0 instead of the values.
    Zero,
    /// The mean over the data set's bases instead of the values.
    Mean {
        /// Over the tokens that play the written position's role, rather than over all but a
        /// beginning-of-sequence token. Where all positions are written at once, it is over all.
        per_position: bool,
    },
    /// The values of other rows' bases instead of the values, drawn at random; effects are averaged
    /// over the draws.
    Resample {
        /// How many draws for each row.
        draws: usize,
    },
    /// Gaussian noise added to the values; effects are averaged over the draws.
    Noise {
        /// The noise's standard deviation.
        standard_deviation: f64,
        /// How many draws for each row.
        draws: usize,
    },
    /// Causal tracing (Meng et al. 2022): noise is added to the embeddings of a role's tokens, and
    /// at each place the values of the run without noise are put back.
    Restore {
        /// How strong the noise is.
        noise: NoiseSize,
        /// How many draws for each row.
        draws: usize,
        /// The tokens whose embeddings get the noise.
        corrupted: Role,
    },
    /// Whatever else a sweep over one pair can do.
    Other(Method),
}

/// How strong the noise of causal tracing is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoiseSize {
    /// This standard deviation.
    Absolute(f64),
    /// So many times the standard deviation of the embeddings of the tokens that get it, all dimensions of all
    /// bases taken together: what is large for one model is small for another (Meng et al. 2022 take 3). Embeddings
    /// of tokens alone: GPT-2's learned position embeddings have no part in it.
    OfEmbeddings(f64),
}

impl Treatment {
    /// Draws for each row and place at most.
    pub const MOST_DRAWS: usize = 1000;

    /// Its name, in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Interchange => "interchange",
            Self::Zero => "zero",
            Self::Mean { per_position: true } => "mean",
            Self::Mean { per_position: false } => "mean_of_all_positions",
            Self::Resample { .. } => "resample",
            Self::Noise { .. } => "noise",
            Self::Restore { .. } => "restore",
            Self::Other(method) => method.name(),
        }
    }

    /// What its name does not say, in words; empty where that is nothing.
    pub(super) fn parameters(&self) -> String {
        match self {
            Self::Noise { standard_deviation, .. }
            | Self::Other(Method::Noise { standard_deviation, .. }) => {
                format!("standard deviation {standard_deviation}")
            }
            Self::Restore { noise: NoiseSize::Absolute(standard_deviation), corrupted, .. } => {
                format!("standard deviation {standard_deviation} at {corrupted}")
            }
            Self::Restore { noise: NoiseSize::OfEmbeddings(times), corrupted, .. } => {
                format!("{times} standard deviations of the embeddings at {corrupted}")
            }
            Self::Other(Method::Scaling { factor }) => format!("factor {factor}"),
            _ => String::new(),
        }
    }

    /// Whether the row's other prompt is read.
    pub fn reads_source(&self) -> bool {
        match self {
            Self::Interchange => true,
            Self::Other(method) => method.reads_source(),
            _ => false,
        }
    }

    /// How many edited runs are averaged for each row and place.
    pub fn draws(&self) -> usize {
        match self {
            Self::Resample { draws } | Self::Noise { draws, .. } | Self::Restore { draws, .. } => {
                *draws
            }
            _ => 1,
        }
    }
}

named! {
    /// Which of a row's runs is edited.
    pub enum Direction as "direction", default Noising {
        /// The base's, with the source's values: what breaks the answer.
        Noising = "noising",
        /// The source's, with the base's values: what brings the answer back.
        Denoising = "denoising",
    }
}

named! {
    /// What an effect goes through.
    pub enum EffectType as "effect", default Total {
        /// Everything after the edit, computed anew.
        Total = "total",
        /// All but attention after the edit (after its first layer, in a window), whose outputs are held at what they
        /// are in the unedited run, where the answer is read. Of what a layer's attention is made of (queries, scores,
        /// heads) this is the effect by that attention's own output.
        Direct = "direct",
    }
}

named! {
    /// A second map beside the first, of what should not matter.
    pub enum Control as "control" {
        /// The run's own values in place of themselves: the noise of the computation.
        SelfSwap = "self",
        /// The values of another row's other prompt, which is neither of this row's two.
        ShuffledSource = "shuffled",
        /// A change of the same size as the treatment's, in a random direction.
        RandomDirection = "random",
    }
}

named! {
    /// How answers of several tokens are read.
    pub enum AnswerTokens as "way to read answers", default Whole {
        /// As a sequence, each token after those before it.
        Whole = "whole",
        /// Their first token stands for them.
        First = "first",
    }
}
