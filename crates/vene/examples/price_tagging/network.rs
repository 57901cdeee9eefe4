//! A small GPT-2 that is taught to answer, and its files.
//!
//! The network and the gradients of its operations are those that the embedded model was trained with.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

use crate::model::{Config, DEVIATION, EPSILON, Gpt2};
use crate::task::{answer, prompt};

/// Tokens of a prompt.
const LENGTH: usize = 5;

/// Words that are no number.
const WORDS: [&str; 4] = ["to", ":", "yes", "no"];

/// Everything that a training is determined by.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Prices go from 0 to this.
    pub highest: u16,
    /// The residual stream's dimensions.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Updates.
    pub steps: usize,
    /// Prompts of an update.
    pub rows: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Of weights and prompts.
    pub seed: u64,
}

/// Whether a prompt is kept from the training: one in ten, by its numbers alone.
pub fn held_out(lower: u16, upper: u16, amount: u16) -> bool {
    let numbers = (u64::from(lower) << 32) | (u64::from(upper) << 16) | u64::from(amount);
    (numbers.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 10 == 0
}

/// Random numbers of a prompt, of those that are held out or of the others.
pub fn draw(highest: u16, of_held_out: bool, random: &mut StdRng) -> (u16, u16, u16) {
    loop {
        let [one, other, amount] = [(); 3].map(|()| random.random_range(0..=highest));
        let (lower, upper) = (one.min(other), one.max(other));
        if lower < upper && held_out(lower, upper, amount) == of_held_out {
            return (lower, upper, amount);
        }
    }
}

/// The token of each word: numbers first.
fn vocabulary(highest: u16) -> HashMap<String, u32> {
    let numbers = (0..=highest).map(|number| number.to_string());
    numbers.chain(WORDS.map(str::to_owned)).zip(0..).collect()
}

/// Teaches a network the task: only the answer behind the prompt counts.
pub fn train(recipe: &Recipe, told: &mut dyn FnMut(usize, f32)) -> Result<Gpt2> {
    let Recipe { highest, width, layers, steps, rows, learning_rate, seed } = *recipe;
    let mut random = StdRng::seed_from_u64(seed);
    let vocabulary = vocabulary(highest);
    let config =
        Config { vocabulary: vocabulary.len(), positions: LENGTH, width, layers, heads: 4 };
    let model = Gpt2::random(config, &mut random)?;
    let settings = ParamsAdamW { weight_decay: 0.01, beta2: 0.98, ..Default::default() };
    let mut optimizer = AdamW::new(model.parameters.values().cloned().collect(), settings)?;
    let last: Vec<u32> = (0..rows as u32).map(|row| (row + 1) * LENGTH as u32 - 1).collect();
    let last = Tensor::new(last, &Device::Cpu)?;
    for step in 0..steps {
        let (mut tokens, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let (lower, upper, amount) = draw(highest, false, &mut random);
            for word in prompt(lower, upper, amount).split(' ') {
                tokens.push(vocabulary[word]);
            }
            targets.push(vocabulary[answer((lower..=upper).contains(&amount))]);
        }
        let tokens = Tensor::from_vec(tokens, (rows, LENGTH), &Device::Cpu)?;
        let targets = Tensor::from_vec(targets, rows, &Device::Cpu)?;
        let logits = model.forward(&tokens, &mut |_, _, tensor| Ok(tensor))?;
        let logits = logits.index_select(&last, 0)?;
        let loss = candle_nn::loss::cross_entropy(&logits, &targets)?;
        // A short way up, then half a cosine down.
        let progress = step as f64 / steps as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        optimizer.set_learning_rate(learning_rate * cosine * ((step + 1) as f64 / 50.0).min(1.0));
        optimizer.backward_step(&loss)?;
        if (step + 1) % 100 == 0 || step + 1 == steps {
            let loss = loss.to_scalar::<f32>()?;
            ensure!(loss.is_finite(), "the training diverged");
            told(step + 1, loss);
        }
    }
    Ok(model)
}

/// Writes the network as Hugging Face publishes a GPT-2, so that any tool can load it.
pub fn write(folder: &Path, model: &Gpt2, highest: u16) -> Result<()> {
    fs::create_dir_all(folder)?;
    let tensors: HashMap<String, Tensor> = model
        .parameters
        .iter()
        .map(|(name, parameter)| (format!("transformer.{name}"), parameter.as_tensor().clone()))
        .collect();
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(tensors, Some(metadata), &folder.join("model.safetensors"))?;
    let Config { vocabulary: size, positions, width, layers, heads } = model.config;
    let config = json!({
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "initializer_range": DEVIATION,
        "layer_norm_epsilon": EPSILON,
        "n_ctx": positions,
        "n_embd": width,
        "n_head": heads,
        "n_inner": null,
        "n_layer": layers,
        "n_positions": positions,
        "reorder_and_upcast_attn": false,
        "resid_pdrop": 0.0,
        "scale_attn_by_inverse_layer_idx": false,
        "scale_attn_weights": true,
        "tie_word_embeddings": true,
        "torch_dtype": "float32",
        "vocab_size": size,
    });
    fs::write(folder.join("config.json"), serde_json::to_string_pretty(&config)? + "\n")?;
    let words: Map<String, Value> =
        vocabulary(highest).into_iter().map(|(word, id)| (word, Value::from(id))).collect();
    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": { "type": "WhitespaceSplit" },
        "post_processor": null,
        "decoder": null,
        "model": { "type": "WordLevel", "vocab": words, "unk_token": "to" },
    });
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string())?;
    Ok(())
}

/// The share of so many held-out prompts to which the likeliest token is the answer.
pub fn accuracy(model: &vene::Model, highest: u16, count: usize) -> Result<f64> {
    use vene::{Executor, Forked};
    let mut random = StdRng::seed_from_u64(99);
    let drawn: Vec<_> = (0..count).map(|_| draw(highest, true, &mut random)).collect();
    let prompts = drawn
        .iter()
        .map(|&(lower, upper, amount)| Ok(model.prompt(&prompt(lower, upper, amount))?))
        .collect::<Result<Vec<_>>>()?;
    let read = Forked::new(model).predict(&prompts.iter().collect::<Vec<_>>())?;
    let [yes, no] = [true, false].map(|within| model.tokenizer().single_token(answer(within)));
    let (yes, no) = (yes?, no?);
    let right = drawn.iter().zip(&read).filter(|((lower, upper, amount), read)| {
        let expected = if (lower..=upper).contains(&amount) { yes } else { no };
        read.top(1) == [expected]
    });
    Ok(right.count() as f64 / count as f64)
}

/// Logits behind prompts, by the network that was trained: `[prompt][token]`.
#[cfg(test)]
fn logits(model: &Gpt2, highest: u16, prompts: &[String]) -> Result<Vec<Vec<f32>>> {
    let vocabulary = vocabulary(highest);
    let tokens = prompts.iter().flat_map(|prompt| prompt.split(' ')).map(|word| vocabulary[word]);
    let tokens =
        Tensor::from_vec(tokens.collect::<Vec<_>>(), (prompts.len(), LENGTH), &Device::Cpu)?;
    let logits = model.forward(&tokens, &mut |_, _, tensor| Ok(tensor))?;
    let logits = logits.reshape((prompts.len(), LENGTH, logits.dim(1)?))?;
    Ok(logits.narrow(1, LENGTH - 1, 1)?.squeeze(1)?.contiguous()?.to_vec2()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vene::{Executor, Model, Reference};

    #[test]
    fn what_is_written_is_what_was_trained() {
        let recipe = Recipe {
            highest: 7,
            width: 16,
            layers: 2,
            steps: 150,
            rows: 64,
            learning_rate: 1e-2,
            seed: 3,
        };
        let mut losses = Vec::new();
        let trained = train(&recipe, &mut |_, loss| losses.push(loss)).unwrap();
        // Better than knowing nothing but that one of the words follows.
        assert!(losses.last().unwrap() < &1.0, "{losses:?}");
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &trained, recipe.highest).unwrap();
        let model = Model::load(folder.path().to_str().unwrap()).unwrap();
        let texts = [prompt(1, 5, 3), prompt(0, 2, 7)];
        let expected = logits(&trained, recipe.highest, &texts).unwrap();
        let prompts = texts.map(|text| model.prompt(&text).unwrap());
        let read = Reference::new(&model).predict(&prompts.each_ref()).unwrap();
        for (expected, read) in expected.iter().zip(&read) {
            for (expected, found) in expected.iter().zip(read.logits()) {
                assert!((f64::from(*expected) - found).abs() < 1e-4, "{expected}, {found}");
            }
        }
        let accuracy = accuracy(&model, recipe.highest, 100).unwrap();
        assert!((0.0..=1.0).contains(&accuracy));
    }

    #[test]
    fn a_tenth_of_the_prompts_is_kept_from_the_training() {
        let mut kept = 0;
        let mut all = 0;
        for lower in 0..50 {
            for upper in lower + 1..50 {
                for amount in 0..50 {
                    all += 1;
                    kept += usize::from(held_out(lower, upper, amount));
                }
            }
        }
        let share = f64::from(kept as u32) / f64::from(all);
        assert!((0.08..0.12).contains(&share), "{share}");
        let mut random = StdRng::seed_from_u64(1);
        for of_held_out in [false, true] {
            let (lower, upper, amount) = draw(49, of_held_out, &mut random);
            assert!(lower < upper && held_out(lower, upper, amount) == of_held_out);
        }
    }
}
