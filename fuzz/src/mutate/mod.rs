//! Inputs made of other inputs: a few changes each, most of them small, so that a reader gets past its
//! first check and meets the lie further in.

mod archive;
mod bytes;
mod gguf;
mod safetensors;
mod text;
mod tree;

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

pub use gguf::{small as small_gguf, with_tokenizer};

/// Where changes come from: the same seed makes the same inputs.
pub type Dice = Xoshiro256PlusPlus;

/// How inputs of a reader look, so that they can be changed where it hurts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// No form is known. Parquet keeps what matters at its end.
    Bytes,
    /// Lines of words, numbers and quoted texts: TOML, CSV, rows of JSON.
    Text,
    /// JSON.
    Json,
    /// A length, a JSON header of tensors, and their data.
    Safetensors,
    /// Numbers and texts, each text after its length.
    Gguf,
    /// A zip archive of arrays or pickles.
    Archive,
}

/// No input is larger, in bytes.
const LARGEST: usize = 1 << 20;

/// A changed input. `words` are keys and values that mean something to the reader.
pub fn mutated(dice: &mut Dice, seeds: &[Vec<u8>], form: Form, words: &[&str]) -> Vec<u8> {
    let seed = pick(dice, seeds).clone();
    // Now and then without any understanding.
    let form = if dice.random_ratio(1, 12) { Form::Bytes } else { form };
    let mut input = match form {
        Form::Bytes => bytes::mutated(dice, seed, seeds),
        Form::Text => text::mutated(dice, seed, words),
        Form::Json => tree::mutated(dice, seed, words),
        Form::Safetensors => safetensors::mutated(dice, seed, words),
        Form::Gguf => gguf::mutated(dice, seed, words),
        Form::Archive => archive::mutated(dice, seed, words),
    };
    // What is large may take much.
    input.truncate(LARGEST);
    input
}

fn pick<'a, T>(dice: &mut Dice, items: &'a [T]) -> &'a T {
    &items[dice.random_range(0..items.len())]
}

/// How many changes: mostly one or two.
fn changes(dice: &mut Dice) -> usize {
    match dice.random_range(0..10) {
        0..5 => 1,
        5..8 => 2,
        8 => 4,
        _ => dice.random_range(1..12),
    }
}

/// How many copies there may be of so many bytes, `times` at most: copies of copies grow without end.
fn copies(times: usize, bytes: usize) -> usize {
    times.min(LARGEST / bytes.max(1)).max(1)
}

/// A whole number at which things break.
fn number(dice: &mut Dice) -> u64 {
    match dice.random_range(0..6) {
        0 => dice.random_range(0..8),
        1 => 1 << dice.random_range(0..64),
        2 => (1u64 << dice.random_range(0..64)).wrapping_sub(1),
        3 => u64::MAX - dice.random_range(0..40),
        4 => dice.random_range(0..1 << 20),
        _ => dice.random(),
    }
}

/// A number as a text, in every way in which one can be written.
fn number_text(dice: &mut Dice) -> String {
    const ODD: [&str; 16] = [
        "-0",
        "-1",
        "1e400",
        "-1e400",
        "1e-400",
        "0.1",
        "1e16",
        "NaN",
        "nan",
        "inf",
        "-inf",
        "0x7f",
        "1_000",
        "99999999999999999999999999999999999999999",
        "-9223372036854775808",
        "4294967296",
    ];
    match dice.random_range(0..4) {
        0 => (*pick(dice, &ODD)).to_owned(),
        1 => format!("{:?}", f64::from_bits(dice.random())),
        _ => number(dice).to_string(),
    }
}

/// A text at which things break; some are long.
fn odd_text(dice: &mut Dice, words: &[&str]) -> String {
    const ODD: [&str; 18] = [
        "",
        " ",
        "\0",
        "\n",
        "\u{feff}",
        "\u{202e}",
        "é",
        "▁",
        "Ġ",
        "𝄞",
        "..",
        "/",
        "../../../etc/passwd",
        "/dev/zero",
        "0..16777216",
        "0..18446744073709551615",
        "[0,1]",
        "\u{1b}[31m",
    ];
    let text = match (dice.random_range(0..4), words.is_empty()) {
        (0 | 1, false) => (*pick(dice, words)).to_owned(),
        (2, _) => number_text(dice),
        _ => (*pick(dice, &ODD)).to_owned(),
    };
    match dice.random_range(0..24) {
        0 => text.repeat(dice.random_range(0..300)),
        1 => text.repeat(1 << dice.random_range(0..14)),
        _ => text,
    }
}

/// A value for an option of the command.
pub fn argument(dice: &mut Dice) -> String {
    const LISTS: [&str; 24] = [
        "0..3",
        "..",
        "0..4294967296",
        "-1",
        "0,0",
        "3..1",
        "0..=3",
        "last",
        "all",
        "aligned",
        "subject",
        "0..18446744073709551615",
        "-9223372036854775808",
        "mlp_output,mlp_output",
        "block_output",
        "1G",
        "0",
        "9999999999G",
        "-1M",
        "1e3",
        "16E",
        "k",
        "",
        "@",
    ];
    if dice.random() {
        (*pick(dice, &LISTS)).to_owned()
    } else {
        odd_text(dice, &["embedded", "resample", "both", "total"])
    }
}

/// The same bytes with some of them changed.
pub fn damaged(dice: &mut Dice, bytes: Vec<u8>) -> Vec<u8> {
    bytes::mutated(dice, bytes, &[])
}
