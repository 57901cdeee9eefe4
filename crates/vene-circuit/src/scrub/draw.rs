//! Which rows stand in for a row, and which of them is drawn.
//!
//! A draw depends on its place in the tree alone: on the draws above it, the input that reads, the node, the position. So the same rows are drawn
//! in any order and any chunks, and a plain evaluator that follows the tree node by node draws the same.

use std::collections::HashMap;

use vene_data::PreparedRow;
use vene_random::Draws;

use super::resolved::{Entrance, Node, Resolved};

/// The rows that agree with a row, of all nodes of a hypothesis.
#[derive(Clone, Debug)]
pub(super) struct Candidates {
    /// By how many tokens rows have.
    by_length: HashMap<usize, Vec<usize>>,
    by_node: Vec<HashMap<Key, Vec<usize>>>,
}

/// Tokens, the position where it matters, and the values of features.
type Key = (usize, Option<usize>, Vec<Vec<u8>>);

/// How many rows stand in for rows, on average over rows (and positions).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    /// Rows that agree, the row itself among them.
    pub(super) candidates: f64,
    /// The share of rows (and positions) with which no other agrees.
    pub(super) alone: f64,
}

impl Candidates {
    pub(super) fn of(hypothesis: &Resolved, rows: &[PreparedRow]) -> Self {
        let mut by_length: HashMap<usize, Vec<usize>> = HashMap::new();
        for (number, row) in rows.iter().enumerate() {
            by_length.entry(row.base.len()).or_default().push(number);
        }
        let of_node = |node: &Node| {
            let mut found: HashMap<Key, Vec<usize>> = HashMap::new();
            for (number, row) in rows.iter().enumerate() {
                for position in positions(node, row) {
                    found.entry(key(node, row, position)).or_default().push(number);
                }
            }
            found
        };
        Self { by_length, by_node: hypothesis.nodes.iter().map(of_node).collect() }
    }

    /// A row that agrees with a row at a position, drawn by a key.
    pub(super) fn draw(
        &self,
        (number, node): (usize, &Node),
        row: &PreparedRow,
        position: Option<usize>,
        drawn_by: u64,
    ) -> usize {
        pick(self.by_node[number].get(&key(node, row, position)), drawn_by)
    }

    /// Any row of as many tokens.
    pub(super) fn any(&self, row: &PreparedRow, drawn_by: u64) -> usize {
        pick(self.by_length.get(&row.base.len()), drawn_by)
    }

    pub(super) fn choice(&self, number: usize) -> Choice {
        let found = &self.by_node[number];
        let places: usize = found.values().map(Vec::len).sum();
        let squares: usize = found.values().map(|rows| rows.len() * rows.len()).sum();
        let alone = found.values().filter(|rows| rows.len() == 1).count();
        let share = |count: usize| count as f64 / places.max(1) as f64;
        Choice { candidates: share(squares), alone: share(alone) }
    }
}

fn positions(node: &Node, row: &PreparedRow) -> Vec<Option<usize>> {
    match node.is_by_position() {
        true => (0..row.base.len()).map(Some).collect(),
        false => vec![None],
    }
}

fn key(node: &Node, row: &PreparedRow, position: Option<usize>) -> Key {
    let value = |feature: &super::Feature| feature.value(row, position.unwrap_or(0));
    (row.base.len(), position, node.agrees.iter().map(value).collect())
}

/// Every row that is asked about is one of those that were looked at, so that it is among its own candidates.
fn pick(candidates: Option<&Vec<usize>>, drawn_by: u64) -> usize {
    let candidates = candidates.map_or(&[][..], Vec::as_slice);
    match candidates.len() {
        0 => 0,
        count => candidates[Draws::new([drawn_by]).below(count)],
    }
}

/// Of a row's tree.
pub(super) fn of_root(seed: u64, row: &PreparedRow, draw: usize) -> u64 {
    Draws::new([seed, row.index as u64, draw as u64]).bits()
}

/// Of a node that is read at an entrance; at a position, where rows are drawn for each by itself.
pub(super) fn of_child(key: u64, entrance: Entrance, node: usize, position: Option<usize>) -> u64 {
    let position = position.map_or(0, |position| position as u64 + 1);
    Draws::new([key, entrance as u64, node as u64 + 1, position]).bits()
}

/// Of the row from which all is taken that no node claims at an entrance.
pub(super) fn of_other(key: u64, entrance: Entrance) -> u64 {
    Draws::new([key, entrance as u64]).bits()
}
