//! A cell of a sweep: what was edited, and at which position.

use std::collections::HashMap;

use vene_table::{Distinct, Kind, Table, TableError, Value};

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

/// The places of a long table, each once, numbered in the order in which they first occur.
#[derive(Default)]
pub(crate) struct Places {
    components: Distinct,
    layers: Distinct,
    heads: Distinct,
    positions: Distinct,
    known: HashMap<[u32; 4], usize>,
    places: Vec<Place>,
}

impl Places {
    /// The number of the place of each row of a chunk; its columns are those of [`of_rows`].
    pub(crate) fn number(&mut self, chunk: &Table) -> Result<Vec<usize>, TableError> {
        let (_, _) = (chunk.text("component")?, chunk.optional_integers("layer")?);
        let components = self.components.number(chunk.column("component")?);
        let layers = self.layers.number(chunk.column("layer")?);
        let none = || vec![u32::MAX; chunk.rows()];
        let heads = if chunk.has("head") {
            chunk.optional_integers("head")?;
            self.heads.number(chunk.column("head")?)
        } else {
            none()
        };
        let named = ["role", "position"].into_iter().find(|column| chunk.has(column));
        let positions = if let Some(named) = named {
            if chunk.column(named)?.kind().complete() == Kind::Float {
                chunk.words(named)?;
            }
            self.positions.number(chunk.column(named)?)
        } else {
            none()
        };
        let rows = components.into_iter().zip(layers).zip(heads).zip(positions);
        let number = |(((component, layer), head), position)| {
            let key = [component, layer, head, position];
            if let Some(&known) = self.known.get(&key) {
                return known;
            }
            let integer = |value| match value {
                Value::Integer(number) => Some(number),
                _ => None,
            };
            let position = match self.positions.value(position) {
                Value::Missing => None,
                value => Some(value.to_string()),
            };
            let depth = DepthLabel {
                component: self.components.value(component).to_string(),
                layer: integer(self.layers.value(layer)),
            };
            self.places.push(Place { depth, head: integer(self.heads.value(head)), position });
            self.known.insert(key, self.places.len() - 1);
            self.places.len() - 1
        };
        Ok(rows.map(number).collect())
    }

    /// The places by their numbers.
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }
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
