//! Gemma Scope's autoencoders (Lieberum et al. 2024): `params.npz`.
//!
//! The file says nothing about where it belongs; the names of its folders do:
//! `gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz`.

use std::path::{Component as Part, Path};

use super::{Autoencoder, AutoencoderOrigin, SparseAutoencoder, npz};
use crate::ParameterError;

/// What widths are called, and how many latents that are.
const WIDTHS: [(&str, usize); 8] = [
    ("width_4k", 1 << 12),
    ("width_16k", 1 << 14),
    ("width_32k", 1 << 15),
    ("width_65k", 1 << 16),
    ("width_131k", 1 << 17),
    ("width_262k", 1 << 18),
    ("width_524k", 1 << 19),
    ("width_1m", 1 << 20),
];

/// Loads a `params.npz`: `W_enc`, `W_dec`, `b_enc`, `b_dec` and `threshold`; the decoder's bias is
/// not taken off the input.
///
/// # Errors
/// Another file, shapes that do not go together, or what is NaN or infinite; another number of latents than
/// its folder's name says.
pub fn load(path: &Path) -> Result<(SparseAutoencoder, AutoencoderOrigin), ParameterError> {
    let origin = origin(path)?;
    let arrays = npz::read(path)?.into_iter();
    // Some are spelled `w_enc`.
    let arrays = arrays.map(|(name, array)| match name.strip_prefix("w_") {
        Some(rest) => (format!("W_{rest}"), array),
        None => (name, array),
    });
    let autoencoder = SparseAutoencoder::from_tensors(path, arrays.collect(), true)?;
    let stated = names(path)
        .into_iter()
        .find_map(|name| WIDTHS.into_iter().find(|(width, _)| *width == name));
    match stated {
        Some((name, latents)) if latents != autoencoder.latents() => {
            let found = autoencoder.latents();
            Err(ParameterError::file(
                path,
                format!("its folder is called {name}, which is {latents} latents; it has {found}"),
            ))
        }
        _ => Ok((autoencoder, origin)),
    }
}

/// Where an autoencoder belongs, as far as the names of its folders say.
///
/// # Errors
/// Folders of what is no autoencoder of a block's values.
pub fn origin(path: &Path) -> Result<AutoencoderOrigin, ParameterError> {
    let names = names(path);
    let wrong = |reason: &str| Err(ParameterError::file(path, reason));
    let release = names.iter().find_map(|name| name.split_once("gemma-scope-"));
    let release = release.map(|(_, release)| release);
    if names.contains(&"embedding") {
        return wrong(
            "its folder is called embedding: Gemma Scope's autoencoders of embeddings are scaled otherwise, and \
             not supported",
        );
    }
    if release.is_some_and(|release| release.contains("transcoder")) {
        return wrong("it is a transcoder, of another site's values than it reads: not supported");
    }
    let layer: Option<usize> =
        names.iter().find_map(|name| name.strip_prefix("layer_")?.parse().ok());
    let site = release.and_then(|release| match release.rsplit('-').next() {
        Some("res") => Some("hook_resid_post"),
        Some("mlp") => Some("hook_mlp_out"),
        Some("att") => Some("attn.hook_z"),
        _ => None,
    });
    let hook = site.zip(layer).map(|(site, layer)| format!("blocks.{layer}.{site}"));
    let model = release.and_then(|release| {
        let mut parts = release.split('-');
        let size = parts.next().filter(|size| ["2b", "9b", "27b"].contains(size))?;
        let tuned = if parts.next() == Some("it") { "-it" } else { "" };
        Some(format!("gemma-2-{size}{tuned}"))
    });
    Ok(AutoencoderOrigin { model, hook, layer, ..AutoencoderOrigin::default() })
}

/// The names of the folders that a file lies in.
fn names(path: &Path) -> Vec<&str> {
    let folders = path.parent().into_iter().flat_map(Path::components);
    folders.filter_map(name).collect()
}

fn name(part: Part<'_>) -> Option<&str> {
    match part {
        Part::Normal(name) => name.to_str(),
        _ => None,
    }
}
