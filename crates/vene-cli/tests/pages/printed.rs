//! What a page shows beside what a command printed.
//!
//! Two things may differ: what depends on the machine or the moment ([`MACHINE`]), and numbers with a decimal point, by one
//! in the last place or a thousandth of the number (processors with other instructions round otherwise, and a training adds
//! that up). A line `...` on the page stands for any lines.

use std::sync::LazyLock;

use regex::Regex;

/// What depends on the machine or the moment, and the word that is put in its place on both sides.
const MACHINE: [(&str, &str); 4] = [
    (r"\b\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?(\.\d+)?Z?)?", "DATE"),
    (r"\b\d+(\.\d+)? ?(h|min|s|ms|µs)\b( \d+(\.\d+)? ?(min|s)\b)?", "DURATION"),
    (r"\b\d+(\.\d+)? ?(kB|KB|MB|GB|KiB|MiB|GiB)(/s)?", "SIZE"),
    (r"\b[0-9a-f]{32,}\b", "HASH"),
];

/// Says where the two part.
pub fn compare(shown: &[String], printed: &str) -> Result<(), String> {
    let printed: Vec<&str> = printed.lines().collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    if matches(trimmed(&shown), trimmed(&printed)) {
        return Ok(());
    }
    let (shown, printed) = (shown.join("\n"), printed.join("\n"));
    Err(format!("the page shows\n{shown}\nand the command prints\n{printed}"))
}

/// Without empty lines at the end.
fn trimmed<'a>(mut lines: &'a [&'a str]) -> &'a [&'a str] {
    while let [rest @ .., last] = lines
        && last.trim().is_empty()
    {
        lines = rest;
    }
    lines
}

fn matches(shown: &[&str], printed: &[&str]) -> bool {
    match shown {
        [] => printed.is_empty(),
        [line, rest @ ..] if line.trim() == "..." => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        [line, rest @ ..] => {
            let [first, others @ ..] = printed else { return false };
            same(line, first) && matches(rest, others)
        }
    }
}

/// Whether two lines say the same.
fn same(shown: &str, printed: &str) -> bool {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d+(\.\d+)?").unwrap());
    let (shown, printed) = (anywhere(shown), anywhere(printed));
    if shown == printed {
        return true;
    }
    // The width of a column may be that of a number that differs.
    let words = |line: &str| {
        let text = NUMBER.replace_all(line, "0");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let numbers = |line: &str| -> Vec<String> {
        NUMBER.find_iter(line).map(|number| number.as_str().to_owned()).collect()
    };
    let (ours, theirs) = (numbers(&shown), numbers(&printed));
    words(&shown) == words(&printed)
        && ours.len() == theirs.len()
        && ours.iter().zip(&theirs).all(|(ours, theirs)| close(ours, theirs))
}

/// Whether two numbers differ by no more than rounding; whole numbers are counts.
fn close(shown: &str, printed: &str) -> bool {
    let places = |number: &str| number.split_once('.').map_or(0, |(_, places)| places.len());
    if places(shown) == 0 || places(printed) == 0 {
        return shown == printed;
    }
    let value = |number: &str| number.parse::<f64>().unwrap_or(f64::NAN);
    let last_place = 1.01 * 0.1_f64.powi(places(shown) as i32);
    let (shown, printed) = (value(shown), value(printed));
    (shown - printed).abs() <= last_place.max(1e-3 * shown.abs())
}

fn anywhere(line: &str) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        MACHINE.iter().map(|(pattern, word)| (Regex::new(pattern).unwrap(), *word)).collect()
    });
    let start = line.trim_end().to_owned();
    PATTERNS
        .iter()
        .fold(start, |line, (pattern, word)| pattern.replace_all(&line, *word).into_owned())
}

#[test]
fn only_what_may_differ_differs() {
    let same = |shown: &str, printed: &str| {
        compare(&shown.lines().map(str::to_owned).collect::<Vec<_>>(), printed).is_ok()
    };
    assert!(same("a 0.123 in 1.5 s, 20 MB", "a 0.124 in 12 s, 1.2 GB\n"));
    assert!(same("first\n...\nlast", "first\nany\nother\nlast\n"));
    assert!(same("a 0.47248305932", "a 0.472483100"));
    assert!(!same("a 0.123", "a 0.125"));
    assert!(!same("12 rows", "13 rows"));
    assert!(!same("a", "a\nb"));
    assert!(!same("first\n...\nlast", "first\nany\n"));
    assert!(!same(" Madrid 0.5", " Rome 0.5"));
}
