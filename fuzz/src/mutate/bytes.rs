//! Bytes without a known form.

use rand::RngExt;

use super::{Dice, changes, copies, number, pick};

pub fn mutated(dice: &mut Dice, mut bytes: Vec<u8>, others: &[Vec<u8>]) -> Vec<u8> {
    for _ in 0..changes(dice) {
        change(dice, &mut bytes, others);
    }
    bytes
}

/// One change.
pub fn change(dice: &mut Dice, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    if bytes.is_empty() {
        bytes.push(dice.random());
        return;
    }
    let at = place(dice, bytes.len());
    let end = (at + 1 + dice.random_range(0..40)).min(bytes.len());
    match dice.random_range(0..10) {
        0..2 => bytes[at] ^= 1 << dice.random_range(0..8),
        2 => bytes[at] = dice.random(),
        3..5 => {
            let number = number(dice);
            let number = if dice.random() { number.to_le_bytes() } else { number.to_be_bytes() };
            let size = *pick(dice, &[1, 2, 4, 8]);
            bytes.iter_mut().skip(at).zip(&number[..size]).for_each(|(old, new)| *old = *new);
        }
        5 => bytes[at..end].fill(*pick(dice, &[0, 0xff, 0x7f, 0x80, b'{', b'"'])),
        6 => bytes.truncate(at),
        7 => drop(bytes.drain(at..end)),
        8 => {
            let piece = bytes[at..end].to_vec();
            let times = if dice.random_ratio(1, 30) { dice.random_range(1..2000) } else { 1 };
            bytes.splice(at..at, piece.repeat(copies(times, piece.len())));
        }
        _ => {
            // The end of another one.
            let other = others.get(dice.random_range(0..others.len().max(1)));
            if let Some(other) = other.filter(|other| !other.is_empty()) {
                let from = dice.random_range(0..other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
        }
    }
}

/// A place: often near the end, where archives and Parquet keep their tables, or near the beginning.
fn place(dice: &mut Dice, length: usize) -> usize {
    let within = dice.random_range(0..length.min(600));
    match dice.random_range(0..4) {
        0 => within,
        1 => length - 1 - within,
        _ => dice.random_range(0..length),
    }
}
