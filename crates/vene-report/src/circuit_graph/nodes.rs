//! The edges that are shown, and the nodes that they join.

use std::collections::BTreeSet;

use vene_table::Table;

use super::CircuitGraph;
use crate::{FigureError, metric};

/// A node, in the order from the bottom to the top; heads from left to right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    Input,
    Head { layer: usize, is_shared: bool, head: usize },
    Mlp { layer: usize },
    Logits,
}

impl Node {
    /// The row in which it stands: a layer's heads are below its MLP.
    pub(super) fn row(&self) -> (usize, u8) {
        match self {
            Self::Input => (0, 0),
            Self::Head { layer, .. } => (layer + 1, 0),
            Self::Mlp { layer } => (layer + 1, 1),
            Self::Logits => (usize::MAX, 0),
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Input => "input".to_owned(),
            Self::Head { layer, is_shared: false, head } => format!("a{layer}.h{head}"),
            Self::Head { layer, is_shared: true, head } => format!("a{layer}.kv{head}"),
            Self::Mlp { layer } => format!("m{layer}"),
            Self::Logits => "logits".to_owned(),
        }
    }

    /// The node of a sender or receiver.
    fn of(name: &str) -> Option<Self> {
        let bare = name.split('<').next()?;
        match bare {
            "input" => return Some(Self::Input),
            "logits" => return Some(Self::Logits),
            _ => {}
        }
        if let Some(layer) = bare.strip_prefix('m') {
            return Some(Self::Mlp { layer: layer.parse().ok()? });
        }
        let (layer, head) = bare.strip_prefix('a')?.split_once('.')?;
        let layer = layer.parse().ok()?;
        if let Some(head) = head.strip_prefix("kv") {
            return Some(Self::Head { layer, is_shared: true, head: head.parse().ok()? });
        }
        Some(Self::Head { layer, is_shared: false, head: head.strip_prefix('h')?.parse().ok()? })
    }
}

/// An edge that is shown.
pub(super) struct ShownEdge {
    pub(super) from: Node,
    pub(super) to: Node,
    pub(super) value: f64,
    /// As the table has it.
    pub(super) name: String,
}

/// All that is shown, the largest edge last.
pub(super) struct Shown {
    pub(super) edges: Vec<ShownEdge>,
    pub(super) nodes: BTreeSet<Node>,
}

impl Shown {
    pub(super) fn of(graph: &CircuitGraph, table: &Table) -> Result<Self, FigureError> {
        if table.is_empty() {
            return Err(FigureError::Empty);
        }
        let table = metric::rows_of(table, graph.metric.as_deref())?;
        let (sender, receiver) = (table.text("sender")?, table.text("receiver")?);
        let values = table.optional_floats(&graph.value)?;
        let position = if table.has("position") { Some(table.text("position")?) } else { None };
        let is_one_place =
            position.as_ref().is_none_or(|at| at.iter().all(|other| *other == at[0]));
        let mut edges = Vec::new();
        for (row, value) in values.into_iter().enumerate() {
            let Some(value) = value.filter(|value| value.is_finite() && *value != 0.0) else {
                continue;
            };
            let node = |name: &str| {
                Node::of(name).ok_or_else(|| FigureError::NoNode { name: name.to_owned() })
            };
            let (from, to) = (node(sender[row])?, node(receiver[row])?);
            let mut name = format!("{} -> {}", sender[row], receiver[row]);
            if let (Some(at), false) = (&position, is_one_place) {
                name.push_str(&format!(" at {}", at[row]));
            }
            edges.push(ShownEdge { from, to, value, name });
        }
        if edges.is_empty() {
            return Err(FigureError::NoNumber { column: graph.value.clone() });
        }
        edges.sort_by(|a, b| b.value.abs().total_cmp(&a.value.abs()));
        edges.truncate(graph.most.max(1));
        edges.reverse();
        let ends = edges.iter().flat_map(|edge| [edge.from.clone(), edge.to.clone()]);
        let nodes = ends.collect();
        Ok(Self { edges, nodes })
    }
}
