//! A checkpoint's tensors on their way into a decoder, with an account of which were taken.
//!
//! A tensor that nobody takes may be a bias that the configuration denies: the numbers would be
//! wrong and nothing would say so. So leftovers are refused. All names and shapes are gone through
//! once when a model is opened, before a weight is read ([`Weights::of_shapes`]).

use std::cell::RefCell;
use std::collections::HashSet;

use vene_checkpoint::{CheckpointError, Notices};

use super::Family;
use super::names::Names;
use crate::error::ModelError;
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
    pub(super) fn of_shapes(names: &'a Names, notices: &'a Notices) -> Self {
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

    /// The unembedding that the file has beside the embedding, `name` and its values, where it is another: a
    /// head that repeats the embedding is `None`, and so is one that is not finite. `tied` says why the two
    /// should be one.
    pub(super) fn head_beside(
        &self,
        stem: &str,
        (name, embedding): (&str, &HostTensor),
        tied: &str,
    ) -> Result<Option<LinearTensors>, ModelError> {
        let head = format!("{stem}.weight");
        if !self.names.contains(&head) {
            return Ok(None);
        }
        let read = self.linear(stem, [embedding.shape[0], embedding.shape[1]], false);
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
        if !self.reads_values || own.weight.data == embedding.data {
            return Ok(None);
        }
        // Quantised in another way, the two differ though they are one.
        if self.element(&head) == self.element(name) {
            self.notices.add(format!(
                "{tied}, but the file has a `{head}` with other values than the embedding: `{head}` is used, as \
                 transformers 5 and llama.cpp do (transformers 4 uses the embedding; to get that, remove \
                 `{head}` from the file)"
            ));
        }
        Ok(Some(own))
    }

    fn element(&self, name: &str) -> Option<vene_checkpoint::Element> {
        let (tensors, stored) = self.names.stored(name);
        tensors.element(stored)
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
