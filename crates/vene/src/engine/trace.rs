//! Traces: activations kept from a run.

use std::collections::{BTreeSet, HashMap};

use candle_core::Tensor;
use vene_model::{Component, Model, Prompt, Site};

use super::sequences::{Rows, Sequences, Visitor};
use crate::error::RunError;

/// Activations that runs showed at the sites that were asked for.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    kept: HashMap<(usize, Site), Tensor>,
}

impl Trace {
    /// Runs prompts unedited and keeps whole sites of them.
    ///
    /// # Errors
    /// Failures of the computation.
    pub fn of(
        model: &Model,
        prompts: &[&Prompt],
        sites: &BTreeSet<Site>,
    ) -> Result<Self, RunError> {
        let longest = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or(0);
        let positions = (0..longest).collect();
        let mut keeper = Keeper { prompts, sites, positions, trace: Self::default() };
        if !prompts.is_empty() && !sites.is_empty() {
            let tokens: Vec<u32> =
                prompts.iter().flat_map(|prompt| prompt.tokens().iter().copied()).collect();
            let lengths = prompts.iter().map(|prompt| prompt.len());
            let mut pass = Sequences::new(lengths, &mut keeper);
            model.decoder().forward(&tokens, &mut pass)?;
        }
        Ok(keeper.trace)
    }

    /// What a run showed at a site: `[positions, width]`, or `[heads, queries, keys]` for
    /// attention patterns, or `None` if it was not asked for.
    pub fn get(&self, run: usize, site: Site) -> Option<&Tensor> {
        self.kept.get(&(run, site))
    }

    pub(super) fn keep(&mut self, run: usize, site: Site, tensor: Tensor) {
        self.kept.insert((run, site), tensor);
    }
}

struct Keeper<'a> {
    prompts: &'a [&'a Prompt],
    sites: &'a BTreeSet<Site>,
    /// `0..` as far as the longest prompt.
    positions: Vec<usize>,
    trace: Trace,
}

impl Visitor for Keeper<'_> {
    fn wants(&self, site: Site) -> bool {
        self.sites.contains(&site)
    }

    fn rows(&mut self, site: Site, rows: &Rows<'_>, tensor: &mut Tensor) -> Result<(), RunError> {
        let mut start = 0;
        for (run, prompt) in self.prompts.iter().enumerate() {
            let length = match rows {
                Rows::Whole(_) => prompt.len(),
                Rows::Logits(read) => read[run].len(),
            };
            self.trace.keep(run, site, tensor.narrow(0, start, length)?.contiguous()?);
            start += length;
        }
        Ok(())
    }

    fn pattern(&mut self, site: Site, run: usize, tensor: &mut Tensor) -> Result<(), RunError> {
        self.trace.keep(run, site, tensor.clone());
        Ok(())
    }

    fn logit_positions(&self, run: usize) -> &[usize] {
        // All of them where logits are kept; else as few as a pass can end with, since they are by
        // far the widest site.
        let length = self.prompts[run].len();
        match self.sites.iter().any(|site| site.component() == Component::Logits) {
            true => &self.positions[..length],
            false => &self.positions[length - 1..length],
        }
    }
}
