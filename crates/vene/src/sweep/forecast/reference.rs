//! What a sweep costs the reference executor: a full pass for each cell.

use std::ops::Range;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use vene_data::PreparedRow;
use vene_engine::RunError;
use vene_model::{BlockKind, DecoderConfig, Prompt};

use super::{BatchCost, weights};
use crate::sweep::{Direction, Sweep};

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

/// What the first batch costs.
pub(super) fn cost(
    sweep: &Sweep,
    config: &DecoderConfig,
    batch: Range<usize>,
) -> Result<BatchCost, RunError> {
    let mut cost = BatchCost { passes: 0, operations: 0.0, memory: 0.0, seconds: 0.0 };
    for row in &sweep.rows[batch] {
        for (index, &direction) in sweep.directions.iter().enumerate() {
            let noise = sweep.noise_cells.iter().flatten().nth(index).map_or(0, Vec::len);
            add(&mut cost, sweep, config, (row, direction, noise))?;
        }
    }
    Ok(cost)
}

/// Adds what a direction of a row costs, at so many of whose cells noise is measured.
fn add(
    cost: &mut BatchCost,
    sweep: &Sweep,
    config: &DecoderConfig,
    (row, direction, noise): (&PreparedRow, Direction, usize),
) -> Result<(), RunError> {
    let (edited, others): (&Prompt, Vec<&Prompt>) = match (direction, &row.source) {
        (Direction::Denoising, Some(source)) => (source, vec![&row.base]),
        _ => (&row.base, row.sources().collect()),
    };
    let base = products(config, edited.len());
    // In how many runs a prompt or a cell is read.
    let metrics = if sweep.meter.len() > 0 { row.answers.runs.len() } else { 0 };
    let runs = usize::from(!sweep.targets.is_empty()) + metrics;
    let cells = sweep.interventions_per_row() / sweep.directions.len().max(1);
    // Each cell, those that are run once more to measure noise, and the base both times.
    let again = if noise > 0 { noise + 1 } else { usize::from(sweep.is_pair()) };
    let all = (runs * (cells + 1 + again)) as f64;
    cost.passes += runs * (cells + 1);
    cost.operations += all * operations(&base);
    cost.memory = cost.memory.max(4.0 * (weights(config) + activations(config, edited.len())));
    cost.seconds += all * seconds(&base)?;
    for other in others {
        // For what is read of it, and once for its activations.
        let source = products(config, other.len());
        cost.passes += runs + 1;
        cost.operations += (runs + 1) as f64 * operations(&source);
        cost.seconds += (runs + 1) as f64 * seconds(&source)?;
    }
    Ok(())
}

fn operations(products: &[Product]) -> f64 {
    products.iter().map(Product::operations).sum()
}

fn seconds(products: &[Product]) -> Result<f64, RunError> {
    products.iter().map(Product::seconds).sum()
}

/// The products of one forward pass over one sequence, read at its last position.
fn products(config: &DecoderConfig, rows: usize) -> Vec<Product> {
    let DecoderConfig { d_model, heads, key_value_heads, head_dim, vocabulary, .. } = *config;
    let d_mlp = config.widest_mlp();
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
        // Of experts those that are chosen, as if they were one MLP.
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
    let in_mlp = rows * (2 * config.d_model + 3 * config.widest_mlp());
    let in_attention = config.heads * rows * rows * 3;
    (in_mlp.max(in_attention) + config.vocabulary) as f64
}
