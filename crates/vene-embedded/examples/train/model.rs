//! GPT-2, batched and differentiable, top to bottom in the order in which data flows.
//!
//! The engine has its own decoder. This one exists to be trained: parameters are candle
//! variables, and a [`Visitor`] sees (and may replace) the tensors by which the trained model
//! is judged. Radford et al. 2019, "Language models are unsupervised multitask learners".

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor, Var};
use rand::rngs::StdRng;
use rand_distr::{Distribution, Normal};

use crate::operations::{add_bias, causal_softmax, gelu, layer_norm};

/// The sizes of a model.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Tokens.
    pub vocabulary: usize,
    /// The longest input.
    pub positions: usize,
    /// The residual stream's dimensions.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Attention heads in a block.
    pub heads: usize,
}

/// GPT-2's epsilon in every layer norm.
pub const EPSILON: f64 = 1e-5;

/// Deviation of the initial weights. GPT-2 has 0.02 at a width of 768; this is the same relative to 1/√width.
pub const DEVIATION: f64 = 0.05;

/// The places of a block that a visitor sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// What enters attention, after its norm: `[row · position, width]`.
    AttentionInput,
    /// After the softmax: `[row, head, query, key]`.
    AttentionWeight,
    /// What the MLP adds to the residual stream: `[row · position, width]`.
    MlpOutput,
    /// The residual stream after the block: `[row · position, width]`.
    BlockOutput,
}

/// Given layer, component and tensor, returns the tensor to go on with.
pub type Visitor<'a> = dyn FnMut(usize, Component, Tensor) -> Result<Tensor> + 'a;

/// The parameters, by their names in Hugging Face's GPT-2.
pub struct Gpt2 {
    pub config: Config,
    pub parameters: BTreeMap<String, Var>,
}

impl Gpt2 {
    /// Random weights, drawn as GPT-2's were: deviation as in GPT-2 relative to the width, projections into the residual stream
    /// smaller by the square root of their number.
    pub fn random(config: Config, random: &mut StdRng) -> Result<Self> {
        let mut parameters = BTreeMap::new();
        for (name, shape) in shapes(config) {
            let count = shape.iter().product();
            let values: Vec<f32> = if name.ends_with("bias") {
                vec![0.0; count]
            } else if name.contains("ln_") {
                vec![1.0; count]
            } else {
                let depth = if name.ends_with("c_proj.weight") {
                    (2.0 * config.layers as f64).sqrt()
                } else {
                    1.0
                };
                let normal = Normal::new(0.0, DEVIATION / depth)?;
                (0..count).map(|_| normal.sample(random) as f32).collect()
            };
            let values = Tensor::from_vec(values, shape, &Device::Cpu)?;
            parameters.insert(name, Var::from_tensor(&values)?);
        }
        Ok(Self { config, parameters })
    }

    /// Weights from a safetensors file, as f32.
    pub fn from_bytes(config: Config, bytes: &[u8]) -> Result<Self> {
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?;
        let mut parameters = BTreeMap::new();
        for (name, _) in shapes(config) {
            let tensor = tensors
                .get(&format!("transformer.{name}"))
                .with_context(|| format!("the file has no tensor {name}"))?;
            parameters.insert(name, Var::from_tensor(&tensor.to_dtype(DType::F32)?)?);
        }
        Ok(Self { config, parameters })
    }

    /// Logits `[row · position, vocabulary]` of tokens `[row, position]`.
    pub fn forward(&self, tokens: &Tensor, visitor: &mut Visitor) -> Result<Tensor> {
        let (rows, length) = tokens.dims2()?;
        let places = Tensor::arange(0, length as u32, &Device::Cpu)?.repeat(rows)?;
        let embeddings = self.get("wte.weight")?;
        let mut residual = (embeddings.index_select(&tokens.flatten_all()?, 0)?
            + self.get("wpe.weight")?.index_select(&places, 0)?)?;
        for layer in 0..self.config.layers {
            let block = format!("h.{layer}");

            let input = self.norm(&residual, &format!("{block}.ln_1"))?;
            let input = visitor(layer, Component::AttentionInput, input)?;
            let attention = self.attention(&input, rows, length, layer, visitor)?;
            residual = (residual + attention)?;

            let input = self.norm(&residual, &format!("{block}.ln_2"))?;
            let hidden = gelu(&self.linear(&input, &format!("{block}.mlp.c_fc"))?)?;
            let output = self.linear(&hidden, &format!("{block}.mlp.c_proj"))?;
            let output = visitor(layer, Component::MlpOutput, output)?;
            residual = (residual + output)?;
            residual = visitor(layer, Component::BlockOutput, residual)?;
        }
        let residual = self.norm(&residual, "ln_f")?;
        Ok(residual.matmul(&embeddings.t()?)?)
    }

    fn attention(
        &self,
        input: &Tensor,
        rows: usize,
        length: usize,
        layer: usize,
        visitor: &mut Visitor,
    ) -> Result<Tensor> {
        let Config { width, heads, .. } = self.config;
        let size = width / heads;
        let joint = self.linear(input, &format!("h.{layer}.attn.c_attn"))?;
        let part = |index: usize| -> Result<Tensor> {
            Ok(joint
                .narrow(1, index * width, width)?
                .reshape((rows, length, heads, size))?
                .transpose(1, 2)?
                .contiguous()?)
        };
        let (query, key, value) = (part(0)?, part(1)?, part(2)?);
        let scores = query.matmul(&key.t()?)?;
        let weights = causal_softmax(&scores, 1.0 / (size as f32).sqrt())?;
        let weights = visitor(layer, Component::AttentionWeight, weights)?;
        let mixed = weights.matmul(&value)?.transpose(1, 2)?.reshape((rows * length, width))?;
        self.linear(&mixed, &format!("h.{layer}.attn.c_proj"))
    }

    /// `x W + b`, with W stored `[in, out]`.
    fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let product = x.matmul(self.get(&format!("{name}.weight"))?)?;
        Ok(add_bias(&product, self.get(&format!("{name}.bias"))?)?)
    }

    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let weight = self.get(&format!("{name}.weight"))?;
        Ok(layer_norm(x, weight, self.get(&format!("{name}.bias"))?)?)
    }

    fn get(&self, name: &str) -> Result<&Tensor> {
        let parameter = self.parameters.get(name);
        Ok(parameter.with_context(|| format!("no parameter {name}"))?.as_tensor())
    }
}

/// Names and shapes of all parameters.
fn shapes(config: Config) -> Vec<(String, Vec<usize>)> {
    let width = config.width;
    let mut shapes = vec![
        ("wte.weight".to_owned(), vec![config.vocabulary, width]),
        ("wpe.weight".to_owned(), vec![config.positions, width]),
        ("ln_f.weight".to_owned(), vec![width]),
        ("ln_f.bias".to_owned(), vec![width]),
    ];
    for layer in 0..config.layers {
        let linears = [
            ("attn.c_attn", width, 3 * width),
            ("attn.c_proj", width, width),
            ("mlp.c_fc", width, 4 * width),
            ("mlp.c_proj", 4 * width, width),
        ];
        for (name, input, output) in linears {
            shapes.push((format!("h.{layer}.{name}.weight"), vec![input, output]));
            shapes.push((format!("h.{layer}.{name}.bias"), vec![output]));
        }
        for name in ["ln_1", "ln_2"] {
            shapes.push((format!("h.{layer}.{name}.weight"), vec![width]));
            shapes.push((format!("h.{layer}.{name}.bias"), vec![width]));
        }
    }
    shapes
}
