//! Safetensors: a header of JSON, then the tensors' bytes.
//!
//! The `safetensors` crate checks the header against the file: its length, the offsets (no gap,
//! no overlap, nothing past the end), shapes against lengths. Here its findings become sentences
//! that name the tensor, and shards become one set of tensors.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use ::safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::Deserialize;

use crate::absence::{stand_in, text_instead};
use crate::tensors::{Stored, Tensors, WeightsFile};
use crate::{CheckpointError, Element, json};

/// Reads and checks a file's header.
pub(crate) fn read(file: &WeightsFile) -> Result<Vec<Stored>, CheckpointError> {
    let bytes = file.bytes();
    let (header, metadata) = SafeTensors::read_metadata(bytes)
        .map_err(|error| CheckpointError::malformed(&file.name, in_words(&error, bytes)))?;
    // The eight bytes before the header are its length.
    let start = header + 8;
    let tensors = metadata.tensors();
    metadata
        .offset_keys()
        .into_iter()
        .filter_map(|name| tensors.get(&name).map(|info| (name, *info)))
        .map(|(name, info)| {
            let (first, end) = info.data_offsets;
            let range = start
                .checked_add(first)
                .zip(start.checked_add(end))
                .filter(|&(_, end)| end <= bytes.len())
                .map(|(first, end)| first..end)
                .ok_or_else(|| {
                    CheckpointError::malformed(
                        &file.name,
                        format!("tensor `{name}` lies past the end of the file"),
                    )
                })?;
            let element = Element::in_safetensors(&format!("{:?}", info.dtype));
            Ok(Stored { name, shape: info.shape.clone(), element, range })
        })
        .collect()
}

/// What is wrong with the bytes of a safetensors file: words that follow the file's name.
pub fn problem(bytes: &[u8]) -> Option<String> {
    SafeTensors::read_metadata(bytes).err().map(|error| in_words(&error, bytes))
}

fn in_words(error: &SafeTensorError, bytes: &[u8]) -> String {
    let instead = stand_in(bytes).or_else(|| text_instead(bytes));
    instead.unwrap_or_else(|| explain(error, bytes))
}

/// What the crate found, in words that say where.
fn explain(error: &SafeTensorError, bytes: &[u8]) -> String {
    let len = bytes.len();
    if bytes.starts_with(b"GGUF") {
        return "is a GGUF file and not what its name says: give it alone as the model, or rename it to end in .gguf".to_owned();
    }
    match error {
        SafeTensorError::HeaderTooSmall => {
            format!(
                "is no safetensors file: it has {len} bytes, fewer than the 8 of a header's length"
            )
        }
        SafeTensorError::HeaderTooLarge | SafeTensorError::InvalidHeaderLength => {
            let claimed = bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
            format!(
                "is no safetensors file, or cut short: it claims a header of {claimed} bytes and has {len} in all"
            )
        }
        SafeTensorError::InvalidHeader(error) => {
            format!("is no safetensors file: its header is not UTF-8 ({error})")
        }
        SafeTensorError::InvalidHeaderDeserialization(error) => {
            let problem = json::plain(&error.to_string());
            let problem = problem.map_or_else(String::new, |problem| format!(": {problem}"));
            format!("has a header that does not describe tensors{problem}")
        }
        SafeTensorError::MetadataIncompleteBuffer => {
            format!(
                "is cut short or padded: its header does not describe exactly the file's {len} bytes"
            )
        }
        SafeTensorError::InvalidOffset(name) => {
            format!("tensor `{name}` does not start where the one before it ends")
        }
        SafeTensorError::ValidationOverflow => "a tensor's shape is impossibly large".to_owned(),
        SafeTensorError::TensorInvalidInfo => match misfit(bytes) {
            Some(misfit) => misfit,
            None => "a tensor's shape does not fit its length in bytes".to_owned(),
        },
        other => other.to_string(),
    }
}

/// The first tensor whose shape and length disagree.
fn misfit(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Info {
        dtype: Dtype,
        shape: Vec<usize>,
        data_offsets: (usize, usize),
    }
    let (length, rest) = bytes.split_first_chunk()?;
    let header = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header).ok()?;
    header.into_iter().find_map(|(name, value)| {
        let info: Info = serde_json::from_value(value).ok()?;
        let elements = info.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        let expected = elements.checked_mul(info.dtype.bitsize())? / 8;
        let found = info.data_offsets.1.checked_sub(info.data_offsets.0)?;
        (found != expected).then(|| {
            format!(
                "tensor `{name}` of shape {:?} in {:?} takes {expected} bytes, and {found} are there",
                info.shape, info.dtype
            )
        })
    })
}

/// What `model.safetensors.index.json` says: which shard holds which tensor.
pub(crate) struct ShardIndex {
    file: String,
    /// Shard's file name to its tensors' names.
    shards: BTreeMap<String, HashSet<String>>,
}

impl ShardIndex {
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, CheckpointError> {
        #[derive(Deserialize)]
        struct Index {
            weight_map: HashMap<String, String>,
        }
        let index: Index =
            json::described(bytes).map_err(|problem| CheckpointError::malformed(file, problem))?;
        if index.weight_map.is_empty() {
            return Err(CheckpointError::malformed(file, "its weight_map names no tensor"));
        }
        let mut shards: BTreeMap<String, HashSet<String>> = BTreeMap::new();
        for (tensor, shard) in index.weight_map {
            if !is_plain_name(&shard) || !shard.ends_with(".safetensors") {
                return Err(CheckpointError::malformed(
                    file,
                    format!(
                        "puts tensor `{tensor}` into `{shard}`; a shard is a .safetensors file beside the index"
                    ),
                ));
            }
            shards.entry(shard).or_default().insert(tensor);
        }
        Ok(Self { file: file.to_owned(), shards })
    }

    /// The shards' file names, in order.
    pub fn shards(&self) -> impl Iterator<Item = &str> {
        self.shards.keys().map(String::as_str)
    }

    /// Opens all shards in `folder`: with all tensors that they hold, as transformers does, also those
    /// that the index leaves out.
    pub fn open(&self, folder: &Path) -> Result<Tensors, CheckpointError> {
        let mut parts = Vec::new();
        for (shard, wanted) in &self.shards {
            let path = folder.join(shard);
            if !path.exists() {
                return Err(CheckpointError::malformed(
                    &self.file,
                    format!("names the shard `{shard}`, which is not there"),
                ));
            }
            let file = WeightsFile::map(&path)?;
            let stored = read(&file)?;
            let there: HashSet<&str> = stored.iter().map(|tensor| tensor.name.as_str()).collect();
            let absent = wanted.iter().filter(|name| !there.contains(name.as_str())).min();
            if let Some(absent) = absent {
                return Err(CheckpointError::malformed(
                    &self.file,
                    format!("puts tensor `{absent}` into `{shard}`, which does not hold it"),
                ));
            }
            parts.push((file, stored));
        }
        Tensors::join(parts)
    }
}

/// Whether a name is that of a file in the same folder, whatever the system's separators are.
fn is_plain_name(name: &str) -> bool {
    !name.contains(['/', '\\', ':', '\0'])
        && matches!(
            PathBuf::from(name).components().collect::<Vec<_>>().as_slice(),
            [Component::Normal(_)]
        )
}
