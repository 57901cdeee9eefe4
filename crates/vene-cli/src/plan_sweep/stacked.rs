//! Stacked tensors of a batch of rows, in safetensors: a part, of which all together become one file.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use safetensors::Dtype;
use vene::plan_sweep::Collected;

use crate::stacked::header;

/// Writes what a batch collected, a tensor for each site.
pub fn write(collected: &Collected, path: &Path) -> anyhow::Result<()> {
    let sites = collected.sites.iter().enumerate();
    let tensors = sites.map(|(site, of)| (of.name.clone(), Dtype::F32, collected.shape(site)));
    let header = header(tensors, None)?;
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
