//! The network: one gated recurrent layer of 16 units that reads digits from 0 to 2 and says, behind each, what
//! remains of their sum after division by 3. Trained from scratch.

use std::path::Path;

use candle_core::{Device, Result, Tensor};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use vene::training::AdamW;

use super::learner::{Weights, linear};

/// Units of the layer, and numbers of a digit's input vector.
pub const WIDTH: usize = 16;
/// Digits of a sequence.
pub const LENGTH: usize = 6;

/// Trains a network and saves it as pyvene's `GRUForClassification` would.
pub fn train(
    steps: usize,
    seed: u64,
    folder: &Path,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    const BATCH: usize = 128;
    let mut weights = Weights::new(seed);
    let bound = (WIDTH as f64).sqrt().recip();
    let inputs = weights.matrix("gru.wte", [3, WIDTH], 1.0)?;
    let of_input = weights.matrix("gru.cells.0.x2h", [3 * WIDTH, WIDTH], bound)?;
    let of_input_bias = weights.bias("gru.cells.0.x2h", 3 * WIDTH)?;
    let of_state = weights.matrix("gru.cells.0.h2h", [3 * WIDTH, WIDTH], bound)?;
    let of_state_bias = weights.bias("gru.cells.0.h2h", 3 * WIDTH)?;
    let score = weights.matrix("score", [3, WIDTH], bound)?;

    let sigmoid = |x: Tensor| -> Result<Tensor> { ((x * 0.5)?.tanh()? * 0.5)? + 0.5 };
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let optimizer = AdamW { learning_rate: 1e-2, ..AdamW::default() };
    weights.train(optimizer, steps, &mut |_| {
        let mut state = Tensor::zeros((BATCH, WIDTH), candle_core::DType::F32, &Device::Cpu)?;
        let (mut sums, mut said, mut labels) = (vec![0; BATCH], Vec::new(), Vec::new());
        for _ in 0..LENGTH {
            let digits: Vec<u32> = (0..BATCH).map(|_| random.random_range(0..3)).collect();
            sums.iter_mut().zip(&digits).for_each(|(sum, digit)| *sum = (*sum + digit) % 3);
            labels.extend(&sums);
            let input = inputs.as_tensor().index_select(&Tensor::new(digits, &Device::Cpu)?, 0)?;
            let input = linear(&input, &of_input, Some(&of_input_bias))?;
            let kept = linear(&state, &of_state, Some(&of_state_bias))?;
            let part = |joined: &Tensor, gate: usize| joined.narrow(1, gate * WIDTH, WIDTH);
            let reset = sigmoid((part(&input, 0)? + part(&kept, 0)?)?)?;
            let update = sigmoid((part(&input, 1)? + part(&kept, 1)?)?)?;
            let new = (part(&input, 2)? + (reset * part(&kept, 2)?)?)?.tanh()?;
            state = (&new + (update * (state - &new)?)?)?;
            said.push(linear(&state, &score, None)?);
        }
        Ok((Tensor::cat(&said, 0)?, labels))
    })?;
    let config = json!({
        "model_type": "gru", "architectures": ["GRUForClassification"], "include_emb": true,
        "vocab_size": 3, "max_position_embeddings": 32, "n_layer": 1, "h_dim": WIDTH, "n_labels": 3,
        "include_bias": true, "pdrop": 0.0,
    });
    Ok(weights.save(folder, &config)?)
}
