//! What `torch.save` writes: a zip archive with a pickled state dict and the bytes of its storages.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use candle_core::{DType, Device, Tensor};
use vene_intervention::ParameterError;
use vene_named::shown;
use zip::ZipArchive;

use super::pickle::{self, Described, Element, LONGEST};

type Result<T> = std::result::Result<T, String>;

/// The tensors of a state dict by name, floats in their own precision (those of 16 bits in 32).
pub(super) fn state_dict(
    path: &Path,
) -> std::result::Result<BTreeMap<String, Tensor>, ParameterError> {
    tensors(path).map_err(|reason| ParameterError::file(path, reason))
}

fn tensors(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let failed = |error: std::io::Error| error.to_string();
    let file = vene_model::opened::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| {
        format!("it is no zip archive, as torch.save has written since PyTorch 1.6: {error}")
    })?;
    let root = archive
        .file_names()
        .find_map(|name| Some(name.ok()?.strip_suffix("/data.pkl")?.to_owned()));
    let root = root.ok_or("there is no data.pkl in it: it was not written by torch.save")?;
    let mut storages = Storages {
        archive,
        root,
        left: length,
        read: HashMap::new(),
        made: HashMap::new(),
        elements_left: length,
    };
    if storages.entry("byteorder", 16).is_ok_and(|order| order != b"little") {
        return Err("its numbers are not little-endian".to_owned());
    }
    let pickle = storages.entry("data.pkl", LONGEST)?;
    let mut tensors = BTreeMap::new();
    for (name, described) in
        pickle::read(&pickle).map_err(|reason| format!("data.pkl: {reason}"))?
    {
        let tensor = storages
            .tensor(&described)
            .map_err(|reason| format!("`{}`: {reason}", shown(&name)))?;
        if tensors.insert(name.to_string(), tensor).is_some() {
            return Err(format!("`{name}` stands in it twice"));
        }
    }
    Ok(tensors)
}

struct Storages {
    archive: ZipArchive<BufReader<File>>,
    root: String,
    /// Bytes that may still be read: entries of one archive can lie over each other, and together
    /// claim far more than the file has.
    left: u64,
    read: HashMap<Rc<str>, Rc<Vec<u8>>>,
    /// Tensors that were made already: parameters that are tied are the same twice.
    made: HashMap<Described, Tensor>,
    /// Bytes of storages that tensors may still be made of: thousands of them can share one storage.
    elements_left: u64,
}

impl Storages {
    /// An entry of at most so many bytes.
    fn entry(&mut self, name: &str, most: u64) -> Result<Vec<u8>> {
        let full = format!("{}/{name}", self.root);
        let entry = self.archive.by_name(&full).map_err(|error| format!("{name}: {error}"))?;
        let size = entry.size();
        if size > most || size > self.left {
            return Err(format!("{name} claims {size} bytes, more than there can be"));
        }
        self.left -= size;
        let mut bytes = Vec::with_capacity(size as usize);
        entry.take(size + 1).read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
        match bytes.len() as u64 == size {
            true => Ok(bytes),
            false => Err(format!("{name} is cut short")),
        }
    }

    fn storage(&mut self, key: &Rc<str>, bytes: u64) -> Result<Rc<Vec<u8>>> {
        let storage = match self.read.get(key) {
            Some(storage) => storage.clone(),
            None => {
                let storage = Rc::new(self.entry(&format!("data/{key}"), bytes)?);
                self.read.insert(key.clone(), storage.clone());
                storage
            }
        };
        match storage.len() as u64 == bytes {
            true => Ok(storage),
            false => {
                Err(format!("its storage has {} bytes, and {bytes} are claimed", storage.len()))
            }
        }
    }

    fn tensor(&mut self, described: &Described) -> Result<Tensor> {
        if let Some(tensor) = self.made.get(described) {
            return Ok(tensor.clone());
        }
        let tensor = self.make(described)?;
        self.made.insert(described.clone(), tensor.clone());
        Ok(tensor)
    }

    fn make(&mut self, described: &Described) -> Result<Tensor> {
        let Described { storage, offset, shape, strides } = described;
        let size = match storage.element {
            Element::F16 | Element::BF16 => 2,
            Element::F32 => 4,
            Element::F64 | Element::I64 => 8,
        };
        let bytes = (storage.count as u64).checked_mul(size).ok_or("its storage is too large")?;
        let data = self.storage(&storage.key, bytes)?;
        let places = places(*offset, shape, strides, storage.count)?;
        let taken = places.len() as u64 * size;
        self.elements_left = self.elements_left.checked_sub(taken).ok_or(
            "with it the tensors have more elements than their storages: too many share one",
        )?;
        let (size, dtype, meant) = match storage.element {
            Element::F16 => (2, DType::F16, DType::F32),
            Element::BF16 => (2, DType::BF16, DType::F32),
            Element::F32 => (4, DType::F32, DType::F32),
            Element::F64 => (8, DType::F64, DType::F64),
            Element::I64 => (8, DType::I64, DType::I64),
        };
        let elements = places.iter().flat_map(|place| &data[place * size..(place + 1) * size]);
        let elements: Vec<u8> = elements.copied().collect();
        Tensor::from_raw_buffer(&elements, dtype, shape, &Device::Cpu)
            .and_then(|tensor| tensor.to_dtype(meant))
            .map_err(|error| error.to_string())
    }
}

/// Where in its storage each element of a tensor lies, row by row, every place within `count`.
fn places(offset: usize, shape: &[usize], strides: &[usize], count: usize) -> Result<Vec<usize>> {
    if shape.len() != strides.len() || shape.len() > 4 {
        return Err(format!("has the shape {shape:?} and the strides {strides:?}"));
    }
    let too_large = || format!("its shape {shape:?} takes more than its storage of {count}");
    let elements = shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
    let elements = elements.filter(|&elements| elements <= count).ok_or_else(too_large)?;
    if elements == 0 {
        return Ok(Vec::new());
    }
    let reach = shape.iter().zip(strides).try_fold(offset, |reach, (&extent, &stride)| {
        reach.checked_add((extent - 1).checked_mul(stride)?)
    });
    reach.filter(|&reach| reach < count).ok_or_else(too_large)?;
    let mut places = vec![offset];
    for (&extent, &stride) in shape.iter().zip(strides) {
        places = places
            .iter()
            .flat_map(|&place| (0..extent).map(move |index| place + index * stride))
            .collect();
    }
    Ok(places)
}

/// Whether it holds floats.
pub(super) fn is_float(tensor: &Tensor) -> bool {
    matches!(tensor.dtype(), DType::F32 | DType::F64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn elements_are_found_by_their_strides() {
        assert_eq!(places(1, &[2, 3], &[3, 1], 7).unwrap(), [1, 2, 3, 4, 5, 6]);
        // Column by column, as products of reflections lie.
        assert_eq!(places(0, &[2, 3], &[1, 2], 6).unwrap(), [0, 2, 4, 1, 3, 5]);
        assert_eq!(places(3, &[], &[], 4).unwrap(), [3]);
        assert_eq!(places(0, &[0, 3], &[3, 1], 1).unwrap(), [] as [usize; 0]);
    }

    #[test]
    fn elements_past_the_storage_are_refused() {
        let huge = usize::MAX;
        for (offset, shape, strides, count) in [
            (1, vec![2, 3], vec![3, 1], 6),
            (0, vec![2, 3], vec![4, 1], 6),
            (0, vec![huge, huge], vec![1, 1], 6),
            (0, vec![2], vec![huge], 6),
            (huge, vec![2], vec![1], 6),
            // One element that claims to be a million.
            (0, vec![1_000_000], vec![0], 1),
            (0, vec![2, 2], vec![1], 6),
        ] {
            assert!(places(offset, &shape, &strides, count).is_err(), "{shape:?} {strides:?}");
        }
    }

    /// An archive with `data.pkl` and one storage.
    fn archive(pickle: &[u8], storage: &[u8]) -> std::path::PathBuf {
        use std::io::Write;
        let (file, path) = tempfile::NamedTempFile::new().unwrap().keep().unwrap();
        let mut writer = zip::ZipWriter::new(file);
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        for (name, bytes) in [("a/data.pkl", pickle), ("a/data/0", storage)] {
            writer.start_file(name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap();
        path
    }

    /// A state dict of views of one storage of 1024 floats, each by its offset and length.
    fn views(views: impl IntoIterator<Item = (u16, u16)>) -> Vec<u8> {
        let mut bytes = b"\x80\x02ccollections\nOrderedDict\n)R(".to_vec();
        for (index, (offset, length)) in views.into_iter().enumerate() {
            bytes.extend(b"X\x04\0\0\0");
            bytes.extend(format!("{index:04}").bytes());
            bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage");
            bytes.extend(b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuM\0\x04tQ");
            bytes.push(b'M');
            bytes.extend(offset.to_le_bytes());
            bytes.push(b'M');
            bytes.extend(length.to_le_bytes());
            bytes.extend(b"\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR");
        }
        bytes.extend(b"u.");
        bytes
    }

    fn read(pickle: &[u8]) -> std::result::Result<usize, String> {
        let path = archive(pickle, &[0; 4 * 1024]);
        let read = state_dict(&path).map(|tensors| tensors.len());
        std::fs::remove_file(path).unwrap();
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn tensors_that_share_a_storage_are_no_more_than_it_holds() {
        // Tied parameters are one tensor; parts are views.
        assert_eq!(read(&views((0..500).map(|_| (0, 1024)))), Ok(500));
        assert_eq!(read(&views((0..4).map(|part| (part * 256, 256)))), Ok(4));
        // Two megabytes of four kilobytes.
        let error = read(&views((0..500).map(|offset| (offset, 1000 - offset)))).unwrap_err();
        assert!(error.contains("more elements than their storages"), "{error}");
    }
}
