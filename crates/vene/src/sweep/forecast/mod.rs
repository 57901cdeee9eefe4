//! What a sweep will cost, found before a weight is read.

mod forked;
mod reference;

use std::ops::Range;

use vene_engine::Forked;
use vene_engine::plan::{Example, ResolvedPlan};
use vene_model::config::LayerConfig;
use vene_model::{BlockKind, DecoderConfig, Outline};

use super::{Method, Sweep, batch};
use crate::sweep::SweepError;

/// Which executor is to run the sweep that is forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForecastOf {
    /// [`Reference`](crate::Reference).
    Reference,
    /// [`Forked`](crate::Forked), its passes held to so many bytes; to its default if `None`.
    Forked(Option<usize>),
}

/// What a sweep will cost: of many rows the cost of the first batch, times the batches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Interventions: of a pair its cells in each direction and map.
    pub interventions: usize,
    /// About how many of them change nothing, since base and source are the same up to their position.
    pub unchanged: usize,
    /// Forward passes. Of the few runs by which the noise of the computation is measured those of a pair are in the
    /// operations and seconds; those of rows are not counted.
    pub passes: usize,
    /// Floating-point operations of all matrix products and of attention, a multiplication and an
    /// addition being two.
    pub operations: f64,
    /// The same if each intervention were a pass over its base and one over its source.
    pub operations_one_by_one: f64,
    /// Bytes of the weights in f32 and of the largest pass's activations.
    pub memory: f64,
    /// Seconds on this machine, found by timing a few products; what is neither a matrix product
    /// nor attention is not counted.
    pub seconds: f64,
}

/// What the first batch costs an executor.
struct BatchCost {
    passes: usize,
    operations: f64,
    memory: f64,
    seconds: f64,
}

pub(super) fn of(sweep: &Sweep, outline: &Outline, of: ForecastOf) -> Result<Forecast, SweepError> {
    let first = sweep.batches().into_iter().next().unwrap_or(0..0);
    let planned = batch::first_plans(sweep, outline, first.clone())?;
    let unchanged = unchanged(sweep, &planned);
    let plans: Vec<ResolvedPlan> = planned.into_iter().map(|(_, plan)| plan).collect();
    let cost = match of {
        ForecastOf::Reference => reference::cost(sweep, outline.config(), first.clone())?,
        ForecastOf::Forked(memory) => forked::of_batch(sweep, outline, &plans, memory)?,
    };
    let times = sweep.rows.len() as f64 / first.len().max(1) as f64;
    let mut one_by_one = 0.0;
    for row in &sweep.rows[first] {
        let sources: Vec<_> = row.sources().collect();
        for prompt in std::iter::once(&row.base).chain(sweep.method.read(&sources).iter().copied())
        {
            // A prompt by itself is one pass, whatever it takes.
            let plan = [ResolvedPlan::unedited(prompt)];
            one_by_one += Forked::work_of(outline, &plan, Some(usize::MAX))?.operations();
        }
    }
    Ok(Forecast {
        interventions: sweep.interventions(),
        unchanged: (unchanged as f64 * times).round() as usize,
        passes: (cost.passes as f64 * times).ceil() as usize,
        operations: cost.operations * times,
        operations_one_by_one: one_by_one * times * sweep.interventions_per_row() as f64,
        memory: cost.memory,
        seconds: cost.seconds * times,
    })
}

/// How many of a batch's interventions change nothing; the plans of cells say which of their edits are the cell's own.
fn unchanged(sweep: &Sweep, plans: &[(Option<Range<usize>>, ResolvedPlan)]) -> usize {
    // What a noisy run lacks is put back, whatever the prompts share.
    if let Method::Restore { .. } = sweep.method {
        return 0;
    }
    // A pair's tokens and its metrics are read of the same interventions.
    let readings = if sweep.is_pair() { super::edits::Reading::of(sweep).len() } else { 1 };
    let of_plan = |(own, plan): &(Option<Range<usize>>, ResolvedPlan)| {
        let Some(own) = own else { return 0 };
        let shared = |(index, example): &(usize, &Example)| {
            plan.edits()[own.clone()].iter().all(|edit| edit.is_shared_prefix(*index, example))
        };
        plan.examples().iter().enumerate().filter(shared).count()
    };
    plans.iter().map(of_plan).sum::<usize>() / readings
}

/// Weights of the model; the unembedding is counted once, as where it is tied.
fn weights(config: &DecoderConfig) -> f64 {
    let DecoderConfig { d_model, d_mlp, heads, key_value_heads, head_dim, vocabulary, .. } =
        *config;
    let attention = d_model * head_dim * (2 * heads + 2 * key_value_heads);
    let mlp = |layer: &LayerConfig| {
        let hidden = match layer.experts {
            Some(experts) => experts.count * experts.d_expert + experts.d_shared.unwrap_or(0),
            None => d_mlp,
        };
        d_model * hidden * if config.gated { 3 } else { 2 }
    };
    let of_layer = |layer: &LayerConfig| match layer.kind {
        BlockKind::Transformer => attention + mlp(layer),
        BlockKind::Feedforward => d_model * d_model,
        BlockKind::GatedRecurrent => 6 * d_model * d_model,
    };
    let layers: usize = config.layers.iter().map(of_layer).sum();
    let inputs = if config.is_transformer() { 0 } else { config.inputs };
    ((vocabulary + inputs) * d_model + layers) as f64
}
