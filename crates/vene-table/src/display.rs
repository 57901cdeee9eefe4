//! How a table prints: a few rows from either end, aligned.

use std::fmt;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{Kind, Table, Value};

/// Rows that are shown at each end; of tables that are hardly longer, all.
const ROWS: usize = 5;
/// Columns that are shown on each side; of tables that are hardly wider, all.
const COLUMNS: usize = 6;
/// The widest text of a cell, in columns of a terminal.
const WIDEST: usize = 28;
/// What is left out.
const MORE: &str = "…";

/// The number of rows and columns, the columns' names, and the first and last rows. A missing value is blank.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let (rows, columns) = (self.rows(), self.columns().len());
        writeln!(f, "{rows} row{} x {columns} column{}", plural(rows), plural(columns))?;
        if columns == 0 {
            return Ok(());
        }
        let all: Vec<_> = self.columns().collect();
        let lines = ends(rows, ROWS);
        let printed: Vec<Printed> = ends(columns, COLUMNS)
            .into_iter()
            .map(|index| match index.and_then(|index| all.get(index)) {
                Some((name, column)) => {
                    let cell = |row: &Option<usize>| {
                        row.map_or_else(|| MORE.to_owned(), |row| cell(column.value(row)))
                    };
                    let is_text = column.kind().complete() == Kind::Text;
                    Printed::new(elided(name), lines.iter().map(cell).collect(), is_text)
                }
                None => Printed::new(MORE.to_owned(), vec![MORE.to_owned(); lines.len()], true),
            })
            .collect();
        write_line(f, &printed, |column| &column.name)?;
        for line in 0..lines.len() {
            write_line(f, &printed, |column| &column.cells[line])?;
        }
        Ok(())
    }
}

/// A column's texts.
struct Printed {
    name: String,
    cells: Vec<String>,
    is_text: bool,
    width: usize,
}

impl Printed {
    fn new(name: String, cells: Vec<String>, is_text: bool) -> Self {
        let widths = cells.iter().map(|cell| cell.width());
        let width = widths.max().unwrap_or(0).max(name.width());
        Self { name, cells, is_text, width }
    }
}

fn write_line(
    f: &mut fmt::Formatter<'_>,
    columns: &[Printed],
    text: impl Fn(&Printed) -> &String,
) -> fmt::Result {
    let mut line = String::new();
    for (index, column) in columns.iter().enumerate() {
        let text = text(column);
        let room = " ".repeat(column.width - text.width());
        line.push_str(if index == 0 { "" } else { "  " });
        // Texts begin, numbers end below each other.
        let (before, after) =
            if column.is_text { ("", room.as_str()) } else { (room.as_str(), "") };
        line.push_str(before);
        line.push_str(text);
        line.push_str(after);
    }
    writeln!(f, "{}", line.trim_end())
}

/// The indices at both ends of so many, `None` between them for what is left out.
fn ends(count: usize, each: usize) -> Vec<Option<usize>> {
    if count <= 2 * each + 1 {
        return (0..count).map(Some).collect();
    }
    let first = (0..each).map(Some);
    first.chain([None]).chain((count - each..count).map(Some)).collect()
}

fn cell(value: Value<'_>) -> String {
    match value {
        Value::Float(number) => float(number),
        value => elided(&value.to_string()),
    }
}

/// A number to five significant digits.
fn float(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    let power = number.abs().log10().floor();
    if !(-4.0..9.0).contains(&power) {
        return format!("{number:.4e}");
    }
    let decimals = (4.0 - power).max(0.0) as usize;
    let text = format!("{number:.decimals$}");
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

/// A text in one line, cut where it is wide.
fn elided(text: &str) -> String {
    let (mut line, mut width) = (String::new(), 0);
    for character in text.chars() {
        let character = match character {
            '\n' => '↵',
            '\t' => '⇥',
            other if other.is_control() => '\u{fffd}',
            other => other,
        };
        width += character.width().unwrap_or(0);
        if width > WIDEST {
            line.pop();
            line.push_str(MORE);
            break;
        }
        line.push(character);
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_short_table_is_shown_whole() {
        let table = Table::builder()
            .column("token", vec![Some(" Madrid"), None, Some("a\nb")])
            .column("head", vec![1_i64, 20, 3])
            .column("effect", vec![0.123456789, -2e-9, f64::NAN])
            .build()
            .unwrap();
        assert_eq!(
            table.to_string(),
            "3 rows x 3 columns\n\
             token    head      effect\n \
             Madrid     1     0.12346\n\
             \u{20}          20  -2.0000e-9\n\
             a↵b         3         NaN\n"
        );
        assert_eq!(Table::default().to_string(), "0 rows x 0 columns\n");
    }

    #[test]
    fn a_long_and_wide_table_is_shown_at_its_ends() {
        let column = |column: i64| (0..100).map(|row| row * column).collect::<Vec<i64>>();
        let columns = (0..20).map(|index| (format!("c{index}"), column(index)));
        let table =
            columns.fold(Table::builder(), |table, (name, values)| table.column(name, values));
        let text = table.build().unwrap().to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2 + 2 * ROWS + 1);
        assert_eq!(lines[0], "100 rows x 20 columns");
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            ["c0", "c1", "c2", "c3", "c4", "c5", "…", "c14", "c15", "c16", "c17", "c18", "c19"]
        );
        assert!(lines[7].trim_start().starts_with("…"), "{text}");
        let widths: Vec<usize> = lines[1..].iter().map(|line| line.width()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
    }

    #[test]
    fn long_texts_are_cut() {
        let cut = elided(&"wide ".repeat(20));
        assert_eq!((cut.width(), cut.ends_with(MORE)), (WIDEST, true));
        assert_eq!(elided("short"), "short");
    }
}
