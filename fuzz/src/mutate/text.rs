//! Lines of words, numbers and quoted texts.

use std::ops::Range;

use rand::RngExt;

use super::{Dice, LARGEST, bytes, changes, copies, number_text, odd_text, pick};

pub fn mutated(dice: &mut Dice, seed: Vec<u8>, words: &[&str]) -> Vec<u8> {
    let Ok(mut text) = String::from_utf8(seed) else { return Vec::new() };
    for _ in 0..changes(dice) {
        if text.len() < LARGEST {
            text = change(dice, text, words);
        }
    }
    let mut bytes = text.into_bytes();
    if dice.random_ratio(1, 10) {
        bytes::change(dice, &mut bytes, &[]);
    }
    bytes
}

fn change(dice: &mut Dice, mut text: String, words: &[&str]) -> String {
    let tokens = tokens(&text);
    if tokens.is_empty() {
        return odd_text(dice, words);
    }
    let token = pick(dice, &tokens).clone();
    let old = text[token.clone()].to_owned();
    let is_number = old.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    match dice.random_range(0..12) {
        0..4 if is_number => text.replace_range(token, &number_text(dice)),
        0..2 => text.replace_range(token, &quoted(dice, &old, words)),
        2..4 => {
            // Another token of the same text.
            let other = pick(dice, &tokens).clone();
            let other = text[other].to_owned();
            text.replace_range(token, &other);
        }
        4 => text.replace_range(token, &number_text(dice)),
        5 => text.replace_range(token, ""),
        6 => {
            let times = match dice.random_range(0..10) {
                0 => 1 << dice.random_range(0..14),
                _ => 1,
            };
            text.insert_str(token.end, &old.repeat(copies(times, old.len())));
        }
        7 => {
            let deep = 1 << dice.random_range(0..14);
            let (open, close) = *pick(
                dice,
                &[("[", "]"), ("{a=", "}"), ("{\"a\":", "}"), ("[[", "]]"), ("a.", "")],
            );
            text.replace_range(token, &format!("{}{old}{}", open.repeat(deep), close.repeat(deep)));
        }
        8..11 => text = lines(dice, &text),
        _ => text.replace_range(token, &odd_text(dice, words)),
    }
    text
}

/// Another text in the quotes of the old one.
fn quoted(dice: &mut Dice, old: &str, words: &[&str]) -> String {
    let new = odd_text(dice, words);
    match old.chars().next().filter(|quote| ['"', '\''].contains(quote)) {
        Some(quote) => format!("{quote}{new}{quote}"),
        None => new,
    }
}

/// A line left out, doubled, many times over, or in another place.
fn lines(dice: &mut Dice, text: &str) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let from = dice.random_range(0..lines.len());
    match dice.random_range(0..4) {
        0 => drop(lines.remove(from)),
        1 => lines.insert(from, lines[from]),
        2 => {
            let line = lines.remove(from);
            lines.insert(dice.random_range(0..=lines.len()), line);
        }
        _ => {
            let times = 1 << dice.random_range(0..10);
            let end = (from + dice.random_range(1..6)).min(lines.len());
            let bytes = lines[from..end].iter().map(|line| line.len()).sum();
            let block = lines[from..end].repeat(copies(times, bytes));
            lines.splice(from..end, block);
        }
    }
    lines.concat()
}

/// Words, numbers, quoted texts and signs.
fn tokens(text: &str) -> Vec<Range<usize>> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, first)) = rest.next() {
        let mut end = start + first.len_utf8();
        if first.is_whitespace() {
            continue;
        }
        let quote = ['"', '\''].contains(&first);
        let word = |next: char| next.is_alphanumeric() || "_-.".contains(next);
        while let Some(&(at, next)) = rest.peek() {
            let goes_on = if quote { next != '\n' } else { word(first) && word(next) };
            if !goes_on {
                break;
            }
            rest.next();
            end = at + next.len_utf8();
            if quote && next == first {
                break;
            }
        }
        tokens.push(start..end);
    }
    tokens
}
