//! The operations on 32-bit floats in buffers of our own: fast on a CPU.
//!
//! Thin adapters between the decoder and `vene-kernels`, which knows slices. Weights are packed
//! once. A tensor's buffer goes back to a pool when it is dropped, so that a pass asks the system
//! for memory only as long as it grows.

mod rows;
mod weights;

use std::sync::Arc;

use candle_core::{Device, Tensor};
use vene_kernels::{self as kernels, AlignedBuffer, PackedMatrix, Shape, Slopes};

pub use rows::FusedRows;
use rows::Pool;
pub(in crate::operations) use weights::Direction;
pub use weights::{FusedLinear, FusedNorm, FusedRotary};

use super::{
    ChosenLogits, HostRows, OperationError, Operations, Path, Plain, Precision, Scoring,
    experts::{chosen_rows, route},
};
use crate::config::{Activation, ClampedGate, Experts, NormKind, Rotary};
use crate::matrix::Matrix;
use crate::pass::RowPlaces;
use crate::tensors::{LinearTensors, NormTensors};

/// Operations on 32-bit floats on the CPU.
#[derive(Clone, Debug, Default)]
pub struct Fused {
    pool: Arc<Pool>,
}

impl Fused {
    fn rows(&self, rows: usize, width: usize) -> FusedRows {
        FusedRows::new(&self.pool, rows, width)
    }

    /// Chosen logits by way of all of them.
    fn choose_of_all(
        &self,
        x: &FusedRows,
        unembedding: &FusedLinear,
        soft_cap: Option<f64>,
        tokens: &[u32],
        normalised: bool,
    ) -> Result<ChosenLogits, OperationError> {
        let mut all = self.linear(x, unembedding)?;
        if let Some(cap) = soft_cap {
            all = self.soft_cap(all, cap)?;
        }
        let mut chosen = ChosenLogits::default();
        for index in 0..all.rows() {
            let row = all.row(index);
            chosen.logits.extend(tokens.iter().map(|&token| f64::from(row[token as usize])));
            if normalised {
                let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f64 = row.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
                chosen.log_normalisers.push(f64::from(largest) + sum.ln());
            }
        }
        Ok(chosen)
    }
}

impl Operations for Fused {
    type Tensor = FusedRows;
    type Linear = FusedLinear;
    type Norm = FusedNorm;
    type Table = Arc<PackedMatrix>;
    type Rotary = Arc<FusedRotary>;

    fn load_linear(&self, tensors: LinearTensors) -> Result<FusedLinear, OperationError> {
        let bias = tensors.bias.map(|bias| bias.data);
        Ok(FusedLinear { weight: self.load_table(tensors.weight)?, bias })
    }

    fn load_norm(&self, tensors: NormTensors, kind: NormKind) -> Result<FusedNorm, OperationError> {
        Ok(FusedNorm::new(tensors, kind))
    }

    fn load_table(&self, table: Matrix) -> Result<Arc<PackedMatrix>, OperationError> {
        Ok(Arc::new(weights::pack(table)))
    }

    fn tie(&self, table: &Arc<PackedMatrix>) -> Result<FusedLinear, OperationError> {
        Ok(FusedLinear { weight: table.clone(), bias: None })
    }

    fn load_rotary(&self, rotary: &Rotary) -> Result<Arc<FusedRotary>, OperationError> {
        Ok(Arc::new(FusedRotary::new(rotary)))
    }

    fn embed(
        &self,
        table: &Arc<PackedMatrix>,
        indices: &[u32],
    ) -> Result<FusedRows, OperationError> {
        let mut embedding = self.rows(indices.len(), table.input());
        let rows = embedding.buffer.chunks_exact_mut(table.input().max(1));
        rows.zip(indices).for_each(|(row, &index)| table.row(index as usize, row));
        Ok(embedding)
    }

    fn linear(&self, x: &FusedRows, linear: &FusedLinear) -> Result<FusedRows, OperationError> {
        let mut y = self.rows(x.rows(), linear.weight.out());
        kernels::multiply(&x.buffer, &linear.weight, linear.bias.as_deref(), &mut y.buffer);
        Ok(y)
    }

    fn linear_by_head(
        &self,
        x: &FusedRows,
        linear: &FusedLinear,
        heads: usize,
    ) -> Result<FusedRows, OperationError> {
        let (rows, out, head_dim) = (x.rows(), linear.weight.out(), x.width / heads);
        let mut terms = self.rows(rows, heads * out);
        let mut only = self.rows(rows, x.width);
        let mut term = self.rows(rows, out);
        for head in 0..heads {
            // All other heads' columns are 0.
            only.buffer.fill(0.0);
            let columns = head * head_dim..(head + 1) * head_dim;
            for row in 0..rows {
                let start = row * x.width;
                only.buffer[start + columns.start..start + columns.end]
                    .copy_from_slice(&x.row(row)[columns.clone()]);
            }
            kernels::multiply(&only.buffer, &linear.weight, None, &mut term.buffer);
            for row in 0..rows {
                let start = row * terms.width + head * out;
                terms.buffer[start..start + out].copy_from_slice(term.row(row));
            }
        }
        Ok(terms)
    }

    fn sum_heads(&self, x: &FusedRows, heads: usize) -> Result<FusedRows, OperationError> {
        let width = x.width / heads;
        let mut sums = self.rows(x.rows(), width);
        for (index, sum) in sums.buffer.chunks_exact_mut(width).enumerate() {
            sum.fill(0.0);
            for head in x.row(index).chunks_exact(width) {
                sum.iter_mut().zip(head).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok(sums)
    }

    fn norm(&self, x: &FusedRows, norm: &FusedNorm) -> Result<FusedRows, OperationError> {
        let mut y = self.rows(x.rows(), x.width);
        norm.apply(&x.buffer, &mut y.buffer);
        Ok(y)
    }

    fn rotate(
        &self,
        mut x: FusedRows,
        rotary: &Arc<FusedRotary>,
        head_dim: usize,
        places: RowPlaces<'_>,
    ) -> Result<FusedRows, OperationError> {
        let (table, positions) = rotary.table(places, Direction::Forth);
        kernels::rotate(&mut x.buffer, head_dim, &positions, &table, rotary.pairing());
        Ok(x)
    }

    fn activate(
        &self,
        mut x: FusedRows,
        activation: Activation,
    ) -> Result<FusedRows, OperationError> {
        kernels::activate(&mut x.buffer, activation.into());
        Ok(x)
    }

    fn gate(
        &self,
        mut gate: FusedRows,
        up: &FusedRows,
        activation: Activation,
    ) -> Result<FusedRows, OperationError> {
        kernels::activate_gated(&mut gate.buffer, &up.buffer, activation.into());
        Ok(gate)
    }

    fn gate_clamped(
        &self,
        mut gate: FusedRows,
        up: &FusedRows,
        ClampedGate { steepness, limit }: ClampedGate,
    ) -> Result<FusedRows, OperationError> {
        kernels::activate_clamped(&mut gate.buffer, &up.buffer, steepness as f32, limit as f32);
        Ok(gate)
    }

    fn add(&self, mut a: FusedRows, b: &FusedRows) -> Result<FusedRows, OperationError> {
        kernels::add_in_place(&mut a.buffer, &b.buffer);
        Ok(a)
    }

    fn subtract(&self, a: FusedRows, b: &FusedRows) -> Result<FusedRows, OperationError> {
        let mut difference = self.rows(a.rows(), a.width);
        kernels::subtract(&a.buffer, &b.buffer, &mut difference.buffer);
        Ok(difference)
    }

    fn multiply(&self, a: FusedRows, b: &FusedRows) -> Result<FusedRows, OperationError> {
        let mut product = self.rows(a.rows(), a.width);
        kernels::multiply_elements(&a.buffer, &b.buffer, &mut product.buffer);
        Ok(product)
    }

    fn scale(&self, mut x: FusedRows, factor: f64) -> Result<FusedRows, OperationError> {
        kernels::scale(&mut x.buffer, factor as f32);
        Ok(x)
    }

    fn clip(&self, mut x: FusedRows, limit: f64) -> Result<FusedRows, OperationError> {
        let limit = limit as f32;
        x.buffer.iter_mut().for_each(|value| *value = value.clamp(-limit, limit));
        Ok(x)
    }

    fn soft_cap(&self, mut x: FusedRows, cap: f64) -> Result<FusedRows, OperationError> {
        kernels::soft_cap(&mut x.buffer, cap as f32);
        Ok(x)
    }

    fn route(&self, scores: &FusedRows, experts: &Experts) -> Result<FusedRows, OperationError> {
        let mut weights = scores.clone();
        let rows = weights.buffer.chunks_exact_mut(scores.width.max(1));
        rows.for_each(|row| route(row, experts));
        Ok(weights)
    }

    fn chosen_rows(
        &self,
        weights: &FusedRows,
        experts: &Experts,
    ) -> Result<Vec<Vec<usize>>, OperationError> {
        let rows = (0..weights.rows()).map(|index| weights.row(index));
        Ok(chosen_rows(rows, experts.count))
    }

    fn mix(
        &self,
        chosen: &[Vec<usize>],
        outputs: &[FusedRows],
        weights: &FusedRows,
    ) -> Result<FusedRows, OperationError> {
        let width = outputs.first().map_or(0, |output| output.width);
        let mut mixed = self.rows(weights.rows(), width);
        mixed.buffer.fill(0.0);
        for (expert, (rows, output)) in chosen.iter().zip(outputs).enumerate() {
            for (from, &row) in rows.iter().enumerate() {
                let weight = weights.row(row)[expert];
                let sums = &mut mixed.buffer[row * width..(row + 1) * width];
                let terms = sums.iter_mut().zip(output.row(from));
                terms.for_each(|(sum, value)| *sum += weight * value);
            }
        }
        Ok(mixed)
    }

    fn spread(
        &self,
        chosen: &[Vec<usize>],
        outputs: &[FusedRows],
        weights: &FusedRows,
    ) -> Result<FusedRows, OperationError> {
        let width = outputs.first().map_or(0, |output| output.width);
        let mut spread = self.rows(weights.rows(), outputs.len() * width);
        spread.buffer.fill(0.0);
        for (expert, (rows, output)) in chosen.iter().zip(outputs).enumerate() {
            for (from, &row) in rows.iter().enumerate() {
                let start = row * spread.width + expert * width;
                spread.buffer[start..start + width].copy_from_slice(output.row(from));
            }
        }
        Ok(spread)
    }

    fn take_part(
        &self,
        x: &FusedRows,
        indices: &[usize],
        part: usize,
        parts: usize,
    ) -> Result<FusedRows, OperationError> {
        let width = x.width / parts;
        let mut taken = self.rows(indices.len(), width);
        for (row, &index) in taken.buffer.chunks_exact_mut(width.max(1)).zip(indices) {
            row.copy_from_slice(&x.row(index)[part * width..(part + 1) * width]);
        }
        Ok(taken)
    }

    fn weigh_rows(
        &self,
        mut x: FusedRows,
        factors: &FusedRows,
    ) -> Result<FusedRows, OperationError> {
        let rows = x.buffer.chunks_exact_mut(x.width.max(1)).enumerate();
        for (index, row) in rows {
            let factor = factors.row(index)[0];
            row.iter_mut().for_each(|value| *value *= factor);
        }
        Ok(x)
    }

    fn take_rows(&self, x: &FusedRows, indices: &[usize]) -> Result<FusedRows, OperationError> {
        let mut taken = self.rows(indices.len(), x.width);
        let rows = taken.buffer.chunks_exact_mut(x.width.max(1));
        rows.zip(indices).for_each(|(row, &index)| row.copy_from_slice(x.row(index)));
        Ok(taken)
    }

    fn append_rows(&self, x: &mut FusedRows, indices: &[usize]) -> Result<(), OperationError> {
        let (length, width) = (x.buffer.len(), x.width);
        let longer = length + indices.len() * width;
        if x.buffer.capacity() < longer {
            let mut buffer = self.pool.take(longer);
            buffer[..length].copy_from_slice(&x.buffer);
            self.pool.give(std::mem::replace(&mut x.buffer, buffer));
        }
        x.buffer.resize(longer);
        for (place, &index) in indices.iter().enumerate() {
            x.buffer.copy_within(index * width..(index + 1) * width, length + place * width);
        }
        Ok(())
    }

    fn stack(&self, parts: &[FusedRows]) -> Result<FusedRows, OperationError> {
        let width = parts.first().map_or(0, |part| part.width);
        let mut stacked = self.rows(parts.iter().map(FusedRows::rows).sum(), width);
        let mut rest: &mut [f32] = &mut stacked.buffer;
        for part in parts {
            let (own, behind) = rest.split_at_mut(part.buffer.len());
            own.copy_from_slice(&part.buffer);
            rest = behind;
        }
        Ok(stacked)
    }

    fn extend_rows(&self, x: &mut FusedRows, rows: &FusedRows) -> Result<(), OperationError> {
        let (length, longer) = (x.buffer.len(), x.buffer.len() + rows.buffer.len());
        if x.buffer.capacity() < longer {
            // Not from the pool, whose buffers may be just long enough: half as much again is asked for,
            // so that rows that come one by one are not copied anew for each.
            let mut buffer = AlignedBuffer::zeros(longer + longer / 2);
            buffer[..length].copy_from_slice(&x.buffer);
            self.pool.give(std::mem::replace(&mut x.buffer, buffer));
        }
        x.buffer.resize(longer);
        x.buffer[length..].copy_from_slice(&rows.buffer);
        Ok(())
    }

    fn keep_first_rows(&self, x: &mut FusedRows, rows: usize) -> Result<(), OperationError> {
        x.buffer.resize(rows * x.width);
        Ok(())
    }

    fn attend(
        &self,
        queries: &FusedRows,
        keys: &FusedRows,
        values: &FusedRows,
        paths: &[Path<'_>],
        scoring: Scoring<'_>,
    ) -> Result<FusedRows, OperationError> {
        let mut mixed = self.rows(queries.rows(), queries.width);
        let shape = shape(scoring);
        kernels::attend(
            &queries.buffer,
            &keys.buffer,
            &values.buffer,
            &shape,
            scoring.window(),
            paths,
            &mut mixed.buffer,
        );
        Ok(mixed)
    }

    fn choose_logits(
        &self,
        x: &FusedRows,
        unembedding: &FusedLinear,
        soft_cap: Option<f64>,
        tokens: &[u32],
        normalised: bool,
    ) -> Result<ChosenLogits, OperationError> {
        if unembedding.bias.is_some() {
            // A classifier's head, whose classes are few.
            return self.choose_of_all(x, unembedding, soft_cap, tokens, normalised);
        }
        let (rows, cap) = (x.rows(), soft_cap.map(|cap| cap as f32));
        let mut chosen = self.rows(rows, tokens.len());
        let mut log_normalisers = vec![0.0; if normalised { rows } else { 0 }];
        let matrix = &unembedding.weight;
        if normalised {
            kernels::log_sum_exp_gather(
                &x.buffer,
                matrix,
                cap,
                tokens,
                &mut chosen.buffer,
                &mut log_normalisers,
            );
        } else {
            kernels::gather_logits(&x.buffer, matrix, cap, tokens, &mut chosen.buffer);
        }
        let logits = chosen.buffer.iter().map(|&logit| f64::from(logit)).collect();
        Ok(ChosenLogits { logits, log_normalisers })
    }

    fn plain(&self) -> Plain {
        Plain::cpu(Precision::Single)
    }

    fn values(&self, x: &FusedRows, indices: &[usize]) -> Result<Tensor, OperationError> {
        let mut values = Vec::with_capacity(indices.len() * x.width);
        indices.iter().for_each(|&index| values.extend_from_slice(x.row(index)));
        Ok(Tensor::from_vec(values, (indices.len(), x.width), &Device::Cpu)?)
    }

    fn rows_of(&self, values: &Tensor) -> Result<FusedRows, OperationError> {
        let (rows, width) = values.dims2()?;
        let mut taken = self.rows(rows, width);
        taken.buffer.copy_from_slice(&values.flatten_all()?.to_vec1::<f32>()?);
        Ok(taken)
    }

    fn set_values(
        &self,
        x: &mut FusedRows,
        indices: &[usize],
        values: &Tensor,
    ) -> Result<(), OperationError> {
        let (values, width) = (values.flatten_all()?.to_vec1::<f32>()?, x.width);
        for (&index, row) in indices.iter().zip(values.chunks_exact(width.max(1))) {
            x.buffer[index * width..(index + 1) * width].copy_from_slice(row);
        }
        Ok(())
    }

    fn host<'a>(&self, x: &'a mut FusedRows) -> Option<HostRows<'a>> {
        Some(HostRows { width: x.width, values: &mut x.buffer })
    }
}

/// A layer's attention as the kernels know it.
pub(super) fn shape(scoring: Scoring<'_>) -> Shape<'_> {
    let config = scoring.config;
    let slopes = config.alibi.as_ref().map(|alibi| Slopes {
        of_heads: &alibi.slopes,
        rounded: alibi.rounded.map(|factor| factor as f32),
    });
    Shape {
        heads: config.heads,
        key_value_heads: config.key_value_heads,
        head_dim: config.head_dim,
        score_scale: scoring.options().score_scale as f32,
        soft_cap: config.score_soft_cap.map(|cap| cap as f32),
        slopes,
        sinks: scoring.sinks,
    }
}

impl From<Activation> for kernels::Activation {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::GeluExact => Self::GeluExact,
            Activation::GeluTanh => Self::GeluTanh,
            Activation::Silu => Self::Silu,
            Activation::Relu => Self::Relu,
            Activation::Tanh => Self::Tanh,
            Activation::Sigmoid => Self::Sigmoid,
            Activation::GeluClipped => Self::GeluClipped,
            Activation::GeluQuick => Self::GeluQuick,
            Activation::Mish => Self::Mish,
            Activation::ReluSquared => Self::ReluSquared,
            Activation::Relu6 => Self::Relu6,
            Activation::ReluLeaky => Self::ReluLeaky,
            Activation::Linear => Self::Linear,
        }
    }
}
