//! One pass: the runs that are computed together, and what is done to their rows on the way.

use std::collections::HashMap;
use std::ops::Range;

use candle_core::Tensor;
use vene_model::{
    Attention, Component, Decoder, DecoderConfig, Logits, OperationError, Operations, Pass,
    Readout, Recurrence, Site,
};

use super::attention::Keys;
use super::cache::ActivationCache;
use super::needed::Needed;
use super::presence::{Presence, spreads_in, stage_after_attention, stage_before_attention};
use super::readout::Readouts;
use super::rows::{Change, PackedRows};
use super::schedule::Schedule;
use super::tree::{RunId, RunPosition, Tree};
use super::trunk::TrunkRun;
use crate::error::RunError;
use crate::plan::Outcome;

/// What is known of the trunk's rows from earlier passes, and whether this one adds to it.
pub(super) enum Cached<'a, O: Operations> {
    /// Nothing: all rows are run from their tokens on.
    Nothing,
    /// All of it.
    All(&'a ActivationCache<O>),
    /// Its first rows; those of this pass are kept beside them.
    Extended(&'a mut ActivationCache<O>),
}

impl<O: Operations> Cached<'_, O> {
    pub(super) fn cache(&self) -> Option<&ActivationCache<O>> {
        match self {
            Self::Nothing => None,
            Self::All(cache) => Some(cache),
            Self::Extended(cache) => Some(cache),
        }
    }

    /// Whether this pass is to keep the residual stream behind all blocks.
    pub(super) fn keeps_output(&self) -> bool {
        matches!(self, Self::Extended(cache) if cache.keeps_output())
    }

    /// How many of the trunk's rows have their keys and values kept.
    pub(super) fn rows(&self) -> usize {
        self.cache().map_or(0, ActivationCache::rows)
    }
}

/// What runs showed at sites before this pass: those of the trunk, and forks that are read.
#[derive(Default)]
pub(super) struct Activations {
    found: HashMap<(RunId, Site), Rows>,
}

/// Rows of a run at a site, of these positions, ascending; of attention patterns, which are whole, none are named.
struct Rows {
    positions: Vec<usize>,
    values: Tensor,
}

impl Activations {
    pub(super) fn keep(&mut self, run: RunId, site: Site, positions: Vec<usize>, values: Tensor) {
        self.found.insert((run, site), Rows { positions, values });
    }

    /// What a run showed at a site, and which of its rows are these positions'.
    pub(super) fn find(
        &self,
        run: RunId,
        site: Site,
        positions: &[usize],
    ) -> Option<(&Tensor, Vec<usize>)> {
        let Rows { positions: there, values } = self.found.get(&(run, site))?;
        if site.component().is_pattern() {
            return Some((values, Vec::new()));
        }
        let row = |position: &usize| there.binary_search(position).ok();
        Some((values, positions.iter().map(row).collect::<Option<_>>()?))
    }
}

/// What a training wants of its passes.
#[derive(Clone, Copy)]
pub(super) struct Training {
    /// Whether no gradient is to flow to what interventions have learned.
    pub(super) detaches: bool,
    /// The step that is going on, if one is.
    pub(super) step: Option<u64>,
}

/// The rows of a pass, and what is to be done with them.
pub(super) struct ForkedPass<'a, O: Operations> {
    pub(super) decoder: &'a Decoder<O>,
    pub(super) config: &'a DecoderConfig,
    pub(super) tree: &'a Tree<'a>,
    pub(super) needed: Needed,
    pub(super) presence: Presence,
    pub(super) cached: Cached<'a, O>,
    /// What edits read where no row of it is at hand.
    pub(super) activations: &'a Activations,
    pub(super) rows: PackedRows,
    /// What is to be done where.
    pub(super) schedule: Schedule,
    pub(super) found: Found,
    /// The keys as they were, where rows were dropped before attention.
    pub(super) keys: Option<Keys>,
    /// The rows whose keys and values are kept for later passes.
    pub(super) keep: Vec<RunPosition>,
    /// Whether the last layer has dropped the rows that nobody needs.
    pub(super) is_narrow: bool,
    /// Whether it is a pass of a training, of which gradients are wanted and no receipts.
    pub(super) training: Option<Training>,
    /// The next block whose entrance rows pass.
    entrance: usize,
    /// The set of the trunk's rows that is live.
    live_set: usize,
}

/// Computes a block of a pass, from the residual stream that enters it, or leaves that to the pass.
pub(super) type Instead<'e, 'a, O> = dyn FnMut(
        &mut ForkedPass<'a, O>,
        usize,
        &<O as Operations>::Tensor,
    ) -> Result<Option<<O as Operations>::Tensor>, RunError>
    + 'e;

/// What a pass found.
#[derive(Default)]
pub(super) struct Found {
    /// By fork, step and edit.
    pub(super) outcomes: Vec<Vec<Vec<Outcome>>>,
    /// What edits read of their own run, by fork, step and edit.
    pub(super) current: HashMap<(usize, usize, usize), Tensor>,
    /// By read.
    pub(super) reads: HashMap<usize, Tensor>,
    pub(super) readouts: Readouts,
}

impl<'a, O: Operations> ForkedPass<'a, O> {
    pub(super) fn new(
        decoder: &'a Decoder<O>,
        tree: &'a Tree<'a>,
        cached: Cached<'a, O>,
        activations: &'a Activations,
    ) -> Self {
        let config = decoder.config();
        let needed = Needed::of_tree(tree, config);
        let mut entrances = cached.cache().map(ActivationCache::entrances);
        if let (Some(entrances), true) = (&mut entrances, config.recurs(config.layers.len() - 1)) {
            // Nothing is announced behind a recurrent block but what its steps announce.
            entrances.pop();
            entrances.push(false);
        }
        let presence = Presence::of(tree, config, &needed, entrances.as_deref());
        Self::with_presence(decoder, tree, cached, activations, needed, presence)
    }

    /// A pass over the trunk's rows that are not kept yet; of `keep`, keys and values are kept.
    pub(super) fn keeping(
        decoder: &'a Decoder<O>,
        tree: &'a Tree<'a>,
        cache: &'a mut ActivationCache<O>,
        activations: &'a Activations,
        keep: Vec<RunPosition>,
    ) -> Self {
        let config = decoder.config();
        let needed = Needed::of_tree(tree, config);
        let presence = Presence::of_extension(tree, config, &needed, cache.rows(), &keep);
        let cached = Cached::Extended(cache);
        let pass = Self::with_presence(decoder, tree, cached, activations, needed, presence);
        Self { keep, ..pass }
    }

    /// A pass that runs these rows of the trunk through all blocks, to keep them.
    pub(super) fn extending(
        decoder: &'a Decoder<O>,
        tree: &'a Tree<'a>,
        cached: Cached<'a, O>,
        activations: &'a Activations,
        rows: Range<usize>,
    ) -> Self {
        let needed = Needed::of_tree(tree, decoder.config());
        let presence = Presence::of_new_rows(rows.clone(), decoder.config());
        let pass = Self::with_presence(decoder, tree, cached, activations, needed, presence);
        let runs = tree.trunk.runs().iter().enumerate();
        let of_run = |(run, of_trunk): (usize, &TrunkRun)| {
            let first = of_trunk.path.len() - of_trunk.own.len();
            let own = of_trunk.own.clone().zip(first..);
            let own: Vec<_> = own.filter(|(row, _)| rows.contains(row)).collect();
            own.into_iter()
                .map(move |(_, position)| RunPosition { run: RunId::Trunk(run), position })
        };
        let keep = runs.flat_map(of_run).collect();
        Self { keep, ..pass }
    }

    fn with_presence(
        decoder: &'a Decoder<O>,
        tree: &'a Tree<'a>,
        cached: Cached<'a, O>,
        activations: &'a Activations,
        needed: Needed,
        presence: Presence,
    ) -> Self {
        let config = decoder.config();
        let outcomes = tree.forks.iter().map(|fork| vec![Vec::new(); fork.steps.len()]).collect();
        Self {
            decoder,
            config,
            tree,
            needed,
            rows: PackedRows::new(tree, presence.set(presence.initial())),
            entrance: presence.first,
            live_set: presence.initial(),
            presence,
            cached,
            activations,
            schedule: Schedule::of(tree),
            found: Found { outcomes, ..Found::default() },
            keys: None,
            keep: Vec::new(),
            training: None,
            is_narrow: false,
        }
    }

    /// Runs the pass.
    pub(super) fn run(mut self) -> Result<(Found, Logits<O>), RunError> {
        let decoder = self.decoder;
        let logits = match self.blocks(&mut |_, _, _| Ok(None))? {
            None => Logits { whole: None, chosen: Vec::new() },
            Some(residual) => {
                let normed = decoder.leave(&residual, &mut self)?;
                drop(residual);
                decoder.unembed(&normed, &mut self)?
            }
        };
        decoder.operations().pass_ended();
        Ok((self.found, logits))
    }

    /// Goes through the blocks: the residual stream behind them, if anything is read there. `instead` may compute a block
    /// in which nothing but the residual stream changes in another way.
    pub(super) fn blocks(
        &mut self,
        instead: &mut Instead<'_, 'a, O>,
    ) -> Result<Option<O::Tensor>, RunError> {
        if self.rows.positions().is_empty() {
            return Ok(None);
        }
        let decoder = self.decoder;
        let Presence { first, end, reads_output, .. } = self.presence;
        let rows = self.presence.set(self.live_set).iter().map(|&row| row as usize);
        let rows: Vec<usize> = rows.collect();
        let mut residual = self.residual(first, &rows)?;
        decoder.enter(first, &mut residual, self)?;
        for block in first..end {
            residual = match instead(self, block, &residual)? {
                None => decoder.block(block, residual, self)?,
                Some(mut residual) => {
                    self.enter(block + 1, &mut residual)?;
                    residual
                }
            };
        }
        Ok(reads_output.then_some(residual))
    }

    /// The residual stream of some of the trunk's rows as it enters a block: as it was kept, or from their tokens.
    fn residual(&self, block: usize, rows: &[usize]) -> Result<O::Tensor, OperationError> {
        let operations = self.decoder.operations();
        let kept = self.cached.cache().and_then(|cache| cache.residual(operations, block, rows));
        kept.unwrap_or_else(|| {
            let trunk = self.tree.trunk;
            let tokens: Vec<u32> = rows.iter().map(|&row| trunk.tokens()[row]).collect();
            let positions: Vec<usize> = rows.iter().map(|&row| trunk.positions()[row]).collect();
            self.decoder.embed(&tokens, &positions)
        })
    }

    /// At the entrance of a block, of which nothing but the residual stream is live: rows of the trunk come in, and go.
    fn enter(&mut self, block: usize, residual: &mut O::Tensor) -> Result<(), RunError> {
        if block < self.entrance {
            return Ok(());
        }
        self.entrance = block + 1;
        let operations = self.decoder.operations();
        let stage = stage_before_attention(block);
        let set = self.presence.set_at(stage);
        let is_other = set != std::mem::replace(&mut self.live_set, set);
        if is_other || self.presence.ends_before(stage) {
            let live = self.presence.set(set);
            let may_enter = self.cached.cache().is_some();
            let is_needed = |fork| self.presence.needs(fork, stage);
            let Change { kept, entering } =
                self.rows.change_trunk(self.tree, live, may_enter, &is_needed);
            if let Some(kept) = kept.filter(|kept| !kept.is_empty()) {
                *residual = operations.take_rows(residual, &kept)?;
                if !entering.is_empty() {
                    operations.extend_rows(residual, &self.residual(block, &entering)?)?;
                }
            } else if !entering.is_empty() {
                let rows = self.residual(block, &entering)?;
                if entering.len() == self.rows.positions().len() {
                    *residual = rows;
                } else {
                    operations.extend_rows(residual, &rows)?;
                }
            }
        }
        if let Cached::Extended(cache) = &mut self.cached {
            cache.keep_residual(operations, block, residual)?;
        }
        Ok(())
    }

    /// The set of the trunk's rows that a block goes on with after its attention, if it is another one.
    pub(super) fn changes_in(&self, block: usize) -> Option<usize> {
        let set = self.presence.set_at(stage_after_attention(block));
        Some(set).filter(|set| *set != self.live_set)
    }

    /// Drops rows of the trunk that nobody needs after a block's attention.
    pub(super) fn go_on_after_attention(
        &mut self,
        operations: &O,
        block: usize,
        live: &mut [&mut O::Tensor],
    ) -> Result<(), RunError> {
        let Some(set) = self.changes_in(block) else { return Ok(()) };
        self.live_set = set;
        let stage = stage_after_attention(block);
        let is_needed = |fork| self.presence.needs(fork, stage);
        let set = self.presence.set(set);
        let change = self.rows.change_trunk(self.tree, set, false, &is_needed);
        if let Some(kept) = change.kept {
            for tensor in live {
                **tensor = operations.take_rows(tensor, &kept)?;
            }
        }
        Ok(())
    }

    /// Lets forks have rows of their own where they edit, before a site or inside attention. `live`
    /// are all tensors of packed rows.
    pub(super) fn leave(
        &mut self,
        operations: &O,
        steps: &[(usize, usize)],
        live: &mut [&mut O::Tensor],
    ) -> Result<(), RunError> {
        let mut copied = Vec::new();
        for &(fork, step) in steps {
            let step = &self.tree.forks[fork].steps[step];
            let block = spreads_in(step.site, self.config);
            let block = Some(block).filter(|&block| self.presence.spreads(fork, block));
            self.rows.leave_at(self.tree, fork, step, block, &mut copied);
        }
        append(operations, &copied, live)
    }

    /// Keeps what edits read of their own run at this site.
    fn keep_current(
        &mut self,
        operations: &O,
        site: Site,
        tensor: &O::Tensor,
    ) -> Result<(), RunError> {
        for &(fork, step, edit) in self.schedule.currents.get(&site).into_iter().flatten() {
            let positions = &self.tree.forks[fork].steps[step].edits[edit].unit().positions;
            let rows = self.rows.all_places(self.tree, RunId::Fork(fork), positions);
            let values = operations.values(tensor, &rows)?;
            self.found.current.insert((fork, step, edit), values);
        }
        Ok(())
    }

    /// Keeps what is read at a site.
    pub(super) fn keep_reads(
        &mut self,
        operations: &O,
        site: Site,
        tensor: &O::Tensor,
    ) -> Result<(), RunError> {
        for &index in self.schedule.reads.get(&site).into_iter().flatten() {
            let read = &self.tree.reads[index];
            let rows = match site.component() {
                Component::Logits => self.found.readouts.rows_of_read(index).to_vec(),
                _ => self.rows.all_places(self.tree, read.run, &read.positions),
            };
            self.found.reads.insert(index, operations.values(tensor, &rows)?);
        }
        Ok(())
    }
}

/// Sets copies of rows behind all rows, in every live tensor.
pub(super) fn append<O: Operations>(
    operations: &O,
    copied: &[usize],
    live: &mut [&mut O::Tensor],
) -> Result<(), RunError> {
    if !copied.is_empty() {
        for tensor in live {
            operations.append_rows(tensor, copied)?;
        }
    }
    Ok(())
}

impl<O: Operations> Pass<O> for ForkedPass<'_, O> {
    type Error = RunError;

    fn positions(&self) -> &[usize] {
        self.rows.positions()
    }

    fn lengths(&self) -> Vec<usize> {
        self.rows.lengths().to_vec()
    }

    fn wants(&self, site: Site) -> bool {
        self.schedule.wants(site)
    }

    fn visit(
        &mut self,
        operations: &O,
        site: Site,
        live: &mut [&mut O::Tensor],
    ) -> Result<(), RunError> {
        let enters = match (site.component(), site.layer()) {
            (Component::Embedding, _) => Some(0),
            (Component::BlockInput, Some(layer)) => Some(layer),
            (Component::BlockOutput, Some(layer)) => Some(layer + 1),
            _ => None,
        };
        if let (Some(block), Some(residual)) = (enters, live.first_mut()) {
            self.enter(block, residual)?;
        }
        if !self.schedule.wants(site) {
            return Ok(());
        }
        if site.component() == Component::Logits {
            if !operations.has_values() {
                return Ok(());
            }
            let Some(logits) = live.first_mut() else { return Ok(()) };
            let steps = self.schedule.steps.get(&site).cloned().unwrap_or_default();
            self.edit_logits(operations, &steps, logits)?;
            return self.keep_reads(operations, site, logits);
        }
        let steps = self.schedule.steps.get(&site).cloned().unwrap_or_default();
        self.leave(operations, &steps, live)?;
        let Some(own) = live.first_mut().filter(|_| operations.has_values()) else {
            return Ok(());
        };
        self.keep_current(operations, site, own)?;
        self.edit(operations, &steps, own)?;
        self.keep_reads(operations, site, own)
    }

    fn narrow(&mut self) -> Option<Vec<usize>> {
        self.narrow_before_queries()
    }

    fn attend(
        &mut self,
        attention: Attention<'_, O>,
        live: &mut [&mut O::Tensor],
    ) -> Result<O::Tensor, RunError> {
        self.attend_all(attention, live)
    }

    fn recur(&mut self, recurrence: Recurrence<'_, O>) -> Result<O::Tensor, RunError> {
        self.recur_all(recurrence)
    }

    fn readout(&mut self) -> Readout {
        self.found.readouts = Readouts::new(self.tree, &self.rows);
        self.found.readouts.request()
    }
}
