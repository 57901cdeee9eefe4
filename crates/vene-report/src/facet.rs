//! Panels: one for each value of a column, side by side or stacked.

use vene_table::{Table, TableError};

/// Which column splits a table into panels, and what stands above each panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facets {
    column: Option<String>,
    titles: Vec<(String, String)>,
}

impl Default for Facets {
    /// A panel for each target token.
    fn default() -> Self {
        Facets::by("token")
    }
}

impl Facets {
    /// A panel for each value of this column, in the order in which the values appear.
    pub fn by(column: impl Into<String>) -> Self {
        Facets { column: Some(column.into()), titles: Vec::new() }
    }

    /// One panel for the whole table.
    pub fn none() -> Self {
        Facets { column: None, titles: Vec::new() }
    }

    /// What stands above the panel of a value. Without it the value itself does, a leading
    /// space shown as `_`.
    #[must_use]
    pub fn titled(mut self, value: impl Into<String>, title: impl Into<String>) -> Self {
        self.titles.push((value.into(), title.into()));
        self
    }

    /// The titles of the panels, and for each row the panel that it belongs to.
    pub(crate) fn split(&self, table: &Table) -> Result<(Vec<String>, Vec<usize>), TableError> {
        let Some(column) = &self.column else {
            return Ok((vec![String::new()], vec![0; table.rows()]));
        };
        let mut values: Vec<&str> = Vec::new();
        let mut panels = Vec::with_capacity(table.rows());
        for value in table.text(column)? {
            let found = values.iter().position(|other| other == value);
            panels.push(found.unwrap_or(values.len()));
            if found.is_none() {
                values.push(value);
            }
        }
        Ok((values.into_iter().map(|value| self.title(value)).collect(), panels))
    }

    fn title(&self, value: &str) -> String {
        match self.titles.iter().find(|(other, _)| other == value) {
            Some((_, title)) => title.clone(),
            None => value.strip_prefix(' ').map_or(value.to_owned(), |rest| format!("_{rest}")),
        }
    }
}
