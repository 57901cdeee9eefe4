//! Little-endian reading that never passes the end, and tells where it would have.

use super::Value;
use crate::CheckpointError;
use crate::gguf::Array;

/// A position in a file's bytes.
pub(super) struct Cursor<'a> {
    file: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(file: &'a str, bytes: &'a [u8]) -> Self {
        Self { file, bytes, at: 0 }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    pub fn error(&self, problem: impl Into<String>) -> CheckpointError {
        CheckpointError::malformed(self.file, problem)
    }

    /// The error that something is not there in full: mostly a download that was broken off.
    pub fn cut_short(&self, problem: &str) -> CheckpointError {
        self.error(format!("is cut short, or damaged: {problem}; download or copy it again"))
    }

    fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8], CheckpointError> {
        let taken =
            self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end)).ok_or_else(
                || {
                    self.cut_short(&format!(
                        "{what} needs {len} bytes at byte {}, and {} are left",
                        self.at,
                        self.remaining()
                    ))
                },
            )?;
        self.at += len;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self, what: &str) -> Result<[u8; N], CheckpointError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N, what)?);
        Ok(bytes)
    }

    pub fn u32(&mut self, what: &str) -> Result<u32, CheckpointError> {
        self.fixed(what).map(u32::from_le_bytes)
    }

    pub fn u64(&mut self, what: &str) -> Result<u64, CheckpointError> {
        self.fixed(what).map(u64::from_le_bytes)
    }

    /// A count of things of at least `bytes_each` bytes, checked against what is left, so that
    /// nothing can be allocated that the file is too short to fill.
    pub fn count(&mut self, what: &str, bytes_each: usize) -> Result<usize, CheckpointError> {
        let count = self.u64(what)?;
        usize::try_from(count)
            .ok()
            .filter(|&n| n.checked_mul(bytes_each).is_some_and(|b| b <= self.remaining()))
            .ok_or_else(|| {
                self.cut_short(&format!(
                    "it claims {what} of {count}, more than its {} remaining bytes can hold",
                    self.remaining()
                ))
            })
    }

    pub fn string(&mut self, what: &str) -> Result<String, CheckpointError> {
        let len = self.count(&format!("a length of {what}"), 1)?;
        let bytes = self.take(len, what)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(self.error(format!("{what} is not UTF-8: {error}"))),
        }
    }

    /// A value of one of GGUF's types.
    pub fn value(&mut self, kind: u32, what: &str) -> Result<Value, CheckpointError> {
        Ok(match kind {
            0 => Value::U8(u8::from_le_bytes(self.fixed(what)?)),
            1 => Value::I8(i8::from_le_bytes(self.fixed(what)?)),
            2 => Value::U16(u16::from_le_bytes(self.fixed(what)?)),
            3 => Value::I16(i16::from_le_bytes(self.fixed(what)?)),
            4 => Value::U32(self.u32(what)?),
            5 => Value::I32(i32::from_le_bytes(self.fixed(what)?)),
            6 => Value::F32(f32::from_le_bytes(self.fixed(what)?)),
            7 => Value::Bool(self.truth(what)?),
            8 => Value::String(self.string(what)?),
            9 => Value::Array(self.array(what)?),
            10 => Value::U64(self.u64(what)?),
            11 => Value::I64(i64::from_le_bytes(self.fixed(what)?)),
            12 => Value::F64(f64::from_le_bytes(self.fixed(what)?)),
            other => {
                return Err(
                    self.error(format!("{what} has value type {other}; GGUF knows types 0 to 12"))
                );
            }
        })
    }

    fn truth(&mut self, what: &str) -> Result<bool, CheckpointError> {
        match self.fixed::<1>(what)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => {
                Err(self.error(format!("{what} is a truth value of {other}, neither 0 nor 1")))
            }
        }
    }

    fn array(&mut self, what: &str) -> Result<Array, CheckpointError> {
        let kind = self.u32(what)?;
        Ok(match kind {
            0 => Array::U8(self.numbers(what, u8::from_le_bytes)?),
            1 => Array::I8(self.numbers(what, i8::from_le_bytes)?),
            2 => Array::U16(self.numbers(what, u16::from_le_bytes)?),
            3 => Array::I16(self.numbers(what, i16::from_le_bytes)?),
            4 => Array::U32(self.numbers(what, u32::from_le_bytes)?),
            5 => Array::I32(self.numbers(what, i32::from_le_bytes)?),
            6 => Array::F32(self.numbers(what, f32::from_le_bytes)?),
            7 => {
                let count = self.count(what, 1)?;
                Array::Bool((0..count).map(|_| self.truth(what)).collect::<Result<_, _>>()?)
            }
            8 => {
                // A string is at least its length of eight bytes.
                let count = self.count(what, 8)?;
                Array::String((0..count).map(|_| self.string(what)).collect::<Result<_, _>>()?)
            }
            10 => Array::U64(self.numbers(what, u64::from_le_bytes)?),
            11 => Array::I64(self.numbers(what, i64::from_le_bytes)?),
            12 => Array::F64(self.numbers(what, f64::from_le_bytes)?),
            9 => {
                return Err(
                    self.error(format!("{what} is an array of arrays, which no model uses"))
                );
            }
            other => {
                return Err(self.error(format!(
                    "{what} is an array of value type {other}; GGUF knows types 0 to 12"
                )));
            }
        })
    }

    fn numbers<T, const N: usize>(
        &mut self,
        what: &str,
        decode: fn([u8; N]) -> T,
    ) -> Result<Vec<T>, CheckpointError> {
        let count = self.count(what, N)?;
        let bytes = self.take(count * N, what)?;
        let (chunks, _) = bytes.as_chunks::<N>();
        Ok(chunks.iter().copied().map(decode).collect())
    }
}
