//! Tensors of Python, lent to a model: buffers that NumPy or PyTorch own, read where they lie.

use std::sync::Arc;

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use vene_checkpoint::LentTensor;

use crate::error;

/// A tensor: its name, its type as safetensors files name it, its extents, and its bytes, row-major, without gaps.
#[derive(FromPyObject)]
pub struct GivenTensor(String, String, Vec<usize>, PyBuffer<u8>);

/// A buffer whose bytes stand one after the other. While it is held its owner neither frees nor moves them.
struct Buffer(PyBuffer<u8>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        match self.0.as_slice_ptr() {
            // SAFETY: the exporter keeps so many bytes there until the buffer is released, which is when `self` is dropped. As
            // of a mapped file, nothing is trusted in their contents; whether they were written to is looked at after
            // they were read.
            Some(bytes) => unsafe { bytes.as_ref() },
            None => &[],
        }
    }
}

/// As the library takes them.
pub fn lent(tensors: Vec<GivenTensor>) -> PyResult<Vec<LentTensor>> {
    let lend = |GivenTensor(name, dtype, shape, buffer): GivenTensor| {
        if !buffer.is_c_contiguous() {
            return Err(error::input(format!(
                "the bytes of tensor `{name}` have gaps between them"
            )));
        }
        Ok(LentTensor { name, dtype, shape, bytes: Arc::new(Buffer(buffer)) })
    };
    tensors.into_iter().map(lend).collect()
}
