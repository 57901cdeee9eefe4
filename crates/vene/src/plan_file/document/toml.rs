//! TOML, by the parser of the `toml` crate, which tells where each value stands.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{At, DEEPEST, Lines, Node, SyntaxError, Value, too_deep};

pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|error| SyntaxError {
        at: lines.at(error.span().map_or(0, |span| span.start)),
        message: error.message().trim().chars().take(200).collect(),
    })?;
    let start = At::new(1, Some(1));
    Reader { lines }.entries(table.get_ref(), start, 0)
}

struct Reader<'t> {
    lines: Lines<'t>,
}

impl Reader<'_> {
    /// A table's entries, in the order in which they stand.
    fn entries(&self, table: &DeTable<'_>, at: At, depth: usize) -> Result<Node, SyntaxError> {
        // The parser sorts tables by their keys.
        let mut sorted: Vec<_> = table.iter().collect();
        sorted.sort_by_key(|(key, _)| key.span().start);
        let mut entries = Vec::with_capacity(sorted.len());
        for (key, value) in sorted {
            let key_at = self.lines.at(key.span().start);
            // The span of a table with a header of its own is not where it begins.
            let at = match value.get_ref() {
                DeValue::Table(_) => key_at,
                _ => self.lines.at(value.span().start),
            };
            let value = self.node(value.get_ref(), at, depth + 1)?;
            entries.push((key.get_ref().to_string(), Node { key: key_at, ..value }));
        }
        Ok(Node { at, ..Value::Table(entries).into() })
    }

    fn node(&self, value: &DeValue<'_>, at: At, depth: usize) -> Result<Node, SyntaxError> {
        let wrong = |what: &str| SyntaxError { at, message: what.to_owned() };
        // Dotted keys in tables in tables can be deeper than what the parser counts.
        if depth > DEEPEST {
            return Err(wrong(&too_deep()));
        }
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
                    self.node(item.get_ref(), self.lines.at(item.span().start), depth + 1)
                };
                Value::List(items.iter().map(item).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => return self.entries(table, at, depth),
        };
        Ok(Node { at, ..value.into() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let text = "a = 1\n\n[[edit]]\nlayer = 2\nat = [\n  3,\n  -4.5,\n]\n[[edit]]\nb = 'x'\n";
        let document = parse(text).unwrap();
        let line = |node: &Node| node.at.line.unwrap().get();
        assert_eq!(line(document.get("a").unwrap()), 1);
        let Value::List(edits) = &document.get("edit").unwrap().value else { panic!() };
        assert_eq!(edits.iter().map(line).collect::<Vec<_>>(), [3, 9]);
        let Value::List(at) = &edits[0].get("at").unwrap().value else { panic!() };
        assert_eq!(at.iter().map(line).collect::<Vec<_>>(), [6, 7]);
        assert_eq!(at[1].value, Value::Number(-4.5));
        // Of a value its own column, and that of its key.
        let column = |at: At| at.column.unwrap().get();
        let layer = edits[0].get("layer").unwrap();
        assert_eq!((column(layer.key), column(layer.at), column(at[1].at)), (1, 9, 3));
        let document = parse("'ä' = { 'ö' = 1, u = \"x\" }").unwrap();
        let inner = document.get("ä").unwrap().get("u").unwrap();
        assert_eq!((column(inner.key), column(inner.at)), (18, 22));
    }

    #[test]
    fn what_is_no_toml_is_refused_with_its_line() {
        assert_eq!(parse("a = 1\nb = = 2\n").unwrap_err().at, At::new(2, Some(5)));
        assert_eq!(parse("a = 1\na = 2\n").unwrap_err().at.line, At::new(2, None).line);
        assert!(parse("day = 2024-01-01").unwrap_err().message.contains("date"));
        // Deeper than any plan: an error, not an overflowing stack.
        let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse(&deep).is_err());
        // Dotted keys within tables, each of few levels.
        let dotted = "a.".repeat(60);
        let deep = format!("{}1{}", format!("{{ {dotted}a = ").repeat(70), "}".repeat(70));
        assert!(parse(&format!("a = {deep}")).unwrap_err().message.contains("deeper than 64"));
    }

    #[test]
    fn entries_keep_their_order() {
        let document = parse("b = 1\na = { d = 1, c = 2 }\n[e]\n").unwrap();
        let names = |node: &Node| match &node.value {
            Value::Table(entries) => entries.iter().map(|(key, _)| key.clone()).collect(),
            _ => Vec::new(),
        };
        assert_eq!(names(&document), ["b", "a", "e"]);
        assert_eq!(names(document.get("a").unwrap()), ["d", "c"]);
    }

    /// Tables that are mentioned before they are opened: with the parser's `preserve_order`, each that is
    /// opened moved all others.
    #[test]
    fn many_tables_take_no_longer_than_their_text() {
        let start = std::time::Instant::now();
        let names = 0..100_000;
        let mentioned: String = names.clone().map(|name| format!("[t{name}.x]\n")).collect();
        let opened: String = names.map(|name| format!("[t{name}]\n")).collect();
        assert!(parse(&(mentioned + &opened)).is_ok());
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }
}
