//! Tensors on their way to NumPy and back: a type, a shape, and the bytes, row-major.

use candle_core::{DType, Device, Tensor};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use vene::candle_core;

use crate::error;

/// `(dtype, shape, bytes)`, where the type is NumPy's name of it.
pub type Crossing<'py> = (&'static str, Vec<usize>, Bound<'py, PyBytes>);

/// A tensor's values, in double precision where they are, else in single.
pub fn out<'py>(python: Python<'py>, tensor: &Tensor) -> PyResult<Crossing<'py>> {
    let shape = tensor.dims().to_vec();
    let flat = tensor.detach().flatten_all().map_err(error::of_run)?;
    if flat.dtype() == DType::F64 {
        let values = flat.to_vec1::<f64>().map_err(error::of_run)?;
        return doubles(python, shape, &values);
    }
    let flat = flat.to_dtype(DType::F32).map_err(error::of_run)?;
    let values = flat.to_vec1::<f32>().map_err(error::of_run)?;
    let bytes = PyBytes::new_with(python, values.len() * 4, |bytes| {
        for (place, value) in bytes.chunks_exact_mut(4).zip(&values) {
            place.copy_from_slice(&value.to_ne_bytes());
        }
        Ok(())
    })?;
    Ok(("float32", shape, bytes))
}

/// Numbers in double precision.
pub fn doubles<'py>(
    python: Python<'py>,
    shape: Vec<usize>,
    values: &[f64],
) -> PyResult<Crossing<'py>> {
    let bytes = PyBytes::new_with(python, values.len() * 8, |bytes| {
        for (place, value) in bytes.chunks_exact_mut(8).zip(values) {
            place.copy_from_slice(&value.to_ne_bytes());
        }
        Ok(())
    })?;
    Ok(("float64", shape, bytes))
}

/// A matrix `[rows, width]` of 32-bit floats.
pub fn matrix(bytes: &[u8], rows: usize, width: usize) -> PyResult<Tensor> {
    if rows.checked_mul(width).and_then(|count| count.checked_mul(4)) != Some(bytes.len()) {
        return Err(error::plan(format!(
            "{} bytes are no matrix of {rows} rows of {width} 32-bit floats",
            bytes.len()
        )));
    }
    let float = |bytes: &[u8]| f32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let values: Vec<f32> = bytes.chunks_exact(4).map(float).collect();
    Tensor::from_vec(values, (rows, width), &Device::Cpu).map_err(error::of_run)
}

/// A tensor of floats that Python hands over: NumPy's name of the type, the shape, and the bytes, row-major.
pub fn tensor(dtype: &str, shape: &[usize], bytes: &[u8]) -> PyResult<Tensor> {
    let dtype = match dtype {
        "float32" => DType::F32,
        "float64" => DType::F64,
        other => {
            return Err(error::plan(format!("values are {other}; expected float32 or float64")));
        }
    };
    let count = shape.iter().try_fold(dtype.size_in_bytes(), |all, &size| all.checked_mul(size));
    if count != Some(bytes.len()) {
        let given = bytes.len();
        return Err(error::plan(format!(
            "{given} bytes are no {dtype:?} values of shape {shape:?}"
        )));
    }
    Tensor::from_raw_buffer(bytes, dtype, shape, &Device::Cpu).map_err(error::of_candle)
}
