//! The fused operations on candle tensors, each one node of the graph: how interventions are trained on a CPU.
//!
//! Weights are those of [`Fused`], packed, and are kept once for both. Each operation knows its own way back:
//! a graph of elementary operations keeps every step of a norm or of an attention, and walks them all; here a
//! node keeps its inputs and nothing else, and computes what it needs once more (`vene-kernels`, `gradient/`).
//! Single precision on the CPU; in double, or to know what is right, there is [`Plain`].

mod nodes;
mod slices;

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use vene_kernels::ranking::Standing;
use vene_kernels::{self as kernels, CrossEntropy, PackedMatrix};

use super::differentiable::cross_entropy_of;
use super::fused::{self, Direction, FusedLinear, FusedNorm, FusedRotary};
use super::node::with_backward;
use super::{
    ChosenLogits, Differentiable, Fused, HostRows, OperationError, Operations, OwnedPath, Path,
    Plain, Precision, Scoring,
};
use crate::config::{Activation, ClampedGate, Experts, NormKind, Rotary};
use crate::matrix::Matrix;
use crate::pass::RowPlaces;
use crate::tensors::{LinearTensors, NormTensors};
use nodes::{Activate, Attend, Gate, Linear, LinearByHead, Norm, OwnedShape, Rotate};
use slices::with_floats;

/// Fused operations that gradients flow through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recorded;

impl Recorded {
    fn plain(self) -> Plain {
        Plain::cpu(Precision::Single)
    }
}

impl Operations for Recorded {
    type Tensor = Tensor;
    type Linear = FusedLinear;
    type Norm = FusedNorm;
    type Table = Arc<PackedMatrix>;
    type Rotary = Arc<FusedRotary>;

    fn load_linear(&self, tensors: LinearTensors) -> Result<FusedLinear, OperationError> {
        Fused::default().load_linear(tensors)
    }

    fn load_norm(&self, tensors: NormTensors, kind: NormKind) -> Result<FusedNorm, OperationError> {
        Fused::default().load_norm(tensors, kind)
    }

    fn load_table(&self, table: Matrix) -> Result<Arc<PackedMatrix>, OperationError> {
        Fused::default().load_table(table)
    }

    fn tie(&self, table: &Arc<PackedMatrix>) -> Result<FusedLinear, OperationError> {
        Fused::default().tie(table)
    }

    fn load_rotary(&self, rotary: &Rotary) -> Result<Arc<FusedRotary>, OperationError> {
        Fused::default().load_rotary(rotary)
    }

    fn embed(&self, table: &Arc<PackedMatrix>, indices: &[u32]) -> Result<Tensor, OperationError> {
        let width = table.input();
        let mut values = vec![0.0; indices.len() * width];
        let rows = values.chunks_exact_mut(width.max(1));
        rows.zip(indices).for_each(|(row, &index)| table.row(index as usize, row));
        Ok(Tensor::from_vec(values, (indices.len(), width), &Device::Cpu)?)
    }

    fn linear(&self, x: &Tensor, linear: &FusedLinear) -> Result<Tensor, OperationError> {
        Ok(x.contiguous()?.apply_op1(Linear(linear.clone()))?)
    }

    fn linear_by_head(
        &self,
        x: &Tensor,
        linear: &FusedLinear,
        heads: usize,
    ) -> Result<Tensor, OperationError> {
        let weight = linear.weight.clone();
        Ok(x.contiguous()?.apply_op1(LinearByHead { weight, heads })?)
    }

    fn sum_heads(&self, x: &Tensor, heads: usize) -> Result<Tensor, OperationError> {
        self.plain().sum_heads(x, heads)
    }

    fn norm(&self, x: &Tensor, norm: &FusedNorm) -> Result<Tensor, OperationError> {
        Ok(x.contiguous()?.apply_op1(Norm(norm.clone()))?)
    }

    fn rotate(
        &self,
        x: Tensor,
        rotary: &Arc<FusedRotary>,
        head_dim: usize,
        places: RowPlaces<'_>,
    ) -> Result<Tensor, OperationError> {
        let RowPlaces { positions, lengths } = places;
        let (positions, lengths) = (positions.to_vec(), lengths.to_vec());
        let rotate = Rotate { rotary: rotary.clone(), head_dim, positions, lengths };
        Ok(x.contiguous()?.apply_op1(rotate)?)
    }

    fn activate(&self, x: Tensor, activation: Activation) -> Result<Tensor, OperationError> {
        Ok(x.contiguous()?.apply_op1(Activate(activation))?)
    }

    fn gate(
        &self,
        gate: Tensor,
        up: &Tensor,
        activation: Activation,
    ) -> Result<Tensor, OperationError> {
        Ok(gate.contiguous()?.apply_op2(&up.contiguous()?, Gate(activation))?)
    }

    fn gate_clamped(
        &self,
        gate: Tensor,
        up: &Tensor,
        clamped: ClampedGate,
    ) -> Result<Tensor, OperationError> {
        self.plain().gate_clamped(gate, up, clamped)
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
        self.plain().clip(x, limit)
    }

    fn soft_cap(&self, x: Tensor, cap: f64) -> Result<Tensor, OperationError> {
        self.plain().soft_cap(x, cap)
    }

    fn route(&self, scores: &Tensor, experts: &Experts) -> Result<Tensor, OperationError> {
        self.plain().route(scores, experts)
    }

    fn chosen_rows(
        &self,
        weights: &Tensor,
        experts: &Experts,
    ) -> Result<Vec<Vec<usize>>, OperationError> {
        self.plain().chosen_rows(weights, experts)
    }

    fn mix(
        &self,
        chosen: &[Vec<usize>],
        outputs: &[Tensor],
        weights: &Tensor,
    ) -> Result<Tensor, OperationError> {
        self.plain().mix(chosen, outputs, weights)
    }

    fn spread(
        &self,
        chosen: &[Vec<usize>],
        outputs: &[Tensor],
        weights: &Tensor,
    ) -> Result<Tensor, OperationError> {
        self.plain().spread(chosen, outputs, weights)
    }

    fn take_part(
        &self,
        x: &Tensor,
        indices: &[usize],
        part: usize,
        parts: usize,
    ) -> Result<Tensor, OperationError> {
        self.plain().take_part(x, indices, part, parts)
    }

    fn weigh_rows(&self, x: Tensor, factors: &Tensor) -> Result<Tensor, OperationError> {
        self.plain().weigh_rows(x, factors)
    }

    fn take_rows(&self, x: &Tensor, indices: &[usize]) -> Result<Tensor, OperationError> {
        self.plain().take_rows(x, indices)
    }

    fn append_rows(&self, x: &mut Tensor, indices: &[usize]) -> Result<(), OperationError> {
        self.plain().append_rows(x, indices)
    }

    fn extend_rows(&self, x: &mut Tensor, rows: &Tensor) -> Result<(), OperationError> {
        self.plain().extend_rows(x, rows)
    }

    fn keep_first_rows(&self, x: &mut Tensor, rows: usize) -> Result<(), OperationError> {
        self.plain().keep_first_rows(x, rows)
    }

    fn stack(&self, parts: &[Tensor]) -> Result<Tensor, OperationError> {
        self.plain().stack(parts)
    }

    fn attend(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        paths: &[Path<'_>],
        scoring: Scoring<'_>,
    ) -> Result<Tensor, OperationError> {
        if [queries, keys, values].iter().any(|tensor| tensor.track_op()) {
            // Rows may be in several paths here, which the node cannot do.
            return self.plain().attend(queries, keys, values, paths, scoring);
        }
        let shape = fused::shape(scoring);
        let mut mixed = vec![0.0; queries.elem_count()];
        with_floats([queries, keys, values], |[queries, keys, values]| {
            kernels::attend(queries, keys, values, &shape, scoring.window(), paths, &mut mixed);
        })?;
        Ok(Tensor::from_vec(mixed, queries.shape(), &Device::Cpu)?)
    }

    fn attend_behind(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        earlier: Option<[Tensor; 2]>,
        paths: &[Path<'_>],
        scoring: Scoring<'_>,
    ) -> Result<Tensor, OperationError> {
        let attend = Attend {
            shape: OwnedShape::from(fused::shape(scoring)),
            window: scoring.window(),
            earlier,
            paths: paths.iter().map(OwnedPath::from).collect(),
        };
        let [queries, keys, values] =
            [queries.contiguous()?, keys.contiguous()?, values.contiguous()?];
        Ok(queries.apply_op3(&keys, &values, attend)?)
    }

    fn choose_logits(
        &self,
        x: &Tensor,
        unembedding: &FusedLinear,
        soft_cap: Option<f64>,
        tokens: &[u32],
        normalised: bool,
    ) -> Result<ChosenLogits, OperationError> {
        let mut logits = self.linear(x, unembedding)?;
        if let Some(cap) = soft_cap {
            logits = self.soft_cap(logits, cap)?;
        }
        let chosen = logits.index_select(&Tensor::new(tokens, &Device::Cpu)?, 1)?;
        let chosen = chosen.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let log_normalisers = match normalised {
            true => logits.to_dtype(DType::F64)?.log_sum_exp(candle_core::D::Minus1)?.to_vec1()?,
            false => Vec::new(),
        };
        Ok(ChosenLogits { logits: chosen, log_normalisers })
    }

    fn plain(&self) -> Plain {
        Self::plain(*self)
    }

    fn values(&self, x: &Tensor, indices: &[usize]) -> Result<Tensor, OperationError> {
        self.plain().values(x, indices)
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
        self.plain().set_values(x, indices, values)
    }

    fn host<'a>(&self, _: &'a mut Tensor) -> Option<HostRows<'a>> {
        None
    }
}

impl Differentiable for Recorded {
    fn cross_entropy(
        &self,
        x: &Tensor,
        unembedding: &FusedLinear,
        soft_cap: Option<f64>,
        targets: &[u32],
    ) -> Result<(Tensor, Vec<Standing>), OperationError> {
        if unembedding.bias.is_some() {
            // A classifier's head, whose classes are few.
            let mut logits = self.linear(x, unembedding)?;
            if let Some(cap) = soft_cap {
                logits = self.soft_cap(logits, cap)?;
            }
            return cross_entropy_of(&logits, targets);
        }
        let rows = targets.len();
        let (mut losses, mut standings) = (vec![0.0; rows], vec![Standing::default(); rows]);
        // The gradient is known as soon as the logits are, which are then forgotten.
        let mut gradient = vec![0.0; if x.track_op() { x.elem_count() } else { 0 }];
        with_floats([&x.contiguous()?], |[x]| {
            let to = CrossEntropy {
                losses: &mut losses,
                standings: &mut standings,
                gradient: (!gradient.is_empty()).then_some(&mut gradient[..]),
            };
            let cap = soft_cap.map(|cap| cap as f32);
            kernels::cross_entropy(x, &unembedding.weight, cap, targets, to);
        })?;
        let losses = Tensor::from_vec(losses, rows, &Device::Cpu)?;
        if gradient.is_empty() {
            return Ok((losses, standings));
        }
        let of_rows = Tensor::from_vec(gradient, x.shape(), &Device::Cpu)?;
        let node = with_backward(
            x,
            |_| Ok(losses.clone()),
            move |_, gradient| of_rows.broadcast_mul(&gradient.unsqueeze(1)?),
        )?;
        Ok((node, standings))
    }
}
