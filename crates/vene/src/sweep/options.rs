//! What a sweep does, said exactly: papers differ in each of these, and so do their results.

use vene_named::named;

named! {
    /// What is edited at once in each cell.
    pub enum SweepUnit as "unit", default Position {
        /// One position, all heads.
        Position = "pos",
        /// One head, all positions.
        Head = "h",
        /// One head at one position.
        HeadPosition = "h.pos",
    }
}

impl SweepUnit {
    /// What is edited at once, in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Position => "one position at a time",
            Self::Head => "one head at a time",
            Self::HeadPosition => "one head at one position",
        }
    }
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
        /// A change of the same size as the method's, in a random direction.
        RandomDirection = "random",
    }
}
