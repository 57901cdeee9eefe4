//! Data sets from files.
//!
//! A data set is made once and run for years, by a spreadsheet, a script or another benchmark. A
//! file that is read a little wrongly (an answer without its space, a phrase at the wrong
//! occurrence, a column that nobody looked at) gives numbers that look like any others. So what
//! is not understood is refused, with the line, the column and what to do.
//!
//! # Formats
//!
//! By the file's extension: `.csv` (RFC 4180, UTF-8, a header line), `.jsonl` or `.ndjson` (one
//! JSON object a line), `.json` (an array of objects, or AutoCircuit's layout), `.parquet`.
//!
//! # Our own layout
//!
//! Recognised by its key or column `base` (or `messages`):
//!
//! | key | what |
//! | --- | --- |
//! | `base` | the prompt whose run is edited; needed |
//! | `source` | the prompt whose run is read |
//! | `messages`, `source_messages` | conversations in place of the two: lists of turns with `role` and `content` |
//! | `target`, `foil` | what base and source should be continued with; several texts: any of them is right |
//! | `foil_is` | `wrong_answer` where the foil is no answer to the source but a wrong one to the base; `unknown`; default: `source_answer` |
//! | `group` | the template that the row was made from, or whatever makes rows depend on each other |
//! | `NAME` | a phrase of the base, by which positions can be named |
//! | `source_NAME` | the one that stands in for it in the source; without it, the same phrase |
//! | `NAME_occurrence`, `source_NAME_occurrence` | which occurrence is meant, counted from 0; needed where there are several |
//!
//! ```json
//! {"base": "The capital of Spain is", "source": "The capital of Italy is", "target": " Madrid",
//!  "foil": " Rome", "subject": "Spain", "source_subject": "Italy", "group": "capital-1"}
//! ```
//!
//! * **The space in front of an answer matters** (`" Madrid"` and `"Madrid"` are different tokens)
//!   and is kept; no cell is trimmed.
//! * Several answers are an array of texts in JSON, a list column in Parquet, or a text cell in
//!   CSV and Parquet that is such an array: `[" Rome"," Roma"]`. A text that starts with a bracket
//!   and is no such array is refused in every format; an answer that starts with a bracket is
//!   `["[MASK]"]`.
//! * `NAME` may also be `[start, end]`, the characters (Unicode scalar values) from `start` to
//!   before `end`, counted from 0; in a text cell it is written the same, `[15,20]`.
//! * A row in which a phrase does not occur, or occurs several times without an index, is read; it is
//!   left out where its position is asked for. A column whose phrases are in no row's base, or whose
//!   `source_NAME` is in no row's source, is refused: it may be a key that was mistyped. A column that holds numbers, objects or whatever else in all rows is
//!   not read, and is [named](DataFile::unused); one that belongs to a span that is read (`source_NAME`,
//!   `NAME_occurrence`) is refused. What is ignored without a word:
//!   columns whose name starts with `_` or `meta_`, and `id`, `idx`, `index`, `example_id`,
//!   `split`, `template`, `metadata`, `comment`, `notes` (with `source_…` of them), and a column
//!   without a name (as pandas writes its index).
//! * A span has no name that `--positions` understands otherwise: `all`, `aligned`, `first`,
//!   `last`, a number, `after_…`, `…_first`, `…_last`, `…_after`, or the key of something else.
//! * What is `null`, absent, or an empty cell of a CSV is not there. A row whose prompt or answer is
//!   an empty text is read, and left out when the rows are prepared; so is one with nothing under
//!   `base`. `source_NAME` and `NAME_occurrence` say nothing in a row that has no `NAME` (or no
//!   `source`); where no row has it, the column is refused.
//!
//! # Others' layouts
//!
//! * **AutoCircuit** (Miller, Chughtai and Saunders 2024): objects with `clean` (base), `corrupt`
//!   (source), `answers` (target) and `wrong_answers` (foil), as `{"prompts": [...]}` or as rows.
//!   `seq_labels` and `word_idxs` are ignored: they count the tokens of one tokenizer. Prompts
//!   that are token ids are refused.
//! * **MIB**, the Mechanistic Interpretability Benchmark (Mueller et al. 2025): objects with
//!   `prompt` and columns `…_counterfactual`, of which [`ReadOptions::counterfactual`] picks one.
//!   See [`Layout::Mib`].
//!
//! ```
//! # let folder = std::env::temp_dir().join(format!("vene-read-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let path = folder.join("capitals.jsonl");
//! # std::fs::write(&path, r#"{"base": "The capital of Spain is", "target": " Madrid"}"#)?;
//! let rows = vene::data::read(&path)?;
//! assert_eq!(rows[0].target, [" Madrid"]);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arrow;
mod auto_circuit;
mod budget;
mod csv;
mod elements;
mod error;
mod json;
mod layout;
mod lines;
mod messages;
mod mib;
mod own;
mod parquet;
mod record;
mod row_error;
mod span;
mod strict;

use std::fs::File;
use std::path::Path;

pub use error::{DataError, Place, UnusedColumn};
pub use layout::Layout;
pub use row_error::RowError;

use super::{Phrase, Row, Span};
use budget::Budget;
use record::Records;
use vene_files::FileState;

/// Files past this are no data sets of prompts, and their rows may take no more in memory.
const MOST_BYTES: u64 = 1 << 30;

/// Columns, or keys of a row, at most.
const MOST_COLUMNS: usize = 4096;

/// How a file is read where it leaves a choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Which counterfactual of a MIB file is the source: `s2_io_flip_counterfactual`, or
    /// `s2_io_flip` for short. Needed where there are several.
    pub counterfactual: Option<String>,
    /// Leaves out MIB's rows that lack that counterfactual, as MIB's own reader does in its
    /// arithmetic, and says which in [`DataFile::left_out`]. Otherwise such a row is an error.
    pub leave_out: bool,
    /// Takes the labels of MIB's choices and sums as they are, as MIB's own reader does. Otherwise
    /// a label behind a prompt that does not end with a space gets one: behind `Answer:` a model
    /// writes ` B`, which is another token than `B`.
    pub bare_labels: bool,
}

/// What a file held.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFile {
    /// Its rows, in its order; at least one.
    pub rows: Vec<Row>,
    /// How it was laid out.
    pub layout: Layout,
    /// The places of rows that were left out; see [`ReadOptions::leave_out`].
    pub left_out: Vec<Place>,
    /// Columns that are not read, though no name says so.
    pub unused: Vec<UnusedColumn>,
    /// The SHA-256 of the file that was read, as 64 hexadecimal digits.
    pub sha256: String,
}

/// Reads the rows of a data set; its [formats and layouts](self).
///
/// # Errors
/// Whatever keeps the file, or any one of its rows, from being understood.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Row>, DataError> {
    read_with(path, &ReadOptions::default()).map(|file| file.rows)
}

/// Reads a data set with its layout; its [formats and layouts](self).
///
/// # Errors
/// Whatever keeps the file, or any one of its rows, from being understood.
pub fn read_with(path: impl AsRef<Path>, options: &ReadOptions) -> Result<DataFile, DataError> {
    let path = path.as_ref();
    let (mut file, records) = open(path)?;
    let unreadable = |source| DataError::Read { path: path.to_owned(), source };
    let before = FileState::of(&file.metadata().map_err(unreadable)?);
    let read = rows_of(path, records, options)?;
    // The hash is of the bytes that were read: of the same open file, and nothing was written to it meanwhile.
    let sha256 = vene_files::sha256_of(&mut file).map_err(unreadable)?;
    let now = FileState::of(&file.metadata().map_err(unreadable)?);
    before.expect(&now).map_err(|how| DataError::Changed { path: path.to_owned(), how })?;
    Ok(DataFile { sha256, ..read })
}

/// What the records of a file say; without its hash.
fn rows_of(path: &Path, records: Records, options: &ReadOptions) -> Result<DataFile, DataError> {
    let Records { rows: mut records, not_understood } = records;
    let first = records.next().ok_or_else(|| DataError::Empty { path: path.to_owned() })??;
    let mut reader = layout::Reader::of(path, &first, &not_understood, options)?;
    let wrong = |place, error| {
        let (path, error) = (path.to_owned(), Box::new(error));
        DataError::Row { path, place, error }
    };
    let mut budget = Budget::whole();
    let (mut rows, mut left_out) = (Vec::new(), Vec::new());
    for record in std::iter::once(Ok(first)).chain(records) {
        let record = record?;
        match reader.row(&record) {
            Ok(row) => {
                let taken = budget.take(size_of(&row));
                let too_large =
                    || DataError::RowsTooLarge { path: path.to_owned(), most: MOST_BYTES };
                taken.map_err(|_| too_large())?;
                rows.push(Row { place: Some(record.place), ..row });
            }
            Err(RowError::NoCounterfactual { .. }) if options.leave_out => {
                left_out.push(record.place);
            }
            Err(error) => return Err(wrong(record.place, error)),
        }
    }
    if rows.is_empty() {
        return Err(DataError::NothingLeft { path: path.to_owned(), left_out: left_out.len() });
    }
    if let Some(column) = reader.missed(&not_understood) {
        return Err(DataError::column_type(path, column));
    }
    let layout = reader.layout();
    let named = |column: &UnusedColumn| !reader.ignores(&column.name);
    let mut unused: Vec<UnusedColumn> = not_understood.into_iter().filter(named).collect();
    unused.extend(reader.unused().map_err(|told| wrong(told.0, told.1))?);
    Ok(DataFile { rows, layout, left_out, unused, sha256: String::new() })
}

/// What a row takes in memory, about.
fn size_of(row: &Row) -> u64 {
    let texts = [Some(&row.base), row.source.as_ref(), row.group.as_ref()];
    let texts = texts.into_iter().flatten().chain(&row.target).chain(&row.foil);
    let turns = row.base_messages.iter().chain(&row.source_messages);
    let texts = texts.chain(turns.flat_map(|turn| [&turn.role, &turn.content]));
    let of_texts: usize = texts.map(|text| text.len() + std::mem::size_of::<String>()).sum();
    let phrase = |phrase: &Phrase| match phrase {
        Phrase::Text { text, .. } => text.len(),
        Phrase::Characters(_) => 0,
    };
    let span = |(name, span): (&String, &Span)| {
        let of_source = span.source.as_ref().map_or(0, phrase);
        2 * std::mem::size_of::<Span>() + name.len() + phrase(&span.base) + of_source
    };
    let of_spans: usize = row.spans.iter().map(span).sum();
    (std::mem::size_of::<Row>() + of_texts + of_spans) as u64
}

/// The file, and its objects by its extension.
fn open(path: &Path) -> Result<(File, Records), DataError> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let records = match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => csv::records,
        Some("jsonl" | "ndjson") => json::lines,
        Some("json") => json::array,
        Some("parquet") => parquet::records,
        _ => return Err(DataError::Extension { path: path.to_owned() }),
    };
    let unreadable = |source| DataError::Read { path: path.to_owned(), source };
    let file = vene_model::opened::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    if bytes > MOST_BYTES {
        return Err(DataError::TooLarge { path: path.to_owned(), bytes, most: MOST_BYTES });
    }
    // Both are the same open file. It is not read through the first before the second is done.
    let same = file.try_clone().map_err(unreadable)?;
    Ok((file, records(path, same)?))
}

#[cfg(test)]
mod tests;
