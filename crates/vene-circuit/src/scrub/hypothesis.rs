//! A hypothesis of how a model computes an answer: an interpretation graph, as people write it.
//!
//! Each node claims that some senders, taken together, depend on the input only through what the node *agrees* on, and that what they read matters only
//! through the nodes that they are said to read. Chan et al. 2022, *Causal scrubbing*, call it (G, I, c): G is the model's graph, I are the nodes, and
//! c is `senders`.
//!
//! ```toml
//! name = "induction"
//! logits = ["induction"]
//!
//! [nodes.induction]
//! senders = ["a1.h5", "a1.h6"]
//! query = ["current"]
//! key = ["previous"]
//! value = ["current"]
//! agrees = ["prefix"]
//!
//! [nodes.previous]
//! senders = ["a0.h3"]
//! agrees = ["token-1"]
//!
//! [nodes.current]
//! senders = ["input"]
//! agrees = ["token"]
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An interpretation graph.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hypothesis {
    /// What tables call it.
    #[serde(default)]
    pub name: String,
    /// The nodes that the logits read. Whatever else they read is taken from another row.
    pub logits: Vec<String>,
    /// The nodes of these that are still read in the baseline, which recovers nothing. Default: none, so that the baseline says what it says of another row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baseline: Vec<String>,
    /// All nodes by name.
    #[serde(default)]
    pub nodes: BTreeMap<String, Claim>,
}

/// A node: what some senders compute, by the hypothesis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The senders: `input`, `a5.h1`, `m5`; `heads`, `mlps`, or `rest`, all that no other node read beside it has.
    pub senders: Vec<String>,
    /// What a row must share with the row that it stands for: `token`, `token-1`, `prefix` at each position by itself; `tokens`, `target`, `foil`, `group`, a
    /// role such as `subject`. Default: nothing, so that any row will do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agrees: Vec<String>,
    /// The nodes that all inputs of its senders read. Default: senders read what they read in the row itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Vec<String>>,
    /// The nodes that its heads' queries read. Default: as `reads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<Vec<String>>,
    /// The nodes that its heads' keys read. Default: as `reads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<String>>,
    /// The nodes that its heads' values read. Default: as `reads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Vec<String>>,
}

impl Claim {
    /// Of senders, which depend on what is named.
    pub fn new(
        senders: impl IntoIterator<Item = impl Into<String>>,
        agrees: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            senders: senders.into_iter().map(Into::into).collect(),
            agrees: agrees.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// The nodes that all its inputs read.
    #[must_use]
    pub fn reads(self, nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { reads: Some(nodes.into_iter().map(Into::into).collect()), ..self }
    }

    /// The nodes that its queries read.
    #[must_use]
    pub fn query(self, nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { query: Some(nodes.into_iter().map(Into::into).collect()), ..self }
    }

    /// The nodes that its keys read.
    #[must_use]
    pub fn key(self, nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { key: Some(nodes.into_iter().map(Into::into).collect()), ..self }
    }

    /// The nodes that its values read.
    #[must_use]
    pub fn value(self, nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { value: Some(nodes.into_iter().map(Into::into).collect()), ..self }
    }
}

/// What is wrong with a hypothesis.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum HypothesisError {
    /// A name that no node has.
    #[error(
        "{place} names the node `{node}`, and there is none of this name: the nodes are {known}"
    )]
    NoNode {
        /// Who names it.
        place: String,
        /// The name.
        node: String,
        /// All names.
        known: String,
    },
    /// A node that is named twice in a list.
    #[error("{place} names `{node}` twice")]
    Twice {
        /// Who names it.
        place: String,
        /// The name.
        node: String,
    },
    /// A node that nobody reads.
    #[error(
        "no node reads `{node}`, and the logits do not either: name it where it is read, or take it out"
    )]
    Unread {
        /// The node.
        node: String,
    },
    /// A node that reads itself.
    #[error("the node `{node}` reads itself, by way of what it reads")]
    Circle {
        /// The node.
        node: String,
    },
    /// A name that is no sender of the model.
    #[error("the node `{node}` has the sender `{sender}`: {problem}")]
    Sender {
        /// The node.
        node: String,
        /// As it was written.
        sender: String,
        /// What is wrong.
        problem: String,
    },
    /// A node without senders.
    #[error("the node `{node}` has no sender: give `senders`, such as [\"a5.h1\"]")]
    NoSender {
        /// The node.
        node: String,
    },
    /// `rest` beside other things.
    #[error(
        "the node `{node}` is the rest of what is read: it has no other senders, and reads the row itself"
    )]
    Rest {
        /// The node.
        node: String,
    },
    /// Two nodes that claim one sender for the same reader.
    #[error("{place} reads `{first}` and `{second}`, and both have the sender {sender}")]
    Shared {
        /// Who reads.
        place: String,
        /// A node.
        first: String,
        /// The other.
        second: String,
        /// The sender.
        sender: String,
    },
    /// A node that is read where it is not computed yet.
    #[error("{place} reads `{node}`, of which no sender is computed before it")]
    Later {
        /// Who reads.
        place: String,
        /// The node.
        node: String,
    },
    /// Inputs of heads for senders that are none.
    #[error("the node `{node}` says what its {input} reads, and has no head: give `reads`")]
    NoHead {
        /// The node.
        node: String,
        /// `query`, `key`, `value`.
        input: &'static str,
    },
    /// Inputs of senders that have none.
    #[error(
        "the node `{node}` says what it reads, and its sender is the input, which reads nothing"
    )]
    ReadsNothing {
        /// The node.
        node: String,
    },
    /// A feature that is not known.
    #[error(
        "the node `{node}` agrees on `{feature}`, which is none: give token, token-1, prefix, tokens, target, foil, group or a role such as subject_last"
    )]
    Feature {
        /// The node.
        node: String,
        /// As it was written.
        feature: String,
    },
    /// A feature that may be a role.
    #[error(
        "the node `{node}` agrees on `{feature}`, and rows have a span of this name: give one of its roles, such as `{feature}_last`"
    )]
    AmbiguousFeature {
        /// The node.
        node: String,
        /// The feature.
        feature: String,
    },
    /// A baseline of other nodes.
    #[error(
        "the baseline names `{node}`, which the logits do not read: it has some of the nodes of `logits`"
    )]
    Baseline {
        /// The node.
        node: String,
    },
    /// So many ways through the graph that it cannot be run.
    #[error(
        "the hypothesis has {paths} or more ways from the logits to its nodes, each drawn by itself: at most {most} can be run"
    )]
    TooManyPaths {
        /// How many at least.
        paths: usize,
        /// How many can be run.
        most: usize,
    },
}

vene_named::debug_as_sentence!(HypothesisError);
