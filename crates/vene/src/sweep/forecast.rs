//! What a sweep will cost, found before a weight is read.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use vene_model::DecoderConfig;

use super::Sweep;
use crate::error::RunError;

/// What a sweep will cost with the reference executor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Cells.
    pub interventions: usize,
    /// Cells that change nothing, since base and source are the same up to their position.
    pub unchanged: usize,
    /// Forward passes: base, sources, and one for each cell.
    pub passes: usize,
    /// Floating-point operations of all matrix products, a multiplication and an addition being two.
    pub operations: f64,
    /// Bytes of the weights in f32 and of the largest pass's activations.
    pub memory: f64,
    /// Seconds on this machine, found by timing products of the model's own shapes; what is not a
    /// matrix product is not counted.
    pub seconds: f64,
}

/// A matrix product of a forward pass: `[rows, input] x [input, output]`, so many times.
struct Product {
    rows: usize,
    input: usize,
    output: usize,
    times: usize,
}

impl Product {
    fn operations(&self) -> f64 {
        2.0 * (self.rows * self.input * self.output) as f64 * self.times as f64
    }

    /// Seconds for all of them, by timing a few.
    fn seconds(&self) -> Result<f64, RunError> {
        let (device, dtype) = (&Device::Cpu, DType::F32);
        let rows = Tensor::ones((self.rows, self.input), dtype, device)?;
        let weight = Tensor::ones((self.output, self.input), dtype, device)?;
        rows.matmul(&weight.t()?)?;
        let (start, mut repeats) = (Instant::now(), 0);
        while repeats < 3 || (start.elapsed().as_secs_f64() < 0.01 && repeats < 1000) {
            rows.matmul(&weight.t()?)?;
            repeats += 1;
        }
        Ok(start.elapsed().as_secs_f64() / f64::from(repeats) * self.times as f64)
    }
}

impl Forecast {
    pub(super) fn of(sweep: &Sweep, config: &DecoderConfig) -> Result<Self, RunError> {
        let base = products(config, sweep.base.len());
        let cells = sweep.cells.len() as f64;
        let mut forecast = Self {
            interventions: sweep.cells.len(),
            unchanged: sweep.shared_prefix_cells(),
            passes: sweep.cells.len() + 1,
            operations: (cells + 1.0) * operations(&base),
            memory: 4.0 * (weights(config) + activations(config, sweep.base.len())),
            seconds: (cells + 1.0) * seconds(&base)?,
        };
        for source in &sweep.sources {
            // Once for its own distribution, once for its activations.
            let source = products(config, source.len());
            forecast.passes += 2;
            forecast.operations += 2.0 * operations(&source);
            forecast.seconds += 2.0 * seconds(&source)?;
        }
        Ok(forecast)
    }
}

fn operations(products: &[Product]) -> f64 {
    products.iter().map(Product::operations).sum()
}

fn seconds(products: &[Product]) -> Result<f64, RunError> {
    products.iter().map(Product::seconds).sum()
}

/// The products of one forward pass over one sequence, read at its last position.
fn products(config: &DecoderConfig, rows: usize) -> Vec<Product> {
    let DecoderConfig { d_model, d_mlp, heads, key_value_heads, head_dim, vocabulary, .. } =
        *config;
    let layers = config.layers.len();
    let product = |rows, input, output, times| Product { rows, input, output, times };
    vec![
        product(rows, d_model, heads * head_dim, layers),
        product(rows, d_model, key_value_heads * head_dim, 2 * layers),
        product(rows, head_dim, rows, heads * layers),
        product(rows, rows, head_dim, heads * layers),
        product(rows, heads * head_dim, d_model, layers),
        product(rows, d_model, d_mlp, if config.gated { 2 } else { 1 } * layers),
        product(rows, d_mlp, d_model, layers),
        product(1, d_model, vocabulary, 1),
    ]
}

/// Weights of the model; the unembedding is counted once, as where it is tied.
fn weights(config: &DecoderConfig) -> f64 {
    let DecoderConfig { d_model, d_mlp, heads, key_value_heads, head_dim, vocabulary, .. } =
        *config;
    let attention = d_model * head_dim * (2 * heads + 2 * key_value_heads);
    let mlp = d_model * d_mlp * if config.gated { 3 } else { 2 };
    (vocabulary * d_model + config.layers.len() * (attention + mlp)) as f64
}

/// Activations that are alive at once in the widest place of a pass.
fn activations(config: &DecoderConfig, rows: usize) -> f64 {
    let in_mlp = rows * (2 * config.d_model + 3 * config.d_mlp);
    let in_attention = config.heads * rows * rows * 3;
    (in_mlp.max(in_attention) + config.vocabulary) as f64
}
