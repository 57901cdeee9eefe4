//! Which packed rows belong to which run, while a pass goes on.
//!
//! A fork has rows of its own only where it differs from its parent. At the site of an edit these are
//! the edited positions; what comes after them differs from the next attention on, in which later
//! positions look at the edited ones: the edit *spreads*. A position without a row of its own
//! is its parent's.
//!
//! Rows have a number for good: first those of the trunk, then others in the order in which they come. Where each lies
//! among the packed rows changes, as rows of the trunk come in and rows that nobody needs any more are dropped.

use std::collections::HashMap;
use std::ops::Range;

use super::needed::Needed;
use super::tree::{RunId, Step, Tree};

/// Stands for no row.
const NONE: u32 = u32::MAX;

/// The rows of all runs.
pub(super) struct PackedRows {
    /// By number where each row lies among the packed ones; [`NONE`] where it is not live.
    places: Vec<u32>,
    /// By number whose each row is.
    owners: Vec<RunId>,
    /// By place the number of each packed row.
    numbers: Vec<u32>,
    /// By place its position.
    positions: Vec<usize>,
    /// By place the length of its text, as far as rotary encodings depend on it.
    lengths: Vec<usize>,
    forks: Vec<ForkRows>,
}

/// The rows of a fork.
struct ForkRows {
    /// For each position its own row, where it has one; empty before it leaves its parent.
    own: Vec<u32>,
    /// Blocks, in whose attention its positions from one on begin to differ from its parent's.
    spreads: Vec<Spread>,
}

/// In this block's attention positions from `first` on begin to differ.
#[derive(Clone, Copy)]
struct Spread {
    block: usize,
    first: usize,
}

/// How packed rows are to be rearranged: some are kept, in this order, then rows of the trunk come in.
pub(super) struct Change {
    /// Places of the rows that are kept; `None` where all are.
    pub(super) kept: Option<Vec<usize>>,
    /// Rows of the trunk that come in.
    pub(super) entering: Vec<usize>,
}

/// Keys and values of rows that are kept from earlier passes, of so many first rows.
#[derive(Clone, Copy)]
pub(super) enum KeptKeys {
    /// Those that are looked at are taken.
    Some(usize),
    /// All of them are among the keys.
    All(usize),
}

/// For some runs the rows of all their positions, as attention needs them for keys.
#[derive(Default)]
pub(super) struct KeyPaths {
    /// Rows of the keys that attention is given: those that are taken from what was kept, then the packed ones.
    rows: Vec<u32>,
    ranges: HashMap<RunId, Range<usize>>,
    /// The rows of the trunk whose keys and values are taken from what was kept.
    pub(super) kept: Vec<usize>,
    /// Of runs of which a row is neither live nor kept, the first such position.
    broken: HashMap<RunId, usize>,
}

impl KeyPaths {
    /// Whether all rows of a run are there up to a position.
    pub(super) fn is_whole(&self, run: RunId, last: usize) -> bool {
        self.broken.get(&run).is_none_or(|first| *first > last)
    }

    /// A run's rows, position by position.
    pub(super) fn of(&self, run: RunId) -> &[u32] {
        self.ranges.get(&run).map_or(&[], |range| &self.rows[range.clone()])
    }
}

impl PackedRows {
    /// With these rows of the trunk.
    pub(super) fn new(tree: &Tree<'_>, live: &[u32]) -> Self {
        let trunk = tree.trunk.tokens().len();
        let mut owners = vec![RunId::Trunk(0); trunk];
        for (index, run) in tree.trunk.runs().iter().enumerate() {
            owners[run.own.clone()].fill(RunId::Trunk(index));
        }
        let fork = |_: &_| ForkRows { own: Vec::new(), spreads: Vec::new() };
        let mut rows = Self {
            places: vec![NONE; trunk],
            owners,
            numbers: Vec::new(),
            positions: Vec::new(),
            lengths: Vec::new(),
            forks: tree.forks.iter().map(fork).collect(),
        };
        live.iter().for_each(|&row| rows.push_of_trunk(tree, row));
        rows
    }

    fn push_of_trunk(&mut self, tree: &Tree<'_>, row: u32) {
        self.places[row as usize] = self.numbers.len() as u32;
        self.numbers.push(row);
        self.positions.push(tree.trunk.positions()[row as usize]);
        self.lengths.push(tree.trunk.lengths()[row as usize]);
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
    pub(super) fn owned(&self) -> impl Iterator<Item = (RunId, usize)> {
        self.numbers
            .iter()
            .map(|&row| self.owners[row as usize])
            .zip(self.positions.iter().copied())
    }

    /// Whether a fork has rows of its own.
    pub(super) fn has_left(&self, fork: usize) -> bool {
        !self.forks[fork].own.is_empty()
    }

    /// The number of the row of a run's position.
    fn row(&self, tree: &Tree<'_>, run: RunId, position: usize) -> u32 {
        let mut run = run;
        loop {
            match run {
                RunId::Trunk(run) => return tree.trunk.runs()[run].path[position],
                RunId::Fork(fork) => match self.forks[fork].own.get(position) {
                    Some(&row) if row != NONE => return row,
                    _ => run = tree.forks[fork].parent,
                },
            }
        }
    }

    /// The place of the row of a run's position, which is live.
    pub(super) fn place(&self, tree: &Tree<'_>, run: RunId, position: usize) -> usize {
        let place = self.places[self.row(tree, run, position) as usize];
        debug_assert_ne!(place, NONE, "position {position} of {run:?} is not live");
        place as usize
    }

    /// The places of the rows of a run's positions, which are live.
    pub(super) fn all_places(
        &self,
        tree: &Tree<'_>,
        run: RunId,
        positions: &[usize],
    ) -> Vec<usize> {
        positions.iter().map(|&position| self.place(tree, run, position)).collect()
    }

    /// Gives a fork rows of its own at these positions where it has none; `copied` is told of which
    /// packed row each is a copy.
    fn leave(
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
            let parent = self.place(tree, RunId::Fork(fork), position);
            copied.push(parent);
            let row = self.places.len() as u32;
            self.places.push(self.numbers.len() as u32);
            self.owners.push(RunId::Fork(fork));
            self.numbers.push(row);
            self.positions.push(position);
            self.lengths.push(self.lengths[parent]);
            self.forks[fork].own[position] = row;
        }
    }

    /// Gives a fork rows of its own from the first position on that a step edits inside a recurrent block.
    pub(super) fn leave_from(
        &mut self,
        tree: &Tree<'_>,
        fork: usize,
        step: usize,
        copied: &mut Vec<usize>,
    ) {
        let of_fork = &tree.forks[fork];
        if let Some(first) = of_fork.steps[step].positions().min() {
            self.leave(tree, fork, first..of_fork.length, copied);
        }
    }

    /// The place of the row of a run's position, or its number where it is not live.
    pub(super) fn live_place(
        &self,
        tree: &Tree<'_>,
        run: RunId,
        position: usize,
    ) -> Result<usize, usize> {
        let row = self.row(tree, run, position) as usize;
        match self.places[row] {
            NONE => Err(row),
            place => Ok(place as usize),
        }
    }

    /// Gives a fork rows of its own where a step edits, and remembers in which block's attention the edit
    /// spreads, if it does in any that matters.
    pub(super) fn leave_at(
        &mut self,
        tree: &Tree<'_>,
        fork: usize,
        step: &Step<'_>,
        spreads_in: Option<usize>,
        copied: &mut Vec<usize>,
    ) {
        self.leave(tree, fork, step.positions(), copied);
        let (Some(first), Some(block)) = (step.positions().min(), spreads_in) else { return };
        let spreads = &mut self.forks[fork].spreads;
        match spreads.iter_mut().find(|spread| spread.block == block) {
            Some(spread) => spread.first = spread.first.min(first),
            None => spreads.push(Spread { block, first }),
        }
    }

    /// The first position from which on a fork differs after a block's attention, if it begins to differ there.
    fn spreads_from(&self, fork: usize, block: usize) -> Option<usize> {
        let here = self.forks[fork].spreads.iter().filter(|spread| spread.block <= block);
        here.map(|spread| spread.first).min()
    }

    /// Whether a fork gets rows of its own in a block's attention.
    pub(super) fn spreads(&self, fork: usize, block: usize) -> bool {
        self.spreads_from(fork, block).is_some()
    }

    /// Spreads forks: each gets rows of its own wherever the attention of this block makes it differ; in the last block
    /// where it is needed.
    pub(super) fn spread(
        &mut self,
        tree: &Tree<'_>,
        block: usize,
        needed: Option<&Needed>,
        copied: &mut Vec<usize>,
    ) {
        // Parents come before their forks, so that a fork would copy a row that its parent has only
        // just been given; going backwards it copies what that one is a copy of.
        for fork in (0..self.forks.len()).rev() {
            let Some(first) = self.spreads_from(fork, block) else { continue };
            self.forks[fork].spreads.retain(|spread| spread.block > block);
            match needed {
                Some(needed) => {
                    let needed = needed.of(RunId::Fork(fork)).iter().copied();
                    self.leave(tree, fork, needed.filter(|&position| position >= first), copied);
                }
                None => self.leave(tree, fork, first..tree.forks[fork].length, copied),
            }
        }
    }

    /// The rows of the first so many positions of runs, as attention finds them among the keys: after those that are
    /// kept from earlier passes, of which only those that are looked at are taken.
    pub(super) fn key_paths(
        &self,
        tree: &Tree<'_>,
        runs: impl Iterator<Item = (RunId, usize)>,
        kept: KeptKeys,
    ) -> KeyPaths {
        /// Packed rows come after those that are kept; until it is known how many these are, they are marked.
        const PACKED: u32 = 1 << 31;
        let mut paths = KeyPaths::default();
        let mut taken = match kept {
            KeptKeys::Some(rows) => vec![NONE; rows],
            KeptKeys::All(_) => Vec::new(),
        };
        for (run, length) in runs {
            let start = paths.rows.len();
            for position in 0..length {
                let row = self.row(tree, run, position);
                paths.rows.push(match (kept, self.places[row as usize]) {
                    (KeptKeys::All(rows), _) if (row as usize) < rows => row,
                    (KeptKeys::Some(rows), _) if (row as usize) < rows => {
                        let taken = &mut taken[row as usize];
                        if *taken == NONE {
                            *taken = paths.kept.len() as u32;
                            paths.kept.push(row as usize);
                        }
                        *taken
                    }
                    (_, NONE) => {
                        paths.broken.entry(run).or_insert(position);
                        0
                    }
                    (_, place) => PACKED | place,
                });
            }
            paths.ranges.insert(run, start..paths.rows.len());
        }
        let kept = match kept {
            KeptKeys::Some(_) => paths.kept.len(),
            KeptKeys::All(rows) => rows,
        };
        for row in paths.rows.iter_mut().filter(|row| **row & PACKED != 0) {
            *row = (*row & !PACKED) + kept as u32;
        }
        paths
    }

    /// Rearranges the trunk's rows, so that these are live; of forks those rows stay that are still needed.
    /// Others may come in only where they are kept.
    pub(super) fn change_trunk(
        &mut self,
        tree: &Tree<'_>,
        live: &[u32],
        may_enter: bool,
        is_needed: &dyn Fn(usize) -> bool,
    ) -> Change {
        let stays = |row: u32| match self.owners[row as usize] {
            RunId::Fork(fork) => is_needed(fork),
            RunId::Trunk(_) => live.binary_search(&row).is_ok(),
        };
        let kept: Vec<usize> =
            (0..self.numbers.len()).filter(|&place| stays(self.numbers[place])).collect();
        let entering: Vec<u32> = live
            .iter()
            .copied()
            .filter(|&row| may_enter && self.places[row as usize] == NONE)
            .collect();
        let mut kept = (kept.len() < self.numbers.len()).then_some(kept);
        if let Some(kept) = &mut kept {
            if kept.is_empty() && entering.is_empty() {
                // Nobody reads on, but the pass has to end somehow; no operation likes no rows.
                kept.push(0);
            }
            self.keep_places(kept);
        }
        entering.iter().for_each(|&row| self.push_of_trunk(tree, row));
        Change { kept, entering: entering.into_iter().map(|row| row as usize).collect() }
    }

    /// Drops all rows but those that are needed after the last block's keys. Returns the places of those that are kept.
    pub(super) fn keep_only(&mut self, tree: &Tree<'_>, needed: &Needed) -> Vec<usize> {
        let mut places: Vec<usize> = Vec::new();
        for (run, positions) in needed.iter() {
            let rows = positions.iter().map(|&position| self.row(tree, run, position));
            let live = rows.map(|row| self.places[row as usize]).filter(|&place| place != NONE);
            places.extend(live.map(|place| place as usize));
        }
        places.sort_unstable_by_key(|&place| self.numbers[place]);
        places.dedup();
        if places.is_empty() {
            places.push(0);
        }
        self.keep_places(&places);
        places
    }

    fn keep_places(&mut self, kept: &[usize]) {
        self.numbers.iter().for_each(|&row| self.places[row as usize] = NONE);
        self.numbers = kept.iter().map(|&place| self.numbers[place]).collect();
        self.positions = kept.iter().map(|&place| self.positions[place]).collect();
        self.lengths = kept.iter().map(|&place| self.lengths[place]).collect();
        for (place, &row) in self.numbers.iter().enumerate() {
            self.places[row as usize] = place as u32;
        }
    }
}
