//! The row-wise operations of GPT-2 with their gradients, each in one pass over memory.
//!
//! candle can compose all of them, and differentiate the composition; a training step then spends
//! nine tenths of its time on allocating and walking intermediate tensors. Written out, a step is
//! several times faster. The tests compare values and gradients with the compositions.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail,
};

use crate::model::EPSILON;

/// Layer norm over the last dimension with weight and bias (Ba et al. 2016, "Layer
/// normalization"). Shapes: `[row, width]`, `[width]`, `[width]`.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.apply_op3(weight, bias, LayerNorm)
}

/// Attention weights of scores `[…, query, key]`: a query sees no later key.
pub fn causal_softmax(scores: &Tensor, scale: f32) -> Result<Tensor> {
    scores.apply_op1(CausalSoftmax { scale })
}

/// `gelu_new`, GPT-2's approximation by a hyperbolic tangent (Hendrycks & Gimpel 2016).
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    x.apply_op1(Gelu)
}

/// Adds `[width]` to every row of `[row, width]`.
pub fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.apply_op2(bias, AddBias)
}

/// Weighted mean over rows of −log softmax(logits)\[target\], in nats; logits `[row, vocabulary]`.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor, weights: &[f32]) -> Result<Tensor> {
    let total: f32 = weights.iter().sum();
    logits.apply_op1(CrossEntropy {
        targets: targets.to_vec1()?,
        weights: weights.iter().map(|weight| weight / total).collect(),
    })
}

struct LayerNorm;

/// Mean and inverse deviation of a row.
fn moments(row: &[f32]) -> (f32, f32) {
    let mean = row.iter().sum::<f32>() / row.len() as f32;
    let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / row.len() as f32;
    (mean, 1.0 / (variance + EPSILON as f32).sqrt())
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let weight = slice(weight, weight_layout)?;
        let bias = slice(bias, bias_layout)?;
        let mut output = slice(x, x_layout)?.to_vec();
        for row in output.chunks_exact_mut(weight.len()) {
            let (mean, scale) = moments(row);
            for ((x, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
                *x = (*x - mean) * scale * weight + bias;
            }
        }
        Ok((CpuStorage::F32(output), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let shape = x.shape();
        let (mut x, weights, gradient) = (values(x)?, values(weight)?, values(gradient)?);
        let width = weights.len();
        let (mut for_weight, mut for_bias) = (vec![0f32; width], vec![0f32; width]);
        for (row, gradient) in x.chunks_exact_mut(width).zip(gradient.chunks_exact(width)) {
            let (mean, scale) = moments(row);
            let (mut sum, mut product) = (0.0, 0.0);
            for i in 0..width {
                row[i] = (row[i] - mean) * scale;
                for_weight[i] += gradient[i] * row[i];
                for_bias[i] += gradient[i];
                sum += gradient[i] * weights[i];
                product += gradient[i] * weights[i] * row[i];
            }
            let (sum, product) = (sum / width as f32, product / width as f32);
            for i in 0..width {
                row[i] = scale * (gradient[i] * weights[i] - sum - row[i] * product);
            }
        }
        Ok((
            Some(tensor(x, shape)?),
            Some(tensor(for_weight, weight.shape())?),
            Some(tensor(for_bias, bias.shape())?),
        ))
    }
}

struct CausalSoftmax {
    scale: f32,
}

impl CustomOp1 for CausalSoftmax {
    fn name(&self) -> &'static str {
        "causal-softmax"
    }

    fn cpu_fwd(&self, scores: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut weights = slice(scores, layout)?.to_vec();
        let length = layout.dims().last().copied().unwrap_or(1);
        for (index, row) in weights.chunks_exact_mut(length).enumerate() {
            let (seen, unseen) = row.split_at_mut(index % length + 1);
            let largest = seen.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for weight in &mut *seen {
                *weight = exp(self.scale * (*weight - largest));
            }
            let sum: f32 = seen.iter().sum();
            seen.iter_mut().for_each(|weight| *weight /= sum);
            unseen.fill(0.0);
        }
        Ok((CpuStorage::F32(weights), layout.shape().clone()))
    }

    fn bwd(&self, scores: &Tensor, weights: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let length = scores.dims().last().copied().unwrap_or(1);
        let (weights, mut gradient) = (values(weights)?, values(gradient)?);
        for (gradient, weights) in gradient.chunks_exact_mut(length).zip(weights.chunks(length)) {
            let mean: f32 = gradient.iter().zip(weights).map(|(g, w)| g * w).sum();
            for (gradient, weight) in gradient.iter_mut().zip(weights) {
                *gradient = self.scale * weight * (*gradient - mean);
            }
        }
        Ok(Some(tensor(gradient, scores.shape())?))
    }
}

struct Gelu;

const GELU_SCALE: f32 = 0.797_884_6; // √(2/π)
const GELU_CUBIC: f32 = 0.044_715;

fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu-new"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let output = slice(x, layout)?
            .iter()
            .map(|&x| 0.5 * x * (1.0 + tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x))))
            .collect();
        Ok((CpuStorage::F32(output), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let mut values_and_gradient = values(x)?;
        for (x, gradient) in values_and_gradient.iter_mut().zip(values(gradient)?) {
            let tanh = tanh(GELU_SCALE * (*x + GELU_CUBIC * *x * *x * *x));
            let inner = GELU_SCALE * (1.0 + 3.0 * GELU_CUBIC * *x * *x);
            *x = gradient * 0.5 * (1.0 + tanh + *x * (1.0 - tanh * tanh) * inner);
        }
        Ok(Some(tensor(values_and_gradient, x.shape())?))
    }
}

struct AddBias;

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let bias = slice(bias, bias_layout)?;
        let mut output = slice(x, x_layout)?.to_vec();
        for row in output.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
        }
        Ok((CpuStorage::F32(output), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut sum = vec![0f32; bias.elem_count()];
        for row in values(gradient)?.chunks_exact(sum.len()) {
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        Ok((Some(gradient.clone()), Some(tensor(sum, bias.shape())?)))
    }
}

struct CrossEntropy {
    targets: Vec<u32>,
    /// Each row's share in the mean.
    weights: Vec<f32>,
}

/// Exponentials of a row relative to its largest value, which is returned with their sum.
fn exponentials(row: &mut [f32]) -> (f32, f32) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|logit| *logit = exp(*logit - largest));
    (largest, row.iter().sum())
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = slice(logits, layout)?;
        let (_, vocabulary) = layout.shape().dims2()?;
        let mut loss = 0f64;
        let mut scratch = vec![0f32; vocabulary];
        let rows = logits.chunks_exact(vocabulary);
        for ((row, &target), weight) in rows.zip(&self.targets).zip(&self.weights) {
            scratch.copy_from_slice(row);
            let (largest, sum) = exponentials(&mut scratch);
            loss += f64::from(weight * (sum.ln() + largest - row[target as usize]));
        }
        Ok((CpuStorage::F32(vec![loss as f32]), ().into()))
    }

    fn bwd(&self, logits: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (_, vocabulary) = logits.dims2()?;
        let gradient = gradient.to_scalar::<f32>()?;
        let mut result = values(logits)?;
        let rows = result.chunks_exact_mut(vocabulary);
        for ((row, &target), weight) in rows.zip(&self.targets).zip(&self.weights) {
            let share = gradient * weight;
            let (_, sum) = exponentials(row);
            row.iter_mut().for_each(|weight| *weight *= share / sum);
            row[target as usize] -= share;
        }
        Ok(Some(tensor(result, logits.shape())?))
    }
}

/// eˣ within 2e-7 relative, in a form that compilers turn into vector instructions.
///
/// x = n ln 2 + r; eʳ by its Taylor polynomial on |r| ≤ ½ ln 2, 2ⁿ by writing the exponent.
#[inline]
fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer
    let x = x.clamp(-87.0, 87.0);
    let n = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4; // ln 2 in two parts
    let series = 1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0));
    let series = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * series))));
    f32::from_bits(((n as i32 + 127) << 23) as u32) * series
}

fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("a contiguous tensor was expected"),
    }
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

fn tensor(values: Vec<f32>, shape: &Shape) -> Result<Tensor> {
    Tensor::from_vec(values, shape, &candle_core::Device::Cpu)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{D, Device, Var};

    /// Compares value and gradients of two functions of the same variables.
    fn agree(
        shapes: &[&[usize]],
        ours: &dyn Fn(&[Var]) -> Tensor,
        theirs: &dyn Fn(&[Var]) -> Tensor,
    ) {
        let variables: Vec<Var> = shapes
            .iter()
            .map(|shape| Var::randn(0.3f32, 1.5, *shape, &Device::Cpu).unwrap())
            .collect();
        let (ours, theirs) = (ours(&variables), theirs(&variables));
        let direction = Tensor::randn(0f32, 1.0, ours.shape(), &Device::Cpu).unwrap();
        let differ = |one: &Tensor, two: &Tensor| {
            let difference = (one - two).unwrap().abs().unwrap().max_all().unwrap();
            difference.to_scalar::<f32>().unwrap()
        };
        assert!(differ(&ours, &theirs) < 1e-5);
        let ours = (ours * &direction).unwrap().sum_all().unwrap().backward().unwrap();
        let theirs = (theirs * &direction).unwrap().sum_all().unwrap().backward().unwrap();
        for variable in &variables {
            assert!(differ(ours.get(variable).unwrap(), theirs.get(variable).unwrap()) < 2e-5);
        }
    }

    #[test]
    fn layer_norm_is_the_composition() {
        agree(&[&[5, 16], &[16], &[16]], &|v| layer_norm(&v[0], &v[1], &v[2]).unwrap(), &|v| {
            let centered = v[0].broadcast_sub(&v[0].mean_keepdim(1).unwrap()).unwrap();
            let variance = centered.sqr().unwrap().mean_keepdim(1).unwrap();
            let deviation = (variance + EPSILON).unwrap().sqrt().unwrap();
            let normed = centered.broadcast_div(&deviation).unwrap();
            normed.broadcast_mul(&v[1]).unwrap().broadcast_add(&v[2]).unwrap()
        });
    }

    #[test]
    fn causal_softmax_is_the_composition() {
        let mask =
            Tensor::new(&[[0f32, -1e9, -1e9], [0.0, 0.0, -1e9], [0.0, 0.0, 0.0]], &Device::Cpu);
        let mask = mask.unwrap();
        agree(&[&[2, 2, 3, 3]], &|v| causal_softmax(&v[0], 0.7).unwrap(), &|v| {
            let scores = (v[0].as_tensor() * 0.7).unwrap().broadcast_add(&mask).unwrap();
            candle_nn::ops::softmax(&scores, D::Minus1).unwrap()
        });
    }

    #[test]
    fn gelu_is_candles() {
        agree(&[&[7, 9]], &|v| gelu(&v[0]).unwrap(), &|v| v[0].gelu().unwrap());
    }

    #[test]
    fn add_bias_is_broadcast_addition() {
        agree(&[&[7, 9], &[9]], &|v| add_bias(&v[0], &v[1]).unwrap(), &|v| {
            v[0].broadcast_add(&v[1]).unwrap()
        });
    }

    #[test]
    fn cross_entropy_of_equal_weights_is_candles() {
        let targets = Tensor::new(&[3u32, 0, 8], &Device::Cpu).unwrap();
        agree(&[&[3, 9]], &|v| cross_entropy(&v[0], &targets, &[2.0; 3]).unwrap(), &|v| {
            candle_nn::loss::cross_entropy(&v[0], &targets).unwrap()
        });
    }

    #[test]
    fn cross_entropy_is_a_weighted_mean() {
        let targets = Tensor::new(&[3u32, 0, 8], &Device::Cpu).unwrap();
        agree(&[&[3, 9]], &|v| cross_entropy(&v[0], &targets, &[1.0, 0.0, 3.0]).unwrap(), &|v| {
            let row = |index: usize| {
                let row = v[0].narrow(0, index, 1).unwrap();
                candle_nn::loss::cross_entropy(&row, &targets.narrow(0, index, 1).unwrap()).unwrap()
            };
            ((row(0) * 0.25).unwrap() + (row(2) * 0.75).unwrap()).unwrap()
        });
    }

    #[test]
    fn exp_is_close() {
        for step in -8000..8000 {
            let x = step as f32 * 0.01;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 1e-6, "{x}");
        }
    }
}
