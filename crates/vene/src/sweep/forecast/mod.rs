//! What a sweep will cost, found before a weight is read.

mod forked;
mod reference;

pub(crate) use forked::cost;

use vene_model::config::LayerConfig;
use vene_model::{BlockKind, DecoderConfig, Outline};

use super::Sweep;
use crate::error::RunError;

/// Who is to run the sweep that is forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForecastOf {
    /// [`Reference`](crate::Reference).
    Reference,
    /// [`Forked`](crate::Forked), its passes held to so many bytes; to its default if `None`.
    Forked(Option<usize>),
}

/// What a sweep will cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Cells.
    pub interventions: usize,
    /// Cells that change nothing, since base and source are the same up to their position.
    pub unchanged: usize,
    /// Forward passes of the sweep itself. The few runs by which the noise of the computation is
    /// measured are in the operations and seconds.
    pub passes: usize,
    /// Floating-point operations of all matrix products and of attention, a multiplication and an
    /// addition being two.
    pub operations: f64,
    /// Bytes of the weights in f32 and of the largest pass's activations.
    pub memory: f64,
    /// Seconds on this machine, found by timing a few products; what is neither a matrix product
    /// nor attention is not counted.
    pub seconds: f64,
}

impl Forecast {
    pub(super) fn of(sweep: &Sweep, outline: &Outline, of: ForecastOf) -> Result<Self, RunError> {
        match of {
            ForecastOf::Reference => reference::forecast(sweep, outline.config()),
            ForecastOf::Forked(memory) => forked::forecast(sweep, outline, memory),
        }
    }
}

/// Weights of the model; the unembedding is counted once, as where it is tied.
fn weights(config: &DecoderConfig) -> f64 {
    let DecoderConfig { d_model, d_mlp, heads, key_value_heads, head_dim, vocabulary, .. } =
        *config;
    let attention = d_model * head_dim * (2 * heads + 2 * key_value_heads);
    let mlp = d_model * d_mlp * if config.gated { 3 } else { 2 };
    let of_layer = |layer: &LayerConfig| match layer.kind {
        BlockKind::Transformer => attention + mlp,
        BlockKind::Feedforward => d_model * d_model,
        BlockKind::GatedRecurrent => 6 * d_model * d_model,
    };
    let layers: usize = config.layers.iter().map(of_layer).sum();
    let inputs = if config.is_transformer() { 0 } else { config.inputs };
    ((vocabulary + inputs) * d_model + layers) as f64
}
