//! Which logits the plans of a pass need, and where to find them afterwards.
//!
//! Plans that end in the same row (all those that nothing could change end in their base's) share
//! it; plans that want the logits of the same tokens are served by one product.

use std::collections::HashMap;

use vene_model::{Choice, Component, Readout};

use super::rows::PackedRows;
use super::tree::{PlanRun, RunId, SiteRead, Tree};

/// What is asked of the decoder, and for whom.
#[derive(Default)]
pub(super) struct Readouts {
    /// Packed rows.
    whole: Vec<usize>,
    chosen: Vec<Choice>,
    /// For each job what it needs.
    jobs: Vec<Vec<Place>>,
    /// For reads of logits their rows among the whole distributions.
    reads: HashMap<usize, Vec<usize>>,
    /// The same for forks that edit their logits, by fork and position.
    edited: HashMap<(usize, usize), usize>,
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

/// Whether a plan's run needs whole distributions, whatever is read of them.
fn needs_whole(tree: &Tree<'_>, end: &PlanRun<'_>) -> bool {
    let is_logits = |read: &SiteRead<'_>| read.site.component() == Component::Logits;
    tree.edits_logits(end.run).is_some() || tree.reads[end.reads.clone()].iter().any(is_logits)
}

impl Readouts {
    pub(super) fn new(tree: &Tree<'_>, rows: &PackedRows) -> Self {
        let mut readouts = Self::default();
        let mut wholes = Wholes::default();
        let mut choices: HashMap<(&[u32], bool), (usize, RowOf)> = HashMap::new();
        for end in &tree.ends {
            let chosen = end.plan.outputs.chosen(end.example);
            let chosen = chosen.filter(|_| !needs_whole(tree, end));
            let mut places = Vec::new();
            for position in end.plan.logit_positions(end.example) {
                let packed = rows.place(tree, end.run, position);
                let (of, row) = match chosen {
                    None => (Kind::Whole, wholes.row(tree, end.run, position, packed)),
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
            if read.site.component() == Component::Logits {
                let places = rows.all_places(tree, read.run, &read.positions).into_iter();
                let rows = places.zip(read.positions.iter());
                let rows =
                    rows.map(|(packed, &position)| wholes.row(tree, read.run, position, packed));
                readouts.reads.insert(index, rows.collect());
            }
        }
        // Of edited logits all rows are there, whoever reads them.
        for (fork, of_fork) in tree.forks.iter().enumerate() {
            let run = RunId::Fork(fork);
            let Some(step) = of_fork.steps.last().filter(|_| tree.edits_logits(run).is_some())
            else {
                continue;
            };
            for position in step.positions() {
                wholes.row(tree, run, position, rows.place(tree, run, position));
            }
        }
        Self { whole: wholes.packed, edited: wholes.edited, ..readouts }
    }

    /// What the decoder is asked for.
    pub(super) fn request(&self) -> Readout {
        Readout { whole: self.whole.clone(), chosen: self.chosen.clone() }
    }

    /// Where the logits of a job's position are.
    pub(super) fn place(&self, job: usize, position: usize) -> Option<Place> {
        self.jobs[job].iter().find(|place| place.position == position).copied()
    }

    /// The rows, among the whole distributions, of positions of a fork that edits them.
    pub(super) fn edited_rows(&self, fork: usize, positions: &[usize]) -> Vec<usize> {
        let row = |&position: &usize| self.edited.get(&(fork, position)).copied();
        positions.iter().filter_map(row).collect()
    }

    /// The rows, among the whole distributions, of a read of logits.
    pub(super) fn rows_of_read(&self, read: usize) -> &[usize] {
        self.reads.get(&read).map_or(&[], Vec::as_slice)
    }
}

/// Whole distributions that are asked for: those of equal packed rows once, those that a fork edits for itself.
#[derive(Default)]
struct Wholes {
    packed: Vec<usize>,
    shared: RowOf,
    edited: HashMap<(usize, usize), usize>,
}

impl Wholes {
    /// Which of the whole distributions that of a run's position is, which lies in this packed row.
    fn row(&mut self, tree: &Tree<'_>, run: RunId, position: usize, packed: usize) -> usize {
        let next = self.packed.len();
        let row = match tree.edits_logits(run) {
            Some(fork) => *self.edited.entry((fork, position)).or_insert(next),
            None => *self.shared.entry(packed).or_insert(next),
        };
        if row == next {
            self.packed.push(packed);
        }
        row
    }
}
