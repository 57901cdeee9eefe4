//! What is kept of the unedited runs: everything that no edit changes.
//!
//! All bases and all sources are run once. Their equal prefixes are the same rows, and a row is run no
//! further than somebody needs it: a source's up to the site that is read of it, a base's edited positions up
//! to the first block that is run again, and only what lies before them through all layers, for its keys and
//! values.

use std::ops::Range;

use candle_core::Tensor;
use vene_model::{
    Attention, Component, Decoder, Differentiable, Earlier, OwnedPath, Pass, Path, Query, Readout,
    Site,
};

use super::live::through;
use crate::engine::forked::trunk::Trunk;
use crate::engine::trace::{Trace, Wanted};
use crate::error::RunError;
use crate::plan::{ResolvedPlan, ResolvedSource, Run};

/// Rows that are run at once.
const ROWS: usize = 1024;

/// Examples whose sources are run at once where they are needed whole.
const EXAMPLES: usize = 64;

/// What is kept of a plan's runs.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// For each example what enters the first block at its live positions: `[positions, d_model]`.
    pub(super) residuals: Vec<Tensor>,
    /// For each example which rows of `earlier` are the positions before the live ones.
    pub(super) earlier_rows: Vec<Vec<u32>>,
    /// For each block that is run again, keys and values before live positions; none where there are no such.
    pub(super) earlier: Vec<Earlier>,
    /// For each example, as the only one of its trace, what edits read of its runs.
    pub(super) sources: Vec<Trace>,
}

/// Positions at sites.
type AtSites = Vec<(Site, Vec<usize>)>;

/// What is wanted of one run.
struct Wish<'a> {
    /// The run's tokens as far as they are needed.
    tokens: &'a [u32],
    /// The length of the whole text.
    length: usize,
    example: usize,
    reads: Reads,
}

enum Reads {
    /// It is the base that is edited.
    Base,
    /// Edits read it at these sites and positions.
    Source(Run, AtSites),
}

impl Kept {
    /// Runs what is needed; `first` is the first block that will be run again, at each example's `live`
    /// positions.
    pub(super) fn of<O: Differentiable>(
        decoder: &Decoder<O>,
        plan: &ResolvedPlan,
        first: usize,
        live: &[Range<usize>],
    ) -> Result<Self, RunError> {
        let examples = plan.examples.len();
        if decoder.config().is_recurrent() {
            return Self::of_whole_runs(decoder, plan, first);
        }
        let sources = match plan.edits.iter().any(reads_whole_runs) {
            true => Some(whole_sources(decoder, plan)?),
            false => None,
        };
        let mut wishes: Vec<Wish<'_>> = (0..examples)
            .map(|example| Wish {
                tokens: &plan.examples[example].base.tokens()[..live[example].end],
                length: plan.examples[example].base.len(),
                example,
                reads: Reads::Base,
            })
            .collect();
        if sources.is_none() {
            wishes.extend((0..examples).flat_map(|example| sources_of(plan, example)));
        }
        // Neighbours share the most.
        wishes.sort_by(|a, b| a.tokens.cmp(b.tokens));
        let blocks = decoder.config().layers.len() - first;
        let mut collected = Collected {
            residuals: vec![None; examples],
            earlier_rows: vec![Vec::new(); examples],
            pieces: vec![Vec::new(); blocks],
            count: 0,
            sources: vec![Trace::default(); examples],
        };
        let mut rest = wishes.as_slice();
        while !rest.is_empty() {
            let mut chunk = Chunk::new(first, live);
            let mut taken = 0;
            while taken < rest.len() && (taken == 0 || chunk.trunk.tokens().len() < ROWS) {
                let length = decoder.config().rotary_length(rest[taken].length);
                chunk.runs.push(chunk.trunk.run(rest[taken].tokens, length));
                taken += 1;
            }
            let (wishes, others) = rest.split_at(taken);
            chunk.run(decoder, wishes, &mut collected)?;
            rest = others;
        }
        collected.finish(sources)
    }

    /// The same where a state is carried from position to position, so that all of a run's are live.
    fn of_whole_runs<O: Differentiable>(
        decoder: &Decoder<O>,
        plan: &ResolvedPlan,
        first: usize,
    ) -> Result<Self, RunError> {
        let config = decoder.config();
        let before = match first.checked_sub(1) {
            Some(before) => Site::new(Component::BlockOutput, Some(before), config),
            None => Site::new(Component::Embedding, None, config),
        };
        // Every model has both in every layer.
        let before = before.map_err(|_| RunError::Stopped)?;
        let examples = plan.examples.len();
        let mut bases = Wanted::default();
        bases.runs.extend((0..examples).map(|example| (example, Run::Base)));
        bases.sites.insert(before);
        let trace = Trace::of(decoder, &plan.examples, &bases)?;
        let residual = |example| trace.get(example, Run::Base, before).cloned();
        let residuals: Option<Vec<Tensor>> = (0..examples).map(residual).collect();
        Ok(Self {
            residuals: residuals.ok_or(RunError::Stopped)?,
            earlier_rows: vec![Vec::new(); examples],
            earlier: Vec::new(),
            sources: whole_sources(decoder, plan)?,
        })
    }
}

/// Whether an edit reads what only whole runs have: patterns, and what lies behind all blocks.
fn reads_whole_runs(edit: &crate::plan::ResolvedEdit) -> bool {
    let Some(ResolvedSource::Runs { site, .. }) = edit.source else { return false };
    let behind = [Component::FinalNorm, Component::Logits];
    site.component().is_pattern() || behind.contains(&site.component())
}

fn whole_sources<O: Differentiable>(
    decoder: &Decoder<O>,
    plan: &ResolvedPlan,
) -> Result<Vec<Trace>, RunError> {
    let all: Vec<usize> = (0..plan.examples.len()).collect();
    let mut sources = Vec::with_capacity(all.len());
    for examples in all.chunks(EXAMPLES) {
        let part = plan.select(examples);
        let wanted = Wanted::of([(&part, 0..examples.len())], |_, _| true);
        sources.extend(Trace::of(decoder, &part.examples, &wanted)?.by_example(examples.len()));
    }
    Ok(sources)
}

/// What edits read of each of an example's runs.
fn sources_of(plan: &ResolvedPlan, example: usize) -> Vec<Wish<'_>> {
    let mut runs: Vec<(Run, AtSites)> = Vec::new();
    for edit in &plan.edits {
        let Some(ResolvedSource::Runs { site, units }) = &edit.source else { continue };
        for (run, unit) in &units[example] {
            let place = runs.iter().position(|(known, _)| known == run).unwrap_or_else(|| {
                runs.push((*run, Vec::new()));
                runs.len() - 1
            });
            let reads = &mut runs[place].1;
            match reads.iter_mut().find(|(known, _)| known == site) {
                Some((_, positions)) => positions.extend(&unit.positions),
                None => reads.push((*site, unit.positions.clone())),
            }
        }
    }
    let wish = |(run, mut reads): (Run, AtSites)| {
        let mut length = 1;
        for (_, positions) in &mut reads {
            positions.sort_unstable();
            positions.dedup();
            length = positions.last().map_or(length, |last| length.max(last + 1));
        }
        let prompt = plan.examples[example].prompt(run);
        let tokens = &prompt.tokens()[..length];
        Wish { tokens, length: prompt.len(), example, reads: Reads::Source(run, reads) }
    };
    runs.into_iter().map(wish).collect()
}

/// What chunks have given so far.
struct Collected {
    residuals: Vec<Option<Tensor>>,
    earlier_rows: Vec<Vec<u32>>,
    /// For each block keys and values of each chunk.
    pieces: Vec<Vec<Earlier>>,
    /// Rows of earlier keys so far.
    count: usize,
    sources: Vec<Trace>,
}

impl Collected {
    fn finish(self, sources: Option<Vec<Trace>>) -> Result<Kept, RunError> {
        let joined = |pieces: Vec<Earlier>| -> Result<Earlier, RunError> {
            let of = |part: fn(&Earlier) -> &Tensor| {
                Tensor::cat(&pieces.iter().map(part).collect::<Vec<_>>(), 0)
            };
            Ok(Earlier { keys: of(|piece| &piece.keys)?, values: of(|piece| &piece.values)? })
        };
        // Blocks without attention have no keys.
        let earlier = match self.count == 0 || self.pieces.iter().all(Vec::is_empty) {
            true => Vec::new(),
            false => self.pieces.into_iter().map(joined).collect::<Result<_, _>>()?,
        };
        let residuals = self.residuals.into_iter().collect::<Option<_>>();
        Ok(Kept {
            residuals: residuals.ok_or(RunError::Stopped)?,
            earlier_rows: self.earlier_rows,
            earlier,
            sources: sources.unwrap_or(self.sources),
        })
    }
}

/// Runs that are run together.
struct Chunk<'a> {
    first: usize,
    live: &'a [Range<usize>],
    trunk: Trunk,
    /// The trunk's run of each wish.
    runs: Vec<usize>,
}

impl<'a> Chunk<'a> {
    fn new(first: usize, live: &'a [Range<usize>]) -> Self {
        Self { first, live, trunk: Trunk::default(), runs: Vec::new() }
    }

    fn run<O: Differentiable>(
        &self,
        decoder: &Decoder<O>,
        wishes: &[Wish<'_>],
        collected: &mut Collected,
    ) -> Result<(), RunError> {
        let layers = decoder.config().layers.len();
        let path = |wish: usize| self.trunk.runs()[self.runs[wish]].path.as_slice();
        // Through how many blocks each row goes, and whether its keys are kept behind the first.
        let mut blocks = vec![0; self.trunk.tokens().len()];
        let mut is_earlier = vec![false; blocks.len()];
        let mut reads = Vec::new();
        for (index, wish) in wishes.iter().enumerate() {
            let path = path(index);
            let at_least = match &wish.reads {
                Reads::Base => {
                    let start = self.live[wish.example].start;
                    for &row in &path[..start] {
                        blocks[row as usize] = layers;
                        is_earlier[row as usize] = true;
                    }
                    self.first
                }
                Reads::Source(run, sites) => {
                    for (site, positions) in sites {
                        let rows = positions.iter().map(|&position| path[position] as usize);
                        let rows = rows.collect();
                        let (example, positions) = (wish.example, positions.clone());
                        reads.push(Read { example, run: *run, site: *site, positions, rows });
                    }
                    let through = sites.iter().map(|(site, _)| through(*site, decoder.config()));
                    through.max().unwrap_or(0)
                }
            };
            for &row in path {
                let row = &mut blocks[row as usize];
                *row = at_least.max(*row);
            }
        }
        let earlier: Vec<usize> = (0..blocks.len()).filter(|&row| is_earlier[row]).collect();
        for (index, wish) in wishes.iter().enumerate() {
            if let Reads::Base = wish.reads {
                let start = self.live[wish.example].start;
                let place = |&row: &u32| earlier.partition_point(|&kept| kept < row as usize);
                let rows = path(index)[..start].iter().map(place);
                collected.earlier_rows[wish.example] =
                    rows.map(|row| (collected.count + row) as u32).collect();
            }
        }
        let mut pass = Keeping {
            trunk: &self.trunk,
            rows: (0..blocks.len()).collect(),
            positions: self.trunk.positions().to_vec(),
            reads: &reads,
            earlier: &[],
            kept: None,
            sources: &mut collected.sources,
        };
        let mut residual = decoder.embed(self.trunk.tokens(), self.trunk.positions())?;
        decoder.enter(0, &mut residual, &mut pass)?;
        for layer in 0..=layers {
            if layer == self.first {
                for (index, wish) in wishes.iter().enumerate() {
                    if let Reads::Base = wish.reads {
                        let live = &path(index)[self.live[wish.example].clone()];
                        let rows: Vec<usize> =
                            live.iter().map(|&row| pass.row(row as usize)).collect();
                        let rows = decoder.operations().take_rows(&residual, &rows)?;
                        collected.residuals[wish.example] = Some(rows);
                    }
                }
            }
            if layer == layers || !blocks.iter().any(|&blocks| blocks > layer) {
                continue;
            }
            let still = |&(_, row): &(usize, usize)| blocks[row] > layer;
            let (places, rows): (Vec<usize>, Vec<usize>) =
                pass.rows.iter().copied().enumerate().filter(still).unzip();
            if rows.len() < pass.rows.len() {
                residual = decoder.operations().take_rows(&residual, &places)?;
                pass.positions = rows.iter().map(|&row| self.trunk.positions()[row]).collect();
                pass.rows = rows;
            }
            pass.earlier = if layer < self.first { &[] } else { &earlier };
            residual = decoder.block(layer, residual, &mut pass)?;
            if let (Some(kept), Some(block)) = (pass.kept.take(), layer.checked_sub(self.first)) {
                collected.pieces[block].push(kept);
            }
        }
        collected.count += earlier.len();
        Ok(())
    }
}

/// What is to be taken from the run of an example's source.
struct Read {
    example: usize,
    run: Run,
    site: Site,
    positions: Vec<usize>,
    /// Rows of the trunk.
    rows: Vec<usize>,
}

/// The pass that keeps what is wanted as it goes by.
struct Keeping<'a> {
    trunk: &'a Trunk,
    /// The trunk's rows that still ride along, ascending.
    rows: Vec<usize>,
    /// Their positions.
    positions: Vec<usize>,
    reads: &'a [Read],
    /// The trunk's rows whose keys and values are kept now.
    earlier: &'a [usize],
    kept: Option<Earlier>,
    sources: &'a mut Vec<Trace>,
}

impl Keeping<'_> {
    /// Where a row of the trunk rides.
    fn row(&self, row: usize) -> usize {
        self.rows.partition_point(|&riding| riding < row)
    }

    fn paths(&self) -> Vec<OwnedPath> {
        let riding = |row: &u32| {
            let place = self.row(*row as usize);
            (self.rows.get(place) == Some(&(*row as usize))).then_some(place as u32)
        };
        let path = |run: &crate::engine::forked::trunk::TrunkRun| {
            // A row that rides has all rows before it beside it.
            let rows: Vec<u32> = run.path.iter().map_while(riding).collect();
            let first = run.path.len() - run.own.len();
            let own = first.min(rows.len())..rows.len();
            let query = |position: usize| Query { row: rows[position], position: position as u32 };
            OwnedPath { queries: own.map(query).collect(), rows }
        };
        // A run that another one begins with has no rows of its own.
        let paths = self.trunk.runs().iter().map(path);
        paths.filter(|path| !path.queries.is_empty()).collect()
    }
}

impl<O: Differentiable> Pass<O> for Keeping<'_> {
    type Error = RunError;

    fn positions(&self) -> &[usize] {
        &self.positions
    }

    fn lengths(&self) -> Vec<usize> {
        self.rows.iter().map(|&row| self.trunk.lengths()[row]).collect()
    }

    fn wants(&self, site: Site) -> bool {
        self.reads.iter().any(|read| read.site == site)
    }

    fn visit(
        &mut self,
        operations: &O,
        site: Site,
        live: &mut [&mut Tensor],
    ) -> Result<(), RunError> {
        let Some(own) = live.first() else { return Ok(()) };
        for read in self.reads.iter().filter(|read| read.site == site) {
            let rows: Vec<usize> = read.rows.iter().map(|&row| self.row(row)).collect();
            let values = operations.take_rows(own, &rows)?;
            let positions = read.positions.clone();
            self.sources[read.example].keep_rows(0, read.run, site, positions, values);
        }
        Ok(())
    }

    fn attend(
        &mut self,
        attention: Attention<'_, O>,
        _: &mut [&mut Tensor],
    ) -> Result<Tensor, RunError> {
        let Attention { operations, config, layer, ref queries, ref keys, ref values } = attention;
        if !self.earlier.is_empty() {
            let rows: Vec<usize> = self.earlier.iter().map(|&row| self.row(row)).collect();
            let keys = operations.take_rows(keys, &rows)?;
            let values = operations.take_rows(values, &rows)?;
            self.kept = Some(Earlier { keys, values });
        }
        let owned = self.paths();
        let paths: Vec<Path<'_>> = owned.iter().map(OwnedPath::as_path).collect();
        let options = &config.layers[layer];
        Ok(operations.attend(queries, keys, values, &paths, config, options)?)
    }

    fn readout(&mut self) -> Readout {
        Readout::default()
    }
}
