//! Which rows of the trunk are computed in which blocks.
//!
//! A row is needed where something is read of it, where a fork leaves it, and, unless its keys and values are kept from
//! an earlier pass, wherever a later position of its run looks back at it. What nobody needs is not computed: a
//! source's rows end with the last block that is read of them, and of a session's runs only those rows come in, at the
//! block at which they are needed.
//!
//! A block is two *stages*: up to its attention, and from there on. The last stage is what follows all blocks.

use std::ops::Range;

use vene_model::{BlockKind, Component, DecoderConfig, Site};

use super::needed::Needed;
use super::tree::{Fork, RunId, RunPosition, Step, Tree};

/// For each stage which rows of the trunk are live.
pub(super) struct Presence {
    /// Sets of rows, each ascending.
    sets: Vec<Vec<u32>>,
    /// By stage which of them is live from its beginning on.
    stages: Vec<usize>,
    /// For each fork the last stage of which anything is needed.
    forks: Vec<usize>,
    /// The first block that any row enters; the number of blocks where they enter behind all of them.
    pub(super) first: usize,
    /// The first block that nothing is needed of.
    pub(super) end: usize,
    /// Whether anything is read behind all blocks.
    pub(super) reads_output: bool,
}

/// The stage up to a block's attention.
pub(super) fn stage_before_attention(block: usize) -> usize {
    2 * block
}

/// The stage from a block's attention on.
pub(super) fn stage_after_attention(block: usize) -> usize {
    2 * block + 1
}

/// The stage in which a site is announced.
pub(super) fn stage_of(site: Site, config: &DecoderConfig) -> usize {
    match (site.component(), site.layer()) {
        (Component::Embedding, _) => 0,
        (_, None) => 2 * config.layers.len(),
        (_, Some(layer)) if site.is_by_step(config) => stage_after_attention(layer),
        (Component::BlockOutput, Some(layer)) => stage_before_attention(layer + 1),
        (component, Some(layer)) if component.is_before_rows_meet() => {
            stage_before_attention(layer)
        }
        (_, Some(layer)) => stage_after_attention(layer),
    }
}

/// The block in whose attention, or recurrence, an edit at a site makes later positions differ; the number of blocks
/// where there is none.
pub(super) fn spreads_in(site: Site, config: &DecoderConfig) -> usize {
    let blocks = config.layers.len();
    let next = match (site.component(), site.layer()) {
        (Component::Embedding, None) => 0,
        (_, None) => blocks,
        (component, Some(layer)) => {
            let is_here = component.is_seen_by_later_rows() || site.is_by_step(config);
            if is_here { layer } else { layer + 1 }
        }
    };
    let rows_meet = |block: &usize| config.layers[*block].kind != BlockKind::Feedforward;
    (next..blocks).find(rows_meet).unwrap_or(blocks)
}

impl Presence {
    /// Of a tree whose trunk is run in this pass, or was kept by an earlier one: then, for each block and what follows
    /// them all, whether rows can come in there.
    pub(super) fn of(
        tree: &Tree<'_>,
        config: &DecoderConfig,
        needed: &Needed,
        entrances: Option<&[bool]>,
    ) -> Self {
        let mut demand = Demand::new(tree, config, needed);
        demand.reads();
        for (index, fork) in tree.forks.iter().enumerate() {
            demand.sources(fork);
            demand.departures(index);
            if entrances.is_none() {
                demand.looked_back_at(index);
            }
        }
        match entrances {
            None => demand.look_back(0),
            Some(entrances) => demand.enter_where_kept(entrances),
        }
        demand.into_presence()
    }

    /// Of a tree whose trunk's rows from this one on are run in this pass, those before it having been kept; `keep` are the
    /// rows whose keys and values are to be kept of all blocks.
    pub(super) fn of_extension(
        tree: &Tree<'_>,
        config: &DecoderConfig,
        needed: &Needed,
        first: usize,
        keep: &[RunPosition],
    ) -> Self {
        let mut demand = Demand::new(tree, config, needed);
        demand.reads();
        for index in 0..tree.forks.len() {
            demand.departures(index);
        }
        for row in keep {
            demand.read(row.run, row.position, Moment::of_spread(config.layers.len() - 1));
        }
        demand.look_back(first);
        demand.into_presence()
    }

    /// Of rows that are all run through all blocks.
    pub(super) fn of_new_rows(rows: Range<usize>, config: &DecoderConfig) -> Self {
        let rows = rows.map(|row| row as u32).collect();
        let end = config.layers.len();
        let (sets, stages) = (vec![rows], vec![0; 2 * end + 1]);
        Self { sets, stages, forks: Vec::new(), first: 0, end, reads_output: false }
    }

    /// Whether anything of a fork is needed from a stage on.
    pub(super) fn needs(&self, fork: usize, stage: usize) -> bool {
        self.forks.get(fork).is_none_or(|last| *last >= stage)
    }

    /// Whether any fork is needed up to a stage and not after it.
    pub(super) fn ends_before(&self, stage: usize) -> bool {
        self.forks.iter().any(|last| *last + 1 == stage || *last + 2 == stage)
    }

    /// Whether a fork's later positions matter in the block in whose attention an edit makes them differ.
    pub(super) fn spreads(&self, fork: usize, block: usize) -> bool {
        stage_before_attention(block) <= self.forks[fork]
    }

    /// Which set of rows is live from the beginning of a stage on.
    pub(super) fn set_at(&self, stage: usize) -> usize {
        self.stages[stage]
    }

    /// A set of rows of the trunk, ascending.
    pub(super) fn set(&self, set: usize) -> &[u32] {
        &self.sets[set]
    }

    /// The set with which a pass begins.
    pub(super) fn initial(&self) -> usize {
        self.set_at(stage_before_attention(self.first))
    }
}

/// When something happens in a pass: the stage, and the order within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    stage: usize,
    order: usize,
}

impl Moment {
    const NEVER: Self = Self { stage: usize::MAX, order: 0 };

    /// When a site is announced.
    fn of(site: Site, config: &DecoderConfig) -> Self {
        let order = match site.component() {
            // What enters a block.
            Component::BlockOutput | Component::Embedding if !site.is_by_step(config) => 0,
            component => 2 * (component.rank() + 1),
        };
        Self { stage: stage_of(site, config), order }
    }

    /// When a fork has rows of its own where an edit at a site is made: before the block, if it is inside a recurrent one.
    fn of_leaving(site: Site, config: &DecoderConfig) -> Self {
        match site.layer() {
            Some(layer) if site.is_by_step(config) => Self::of_spread(layer),
            _ => Self::of(site, config),
        }
    }

    /// When forks get rows of their own in a block's attention: before its pattern is edited.
    fn of_spread(block: usize) -> Self {
        let order = 2 * (Component::AttentionScore.rank() + 1) - 1;
        Self { stage: stage_before_attention(block), order }
    }
}

/// Rows that are needed, by stage.
struct Demand<'a, 't> {
    tree: &'a Tree<'t>,
    config: &'a DecoderConfig,
    needed: &'a Needed,
    /// The last stage: behind all blocks.
    last: usize,
    stages: Vec<Vec<u32>>,
    /// For each fork and position since when it has a row of its own; filled where it is asked for.
    own: Vec<Option<Vec<Moment>>>,
    /// For each fork the last stage of which anything is needed.
    forks: Vec<usize>,
    /// The same of the whole pass.
    deepest: usize,
}

impl<'a, 't> Demand<'a, 't> {
    fn new(tree: &'a Tree<'t>, config: &'a DecoderConfig, needed: &'a Needed) -> Self {
        let (last, count) = (2 * config.layers.len(), tree.forks.len());
        let stages = vec![Vec::new(); last + 1];
        let mut demand = Self {
            tree,
            config,
            needed,
            last,
            stages,
            own: vec![None; count],
            forks: vec![0; count],
            deepest: 0,
        };
        demand.depths_of_forks();
        demand
    }

    fn depths_of_forks(&mut self) {
        let (tree, config) = (self.tree, self.config);
        for end in &tree.ends {
            let RunId::Fork(fork) = end.run else { continue };
            if !end.plan.logit_positions(end.example).is_empty() {
                self.forks[fork] = self.last;
            }
        }
        for read in &tree.reads {
            let RunId::Fork(fork) = read.run else { continue };
            self.forks[fork] = self.forks[fork].max(stage_of(read.site, config));
        }
        for edit in tree.edits() {
            for (run, _) in tree.read_in_passing(edit) {
                if let RunId::Fork(fork) = run {
                    let stage = stage_of(edit.edit().site, config);
                    self.forks[fork] = self.forks[fork].max(stage);
                }
            }
        }
        for (index, fork) in tree.forks.iter().enumerate().rev() {
            let stage = |step: &Step<'_>| match step.site.layer() {
                // A pattern is there when rows meet, whatever is needed of them then.
                Some(layer) if step.site.component().is_pattern() => stage_after_attention(layer),
                _ => stage_of(step.site, config),
            };
            let steps = fork.steps.iter().map(stage);
            let deepest = steps.max().unwrap_or(0).max(self.forks[index]);
            self.forks[index] = deepest;
            self.deepest = self.deepest.max(deepest);
            if let RunId::Fork(parent) = fork.parent {
                self.forks[parent] = self.forks[parent].max(deepest);
            }
        }
    }

    fn row(&mut self, run: usize, position: usize, stage: usize) {
        self.stages[stage].push(self.tree.trunk.runs()[run].path[position]);
        self.deepest = self.deepest.max(stage);
    }

    /// What plans read of their runs.
    fn reads(&mut self) {
        for end in &self.tree.ends {
            for position in end.plan.logit_positions(end.example) {
                self.read(end.run, position, Moment { stage: self.last, order: 0 });
            }
        }
        for read in &self.tree.reads {
            let moment = Moment::of(read.site, self.config);
            for &position in self.tree.positions_of(read).iter() {
                self.read(read.run, position, moment);
            }
        }
    }

    /// What edits of a fork read of other runs as they pass by.
    fn sources(&mut self, fork: &Fork<'_>) {
        let tree = self.tree;
        for edit in fork.steps.iter().flat_map(|step| &step.edits) {
            let moment = Moment::of(edit.edit().site, self.config);
            for (run, unit) in tree.read_in_passing(edit) {
                unit.positions.iter().for_each(|&position| self.read(run, position, moment));
            }
        }
    }

    /// A fork's rows look back at those of its run wherever it has none of its own yet.
    fn looked_back_at(&mut self, fork: usize) {
        let of_fork = &self.tree.forks[fork];
        let RunId::Trunk(run) = of_fork.parent else { return };
        for position in 0..of_fork.length {
            let until = self.own_since(fork, position).stage.min(self.forks[fork]);
            self.row(run, position, until);
        }
    }

    /// Rows of the trunk from which a fork's own are copied.
    fn departures(&mut self, index: usize) {
        let (tree, config) = (self.tree, self.config);
        let fork = &tree.forks[index];
        let mut spreads: Vec<(usize, usize)> = Vec::new();
        for step in &fork.steps {
            let moment = Moment::of_leaving(step.site, config);
            for position in step.positions() {
                self.read(fork.parent, position, moment);
            }
            for edit in &step.edits {
                if let Some(site) = edit.edit().reads_current() {
                    let moment = Moment::of(site, config);
                    for &position in &edit.unit().positions {
                        self.read(RunId::Fork(index), position, moment);
                    }
                }
            }
            let (Some(first), block) = (step.positions().min(), spreads_in(step.site, config))
            else {
                continue;
            };
            let is_new = !spreads.iter().any(|&(at, from)| at <= block && from <= first);
            if is_new && stage_before_attention(block) <= self.forks[index] {
                spreads.push((block, first));
                self.spread(index, block, first);
            }
        }
    }

    /// The rows that a fork copies in a block's attention; in the last block only some are needed.
    fn spread(&mut self, index: usize, block: usize, first: usize) {
        let (tree, config) = (self.tree, self.config);
        let fork = &tree.forks[index];
        let moment = Moment::of_spread(block);
        if block + 1 == config.layers.len() && self.needed.narrows {
            for &position in self.needed.of(RunId::Fork(index)) {
                if position >= first {
                    self.read(fork.parent, position, moment);
                }
            }
        } else if block < config.layers.len() {
            (first..fork.length).for_each(|position| self.read(fork.parent, position, moment));
        }
    }

    /// A row that is read of a run: the trunk's, unless a fork has one of its own by then.
    fn read(&mut self, run: RunId, position: usize, moment: Moment) {
        let tree = self.tree;
        self.deepest = self.deepest.max(moment.stage);
        for run in tree.line(run) {
            match run {
                RunId::Trunk(run) => return self.row(run, position, moment.stage),
                RunId::Fork(fork) => {
                    // At the moment at which it leaves, its row is being copied.
                    if self.own_since(fork, position) < moment {
                        return;
                    }
                }
            }
        }
    }

    fn own_since(&mut self, fork: usize, position: usize) -> Moment {
        let (tree, config) = (self.tree, self.config);
        let since = self.own[fork].get_or_insert_with(|| {
            let fork = &tree.forks[fork];
            let mut since = vec![Moment::NEVER; fork.length];
            for step in &fork.steps {
                let moment = Moment::of_leaving(step.site, config);
                for position in step.positions() {
                    since[position] = since[position].min(moment);
                }
                let block = spreads_in(step.site, config);
                let spread = Moment::of_spread(block);
                if let (Some(first), true) = (step.positions().min(), block < config.layers.len()) {
                    for moment in &mut since[first..] {
                        *moment = (*moment).min(spread);
                    }
                }
            }
            since
        });
        since.get(position).copied().unwrap_or(Moment::NEVER)
    }

    fn into_presence(mut self) -> Presence {
        for rows in &mut self.stages {
            rows.sort_unstable();
            rows.dedup();
        }
        let first = self.stages.iter().position(|rows| !rows.is_empty()).unwrap_or(0) / 2;
        let reads_output = self.deepest == self.last;
        let end = if reads_output { self.config.layers.len() } else { self.deepest / 2 + 1 };
        let (mut sets, mut stages): (Vec<Vec<u32>>, Vec<usize>) = (Vec::new(), Vec::new());
        for rows in self.stages {
            if sets.last() != Some(&rows) {
                sets.push(rows);
            }
            stages.push(sets.len() - 1);
        }
        Presence { sets, stages, forks: self.forks, first, end, reads_output }
    }

    /// A row that is run is run from the beginning, and all rows that come before it in its text are beside it, from the
    /// first that is not kept on.
    fn look_back(&mut self, first: usize) {
        let rows = self.tree.trunk.tokens().len();
        let mut through: Vec<Option<usize>> = vec![None; rows];
        for (stage, needed) in self.stages.iter().enumerate() {
            for &row in needed {
                through[row as usize] = Some(stage);
            }
        }
        // The row before each: a text's rows are in the order of their positions.
        for run in self.tree.trunk.runs().iter().rev() {
            for pair in run.path.windows(2).rev() {
                let (before, row) = (pair[0] as usize, pair[1] as usize);
                if before < first {
                    break;
                }
                through[before] = through[before].max(through[row]);
            }
        }
        for (stage, needed) in self.stages.iter_mut().enumerate() {
            needed.clear();
            let goes_on = |row: &u32| through[*row as usize].is_some_and(|last| last >= stage);
            needed.extend((first as u32..rows as u32).filter(goes_on));
        }
    }

    /// A row comes in where the residual stream is kept, at the block that needs it or before that.
    fn enter_where_kept(&mut self, entrances: &[bool]) {
        for stage in (1..=self.last).rev() {
            self.stages[stage].sort_unstable();
            self.stages[stage].dedup();
            let is_entrance = stage % 2 == 0 && entrances[stage / 2];
            if !is_entrance {
                let needed = self.stages[stage].clone();
                self.stages[stage - 1].extend(needed);
            }
        }
    }
}
