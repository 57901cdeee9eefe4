//! A column of text as it is in memory: each word once, and for each row which of them it has.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, DictionaryArray, LargeStringArray};

/// The texts of a column.
///
/// Rows of equal text have equal keys, so that what is asked of a long column is asked of its few words:
///
/// ```
/// use vene_table::Table;
///
/// let table = Table::builder().column("metric", vec!["rank", "loss", "rank"]).build()?;
/// let metrics = table.words("metric")?;
/// let rank = metrics.key_of("rank");
/// let rows: Vec<usize> = (0..metrics.len()).filter(|&row| metrics.key(row) == rank).collect();
/// assert_eq!(rows, [0, 2]);
/// # Ok::<(), vene_table::TableError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Words<'a> {
    rows: &'a DictionaryArray<Int32Type>,
    words: &'a LargeStringArray,
}

impl<'a> Words<'a> {
    pub(crate) fn of(rows: &'a DictionaryArray<Int32Type>) -> Self {
        Self { rows, words: rows.values().as_string() }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text in a row; `None` where it is missing.
    pub fn get(&self, row: usize) -> Option<&'a str> {
        self.key(row).and_then(|key| self.word(key))
    }

    /// The text in each row.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&'a str>> {
        let words = *self;
        (0..self.len()).map(move |row| words.get(row))
    }

    /// The key of the word in a row; `None` where it is missing.
    pub fn key(&self, row: usize) -> Option<usize> {
        let keys = self.rows.keys();
        (row < keys.len() && keys.is_valid(row)).then(|| keys.value(row) as usize)
    }

    /// How many words the dictionary has; some may be in no row.
    pub fn count(&self) -> usize {
        self.words.len()
    }

    /// The word of a key.
    pub fn word(&self, key: usize) -> Option<&'a str> {
        (key < self.words.len()).then(|| self.words.value(key))
    }

    /// The key of a word, if it is in the dictionary.
    pub fn key_of(&self, word: &str) -> Option<usize> {
        (0..self.words.len()).find(|&key| self.words.value(key) == word)
    }
}
