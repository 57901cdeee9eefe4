//! Work that does not fit the memory is cut into chunks.
//!
//! Jobs of one example stay together, since they share a trunk; within an example those that fork
//! in the same layers do.

use vene_model::{DecoderConfig, Site};

use super::tree::{ExampleRuns, Job};
use crate::error::RunError;
use crate::plan::{ResolvedEdit, Run};

/// Bytes that the rows of one pass may take by default: from here on more rows at once do not make
/// the products any faster.
const MEMORY: usize = 128 << 20;

/// How many bytes the system has free, where it says so.
fn free() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// How many bytes the rows of one pass may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) bytes: usize,
    /// Whether a user chose them: then what needs more is refused.
    is_chosen: bool,
}

impl Budget {
    /// As many as the user chose; or [`MEMORY`], or an eighth of what the system has free if that is less.
    pub fn of(chosen: Option<usize>) -> Self {
        let default = || free().map_or(MEMORY, |free| (free / 8).min(MEMORY));
        let bytes = chosen.unwrap_or_else(default);
        Self { bytes, is_chosen: chosen.is_some() }
    }

    /// The same for what is kept from one pass to the next, such as keys and values: half of what the user chose, which
    /// leaves the other half to the passes; or a quarter of what the system has free.
    pub(crate) fn kept(chosen: Option<usize>) -> usize {
        match chosen {
            Some(bytes) => bytes / 2,
            None => free().map_or(MEMORY, |free| free / 4),
        }
    }

    /// Refuses what takes so many bytes at least, if the user gave less.
    pub(crate) fn holds(&self, least: usize) -> Result<(), RunError> {
        if self.is_chosen && least > self.bytes {
            return Err(RunError::Memory { budget: self.bytes, least });
        }
        Ok(())
    }
}

/// Jobs, by index, in chunks each of which takes about the budget at most. `runs` are those of each job's prompts,
/// and `is_kept` says whether they were run before.
///
/// # Errors
/// A job that takes more by itself.
pub(super) fn of(
    jobs: &[Job<'_>],
    runs: &[ExampleRuns],
    config: &DecoderConfig,
    budget: Budget,
    is_kept: bool,
) -> Result<Vec<Vec<usize>>, RunError> {
    budget.holds(least(jobs, config, is_kept))?;
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&job| (&runs[job], first_site(jobs[job]).map(Site::depth)));
    let (mut chunks, mut chunk, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut last: Option<&ExampleRuns> = None;
    for job in order {
        let is_new = last != Some(&runs[job]);
        let cost = cost(jobs[job], config, is_new && !is_kept);
        if bytes + cost > budget.bytes && !chunk.is_empty() {
            chunks.push(std::mem::take(&mut chunk));
            bytes = 0;
        }
        (bytes, last) = (bytes + cost, Some(&runs[job]));
        chunk.push(job);
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
    Ok(chunks)
}

/// The bytes of the largest job by itself.
pub(super) fn least(jobs: &[Job<'_>], config: &DecoderConfig, is_kept: bool) -> usize {
    jobs.iter().map(|job| cost(*job, config, !is_kept)).max().unwrap_or(0)
}

/// About how many bytes a job takes, with its prompts' runs or without.
fn cost(job: Job<'_>, config: &DecoderConfig, with_trunk: bool) -> usize {
    let Job { plan, example, .. } = job;
    let prompts = &plan.examples[example];
    let prompts = std::iter::once(&prompts.base).chain(&prompts.sources);
    let trunk = prompts.filter(|_| with_trunk).map(|prompt| prompt.len()).sum::<usize>();
    let distributions = if plan.outputs.whole() { plan.read[example].len() } else { 0 };
    (rows(job) + trunk) * row_bytes(config) + distributions * 4 * config.vocabulary
}

/// Bytes of a packed row where most is alive at once (residual stream, its norm, queries, keys,
/// values and what attention gives, or the two sides of the MLP), and of buffers that wait for
/// their next use.
pub(super) fn row_bytes(config: &DecoderConfig) -> usize {
    let heads = (2 * config.heads + 2 * config.key_value_heads) * config.head_dim;
    let mlp = if config.gated { 2 } else { 1 } * config.widest_mlp();
    4 * (3 * config.d_model + heads + mlp)
}

/// Rows that a job ends up with, at most.
pub(super) fn rows(job: Job<'_>) -> usize {
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
