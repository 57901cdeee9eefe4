//! JSON.
//!
//! serde_json tells no line of a value, and lets the last of two equal keys win: so these few lines read it themselves.

use std::collections::HashSet;

use vene_named::shown;

use super::{At, DEEPEST, Lines, Node, SyntaxError, Value, too_deep};

pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    // In a text of one line, as programs write it, a line's number says nothing.
    let tells_lines = text.trim().contains('\n');
    let mut reader = Reader { text, lines: Lines::of(text), tells_lines, at: 0 };
    let node = reader.value(0)?;
    reader.space();
    match reader.at == text.len() {
        true => Ok(node),
        false => Err(reader.wrong("something stands behind the end")),
    }
}

struct Reader<'a> {
    text: &'a str,
    lines: Lines<'a>,
    tells_lines: bool,
    /// The next byte.
    at: usize,
}

impl Reader<'_> {
    fn wrong(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError { at: self.lines.at(self.at), message: message.into() }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes this byte, if it is the next behind spaces.
    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), SyntaxError> {
        match self.take(byte) {
            true => Ok(()),
            false => Err(self.wrong(format!("expected `{}`", byte as char))),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        self.space();
        if depth > DEEPEST {
            return Err(self.wrong(too_deep()));
        }
        let at = if self.tells_lines { self.lines.line(self.at) } else { At::default() };
        let value = match self.peek() {
            Some(b'{') => self.table(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node { at, key: at, value })
    }

    fn table(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        self.expect(b'{')?;
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut keys = HashSet::new();
        if self.take(b'}') {
            return Ok(Value::Table(entries));
        }
        loop {
            self.space();
            let key = self.string()?;
            if !keys.insert(key.clone()) {
                return Err(self.wrong(format!("the key `{}` stands twice", shown(&key))));
            }
            self.expect(b':')?;
            entries.push((key, self.value(depth + 1)?));
            if !self.take(b',') {
                self.expect(b'}')?;
                return Ok(Value::Table(entries));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        self.expect(b'[')?;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if !self.take(b',') {
                self.expect(b']')?;
                return Ok(Value::List(items));
            }
        }
    }

    /// The text's escapes are serde_json's to read.
    fn string(&mut self) -> Result<String, SyntaxError> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.wrong("expected a text in double quotes"));
        }
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.wrong("a text without an end")),
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at);
        quoted
            .and_then(|quoted| serde_json::from_str(quoted).ok())
            .ok_or_else(|| self.wrong("a text with an escape or a line break that JSON lacks"))
    }

    fn number(&mut self) -> Result<Value, SyntaxError> {
        let rest = &self.text[self.at..];
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let sign = usize::from(rest.starts_with('-'));
        let whole = digits(&rest[sign..]);
        let mut length = sign + whole;
        let mut fine = whole > 0 && (whole == 1 || !rest[sign..].starts_with('0'));
        let mut is_whole = true;
        if rest[length..].starts_with('.') {
            let behind = digits(&rest[length + 1..]);
            (length, fine, is_whole) = (length + 1 + behind, fine && behind > 0, false);
        }
        if rest[length..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
            let power = digits(&rest[length + 1 + sign..]);
            (length, fine, is_whole) = (length + 1 + sign + power, fine && power > 0, false);
        }
        let text = &rest[..length];
        let value = match is_whole {
            true => text.parse().ok().map(Value::Integer),
            false => text.parse().ok().map(Value::Number),
        };
        let wrong = || self.wrong(format!("`{}` is no number", shown(text)));
        let value = value.filter(|_| fine).ok_or_else(wrong)?;
        self.at += length;
        Ok(value)
    }

    fn word(&mut self) -> Result<Value, SyntaxError> {
        let rest = &self.text[self.at..];
        for (word, flag) in [("true", true), ("false", false)] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(Value::Flag(flag));
            }
        }
        if rest.starts_with("null") {
            return Err(self.wrong("null says nothing here: leave the key out"));
        }
        Err(self.wrong("expected a value"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_value_knows_its_line() {
        let text = "{\"a\": 1,\n \"b\": [true,\n  {\"c\": \"x\\n\\u00e9\"}]}\n";
        let document = parse(text).unwrap();
        let Value::List(items) = &document.get("b").unwrap().value else { panic!() };
        assert_eq!(document.get("b").unwrap().at, At::new(2, None));
        assert_eq!(items[1].at, At::new(3, None));
        assert_eq!(items[1].get("c").unwrap().value, Value::Text("x\né".to_owned()));
        assert_eq!(items[0].value, Value::Flag(true));
    }

    #[test]
    fn one_line_is_not_numbered() {
        let document = parse("{\"a\": [1, 2]}\n").unwrap();
        assert_eq!((document.at, document.get("a").unwrap().at), (At::default(), At::default()));
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_line() {
        let refused = [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            "-",
            "1e",
            "nul",
            "null",
            "\"a",
            "\"\\",
            "\"\\x\"",
            "[1] 2",
            "{\"a\":1 \"b\":2}",
            "{a:1}",
            "\"\u{1}\"",
            "+1",
            ".5",
            "NaN",
            "tru",
        ];
        for text in refused {
            assert!(parse(text).is_err(), "{text}");
        }
        let twice = parse("{\"a\": 1,\n\"a\": 2}").unwrap_err();
        assert_eq!(
            (twice.at.line, twice.message.as_str()),
            (At::new(2, None).line, "the key `a` stands twice")
        );
        let long = parse(&format!("[1{}x]", "0".repeat(1000))).unwrap_err().message;
        assert!(long.len() < 200, "{long}");
        let deep = "[".repeat(1_000_000);
        assert!(parse(&deep).unwrap_err().message.contains("deeper"));
    }

    proptest! {
        #[test]
        fn numbers_are_read_to_the_last_bit(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            let text = format!("{number:e}");
            prop_assert_eq!(parse(&text).unwrap().value, Value::Number(number));
        }

        #[test]
        fn nothing_makes_it_panic(text in "[\\[\\]{}\":,0-9a-z\\\\é .+-]{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn it_agrees_with_serde_json_on_what_is_json(text in "[\\[\\]{}\":,0-2aet\\\\ .+-]{0,12}") {
            let theirs: Result<serde_json::Value, _> = serde_json::from_str(&text);
            if parse(&text).is_ok() {
                prop_assert!(theirs.is_ok(), "{}", text);
            }
        }
    }
}
