//! The x axis of a heat map: its columns, and in which of them a row of the table falls.

use vene_table::{Table, TableError};

use super::Axis;
use crate::label;

/// A column of cells: a position, a role or a head.
pub(super) struct Column {
    /// The position or head, counted from 0; none for a role.
    pub(super) number: Option<i64>,
    /// The token at a position, or the role; empty for heads.
    pub(super) text: String,
}

impl Axis {
    /// The column of the table that the axis shows.
    pub(super) fn column(&self) -> &'static str {
        match self {
            Axis::Position(_) => "position",
            Axis::Role(_) => "role",
            Axis::Head => "head",
        }
    }

    /// The axis' title.
    pub(super) fn title(&self) -> &'static str {
        match self {
            Axis::Position(_) | Axis::Role(_) => "position",
            Axis::Head => "head",
        }
    }

    /// The columns in order, and for each row of the table the one it falls in, if any.
    pub(super) fn columns(
        &self,
        table: &Table,
    ) -> Result<(Vec<Column>, Vec<Option<usize>>), TableError> {
        let Axis::Role(order) = self else { return self.numbered(table) };
        let roles = label::of_column(table, self.column())?;
        let measured: Vec<&String> = roles.iter().flatten().collect();
        let (columns, mut of_measured) = {
            let (columns, of_measured) = label::distinct(&measured, order);
            (columns, of_measured.into_iter())
        };
        let of_rows = roles.iter().map(|role| role.as_ref().and_then(|_| of_measured.next()));
        let of_rows = of_rows.collect();
        let column = |role: &String| Column { number: None, text: role.clone() };
        Ok((columns.into_iter().map(column).collect(), of_rows))
    }

    fn numbered(&self, table: &Table) -> Result<(Vec<Column>, Vec<Option<usize>>), TableError> {
        let of_rows = table.optional_integers(self.column())?;
        let mut numbers: Vec<i64> = of_rows.iter().flatten().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let place = |number: i64| numbers.binary_search(&number).ok();
        let of_rows = of_rows.into_iter().map(|number| number.and_then(place)).collect();
        let column = |number: &i64| Column { number: Some(*number), text: self.token(*number) };
        Ok((numbers.iter().map(column).collect(), of_rows))
    }

    /// The token at a position, as the caller shows it.
    fn token(&self, position: i64) -> String {
        let Axis::Position(texts) = self else { return String::new() };
        let token = usize::try_from(position).ok().and_then(|index| texts.get(index));
        token.cloned().unwrap_or_default()
    }

    /// A column in words.
    pub(super) fn words(&self, column: &Column) -> String {
        let number = column.number.map(|number| number.to_string()).unwrap_or_default();
        let words = match self {
            Axis::Position(_) => format!("position {number} {}", column.text),
            Axis::Role(_) => column.text.clone(),
            Axis::Head => format!("head {number}"),
        };
        words.trim_end().to_owned()
    }
}
