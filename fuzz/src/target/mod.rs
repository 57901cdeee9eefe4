//! The readers, each with inputs that it accepts and a way to make it read another one.

mod autoencoder;
mod data;
mod hub;
mod model;
mod plan;
mod pyvene;
mod table;
mod tokenizer;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::mutate::Form;

/// Reads an input.
pub type Read = dyn FnMut(&[u8]) -> Result<()>;

/// A reader.
pub struct Target {
    /// Inputs that it accepts, and some that it should not.
    pub seeds: Vec<Vec<u8>>,
    /// How they look.
    pub form: Form,
    /// Keys and values that mean something to it.
    pub words: Vec<&'static str>,
    /// Reads an input, and uses all that came of it; the error is a refusal.
    pub read: Box<Read>,
}

/// Makes a reader that works in a folder of its own.
type Make = fn(&Path) -> Result<Target>;

/// All readers by their names.
pub const ALL: &[(&str, Make)] = &[
    ("safetensors", model::safetensors),
    ("index", model::index),
    ("gguf", model::gguf),
    ("gguf-blocks", model::gguf_blocks),
    ("config-gpt2", model::config_gpt2),
    ("config-llama", model::config_llama),
    ("config-gemma3", model::config_gemma3),
    ("config-networks", model::config_networks),
    ("tokenizer", tokenizer::tokenizer),
    ("tokenizer-settings", tokenizer::settings),
    ("special-tokens", tokenizer::special_tokens),
    ("added-tokens", tokenizer::added_tokens),
    ("generation-config", tokenizer::generation_config),
    ("chat-template", tokenizer::chat_template),
    ("data-csv", data::csv),
    ("data-jsonl", data::jsonl),
    ("data-json", data::json),
    ("data-parquet", data::parquet),
    ("table-csv", table::csv),
    ("table-parquet", table::parquet),
    ("plan-toml", plan::toml),
    ("plan-json", plan::json),
    ("plan-saved", plan::saved),
    ("plan-tensors", plan::tensors),
    ("parameters", plan::parameters),
    ("pyvene-config", pyvene::config),
    ("pyvene-call", pyvene::call),
    ("pyvene-pickle", pyvene::pickle),
    ("sae-config", autoencoder::config),
    ("sae-weights", autoencoder::weights),
    ("gemma-scope", autoencoder::gemma_scope),
    ("hub-cache", hub::cache),
    ("hub-client", hub::client),
];

/// The reader of this name, in a folder of its own.
pub fn make(name: &str, folder: &Path) -> Result<Target> {
    let found = ALL.iter().find(|(known, _)| *known == name);
    let names = || ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let (_, make) =
        found.with_context(|| format!("there is no reader {name}; there are {}", names()))?;
    let mut target = make(folder)?;
    target.seeds.extend(corpus(name)?);
    Ok(target)
}

/// The inputs that are kept for a reader: small ones by which something was found.
fn corpus(name: &str) -> Result<Vec<Vec<u8>>> {
    let folder = format!("fuzz/corpus/{name}");
    if !repository(&folder).is_dir() {
        return Ok(Vec::new());
    }
    let read = |path: PathBuf| std::fs::read(&path).with_context(|| path.display().to_string());
    files(&folder, "")?.into_iter().map(read).collect()
}

/// A folder of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A file of the repository.
fn file(path: &str) -> Result<Vec<u8>> {
    std::fs::read(repository(path)).with_context(|| path.to_owned())
}

/// The files of a folder of the repository whose names end so, sorted.
fn files(folder: &str, ends: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(repository(folder)).with_context(|| folder.to_owned())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.to_string_lossy().ends_with(ends));
    paths.sort();
    Ok(paths)
}

/// Copies all files of a folder of the repository.
fn copy(from: &str, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for path in files(from, "")? {
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            std::fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fuzzer whose inputs are all refused at the door finds nothing.
    #[test]
    fn every_reader_accepts_some_of_its_seeds() -> Result<()> {
        for (name, _) in ALL {
            let folder = tempfile::tempdir()?;
            let mut target = make(name, folder.path())?;
            let read: Vec<_> =
                target.seeds.clone().iter().map(|seed| (target.read)(seed)).collect();
            let refused: Vec<String> = read
                .iter()
                .filter_map(|read| read.as_ref().err())
                .map(|error| format!("{error:#}"))
                .collect();
            assert!(refused.len() < read.len(), "{name} accepts none: {refused:#?}");
            println!(
                "{name}: {} of {} accepted {refused:#?}",
                read.len() - refused.len(),
                read.len()
            );
        }
        Ok(())
    }
}
