//! The figures of edges.

use vene::Outline;
use vene::circuit::EdgeScores;
use vene_table::Table;

/// The names of all figures.
pub fn names() -> Vec<String> {
    Vec::new()
}

/// Draws the figures of a summary.
pub fn draw(_: &Table, _: &EdgeScores, _: &Outline) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    Ok(Vec::new())
}
