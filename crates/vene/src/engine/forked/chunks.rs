//! Work that does not fit the memory is cut into chunks.
//!
//! Jobs of one example stay together, since they share a trunk; within an example those that fork
//! in the same layers do.

use vene_model::{DecoderConfig, Site};

use super::tree::Job;

/// Bytes that the rows of one pass may take unless told: from here on more rows at once do not make
/// the products any faster.
const MEMORY: usize = 128 << 20;

/// The same, or an eighth of what the system has free if that is less.
pub(crate) fn memory() -> usize {
    let free = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()
    });
    free.map_or(MEMORY, |kilobytes| (kilobytes * 1024 / 8).min(MEMORY))
}

/// Jobs, by index, in chunks each of which takes about `memory` bytes at most.
pub(super) fn of(
    jobs: &[(usize, Job<'_>)],
    config: &DecoderConfig,
    memory: usize,
) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&job| {
        let (_, Job { plan, example }) = jobs[job];
        (std::ptr::from_ref(&plan.examples[example]), first_site(jobs[job].1).map(Site::depth))
    });
    let (mut chunks, mut chunk, mut bytes, mut last) = (Vec::new(), Vec::new(), 0, None);
    for job in order {
        let Job { plan, example } = jobs[job].1;
        let place = std::ptr::from_ref(&plan.examples[example]);
        let new_trunk = match last == Some(place) {
            true => 0,
            false => {
                let example = &plan.examples[example];
                let prompts = std::iter::once(&example.base).chain(&example.sources);
                prompts.map(|prompt| prompt.len()).sum()
            }
        };
        let distributions = if plan.outputs.whole() { plan.read[example].len() } else { 0 };
        let cost = (rows(jobs[job].1) + new_trunk) * row_bytes(config)
            + distributions * 4 * config.vocabulary;
        if bytes + cost > memory && !chunk.is_empty() {
            chunks.push(std::mem::take(&mut chunk));
            bytes = 0;
        }
        (bytes, last) = (bytes + cost, Some(place));
        chunk.push(job);
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
    chunks
}

/// Bytes of a packed row where most is alive at once (residual stream, its norm, queries, keys,
/// values and what attention gives, or the two sides of the MLP), and of buffers that wait for
/// their next use.
fn row_bytes(config: &DecoderConfig) -> usize {
    let heads = (2 * config.heads + 2 * config.key_value_heads) * config.head_dim;
    let mlp = if config.gated { 2 } else { 1 } * config.d_mlp;
    4 * (3 * config.d_model + heads + mlp)
}

/// Rows that a job ends up with, at most.
fn rows(job: Job<'_>) -> usize {
    let Job { plan, example } = job;
    let edited = plan.edits.iter().flat_map(|edit| &edit.units[example].positions).min();
    edited.map_or(0, |first| plan.examples[example].base.len() - first)
}

fn first_site(job: Job<'_>) -> Option<Site> {
    job.plan.edits.iter().map(|edit| edit.site).min_by_key(|site| site.depth())
}
