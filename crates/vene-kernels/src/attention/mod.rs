//! Causal attention over paths through packed rows.
//!
//! Runs that share a prefix share its rows, so a run's keys are not one stretch of memory: they are
//! a path, the shared rows first and the run's own behind them. There may be thousands of short
//! paths with one query each, or one long one with many; both are cut into units of work by what
//! they cost. No strategy changes the order of any sum: a query's result depends on that query, its
//! keys and values, the window and the instruction set alone.

mod dot;
mod mix;
mod slopes;
mod softmax;
mod unit;

pub use slopes::Slopes;

use crate::parallel::{GRAIN, Shared, for_each_task, threads_for};
use unit::{Job, Scratch};

/// The shape of attention and what becomes of its scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape<'a> {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads, a divisor of `heads`: each serves a group of neighbouring query heads.
    pub key_value_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Scores are multiplied by this.
    pub score_scale: f32,
    /// Then they become `cap * tanh(score / cap)`.
    pub soft_cap: Option<f32>,
    /// Then they fall with the distance of the key.
    pub slopes: Option<Slopes<'a>>,
    /// For each query head a score that takes part in the softmax, and to which no value belongs: a *sink*.
    pub sinks: Option<&'a [f32]>,
}

/// One query of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Its row of the packed queries and of the output.
    pub row: u32,
    /// Its position in the run: it sees the keys up to this position, itself included.
    pub position: u32,
}

/// One run: where the keys and values of its positions are, and which of its positions ask.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    /// The packed row of keys and values for each position `0..`.
    pub rows: &'a [u32],
    /// Queries in ascending order of position, each less than `rows.len()`.
    pub queries: &'a [Query],
}

/// Queries of a path that are handled together where a path has many.
const QUERIES: usize = 128;

/// A stretch of a path's queries, for some of the key-value heads.
#[derive(Clone, Copy)]
struct Unit {
    path: usize,
    heads: (usize, usize),
    queries: (usize, usize),
}

/// Causal attention: `softmax(queries . keys) . values` for each head of each query, the softmax over the keys and the
/// head's sink, where there is one.
///
/// `queries` and `out` are `[query rows, heads * head_dim]`; `keys` and `values` `[rows,
/// key_value_heads * head_dim]`. A query at position `p` sees the keys of its path at positions
/// `0..=p`, and of those only the last `window` where there is one. Rows of `out` that no query
/// names are left alone.
///
/// # Panics
///
/// If the lengths don't fit the shape, a path names a row that isn't there, positions don't ascend
/// or lie beyond the path, the window is 0, or two queries name one row.
pub fn attend(
    queries: &[f32],
    keys: &[f32],
    values: &[f32],
    shape: &Shape<'_>,
    window: Option<usize>,
    paths: &[Path<'_>],
    out: &mut [f32],
) {
    check(queries, keys, values, shape, window, paths, out);
    let (units, ends, cost) = plan(shape, window, paths);
    let job = Job { queries, keys, values, shape, window, out: Shared::new(out) };
    for_each_task(ends.len(), threads_for(cost), Scratch::default, |scratch, task| {
        let first = if task == 0 { 0 } else { ends[task - 1] };
        for unit in &units[first..ends[task]] {
            let path = &paths[unit.path];
            let path =
                Path { rows: path.rows, queries: &path.queries[unit.queries.0..unit.queries.1] };
            unit::run(&job, &path, unit.heads.0..unit.heads.1, scratch);
        }
    });
}

/// Cuts the paths into units, and groups these into tasks that are worth handing out: the units,
/// where each task's end, and what all cost.
fn plan(
    shape: &Shape<'_>,
    window: Option<usize>,
    paths: &[Path<'_>],
) -> (Vec<Unit>, Vec<usize>, usize) {
    let (mut units, mut ends) = (Vec::with_capacity(paths.len()), Vec::new());
    let (mut total, mut pending) = (0, 0);
    let mut push = |unit, cost| {
        units.push(unit);
        total += cost;
        pending += cost;
        if pending >= GRAIN {
            ends.push(units.len());
            pending = 0;
        }
    };
    let group = shape.heads / shape.key_value_heads;
    for (index, path) in paths.iter().enumerate() {
        for (chunk, queries) in path.queries.chunks(QUERIES).enumerate() {
            let seen: usize = queries.iter().map(|query| visible(query, window).len()).sum();
            let cost = (seen * shape.head_dim / 4 + 512 * queries.len()) * group;
            let queries = (chunk * QUERIES, chunk * QUERIES + queries.len());
            if cost * shape.key_value_heads > GRAIN {
                for head in 0..shape.key_value_heads {
                    push(Unit { path: index, heads: (head, head + 1), queries }, cost);
                }
            } else {
                let heads = (0, shape.key_value_heads);
                push(Unit { path: index, heads, queries }, cost * shape.key_value_heads);
            }
        }
    }
    if ends.last().is_none_or(|&end| end < units.len()) {
        ends.push(units.len());
    }
    (units, ends, total)
}

/// The positions that a query sees.
pub(crate) fn visible(query: &Query, window: Option<usize>) -> std::ops::Range<usize> {
    let end = query.position as usize + 1;
    end.saturating_sub(window.unwrap_or(end))..end
}

pub(crate) fn check(
    queries: &[f32],
    keys: &[f32],
    values: &[f32],
    shape: &Shape<'_>,
    window: Option<usize>,
    paths: &[Path<'_>],
    out: &[f32],
) {
    let Shape { heads, key_value_heads, head_dim, .. } = *shape;
    assert!(heads > 0 && key_value_heads > 0 && head_dim > 0, "attention without heads");
    assert!(heads.is_multiple_of(key_value_heads), "{heads} heads over {key_value_heads}");
    assert!(window != Some(0), "a window of 0 hides all keys");
    let of_heads = [shape.sinks, shape.slopes.map(|slopes| slopes.of_heads)];
    for numbers in of_heads.into_iter().flatten() {
        assert_eq!(numbers.len(), heads, "sinks or slopes, one for each query head");
    }
    let (query_width, key_width) = (heads * head_dim, key_value_heads * head_dim);
    assert!(queries.len().is_multiple_of(query_width), "queries are [rows, {query_width}]");
    assert_eq!(queries.len(), out.len(), "queries and output");
    assert!(keys.len().is_multiple_of(key_width), "keys are [rows, {key_width}]");
    assert_eq!(keys.len(), values.len(), "keys and values");
    let (query_rows, key_rows) = (queries.len() / query_width, keys.len() / key_width);
    let mut taken = vec![false; query_rows];
    for path in paths {
        for &row in path.rows {
            assert!((row as usize) < key_rows, "key row {row} of {key_rows}");
        }
        for query in path.queries {
            let row = query.row as usize;
            assert!(row < query_rows, "query row {row} of {query_rows}");
            assert!(!std::mem::replace(&mut taken[row], true), "query row {row} twice");
            let position = query.position as usize;
            assert!(position < path.rows.len(), "position {position} of {}", path.rows.len());
        }
        assert!(path.queries.is_sorted_by_key(|query| query.position), "positions ascend");
    }
}
