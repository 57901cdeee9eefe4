//! SAELens's `cfg.json`, key by key: each is followed, known to say nothing about the computation, named, or
//! refused.
//!
//! Versions before 6 keep everything in one table, and the first ones under other names; version 6 moved
//! what is not mathematics into `metadata`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::AutoencoderOrigin;
use super::sae_keys::{FOLLOWED, HARMLESS, RENAMED};

/// What is to be computed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SaeConfig {
    /// JumpReLU, in place of ReLU.
    pub has_threshold: bool,
    /// The decoder's bias is taken off the input.
    pub centred: bool,
    /// The weights hold a factor for each latent.
    pub scaled: bool,
    /// The precision that weights are rounded to.
    pub dtype: Option<Dtype>,
    pub width: Option<u64>,
    pub latents: Option<u64>,
    pub origin: AutoencoderOrigin,
}

/// Precisions of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
}

impl SaeConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// What would make other numbers than SAELens's, by its key.
    pub fn read(config: &Value) -> Result<Self, String> {
        let mut notices = Vec::new();
        let keys = flattened(config, &mut notices)?;
        let get = |key: &str| keys.get(key).copied().filter(|value| !value.is_null());
        let text = |key: &'static str| match get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(format!("{key} is {other}; expected a text")),
        };
        let flag = |key: &'static str, default: bool| match get(key) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(value) => Err(format!("{key} is {value}; expected true or false")),
        };
        let count = |key: &'static str| match get(key) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(count) => Ok(Some(count)),
                None => Err(format!("{key} is {value}; expected a whole number")),
            },
        };
        let has_threshold = match text("architecture")?.as_deref() {
            None | Some("standard") => false,
            Some("jumprelu") => true,
            Some(other) => {
                return Err(format!(
                    "architecture `{other}` is not supported; standard and jumprelu are"
                ));
            }
        };
        let off = Value::Bool(false);
        let plain: [(&str, &[&str]); 3] = [
            ("activation_fn", &["relu"]),
            ("normalize_activations", &["none"]),
            // Heads side by side are how all of them lie in a row anyway.
            ("reshape_activations", &["none", "hook_z"]),
        ];
        for (key, known) in plain {
            let Some(value) = get(key) else { continue };
            // The first versions wrote `false` for no normalisation.
            let is_off = key == "normalize_activations" && *value == off;
            let is_known = is_off || value.as_str().is_some_and(|value| known.contains(&value));
            if !is_known {
                let known = known.join(" or ");
                return Err(format!("{key} is {value}, which is not supported; expected {known}"));
            }
        }
        if let Some(given) = get("activation_fn_kwargs").filter(|given| !is_empty(given)) {
            return Err(format!("activation_fn_kwargs is {given}, and ReLU takes none"));
        }
        if flag("rescale_acts_by_decoder_norm", false)? {
            return Err("rescale_acts_by_decoder_norm is not supported".to_owned());
        }
        if let Some(head) = get("hook_head_index") {
            return Err(format!(
                "hook_head_index is {head}: autoencoders of one head's values are not supported"
            ));
        }
        let hook = text("hook_name")?;
        let layer = count("hook_layer")?.map(|layer| layer as usize);
        if let (Some(hook), Some(layer)) = (&hook, layer)
            && layer_of(hook).is_some_and(|of_hook| of_hook != layer)
        {
            return Err(format!("hook_name is `{hook}`, and hook_layer is {layer}"));
        }
        if let Some(kwargs) = get("model_from_pretrained_kwargs").filter(|given| !is_empty(given)) {
            notices.push(format!(
                "it was trained on a model loaded with {kwargs} (model_from_pretrained_kwargs); here the \
                 weights are as published"
            ));
        }
        let slice = get("seqpos_slice").and_then(Value::as_array);
        if slice.is_some_and(|slice| slice.iter().any(|end| !end.is_null())) {
            notices.push("it was trained on some positions only (seqpos_slice)".to_owned());
        }
        let prepend_bos = match get("prepend_bos") {
            None => None,
            Some(_) => Some(flag("prepend_bos", true)?),
        };
        let dtype = text("dtype")?.map(|name| dtype(&name)).transpose()?;
        Ok(Self {
            has_threshold,
            // Configurations from before the key was introduced mean true.
            centred: flag("apply_b_dec_to_input", true)?,
            scaled: flag("finetuning_scaling_factor", false)?,
            dtype,
            width: count("d_in")?,
            latents: count("d_sae")?,
            origin: AutoencoderOrigin {
                model: text("model_name")?,
                hook,
                layer,
                prepend_bos,
                notices,
            },
        })
    }
}

/// All keys in one table, under their names of today.
fn flattened<'c>(
    config: &'c Value,
    notices: &mut Vec<String>,
) -> Result<BTreeMap<&'c str, &'c Value>, String> {
    let Value::Object(outer) = config else {
        return Err("it holds no table of keys".to_owned());
    };
    let inner = match outer.get("metadata") {
        None | Some(Value::Null) => None,
        Some(Value::Object(inner)) => Some((inner, true)),
        Some(other) => return Err(format!("metadata is {other}; expected a table of keys")),
    };
    let mut keys: BTreeMap<&str, &Value> = BTreeMap::new();
    for (table, is_metadata) in [(outer, false)].into_iter().chain(inner) {
        for (given, value) in table {
            let renamed = RENAMED.iter().find(|(old, _)| old == given);
            let key = renamed.map_or(given.as_str(), |(_, new)| new);
            if !FOLLOWED.contains(&key) && !HARMLESS.contains(&key) && !value.is_null() {
                if !is_metadata {
                    return Err(format!(
                        "the key `{given}` is not understood; if it says nothing about what the \
                         autoencoder computes, move it into `metadata`"
                    ));
                }
                notices.push(format!("its metadata say {given} = {value}, which is not followed"));
            }
            match keys.get(key) {
                Some(known) if !known.is_null() && !value.is_null() && *known != value => {
                    return Err(format!("{key} is said twice, {known} and {value}"));
                }
                Some(known) if !known.is_null() => {}
                _ => drop(keys.insert(key, value)),
            }
        }
    }
    Ok(keys)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(table) => {
            // What is switched off changes nothing.
            table.values().all(|value| matches!(value, Value::Null | Value::Bool(false)))
        }
        _ => false,
    }
}

/// The layer of a hook such as `blocks.8.hook_resid_pre`.
fn layer_of(hook: &str) -> Option<usize> {
    hook.strip_prefix("blocks.")?.split_once('.')?.0.parse().ok()
}

fn dtype(name: &str) -> Result<Dtype, String> {
    match name.strip_prefix("torch.").unwrap_or(name) {
        "float64" | "double" => Ok(Dtype::F64),
        "float32" | "float" => Ok(Dtype::F32),
        "float16" | "half" => Ok(Dtype::F16),
        "bfloat16" => Ok(Dtype::Bf16),
        _ => Err(format!(
            "dtype is `{name}`, which is not supported; expected float32, float64, float16 or bfloat16"
        )),
    }
}
