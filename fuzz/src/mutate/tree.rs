//! JSON as a tree.

use rand::RngExt;
use serde_json::{Map, Value, json};

use super::{Dice, changes, number, odd_text, pick, text};

/// Values of a tree at most: changes that copy parts of it make one many times as large, one after the other.
const MOST: usize = 1 << 16;

pub fn mutated(dice: &mut Dice, seed: Vec<u8>, words: &[&str]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(&seed) else {
        return text::mutated(dice, seed, words);
    };
    for _ in 0..changes(dice) {
        if count(&value) < MOST {
            change(dice, &mut value, words);
        }
    }
    let bytes = value.to_string().into_bytes();
    // What a tree cannot say: keys that stand twice, numbers of any length, damaged texts.
    if dice.random_ratio(1, 6) { text::mutated(dice, bytes, words) } else { bytes }
}

/// One change of a tree.
pub fn change(dice: &mut Dice, value: &mut Value, words: &[&str]) {
    let other = nth(value, dice.random_range(0..count(value))).clone();
    let at = dice.random_range(0..count(value));
    let node = nth_mut(value, at);
    match dice.random_range(0..10) {
        0..4 => *node = leaf(dice, node, words),
        4 => *node = other,
        5 => {
            let depth = 1 << dice.random_range(0..8);
            for _ in 0..depth {
                let inner = node.take();
                *node = if dice.random() { json!([inner]) } else { json!({ "a": inner }) };
            }
        }
        _ => inside(dice, node, other, words),
    }
}

/// Another value in the place of a leaf.
fn leaf(dice: &mut Dice, old: &Value, words: &[&str]) -> Value {
    match (dice.random_range(0..8), old) {
        (0..3, Value::Number(old)) => {
            let old = old.as_i64().unwrap_or(0);
            let near = [
                old.wrapping_add(1),
                old.wrapping_sub(1),
                old.wrapping_mul(2),
                -old.max(-i64::MAX),
                old / 2,
            ];
            json!(*pick(dice, &near))
        }
        (0..5, Value::Number(_)) | (0, _) => json!(number(dice)),
        (1, _) => json!(f64::from_bits(dice.random())),
        (2, _) => json!(dice.random::<bool>()),
        (3, _) => Value::Null,
        (4, _) => json!(-(number(dice) as i64).saturating_abs()),
        _ => json!(odd_text(dice, words)),
    }
}

/// A change of a list or a table; of anything else, another leaf.
fn inside(dice: &mut Dice, node: &mut Value, other: Value, words: &[&str]) {
    let times = if dice.random_ratio(1, 12) { 1 << dice.random_range(0..13) } else { 1 };
    match node {
        Value::Array(items) if !items.is_empty() => {
            let at = dice.random_range(0..items.len());
            match dice.random_range(0..3) {
                0 => drop(items.remove(at)),
                1 => items.swap(0, at),
                _ => {
                    let item = if dice.random() { items[at].clone() } else { other };
                    let times = fitting(times, &item);
                    items.splice(at..at, vec![item; times]);
                }
            }
        }
        Value::Object(entries) if !entries.is_empty() => {
            let keys: Vec<String> = entries.keys().cloned().collect();
            let key = pick(dice, &keys).clone();
            match dice.random_range(0..4) {
                0 => drop(entries.remove(&key)),
                1 => rename(entries, &key, odd_text(dice, words)),
                2 if times > 1 => {
                    let more = (0..fitting(times, &other))
                        .map(|index| (format!("{key}{index}"), other.clone()));
                    let more: Vec<_> = more.collect();
                    entries.extend(more);
                }
                _ => {
                    let value = if dice.random() { other } else { leaf(dice, &Value::Null, words) };
                    entries.insert(odd_text(dice, words), value);
                }
            }
        }
        node => *node = leaf(dice, node, words),
    }
}

/// How many copies there may be of a value, so many at most.
fn fitting(times: usize, value: &Value) -> usize {
    times.min(MOST / count(value)).max(1)
}

fn rename(entries: &mut Map<String, Value>, from: &str, to: String) {
    if let Some(value) = entries.remove(from) {
        entries.insert(to, value);
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(entries) => Box::new(entries.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// How many values there are in all.
fn count(value: &Value) -> usize {
    1 + children(value).map(count).sum::<usize>()
}

/// The value with this number, counted from the outermost.
fn nth(value: &Value, index: usize) -> &Value {
    let Some(mut left) = index.checked_sub(1) else { return value };
    for child in children(value) {
        let size = count(child);
        if left < size {
            return nth(child, left);
        }
        left -= size;
    }
    value
}

fn nth_mut(value: &mut Value, index: usize) -> &mut Value {
    let Some(mut left) = index.checked_sub(1) else { return value };
    let mut found = None;
    for (place, child) in children(value).enumerate() {
        let size = count(child);
        if left < size {
            found = Some(place);
            break;
        }
        left -= size;
    }
    let Some(place) = found else { return value };
    match value {
        Value::Array(items) => nth_mut(&mut items[place], left),
        Value::Object(entries) => match entries.values_mut().nth(place) {
            Some(child) => nth_mut(child, left),
            None => unreachable!("it was counted"),
        },
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// Eleven changes may copy what the one before copied.
    #[test]
    fn trees_do_not_grow_without_end() {
        let seed = json!({"a": [1, 2, {"b": [3, 4]}], "c": {"d": [[5]]}}).to_string();
        for number in 0..20_000 {
            let mut dice = Dice::seed_from_u64(number);
            let found = mutated(&mut dice, seed.clone().into_bytes(), &["a", "b"]);
            assert!(found.len() < 64 << 20, "{number}: {} bytes", found.len());
        }
    }
}
