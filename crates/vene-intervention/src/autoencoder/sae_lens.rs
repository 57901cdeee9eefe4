//! Autoencoders as SAELens keeps them: a folder with `cfg.json` and `sae_weights.safetensors`.
//!
//! A configuration that asks for anything else than what [`SparseAutoencoder`] computes is refused
//! by name: a normalisation left out would give numbers, and wrong ones.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Tensor};
use serde_json::Value;

use super::sae_config::{Dtype, SaeConfig};
use super::{Autoencoder, AutoencoderOrigin, SparseAutoencoder};
use crate::{ParameterError, state};

/// More bytes than a configuration has.
const LARGEST: u64 = 16 << 20;

/// Loads such a folder: of the architectures `standard` (ReLU) and `jumprelu`. Weights are rounded to the
/// configuration's `dtype`; what is computed with them has the precision of the values.
///
/// # Errors
/// A file that is not there, or no such file; a configuration that asks for something else; shapes
/// other than it says; what is NaN or infinite.
pub fn load(folder: &Path) -> Result<(SparseAutoencoder, AutoencoderOrigin), ParameterError> {
    let config = config(folder)?;
    let wrong = |reason: String| ParameterError::file(&folder.join("cfg.json"), reason);
    let weights = folder.join("sae_weights.safetensors");
    let mut tensors = state::read(&weights)?.only_floats(&weights)?;
    if let Some(dtype) = config.dtype {
        for tensor in tensors.values_mut() {
            *tensor = rounded(tensor, dtype)?;
        }
    }
    scale(&mut tensors, config.scaled, wrong)?;
    let autoencoder = SparseAutoencoder::from_tensors(&weights, tensors, config.has_threshold)?;
    for (key, stated, found) in [
        ("d_in", config.width, autoencoder.width()),
        ("d_sae", config.latents, autoencoder.latents()),
    ] {
        if stated != Some(found as u64) {
            let stated =
                stated.map_or_else(|| "not stated".to_owned(), |stated| stated.to_string());
            return Err(wrong(format!("{key} is {stated}; the weights have {found}")));
        }
    }
    Ok((if config.centred { autoencoder.centred() } else { autoencoder }, config.origin))
}

/// Where such a folder's autoencoder belongs; its weights are not read.
///
/// # Errors
/// As [`load`], for the configuration.
pub fn origin(folder: &Path) -> Result<AutoencoderOrigin, ParameterError> {
    config(folder).map(|config| config.origin)
}

fn config(folder: &Path) -> Result<SaeConfig, ParameterError> {
    let path = folder.join("cfg.json");
    let wrong = |reason: String| ParameterError::file(&path, reason);
    let text =
        vene_model::opened::read_text(&path, LARGEST).map_err(|error| wrong(error.to_string()))?;
    let config: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    SaeConfig::read(&config).map_err(wrong)
}

/// A tensor's values in a precision, unless they are stored in a lower one.
fn rounded(tensor: &Tensor, dtype: Dtype) -> candle_core::Result<Tensor> {
    let dtype = match dtype {
        Dtype::F64 => return Ok(tensor.clone()),
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::Bf16 => DType::BF16,
    };
    if dtype.size_in_bytes() > tensor.dtype().size_in_bytes() {
        return Ok(tensor.clone());
    }
    tensor.to_dtype(dtype)?.to_dtype(tensor.dtype())
}

/// Takes out the factors of fine-tuned latents, and puts them into the decoder, where they act. For a time
/// SAELens stored factors of 1 beside all weights.
fn scale(
    tensors: &mut BTreeMap<String, Tensor>,
    scaled: bool,
    wrong: impl Fn(String) -> ParameterError,
) -> Result<(), ParameterError> {
    let names = ["scaling_factor", "finetuning_scaling_factor"];
    let found: Vec<Tensor> = names.iter().filter_map(|name| tensors.remove(*name)).collect();
    let factors = match found.as_slice() {
        [] if scaled => {
            let problem =
                "finetuning_scaling_factor is true, and the weights hold no `scaling_factor`";
            return Err(wrong(problem.to_owned()));
        }
        [] => return Ok(()),
        [factors] => factors,
        _ => return Err(wrong("the weights hold factors under two names".to_owned())),
    };
    let values: Vec<f64> = factors.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
    if values.iter().all(|value| (value - 1.0).abs() < 1e-5) {
        return Ok(());
    }
    if !scaled {
        let problem = "the weights hold a `scaling_factor`, and finetuning_scaling_factor is false";
        return Err(wrong(problem.to_owned()));
    }
    let Some(decoder) = tensors.get_mut("W_dec") else { return Ok(()) };
    if decoder.dim(0)? != values.len() {
        return Err(wrong(format!("the weights hold {} factors for their latents", values.len())));
    }
    *decoder =
        decoder.broadcast_mul(&factors.to_dtype(decoder.dtype())?.flatten_all()?.unsqueeze(1)?)?;
    Ok(())
}
