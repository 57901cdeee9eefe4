//! Numbers on their way to NumPy: owned by Rust, seen by Python through the buffer protocol, so that
//! `numpy.asarray(values)` is a view of them and no copy.

use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use candle_core::{DType, Device, Tensor};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use vene::candle_core;

use crate::error;

/// An array of floats, row-major. Python may write into it: nobody else looks at it any more.
#[pyclass(frozen, module = "vene._vene")]
pub struct Values {
    numbers: Numbers,
    shape: Vec<ffi::Py_ssize_t>,
    /// In bytes.
    strides: Vec<ffi::Py_ssize_t>,
}

enum Numbers {
    Single(Owned<f32>),
    Double(Owned<f64>),
}

/// A vector that Rust neither reads nor writes until it is freed.
struct Owned<T> {
    first: NonNull<T>,
    length: usize,
    capacity: usize,
}

// SAFETY: the values are touched by nobody but those who have a view of the buffer, and for these Python's rules hold.
unsafe impl<T: Send> Send for Owned<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Owned<T> {}

impl<T> Owned<T> {
    fn new(values: Vec<T>) -> Self {
        let mut values = ManuallyDrop::new(values);
        let (length, capacity) = (values.len(), values.capacity());
        // SAFETY: a vector's pointer is never null.
        let first = unsafe { NonNull::new_unchecked(values.as_mut_ptr()) };
        Self { first, length, capacity }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: these are the parts of the vector that `new` was given, and no view is left: each holds the object.
        drop(unsafe { Vec::from_raw_parts(self.first.as_ptr(), self.length, self.capacity) });
    }
}

impl Values {
    /// A tensor's values: in double precision where they are, else in single.
    pub fn of(tensor: &Tensor) -> PyResult<Self> {
        let shape = tensor.dims().to_vec();
        let flat = tensor.detach().flatten_all().map_err(error::of_run)?;
        if flat.dtype() == DType::F64 {
            return Ok(Self::double(&shape, flat.to_vec1().map_err(error::of_run)?));
        }
        let flat = flat.to_dtype(DType::F32).map_err(error::of_run)?;
        Ok(Self::single(&shape, flat.to_vec1().map_err(error::of_run)?))
    }

    pub fn single(shape: &[usize], values: Vec<f32>) -> Self {
        Self::new(shape, size_of::<f32>(), Numbers::Single(Owned::new(values)))
    }

    pub fn double(shape: &[usize], values: Vec<f64>) -> Self {
        Self::new(shape, size_of::<f64>(), Numbers::Double(Owned::new(values)))
    }

    fn new(shape: &[usize], size: usize, numbers: Numbers) -> Self {
        let mut strides = vec![0; shape.len()];
        let mut stride = size as ffi::Py_ssize_t;
        for (axis, length) in shape.iter().enumerate().rev() {
            strides[axis] = stride;
            stride *= *length as ffi::Py_ssize_t;
        }
        let shape = shape.iter().map(|&length| length as ffi::Py_ssize_t).collect();
        Self { numbers, shape, strides }
    }
}

#[pymethods]
impl Values {
    /// NumPy's name of the type.
    #[getter]
    fn dtype(&self) -> &'static str {
        match self.numbers {
            Numbers::Single(_) => "float32",
            Numbers::Double(_) => "float64",
        }
    }

    /// Fills in a view, as the buffer protocol asks.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("there is no view to be filled in"));
        }
        let values = slf.get();
        let (first, length, size, format) = match &values.numbers {
            Numbers::Single(of) => (of.first.as_ptr().cast::<c_void>(), of.length, 4, c"f"),
            Numbers::Double(of) => (of.first.as_ptr().cast::<c_void>(), of.length, 8, c"d"),
        };
        let asks = |flag: c_int| flags & flag == flag;
        let filled = ffi::Py_buffer {
            buf: first,
            obj: slf.clone().into_any().into_ptr(),
            len: (length * size) as ffi::Py_ssize_t,
            itemsize: size as ffi::Py_ssize_t,
            readonly: 0,
            ndim: values.shape.len() as c_int,
            // Python's side of the protocol writes into none of these.
            format: if asks(ffi::PyBUF_FORMAT) {
                format.as_ptr().cast_mut()
            } else {
                ptr::null_mut()
            },
            shape: if asks(ffi::PyBUF_ND) {
                values.shape.as_ptr().cast_mut()
            } else {
                ptr::null_mut()
            },
            strides: if asks(ffi::PyBUF_STRIDES) {
                values.strides.as_ptr().cast_mut()
            } else {
                ptr::null_mut()
            },
            suboffsets: ptr::null_mut(),
            internal: ptr::null_mut(),
        };
        // SAFETY: the caller gives a view to be written; what the fields point to lives as long as `obj`, which it holds.
        unsafe { view.write(filled) };
        Ok(())
    }
}

/// A matrix `[rows, width]` of 32-bit floats, of whatever has the buffer protocol.
pub fn matrix(python: Python<'_>, values: &PyBuffer<f32>, width: usize) -> PyResult<Tensor> {
    let &[rows, columns] = values.shape() else {
        return Err(error::input(format!(
            "expected a matrix, [rows, {width}]; given an array of {} dimensions",
            values.dimensions()
        )));
    };
    if columns != width {
        return Err(error::input(format!(
            "expected rows of {width} values; given rows of {columns}"
        )));
    }
    let values = values.to_vec(python)?;
    Tensor::from_vec(values, (rows, width), &Device::Cpu).map_err(error::of_run)
}

/// Floats that Python hands over: whatever has the buffer protocol, such as an array of NumPy's.
#[derive(FromPyObject)]
pub enum Given {
    Single(PyBuffer<f32>),
    Double(PyBuffer<f64>),
}

impl Given {
    /// A tensor of the same shape and type; the values are copied.
    pub fn tensor(&self, python: Python<'_>) -> PyResult<Tensor> {
        let tensor = match self {
            Self::Single(values) => {
                Tensor::from_vec(values.to_vec(python)?, values.shape(), &Device::Cpu)
            }
            Self::Double(values) => {
                Tensor::from_vec(values.to_vec(python)?, values.shape(), &Device::Cpu)
            }
        };
        tensor.map_err(error::of_candle)
    }

    /// In double precision, row-major.
    pub fn doubles(&self, python: Python<'_>) -> PyResult<Vec<f64>> {
        match self {
            Self::Single(values) => Ok(values.to_vec(python)?.into_iter().map(f64::from).collect()),
            Self::Double(values) => values.to_vec(python),
        }
    }

    /// In single precision, row-major, with their shape.
    pub fn singles(&self, python: Python<'_>) -> PyResult<(Vec<usize>, Vec<f32>)> {
        match self {
            Self::Single(values) => Ok((values.shape().to_vec(), values.to_vec(python)?)),
            Self::Double(values) => {
                let singles = values.to_vec(python)?.into_iter().map(|value| value as f32);
                Ok((values.shape().to_vec(), singles.collect()))
            }
        }
    }
}
