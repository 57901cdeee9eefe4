//! A cell of a sweep: what was edited, and at which position.

use vene_table::{Table, TableError};

use crate::depth::{self, DepthLabel};
use crate::label;

/// A component in a layer, or one head of it, at a position.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) depth: DepthLabel,
    pub(crate) head: Option<i64>,
    /// A role, or a number as text.
    pub(crate) position: Option<String>,
}

impl Place {
    /// `f12 subject_last`, `z9.h3 last`.
    pub(crate) fn text(&self) -> String {
        let mut text = self.depth.text();
        if let Some(head) = self.head {
            text.push_str(&format!(".h{head}"));
        }
        if let Some(position) = &self.position {
            text.push(' ');
            text.push_str(position);
        }
        text
    }
}

/// Where each row of a table was measured: columns `component` and `layer`, and `head` and `role`, or else `position`,
/// where it has them.
pub(crate) fn of_rows(table: &Table) -> Result<Vec<Place>, TableError> {
    let heads =
        if table.has("head") { table.optional_integers("head")? } else { vec![None; table.rows()] };
    let named = ["role", "position"].into_iter().find(|column| table.has(column));
    let positions = match named {
        Some(column) => label::of_column(table, column)?,
        None => vec![None; table.rows()],
    };
    let rows = depth::of_rows(table)?.into_iter().zip(heads).zip(positions);
    Ok(rows.map(|((depth, head), position)| Place { depth, head, position }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_by_what_it_has() {
        let place = |component: &str, head, position: Option<&str>| {
            let depth = DepthLabel { component: component.to_owned(), layer: Some(9) };
            Place { depth, head, position: position.map(str::to_owned) }.text()
        };
        assert_eq!(place("mlp_output", None, Some("subject_last")), "f9 subject_last");
        assert_eq!(place("head_attention_value_output", Some(3), Some("last")), "z9.h3 last");
        assert_eq!(place("block_output", None, None), "out9");
    }
}
