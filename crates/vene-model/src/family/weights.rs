//! A checkpoint's tensors on their way into a decoder, with an account of which were taken.
//!
//! A tensor that nobody takes may be a bias that the configuration denies: the numbers would be
//! wrong and nothing would say so. So leftovers are refused. All names and shapes are gone through
//! once when a model is opened, before a weight is read ([`Weights::of_shapes`]).

use std::cell::RefCell;
use std::collections::HashSet;

use vene_checkpoint::{CheckpointError, Element, Notices};

use super::Family;
use super::names::Names;
use crate::error::ModelError;
use crate::matrix::Matrix;
use crate::tensors::{HostTensor, LinearTensors, NormTensors};

/// Named tensors on their way into a decoder.
pub(crate) struct Weights<'a> {
    names: &'a Names,
    notices: &'a Notices,
    /// Whether values are read, or only shapes compared.
    reads_values: bool,
    taken: RefCell<HashSet<String>>,
}

impl<'a> Weights<'a> {
    pub(crate) fn new(names: &'a Names, notices: &'a Notices) -> Self {
        Self { names, notices, reads_values: true, taken: RefCell::default() }
    }

    /// Tensors without values: to find out whether all are there, in the right shapes, and no others.
    pub(crate) fn of_shapes(names: &'a Names, notices: &'a Notices) -> Self {
        Self { reads_values: false, ..Self::new(names, notices) }
    }

    /// A tensor of exactly this shape.
    pub(super) fn tensor(&self, name: &str, shape: &[usize]) -> Result<HostTensor, ModelError> {
        self.taken.borrow_mut().insert(name.to_owned());
        let (tensors, stored) = self.names.stored(name);
        if !self.reads_values && tensors.shape(stored) == Some(shape) {
            return Ok(HostTensor::outline(shape));
        }
        // Where only shapes are looked at, this is sure to fail, with the right words.
        let data = tensors.read_f32(stored, shape)?;
        Ok(HostTensor { data, shape: shape.to_vec() })
    }

    /// A matrix of exactly this shape, as it is stored.
    pub(super) fn matrix(&self, name: &str, shape: &[usize; 2]) -> Result<Matrix, ModelError> {
        if self.reads_values {
            let (tensors, stored) = self.names.stored(name);
            if let Some(stored) = tensors.read_stored(stored, shape)? {
                self.taken.borrow_mut().insert(name.to_owned());
                return Ok(Matrix::Stored(stored));
            }
        }
        self.tensor(name, shape).map(Matrix::Numbers)
    }

    /// Matrices `[matrices, rows, columns]` in one tensor, as it is stored, as one matrix of all their rows.
    pub(super) fn matrices(&self, name: &str, shape: &[usize; 3]) -> Result<Matrix, ModelError> {
        if self.reads_values {
            let (tensors, stored) = self.names.stored(name);
            if let Some(stored) = tensors.read_stored(stored, shape)? {
                self.taken.borrow_mut().insert(name.to_owned());
                return Ok(Matrix::Stored(stored.as_one_matrix()));
            }
        }
        let tensor = self.tensor(name, shape)?;
        let [matrices, rows, columns] = *shape;
        Ok(HostTensor { shape: vec![matrices * rows, columns], ..tensor }.into())
    }

    /// The same of four-bit floats, whose codes and scales stand in `{stem}_blocks` and `{stem}_scales`.
    pub(super) fn microscaled(&self, stem: &str, shape: [usize; 3]) -> Result<Matrix, ModelError> {
        let [blocks, scales] = [format!("{stem}_blocks"), format!("{stem}_scales")];
        self.taken.borrow_mut().extend([blocks.clone(), scales.clone()]);
        let [(tensors, blocks), (_, scales)] =
            [&blocks, &scales].map(|name| self.names.stored(name));
        if !self.reads_values {
            tensors.check_microscaled(blocks, scales, shape)?;
            return Ok(Matrix::outline(shape[0] * shape[1], shape[2]));
        }
        Ok(Matrix::Stored(tensors.read_microscaled(blocks, scales, shape)?))
    }

    /// Whether there is a tensor of this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// `{stem}.weight` as `[out, in]`, and `{stem}.bias` where there is to be one.
    pub(super) fn linear(
        &self,
        stem: &str,
        [out, input]: [usize; 2],
        bias: bool,
    ) -> Result<LinearTensors, ModelError> {
        let weight = self.matrix(&format!("{stem}.weight"), &[out, input])?;
        Ok(LinearTensors { weight, bias: self.bias(stem, out, bias)? })
    }

    /// `{stem}.weight` of one output, `[1, in]`, which GGUF files store as a vector.
    pub(super) fn row(&self, stem: &str, input: usize) -> Result<LinearTensors, ModelError> {
        let name = format!("{stem}.weight");
        if self.names.shape(&name) != Some(&[input]) {
            return self.linear(stem, [1, input], false);
        }
        let vector = self.tensor(&name, &[input])?;
        let weight = HostTensor { shape: vec![1, input], ..vector };
        Ok(LinearTensors { weight: weight.into(), bias: None })
    }

    /// The same, stored as `[in, out]` (transformers' `Conv1D`).
    pub(super) fn transposed_linear(
        &self,
        stem: &str,
        [out, input]: [usize; 2],
        bias: bool,
    ) -> Result<LinearTensors, ModelError> {
        let weight = self.matrix(&format!("{stem}.weight"), &[input, out])?.transposed();
        Ok(LinearTensors { weight, bias: self.bias(stem, out, bias)? })
    }

    /// `{stem}.weight`, and `{stem}.bias` where there is to be one.
    pub(super) fn norm(
        &self,
        stem: &str,
        width: usize,
        bias: bool,
    ) -> Result<NormTensors, ModelError> {
        let weight = self.tensor(&format!("{stem}.weight"), &[width])?;
        Ok(NormTensors { weight, bias: self.bias(stem, width, bias)?, stretches: 1 })
    }

    /// The unembedding that the file has beside the embedding, `name` and its values, where it is another: a
    /// head that repeats the embedding is `None`, and so is one that is not finite. `tied` says why the two
    /// should be one.
    pub(super) fn head_beside(
        &self,
        stem: &str,
        (name, embedding): (&str, &Matrix),
        tied: &str,
    ) -> Result<Option<LinearTensors>, ModelError> {
        let head = format!("{stem}.weight");
        if !self.names.contains(&head) {
            return Ok(None);
        }
        let read = self.linear(stem, [embedding.shape()[0], embedding.shape()[1]], false);
        let own = match read {
            Err(ModelError::Checkpoint(CheckpointError::NotFinite { value, .. })) => {
                self.notices.add(format!(
                    "{tied}; the `{head}` that the file has all the same holds {value} and is ignored: the \
                     embedding is used"
                ));
                return Ok(None);
            }
            own => own?,
        };
        if !self.reads_values || own.weight == *embedding {
            return Ok(None);
        }
        let numbers = [own.weight.clone().widened(), embedding.clone().widened()];
        if numbers[0].data == numbers[1].data {
            return Ok(None);
        }
        let rounded = [(&numbers[0], self.element(&head)), (&numbers[1], self.element(name))];
        if !is_one_matrix(rounded) {
            self.notices.add(format!(
                "{tied}, but the file has a `{head}` with other values than the embedding: `{head}` is used, as \
                 transformers 5 and llama.cpp do (transformers 4 uses the embedding; to get that, remove \
                 `{head}` from the file)"
            ));
        }
        Ok(Some(own))
    }

    fn element(&self, name: &str) -> Option<Element> {
        let (tensors, stored) = self.names.stored(name);
        tensors.element(stored)
    }

    /// `{stem}.bias`, where there is to be one.
    pub(super) fn bias(
        &self,
        stem: &str,
        width: usize,
        wanted: bool,
    ) -> Result<Option<HostTensor>, ModelError> {
        wanted.then(|| self.tensor(&format!("{stem}.bias"), &[width])).transpose()
    }

    /// Refuses tensors that belong to no part of the decoder.
    pub(crate) fn refuse_leftovers(&self, family: &dyn Family) -> Result<(), ModelError> {
        let taken = self.taken.borrow();
        let is_left = |name: &str| !taken.contains(name) && !family.is_leftover(name);
        match self.names.all().find(|(name, _)| is_left(name)) {
            None => Ok(()),
            Some((_, stored)) => Err(ModelError::LeftoverTensor {
                name: stored.to_owned(),
                family: family.config().family,
            }),
        }
    }
}

/// Whether two tables, stored in different formats, are what the same table becomes in each of them. They are used
/// as they are stored; this decides only whether a user should know that they differ.
fn is_one_matrix(tables: [(&HostTensor, Option<Element>); 2]) -> bool {
    let [(one, Some(format)), (other, Some(other_format))] = tables else { return false };
    if format == other_format {
        return one.data == other.data;
    }
    let width = one.shape.last().copied().unwrap_or(1).max(1);
    let mut rows = one.data.chunks(width).zip(other.data.chunks(width));
    if format.block_len() == 1 && other_format.block_len() == 1 {
        let unit = rounding(format) + rounding(other_format);
        return rows.all(|(row, other)| {
            row.iter()
                .zip(other)
                .all(|(a, b)| (a - b).abs() <= unit * a.abs().max(b.abs()) + SUBNORMAL)
        });
    }
    // Blocks are rounded together: the error of a row is small beside the row.
    let most = rounding(format) + rounding(other_format);
    let norm = |values: &mut dyn Iterator<Item = f32>| {
        values.map(|value| value * value).sum::<f32>().sqrt()
    };
    rows.all(|(row, other)| {
        let error = norm(&mut row.iter().zip(other).map(|(a, b)| a - b));
        error <= most * norm(&mut row.iter().copied()) + SUBNORMAL
    })
}

/// Half of the distance of the smallest numbers of the half-precision format.
const SUBNORMAL: f32 = 3e-8;

/// By how much a number changes when it is stored, in units of itself; of quantised blocks the root mean square,
/// with half as much again for blocks that have a number much larger than the others.
fn rounding(format: Element) -> f32 {
    let of_levels = |bits: i32| 1.5 * 0.5f32.powi(bits - 1);
    match format {
        Element::F64 | Element::F32 => 0.5f32.powi(24),
        Element::F16 => 0.5f32.powi(11),
        Element::BF16 => 0.5f32.powi(8),
        Element::Q8_0 => of_levels(8),
        Element::Q6_K => of_levels(6),
        Element::Q5_0 | Element::Q5_1 | Element::Q5_K => of_levels(5),
        Element::Q4_0 | Element::Q4_1 | Element::Q4_K | Element::IQ4_NL | Element::IQ4_XS => {
            of_levels(4)
        }
        Element::MXFP4 | Element::NVFP4 | Element::Q3_K => of_levels(3),
        Element::Q2_K | Element::TQ1_0 | Element::TQ2_0 => of_levels(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(values: impl Iterator<Item = f32>) -> HostTensor {
        HostTensor { data: values.collect(), shape: vec![4, 32] }
    }

    fn numbers(seed: u32) -> impl Iterator<Item = f32> {
        (0..128u32).map(move |index| {
            ((index + seed).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
    }

    fn is_one(
        one: &HostTensor,
        format: Element,
        other: &HostTensor,
        other_format: Element,
    ) -> bool {
        is_one_matrix([(one, Some(format)), (other, Some(other_format))])
    }

    #[test]
    fn tables_that_differ_by_their_rounding_are_one_and_others_are_not() {
        let exact = table(numbers(0));
        let to_bits =
            |bits: i32| move |value: f32| (value * 2f32.powi(bits)).round() / 2f32.powi(bits);
        let halves = table(numbers(0).map(half_precision));
        assert!(is_one(&halves, Element::F16, &exact, Element::F32));
        assert!(!is_one(&halves, Element::F32, &exact, Element::F32));
        let mut one_off = halves.clone();
        one_off.data[100] += 0.01;
        assert!(!is_one(&one_off, Element::F16, &exact, Element::F32));
        let (q8, q4) = (table(numbers(0).map(to_bits(7))), table(numbers(0).map(to_bits(3))));
        assert!(is_one(&q8, Element::Q8_0, &q4, Element::Q4_0));
        assert!(is_one(&q4, Element::Q4_0, &exact, Element::F16));
        assert!(!is_one(&q4, Element::Q8_0, &exact, Element::F16));
        // One row of another matrix, as of tokens that were trained later.
        let mut row_off = q4.clone();
        row_off.data[32..64].copy_from_slice(&table(numbers(9)).data[32..64]);
        assert!(!is_one(&row_off, Element::Q4_0, &exact, Element::F16));
        for format in [Element::F16, Element::BF16, Element::Q8_0, Element::Q4_K] {
            assert!(!is_one(&table(numbers(7)), format, &exact, Element::F32), "{format}");
        }
    }

    /// With 11 significant bits.
    fn half_precision(value: f32) -> f32 {
        f32::from_bits((value.to_bits() + (1 << 12)) & !((1 << 13) - 1))
    }
}
