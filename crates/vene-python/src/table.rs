//! Tables, handed on as Arrow streams: pandas, polars and pyarrow read them without a copy.

use arrow_array::RecordBatchIterator;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList};
use vene_table::Value;

use crate::error;

/// Rows with named columns.
#[pyclass(frozen, module = "vene._vene")]
pub struct Table {
    inner: vene::Table,
}

#[pymethods]
impl Table {
    #[staticmethod]
    fn read_parquet(path: &str) -> PyResult<Self> {
        Ok(Self { inner: vene::Table::read_parquet(path).map_err(error::of_input)? })
    }

    fn __len__(&self) -> usize {
        self.inner.rows()
    }

    /// The columns' names, in order.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.inner.columns().map(|(name, _)| name.to_owned()).collect()
    }

    /// Each column as a list; missing values are `None`.
    fn to_dict<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(python);
        for (name, column) in self.inner.columns() {
            let list = PyList::empty(python);
            for value in column.values() {
                match value {
                    Value::Missing => list.append(python.None())?,
                    Value::Text(text) => list.append(text)?,
                    Value::Integer(number) => list.append(number)?,
                    Value::Float(number) => list.append(number)?,
                }
            }
            columns.set_item(name, list)?;
        }
        Ok(columns)
    }

    /// The Arrow C stream of the table (the PyCapsule interface).
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        python: Python<'py>,
        requested_schema: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A consumer casts what it wants otherwise, as the interface allows.
        drop(requested_schema);
        let batch = self.inner.batch();
        let schema = batch.schema();
        let batches = RecordBatchIterator::new(std::iter::once(Ok(batch)), schema);
        let stream = FFI_ArrowArrayStream::new(Box::new(batches));
        PyCapsule::new_with_value(python, stream, c"arrow_array_stream")
    }

    fn write_csv(&self, path: &str) -> PyResult<()> {
        self.inner.write_csv(path).map_err(error::of_run)
    }

    fn write_parquet(&self, path: &str) -> PyResult<()> {
        self.inner.write_parquet(path).map_err(error::of_run)
    }

    fn __str__(&self) -> String {
        self.inner.to_string()
    }
}

impl Table {
    pub fn new(inner: vene::Table) -> Self {
        Self { inner }
    }
}
