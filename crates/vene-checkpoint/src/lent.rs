//! Tensors whose bytes belong to somebody else in the program: arrays of NumPy, PyTorch's parameters.
//!
//! They are read where they lie and never copied as a whole, so that a model that somebody has in memory is there once more only in
//! the form that computes. Their owner may write to them later. A decoder that is there does not see it; one that is read
//! only then would be another model, so that samples of the bytes are compared before that is believed.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::fingerprint::sample;
use crate::tensors::{Stored, WeightsFile};
use crate::{CheckpointError, Element, Tensors};

/// Bytes that their owner keeps in place for as long as they are lent.
pub type LentBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A tensor that somebody has in memory, row-major, in the machine's order of bytes.
#[derive(Clone)]
pub struct LentTensor {
    /// Its name, as in a file of the model.
    pub name: String,
    /// The type of its numbers, as safetensors files name it: `F32`, `F16`, `BF16`, `F64`. A tensor of another type is
    /// refused when it is needed.
    pub dtype: String,
    /// Its extents.
    pub shape: Vec<usize>,
    /// As many as type and shape ask for.
    pub bytes: LentBytes,
}

/// The bytes of one tensor.
pub(crate) struct Lent {
    tensor: String,
    bytes: LentBytes,
    digest: [u8; 32],
}

impl Lent {
    pub fn bytes(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    /// Compares with what was lent.
    ///
    /// # Errors
    /// It was written to.
    pub fn check(&self, model: &str) -> Result<(), CheckpointError> {
        if digest(self.bytes()) == self.digest {
            return Ok(());
        }
        Err(CheckpointError::LentChanged { model: model.to_owned(), tensor: self.tensor.clone() })
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Lent({}, {} bytes)", self.tensor, self.bytes().len())
    }
}

impl Tensors {
    /// The tensors of a model in memory; `model` is what errors call them together.
    ///
    /// # Errors
    /// A name that occurs twice, or bytes that do not fit type and shape.
    pub(crate) fn lent(model: &str, mut tensors: Vec<LentTensor>) -> Result<Self, CheckpointError> {
        tensors.sort_by(|one, other| one.name.cmp(&other.name));
        let parts = tensors.into_iter().map(|tensor| part(model, tensor));
        Self::join(parts.collect::<Result<_, _>>()?)
    }
}

fn part(model: &str, tensor: LentTensor) -> Result<(WeightsFile, Vec<Stored>), CheckpointError> {
    let LentTensor { name, dtype, shape, bytes } = tensor;
    let length = (*bytes).as_ref().len();
    let element = Element::in_safetensors(&dtype);
    if let Ok(element) = element
        && element.bytes_of(&shape) != Some(length)
    {
        return Err(CheckpointError::malformed(
            model,
            format!(
                "tensor `{name}` of shape {shape:?} in {dtype} does not take the {length} bytes that are given"
            ),
        ));
    }
    let digest = digest((*bytes).as_ref());
    let file = WeightsFile::lent(model, Lent { tensor: name.clone(), bytes, digest });
    Ok((file, vec![Stored { name, shape, element, range: 0..length }]))
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    sample(bytes, |bytes| hash.update(bytes));
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tensor(name: &str, dtype: &str, shape: &[usize], bytes: usize) -> LentTensor {
        let bytes: LentBytes = Arc::new(vec![0u8; bytes]);
        LentTensor { name: name.into(), dtype: dtype.into(), shape: shape.to_vec(), bytes }
    }

    #[test]
    fn lengths_are_compared_with_shapes() {
        let fits =
            Tensors::lent("m", vec![tensor("b", "F32", &[2, 3], 24), tensor("a", "BF16", &[], 2)]);
        let fits = fits.unwrap();
        assert_eq!(fits.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(fits.read_f32("b", &[2, 3]).unwrap(), [0.0; 6]);
        for (shape, bytes) in [(&[2, 3][..], 23), (&[2, 3], 25), (&[usize::MAX, 8], 24), (&[0], 4)]
        {
            let error = Tensors::lent("m", vec![tensor("b", "F32", shape, bytes)]).unwrap_err();
            assert!(error.to_string().starts_with("m: tensor `b` of shape"), "{error}");
        }
        let twice =
            Tensors::lent("m", vec![tensor("b", "F32", &[1], 4), tensor("b", "F32", &[1], 4)]);
        assert!(twice.unwrap_err().to_string().contains("occurs twice"));
    }

    #[test]
    fn numbers_of_another_type_are_refused_when_they_are_asked_for() {
        let tensors = Tensors::lent("m", vec![tensor("mask", "I64", &[3], 24)]).unwrap();
        let error = tensors.read_f32("mask", &[3]).unwrap_err().to_string();
        assert!(error.contains("`mask` is stored as I64"), "{error}");
        assert!(
            tensors.read_f32("b", &[3]).unwrap_err().to_string().starts_with("m has no tensor `b`")
        );
    }
}
