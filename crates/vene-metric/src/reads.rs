//! What a metric reads of a run.

use std::fmt::{self, Display, Formatter};

use vene_data::Role;
use vene_model::Component;

/// What a metric reads of a run. Nothing else is in what it is shown ([`Observed`](super::Observed)).
///
/// ```
/// use vene::Component;
/// use vene::data::Role;
/// use vene::metric::Reads;
///
/// let reads = Reads::log_probabilities()
///     .with_foil()
///     .activation(Component::MlpOutput, 2, Role::Last);
/// assert!(reads.needs_answers());
/// assert_eq!(reads.activations().len(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// What of the answers, if anything.
    pub answers: Option<AnswerReads>,
    /// Whether wrong answers are read too.
    pub foil: bool,
    /// Whether each answer must be a single token.
    pub single_tokens: bool,
    /// Whether the distribution of the next token is read whole.
    pub distribution: bool,
    /// Whether that of the unedited run is read too.
    pub unedited: bool,
    /// Whether several runs are read together.
    pub batched: bool,
    /// The activations.
    pub sites: Vec<ReadSite>,
}

/// How much is read of answers' tokens, each more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnswerReads {
    /// Their logits: their rows of the unembedding.
    Logits,
    /// Their log-probabilities: all rows of the unembedding, summed on the fly.
    LogProbabilities,
    /// Their ranks and accuracies too: the whole distribution, for a moment.
    Ranks,
}

/// An activation that a metric reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSite {
    /// The component.
    pub component: Component,
    /// Its layer; `None` for components that a model has once.
    pub layer: Option<usize>,
    /// The position or positions, of an attention pattern the queries. In a sweep over one pair: [`Role::Last`] or
    /// [`Role::Index`].
    pub position: Role,
}

impl Reads {
    /// Nothing yet: to begin with where only activations are read.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// The logits of the answers' tokens; of answers of several tokens the log-probabilities.
    pub fn logits() -> Self {
        Self { answers: Some(AnswerReads::Logits), ..Self::default() }
    }

    /// The log-probabilities of the answers, and their logits.
    pub fn log_probabilities() -> Self {
        Self { answers: Some(AnswerReads::LogProbabilities), ..Self::default() }
    }

    /// The targets' ranks and accuracies among all tokens, and what [`Reads::log_probabilities`] has.
    pub fn ranks() -> Self {
        Self { answers: Some(AnswerReads::Ranks), ..Self::default() }
    }

    /// The whole next-token distribution after the prompt.
    pub fn distribution() -> Self {
        Self { distribution: true, ..Self::default() }
    }

    /// The unedited run's distribution too.
    #[must_use]
    pub fn with_unedited(mut self) -> Self {
        self.distribution = true;
        self.unedited = true;
        self
    }

    /// All runs of a batch are read together ([`Metric::values`](super::Metric::values)), rather than each as soon as it is
    /// there: for functions that cost more to call than to compute. Distributions are kept until then.
    #[must_use]
    pub fn batched(mut self) -> Self {
        self.batched = true;
        self
    }

    /// Rows need a foil.
    #[must_use]
    pub fn with_foil(mut self) -> Self {
        self.foil = true;
        self
    }

    /// Each answer must be a single token.
    #[must_use]
    pub fn of_single_tokens(mut self) -> Self {
        self.single_tokens = true;
        self
    }

    /// An activation of the edited run, as [`Plan::collect`](vene_engine::plan::Plan::collect) keeps it.
    #[must_use]
    pub fn activation(
        mut self,
        component: Component,
        layer: impl Into<Option<usize>>,
        position: Role,
    ) -> Self {
        self.sites.push(ReadSite { component, layer: layer.into(), position });
        self
    }

    /// Both; the other's activations stand behind one's own.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.answers = self.answers.max(other.answers);
        self.foil |= other.foil;
        self.single_tokens |= other.single_tokens;
        self.distribution |= other.distribution;
        self.unedited |= other.unedited;
        self.batched |= other.batched;
        self.sites.extend(other.sites);
        self
    }

    /// Whether a row needs a target.
    pub fn needs_answers(&self) -> bool {
        self.answers.is_some() || self.foil
    }

    /// Whether a row needs a foil.
    pub fn needs_foil(&self) -> bool {
        self.foil
    }

    /// Whether each answer must be a single token.
    pub fn needs_single_tokens(&self) -> bool {
        self.single_tokens
    }

    /// The activations, in the order in which the metric is shown them.
    pub fn activations(&self) -> &[ReadSite] {
        &self.sites
    }

    /// Whether the distribution is all that is read, each by itself: then the number is made as soon as the distribution is there,
    /// and the distribution is not kept.
    pub(super) fn in_passing(&self) -> bool {
        self.distribution && !self.batched && !self.needs_answers() && self.sites.is_empty()
    }

    /// Whether whole distributions are computed.
    pub(super) fn whole(&self) -> bool {
        self.distribution || self.answers == Some(AnswerReads::Ranks)
    }
}

/// What is read of the unembedding.
impl Display for Reads {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.answers {
            _ if self.whole() => "all rows",
            Some(AnswerReads::LogProbabilities) => "all rows, summed on the fly",
            Some(_) => "the answers' rows",
            None => "nothing",
        })
    }
}
