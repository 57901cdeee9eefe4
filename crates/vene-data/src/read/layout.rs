//! How a file is laid out: who wrote it, as its keys say.

use std::fmt;
use std::path::Path;

use super::record::Record;
use super::{DataError, Place, ReadOptions, RowError, UnusedColumn, auto_circuit, mib, own, span};
use crate::Row;

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
    ///   two, with a space in front, whatever the counterfactual, whose `choices` and `answerKey` say
    ///   whether the second is its answer;
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
    Own(own::Reader),
    AutoCircuit,
    Mib(mib::Reader),
}

impl Reader {
    /// The reader for a file that begins with this object. Columns that are `not_understood` tell the
    /// layout too; one that it needs is refused.
    pub fn of(
        path: &Path,
        first: &Record,
        not_understood: &[UnusedColumn],
        options: &ReadOptions,
    ) -> Result<Self, DataError> {
        let names = || {
            let others = not_understood.iter().map(|column| &column.name);
            first.values.keys().chain(others)
        };
        let has = |key: &str| names().any(|name| name == key);
        let refused = |column: &UnusedColumn| DataError::column_type(path, column);
        let reader = if has("base") || has("messages") {
            Self::Own(own::Reader::default())
        } else if has("clean") && has("corrupt") {
            Self::AutoCircuit
        } else if has("prompt") && names().any(|key| key.ends_with(mib::SUFFIX)) {
            let asked = options.counterfactual.as_deref();
            let needed = |column: &&UnusedColumn| mib::may_need(&column.name, asked);
            if let Some(column) = not_understood.iter().find(needed) {
                return Err(refused(column));
            }
            Self::Mib(mib::Reader::of(path, first, options)?)
        } else {
            let keys = names().cloned().collect();
            return Err(DataError::UnknownLayout { path: path.to_owned(), keys });
        };
        let needed = |column: &&UnusedColumn| {
            reader.reads(&column.name)
                || reader.joins(&column.name, |key| first.values.contains_key(key))
        };
        if let Some(column) = not_understood.iter().find(needed) {
            return Err(refused(column));
        }
        match (&reader, &options.counterfactual) {
            (Self::Own(_) | Self::AutoCircuit, Some(asked)) => Err(DataError::NotMib {
                path: path.to_owned(),
                asked: asked.clone(),
                layout: reader.layout(),
            }),
            _ => Ok(reader),
        }
    }

    pub fn row(&mut self, record: &Record) -> Result<Row, RowError> {
        match self {
            Self::Own(reader) => reader.row(record),
            Self::AutoCircuit => auto_circuit::row(record),
            Self::Mib(reader) => reader.row(record),
        }
    }

    /// The first of columns of types that are not understood without which the rows that were read say something else:
    /// which phrase stands in for one of theirs, or which occurrence of it is meant.
    pub fn missed<'a>(&self, not_understood: &'a [UnusedColumn]) -> Option<&'a UnusedColumn> {
        match self {
            Self::Own(reader) => {
                not_understood.iter().find(|column| reader.columns.are_changed_by(&column.name))
            }
            Self::AutoCircuit | Self::Mib(_) => None,
        }
    }

    /// What all rows together say of columns: those that are not read, or the row that is wrong.
    pub fn unused(self) -> Result<Vec<UnusedColumn>, Box<(Place, RowError)>> {
        match self {
            Self::Own(reader) => reader.columns.unused(),
            Self::AutoCircuit | Self::Mib(_) => Ok(Vec::new()),
        }
    }

    /// Whether a column is part of every row, as far as its name tells.
    fn reads(&self, column: &str) -> bool {
        match self {
            Self::Own(_) => span::OURS.contains(&column),
            Self::AutoCircuit => auto_circuit::KEYS.contains(&column),
            Self::Mib(reader) => reader.reads(column),
        }
    }

    /// Whether a column is a span's to which others that can be read belong, so that these would be taken for
    /// others' than it.
    fn joins(&self, column: &str, is_read: impl Fn(&str) -> bool) -> bool {
        matches!(self, Self::Own(_))
            && !span::is_ignored(column)
            && span::companions(column).iter().any(|key| is_read(key))
    }

    /// Whether a column's name says that it is not to be read.
    pub fn ignores(&self, column: &str) -> bool {
        matches!(self, Self::Own(_)) && span::is_ignored(column)
    }

    pub fn layout(&self) -> Layout {
        match self {
            Self::Own(_) => Layout::Vene,
            Self::AutoCircuit => Layout::AutoCircuit,
            Self::Mib(_) => Layout::Mib,
        }
    }
}
