//! Safetensors: eight bytes of length, a JSON header, data.

use rand::RngExt;
use serde_json::Value;

use super::{Dice, bytes, changes, number, tree};

pub fn mutated(dice: &mut Dice, mut seed: Vec<u8>, words: &[&str]) -> Vec<u8> {
    let Some((mut header, mut data)) = parts(&seed) else {
        bytes::change(dice, &mut seed, &[]);
        return seed;
    };
    for _ in 0..changes(dice) {
        match dice.random_range(0..4) {
            0 => bytes::change(dice, &mut data, &[]),
            _ => tree::change(dice, &mut header, words),
        }
    }
    let header = header.to_string().into_bytes();
    let length = if dice.random_ratio(1, 12) { number(dice) } else { header.len() as u64 };
    [length.to_le_bytes().as_slice(), &header, &data].concat()
}

fn parts(bytes: &[u8]) -> Option<(Value, Vec<u8>)> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (header, data) =
        rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((serde_json::from_slice(header).ok()?, data.to_vec()))
}
