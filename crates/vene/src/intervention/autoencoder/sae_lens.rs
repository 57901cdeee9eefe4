//! Autoencoders as SAELens keeps them: a folder with `cfg.json` and `sae_weights.safetensors`.
//!
//! A configuration that asks for anything else than what [`SparseAutoencoder`] computes is refused
//! by name: a normalisation left out would give numbers, and wrong ones.

use std::path::Path;

use serde_json::Value;

use super::{Autoencoder, SparseAutoencoder};
use crate::intervention::{ParameterError, state};

/// What a `cfg.json` says about where its autoencoder belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaeLensConfig {
    /// The model, under TransformerLens's name.
    pub model: Option<String>,
    /// The site, under TransformerLens's name: `blocks.8.hook_resid_pre`.
    pub hook: Option<String>,
}

/// More bytes than a configuration has.
const LARGEST: u64 = 16 << 20;

/// Loads such a folder: of the architectures `standard` (ReLU) and `jumprelu`.
///
/// # Errors
/// A file that is not there, or no such file; a configuration that asks for something else; shapes
/// other than it says; what is no number.
pub fn load(folder: &Path) -> Result<(SparseAutoencoder, SaeLensConfig), ParameterError> {
    let path = folder.join("cfg.json");
    let wrong = |reason: String| ParameterError::file(&path, reason);
    let text = vene_files::read_text(&path, LARGEST).map_err(|error| wrong(error.to_string()))?;
    let config: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    // Version 6 moved what is not mathematics into `metadata`.
    let get = |key: &str| match config.get(key).or_else(|| config.get("metadata")?.get(key)) {
        None | Some(Value::Null) => None,
        Some(value) => Some(value),
    };
    let text = |key: &str| get(key).and_then(Value::as_str);

    let has_threshold = match text("architecture") {
        None | Some("standard") => false,
        Some("jumprelu") => true,
        Some(other) => {
            return Err(wrong(format!(
                "architecture `{other}` is not supported; standard and jumprelu are"
            )));
        }
    };
    let plain = [
        ("activation_fn", &["relu"][..]),
        ("activation_fn_str", &["relu"]),
        ("normalize_activations", &["none"]),
        // Heads side by side are how all of them lie in a row anyway.
        ("reshape_activations", &["none", "hook_z"]),
    ];
    for (key, known) in plain {
        match get(key) {
            None => {}
            Some(Value::String(value)) if known.contains(&value.as_str()) => {}
            Some(value) => {
                return Err(wrong(format!(
                    "{key} is {value}, which is not supported; expected {}",
                    known.join(" or ")
                )));
            }
        }
    }
    let flag = |key: &str, default: bool| match get(key) {
        None => Ok(default),
        Some(Value::Bool(value)) => Ok(*value),
        Some(value) => Err(wrong(format!("{key} is {value}; expected true or false"))),
    };
    for key in ["finetuning_scaling_factor", "rescale_acts_by_decoder_norm"] {
        if flag(key, false)? {
            return Err(wrong(format!("{key} is not supported")));
        }
    }
    // Configurations from before the key was introduced mean true.
    let centred = flag("apply_b_dec_to_input", true)?;

    let weights = folder.join("sae_weights.safetensors");
    let autoencoder =
        SparseAutoencoder::from_tensors(&weights, state::read(&weights)?, has_threshold)?;
    for (key, found) in [("d_in", autoencoder.width()), ("d_sae", autoencoder.latents())] {
        if get(key).and_then(Value::as_u64) != Some(found as u64) {
            let stated = get(key).map_or_else(|| "not stated".to_owned(), Value::to_string);
            return Err(wrong(format!("{key} is {stated}; the weights have {found}")));
        }
    }
    let place = |key: &str| text(key).map(str::to_owned);
    let config = SaeLensConfig {
        model: place("model_name"),
        hook: place("hook_name").or_else(|| place("hook_point")),
    };
    Ok((if centred { autoencoder.centred() } else { autoencoder }, config))
}
