//! `[sweep]`: one intervention at every one of many places.

use serde::{Deserialize, Serialize};
use vene_engine::plan::Role;
use vene_named::named;

use super::List;
use crate::sweep::{Control, Direction, EffectType, SweepUnit};

named! {
    /// What is done at each place of a sweep.
    pub enum SweepMethod as "intervention of a sweep", default Interchange {
        /// The source's values replace the base's.
        Interchange = "interchange",
        /// 0 replaces the base's values.
        Zero = "zero",
        /// The mean of all sources, or of a data set's bases, replaces the base's values.
        Mean = "mean",
        /// The source's values are added.
        Addition = "addition",
        /// The source's values are subtracted.
        Subtraction = "subtraction",
        /// The base's values are multiplied (factor).
        Scaling = "scaling",
        /// Gaussian noise is added (noise_sd, seed).
        Noise = "noise",
        /// A module's output becomes its input (attention_output, mlp_output, block_output).
        Skip = "skip",
        /// The last position no longer sees the position (attention_score).
        Knockout = "knockout",
        /// Other rows' values replace the base's, drawn at random (over a data set).
        Resample = "resample",
        /// Noise on the embeddings of some tokens; the values without it are put back (over a data set).
        Restore = "restore",
    }
}

named! {
    /// Which tokens of the data set a mean is over.
    pub enum MeanOver as "way to take a mean", default Position {
        /// Those that play the role of the edited one.
        Position = "position",
        /// All but a beginning-of-sequence token.
        All = "all",
    }
}

/// `[sweep]`: what is done, and where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SweepSection {
    /// What is edited, by vene's, pyvene's or TransformerLens's names.
    pub components: Vec<String>,
    /// In which layers. Default: all.
    pub layers: Option<List>,
    /// In which heads, where the unit is one of heads. Default: all.
    pub heads: Option<List>,
    /// At which positions: numbers, roles, `all`, `aligned`.
    pub positions: Option<List>,
    /// The phrase of the base that positions such as `subject_last` are about, of one pair.
    pub subject: Option<String>,
    /// The phrase of each source that replaces it.
    pub source_subject: Vec<String>,
    /// Which occurrence of `subject` is meant, counted from 0.
    pub subject_occurrence: Option<usize>,
    /// Which occurrence of each `source_subject`.
    pub source_subject_occurrence: Vec<usize>,
    /// What is edited at once.
    pub unit: Option<SweepUnit>,
    /// What is done at each place.
    pub intervention: Option<SweepMethod>,
    /// Of `scaling`: the factor.
    pub factor: Option<f64>,
    /// Of `noise` and `restore`: the standard deviation.
    pub noise_sd: Option<f64>,
    /// Of `restore`: the standard deviation in units of that of the corrupted tokens' embeddings.
    pub noise_times: Option<f64>,
    /// Of `restore`: the tokens whose embeddings get the noise.
    pub corrupt: Option<Role>,
    /// Of `resample`, `noise` and `restore`: how many draws are averaged for each row.
    pub draws: Option<usize>,
    /// Of `mean`: over which tokens.
    pub mean_over: Option<MeanOver>,
    /// The tokens whose probabilities are followed, with their leading spaces.
    pub tokens: Vec<String>,
    /// Which runs are edited. Default: the base's.
    pub directions: Vec<Direction>,
    /// How many adjacent layers are edited at once. Default: 1.
    pub window: Option<usize>,
    /// What effects go through. Default: everything after the edit.
    pub effect: Option<EffectType>,
    /// Maps beside the first, of what should not matter.
    pub controls: Vec<Control>,
    /// Whether rows are left out in which two of `positions` are the same token.
    pub distinct_positions: Option<bool>,
}
