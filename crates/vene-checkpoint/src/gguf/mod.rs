//! GGUF: one file with metadata, tokenizer and (quantised) weights.
//!
//! The layout: a magic number, a version, two counts; the metadata's key-value pairs; for each
//! tensor its name, axes, format and offset; padding; the tensors' bytes. Versions 2 and 3 are the
//! same on little-endian machines. Axes are stored innermost first; here they are reported
//! row-major, as every other format does.

mod cursor;
mod metadata;
pub(crate) mod parts;

use std::path::Path;

use crate::absence::{stand_in, text_instead};
use crate::element::listed;
use crate::tensors::{Stored, WeightsFile};
use crate::{CheckpointError, Element};
use cursor::Cursor;
pub use metadata::{Array, Metadata, Value};

/// ggml's own limit.
const MAX_AXES: u32 = 4;
/// Where the file does not say otherwise, tensors start at multiples of this many bytes.
const DEFAULT_ALIGNMENT: u32 = 32;

/// Opens a file and, where it is the first of several, the others: the metadata of the first, and the
/// tensors of each.
pub(crate) fn open(path: &Path) -> Result<(Metadata, Parts), CheckpointError> {
    let file = WeightsFile::map(path)?;
    let (metadata, stored) = read(&file)?;
    let count = metadata.u32("split.count")?.unwrap_or(1).max(1);
    let number = metadata.u32("split.no")?.unwrap_or(0);
    let mut parts = vec![(file, stored)];
    if count == 1 {
        return Ok((metadata, parts));
    }
    let refuse =
        |problem: String| Err(CheckpointError::malformed(path.display().to_string(), problem));
    if number != 0 {
        return refuse(format!(
            "is part {} of {count} of a model: give the first part, which names the others",
            u64::from(number) + 1
        ));
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let names = parts::parts_of(name);
    if names.len() != count as usize {
        return refuse(format!(
            "is one of {count} parts of a model, but is not named as such (NAME-00001-of-{count:05}.gguf), so that the others cannot be found"
        ));
    }
    for (number, name) in (0..count).zip(names).skip(1) {
        let path = path.with_file_name(name);
        let file = WeightsFile::map(&path)?;
        let (other, stored) = read(&file)?;
        let found = (other.u32("split.no")?, other.u32("split.count")?);
        if found != (Some(number), Some(count)) {
            return Err(CheckpointError::malformed(
                path.display().to_string(),
                format!("does not say that it is part {} of {count}", u64::from(number) + 1),
            ));
        }
        parts.push((file, stored));
    }
    let there: usize = parts.iter().map(|(_, stored)| stored.len()).sum();
    if let Some(expected) = metadata.u64("split.tensors.count")?
        && expected != there as u64
    {
        return refuse(format!(
            "says that its {count} parts hold {expected} tensors; they hold {there}"
        ));
    }
    Ok((metadata, parts))
}

/// Files, each with where its tensors are.
type Parts = Vec<(WeightsFile, Vec<Stored>)>;

/// Reads and checks everything but the weights themselves.
fn read(file: &WeightsFile) -> Result<(Metadata, Vec<Stored>), CheckpointError> {
    let mut cursor = Cursor::new(&file.name, file.bytes());
    if let Some(problem) = stand_in(file.bytes()) {
        return Err(cursor.error(problem));
    }
    if cursor.take(4, "the magic number")? != b"GGUF" {
        let problem = text_instead(file.bytes());
        return Err(cursor.error(
            problem.unwrap_or_else(|| "is no GGUF file (it does not start with `GGUF`)".to_owned()),
        ));
    }
    match cursor.u32("the version")? {
        2 | 3 => (),
        version if matches!(version.swap_bytes(), 1..=3) => {
            return Err(
                cursor.error("is a big-endian GGUF file; only little-endian ones can be read")
            );
        }
        version => {
            return Err(
                cursor.error(format!("has GGUF version {version}; versions 2 and 3 can be read"))
            );
        }
    }
    // A tensor takes at least 24 bytes of the header, a pair at least 13.
    let tensors = cursor.count("a number of tensors", 24)?;
    let pairs = cursor.count("a number of metadata entries", 13)?;

    let mut metadata = Metadata::new(&file.name);
    for _ in 0..pairs {
        let key = cursor.string("a metadata key")?;
        let what = format!("metadata `{key}`");
        let kind = cursor.u32(&what)?;
        let value = cursor.value(kind, &what)?;
        if !metadata.insert(key, value) {
            return Err(cursor.error(format!("{what} occurs twice")));
        }
    }
    let alignment = metadata.u32("general.alignment")?.unwrap_or(DEFAULT_ALIGNMENT);
    if !alignment.is_power_of_two() {
        return Err(cursor.error(format!("general.alignment is {alignment}, not a power of two")));
    }

    let headers =
        (0..tensors).map(|_| TensorHeader::read(&mut cursor)).collect::<Result<Vec<_>, _>>()?;
    let start = cursor
        .position()
        .checked_next_multiple_of(alignment as usize)
        .ok_or_else(|| cursor.error("has a header of impossible length"))?;
    let stored = headers
        .into_iter()
        .map(|header| header.locate(start, alignment, &cursor, file.bytes().len()))
        .collect::<Result<Vec<_>, _>>()?;
    refuse_overlaps(&stored, &cursor)?;
    Ok((metadata, stored))
}

struct TensorHeader {
    name: String,
    /// Row-major.
    shape: Vec<usize>,
    element: Element,
    /// From the start of the tensors' bytes.
    offset: u64,
}

impl TensorHeader {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, CheckpointError> {
        let name = cursor.string("a tensor's name")?;
        let what = format!("tensor `{name}`");
        let axes = cursor.u32(&what)?;
        if axes > MAX_AXES {
            return Err(cursor.error(format!("{what} has {axes} axes, more than {MAX_AXES}")));
        }
        let mut shape = Vec::new();
        for _ in 0..axes {
            let axis = cursor.u64(&what)?;
            let axis = usize::try_from(axis).ok().filter(|&axis| axis > 0);
            shape.push(
                axis.ok_or_else(|| {
                    cursor.error(format!("{what} has an axis of impossible length"))
                })?,
            );
        }
        shape.reverse();
        let kind = cursor.u32(&what)?;
        let element = element(kind).map_err(|found| {
            cursor.error(format!(
                "{what} is stored as {found}, which is not supported; supported are {}: take another quantisation of the model",
                listed(&Element::GGUF)
            ))
        })?;
        let offset = cursor.u64(&what)?;
        Ok(Self { name, shape, element, offset })
    }

    fn locate(
        self,
        start: usize,
        alignment: u32,
        cursor: &Cursor<'_>,
        file_len: usize,
    ) -> Result<Stored, CheckpointError> {
        let Self { name, shape, element, offset } = self;
        let bytes = element.bytes_of(&shape).ok_or_else(|| {
            cursor.error(format!(
                "tensor `{name}` of shape {shape:?} cannot be stored as {element}: rows must be whole blocks of {} weights",
                element.block_len()
            ))
        })?;
        if offset % u64::from(alignment) != 0 {
            return Err(cursor.error(format!(
                "tensor `{name}` starts at offset {offset}, no multiple of the alignment {alignment}"
            )));
        }
        let range = usize::try_from(offset)
            .ok()
            .and_then(|offset| start.checked_add(offset))
            .and_then(|first| Some(first..first.checked_add(bytes)?))
            .filter(|range| range.end <= file_len)
            .ok_or_else(|| {
                cursor.cut_short(&format!(
                    "tensor `{name}` lies past the end: {bytes} bytes at offset {offset} of the weights, in a file of {file_len}"
                ))
            })?;
        Ok(Stored { name, shape, element: Ok(element), range })
    }
}

fn refuse_overlaps(stored: &[Stored], cursor: &Cursor<'_>) -> Result<(), CheckpointError> {
    let mut in_order: Vec<&Stored> = stored.iter().collect();
    in_order.sort_by_key(|tensor| tensor.range.start);
    for pair in in_order.windows(2) {
        if let [first, second] = pair
            && second.range.start < first.range.end
        {
            return Err(
                cursor.error(format!("tensors `{}` and `{}` overlap", first.name, second.name))
            );
        }
    }
    Ok(())
}

/// The format of a ggml type number; else the name under which ggml knows it.
fn element(kind: u32) -> Result<Element, String> {
    Ok(match kind {
        0 => Element::F32,
        1 => Element::F16,
        2 => Element::Q4_0,
        3 => Element::Q4_1,
        6 => Element::Q5_0,
        7 => Element::Q5_1,
        8 => Element::Q8_0,
        10 => Element::Q2_K,
        11 => Element::Q3_K,
        12 => Element::Q4_K,
        13 => Element::Q5_K,
        14 => Element::Q6_K,
        20 => Element::IQ4_NL,
        23 => Element::IQ4_XS,
        30 => Element::BF16,
        34 => Element::TQ1_0,
        35 => Element::TQ2_0,
        39 => Element::MXFP4,
        40 => Element::NVFP4,
        other => {
            let name = match other {
                9 => "Q8_1",
                15 => "Q8_K",
                16 => "IQ2_XXS",
                17 => "IQ2_XS",
                18 => "IQ3_XXS",
                19 => "IQ1_S",
                21 => "IQ3_S",
                22 => "IQ2_S",
                24 => "I8",
                25 => "I16",
                26 => "I32",
                27 => "I64",
                28 => "F64",
                29 => "IQ1_M",
                41 => "Q1_0",
                unknown => return Err(format!("ggml type {unknown}")),
            };
            return Err(name.to_owned());
        }
    })
}
