//! Which logits the leaves of a pass need, and where to find them afterwards.
//!
//! Leaves that end in the same row (all those that nothing could change end in their base's) share
//! it; leaves that want the logits of the same tokens are served by one product.

use std::collections::HashMap;

use vene_model::{Choice, Component, Readout};

use super::rows::Rows;
use super::tree::{Leaf, Tree};

/// What is asked of the decoder, and for whom.
#[derive(Default)]
pub(super) struct Readouts {
    whole: Vec<usize>,
    chosen: Vec<Choice>,
    /// For each leaf what it needs.
    leaves: Vec<Vec<Place>>,
}

/// Where the logits of a leaf's position are.
#[derive(Clone, Copy)]
pub(super) struct Place {
    position: usize,
    pub(super) of: Kind,
    /// The row among those of its kind.
    pub(super) row: usize,
}

/// Among which logits.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Whole distributions.
    Whole,
    /// A choice.
    Choice(usize),
}

/// By packed row, which of the rows of a kind it is.
type RowOf = HashMap<usize, usize>;

/// Whether a leaf edits or collects its logits: then it has rows for itself.
fn touches_logits(leaf: &Leaf<'_>) -> bool {
    let edits = leaf.plan.edits.iter().map(|edit| edit.site);
    let collects = leaf.plan.collects.iter().map(|collect| collect.site);
    edits.chain(collects).any(|site| site.component() == Component::Logits)
}

impl Readouts {
    pub(super) fn new(tree: &Tree<'_>, rows: &Rows) -> Self {
        let mut readouts = Self::default();
        let mut shared = RowOf::new();
        let mut choices: HashMap<(&[u32], bool), (usize, RowOf)> = HashMap::new();
        for leaf in &tree.leaves {
            let own = touches_logits(leaf);
            let chosen = leaf.plan.outputs.chosen(leaf.example).filter(|_| !own);
            let mut places = Vec::new();
            for position in leaf.plan.logit_positions(leaf.example) {
                let packed = rows.packed(tree, leaf.stem, position);
                let (of, row) = match chosen {
                    None => {
                        let next = readouts.whole.len();
                        let row = if own { next } else { *shared.entry(packed).or_insert(next) };
                        if row == next {
                            readouts.whole.push(packed);
                        }
                        (Kind::Whole, row)
                    }
                    Some((tokens, normalised)) => {
                        let next = readouts.chosen.len();
                        let (choice, known) = choices
                            .entry((tokens, normalised))
                            .or_insert_with(|| (next, RowOf::new()));
                        if *choice == next {
                            let (rows, tokens) = (Vec::new(), tokens.to_vec());
                            readouts.chosen.push(Choice { rows, tokens, normalised });
                        }
                        let rows = &mut readouts.chosen[*choice].rows;
                        let row = *known.entry(packed).or_insert(rows.len());
                        if row == rows.len() {
                            rows.push(packed);
                        }
                        (Kind::Choice(*choice), row)
                    }
                };
                places.push(Place { position, of, row });
            }
            readouts.leaves.push(places);
        }
        readouts
    }

    /// What the decoder is asked for.
    pub(super) fn request(&self) -> Readout {
        Readout { whole: self.whole.clone(), chosen: self.chosen.clone() }
    }

    /// Where the logits of a leaf's position are.
    pub(super) fn place(&self, leaf: usize, position: usize) -> Option<Place> {
        self.leaves[leaf].iter().find(|place| place.position == position).copied()
    }

    /// The rows, among the whole distributions, of positions of a leaf that has them for itself.
    pub(super) fn whole_rows(&self, leaf: usize, positions: &[usize]) -> Vec<usize> {
        let row = |position: &usize| Some(self.place(leaf, *position)?.row);
        positions.iter().filter_map(row).collect()
    }
}
