//! Files of stacked tensors as one: bytes go from file to file, and no tensor is in memory.
//!
//! What is put together is of stretches of the rows, each with the same tensors; or, where one row's grid was divided, of
//! stretches of the grid, each with tensors of its own. Either way the file is, to the byte, that of a run in one piece.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

/// No header is larger.
const LARGEST: u64 = 100 << 20;

/// A tensor of the whole file, on its way there.
struct Whole {
    name: String,
    dtype: Dtype,
    /// The shape of a row.
    of_row: Vec<usize>,
    rows: usize,
    /// Where its values are, in the order of the rows: the part's number, and a stretch of bytes in its file.
    pieces: Vec<(usize, u64, u64)>,
}

/// Puts files of tensors together, whose rows are so many, with a note.
///
/// # Errors
/// Files that cannot be read; tensors whose rows differ in shape, or are not so many; what cannot be written.
pub fn join(parts: &[PathBuf], rows: usize, path: &Path, notes: String) -> anyhow::Result<()> {
    let mut files = Vec::with_capacity(parts.len());
    let mut wholes: Vec<Whole> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (number, part) in parts.iter().enumerate() {
        let unreadable = || format!("{} cannot be read", part.display());
        let mut file = vene_files::open(part).with_context(unreadable)?;
        for (name, info, start) in tensors(&mut file).with_context(unreadable)? {
            let [here, of_row @ ..] = info.shape.as_slice() else { bail!("{name} has no rows") };
            let place = *places.entry(name.clone()).or_insert_with(|| {
                let (dtype, of_row) = (info.dtype, of_row.to_vec());
                wholes.push(Whole { name, dtype, of_row, rows: 0, pieces: Vec::new() });
                wholes.len() - 1
            });
            let whole = &mut wholes[place];
            ensure!(
                whole.dtype == info.dtype && whole.of_row == of_row && whole.rows + here <= rows,
                "{} of {here} rows from {} on has another number of positions than in the rows before: only rows of \
                 equal numbers of positions make one tensor",
                whole.name,
                whole.rows
            );
            whole.rows += here;
            let bytes = (info.data_offsets.1 - info.data_offsets.0) as u64;
            whole.pieces.push((number, start, bytes));
        }
        files.push(file);
    }
    if let Some(short) = wholes.iter().find(|whole| whole.rows != rows) {
        bail!("{} is there of {} rows, and there are {rows}", short.name, short.rows);
    }
    let tensor =
        |whole: &Whole| (whole.name.clone(), whole.dtype, [&[rows], &whole.of_row[..]].concat());
    let header = header(wholes.iter().map(tensor), Some(notes))?;
    let failed = || format!("cannot write {}", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(failed)?);
    file.write_all(&header).with_context(failed)?;
    for (part, start, bytes) in wholes.iter().flat_map(|whole| &whole.pieces) {
        let from = &mut files[*part];
        from.seek(SeekFrom::Start(*start)).with_context(failed)?;
        let copied = io::copy(&mut from.take(*bytes), &mut file).with_context(failed)?;
        ensure!(copied == *bytes, "{} was cut short while it was read", parts[*part].display());
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error).with_context(failed)?;
    file.sync_all().with_context(failed)
}

/// The tensors of a file in the order in which they lie there, each with where its values begin.
fn tensors(file: &mut File) -> anyhow::Result<Vec<(String, TensorInfo, u64)>> {
    let all = file.metadata()?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    ensure!(length <= LARGEST && length <= all, "its header is longer than the file, or too long");
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header)?;
    let metadata: Metadata = serde_json::from_slice(&header).context("its header is damaged")?;
    let mut tensors: Vec<(String, TensorInfo)> =
        metadata.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let first = 8 + length;
    let end = tensors.last().map_or(0, |(_, info)| info.data_offsets.1) as u64;
    ensure!(first + end == all, "it is not as long as its header says");
    let placed = |(name, info): (String, TensorInfo)| {
        let start = first + info.data_offsets.0 as u64;
        (name, info, start)
    };
    Ok(tensors.into_iter().map(placed).collect())
}

/// The beginning of a file of tensors, which lie in it one after the other: the header's length, and the header.
///
/// # Errors
/// Tensors of one name.
pub fn header(
    tensors: impl Iterator<Item = (String, Dtype, Vec<usize>)>,
    notes: Option<String>,
) -> anyhow::Result<Vec<u8>> {
    let mut at = 0;
    let mut infos = Vec::new();
    for (name, dtype, shape) in tensors {
        let bytes = dtype.bitsize() / 8 * shape.iter().product::<usize>();
        let data_offsets = (at, at + bytes);
        at += bytes;
        infos.push((name, TensorInfo { dtype, shape, data_offsets }));
    }
    let notes = notes.map(|notes| HashMap::from([("vene".to_owned(), notes)]));
    let mut json = serde_json::to_vec(&Metadata::new(notes, infos)?)?;
    // Tensors begin at a multiple of eight.
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.extend(json);
    Ok(header)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    fn file(path: &Path, tensors: &[(&str, Dtype, &[usize], u8)]) {
        let named = |(name, dtype, shape, _): &(&str, Dtype, &[usize], u8)| {
            ((*name).to_owned(), *dtype, shape.to_vec())
        };
        let mut bytes = header(tensors.iter().map(named), None).unwrap();
        for (_, dtype, shape, value) in tensors {
            let count = dtype.bitsize() / 8 * shape.iter().product::<usize>();
            bytes.resize(bytes.len() + count, *value);
        }
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn rows_of_parts_follow_one_another_and_tensors_of_one_part_stand_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        file(&path("a"), &[("lengths", Dtype::I64, &[2, 1], 1), ("x", Dtype::F32, &[2, 3], 2)]);
        file(&path("b"), &[("lengths", Dtype::I64, &[1, 1], 3), ("x", Dtype::F32, &[1, 3], 4)]);
        join(&[path("a"), path("b")], 3, &path("all"), "note".to_owned()).unwrap();
        let bytes = fs::read(path("all")).unwrap();
        let all = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let data = |name: &str| all.tensor(name).unwrap().data().to_vec();
        assert_eq!(data("lengths"), [vec![1; 16], vec![3; 8]].concat());
        assert_eq!(data("x"), [vec![2; 24], vec![4; 12]].concat());
        assert_eq!(all.tensor("x").unwrap().shape(), [3, 3]);
        // Of one row, whose grid was divided.
        file(&path("c"), &[("y", Dtype::F32, &[1, 2], 5)]);
        file(&path("d"), &[("z", Dtype::F32, &[1, 2], 6)]);
        join(&[path("c"), path("d")], 1, &path("grid"), String::new()).unwrap();
        let bytes = fs::read(path("grid")).unwrap();
        let all = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(all.tensor("z").unwrap().data(), [6; 8]);
        assert_eq!(all.names().len(), 2);
    }

    #[test]
    fn what_is_no_part_of_the_whole_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        file(&path("a"), &[("x", Dtype::F32, &[2, 3], 1)]);
        file(&path("wide"), &[("x", Dtype::F32, &[1, 4], 1)]);
        let said = |parts: &[&str], rows: usize| {
            let parts: Vec<PathBuf> = parts.iter().map(|name| path(name)).collect();
            let error = join(&parts, rows, &path("all"), String::new()).unwrap_err();
            format!("{error:#}")
        };
        assert!(said(&["a", "wide"], 3).contains("another number of positions"));
        assert!(said(&["a"], 3).contains("is there of 2 rows, and there are 3"));
        assert!(said(&["a", "a"], 3).contains("from 2 on"));
        assert!(said(&["a", "none"], 3).contains("none cannot be read"));
        let mut bytes = fs::read(path("a")).unwrap();
        bytes.pop();
        fs::write(path("short"), &bytes).unwrap();
        assert!(said(&["short"], 2).contains("not as long as its header says"));
        fs::write(path("long"), u64::MAX.to_le_bytes()).unwrap();
        assert!(said(&["long"], 2).contains("longer than the file"));
    }
}
