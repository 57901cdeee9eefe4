//! Named tensors over bytes that stay where they are: in mapped files, in the program itself, or in the memory of
//! whoever lends them.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use crate::dequantise::dequantise;
use crate::element::listed;
use crate::lent::Lent;
use crate::mapped::Mapped;
use crate::watched::Watched;
use crate::{CheckpointError, Element, StoredTensor};

/// How many weights a thread turns into `f32` at a time: a whole number of blocks of every format.
const CHUNK: usize = 1 << 15;

/// The bytes of one weights file.
#[derive(Debug)]
pub(crate) struct WeightsFile {
    /// What errors call it.
    pub name: String,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mapped),
    Embedded(&'static [u8]),
    Owned(Vec<u8>),
    Lent(Lent),
    /// An empty file cannot be mapped.
    Empty,
}

impl WeightsFile {
    pub fn map(path: &Path) -> Result<Self, CheckpointError> {
        let file = vene_files::open(path).map_err(|e| CheckpointError::read(path, e))?;
        let watched = Watched::new(path, &file)?;
        let bytes = if watched.bytes() == 0 {
            Bytes::Empty
        } else {
            Bytes::Mapped(Mapped::new(path, file, watched)?)
        };
        Ok(Self { name: path.display().to_string(), bytes })
    }

    /// Those of one tensor, lent by their owner.
    pub fn lent(name: &str, lent: Lent) -> Self {
        Self { name: name.to_owned(), bytes: Bytes::Lent(lent) }
    }

    /// Whether the bytes are those that were opened.
    ///
    /// # Errors
    /// They were written to since.
    pub fn check_unchanged(&self) -> Result<(), CheckpointError> {
        match &self.bytes {
            Bytes::Mapped(map) => map.watched().check(),
            Bytes::Lent(lent) => lent.check(&self.name),
            Bytes::Embedded(_) | Bytes::Owned(_) | Bytes::Empty => Ok(()),
        }
    }

    /// Whether the bytes belong to somebody who may write to them.
    pub fn is_lent(&self) -> bool {
        matches!(self.bytes, Bytes::Lent(_))
    }

    /// The file as it was when it was opened, where it is one.
    pub fn watched(&self) -> Option<&Watched> {
        match &self.bytes {
            Bytes::Mapped(map) => Some(map.watched()),
            _ => None,
        }
    }

    pub fn embedded(name: &str, bytes: &'static [u8]) -> Self {
        Self { name: name.to_owned(), bytes: Bytes::Embedded(bytes) }
    }

    pub fn owned(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.to_owned(), bytes: Bytes::Owned(bytes) }
    }

    fn release(&self) {
        if let Bytes::Mapped(map) = &self.bytes {
            map.release();
        }
    }

    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map) => map,
            Bytes::Embedded(bytes) => bytes,
            Bytes::Owned(bytes) => bytes,
            Bytes::Lent(lent) => lent.bytes(),
            Bytes::Empty => &[],
        }
    }
}

/// Where a tensor's bytes are, and what they mean. The file formats make these; the length of
/// `range` has been checked against the shape and the file.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub name: String,
    pub shape: Vec<usize>,
    /// The format, or the name of one that cannot be read: such a tensor is refused when it is
    /// asked for, since old checkpoints carry masks of integers that no model reads.
    pub element: Result<Element, String>,
    pub range: Range<usize>,
}

#[derive(Debug)]
struct Entry {
    stored: Stored,
    file: Arc<WeightsFile>,
}

/// A checkpoint's weights. Cheap to clone: the bytes are shared.
#[derive(Debug, Clone)]
pub struct Tensors {
    entries: Arc<Vec<Entry>>,
    by_name: Arc<HashMap<String, usize>>,
    files: Vec<Arc<WeightsFile>>,
}

impl Tensors {
    /// Joins the tensors of several files.
    ///
    /// # Errors
    /// A name that occurs twice.
    pub(crate) fn join(parts: Vec<(WeightsFile, Vec<Stored>)>) -> Result<Self, CheckpointError> {
        let mut entries = Vec::new();
        let mut by_name = HashMap::new();
        let mut files = Vec::new();
        for (file, tensors) in parts {
            let file = Arc::new(file);
            for stored in tensors {
                if let Some(earlier) = by_name.insert(stored.name.clone(), entries.len()) {
                    let earlier: Option<&Entry> = entries.get(earlier);
                    let other = earlier.map(|entry| entry.file.name.as_str());
                    let problem = match other.filter(|other| *other != file.name) {
                        Some(other) => format!(
                            "tensor `{}` is here and in {other}, and only one of them can be the model's: take it out of the wrong file",
                            stored.name
                        ),
                        None => format!("tensor `{}` occurs twice", stored.name),
                    };
                    return Err(CheckpointError::malformed(&file.name, problem));
                }
                entries.push(Entry { stored, file: Arc::clone(&file) });
            }
            files.push(file);
        }
        Ok(Self { entries: Arc::new(entries), by_name: Arc::new(by_name), files })
    }

    /// The files that hold the weights, in the order in which they are hashed.
    pub(crate) fn files(&self) -> &[Arc<WeightsFile>] {
        &self.files
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(*self.by_name.get(name)?)
    }

    /// The names of all tensors, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.stored.name.as_str())
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// A tensor's shape, row-major (`[out, in]` for a projection), also where the file stores
    /// axes in the opposite order, as GGUF does.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        Some(&self.entry(name)?.stored.shape)
    }

    /// How a tensor is stored; `None` where it is absent or its format cannot be read.
    pub fn element(&self, name: &str) -> Option<Element> {
        self.entry(name)?.stored.element.as_ref().ok().copied()
    }

    /// A tensor's bytes as they are stored.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        let Entry { stored, file } = self.entry(name)?;
        file.bytes().get(stored.range.clone())
    }

    /// Reads a tensor, row-major, dequantised, with the threads of rayon's current pool.
    ///
    /// # Errors
    /// The tensor is absent, has another shape, is stored in a format that cannot be read, or
    /// holds NaN or an infinity (also one that a 64-bit number became when narrowed).
    pub fn read_f32(
        &self,
        name: &str,
        expected_shape: &[usize],
    ) -> Result<Vec<f32>, CheckpointError> {
        let (element, bytes, file) = self.found(name, expected_shape)?;
        let elements = bytes.len() / element.block_bytes() * element.block_len();
        // Zeroed memory comes from the system untouched, so that its pages are first written,
        // and paid for, by the threads below.
        let mut weights = vec![0f32; elements];
        let chunk_bytes = CHUNK / element.block_len() * element.block_bytes();
        let not_finite = weights
            .par_chunks_mut(CHUNK)
            .zip(bytes.par_chunks(chunk_bytes))
            .enumerate()
            .filter_map(|(chunk, (weights, bytes))| {
                dequantise(element, bytes, weights);
                if all_finite(weights) {
                    return None;
                }
                let within = weights.iter().position(|weight| !weight.is_finite())?;
                Some(chunk * CHUNK + within)
            })
            .min();
        match not_finite {
            None => Ok(weights),
            Some(index) => Err(CheckpointError::NotFinite {
                file: file.to_owned(),
                tensor: name.to_owned(),
                value: weights.get(index).copied().unwrap_or(f32::NAN),
                index,
            }),
        }
    }

    /// A tensor as it is stored, where it takes less memory so than as `f32`; `None` where it does not.
    ///
    /// # Errors
    /// As [`Tensors::read_f32`].
    pub fn read_stored(
        &self,
        name: &str,
        expected_shape: &[usize],
    ) -> Result<Option<StoredTensor>, CheckpointError> {
        let (element, bytes, _) = self.found(name, expected_shape)?;
        if matches!(element, Element::F32 | Element::F64) {
            return Ok(None);
        }
        let block_bytes = element.block_bytes();
        let is_finite = bytes.par_chunks(CHUNK * block_bytes).all(|chunk| {
            let mut blocks = chunk.chunks_exact(block_bytes);
            blocks.all(|block| element.is_finite(block))
        });
        if !is_finite {
            // Which one it is, in the words of the other way.
            self.read_f32(name, expected_shape)?;
        }
        Ok(Some(StoredTensor { element, bytes: bytes.to_vec(), shape: expected_shape.to_vec() }))
    }

    /// The bytes of a tensor of bytes.
    pub(crate) fn raw_bytes(&self, name: &str, shape: &[usize]) -> Result<&[u8], CheckpointError> {
        let Entry { stored, file } = self.of_shape(name, shape)?;
        let is_bytes = matches!(&stored.element, Err(found) if found == "U8");
        let count: usize = shape.iter().product();
        let bytes = file.bytes().get(stored.range.clone());
        match bytes.filter(|bytes| is_bytes && bytes.len() == count) {
            Some(bytes) => Ok(bytes),
            None => Err(CheckpointError::UnsupportedElement {
                file: file.name.clone(),
                tensor: name.to_owned(),
                found: match &stored.element {
                    Ok(element) => element.to_string(),
                    Err(found) => found.clone(),
                },
                supported: "U8".to_owned(),
            }),
        }
    }

    /// A tensor that must be there, in this shape.
    fn of_shape(&self, name: &str, expected_shape: &[usize]) -> Result<&Entry, CheckpointError> {
        let Some(entry) = self.entry(name) else {
            return Err(self.unknown(name));
        };
        if entry.stored.shape != expected_shape {
            return Err(CheckpointError::Shape {
                file: entry.file.name.clone(),
                tensor: name.to_owned(),
                found: entry.stored.shape.clone(),
                expected: expected_shape.to_vec(),
            });
        }
        Ok(entry)
    }

    /// A tensor's format and bytes, and the name of its file.
    fn found(
        &self,
        name: &str,
        expected_shape: &[usize],
    ) -> Result<(Element, &[u8], &str), CheckpointError> {
        let Entry { stored, file } = self.of_shape(name, expected_shape)?;
        let element =
            stored.element.clone().map_err(|found| CheckpointError::UnsupportedElement {
                file: file.name.clone(),
                tensor: name.to_owned(),
                found,
                supported: listed(&Element::SAFETENSORS),
            })?;
        let bytes = file
            .bytes()
            .get(stored.range.clone())
            .filter(|bytes| element.bytes_of(&stored.shape) == Some(bytes.len()))
            .ok_or_else(|| {
                CheckpointError::malformed(
                    &file.name,
                    format!("tensor `{name}` does not lie within the file"),
                )
            })?;
        Ok((element, bytes, &file.name))
    }

    /// Says that what was read so far will hardly be read again: the memory that the mapped files
    /// take goes back to the system.
    pub fn release(&self) {
        self.files.iter().for_each(|file| file.release());
    }

    fn unknown(&self, name: &str) -> CheckpointError {
        let file = match self.files.as_slice() {
            [one] => one.name.clone(),
            [first, ..] if first.is_lent() => first.name.clone(),
            [first, ..] => format!("{} (and its other shards)", first.name),
            [] => "the checkpoint".to_owned(),
        };
        // Most often a prefix is there or missing: show a name with the same ending.
        let ending = |text: &str| {
            let mut parts = text.rsplit('.');
            (parts.next().map(str::to_owned), parts.next().map(str::to_owned))
        };
        let wanted = ending(name);
        let near =
            self.names().find(|other| ending(other) == wanted).or_else(|| self.names().next());
        CheckpointError::UnknownTensor {
            file,
            tensor: name.to_owned(),
            hint: near.map_or_else(
                || ": it has none at all".to_owned(),
                |near| format!(" among its {} (there is `{near}`)", self.entries.len()),
            ),
        }
    }
}

/// Branch-free over the whole chunk, so that it costs little beside the conversion.
fn all_finite(weights: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    !weights.iter().fold(false, |any, w| any | (w.to_bits() & EXPONENT == EXPONENT))
}
