//! A checkpoint's tensors by name, with an account of which were taken.
//!
//! A tensor that nobody takes may be a bias that the configuration denies: the numbers would be
//! wrong and nothing would say so. So leftovers are refused.

use std::cell::RefCell;
use std::collections::HashSet;

use vene_checkpoint::Tensors;

use super::Family;
use crate::error::ModelError;
use crate::tensors::{HostTensor, LinearTensors, NormTensors};

/// Named tensors on their way into a decoder.
pub(crate) struct Weights<'a> {
    tensors: &'a Tensors,
    taken: RefCell<HashSet<String>>,
}

impl<'a> Weights<'a> {
    pub(crate) fn new(tensors: &'a Tensors) -> Self {
        Self { tensors, taken: RefCell::default() }
    }

    /// A tensor of exactly this shape.
    pub(super) fn tensor(&self, name: &str, shape: &[usize]) -> Result<HostTensor, ModelError> {
        let data = self.tensors.read_f32(name, shape)?;
        self.taken.borrow_mut().insert(name.to_owned());
        Ok(HostTensor { data, shape: shape.to_vec() })
    }

    /// `{stem}.weight` as `[out, in]`, and `{stem}.bias` where there is to be one.
    pub(super) fn linear(
        &self,
        stem: &str,
        [out, input]: [usize; 2],
        bias: bool,
    ) -> Result<LinearTensors, ModelError> {
        let weight = self.tensor(&format!("{stem}.weight"), &[out, input])?;
        Ok(LinearTensors { weight, bias: self.bias(stem, out, bias)? })
    }

    /// The same, stored as `[in, out]` (transformers' `Conv1D`).
    pub(super) fn transposed_linear(
        &self,
        stem: &str,
        [out, input]: [usize; 2],
        bias: bool,
    ) -> Result<LinearTensors, ModelError> {
        let weight = self.tensor(&format!("{stem}.weight"), &[input, out])?.transposed();
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
        Ok(NormTensors { weight, bias: self.bias(stem, width, bias)? })
    }

    fn bias(
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
        match self.tensors.names().find(|name| !taken.contains(*name) && !family.is_leftover(name))
        {
            None => Ok(()),
            Some(name) => Err(ModelError::LeftoverTensor {
                name: name.to_owned(),
                family: family.config().family,
            }),
        }
    }
}
