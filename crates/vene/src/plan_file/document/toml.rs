//! TOML, by the parser of the `toml` crate, which tells where each value stands.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Lines, Node, SyntaxError, Value};

pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|error| SyntaxError {
        line: lines.at(error.span().map_or(0, |span| span.start)),
        message: error.message().trim().to_owned(),
    })?;
    entries(table.get_ref(), 1, &lines)
}

fn entries(table: &DeTable<'_>, line: usize, lines: &Lines) -> Result<Node, SyntaxError> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let value = node(value.get_ref(), lines.at(key.span().start), lines)?;
        entries.push((key.get_ref().to_string(), value));
    }
    Ok(Node { line: Some(line), value: Value::Table(entries) })
}

fn node(value: &DeValue<'_>, line: usize, lines: &Lines) -> Result<Node, SyntaxError> {
    let wrong = |what: &str| SyntaxError { line, message: what.to_owned() };
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map(Value::Integer)
            .map_err(|_| wrong("a whole number too large to be meant"))?,
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map(Value::Number)
            .map_err(|_| wrong("a number that cannot be read"))?,
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(_) => return Err(wrong("no key of a plan takes a date")),
        DeValue::Array(items) => {
            let item = |item: &Spanned<DeValue<'_>>| {
                node(item.get_ref(), lines.at(item.span().start), lines)
            };
            Value::List(items.iter().map(item).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => return entries(table, line, lines),
    };
    Ok(Node { line: Some(line), value })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let text = "a = 1\n\n[[edit]]\nlayer = 2\nat = [\n  3,\n  -4.5,\n]\n[[edit]]\nb = 'x'\n";
        let document = parse(text).unwrap();
        let line = |node: &Node| node.line.unwrap();
        assert_eq!(line(document.get("a").unwrap()), 1);
        let Value::List(edits) = &document.get("edit").unwrap().value else { panic!() };
        assert_eq!(edits.iter().map(line).collect::<Vec<_>>(), [3, 9]);
        let Value::List(at) = &edits[0].get("at").unwrap().value else { panic!() };
        assert_eq!(at.iter().map(line).collect::<Vec<_>>(), [6, 7]);
        assert_eq!(at[1].value, Value::Number(-4.5));
    }

    #[test]
    fn what_is_no_toml_is_refused_with_its_line() {
        assert_eq!(parse("a = 1\nb = = 2\n").unwrap_err().line, 2);
        assert_eq!(parse("a = 1\na = 2\n").unwrap_err().line, 2);
        assert!(parse("day = 2024-01-01").unwrap_err().message.contains("date"));
        // Deeper than any plan: an error, not an overflowing stack.
        let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse(&deep).is_err());
    }
}
