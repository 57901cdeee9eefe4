//! What a sweep costs the reference executor: a full pass for each cell.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use vene_model::{BlockKind, DecoderConfig};

use super::{Forecast, Sweep, weights};
use crate::error::RunError;

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

pub(super) fn forecast(sweep: &Sweep, config: &DecoderConfig) -> Result<Forecast, RunError> {
    let base = products(config, sweep.base.len());
    // Each cell, those that are run once more to measure noise, and the base both times.
    let runs = sweep.passes_of_a_run();
    let cells = (runs * (sweep.cells.len() + 1) + sweep.noise_passes()) as f64;
    let mut forecast = Forecast {
        interventions: sweep.cells.len(),
        unchanged: sweep.shared_prefix_cells(),
        passes: runs * (sweep.cells.len() + 1),
        operations: cells * operations(&base),
        memory: 4.0 * (weights(config) + activations(config, sweep.base.len())),
        seconds: cells * seconds(&base)?,
    };
    for source in &sweep.sources {
        // For what is read of it, and once for its activations.
        let source = products(config, source.len());
        forecast.passes += runs + 1;
        forecast.operations += (runs + 1) as f64 * operations(&source);
        forecast.seconds += (runs + 1) as f64 * seconds(&source)?;
    }
    Ok(forecast)
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
    let layers = |kind: BlockKind| config.layers.iter().filter(|layer| layer.kind == kind).count();
    let transformers = layers(BlockKind::Transformer);
    let (perceptrons, recurrent) =
        (layers(BlockKind::Feedforward), layers(BlockKind::GatedRecurrent));
    let product = |rows, input, output, times| Product { rows, input, output, times };
    let mut products = vec![
        product(rows, d_model, heads * head_dim, transformers),
        product(rows, d_model, key_value_heads * head_dim, 2 * transformers),
        product(rows, head_dim, rows, heads * transformers),
        product(rows, rows, head_dim, heads * transformers),
        product(rows, heads * head_dim, d_model, transformers),
        product(rows, d_model, d_mlp, if config.gated { 2 } else { 1 } * transformers),
        product(rows, d_mlp, d_model, transformers),
        product(rows, d_model, d_model, perceptrons + 3 * recurrent),
        // The state goes from row to row.
        product(1, d_model, d_model, 3 * rows * recurrent),
        product(1, d_model, vocabulary, 1),
    ];
    products.retain(|product| product.times > 0);
    products
}

/// Activations that are alive at once in the widest place of a pass.
fn activations(config: &DecoderConfig, rows: usize) -> f64 {
    let in_mlp = rows * (2 * config.d_model + 3 * config.d_mlp);
    let in_attention = config.heads * rows * rows * 3;
    (in_mlp.max(in_attention) + config.vocabulary) as f64
}
