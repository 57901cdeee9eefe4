//! Files that are made to do harm end in a sentence, and soon.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::*;

fn written(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_page_size_limit(1 << 30)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn rows(bytes: &[u8]) -> Result<usize, ParquetFault> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let mut rows = 0;
    for batch in GuardedParquet::open(file)?.batches(|_| true)? {
        rows += batch?.num_rows();
    }
    Ok(rows)
}

/// A varint of Thrift's compact protocol.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A file whose first page header has one more field, of this many bytes.
fn with_field(field: &[u8]) -> Vec<u8> {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let bytes = written(vec![("base", texts)]);
    // The header begins behind the magic: the field goes before its first, with a number of its own.
    [&bytes[..4], field, &bytes[4..]].concat()
}

#[test]
fn a_page_header_that_takes_minutes_is_refused_at_once() {
    // Field 100 (long form), a list of two thousand million elements that take no byte.
    for element in [1, 2, 7, 13] {
        let mut field = vec![0x09];
        field.extend(varint(200));
        field.push(0xf0 | element);
        field.extend(varint(i32::MAX as u64));
        let start = Instant::now();
        let error = rows(&with_field(&field)).unwrap_err().to_string();
        assert!(error.contains("counts do not fit"), "{element}: {error}");
        assert!(start.elapsed() < Duration::from_secs(1), "{element}");
    }
}

#[test]
fn a_footer_that_takes_minutes_is_refused_at_once() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let bytes = written(vec![("base", texts)]);
    let end = bytes.len() - 8;
    let footer = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    let start = end - footer;
    let mut field = vec![0x09];
    field.extend(varint(200));
    field.push(0xf1);
    field.extend(varint(i32::MAX as u64));
    let changed = [&field, &bytes[start..end]].concat();
    let length = u32::try_from(changed.len()).unwrap().to_le_bytes();
    let file = [&bytes[..start], &changed, &length, b"PAR1"].concat();
    let start = Instant::now();
    let error = rows(&file).unwrap_err().to_string();
    assert!(error.contains("counts do not fit"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_text_in_a_dictionary_is_in_memory_once() {
    // 800 MB, if each row had a copy.
    let long = "a".repeat(40 << 20);
    let texts: ArrayRef = Arc::new(StringArray::from(vec![long.as_str(); 20]));
    let bytes = written(vec![("base", texts)]);
    assert!(bytes.len() < 8 << 20, "{}", bytes.len());
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let batches = GuardedParquet::open(file).unwrap().batches(|_| true).unwrap();
    for batch in batches {
        let size = batch.unwrap().get_array_memory_size();
        assert!(size < 60 << 20, "{size}");
    }
}

#[test]
fn every_cut_and_every_byte_ends_in_a_sentence() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "a"]));
    let bytes = written(vec![("base", texts)]);
    assert_eq!(rows(&bytes).unwrap(), 3);
    for at in 0..bytes.len() {
        let _ = rows(&bytes[..at]).unwrap_err();
        for change in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            if let Err(error) = rows(&changed) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}
