//! Which logits the plans of a pass need, and where to find them afterwards.
//!
//! Plans that end in the same row (all those that nothing could change end in their base's) share
//! it; plans that want the logits of the same tokens are served by one product.

use std::collections::HashMap;

use vene_model::{Choice, Component, Readout};

use super::rows::PackedRows;
use super::tree::{PlanRun, Tree};

/// What is asked of the decoder, and for whom.
#[derive(Default)]
pub(super) struct Readouts {
    whole: Vec<usize>,
    chosen: Vec<Choice>,
    /// For each job what it needs.
    jobs: Vec<Vec<Place>>,
    /// For reads of logits that belong to no plan their rows among the whole distributions.
    reads: HashMap<usize, Vec<usize>>,
}

/// Where the logits of a run's position are.
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

/// Whether a plan edits or collects its logits: then it has rows for itself.
fn touches_logits(end: &PlanRun<'_>) -> bool {
    let edits = end.plan.edits.iter().map(|edit| edit.site);
    let collects = end.plan.collects.iter().map(|collect| collect.site);
    edits.chain(collects).any(|site| site.component() == Component::Logits)
}

impl Readouts {
    pub(super) fn new(tree: &Tree<'_>, rows: &PackedRows) -> Self {
        let mut readouts = Self::default();
        let mut shared = RowOf::new();
        let mut choices: HashMap<(&[u32], bool), (usize, RowOf)> = HashMap::new();
        for end in &tree.ends {
            let own = touches_logits(end);
            let chosen = end.plan.outputs.chosen(end.example).filter(|_| !own);
            let mut places = Vec::new();
            for position in end.plan.logit_positions(end.example) {
                let packed = rows.place(tree, end.run, position);
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
            readouts.jobs.push(places);
        }
        for (index, read) in tree.reads.iter().enumerate() {
            if read.site.component() == Component::Logits && read.job.is_none() {
                let start = readouts.whole.len();
                readouts.whole.extend(rows.all_places(tree, read.run, &read.positions));
                readouts.reads.insert(index, (start..readouts.whole.len()).collect());
            }
        }
        readouts
    }

    /// What the decoder is asked for.
    pub(super) fn request(&self) -> Readout {
        Readout { whole: self.whole.clone(), chosen: self.chosen.clone() }
    }

    /// Where the logits of a job's position are.
    pub(super) fn place(&self, job: usize, position: usize) -> Option<Place> {
        self.jobs[job].iter().find(|place| place.position == position).copied()
    }

    /// The rows, among the whole distributions, of positions of a job that has them for itself.
    pub(super) fn whole_rows(&self, job: usize, positions: &[usize]) -> Vec<usize> {
        let row = |position: &usize| Some(self.place(job, *position)?.row);
        positions.iter().filter_map(row).collect()
    }

    /// The rows, among the whole distributions, of a read of logits.
    pub(super) fn rows_of_read(&self, tree: &Tree<'_>, read: usize) -> Vec<usize> {
        match tree.reads[read].job {
            Some(job) => self.whole_rows(job, &tree.reads[read].positions),
            None => self.reads.get(&read).cloned().unwrap_or_default(),
        }
    }
}
