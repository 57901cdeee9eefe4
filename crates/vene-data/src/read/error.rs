//! What can be wrong with the file of a data set.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::{Layout, RowError};

/// Why a data set could not be read.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file of no known format.
    #[error(
        "{}: the extension says no format of a data set; expected .csv, .jsonl or .ndjson (one \
         JSON object a line), .json (an array of objects) or .parquet", path.display()
    )]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file was changed while it was read.
    #[error(
        "{} {how} while it was read: what was read may be of both; run again when nothing writes to it",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// What has changed, as words that follow its name.
        how: String,
    },
    /// The file is larger than any data set of prompts.
    #[error(
        "{}: {bytes} bytes are more than a data set may have ({most}); split it", path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size, or how much of it was read when that became clear.
        bytes: u64,
        /// The most there may be.
        most: u64,
    },
    /// The file's rows take more memory than those of any data set of prompts.
    #[error(
        "{}: its rows take more than {most} bytes of memory, the most a data set may have; split it",
        path.display()
    )]
    RowsTooLarge {
        /// The file.
        path: PathBuf,
        /// The most they may take.
        most: u64,
    },
    /// Not CSV.
    #[error("{}, {place}: {message}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Where.
        place: Place,
        /// What is wrong there.
        message: String,
    },
    /// More columns or keys than any data set has.
    #[error(
        "{}, {place}: more than {most} columns; a data set has a few, one for each part of a row",
        path.display()
    )]
    Columns {
        /// The file.
        path: PathBuf,
        /// Where.
        place: Place,
        /// The most there may be.
        most: usize,
    },
    /// Two columns of one name.
    #[error("{}: two columns are named `{column}`; each needs a name of its own", path.display())]
    ColumnTwice {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
    },
    /// Not JSON.
    #[error("{}, line {line}, column {column}: {message}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The column in it, counted from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// JSON of another shape.
    #[error(
        "{}: the file holds {found}; expected an array of objects, one a row, or AutoCircuit's \
         {{\"prompts\": [...]}}", path.display()
    )]
    JsonShape {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// A row that is no object.
    #[error("{}, {place}: {found}; expected an object with the key `base`", path.display())]
    NotAnObject {
        /// The file.
        path: PathBuf,
        /// Where.
        place: Place,
        /// What is there.
        found: &'static str,
    },
    /// Not Parquet, or Parquet that cannot be read.
    #[error("{}: {message}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A Parquet column that is needed, and of a type that is not understood.
    #[error(
        "{}: column `{column}` holds {found}, which is not understood; expected texts, numbers, or \
         lists and structs of them", path.display()
    )]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type, in Arrow's words.
        found: String,
    },
    /// No row.
    #[error("{}: the file holds no row", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// All rows were left out.
    #[error("{}: none of the {left_out} rows has the counterfactual", path.display())]
    NothingLeft {
        /// The file.
        path: PathBuf,
        /// How many rows there were.
        left_out: usize,
    },
    /// Keys of no known layout.
    #[error(
        "{}: the first row has {}; expected `base` (our layout), `clean` and `corrupt` \
         (AutoCircuit's), or `prompt` and a column that ends in `_counterfactual` (MIB's)",
        path.display(), quoted(keys)
    )]
    UnknownLayout {
        /// The file.
        path: PathBuf,
        /// The keys of its first row.
        keys: Vec<String>,
    },
    /// Several counterfactuals, and none was named.
    #[error("{}: a row has several counterfactuals; name one of {}", path.display(), quoted(available))]
    WhichCounterfactual {
        /// The file.
        path: PathBuf,
        /// Those there are.
        available: Vec<String>,
    },
    /// A counterfactual that the file lacks.
    #[error("{}: there is no counterfactual `{asked}`; it has {}", path.display(), quoted(available))]
    UnknownCounterfactual {
        /// The file.
        path: PathBuf,
        /// The one that was named.
        asked: String,
        /// Those there are.
        available: Vec<String>,
    },
    /// A counterfactual of a file that has none.
    #[error(
        "{}: the counterfactual `{asked}` is named, but the file is in {layout} layout, which has \
         one source a row; only MIB's has several", path.display()
    )]
    NotMib {
        /// The file.
        path: PathBuf,
        /// The one that was named.
        asked: String,
        /// The file's layout.
        layout: Layout,
    },
    /// A task of MIB whose rows do not say what the right answer is.
    #[error("{}: {why}", path.display())]
    MibTask {
        /// The file.
        path: PathBuf,
        /// Which, and what to do.
        why: &'static str,
    },
    /// A row that is not understood.
    #[error("{}, {place}: {error}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Where.
        place: Place,
        /// What is wrong.
        error: Box<RowError>,
    },
}

vene_named::debug_as_sentence!(DataError);

/// Where in its file a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number, counted from 0, rows that are left out included.
    pub row: usize,
    /// The line on which it begins, counted from 1; `None` in formats without lines.
    pub line: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "line {line} (row {})", self.row),
            None => write!(formatter, "row {} (counted from 0)", self.row),
        }
    }
}

/// A column that is not read, and that no name says is to be ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub holds: String,
}

impl fmt::Display for UnusedColumn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, holds } = self;
        write!(
            formatter,
            "column `{name}` holds {holds}, which is no phrase of a prompt: it is not read (rename it \
             `meta_{name}` to say so)"
        )
    }
}

impl DataError {
    /// A column that is needed and not understood.
    pub(super) fn column_type(path: &Path, column: &UnusedColumn) -> Self {
        let UnusedColumn { name, holds } = column.clone();
        Self::ColumnType { path: path.to_owned(), column: name, found: holds }
    }
}

fn quoted(names: &[String]) -> String {
    let most = 20;
    let mut shown: Vec<String> = names.iter().take(most).map(|name| format!("`{name}`")).collect();
    if names.len() > most {
        shown.push(format!("and {} more", names.len() - most));
    }
    match shown.is_empty() {
        true => "no keys".to_owned(),
        false => shown.join(", "),
    }
}
