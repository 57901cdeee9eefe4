//! Traces: activations kept from the unedited runs that edits read.

use std::collections::{BTreeSet, HashMap, HashSet};

use candle_core::Tensor;
use vene_model::{Component, Decoder, Operations, Prompt, Site};

use super::sequences::{Rows, Sequences, Visitor};
use crate::error::RunError;
use crate::plan::{Example, ResolvedPlan, ResolvedSource, Run};

/// Activations that examples' unedited runs showed at the sites that were asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    kept: HashMap<(usize, Run, Site), Tensor>,
}

impl Trace {
    pub(super) fn keep(&mut self, example: usize, run: Run, site: Site, tensor: Tensor) {
        self.kept.insert((example, run, site), tensor);
    }

    /// What an example's run showed at a site: `[positions, width]`, or `[heads, queries, keys]`
    /// for attention patterns.
    pub(super) fn get(&self, example: usize, run: Run, site: Site) -> Option<&Tensor> {
        self.kept.get(&(example, run, site))
    }

    /// Runs what is wanted, unedited and each run whole, and keeps the sites.
    pub(super) fn of<O: Operations<Tensor = Tensor>>(
        decoder: &Decoder<O>,
        examples: &[Example],
        wanted: &Wanted,
    ) -> Result<Self, RunError> {
        let prompts: Vec<&Prompt> =
            wanted.runs.iter().map(|&(example, run)| examples[example].prompt(run)).collect();
        let longest = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or(0);
        let positions = (0..longest).collect();
        let mut keeper = Keeper { wanted, prompts, positions, trace: Self::default() };
        if !wanted.runs.is_empty() {
            let tokens: Vec<u32> =
                keeper.prompts.iter().flat_map(|prompt| prompt.tokens().iter().copied()).collect();
            let lengths: Vec<usize> = keeper.prompts.iter().map(|prompt| prompt.len()).collect();
            let mut pass = Sequences::new(decoder.config(), lengths.into_iter(), &mut keeper);
            decoder.forward(&tokens, &mut pass)?;
        }
        Ok(keeper.trace)
    }
}

/// Runs and sites that edits read.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Examples' runs, each once.
    pub(super) runs: Vec<(usize, Run)>,
    /// Sites, of all of these runs.
    pub(super) sites: BTreeSet<Site>,
}

impl Wanted {
    /// What the edits of plans read of unedited runs, each plan in some of the examples that all
    /// have, as far as `filter` (the read site, the written site) lets it through.
    pub(super) fn of<'p, E: IntoIterator<Item = usize>>(
        plans: impl IntoIterator<Item = (&'p ResolvedPlan, E)>,
        filter: impl Fn(Site, Site) -> bool,
    ) -> Self {
        let (mut wanted, mut known) = (Self::default(), HashSet::new());
        for (plan, examples) in plans {
            for example in examples {
                for edit in &plan.edits {
                    let Some(ResolvedSource::Runs { site, units }) = &edit.source else { continue };
                    if !filter(*site, edit.site) {
                        continue;
                    }
                    wanted.sites.insert(*site);
                    for &(run, _) in &units[example] {
                        if known.insert((example, run)) {
                            wanted.runs.push((example, run));
                        }
                    }
                }
            }
        }
        wanted
    }
}

struct Keeper<'a> {
    wanted: &'a Wanted,
    prompts: Vec<&'a Prompt>,
    /// `0..` as far as the longest prompt.
    positions: Vec<usize>,
    trace: Trace,
}

impl Keeper<'_> {
    fn keep(&mut self, index: usize, site: Site, tensor: Tensor) {
        let (example, run) = self.wanted.runs[index];
        self.trace.keep(example, run, site, tensor);
    }
}

impl Visitor for Keeper<'_> {
    fn wants(&self, site: Site) -> bool {
        self.wanted.sites.contains(&site)
    }

    fn rows(&mut self, site: Site, rows: &Rows<'_>, tensor: &mut Tensor) -> Result<(), RunError> {
        let mut start = 0;
        for index in 0..self.prompts.len() {
            let length = match rows {
                Rows::Whole(_) => self.prompts[index].len(),
                Rows::Logits(read) => read[index].len(),
            };
            self.keep(index, site, tensor.narrow(0, start, length)?.contiguous()?);
            start += length;
        }
        Ok(())
    }

    fn pattern(
        &mut self,
        site: Site,
        run: usize,
        _: &[usize],
        tensor: &mut Tensor,
    ) -> Result<(), RunError> {
        self.keep(run, site, tensor.clone());
        Ok(())
    }

    fn logit_positions(&self, run: usize) -> &[usize] {
        // All of them where logits are kept; else as few as a pass can end with, since they are by
        // far the widest site.
        let length = self.prompts[run].len();
        match self.wanted.sites.iter().any(|site| site.component() == Component::Logits) {
            true => &self.positions[..length],
            false => &self.positions[length - 1..length],
        }
    }
}
