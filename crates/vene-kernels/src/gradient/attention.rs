//! The gradient of attention.

use crate::attention::{Path, Shape, check, visible};
use crate::exponential::{exp, larger};
use crate::instructions::for_each_instruction_set;
use crate::norm::{sum, sum_of_products};
use crate::parallel::{Shared, for_each_task, threads_for};

/// Where the gradients of attention's inputs go.
#[derive(Debug)]
pub struct AttentionGradient<'a> {
    /// `[query rows, heads * head_dim]`.
    pub of_queries: &'a mut [f32],
    /// `[rows - first, key_value_heads * head_dim]`.
    pub of_keys: &'a mut [f32],
    /// Likewise.
    pub of_values: &'a mut [f32],
    /// Keys and values of the rows before this one are constants, which several paths may share.
    pub first: usize,
}

/// The gradients of [`attend`](crate::attend)'s queries, keys and values from that of its result, which is
/// `[query rows, heads * head_dim]`; what no path reads gets 0.
///
/// # Panics
///
/// As `attend`; and if a row that is no constant is in several paths, or the gradients' lengths don't fit.
#[allow(clippy::too_many_arguments)]
pub fn attend_gradient(
    queries: &[f32],
    keys: &[f32],
    values: &[f32],
    shape: &Shape<'_>,
    window: Option<usize>,
    paths: &[Path<'_>],
    gradient: &[f32],
    to: AttentionGradient<'_>,
) {
    check(queries, keys, values, shape, window, paths, gradient);
    let AttentionGradient { of_queries, of_keys, of_values, first } = to;
    let width = shape.key_value_heads * shape.head_dim;
    assert_eq!(of_queries.len(), queries.len(), "queries and their gradient");
    let rows = keys.len() / width;
    assert!(first <= rows, "row {first} of {rows}");
    assert_eq!(of_keys.len(), (rows - first) * width, "keys and their gradient");
    assert_eq!(of_values.len(), of_keys.len(), "values and their gradient");
    let mut taken = vec![false; rows];
    for row in paths.iter().flat_map(|path| path.rows).map(|&row| row as usize) {
        let again = std::mem::replace(&mut taken[row], true);
        assert!(row < first || !again, "row {row} is in two paths");
    }
    of_queries.fill(0.0);
    of_keys.fill(0.0);
    of_values.fill(0.0);
    let seen = |path: &Path<'_>| -> usize {
        path.queries.iter().map(|query| visible(query, window).len()).sum()
    };
    let cost: usize = paths.iter().map(seen).sum::<usize>() * shape.heads * shape.head_dim / 2;
    let job = Job {
        queries,
        keys,
        values,
        gradient,
        shape,
        first,
        of_queries: Shared::new(of_queries),
        of_keys: Shared::new(of_keys),
        of_values: Shared::new(of_values),
    };
    // One path's rows are one task's; a few heads alone may be another's.
    let heads = shape.key_value_heads;
    for_each_task(paths.len() * heads, threads_for(cost), Vec::new, |scratch, task| {
        let (path, head) = (&paths[task / heads], task % heads);
        for query in path.queries {
            let seen = visible(query, window);
            scratch.resize(2 * seen.len(), 0.0);
            for head_of_group in 0..shape.heads / heads {
                let head_of_query = head * (shape.heads / heads) + head_of_group;
                let asked = Asked { row: query.row as usize, first: seen.start, head_of_query };
                one_query(&job, &path.rows[seen.clone()], asked, head, scratch);
            }
        }
    });
}

/// The arguments, all checked.
struct Job<'a> {
    queries: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    gradient: &'a [f32],
    shape: &'a Shape<'a>,
    first: usize,
    of_queries: Shared<'a, f32>,
    of_keys: Shared<'a, f32>,
    of_values: Shared<'a, f32>,
}

/// One head of one query.
#[derive(Clone, Copy)]
struct Asked {
    row: usize,
    /// The position of the first key that it sees.
    first: usize,
    head_of_query: usize,
}

for_each_instruction_set! {
    /// One head of one query, which sees the keys of `rows`, of key-value head `head`.
    fn one_query<FUSED>(
        job: &Job<'_>,
        rows: &[u32],
        asked: Asked,
        head: usize,
        scratch: &mut [f32],
    ) {
        let Asked { row, first, head_of_query } = asked;
        let Shape { heads: all, key_value_heads, head_dim, score_scale, soft_cap, .. } = *job.shape;
        let own = (row * all + head_of_query) * head_dim;
        let query = &job.queries[own..][..head_dim];
        let gradient = &job.gradient[own..][..head_dim];
        let place = |row: u32| (row as usize * key_value_heads + head) * head_dim;
        let (weights, slopes) = scratch.split_at_mut(rows.len());
        for ((weight, slope), &row) in weights.iter_mut().zip(slopes.iter_mut()).zip(rows) {
            let key = &job.keys[place(row)..][..head_dim];
            let score = sum_of_products(query, key, |a, b| a * b) * score_scale;
            (*weight, *slope) = match soft_cap {
                Some(cap) => {
                    let bent = crate::exponential::tanh::<FUSED>(score / cap);
                    (cap * bent, (1.0 - bent * bent) * score_scale)
                }
                None => (score, score_scale),
            };
        }
        if let Some(slopes) = job.shape.slopes {
            slopes.add(head_of_query, first, weights);
        }
        let sink = job.shape.sinks.map(|sinks| sinks[head_of_query]);
        let top = weights.iter().fold(sink.unwrap_or(f32::NEG_INFINITY), |top, score| larger(*score, top));
        for weight in weights.iter_mut() {
            *weight = exp::<FUSED>(*weight - top);
        }
        // The sink takes its share of the weights, and pulls at nothing.
        let of_sink = sink.map_or(0.0, |sink| exp::<FUSED>(sink - top));
        let factor = 1.0 / (sum(weights, |weight| weight) + of_sink);
        let mut mean = 0.0;
        for ((weight, slope), &row) in weights.iter_mut().zip(slopes.iter_mut()).zip(rows) {
            *weight *= factor;
            let value = &job.values[place(row)..][..head_dim];
            let pull = sum_of_products(gradient, value, |a, b| a * b);
            mean += *weight * pull;
            // What is kept is `slope * weight * pull`; `mean` is taken off below.
            *slope *= *weight;
            let live = (row as usize).checked_sub(job.first);
            if let Some(live) = live {
                let at = (live * key_value_heads + head) * head_dim;
                // SAFETY: a live row is in one path, whose head this task alone has.
                let of_value = unsafe { job.of_values.part(at, head_dim) };
                for (of_value, &gradient) in of_value.iter_mut().zip(gradient) {
                    *of_value += *weight * gradient;
                }
            }
            *weight = pull;
        }
        // SAFETY: this task alone has this head of this query.
        let of_query = unsafe { job.of_queries.part(own, head_dim) };
        for ((&pull, &slope), &row) in weights.iter().zip(slopes.iter()).zip(rows) {
            let change = slope * (pull - mean);
            let key = &job.keys[place(row)..][..head_dim];
            for (of_query, &key) in of_query.iter_mut().zip(key) {
                *of_query += change * key;
            }
            let live = (row as usize).checked_sub(job.first);
            if let Some(live) = live {
                let at = (live * key_value_heads + head) * head_dim;
                // SAFETY: as above.
                let of_key = unsafe { job.of_keys.part(at, head_dim) };
                for (of_key, &query) in of_key.iter_mut().zip(query) {
                    *of_key += change * query;
                }
            }
        }
    }
}
