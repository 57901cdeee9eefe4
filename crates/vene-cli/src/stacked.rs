//! Stacked tensors on their way into a file: one for each site, a row of it for each prompt.
//!
//! Values go into a temporary file, in their places, as they come; so memory holds one batch, whatever the number of rows.
//! The ending of the file's name says what it becomes: safetensors, or NumPy's `.npz`, or of one tensor `.npy`.

mod join;

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail, ensure};
use safetensors::Dtype;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::folder::OutputFile;
use crate::interrupt;
pub use join::{header, join};

/// What a file of tensors is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Safetensors,
    Npz,
    /// One tensor.
    Npy,
}

/// The endings that files of tensors may have.
pub const ENDINGS: [&str; 3] = ["safetensors", "npz", "npy"];

impl Format {
    /// That of a file's name.
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some(ending) if ending.eq_ignore_ascii_case("npz") => Self::Npz,
            Some(ending) if ending.eq_ignore_ascii_case("npy") => Self::Npy,
            _ => Self::Safetensors,
        }
    }
}

/// A tensor of 32-bit floats: `[rows, ...]`.
#[derive(Clone, Debug)]
pub struct Stack {
    /// What it is called: `mlp_output/3`.
    pub name: String,
    /// The shape of a row: `[positions, width]`, or `[heads, queries, keys]`.
    pub of_row: Vec<usize>,
}

impl Stack {
    fn shape(&self, rows: usize) -> Vec<usize> {
        [&[rows], &self.of_row[..]].concat()
    }

    /// Bytes of a row.
    fn bytes(&self) -> u64 {
        4 * self.of_row.iter().product::<usize>() as u64
    }

    /// Puts values of this shape in their places in a row: `[positions, width]` from the position `first` on, or a pattern
    /// `[heads, queries, keys]`. `put` is given each stretch with where it begins.
    ///
    /// # Errors
    /// Values that do not fit there; what `put` says.
    pub fn place(
        &self,
        first: usize,
        shape: &[usize],
        values: &[f32],
        put: &mut dyn FnMut(usize, &[f32]) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let fits = match (shape, &self.of_row[..]) {
            (&[positions, width], &[most, all]) => width == all && first + positions <= most,
            (&[heads, queries, keys], &[all, most, widest]) => {
                heads == all && queries <= most && keys <= widest
            }
            _ => false,
        };
        ensure!(fits, "{}: values of shape {shape:?} are no row of {:?}", self.name, self.of_row);
        let done = match (shape, &self.of_row[..]) {
            (&[heads, queries, keys], &[_, most, widest]) => (0..heads).try_for_each(|head| {
                (0..queries).try_for_each(|query| {
                    let from = (head * queries + query) * keys;
                    put((head * most + query) * widest, &values[from..from + keys])
                })
            }),
            (_, &[_, width]) => put(first * width, values),
            _ => Ok(()),
        };
        done.context("cannot write what was collected")
    }
}

/// Tensors that are being written.
pub struct Stacked {
    stacks: Vec<Stack>,
    rows: usize,
    /// For each row how many of its positions are values, where others are padding.
    lengths: Option<Vec<Vec<usize>>>,
    file: BufWriter<File>,
    /// Goes with the process, however it ends.
    folder: Arc<Mutex<Option<TempDir>>>,
    _when_stopped: interrupt::WhenStopped,
}

impl Stacked {
    /// Tensors of so many rows, to become a file in this folder. All values are 0 until they are written.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn new(
        folder: &Path,
        stacks: Vec<Stack>,
        rows: usize,
        lengths: Option<Vec<Vec<usize>>>,
    ) -> anyhow::Result<Self> {
        let failed = || format!("cannot write into {}", folder.display());
        let temporary = vene_files::temporary_folder(folder).with_context(failed)?;
        let path = temporary.path().join("values");
        let file = File::options().read(true).write(true).create_new(true).open(path);
        let file = file.with_context(failed)?;
        let bytes: u64 = stacks.iter().map(|stack| stack.bytes() * rows as u64).sum();
        file.set_len(bytes).with_context(failed)?;
        let folder = Arc::new(Mutex::new(Some(temporary)));
        let gone = Arc::clone(&folder);
        let when_stopped =
            interrupt::when_stopped(move |_| drop(gone.try_lock().map(|mut held| held.take())));
        let file = BufWriter::with_capacity(1 << 20, file);
        Ok(Self { stacks, rows, lengths, file, folder, _when_stopped: when_stopped })
    }

    /// Writes a row's values, of this shape, at a place of a tensor: `[positions, width]` from a position on, or a pattern
    /// `[heads, queries, keys]`.
    ///
    /// # Errors
    /// Values that do not fit there; what cannot be written.
    pub fn write(
        &mut self,
        tensor: usize,
        row: usize,
        first: usize,
        shape: &[usize],
        values: &[f32],
    ) -> anyhow::Result<()> {
        let stack = &self.stacks[tensor];
        let before: u64 =
            self.stacks[..tensor].iter().map(|stack| stack.bytes() * self.rows as u64).sum();
        let start = before + row as u64 * stack.bytes();
        let file = &mut self.file;
        stack.place(first, shape, values, &mut |at, values| {
            file.seek(SeekFrom::Start(start + 4 * at as u64))?;
            values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
        })
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// More tensors than the format takes; what cannot be written.
    pub fn finish(mut self, format: Format, notes: &str, to: OutputFile) -> anyhow::Result<()> {
        to.write(|file| self.write_into(format, notes, file))
    }

    /// Writes some of the rows in safetensors, in this order; the others were never written.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn finish_rows(mut self, order: &[usize], notes: &str, path: &Path) -> anyhow::Result<()> {
        let failed = || format!("cannot write {}", path.display());
        self.file.flush().context("cannot write what was collected")?;
        let of = |stack: &Stack| (stack.name.clone(), Dtype::F32, stack.shape(order.len()));
        let header = header(self.stacks.iter().map(of), Some(notes.to_owned()))?;
        let mut file = BufWriter::new(File::create(path).with_context(failed)?);
        file.write_all(&header).with_context(failed)?;
        let (mut values, mut before) = (self.file.get_ref(), 0);
        for stack in &self.stacks {
            for &row in order {
                values
                    .seek(SeekFrom::Start(before + row as u64 * stack.bytes()))
                    .with_context(failed)?;
                io::copy(&mut values.take(stack.bytes()), &mut file).with_context(failed)?;
            }
            before += stack.bytes() * self.rows as u64;
        }
        let file =
            file.into_inner().map_err(io::IntoInnerError::into_error).with_context(failed)?;
        file.sync_all().with_context(failed)
    }

    /// Writes a part of a run in safetensors, whole or not at all.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn finish_part(mut self, path: &Path) -> anyhow::Result<()> {
        vene_files::write_atomically(path, |file| self.write_into(Format::Safetensors, "", file))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn write_into(
        &mut self,
        format: Format,
        notes: &str,
        file: &mut impl Write,
    ) -> anyhow::Result<()> {
        self.file.flush().context("cannot write what was collected")?;
        let mut values = self.file.get_ref();
        values.seek(SeekFrom::Start(0)).context("cannot read what was collected")?;
        let (stacks, rows, lengths) = (&self.stacks, self.rows, self.lengths.as_deref());
        match format {
            Format::Safetensors => safetensors(values, stacks, rows, lengths, notes, file),
            Format::Npz => npz(values, stacks, rows, lengths, file),
            Format::Npy => match stacks.as_slice() {
                [stack] => {
                    file.write_all(&npy_header(&stack.shape(rows), "<f4"))?;
                    Ok(io::copy(&mut values, file).map(drop)?)
                }
                stacks => bail!(
                    "a .npy file holds one tensor, and {} are collected: name it .npz or .safetensors",
                    stacks.len()
                ),
            },
        }
    }
}

impl Drop for Stacked {
    fn drop(&mut self) {
        drop(self.folder.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// The lengths as a tensor: its shape, and its bytes.
fn lengths_tensor(lengths: &[Vec<usize>]) -> (Vec<usize>, Vec<u8>) {
    let items = lengths.first().map_or(0, Vec::len);
    let all = lengths.iter().flatten();
    (vec![lengths.len(), items], all.flat_map(|&length| (length as i64).to_le_bytes()).collect())
}

fn safetensors(
    mut values: &File,
    stacks: &[Stack],
    rows: usize,
    lengths: Option<&[Vec<usize>]>,
    notes: &str,
    file: &mut impl Write,
) -> anyhow::Result<()> {
    let lengths = lengths.map(lengths_tensor);
    // Wider numbers first, as the format's own writer has them.
    let of_lengths =
        lengths.iter().map(|(shape, _)| ("lengths".to_owned(), Dtype::I64, shape.clone()));
    let of_stacks = stacks.iter().map(|stack| (stack.name.clone(), Dtype::F32, stack.shape(rows)));
    file.write_all(&header(of_lengths.chain(of_stacks), Some(notes.to_owned()))?)?;
    if let Some((_, bytes)) = &lengths {
        file.write_all(bytes)?;
    }
    io::copy(&mut values, file)?;
    Ok(())
}

fn npz(
    values: &File,
    stacks: &[Stack],
    rows: usize,
    lengths: Option<&[Vec<usize>]>,
    file: &mut impl Write,
) -> anyhow::Result<()> {
    let mut zip = ZipWriter::new_stream(file);
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    let mut values = io::BufReader::new(values);
    for stack in stacks {
        zip.start_file(format!("{}.npy", stack.name), options)?;
        zip.write_all(&npy_header(&stack.shape(rows), "<f4"))?;
        let mut tensor = (&mut values).take(stack.bytes() * rows as u64);
        io::copy(&mut tensor, &mut zip)?;
    }
    if let Some((shape, bytes)) = lengths.map(lengths_tensor) {
        zip.start_file("lengths.npy", options)?;
        zip.write_all(&npy_header(&shape, "<i8"))?;
        zip.write_all(&bytes)?;
    }
    zip.finish()?;
    Ok(())
}

/// What stands before the values of a `.npy` file (NumPy's format 1.0).
fn npy_header(shape: &[usize], kind: &str) -> Vec<u8> {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let mut text = format!(
        "{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}{comma}), }}",
        sizes.join(", ")
    );
    const BEFORE: usize = 10;
    let length = (BEFORE + text.len() + 1).next_multiple_of(64) - BEFORE;
    while text.len() + 1 < length {
        text.push(' ');
    }
    text.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((length as u16).to_le_bytes());
    header.extend(text.into_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numpy_header_ends_at_a_multiple_of_64() {
        for shape in [vec![3], vec![100, 2, 576], vec![1_000_000, 1, 1, 1]] {
            let header = npy_header(&shape, "<f4");
            assert_eq!(header.len() % 64, 0);
            assert_eq!(header.last(), Some(&b'\n'));
        }
        let text = String::from_utf8_lossy(&npy_header(&[3], "<i8")[10..]).into_owned();
        assert!(text.contains("'shape': (3,)"), "{text}");
    }
}
