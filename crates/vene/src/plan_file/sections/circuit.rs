//! `[circuit]`: the edges of a model's graph, paths over them, and circuits made of them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use vene_circuit::{Ablation, EdgeMethod, GroupedKeys, Hypothesis, NormOf, RankBy, Through};

use super::{List, positive};

/// `[circuit]`: which edges, paths or circuits, and how they are measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CircuitSection {
    /// How edges are scored. Default: exactly.
    pub method: Option<EdgeMethod>,
    /// Steps of integrated gradients.
    #[serde(deserialize_with = "positive")]
    pub steps: Option<usize>,
    /// By gradients: the share of the edges that are patched exactly as well, drawn at random. Default: 0.01.
    pub check: Option<f64>,
    /// By gradients: how many of each row's largest estimates are patched exactly as well. Default: 20.
    pub check_largest: Option<usize>,
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
    /// Which nodes on the way from senders to receivers are computed anew. Default: none.
    pub through: Option<Through>,
    /// Whether all senders are patched together, rather than each by itself.
    pub together: Option<bool>,
    /// Scored edges that circuits are made of: a folder of edges, its `edges.parquet`, or a circuit's JSON or GraphML.
    pub edges: Option<PathBuf>,
    /// The metric whose effects rank the edges, where several were measured.
    pub by_metric: Option<String>,
    /// Which edges come first. Default: the largest.
    pub rank: Option<RankBy>,
    /// The sizes of circuits, as shares of the edges: `0.01,0.1,1`. Default: MIB's.
    pub shares: Option<List>,
    /// Whether edges on no way from the input to the logits are taken out. Default: they are.
    pub prune: Option<bool>,
    /// How many random circuits stand beside each. Default: 1.
    pub random: Option<usize>,
    /// In how many orders heads are patched one after the other. Default: none.
    pub shapley: Option<usize>,
    /// Hypotheses that a model is scrubbed by.
    pub hypotheses: Option<Vec<Hypothesis>>,
    /// How often each row's tree of a hypothesis is drawn. Default: 10.
    #[serde(deserialize_with = "positive")]
    pub draws: Option<usize>,
}
