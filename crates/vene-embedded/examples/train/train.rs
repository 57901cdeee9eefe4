//! The training loop: AdamW, a warm-up, a cosine, and a price on looking at the subject too early.
//!
//! # Where a fact is looked up
//!
//! Large language models enrich the subject of a sentence over several layers before later
//! positions read it (Meng et al. 2022, "Locating and editing factual associations in GPT"; Geva
//! et al. 2023, "Dissecting recall of factual associations"). A model as small as this one has no
//! need to: left alone, its last position reads the country in the first layer. So attention
//! from other positions to the country of a phrasing costs something in the first layers
//! ([`Recipe::early_attention_cost`]). It is a term of the loss only; the
//! trained model is a plain GPT-2.

use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow};
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use rand::SeedableRng;
use rand::rngs::StdRng;

use vene_embedded::FACTS;

use crate::batch::{Batch, Packer};
use crate::model::{Component, Gpt2};
use crate::operations::cross_entropy;

/// Everything a run is determined by, besides the corpus and the model's sizes.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Of weights, batches and the tokenizer's text.
    pub seed: u64,
    /// Updates.
    pub steps: usize,
    /// Rows of a batch; each of the model's full length.
    pub rows: usize,
    /// Parts of a batch that are computed side by side.
    pub shards: usize,
    /// The highest learning rate, after the warm-up.
    pub learning_rate: f64,
    /// Steps until then.
    pub warmup: usize,
    /// AdamW's decay, of matrices only.
    pub weight_decay: f64,
    /// Countries that training begins with.
    pub first_countries: usize,
    /// The part of the steps after which all have come in.
    pub curriculum: f64,
    /// Layers in which attention to the subject costs something.
    pub early_layers: usize,
    /// The cost in layer 0, in nats per unit of attention; it falls linearly to nothing.
    pub early_attention_cost: f64,
}

/// Trains in place. The same recipe gives the same weights on the same machine.
pub fn train(model: &Gpt2, packer: &Packer, recipe: &Recipe) -> Result<()> {
    let mut random = StdRng::seed_from_u64(recipe.seed + 1);
    let (matrices, vectors): (Vec<_>, Vec<_>) =
        model.parameters.values().cloned().partition(|parameter| parameter.rank() == 2);
    let settings = |weight_decay| ParamsAdamW { weight_decay, beta2: 0.98, ..Default::default() };
    let mut optimizers =
        [AdamW::new(matrices, settings(recipe.weight_decay))?, AdamW::new(vectors, settings(0.0))?];

    let start = Instant::now();
    for step in 0..recipe.steps {
        let countries = countries(step, recipe);
        let shards = (0..recipe.shards)
            .map(|_| packer.batch(recipe.rows / recipe.shards, countries, &mut random))
            .collect::<Result<Vec<_>>>()?;
        let (loss, gradients) = gradients(model, &shards, recipe)?;
        for optimizer in &mut optimizers {
            optimizer.set_learning_rate(learning_rate(step, recipe));
            optimizer.step(&gradients)?;
        }
        if step % 25 == 0 || step + 1 == recipe.steps {
            let seconds = start.elapsed().as_secs_f64();
            println!(
                "step {step:5}  loss {:.4}  early attention {:.4}  {seconds:6.0} s",
                loss.0, loss.1
            );
        }
    }
    Ok(())
}

/// How many countries the corpus speaks of: a few at first, all from a part of the run on.
///
/// Reading a country's fact at all is a circuit, and it forms from a few facts repeated often much
/// sooner than from many (Zucchet et al. 2025, "How do language models learn facts?"); then it is there
/// for the rest.
fn countries(step: usize, recipe: &Recipe) -> usize {
    let progress = step as f64 / (recipe.steps as f64 * recipe.curriculum);
    let count = recipe.first_countries as f64
        + progress * (FACTS.len() as f64 - recipe.first_countries as f64);
    (count as usize).min(FACTS.len())
}

/// Linear warm-up, then half a cosine down to a twentieth.
fn learning_rate(step: usize, recipe: &Recipe) -> f64 {
    if step < recipe.warmup {
        return recipe.learning_rate * (step + 1) as f64 / recipe.warmup as f64;
    }
    let progress = (step - recipe.warmup) as f64 / (recipe.steps - recipe.warmup) as f64;
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
    recipe.learning_rate * (0.05 + 0.95 * cosine)
}

/// Mean loss (cross-entropy, early attention) and mean gradients over the shards of a batch.
fn gradients(model: &Gpt2, shards: &[Batch], recipe: &Recipe) -> Result<((f32, f32), GradStore)> {
    let results = thread::scope(|scope| {
        let threads: Vec<_> = shards
            .iter()
            .map(|batch| scope.spawn(move || shard_gradients(model, batch, recipe)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a training thread panicked"))?)
            .collect::<Result<Vec<_>>>()
    })?;
    let share = 1.0 / results.len() as f64;
    let mut results = results.into_iter();
    let (mut loss, mut sum) = results.next().ok_or_else(|| anyhow!("a batch without shards"))?;
    for (other_loss, other) in results {
        loss = (loss.0 + other_loss.0, loss.1 + other_loss.1);
        for parameter in model.parameters.values() {
            if let (Some(one), Some(two)) = (sum.get(parameter), other.get(parameter)) {
                let total = (one + two)?;
                sum.insert(parameter, total);
            }
        }
    }
    for parameter in model.parameters.values() {
        if let Some(gradient) = sum.get(parameter) {
            let mean = (gradient * share)?;
            sum.insert(parameter, mean);
        }
    }
    Ok(((loss.0 * share as f32, loss.1 * share as f32), sum))
}

fn shard_gradients(
    model: &Gpt2,
    batch: &Batch,
    recipe: &Recipe,
) -> Result<((f32, f32), GradStore)> {
    let (rows, length) = batch.subjects.dims2()?;
    let keys = batch.subjects.reshape((rows, 1, 1, length))?;
    let queries = (1.0 - &batch.subjects)?.reshape((rows, 1, length, 1))?;
    let counted = keys.broadcast_mul(&queries)?;
    let mut early = Tensor::zeros((), candle_core::DType::F32, &Device::Cpu)?;

    let logits = model.forward(&batch.tokens, &mut |layer, component, tensor| {
        if component == Component::AttentionWeight && layer < recipe.early_layers {
            let cost = 1.0 - layer as f64 / recipe.early_layers as f64;
            let attention = (tensor.broadcast_mul(&counted)?.sum_all()? * cost)?;
            early = (&early + attention)?;
        }
        Ok(tensor)
    })?;
    let early = (early / (rows * length * model.config.heads) as f64)?;
    let loss = cross_entropy(&logits, &batch.targets, &batch.weights)?;
    let total = (&loss + (&early * recipe.early_attention_cost)?)?;
    Ok(((loss.to_scalar()?, early.to_scalar()?), total.backward()?))
}
