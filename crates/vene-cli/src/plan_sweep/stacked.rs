//! Stacked tensors of rows, in safetensors: of a batch, and of all batches as one file that is never whole in memory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensors};
use vene::plan_sweep::Collected;

/// Writes what a batch collected, a tensor for each site.
pub fn write(collected: &Collected, path: &Path) -> anyhow::Result<()> {
    let shapes = (0..collected.sites.len()).map(|site| collected.shape(site));
    let names = collected.sites.iter().map(|site| site.name.clone());
    let header = header(names.zip(shapes).collect(), None)?;
    vene_files::write_atomically(path, |file| -> anyhow::Result<()> {
        file.write_all(&header)?;
        for values in &collected.values {
            for row in values {
                for value in &row.values {
                    file.write_all(&value.to_le_bytes())?;
                }
            }
        }
        Ok(())
    })
    .with_context(|| format!("cannot write {}", path.display()))
}

/// Files of tensors of stretches of the rows, of so many together, as one file with a note.
pub fn join(parts: &[PathBuf], rows: usize, path: &Path, notes: String) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let mut file: Option<BufWriter<File>> = None;
    // For each tensor where its rows begin in the file, and how many bytes each row has.
    let mut places: Vec<(String, u64, usize)> = Vec::new();
    let mut before = 0;
    for from in parts {
        let unreadable = || format!("{} cannot be read", from.display());
        let bytes = vene_files::read(from, u64::MAX).with_context(unreadable)?;
        let part = SafeTensors::deserialize(&bytes).with_context(unreadable)?;
        let mut names: Vec<&str> = part.names();
        let order =
            |name: &&str| part.tensor(name).map_or(0, |tensor| tensor.data().as_ptr() as usize);
        names.sort_by_key(order);
        if file.is_none() {
            let shape = |name: &&str| -> anyhow::Result<(String, Vec<usize>)> {
                let mut shape = part.tensor(name)?.shape().to_vec();
                ensure!(!shape.is_empty(), "{name} has no rows");
                shape[0] = rows;
                Ok(((*name).to_owned(), shape))
            };
            let shapes: Vec<(String, Vec<usize>)> =
                names.iter().map(shape).collect::<Result<_, _>>()?;
            let header = header(shapes.clone(), Some(notes.clone()))?;
            let mut at = header.len() as u64;
            for (name, shape) in shapes {
                let of_row = 4 * shape[1..].iter().product::<usize>();
                places.push((name, at, of_row));
                at += (rows * of_row) as u64;
            }
            let mut new = BufWriter::new(File::create(path).with_context(failed)?);
            new.write_all(&header).with_context(failed)?;
            file = Some(new);
        }
        let Some(file) = &mut file else { continue };
        let mut here = 0;
        for (name, at, of_row) in &places {
            let tensor = part.tensor(name).with_context(unreadable)?;
            here = tensor.shape().first().copied().unwrap_or(0);
            ensure!(
                tensor.data().len() == here * of_row && before + here <= rows,
                "{name} of {here} rows from {before} on has another number of positions than in the rows before: only \
                 rows of equal numbers of positions make one tensor"
            );
            let start = at + (before * of_row) as u64;
            file.seek(SeekFrom::Start(start)).with_context(failed)?;
            file.write_all(tensor.data()).with_context(failed)?;
        }
        before += here;
    }
    if let Some(mut file) = file {
        file.flush().with_context(failed)?;
        file.get_ref().sync_all().with_context(failed)?;
    }
    Ok(())
}

/// The beginning of a file of 32-bit floats: the header's length, and the header.
fn header(tensors: Vec<(String, Vec<usize>)>, notes: Option<String>) -> anyhow::Result<Vec<u8>> {
    let mut at = 0;
    let mut infos = Vec::with_capacity(tensors.len());
    for (name, shape) in tensors {
        let bytes = 4 * shape.iter().product::<usize>();
        let data_offsets = (at, at + bytes);
        at += bytes;
        infos.push((name, TensorInfo { dtype: Dtype::F32, shape, data_offsets }));
    }
    let notes = notes.map(|notes| HashMap::from([("vene".to_owned(), notes)]));
    let mut json = serde_json::to_vec(&Metadata::new(notes, infos)?)?;
    // Tensors begin at a multiple of eight.
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.extend(json);
    Ok(header)
}
