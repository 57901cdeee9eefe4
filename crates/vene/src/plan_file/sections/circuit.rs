//! `[circuit]`: the edges of a model's graph, and how they are scored.

use serde::{Deserialize, Serialize};
use vene_circuit::{Ablation, EdgeMethod, GroupedKeys, NormOf};

use super::{List, positive};

/// `[circuit]`: which edges, and how they are scored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CircuitSection {
    /// How edges are scored. Default: exactly.
    pub method: Option<EdgeMethod>,
    /// Steps of integrated gradients.
    #[serde(deserialize_with = "positive")]
    pub steps: Option<usize>,
    /// Whose keys and values are told apart. Default: grouped.
    pub graph: Option<GroupedKeys>,
    /// Where edges are patched: `all` positions at once, or roles, each by itself. Default: all.
    pub positions: Option<List>,
    /// What senders add instead. Default: what they add in the row's source.
    pub ablation: Option<Ablation>,
    /// How a receiver's norm treats what is added. Default: recomputed.
    pub norm: Option<NormOf>,
    /// The senders whose edges are scored: names, `heads`, `mlps`. Default: all.
    pub senders: Option<List>,
    /// The receivers whose edges are scored: names, `heads`, `mlps`. Default: all.
    pub receivers: Option<List>,
}
