//! The network: a multilayer perceptron with three hidden layers of 16 ReLU units, trained from scratch.
//!
//! It reads four objects of four numbers each, side by side. An object is drawn anew for every row, so that
//! nothing can be known of it but whether it is equal to another.

use std::path::Path;

use candle_core::{Device, Result, Tensor, Var};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use vene::causal::{CausalModel, Sampler, Setting};
use vene::training::AdamW;
use vene_model::tensors::HostTensor;

use super::learner::{Weights, linear};

/// Numbers of an object.
const OBJECT: usize = 4;
/// What the network is as wide as.
pub const WIDTH: usize = 4 * OBJECT;
/// Hidden layers.
pub const LAYERS: usize = 3;

/// Input vectors, one for each setting that was given one.
pub struct Inputs {
    values: Vec<f32>,
    random: Xoshiro256PlusPlus,
}

impl Inputs {
    pub fn new(seed: u64) -> Self {
        Self { values: Vec::new(), random: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// Draws the objects of a setting; equal ones are equal vectors, in this row. Returns the input's
    /// number.
    pub fn add(&mut self, setting: &Setting) -> u32 {
        let number = self.values.len() / WIDTH;
        let mut drawn: Vec<(&vene::causal::Value, Vec<f32>)> = Vec::new();
        for name in ["w", "x", "y", "z"] {
            let object = &setting[name];
            let known = drawn.iter().position(|(other, _)| *other == object);
            let place = known.unwrap_or_else(|| {
                let vector = (0..OBJECT).map(|_| self.random.random_range(-1.0..1.0)).collect();
                drawn.push((object, vector));
                drawn.len() - 1
            });
            self.values.extend(&drawn[place].1);
        }
        number as u32
    }

    /// `[inputs, WIDTH]`.
    pub fn table(self) -> HostTensor {
        let inputs = self.values.len() / WIDTH;
        HostTensor { data: self.values, shape: vec![inputs, WIDTH] }
    }

    fn tensor(self) -> Result<Tensor> {
        let inputs = self.values.len() / WIDTH;
        Tensor::from_vec(self.values, (inputs, WIDTH), &Device::Cpu)
    }
}

/// How a network is trained.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    pub steps: usize,
    pub weight_decay: f64,
    pub seed: u64,
}

/// Trains a perceptron on hierarchical equality and saves it as pyvene's `MLPForClassification` would. Class 1
/// is true.
pub fn train(
    causal: &CausalModel,
    training: Training,
    folder: &Path,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    const BATCH: usize = 512;
    let Training { steps, weight_decay, seed } = training;
    let mut weights = Weights::new(seed);
    // He initialisation, for ReLU.
    let bound = (6.0 / WIDTH as f64).sqrt();
    let mut layer = |stem: &str, out| -> Result<(Var, Var)> {
        Ok((weights.matrix(stem, [out, WIDTH], bound)?, weights.bias(stem, out)?))
    };
    let hidden: Vec<(Var, Var)> = (0..LAYERS)
        .map(|number| layer(&format!("mlp.h.{number}.ff1"), WIDTH))
        .collect::<Result<_>>()?;
    let (score, score_bias) = layer("score", 2)?;

    let settings = Sampler::of(causal).balanced("output").seed(seed).settings(64 * BATCH)?;
    let optimizer = AdamW { learning_rate: 5e-3, weight_decay, ..AdamW::default() };
    weights.train(optimizer, steps, &mut |step| {
        // Settings come again, objects never.
        let mut inputs = Inputs::new(seed ^ (step as u64 + 1) << 20);
        let batch = &settings[step % 64 * BATCH..][..BATCH];
        let labels = batch.iter().map(|setting| {
            inputs.add(setting);
            u32::from(setting["output"].is_true())
        });
        let labels = labels.collect();
        let mut values = inputs.tensor()?;
        for (weight, bias) in &hidden {
            values = linear(&values, weight, Some(bias))?.relu()?;
        }
        Ok((linear(&values, &score, Some(&score_bias))?, labels))
    })?;
    let config = json!({
        "model_type": "mlp", "architectures": ["MLPForClassification"], "include_emb": false,
        "n_layer": LAYERS, "h_dim": WIDTH, "num_classes": 2, "activation_function": "relu",
        "include_bias": true, "pdrop": 0.0, "squeeze_output": true,
    });
    Ok(weights.save(folder, &config)?)
}
