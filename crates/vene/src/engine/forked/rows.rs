//! Which packed rows belong to which run, while a pass goes on.
//!
//! A fork has rows of its own only where it differs from its stem. At the site of an edit these are
//! the edited positions; what lies behind them differs from the next attention on, in which later
//! positions look at the edited ones: the edit *spreads*. A position without a row of its own
//! is its stem's.
//!
//! Rows have a number for good, in the order in which they came; where each lies among the packed
//! rows changes once, when the last layer drops those that nobody needs any more.

use super::tree::{Stem, Tree};

/// Stands for no row.
const NONE: u32 = u32::MAX;

/// The rows of all runs.
pub(super) struct Rows {
    /// Where each row lies among the packed ones.
    packed: Vec<u32>,
    /// Whose each row is.
    owners: Vec<Stem>,
    /// The position of each packed row.
    positions: Vec<usize>,
    /// The length of each packed row's text, as far as rotary encodings depend on it.
    lengths: Vec<usize>,
    /// The number of each packed row.
    numbers: Vec<u32>,
    forks: Vec<ForkRows>,
}

/// The rows of a fork.
struct ForkRows {
    /// For each position its own row, where it has one; empty before it leaves its stem.
    own: Vec<u32>,
    /// From here on its positions differ from its stem's after the next attention.
    spread: Option<usize>,
    /// The same, but after the attention that follows the next one.
    spread_later: Option<usize>,
    /// The positions that are still needed, once that is known.
    needed: Option<Vec<usize>>,
}

/// For some runs the packed rows of all their positions, as attention needs them for keys.
pub(super) struct KeyPaths {
    rows: Vec<u32>,
    /// Where each run's rows begin and end: those of the trunk, then the forks.
    ranges: Vec<(usize, usize)>,
    trunk: usize,
}

impl KeyPaths {
    /// A run's rows, position by position.
    pub(super) fn of(&self, stem: Stem) -> &[u32] {
        let (start, end) = self.ranges[match stem {
            Stem::Trunk(run) => run,
            Stem::Fork(fork) => self.trunk + fork,
        }];
        &self.rows[start..end]
    }
}

impl Rows {
    pub(super) fn new(tree: &Tree<'_>) -> Self {
        let trunk = tree.trunk.tokens().len();
        let mut owners = vec![Stem::Trunk(0); trunk];
        for (index, run) in tree.trunk.runs().iter().enumerate() {
            owners[run.own.clone()].fill(Stem::Trunk(index));
        }
        let fork =
            |_: &_| ForkRows { own: Vec::new(), spread: None, spread_later: None, needed: None };
        Self {
            packed: (0..trunk as u32).collect(),
            numbers: (0..trunk as u32).collect(),
            owners,
            positions: tree.trunk.positions().to_vec(),
            lengths: tree.trunk.lengths().to_vec(),
            forks: tree.forks.iter().map(fork).collect(),
        }
    }

    /// The position of each packed row.
    pub(super) fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// The length of each packed row's text, as far as rotary encodings depend on it.
    pub(super) fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Of each packed row, whose it is and its position.
    pub(super) fn owned(&self) -> impl Iterator<Item = (Stem, usize)> {
        self.numbers
            .iter()
            .map(|&row| self.owners[row as usize])
            .zip(self.positions.iter().copied())
    }

    /// Whether a fork has left its stem.
    pub(super) fn has_left(&self, fork: usize) -> bool {
        !self.forks[fork].own.is_empty()
    }

    /// The number of the row of a run's position.
    fn row(&self, tree: &Tree<'_>, stem: Stem, position: usize) -> u32 {
        let mut stem = stem;
        loop {
            match stem {
                Stem::Trunk(run) => return tree.trunk.runs()[run].path[position],
                Stem::Fork(fork) => match self.forks[fork].own.get(position) {
                    Some(&row) if row != NONE => return row,
                    _ => stem = tree.forks[fork].stem,
                },
            }
        }
    }

    /// The packed row of a run's position.
    pub(super) fn packed(&self, tree: &Tree<'_>, stem: Stem, position: usize) -> usize {
        self.packed[self.row(tree, stem, position) as usize] as usize
    }

    /// The packed rows of a run's positions.
    pub(super) fn all_packed(
        &self,
        tree: &Tree<'_>,
        stem: Stem,
        positions: &[usize],
    ) -> Vec<usize> {
        positions.iter().map(|&position| self.packed(tree, stem, position)).collect()
    }

    /// Gives a fork rows of its own at these positions where it has none; `copied` is told of which
    /// packed row each is a copy.
    pub(super) fn leave(
        &mut self,
        tree: &Tree<'_>,
        fork: usize,
        positions: impl IntoIterator<Item = usize>,
        copied: &mut Vec<usize>,
    ) {
        if self.forks[fork].own.is_empty() {
            self.forks[fork].own = vec![NONE; tree.forks[fork].length];
        }
        for position in positions {
            if self.forks[fork].own[position] != NONE {
                continue;
            }
            let original = self.packed(tree, Stem::Fork(fork), position);
            copied.push(original);
            let row = self.packed.len() as u32;
            self.packed.push(self.positions.len() as u32);
            self.numbers.push(row);
            self.owners.push(Stem::Fork(fork));
            self.positions.push(position);
            self.lengths.push(self.lengths[original]);
            self.forks[fork].own[position] = row;
        }
    }

    /// Tells that a fork's positions from here on will differ after the next attention, or, where
    /// `later`, only after the one behind it.
    pub(super) fn will_spread(&mut self, fork: usize, from: usize, later: bool) {
        let fork = &mut self.forks[fork];
        let spread = if later { &mut fork.spread_later } else { &mut fork.spread };
        *spread = Some(spread.map_or(from, |first| first.min(from)));
    }

    /// Spreads all forks: each gets rows of its own wherever the attention that is about to be
    /// computed makes it differ. `keys` are the paths as they were before.
    pub(super) fn spread(&mut self, tree: &Tree<'_>, copied: &mut Vec<usize>) {
        // Stems come before their forks, so that a fork would copy a row that its stem has only
        // just been given; going backwards it copies what that one is a copy of.
        for fork in (0..self.forks.len()).rev() {
            if let Some(first) = self.forks[fork].spread.take() {
                match self.forks[fork].needed.clone() {
                    Some(needed) => {
                        let needed = needed.into_iter().filter(|&position| position >= first);
                        self.leave(tree, fork, needed, copied);
                    }
                    None => self.leave(tree, fork, first..tree.forks[fork].length, copied),
                }
            }
            self.forks[fork].spread = self.forks[fork].spread_later.take();
        }
    }

    /// The packed rows of all positions, of the trunk's runs and of the forks that are chosen.
    pub(super) fn key_paths(&self, tree: &Tree<'_>, chosen: impl Fn(usize) -> bool) -> KeyPaths {
        let runs = tree.trunk.runs();
        let mut paths = KeyPaths { rows: Vec::new(), ranges: Vec::new(), trunk: runs.len() };
        for run in runs {
            let start = paths.rows.len();
            paths.rows.extend(run.path.iter().map(|&row| self.packed[row as usize]));
            paths.ranges.push((start, paths.rows.len()));
        }
        for (index, fork) in tree.forks.iter().enumerate() {
            let start = paths.rows.len();
            if chosen(index) {
                let row = |position| self.packed(tree, Stem::Fork(index), position) as u32;
                paths.rows.extend((0..fork.length).map(row));
            }
            paths.ranges.push((start, paths.rows.len()));
        }
        paths
    }

    /// Drops all rows but those of these runs' positions, and of forks remembers that only these
    /// are needed. Returns the packed rows that are kept.
    pub(super) fn keep_only(
        &mut self,
        tree: &Tree<'_>,
        needed: impl Iterator<Item = (Stem, Vec<usize>)>,
    ) -> Vec<usize> {
        let mut kept = Vec::new();
        for (stem, positions) in needed {
            kept.extend(positions.iter().map(|&position| self.row(tree, stem, position)));
            if let Stem::Fork(fork) = stem {
                self.forks[fork].needed = Some(positions);
            }
        }
        kept.sort_unstable();
        kept.dedup();
        if kept.is_empty() {
            // Nobody reads on, but the pass has to end somehow; no operation likes no rows.
            kept.push(self.numbers[0]);
        }
        let rows: Vec<usize> = kept.iter().map(|&row| self.packed[row as usize] as usize).collect();
        self.positions = rows.iter().map(|&row| self.positions[row]).collect();
        self.lengths = rows.iter().map(|&row| self.lengths[row]).collect();
        self.packed.fill(NONE);
        for (place, &row) in kept.iter().enumerate() {
            self.packed[row as usize] = place as u32;
        }
        self.numbers = kept;
        rows
    }
}
