//! NumPy's `.npz`: a zip archive of stored `.npy` arrays.
//!
//! Such files come from strangers: every length in them is checked against the bytes that are there
//! before anything is allocated.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::path::Path;

use candle_core::{Device, Tensor};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::ParameterError;

/// A header of a few numbers is at most a few hundred bytes long.
const LONGEST_HEADER: usize = 1 << 16;

/// The arrays by name.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Tensor>, ParameterError> {
    let wrong = |reason: String| ParameterError::file(path, reason);
    let file = vene_model::opened::open(path).map_err(|error| wrong(error.to_string()))?;
    let length = file.metadata().map_err(|error| wrong(error.to_string()))?.len();
    let mut archive = ZipArchive::new(BufReader::new(file))
        .map_err(|error| wrong(format!("is no .npz file: {}", in_words(&error))))?;
    let mut arrays = BTreeMap::new();
    // Arrays are stored as they are, but entries of one archive can lie over each other, and together
    // claim far more than the file has.
    let mut left = length;
    for index in 0..archive.len() {
        let numbered = |error| wrong(format!("entry {index}: {}", in_words(&error)));
        let mut entry = archive.by_index(index).map_err(numbered)?;
        let name =
            entry.name().map_err(|_| wrong(format!("entry {index}: its name is no text")))?;
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        let array = array(&mut entry, &mut left)
            .map_err(|reason| wrong(format!("array `{name}`: {reason}")))?;
        if arrays.insert(name.clone(), array).is_some() {
            return Err(wrong(format!("array `{name}` is in it twice")));
        }
    }
    Ok(arrays)
}

/// What the zip library says, in words of our own: its own are for those who write it.
fn in_words(error: &ZipError) -> String {
    match error {
        ZipError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            error.to_string()
        }
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            "it is compressed or encrypted in a way that is not read; expected what numpy.savez writes"
                .to_owned()
        }
        _ => "it is damaged, or cut short: expected a whole zip archive, as numpy.savez writes it"
            .to_owned(),
    }
}

/// One array, that cannot have more bytes than are left of its archive.
fn array(reader: &mut impl Read, left: &mut u64) -> Result<Tensor, String> {
    let Header { double, shape } = header(reader)?;
    let size = if double { 8 } else { 4 };
    let bytes = shape
        .iter()
        .try_fold(size, |product: usize, &extent| product.checked_mul(extent))
        .filter(|&bytes| bytes as u64 <= *left)
        .ok_or_else(|| format!("its shape {shape:?} takes more bytes than the file has"))?;
    *left -= bytes as u64;
    let mut data = Vec::with_capacity(bytes);
    // One byte more would be too much.
    let read = reader.take(bytes as u64 + 1).read_to_end(&mut data);
    read.map_err(|error| format!("it is damaged, or cut short: {error}"))?;
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

    /// An archive of stored entries, each a name and the place of the array that it claims to be.
    fn overlapping(array: &[u8], names: &[String]) -> Vec<u8> {
        let header = |name: &str| {
            let mut bytes = vec![0; 22];
            bytes[10..14].copy_from_slice(&crc32(array).to_le_bytes());
            bytes[14..18].copy_from_slice(&(array.len() as u32).to_le_bytes());
            bytes[18..22].copy_from_slice(&(array.len() as u32).to_le_bytes());
            bytes.extend((name.len() as u16).to_le_bytes());
            bytes.extend([0, 0]);
            bytes
        };
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.extend(&header(&names[0])[..]);
        bytes.extend(names[0].as_bytes());
        bytes.extend(array);
        let start = bytes.len() as u32;
        for name in names {
            bytes.extend(b"PK\x01\x02\x14\x00");
            bytes.extend(&header(name)[..]);
            bytes.extend([0; 14]);
            bytes.extend(name.as_bytes());
        }
        let size = bytes.len() as u32 - start;
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend((names.len() as u16).to_le_bytes());
        bytes.extend((names.len() as u16).to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(start.to_le_bytes());
        bytes.extend([0, 0]);
        bytes
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }

    #[test]
    fn entries_that_lie_over_each_other_are_refused() {
        let dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (65536,), }";
        let array = npy(dictionary, &[0; 1 << 18]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("params.npz");
        let names = |count: usize| (0..count).map(|i| format!("a{i:04}.npy")).collect::<Vec<_>>();
        std::fs::write(&path, overlapping(&array, &names(1))).unwrap();
        assert_eq!(read(&path).unwrap()["a0000"].dims(), [65536]);
        std::fs::write(&path, overlapping(&array, &names(4000))).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("array `a0001`: its shape [65536] takes more bytes"), "{error}");
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

    #[test]
    fn a_file_that_is_cut_short_says_so_in_words() {
        let dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (64,), }";
        let whole = overlapping(&npy(dictionary, &[0; 256]), &["a.npy".to_owned()]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("params.npz");
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.ends_with("as numpy.savez writes it"), "{length}: {error}");
            assert!(!error.contains("::") && !error.contains("Zip"), "{length}: {error}");
        }
    }
}
