//! Panels: one for each value of a column, side by side or stacked.

use vene_table::{Table, TableError};

use crate::label;

/// Which column splits a table into panels, and what stands above each panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facets {
    column: Option<String>,
    titles: Vec<(String, String)>,
    order: Vec<String>,
}

impl Default for Facets {
    /// A panel for each target token.
    fn default() -> Self {
        Facets::by("token")
    }
}

impl Facets {
    /// A panel for each value of this column (text or integers), in the order in which the values
    /// appear. Rows with no value there have a panel of their own.
    pub fn by(column: impl Into<String>) -> Self {
        Facets { column: Some(column.into()), titles: Vec::new(), order: Vec::new() }
    }

    /// One panel for the whole table.
    pub fn none() -> Self {
        Facets { column: None, titles: Vec::new(), order: Vec::new() }
    }

    /// What stands above the panel of a value. Without it the value itself does, a leading
    /// space shown as `_`.
    #[must_use]
    pub fn titled(mut self, value: impl Into<String>, title: impl Into<String>) -> Self {
        self.titles.push((value.into(), title.into()));
        self
    }

    /// The panels of these values first, in this order. A value that no row has makes no panel.
    #[must_use]
    pub fn ordered<S: Into<String>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        self.order = values.into_iter().map(Into::into).collect();
        self
    }

    /// Whether it is this column that makes the panels.
    pub(crate) fn is_by(&self, column: &str) -> bool {
        self.column.as_deref() == Some(column)
    }

    /// The titles of the panels, and for each row the panel that it belongs to.
    pub(crate) fn split(&self, table: &Table) -> Result<(Vec<String>, Vec<usize>), TableError> {
        let Some(column) = &self.column else {
            return Ok((vec![String::new()], vec![0; table.rows()]));
        };
        let values = label::of_column(table, column)?;
        let (values, panels) = label::distinct(&values, self.order.iter().cloned().map(Some));
        let title = |value: Option<String>| match value {
            Some(value) => self.title(&value),
            None => format!("no {column}"),
        };
        Ok((values.into_iter().map(title).collect(), panels))
    }

    fn title(&self, value: &str) -> String {
        match self.titles.iter().find(|(other, _)| other == value) {
            Some((_, title)) => title.clone(),
            None => value.strip_prefix(' ').map_or(value.to_owned(), |rest| format!("_{rest}")),
        }
    }
}
