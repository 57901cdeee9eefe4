//! Work that does not fit the memory is cut into chunks.
//!
//! Jobs of one example stay together, since they share a trunk; within an example those that fork
//! in the same layers do.

use vene_model::{DecoderConfig, Site};

use super::tree::{ExampleRuns, Job};
use crate::plan::{ResolvedEdit, Run};

/// Bytes that the rows of one pass may take by default: from here on more rows at once do not make
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

/// Jobs, by index, in chunks each of which takes about `memory` bytes at most. `runs` are those of each job's prompts,
/// and `is_kept` says whether they were run before.
pub(super) fn of(
    jobs: &[Job<'_>],
    runs: &[ExampleRuns],
    config: &DecoderConfig,
    memory: usize,
    is_kept: bool,
) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&job| (&runs[job], first_site(jobs[job]).map(Site::depth)));
    let (mut chunks, mut chunk, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut last: Option<&ExampleRuns> = None;
    for job in order {
        let Job { plan, example, .. } = jobs[job];
        let is_new = last != Some(&runs[job]);
        let new_trunk = if is_new && !is_kept {
            let example = &plan.examples[example];
            let prompts = std::iter::once(&example.base).chain(&example.sources);
            prompts.map(|prompt| prompt.len()).sum()
        } else {
            0
        };
        let distributions = if plan.outputs.whole() { plan.read[example].len() } else { 0 };
        let cost = (rows(jobs[job]) + new_trunk) * row_bytes(config)
            + distributions * 4 * config.vocabulary;
        if bytes + cost > memory && !chunk.is_empty() {
            chunks.push(std::mem::take(&mut chunk));
            bytes = 0;
        }
        (bytes, last) = (bytes + cost, Some(&runs[job]));
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
pub(super) fn row_bytes(config: &DecoderConfig) -> usize {
    let heads = (2 * config.heads + 2 * config.key_value_heads) * config.head_dim;
    let mlp = if config.gated { 2 } else { 1 } * config.d_mlp;
    4 * (3 * config.d_model + heads + mlp)
}

/// Rows that a job ends up with, at most.
fn rows(job: Job<'_>) -> usize {
    let Job { plan, example, .. } = job;
    let of_run = |edits: &[ResolvedEdit], run: Run| {
        let first = edits.iter().flat_map(|edit| &edit.units[example].positions).min();
        first.map_or(0, |first| plan.examples[example].prompt(run).len() - first)
    };
    if !job.is_edited {
        return 0;
    }
    let sources = plan.edited_sources.iter();
    let sources: usize = sources.map(|s| of_run(&s.edits, Run::Source(s.source))).sum();
    of_run(&plan.edits, Run::Base) + sources
}

fn first_site(job: Job<'_>) -> Option<Site> {
    job.plan.edits.iter().map(|edit| edit.site).min_by_key(|site| site.depth())
}
