//! The operations as plain candle tensors: any float type, any device, differentiable.
//!
//! Each is written the obvious way from elementary operations. The reference executor runs on
//! these, in f32 or in f64; they define what is right, and speed is somebody else's business.

use candle_core::{D, DType, Device, Error, Tensor};
use vene_kernels::ranking::Standing;

use super::differentiable::cross_entropy_of;
use super::node::{linear_map, with_backward};
use super::{
    ChosenLogits, Differentiable, HostRows, OperationError, Operations, Path, Scoring, Visibility,
    experts::{chosen as chosen_experts, chosen_rows},
};
use crate::config::{Activation, ClampedGate, Experts, NormKind, Pairing, Rotary, Routing};
use crate::matrix::Matrix;
use crate::pass::RowPlaces;
use crate::tensors::{HostTensor, LinearTensors, NormTensors};

vene_named::named! {
    /// Which floats the computation runs in.
    pub enum Precision as "precision", default Single {
        /// 32-bit floats: the default, as in PyTorch.
        Single = "single",
        /// 64-bit floats: slower, for checking that a result is no rounding error.
        Double = "double",
    }
}

impl From<Precision> for DType {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Single => Self::F32,
            Precision::Double => Self::F64,
        }
    }
}

/// The plain operations.
#[derive(Clone, Debug)]
pub struct Plain {
    dtype: DType,
    device: Device,
}

/// A projection: `[out, in]` and `[out]`.
#[derive(Clone, Debug)]
pub struct PlainLinear {
    weight: Tensor,
    bias: Option<Tensor>,
}

/// A norm: its kind, weight (with Gemma's 1 already added) and bias, `[stretches, width of a stretch]`.
#[derive(Clone, Debug)]
pub struct PlainNorm {
    kind: NormKind,
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Plain {
    /// Plain operations on the CPU.
    pub fn cpu(precision: Precision) -> Self {
        Self { dtype: precision.into(), device: Device::Cpu }
    }

    /// The float type of every tensor here.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where every tensor here lives.
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn load(&self, tensor: HostTensor) -> Result<Tensor, OperationError> {
        let tensor = Tensor::from_vec(tensor.data, tensor.shape, &self.device)?;
        Ok(tensor.to_dtype(self.dtype)?)
    }

    fn indices(&self, indices: &[usize]) -> Result<Tensor, OperationError> {
        let indices: Vec<u32> = indices.iter().map(|&index| index as u32).collect();
        Ok(Tensor::new(indices, &self.device)?)
    }

    /// `[rows, heads * head_dim]` to `[heads, rows, head_dim]`.
    pub(super) fn split_heads(x: &Tensor, head_dim: usize) -> Result<Tensor, OperationError> {
        let (rows, width) = x.dims2()?;
        Ok(x.reshape((rows, width / head_dim, head_dim))?.transpose(0, 1)?.contiguous()?)
    }

    /// Rows `start..start + length`.
    pub fn slice_rows(
        &self,
        x: &Tensor,
        start: usize,
        length: usize,
    ) -> Result<Tensor, OperationError> {
        Ok(x.narrow(0, start, length)?)
    }

    /// All rows, one tensor after the other.
    pub fn stack_rows(&self, tensors: &[Tensor]) -> Result<Tensor, OperationError> {
        Ok(Tensor::cat(tensors, 0)?)
    }
}

/// Each head of each row, its first pairs of values turned by angles whose cosines and sines are
/// `[rows, 1, pairs]`; what lies behind them stays.
fn turned(
    x: &Tensor,
    [cosine, sine]: &[Tensor; 2],
    head_dim: usize,
    pairing: Pairing,
) -> Result<Tensor, Error> {
    let (rows, width) = x.dims2()?;
    let (pairs, heads) = (cosine.dim(D::Minus1)?, width / head_dim);
    let x = x.reshape((rows, heads, head_dim))?;
    let rotated = x.narrow(D::Minus1, 0, 2 * pairs)?;
    let (first, second) = match pairing {
        Pairing::Halves => {
            (rotated.narrow(D::Minus1, 0, pairs)?, rotated.narrow(D::Minus1, pairs, pairs)?)
        }
        Pairing::Adjacent => {
            let rotated = rotated.contiguous()?.reshape((rows, heads, pairs, 2))?;
            let side = |side| rotated.narrow(D::Minus1, side, 1)?.squeeze(D::Minus1);
            (side(0)?, side(1)?)
        }
    };
    let turned_first = (first.broadcast_mul(cosine)? - second.broadcast_mul(sine)?)?;
    let turned_second = (second.broadcast_mul(cosine)? + first.broadcast_mul(sine)?)?;
    let mut parts = match pairing {
        Pairing::Halves => vec![turned_first, turned_second],
        Pairing::Adjacent => {
            let both = Tensor::stack(&[turned_first, turned_second], D::Minus1)?;
            vec![both.reshape((rows, heads, 2 * pairs))?]
        }
    };
    if 2 * pairs < head_dim {
        parts.push(x.narrow(D::Minus1, 2 * pairs, head_dim - 2 * pairs)?);
    }
    Tensor::cat(&parts, D::Minus1)?.reshape((rows, width))
}

/// The slope of the exact GELU: the normal distribution's mass below `x`, and `x` times its density there.
fn gelu_erf_slope(x: &Tensor) -> Result<Tensor, Error> {
    let mass = (((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()? * 0.5)? + 0.5)?;
    let bell = (x.sqr()? * -0.5)?.exp()?;
    mass + ((x * bell)?
        * (0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2))?
}

/// The slope of the GELU by tanh: of `0.5 x (1 + tanh u)` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`.
fn gelu_tanh_slope(x: &Tensor) -> Result<Tensor, Error> {
    let factor = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
    let square = x.sqr()?;
    let bent = ((x * ((&square * 0.044715)? + 1.0)?)? * factor)?.tanh()?;
    let steepness = ((square * (3.0 * 0.044715 * factor))? + factor)?;
    let change = ((bent.sqr()?.neg()? + 1.0)? * (x * steepness)?)?;
    ((bent + 1.0)? + change)? * 0.5
}

/// `1 / (1 + e^-x)`, written so that neither side overflows: `(1 + tanh(x / 2)) / 2`.
fn sigmoid(x: &Tensor) -> Result<Tensor, Error> {
    ((x * 0.5)?.tanh()? * 0.5)? + 0.5
}

/// `tanh(ln(1 + e^x))`, which is `n / (n + 2)` with `n = e^x (e^x + 2)`; from 20 on it is 1 to all digits.
fn mish_share(x: &Tensor) -> Result<Tensor, Error> {
    let power = x.minimum(20.0)?.exp()?;
    let n = (&power * (&power + 2.0)?)?;
    &n / (&n + 2.0)?
}

impl Operations for Plain {
    type Tensor = Tensor;
    type Linear = PlainLinear;
    type Norm = PlainNorm;
    type Table = Tensor;
    type Rotary = Rotary;

    fn load_linear(&self, tensors: LinearTensors) -> Result<PlainLinear, OperationError> {
        let bias = tensors.bias.map(|bias| self.load(bias)).transpose()?;
        Ok(PlainLinear { weight: self.load(tensors.weight.widened())?, bias })
    }

    fn load_norm(&self, tensors: NormTensors, kind: NormKind) -> Result<PlainNorm, OperationError> {
        let mut weight = self.load(tensors.weight)?;
        if let NormKind::RootMeanSquare { unit_offset: true, .. } = kind {
            weight = (weight + 1.0)?;
        }
        let cut = |tensor: Tensor| tensor.reshape((tensors.stretches, ()));
        let bias = tensors.bias.map(|bias| self.load(bias)).transpose()?;
        Ok(PlainNorm { kind, weight: cut(weight)?, bias: bias.map(cut).transpose()? })
    }

    fn load_table(&self, table: Matrix) -> Result<Tensor, OperationError> {
        self.load(table.widened())
    }

    fn tie(&self, table: &Tensor) -> Result<PlainLinear, OperationError> {
        Ok(PlainLinear { weight: table.clone(), bias: None })
    }

    fn load_rotary(&self, rotary: &Rotary) -> Result<Rotary, OperationError> {
        Ok(rotary.clone())
    }

    fn embed(&self, table: &Tensor, indices: &[u32]) -> Result<Tensor, OperationError> {
        Ok(table.index_select(&Tensor::new(indices, &self.device)?, 0)?)
    }

    fn linear(&self, x: &Tensor, linear: &PlainLinear) -> Result<Tensor, OperationError> {
        let PlainLinear { weight, bias } = linear;
        let forward = |x: &Tensor| {
            let y = x.matmul(&weight.t()?)?;
            match bias {
                Some(bias) => y.broadcast_add(bias),
                None => Ok(y),
            }
        };
        let weight = weight.clone();
        Ok(linear_map(x, forward, move |gradient| gradient.matmul(&weight))?)
    }

    fn linear_by_head(
        &self,
        x: &Tensor,
        linear: &PlainLinear,
        heads: usize,
    ) -> Result<Tensor, OperationError> {
        let (rows, width) = x.dims2()?;
        let x = Self::split_heads(x, width / heads)?;
        let out = linear.weight.dim(0)?;
        // [out, heads * head_dim] to [heads, head_dim, out]
        let weight = linear.weight.reshape((out, heads, width / heads))?.permute((1, 2, 0))?;
        let terms = x.matmul(&weight.contiguous()?)?;
        Ok(terms.transpose(0, 1)?.reshape((rows, heads * out))?)
    }

    fn sum_heads(&self, x: &Tensor, heads: usize) -> Result<Tensor, OperationError> {
        let (rows, width) = x.dims2()?;
        Ok(x.reshape((rows, heads, width / heads))?.sum(1)?)
    }

    fn norm(&self, x: &Tensor, norm: &PlainNorm) -> Result<Tensor, OperationError> {
        let (rows, width) = x.dims2()?;
        let stretch = norm.weight.dim(1)?;
        let x = x.reshape((rows, width / stretch, stretch))?;
        let (x, epsilon) = match norm.kind {
            NormKind::Layer { epsilon } => (x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?, epsilon),
            NormKind::RootMeanSquare { epsilon, .. } => (x, epsilon),
        };
        let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?;
        let forward = |x: &Tensor| {
            let y = x.broadcast_mul(&norm.weight)?;
            match &norm.bias {
                Some(bias) => y.broadcast_add(bias),
                None => Ok(y),
            }
        };
        let weight = norm.weight.clone();
        let y = linear_map(&x.broadcast_div(&scale)?, forward, move |gradient| {
            gradient.broadcast_mul(&weight)
        })?;
        Ok(y.reshape((rows, width))?)
    }

    fn rotate(
        &self,
        x: Tensor,
        rotary: &Rotary,
        head_dim: usize,
        places: RowPlaces<'_>,
    ) -> Result<Tensor, OperationError> {
        let rows = x.dim(0)?;
        let pairs = rotary.frequencies.len();
        let table = |function: fn(f64) -> f64| -> Result<Tensor, OperationError> {
            let mut values = Vec::with_capacity(rows * pairs);
            for (position, length) in places.iter() {
                let frequencies = rotary.frequencies_of(length);
                values.extend(
                    frequencies
                        .iter()
                        .map(|radians| rotary.magnitude * function(position as f64 * radians)),
                );
            }
            Ok(Tensor::from_vec(values, (rows, 1, pairs), &self.device)?.to_dtype(self.dtype)?)
        };
        let (cosine, sine) = (table(f64::cos)?, table(f64::sin)?);
        let by = [cosine, sine.clone()];
        let back = [by[0].clone(), sine.neg()?];
        let pairing = rotary.pairing;
        Ok(linear_map(
            &x,
            |x| turned(x, &by, head_dim, pairing),
            // A rotation's transpose is the rotation back.
            move |gradient| turned(gradient, &back, head_dim, pairing),
        )?)
    }

    fn activate(&self, x: Tensor, activation: Activation) -> Result<Tensor, OperationError> {
        Ok(match activation {
            // candle's own gradients of these two have six digits.
            Activation::GeluExact => with_backward(&x, Tensor::gelu_erf, |x, gradient| {
                (gelu_erf_slope(x)? * gradient)?.contiguous()
            })?,
            Activation::GeluTanh => with_backward(&x, Tensor::gelu, |x, gradient| {
                (gelu_tanh_slope(x)? * gradient)?.contiguous()
            })?,
            Activation::Silu => x.silu()?,
            Activation::Relu => x.relu()?,
            Activation::Tanh => x.tanh()?,
            Activation::Sigmoid => sigmoid(&x)?,
            Activation::GeluClipped => self.activate(x, Activation::GeluExact)?.minimum(10.0)?,
            Activation::GeluQuick => (&x * sigmoid(&(&x * 1.702)?)?)?,
            Activation::Mish => (&x * mish_share(&x)?)?,
            Activation::ReluSquared => x.relu()?.sqr()?,
            Activation::Relu6 => x.relu()?.minimum(6.0)?,
            Activation::ReluLeaky => (x.relu()? - (x.neg()?.relu()? * 0.01)?)?,
            Activation::Linear => x,
        })
    }

    fn gate_clamped(
        &self,
        gate: Tensor,
        up: &Tensor,
        ClampedGate { steepness, limit }: ClampedGate,
    ) -> Result<Tensor, OperationError> {
        let gate = gate.minimum(limit)?;
        let active = (&gate * sigmoid(&(&gate * steepness)?)?)?;
        Ok((active * (up.clamp(-limit, limit)? + 1.0)?)?)
    }

    fn add(&self, a: Tensor, b: &Tensor) -> Result<Tensor, OperationError> {
        Ok((a + b)?)
    }

    fn subtract(&self, a: Tensor, b: &Tensor) -> Result<Tensor, OperationError> {
        Ok((a - b)?)
    }

    fn multiply(&self, a: Tensor, b: &Tensor) -> Result<Tensor, OperationError> {
        Ok((a * b)?)
    }

    fn scale(&self, x: Tensor, factor: f64) -> Result<Tensor, OperationError> {
        Ok((x * factor)?)
    }

    fn clip(&self, x: Tensor, limit: f64) -> Result<Tensor, OperationError> {
        Ok(x.clamp(-limit, limit)?)
    }

    fn soft_cap(&self, x: Tensor, cap: f64) -> Result<Tensor, OperationError> {
        Ok(((x / cap)?.tanh()? * cap)?)
    }

    fn route(&self, scores: &Tensor, experts: &Experts) -> Result<Tensor, OperationError> {
        let (rows, count) = scores.dims2()?;
        let values = scores.detach().to_dtype(DType::F64)?.to_vec2::<f64>()?;
        let mut kept = vec![0f64; rows * count];
        for (kept, scores) in kept.chunks_exact_mut(count).zip(&values) {
            chosen_experts(scores, experts.chosen)
                .into_iter()
                .for_each(|expert| kept[expert] = 1.0);
        }
        let kept = Tensor::from_vec(kept, (rows, count), &self.device)?.to_dtype(self.dtype)?;
        let weights = (self.softmax(scores)? * &kept)?;
        Ok(match experts.routing {
            Routing::SoftmaxThenChoose { normalised: false } => weights,
            Routing::SoftmaxThenChoose { normalised: true } | Routing::ChooseThenSoftmax => {
                weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?
            }
        })
    }

    fn chosen_rows(
        &self,
        weights: &Tensor,
        experts: &Experts,
    ) -> Result<Vec<Vec<usize>>, OperationError> {
        let weights = weights.detach().to_dtype(DType::F64)?.to_vec2::<f64>()?;
        Ok(chosen_rows(weights.iter().map(Vec::as_slice), experts.count))
    }

    fn mix(
        &self,
        chosen: &[Vec<usize>],
        outputs: &[Tensor],
        weights: &Tensor,
    ) -> Result<Tensor, OperationError> {
        let width = outputs.first().map_or(Ok(0), |output| output.dim(1))?;
        let mut mixed = Tensor::zeros((weights.dim(0)?, width), self.dtype, &self.device)?;
        for (expert, (rows, output)) in chosen.iter().zip(outputs).enumerate() {
            if rows.is_empty() {
                continue;
            }
            let rows = self.indices(rows)?;
            let of_rows = weights.narrow(1, expert, 1)?.contiguous()?.index_select(&rows, 0)?;
            mixed = mixed.index_add(&rows, &output.broadcast_mul(&of_rows)?, 0)?;
        }
        Ok(mixed)
    }

    fn spread(
        &self,
        chosen: &[Vec<usize>],
        outputs: &[Tensor],
        weights: &Tensor,
    ) -> Result<Tensor, OperationError> {
        let all = weights.dim(0)?;
        let parts = chosen.iter().zip(outputs).map(|(rows, output)| {
            let zeros = Tensor::zeros((all, output.dim(1)?), self.dtype, &self.device)?;
            match rows.is_empty() {
                true => Ok(zeros),
                false => Ok(zeros.index_add(&self.indices(rows)?, output, 0)?),
            }
        });
        Ok(Tensor::cat(&parts.collect::<Result<Vec<_>, OperationError>>()?, 1)?)
    }

    fn take_part(
        &self,
        x: &Tensor,
        indices: &[usize],
        part: usize,
        parts: usize,
    ) -> Result<Tensor, OperationError> {
        let width = x.dim(1)? / parts;
        self.take_rows(&x.narrow(1, part * width, width)?.contiguous()?, indices)
    }

    fn weigh_rows(&self, x: Tensor, factors: &Tensor) -> Result<Tensor, OperationError> {
        Ok(x.broadcast_mul(factors)?)
    }

    fn take_rows(&self, x: &Tensor, indices: &[usize]) -> Result<Tensor, OperationError> {
        Ok(x.index_select(&self.indices(indices)?, 0)?)
    }

    fn append_rows(&self, x: &mut Tensor, indices: &[usize]) -> Result<(), OperationError> {
        *x = Tensor::cat(&[&*x, &self.take_rows(x, indices)?], 0)?;
        Ok(())
    }

    fn stack(&self, parts: &[Tensor]) -> Result<Tensor, OperationError> {
        self.stack_rows(parts)
    }

    fn extend_rows(&self, x: &mut Tensor, rows: &Tensor) -> Result<(), OperationError> {
        *x = Tensor::cat(&[&*x, rows], 0)?;
        Ok(())
    }

    fn keep_first_rows(&self, x: &mut Tensor, rows: usize) -> Result<(), OperationError> {
        *x = x.narrow(0, 0, rows)?;
        Ok(())
    }

    fn attend(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        paths: &[Path<'_>],
        scoring: Scoring<'_>,
    ) -> Result<Tensor, OperationError> {
        let rows = queries.dim(0)?;
        // Rows of no path come from a row of zeros that stands in front.
        let mut mixed = vec![queries.zeros_like()?.narrow(0, 0, 1)?];
        let (mut origin, mut next) = (vec![0; rows], 1);
        for path in paths {
            let own: Vec<usize> = path.queries.iter().map(|query| query.row as usize).collect();
            let seen: Vec<usize> = path.rows.iter().map(|row| *row as usize).collect();
            let positions: Vec<usize> =
                path.queries.iter().map(|query| query.position as usize).collect();
            let visibility = Visibility {
                queries: &positions,
                keys: &(0..seen.len()).collect::<Vec<_>>(),
                window: scoring.window(),
            };
            let own_queries = self.take_rows(queries, &own)?;
            let seen_keys = self.take_rows(keys, &seen)?;
            let scores = self.scores(&own_queries, &seen_keys, scoring, visibility)?;
            let weights = self.attention_weights(&scores, scoring)?;
            let seen_values = self.take_rows(values, &seen)?;
            mixed.push(self.weigh(&weights, &seen_values, scoring.config.head_dim)?);
            for row in own {
                origin[row] = next;
                next += 1;
            }
        }
        self.take_rows(&self.stack_rows(&mixed)?, &origin)
    }

    fn choose_logits(
        &self,
        x: &Tensor,
        unembedding: &PlainLinear,
        soft_cap: Option<f64>,
        tokens: &[u32],
        normalised: bool,
    ) -> Result<ChosenLogits, OperationError> {
        let mut logits = self.linear(x, unembedding)?;
        if let Some(cap) = soft_cap {
            logits = self.soft_cap(logits, cap)?;
        }
        let chosen = logits.index_select(&Tensor::new(tokens, &self.device)?, 1)?;
        let chosen = chosen.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let log_normalisers = match normalised {
            true => logits.to_dtype(DType::F64)?.log_sum_exp(D::Minus1)?.to_vec1()?,
            false => Vec::new(),
        };
        Ok(ChosenLogits { logits: chosen, log_normalisers })
    }

    fn plain(&self) -> Plain {
        self.clone()
    }

    fn values(&self, x: &Tensor, indices: &[usize]) -> Result<Tensor, OperationError> {
        self.take_rows(x, indices)
    }

    fn rows_of(&self, values: &Tensor) -> Result<Tensor, OperationError> {
        Ok(values.clone())
    }

    fn set_values(
        &self,
        x: &mut Tensor,
        indices: &[usize],
        values: &Tensor,
    ) -> Result<(), OperationError> {
        // The new rows are set behind the old ones, and each row is then taken from where it is.
        let rows = x.dim(0)?;
        let mut origin: Vec<usize> = (0..rows).collect();
        for (new, &index) in indices.iter().enumerate() {
            origin[index] = rows + new;
        }
        *x = self.take_rows(&Tensor::cat(&[&*x, values], 0)?, &origin)?;
        Ok(())
    }

    fn host<'a>(&self, _: &'a mut Tensor) -> Option<HostRows<'a>> {
        None
    }
}

impl Differentiable for Plain {
    fn cross_entropy(
        &self,
        x: &Tensor,
        unembedding: &PlainLinear,
        soft_cap: Option<f64>,
        targets: &[u32],
    ) -> Result<(Tensor, Vec<Standing>), OperationError> {
        let mut logits = self.linear(x, unembedding)?;
        if let Some(cap) = soft_cap {
            logits = self.soft_cap(logits, cap)?;
        }
        cross_entropy_of(&logits, targets)
    }
}
