//! Which part of a run has to be run again.

use std::ops::Range;

use vene_model::{Component, DecoderConfig, Site};

use crate::plan::ResolvedPlan;

/// The first block that a change at a site goes through.
pub(super) fn entrance(site: Site, config: &DecoderConfig) -> usize {
    match (site.component(), site.layer()) {
        // A recurrent block's output is also its state.
        (Component::BlockOutput, Some(layer)) if !config.recurs(layer) => layer + 1,
        (_, Some(layer)) => layer,
        (Component::Embedding, None) => 0,
        (_, None) => config.layers.len(),
    }
}

/// How many blocks must be run for a site to be seen.
pub(super) fn through(site: Site, config: &DecoderConfig) -> usize {
    match (site.component(), site.layer()) {
        (_, Some(layer)) => layer + 1,
        (Component::Embedding, None) => 0,
        (_, None) => config.layers.len(),
    }
}

/// The first block of a model that a plan's edits and collects, and `others`, have to do with.
pub(super) fn first_block(plan: &ResolvedPlan, others: &[Site], config: &DecoderConfig) -> usize {
    let edits =
        plan.edits.iter().flat_map(|edit| [edit.site].into_iter().chain(edit.reads_current()));
    let collects = plan.collects.iter().map(|collect| collect.site);
    let sites = edits.chain(collects).chain(others.iter().copied());
    sites.map(|site| entrance(site, config)).min().unwrap_or(config.layers.len())
}

/// The positions of an example's base that its edits change or that are looked at: from the first that is
/// edited, collected or read to the last of them. Attention looks back only, so those before are what they
/// are without any edit, and those behind change nothing that anybody reads.
pub(super) fn positions(plan: &ResolvedPlan, example: usize) -> Range<usize> {
    let length = plan.examples[example].base.len();
    let edits = plan.edits.iter().map(|edit| &edit.units[example].positions);
    let collects = plan.collects.iter().filter(|collect| !collect.site.component().is_pattern());
    let collects = collects.map(|collect| &collect.positions[example]);
    let all = || edits.clone().chain(collects.clone()).chain([&plan.read[example]]).flatten();
    if plan.collects.iter().any(|collect| collect.site.component().is_pattern()) {
        return 0..length;
    }
    let first = all().min().copied().unwrap_or(length - 1);
    let last = all().max().copied().unwrap_or(length - 1);
    first..last + 1
}
