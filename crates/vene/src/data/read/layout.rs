//! How a file is laid out: who wrote it, as its keys say.

use std::fmt;
use std::path::Path;

use super::record::Record;
use super::{DataError, ReadOptions, RowError, auto_circuit, mib, own};
use crate::data::Row;

/// The layouts that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Our own, with the key `base`.
    Vene,
    /// AutoCircuit's, with the keys `clean` and `corrupt`.
    AutoCircuit,
    /// The Mechanistic Interpretability Benchmark's, with `prompt` and `…_counterfactual`.
    ///
    /// The base is `prompt`, the source the counterfactual's; the group is the `template`, where
    /// there is one. Answers, as the benchmark's circuit track has them (`MIB_circuit_track/dataset.py`):
    ///
    /// * indirect object identification (`metadata` with `indirect_object` and `subject`): these
    ///   two, with a space in front, whatever the counterfactual;
    /// * multiple choice (`choices` with `label`; CopyColors, ARC): the labels of the right choices
    ///   of base and counterfactual;
    /// * arithmetic (`label`): the results.
    ///
    /// Labels and results get a space in front unless the prompt ends with one, see
    /// [`ReadOptions::bare_labels`]. RAVEL is refused: its answers depend on the variable that is
    /// looked for. Rows that the circuit track filters by a tokenizer are all read.
    Mib,
}

impl fmt::Display for Layout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Vene => "our own",
            Self::AutoCircuit => "AutoCircuit's",
            Self::Mib => "MIB's",
        })
    }
}

/// What turns objects of one layout into rows.
pub(super) enum Reader {
    Own,
    AutoCircuit,
    Mib(mib::Reader),
}

impl Reader {
    /// The reader for a file that begins with this object.
    pub fn of(path: &Path, first: &Record, options: &ReadOptions) -> Result<Self, DataError> {
        let has = |key: &str| first.values.contains_key(key);
        let reader = if has("base") {
            Self::Own
        } else if has("clean") && has("corrupt") {
            Self::AutoCircuit
        } else if has("prompt") && first.values.keys().any(|key| key.ends_with(mib::SUFFIX)) {
            Self::Mib(mib::Reader::of(path, first, options)?)
        } else {
            let keys = first.values.keys().cloned().collect();
            return Err(DataError::UnknownLayout { path: path.to_owned(), keys });
        };
        match (&reader, &options.counterfactual) {
            (Self::Own | Self::AutoCircuit, Some(asked)) => Err(DataError::NotMib {
                path: path.to_owned(),
                asked: asked.clone(),
                layout: reader.layout(),
            }),
            _ => Ok(reader),
        }
    }

    pub fn row(&self, record: &Record) -> Result<Row, RowError> {
        match self {
            Self::Own => own::row(record),
            Self::AutoCircuit => auto_circuit::row(record),
            Self::Mib(reader) => reader.row(record),
        }
    }

    pub fn layout(&self) -> Layout {
        match self {
            Self::Own => Layout::Vene,
            Self::AutoCircuit => Layout::AutoCircuit,
            Self::Mib(_) => Layout::Mib,
        }
    }
}
