//! What the edited runs of a training begin with: unedited runs, and what edits read of sources.
//!
//! They are run once and kept where the memory holds them; where it doesn't, those of a batch are run for it each time.

use std::ops::Range;

use vene_model::{Decoder, DecoderConfig, Differentiable};

use super::cache::ActivationCache;
use super::chunks::{self, Budget, row_bytes};
use super::pass::Activations;
use super::presence::{spreads_in, stage_of};
use super::session::{kept, size_of_value};
use super::sources::Sources;
use super::tree::{ExampleRuns, Job};
use super::trunk::Trunk;
use crate::error::RunError;
use crate::plan::ResolvedPlan;

/// The unedited runs of some examples, and what their edits read.
pub(super) struct Prefix<O: Differentiable> {
    pub(super) trunk: Trunk,
    /// In the order of the examples.
    pub(super) runs: Vec<ExampleRuns>,
    pub(super) cache: ActivationCache<O>,
    pub(super) activations: Activations,
}

impl<O: Differentiable> Prefix<O> {
    /// Runs sources and bases of some examples.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention.
    pub(super) fn of(
        decoder: &Decoder<O>,
        plan: &ResolvedPlan,
        examples: &[usize],
        memory: usize,
    ) -> Result<Self, RunError> {
        let config = decoder.config();
        let Sources { activations, mut runs, .. } = Sources::of(decoder, plan, examples, memory)?;
        let mut trunk = Trunk::default();
        for (runs, &example) in runs.iter_mut().zip(examples) {
            runs.edited = trunk.add(&plan.examples[example].base, config);
        }
        let cache = kept(decoder, &trunk, entrances(plan, config), memory)?;
        Ok(Self { trunk, runs, cache, activations })
    }

    /// About how many bytes that of all examples takes.
    pub(super) fn bytes(decoder: &Decoder<O>, plan: &ResolvedPlan) -> usize {
        let config = decoder.config();
        let mut trunk = Trunk::default();
        for example in plan.examples.iter() {
            trunk.add(&example.base, config);
        }
        let entrances = entrances(plan, config).iter().filter(|&&keeps| keeps).count();
        let of_row = 2 * config.layers.len() * config.key_value_heads * config.head_dim
            + entrances * config.d_model;
        let read: usize =
            (0..plan.examples.len()).map(|example| values_read(plan, example, config)).sum();
        (trunk.tokens().len() * of_row + read) * size_of_value(decoder.operations())
    }
}

/// How many values an example's edits read of sources.
fn values_read(plan: &ResolvedPlan, example: usize, config: &DecoderConfig) -> usize {
    let read = plan.edits.iter().flat_map(|edit| {
        let site = edit.read_site();
        edit.units_read(example).map(move |(run, unit)| (site, run, unit))
    });
    let values = read.filter_map(|(site, run, unit)| {
        // A pattern is read whole.
        let length = plan.examples[example].prompt(run).len();
        let whole = config.heads * length * length;
        Some(site?.component().width(config).map_or(whole, |width| unit.positions.len() * width))
    });
    values.sum()
}

/// The blocks at which forks of a plan need rows of the unedited runs: where they edit, and where later positions begin
/// to differ; and behind all blocks, where an example is not edited.
fn entrances(plan: &ResolvedPlan, config: &DecoderConfig) -> Vec<bool> {
    let blocks = config.layers.len();
    // What leaves a recurrent block is also its state.
    let mut entrances = vec![config.is_recurrent(); blocks + 1];
    entrances[blocks] = true;
    for edit in &plan.edits {
        for site in [Some(edit.site), edit.reads_current()].into_iter().flatten() {
            entrances[stage_of(site, config) / 2] = true;
        }
        entrances[spreads_in(edit.site, config)] = true;
    }
    entrances
}

/// A batch of examples in parts whose graphs fit the memory, each a stretch of it.
///
/// # Errors
/// An example whose graph alone doesn't fit.
pub(super) fn parts(
    plan: &ResolvedPlan,
    config: &DecoderConfig,
    batch: &[usize],
    budget: Budget,
    recomputes: bool,
) -> Result<Vec<Range<usize>>, RunError> {
    let first = plan.edits.iter().map(|edit| stage_of(edit.site, config) / 2).min();
    let blocks = config.layers.len() - first.unwrap_or(config.layers.len());
    // Every block keeps what it computed; or what entered it, and one block at a time the rest.
    let of_row = if recomputes {
        4 * blocks * config.d_model + 2 * row_bytes(config)
    } else {
        (blocks + 1) * row_bytes(config)
    };
    let bytes = |&example: &usize| {
        let job = Job { plan, example, is_edited: true };
        let base = plan.examples[example].base.len();
        // Logits and their gradient; the prefix's rows where a pass is given them.
        let read = plan.read[example].len() * 2 * 4 * config.vocabulary;
        chunks::rows(job) * of_row + read + base * row_bytes(config)
    };
    let all: Vec<usize> = batch.iter().map(bytes).collect();
    // The other half is for what is kept.
    budget.holds(all.iter().max().map_or(0, |bytes| 2 * bytes))?;
    let most = budget.bytes / 2;
    let (mut parts, mut taken): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
    for (place, bytes) in all.into_iter().enumerate() {
        match parts.last_mut() {
            Some(part) if taken + bytes <= most => part.end = place + 1,
            _ => {
                parts.push(place..place + 1);
                taken = 0;
            }
        }
        taken += bytes;
    }
    Ok(parts)
}
