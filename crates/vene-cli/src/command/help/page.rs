//! A page of the documentation for a terminal: Markdown without its marks, in lines of a width.
//!
//! It knows what our pages have: headings, paragraphs, lists, tables, code, links and comments.

use unicode_width::UnicodeWidthStr;

/// The page as text, in lines of at most so many columns (code and long words apart).
pub fn plain(markdown: &str, width: usize) -> String {
    let mut page = Page { width, lines: Vec::new() };
    let text = without_comments(markdown);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            page.gap();
        } else if let Some(fence) = fence(line) {
            page.gap();
            for code in lines.by_ref().take_while(|code| code.trim() != fence) {
                page.lines.push(format!("    {code}").trim_end().to_owned());
            }
            page.gap();
        } else if let Some((depth, title)) = heading(trimmed) {
            page.heading(depth, title);
        } else if trimmed.starts_with('|') {
            let mut rows = vec![cells(trimmed)];
            while let Some(row) = lines.next_if(|line| line.trim().starts_with('|')) {
                rows.push(cells(row.trim()));
            }
            page.table(&rows);
        } else {
            let mark = bullet(line);
            let mut text = trimmed.to_owned();
            while let Some(more) = lines.next_if(|line| continues(line)) {
                text.push(' ');
                text.push_str(more.trim());
            }
            let text = inline(&text);
            match mark {
                Some((indent, mark)) => {
                    let rest = text.strip_prefix(mark.trim_end()).unwrap_or(&text).trim_start();
                    let hanging = " ".repeat(indent + mark.len());
                    page.wrapped(&format!("{}{mark}", " ".repeat(indent)), &hanging, rest);
                }
                None => page.wrapped("", "", &text),
            }
        }
    }
    page.text()
}

struct Page {
    width: usize,
    lines: Vec<String>,
}

impl Page {
    /// One empty line, unless there is one.
    fn gap(&mut self) {
        if self.lines.last().is_some_and(|last| !last.is_empty()) {
            self.lines.push(String::new());
        }
    }

    fn heading(&mut self, depth: usize, title: &str) {
        self.gap();
        let title = inline(title);
        self.lines.push(if depth <= 2 { capitals(&title) } else { title });
        self.gap();
    }

    /// A text in lines, the first of which begins with `first`, all others with `other`.
    fn wrapped(&mut self, first: &str, other: &str, text: &str) {
        let mut line = first.to_owned();
        let mut is_begun = false;
        for word in text.split_whitespace() {
            let room = self.width.saturating_sub(line.width());
            if is_begun && word.width() + 1 > room {
                self.lines.push(std::mem::replace(&mut line, other.to_owned()));
                is_begun = false;
            }
            if is_begun {
                line.push(' ');
            }
            line.push_str(word);
            is_begun = true;
        }
        self.lines.push(line.trim_end().to_owned());
    }

    /// A table: in columns where it is narrow enough, else row by row under what its first cell says.
    fn table(&mut self, rows: &[Vec<String>]) {
        let is_rule = |row: &[String]| {
            row.iter().all(|cell| !cell.is_empty() && cell.chars().all(|c| matches!(c, '-' | ':')))
        };
        let Some((titles, rows)) = rows.split_first() else { return };
        let rows: Vec<&Vec<String>> = rows.iter().filter(|row| !is_rule(row)).collect();
        let columns = titles.len();
        let widest = |column: usize| {
            let cells = rows.iter().map(|row| row.get(column)).chain([titles.get(column)]);
            cells.flatten().map(|cell| cell.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(widest).collect();
        self.gap();
        if widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1) <= self.width {
            let has_titles = titles.iter().any(|title| !title.is_empty());
            for row in has_titles.then_some(titles).into_iter().chain(rows.iter().copied()) {
                let padded = row.iter().zip(&widths).map(|(cell, width)| {
                    format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width())))
                });
                self.lines.push(padded.collect::<Vec<_>>().join("  ").trim_end().to_owned());
            }
        } else {
            for row in rows {
                let (first, rest) = row.split_first().map_or(("", &[][..]), |(a, b)| (a, b));
                self.wrapped("", "", first);
                for (cell, title) in
                    rest.iter().zip(&titles[1..]).filter(|(cell, _)| !cell.is_empty())
                {
                    let title = if title.is_empty() { String::new() } else { format!("{title}: ") };
                    self.wrapped("    ", "    ", &format!("{title}{cell}"));
                }
            }
        }
        self.gap();
    }

    fn text(mut self) -> String {
        while self.lines.last().is_some_and(String::is_empty) {
            self.lines.pop();
        }
        self.lines.join("\n") + "\n"
    }
}

fn without_comments(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some(start) = rest.find("<!--") {
        kept.push_str(&rest[..start]);
        rest = rest[start..].find("-->").map_or("", |end| &rest[start + end + 3..]);
    }
    kept + rest
}

/// The backticks that open a block of code.
fn fence(line: &str) -> Option<&str> {
    let line = line.trim();
    let length = line.len() - line.trim_start_matches('`').len();
    (length >= 3 && !line[length..].contains('`')).then(|| &line[..length])
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let depth = line.len() - line.trim_start_matches('#').len();
    let title = line[depth..].strip_prefix(' ')?;
    (1..=6).contains(&depth).then_some((depth, title))
}

/// What begins an item of a list, `- ` or `1. `, and how far it is indented.
fn bullet(line: &str) -> Option<(usize, String)> {
    let text = line.trim_start();
    let indent = line.len() - text.len();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if text.starts_with("- ") || text.starts_with("* ") {
        Some((indent, text[..2].to_owned()))
    } else if digits > 0 && text[digits..].starts_with(". ") {
        Some((indent, text[..digits + 2].to_owned()))
    } else {
        None
    }
}

/// Whether a line belongs to the paragraph or item before it.
fn continues(line: &str) -> bool {
    let trimmed = line.trim();
    !trimmed.is_empty()
        && fence(line).is_none()
        && heading(trimmed).is_none()
        && !trimmed.starts_with('|')
        && bullet(line).is_none()
}

/// The cells of a table's line; `\|` is no border.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim_start_matches('|').trim_end();
    let line = line.strip_suffix('|').unwrap_or(line);
    let line = line.replace("\\|", "\u{0}");
    line.split('|').map(|cell| inline(&cell.replace('\u{0}', "|")).trim().to_owned()).collect()
}

/// In capitals, but for code.
fn capitals(text: &str) -> String {
    let part = |(index, part): (usize, &str)| {
        if index % 2 == 1 { part.to_owned() } else { part.to_uppercase() }
    };
    text.split('`').enumerate().map(part).collect::<Vec<_>>().join("`")
}

/// Text without links, pictures and bold type; code keeps its backticks, and all that is in it.
fn inline(text: &str) -> String {
    let mut plain = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index > 0 {
            plain.push('`');
        }
        let is_code = index % 2 == 1;
        plain.push_str(&if is_code { part.to_owned() } else { part.replace("**", "") });
    }
    without_links(&plain)
}

/// `[text](target)` as `text`, `![text](target)` as nothing.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(middle) = rest.find("](") {
        let Some(end) = rest[middle..].find(')') else { break };
        let Some(start) = opening(&rest[..middle]) else {
            plain.push_str(&rest[..middle + 2]);
            rest = &rest[middle + 2..];
            continue;
        };
        let before = &rest[..start];
        match before.strip_suffix('!') {
            Some(before) => plain.push_str(before),
            None => {
                plain.push_str(before);
                plain.push_str(&rest[start + 1..middle]);
            }
        }
        rest = &rest[middle + end + 1..];
    }
    plain + rest
}

/// The bracket that the end of a text closes.
fn opening(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (place, character) in text.char_indices().rev() {
        match character {
            ']' => depth += 1,
            '[' if depth == 0 => return Some(place),
            '[' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_gone() {
        let page = "# A `t`itle\n\n<!-- a\ncomment -->\nSee [the **page**](x.md#y), `[a](b)` and `**`.\n![p](p.png)\n\n\
                    ```toml plan.toml\n[[edit]]\n# kept\n```\n- one\n  more\n- two\n";
        assert_eq!(
            plain(page, 60),
            "A `t`ITLE\n\nSee the page, `a` and `**`.\n\n    [[edit]]\n    # kept\n\n- one more\n- two\n"
        );
    }

    #[test]
    fn lines_are_as_wide_as_they_may_be() {
        let text = "word ".repeat(40) + "\n\n- " + &"item ".repeat(20);
        let shown = plain(&text, 30);
        assert!(shown.lines().all(|line| line.width() <= 30), "{shown}");
        assert!(shown.contains("\n- item item") && shown.contains("\n  item"), "{shown}");
    }

    #[test]
    fn tables_are_in_columns_or_row_by_row() {
        let table = "| key | what |\n| --- | --- |\n| `a` | one \\| two |\n| `bcd` | |\n";
        assert_eq!(plain(table, 60), "key    what\n`a`    one | two\n`bcd`\n");
        assert_eq!(plain(table, 12), "`a`\n    what:\n    one |\n    two\n`bcd`\n");
    }
}
