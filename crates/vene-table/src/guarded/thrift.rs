//! A walk through Thrift's compact protocol, in which Parquet's footer and page headers are written.
//!
//! The library skips fields that it does not know, and a list among them may claim two thousand
//! million elements that take no byte. The walk takes the same path and refuses such a list.

use std::io::Read;

use super::{ParquetFault, damaged};

/// How deep structs and lists may be nested, as in the library.
const DEEPEST: u8 = 64;

/// Why a walk ended.
pub(super) enum Stop {
    /// The bytes are no Thrift, or too few: the library says so at the same place.
    Broken,
    /// A count that the bytes cannot hold.
    Refused,
}

impl Stop {
    /// What the library would refuse by itself is left to it.
    pub fn allow<T: Default>(self) -> Result<T, ParquetFault> {
        match self {
            Self::Broken => Ok(T::default()),
            Self::Refused => Err(damaged()),
        }
    }
}

type Walked<T> = Result<T, Stop>;

/// What a page's header says.
#[derive(Clone, Copy, Default)]
pub(super) struct PageHeader {
    pub kind: i64,
    pub uncompressed: i64,
    pub compressed: i64,
    /// Values, whatever the kind of page.
    pub values: i64,
    /// Bytes of the header itself.
    pub length: u64,
}

/// The kind of a page that holds a dictionary.
pub(super) const DICTIONARY: i64 = 2;

/// A walk through bytes.
pub(super) struct Walk<R> {
    reader: R,
    /// Bytes that may still come.
    left: u64,
}

impl<R: Read> Walk<R> {
    pub fn new(reader: R, left: u64) -> Self {
        Self { reader, left }
    }

    /// A file's footer.
    pub fn footer(&mut self) -> Walked<()> {
        self.skip(12, DEEPEST)
    }

    /// A page's header.
    pub fn page_header(&mut self) -> Walked<PageHeader> {
        let before = self.left;
        let mut header = PageHeader::default();
        let mut id = 0;
        while let Some((kind, next)) = self.field(id)? {
            id = next;
            // The library reads fields that it knows by their number, whatever kind they claim.
            match id {
                1 => header.kind = self.integer()?,
                2 => header.uncompressed = self.integer()?,
                3 => header.compressed = self.integer()?,
                4 => drop(self.integer()?),
                5 => header.values = self.page_kind(4)?,
                6 => drop(self.page_kind(0)?),
                7 => header.values = self.page_kind(2)?,
                8 => header.values = self.page_kind(6)?,
                _ => self.skip(kind, DEEPEST)?,
            }
        }
        header.length = before - self.left;
        Ok(header)
    }

    /// The header of one kind of page, whose first fields are integers; its number of values.
    fn page_kind(&mut self, integers: i16) -> Walked<i64> {
        let (mut id, mut values) = (0, 0);
        while let Some((kind, next)) = self.field(id)? {
            id = next;
            if (1..=integers).contains(&id) {
                let found = self.integer()?;
                if id == 1 {
                    values = found;
                }
            } else {
                self.skip(kind, DEEPEST)?;
            }
        }
        Ok(values)
    }

    /// The next field's kind and number; `None` where the struct ends.
    fn field(&mut self, last: i16) -> Walked<Option<(u8, i16)>> {
        let byte = self.byte()?;
        if byte & 0xf == 0 {
            return Ok(None);
        }
        let id = match byte >> 4 {
            0 => self.integer()? as i16,
            delta => last.checked_add(i16::from(delta)).ok_or(Stop::Broken)?,
        };
        Ok(Some((byte & 0xf, id)))
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Walked<()> {
        let depth = depth.checked_sub(1).ok_or(Stop::Broken)?;
        match kind {
            1 | 2 => Ok(()),
            3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.bytes(8),
            8 => {
                let length = self.varint()?;
                self.bytes(length)
            }
            9 | 10 => {
                let header = self.byte()?;
                let count = match header >> 4 {
                    15 => self.varint()?,
                    few => u64::from(few),
                };
                self.elements(count, &[header & 0xf], depth)
            }
            11 => {
                let count = self.varint()?;
                if count == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                self.elements(count, &[kinds >> 4, kinds & 0xf], depth)
            }
            12 => {
                while let Some((kind, _)) = self.field(0)? {
                    self.skip(kind, depth)?;
                }
                Ok(())
            }
            13 => self.bytes(16),
            _ => Err(Stop::Broken),
        }
    }

    /// So many elements of a list, or pairs of a map.
    fn elements(&mut self, count: u64, kinds: &[u8], depth: u8) -> Walked<()> {
        // In a list the library takes a truth value for one without a byte.
        let least: u64 = kinds.iter().map(|kind| least_bytes(*kind)).sum();
        let free = kinds.iter().all(|kind| matches!(kind, 1 | 2));
        if (free && count > 0) || count.saturating_mul(least) > self.left {
            return Err(Stop::Refused);
        }
        for _ in 0..count {
            for &kind in kinds {
                self.skip(kind, depth)?;
            }
        }
        Ok(())
    }

    fn integer(&mut self) -> Walked<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn varint(&mut self) -> Walked<u64> {
        let (mut value, mut shift) = (0_u64, 0_u32);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    fn byte(&mut self) -> Walked<u8> {
        let mut byte = [0];
        self.left = self.left.checked_sub(1).ok_or(Stop::Broken)?;
        self.reader.read_exact(&mut byte).map_err(|_| Stop::Broken)?;
        Ok(byte[0])
    }

    fn bytes(&mut self, count: u64) -> Walked<()> {
        self.left = self.left.checked_sub(count).ok_or(Stop::Refused)?;
        let mut skipped = self.reader.by_ref().take(count);
        std::io::copy(&mut skipped, &mut std::io::sink()).map(drop).map_err(|_| Stop::Broken)
    }
}

/// The fewest bytes that an element of a kind takes.
fn least_bytes(kind: u8) -> u64 {
    match kind {
        1 | 2 => 0,
        7 => 8,
        13 => 16,
        _ => 1,
    }
}
