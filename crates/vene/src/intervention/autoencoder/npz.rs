//! NumPy's `.npz`: a zip archive of stored `.npy` arrays.
//!
//! Such files come from strangers: every length in them is checked against the bytes that are there
//! before anything is allocated.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::path::Path;

use candle_core::{Device, Tensor};
use zip::ZipArchive;

use crate::intervention::ParameterError;

/// A header of a few numbers is at most a few hundred bytes long.
const LONGEST_HEADER: usize = 1 << 16;

/// The arrays by name.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Tensor>, ParameterError> {
    let wrong = |reason: String| ParameterError::file(path, reason);
    let file = vene_files::open(path).map_err(|error| wrong(error.to_string()))?;
    let length = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
    let mut archive = ZipArchive::new(BufReader::new(file))
        .map_err(|error| wrong(format!("is no .npz file: {error}")))?;
    let mut arrays = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| wrong(error.to_string()))?;
        let name = entry.name().map_err(|error| wrong(error.to_string()))?;
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        let array = array(&mut entry, length)
            .map_err(|reason| wrong(format!("array `{name}`: {reason}")))?;
        arrays.insert(name, array);
    }
    Ok(arrays)
}

/// One array, that cannot have more bytes than its archive.
fn array(reader: &mut impl Read, archive: u64) -> Result<Tensor, String> {
    let Header { double, shape } = header(reader)?;
    let size = if double { 8 } else { 4 };
    let bytes = shape
        .iter()
        .try_fold(size, |product: usize, &extent| product.checked_mul(extent))
        .filter(|&bytes| bytes as u64 <= archive)
        .ok_or_else(|| format!("its shape {shape:?} takes more bytes than the file has"))?;
    let mut data = Vec::with_capacity(bytes);
    // One byte more would be too much.
    let read = reader.take(bytes as u64 + 1).read_to_end(&mut data);
    read.map_err(|error| error.to_string())?;
    if data.len() != bytes {
        return Err(format!("its shape {shape:?} takes {bytes} bytes, and not so many are there"));
    }
    let tensor = match double {
        true => Tensor::from_vec(numbers(&data, f64::from_le_bytes), shape, &Device::Cpu),
        false => Tensor::from_vec(numbers(&data, f32::from_le_bytes), shape, &Device::Cpu),
    };
    tensor.map_err(|error| error.to_string())
}

fn numbers<T, const SIZE: usize>(data: &[u8], number: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    data.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
}

#[derive(Debug, PartialEq)]
struct Header {
    double: bool,
    shape: Vec<usize>,
}

/// The bytes before an array's data: a magic string, a version, a length, and a Python dictionary
/// with the keys `descr`, `fortran_order` and `shape` (NumPy Enhancement Proposal 1).
fn header(reader: &mut impl Read) -> Result<Header, String> {
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(|_| "is cut short".to_owned())?;
    let length = match start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => {
            let mut length = [0; 2];
            reader.read_exact(&mut length).map(|()| usize::from(u16::from_le_bytes(length)))
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _] => {
            let mut length = [0; 4];
            reader.read_exact(&mut length).map(|()| u32::from_le_bytes(length) as usize)
        }
        _ => return Err("is no NumPy array of version 1 to 3".to_owned()),
    };
    let length = length.map_err(|_| "is cut short".to_owned())?;
    if length > LONGEST_HEADER {
        return Err(format!("claims a header of {length} bytes"));
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).map_err(|_| "is cut short".to_owned())?;
    parse(&String::from_utf8_lossy(&text))
}

/// The dictionary, as NumPy writes it.
fn parse(text: &str) -> Result<Header, String> {
    let value = |key: &str| {
        let (_, after) = text.split_once(&format!("'{key}':"))?;
        Some(after.trim_start())
    };
    let missing = |key: &str| format!("its header has no `{key}`: {}", text.trim());
    let descr = value("descr").ok_or_else(|| missing("descr"))?;
    let double = if descr.starts_with("'<f4'") {
        false
    } else if descr.starts_with("'<f8'") {
        true
    } else {
        return Err(format!(
            "holds something else than little-endian floats of 32 or 64 bits: {}",
            text.trim()
        ));
    };
    if !value("fortran_order").ok_or_else(|| missing("fortran_order"))?.starts_with("False") {
        return Err("is stored column by column; expected row by row".to_owned());
    }
    let shape = value("shape").and_then(|value| value.strip_prefix('(')?.split_once(')'));
    let (shape, _) = shape.ok_or_else(|| missing("shape"))?;
    let extents = shape.split(',').map(str::trim).filter(|extent| !extent.is_empty());
    let shape = extents
        .map(|extent| extent.parse().map_err(|_| format!("has the shape ({shape})")))
        .collect::<Result<_, _>>()?;
    Ok(Header { double, shape })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    fn npy(dictionary: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((dictionary.len() as u16).to_le_bytes());
        bytes.extend(dictionary.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn read_one(array: &[u8]) -> Result<Tensor, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("params.npz");
        let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        archive.start_file("a.npy", options).unwrap();
        archive.write_all(array).unwrap();
        archive.finish().unwrap();
        read(&path).map(|mut arrays| arrays.remove("a").unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn arrays_of_floats_are_read() {
        let data: Vec<u8> = [1.5f32, -2.0].into_iter().flat_map(f32::to_le_bytes).collect();
        let dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
        assert_eq!(
            read_one(&npy(dictionary, &data)).unwrap().to_vec1::<f32>().unwrap(),
            [1.5, -2.0]
        );
        let dictionary = "{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n";
        let scalar = read_one(&npy(dictionary, &0.25f64.to_le_bytes())).unwrap();
        assert_eq!(scalar.to_scalar::<f64>().unwrap(), 0.25);
    }

    #[test]
    fn hostile_arrays_are_refused() {
        let refused = |dictionary: &str, data: &[u8], reason: &str| {
            let error = read_one(&npy(dictionary, data)).unwrap_err();
            assert!(error.contains(reason), "{error}");
        };
        let shape = |shape: &str| {
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}")
        };
        refused(&shape("4294967296, 4294967296, 4"), &[0; 8], "more bytes than the file has");
        refused(&shape("1000000000000,"), &[0; 8], "more bytes than the file has");
        refused(&shape("3,"), &[0; 8], "not so many are there");
        refused(&shape("1,"), &[0; 8], "not so many are there");
        refused(&shape("-1,"), &[0; 8], "has the shape");
        refused(&shape("2,").replace("False", "True"), &[0; 8], "column by column");
        refused(&shape("2,").replace("<f4", ">f4"), &[0; 8], "something else");
        refused(&shape("2,").replace("<f4", "|O"), &[0; 8], "something else");
        refused("{}", &[], "has no `descr`");
        assert!(
            read_one(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").unwrap_err().contains("claims a header")
        );
        assert!(read_one(b"\x93NUM").unwrap_err().contains("cut short"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("params.npz");
        std::fs::write(&path, b"PK\x03\x04 nothing").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("is no .npz file"));
    }
}
