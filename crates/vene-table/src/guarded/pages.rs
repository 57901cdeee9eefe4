//! The headers of all pages of a row group, looked at before any page is read.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};

use parquet::file::metadata::RowGroupMetaData;

use super::thrift::{DICTIONARY, PageHeader, Stop, Walk};
use super::{MOST_BYTES, ParquetFault, damaged};

/// Values of one page at most: rows of nothing but missing values take no bytes in a file.
const MOST_VALUES: i64 = 1 << 26;

/// What the pages of a row group take, uncompressed.
#[derive(Default)]
pub(super) struct Sizes {
    /// A dictionary and the largest page of each column, which are in memory at once.
    pub together: u64,
    /// The largest page.
    pub largest: u64,
}

/// Walks from page to page, as the library would.
pub(super) fn look_at(
    file: &mut File,
    length: u64,
    group: &RowGroupMetaData,
) -> Result<Sizes, ParquetFault> {
    let (mut sizes, mut stored) = (Sizes::default(), 0_u64);
    for column in group.columns() {
        // A negative offset makes the library panic.
        let (start, size) = vene_files::guarded(|| column.byte_range()).map_err(|_| damaged())?;
        stored = stored.saturating_add(size);
        if start > length || size > length - start || stored > length {
            return Err(damaged());
        }
        let (dictionary, largest) = pages(file, start, size, length)?;
        sizes.together = sizes.together.saturating_add(dictionary).saturating_add(largest);
        sizes.largest = sizes.largest.max(dictionary).max(largest);
    }
    Ok(sizes)
}

/// The sizes of a column's dictionary and of its largest other page.
fn pages(file: &mut File, start: u64, size: u64, length: u64) -> Result<(u64, u64), ParquetFault> {
    let unreadable = |error: std::io::Error| ParquetFault::Damaged(error.to_string());
    file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
    let mut reader = BufReader::new(file);
    let (mut left, mut at) = (size, start);
    let (mut dictionary, mut largest) = (0, 0);
    while left > 0 {
        let walked = Walk::new(&mut reader, length - at).page_header();
        let header = match walked {
            Ok(header) => header,
            Err(Stop::Broken) => break,
            Err(Stop::Refused) => return Err(damaged()),
        };
        let PageHeader { kind, uncompressed, compressed, values, length: header } = header;
        let (Ok(stored), Ok(bytes)) = (u64::try_from(compressed), u64::try_from(uncompressed))
        else {
            return Err(damaged());
        };
        if header > left || stored > left - header || !(0..=MOST_VALUES).contains(&values) {
            return Err(damaged());
        }
        if bytes > MOST_BYTES {
            return Err(ParquetFault::TooLarge { bytes, most: MOST_BYTES });
        }
        if kind == DICTIONARY {
            dictionary = bytes.max(dictionary);
        } else {
            largest = bytes.max(largest);
        }
        (left, at) = (left - header - stored, at + header + stored);
        reader.seek_relative(stored as i64).map_err(unreadable)?;
    }
    Ok((dictionary, largest))
}
