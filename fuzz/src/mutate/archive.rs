//! Zip archives whose entries are stored as they are: `.npz`, and what `torch.save` writes.
//!
//! The writer is our own, since it must be able to lie: entries that lie over each other, sizes that are
//! not there.

use rand::RngExt;

use super::{Dice, bytes, changes, number, odd_text, pick, text};

/// An entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// How often the table names it.
    pub times: usize,
    /// The size that the table claims, where it is another.
    pub size: Option<u32>,
}

pub fn mutated(dice: &mut Dice, mut seed: Vec<u8>, words: &[&str]) -> Vec<u8> {
    let Some(mut entries) = read(&seed).filter(|entries| !entries.is_empty()) else {
        bytes::change(dice, &mut seed, &[]);
        return seed;
    };
    for _ in 0..changes(dice) {
        let at = dice.random_range(0..entries.len());
        let others: Vec<Vec<u8>> = entries.iter().map(|entry| entry.bytes.clone()).collect();
        let entry = &mut entries[at];
        match dice.random_range(0..12) {
            0..5 => bytes::change(dice, &mut entry.bytes, &others),
            5..8 => header(dice, &mut entry.bytes, words),
            8 => entry.name = odd_text(dice, words),
            9 => entry.times = *pick(dice, &[0, 2, 2, 4000]),
            10 => entry.size = Some(number(dice) as u32),
            _ => {
                let copy = entry.clone();
                entries.push(copy);
            }
        }
        if entries.iter().map(|entry| entry.bytes.len()).sum::<usize>() > 1 << 20 {
            break;
        }
    }
    write(&entries)
}

/// Changes the text at the beginning of an array (`{'descr': '<f4', 'shape': (2, 3)}`), and keeps its
/// length right.
fn header(dice: &mut Dice, array: &mut Vec<u8>, words: &[&str]) {
    let length = match array.get(..10) {
        Some([0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, low, high]) => {
            usize::from(u16::from_le_bytes([*low, *high]))
        }
        _ => return bytes::change(dice, array, &[]),
    };
    let Some(old) = array.get(10..10 + length).map(<[u8]>::to_vec) else { return };
    let new = text::mutated(dice, old, words);
    let Ok(length) = u16::try_from(new.len()) else { return };
    array.splice(10..10 + usize::from(u16::from_le_bytes([array[8], array[9]])), new);
    array[8..10].copy_from_slice(&length.to_le_bytes());
}

/// The entries of an archive that does not lie.
pub fn read(bytes: &[u8]) -> Option<Vec<Entry>> {
    let number = |at: usize, size: usize| {
        let found = bytes.get(at..at.checked_add(size)?)?;
        Some(found.iter().rev().fold(0usize, |number, byte| number << 8 | usize::from(*byte)))
    };
    let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let (count, mut at) = (number(end + 10, 2)?, number(end + 16, 4)?);
    let mut entries = Vec::new();
    for _ in 0..count {
        let (size, local) = (number(at + 20, 4)?, number(at + 42, 4)?);
        let (name, extra, comment) =
            (number(at + 28, 2)?, number(at + 30, 2)?, number(at + 32, 2)?);
        let text = String::from_utf8(bytes.get(at + 46..at + 46 + name)?.to_vec()).ok()?;
        let data = local + 30 + number(local + 26, 2)? + number(local + 28, 2)?;
        let bytes = bytes.get(data..data.checked_add(size)?)?.to_vec();
        entries.push(Entry { name: text, bytes, times: 1, size: None });
        at += 46 + name + extra + comment;
    }
    Some(entries)
}

/// An archive.
pub fn write(entries: &[Entry]) -> Vec<u8> {
    let (mut bytes, mut table, mut count) = (Vec::new(), Vec::new(), 0u16);
    for entry in entries {
        let size = entry.size.unwrap_or(entry.bytes.len() as u32).to_le_bytes();
        let name = &entry.name.as_bytes()[..entry.name.len().min(60_000)];
        // From the time on, all but the place of the entry is the same twice.
        let mut shared = vec![0; 4];
        shared.extend(checksum(&entry.bytes).to_le_bytes());
        shared.extend(size);
        shared.extend(size);
        shared.extend((name.len() as u16).to_le_bytes());
        shared.extend([0, 0]);
        let place = bytes.len() as u32;
        bytes.extend(b"PK\x03\x04\x14\0\0\0\0\0");
        bytes.extend(&shared);
        bytes.extend(name);
        bytes.extend(&entry.bytes);
        for _ in 0..entry.times {
            table.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0");
            table.extend(&shared);
            table.extend([0; 10]);
            table.extend(place.to_le_bytes());
            table.extend(name);
            count = count.saturating_add(1);
        }
    }
    let place = bytes.len() as u32;
    let size = table.len() as u32;
    bytes.extend(table);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(place.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

/// CRC-32, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_zip() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_written_is_read() {
        let entry = |name: &str, bytes: &[u8]| Entry {
            name: name.to_owned(),
            bytes: bytes.to_vec(),
            times: 1,
            size: None,
        };
        let found = read(&write(&[entry("a", b"one"), entry("b/c", b"")]));
        let found = found.map(|found| {
            found.into_iter().map(|entry| (entry.name, entry.bytes)).collect::<Vec<_>>()
        });
        assert_eq!(
            found,
            Some(vec![("a".to_owned(), b"one".to_vec()), ("b/c".to_owned(), Vec::new())])
        );
    }
}
