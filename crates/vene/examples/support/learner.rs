//! A small network's own training, by candle's gradients: weights as variables under the names that
//! pyvene's classes give them, so that what is saved can be loaded by either.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Result, Tensor, Var};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use vene::intervention::Parameter;
use vene::training::{AdamW, OptimizerState, Schedule};
use vene_model::cross_entropy_of;

/// The weights of a network that is being trained, by name.
pub struct Weights {
    parameters: Vec<Parameter>,
    random: Xoshiro256PlusPlus,
}

impl Weights {
    pub fn new(seed: u64) -> Self {
        Self { parameters: Vec::new(), random: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// A matrix `[out, input]` of values uniform in ±`bound`, under the name `{stem}.weight`.
    pub fn matrix(&mut self, stem: &str, [out, input]: [usize; 2], bound: f64) -> Result<Var> {
        let bound = bound as f32;
        let draws: Vec<f32> =
            (0..out * input).map(|_| self.random.random_range(-bound..bound)).collect();
        self.keep(format!("{stem}.weight"), &Tensor::from_vec(draws, (out, input), &Device::Cpu)?)
    }

    /// A bias of zeros, under the name `{stem}.bias`.
    pub fn bias(&mut self, stem: &str, out: usize) -> Result<Var> {
        let zeros = Tensor::zeros(out, candle_core::DType::F32, &Device::Cpu)?;
        self.keep(format!("{stem}.bias"), &zeros)
    }

    fn keep(&mut self, name: String, values: &Tensor) -> Result<Var> {
        let variable = Var::from_tensor(values)?;
        self.parameters.push(Parameter::trained(name, &variable));
        Ok(variable)
    }

    /// Steps on batches: `batch` makes what the loss is of, logits `[examples, classes]` and labels.
    pub fn train(
        &self,
        optimizer: AdamW,
        steps: usize,
        batch: &mut dyn FnMut(usize) -> Result<(Tensor, Vec<u32>)>,
    ) -> Result<()> {
        let mut state = OptimizerState::new(optimizer, &self.parameters)?;
        let schedule = Schedule::Linear { warmup: steps / 50 };
        for step in 0..steps {
            let (logits, labels) = batch(step)?;
            let (losses, _) =
                cross_entropy_of(&logits, &labels).map_err(candle_core::Error::wrap)?;
            let loss = losses.mean_all()?;
            state.step(&self.parameters, &loss.backward()?, schedule.factor(step, steps))?;
        }
        Ok(())
    }

    /// Writes `config.json` and `model.safetensors` into a folder, as pyvene's classes do.
    pub fn save(&self, folder: &Path, config: &serde_json::Value) -> std::io::Result<()> {
        let tensors: HashMap<String, Tensor> = self
            .parameters
            .iter()
            .map(|parameter| (parameter.name.clone(), parameter.variable.as_detached_tensor()))
            .collect();
        let bytes = safetensors::serialize(tensors, None).map_err(std::io::Error::other)?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("config.json"), config.to_string())?;
        std::fs::write(folder.join("model.safetensors"), bytes)
    }
}

/// `x W^T`, and a bias where there is one.
pub fn linear(x: &Tensor, weight: &Var, bias: Option<&Var>) -> Result<Tensor> {
    let product = x.matmul(&weight.as_tensor().t()?)?;
    match bias {
        Some(bias) => product.broadcast_add(bias.as_tensor()),
        None => Ok(product),
    }
}
