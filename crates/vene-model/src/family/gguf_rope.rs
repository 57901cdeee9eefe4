//! What GGUF metadata says about rotary encodings, by llama.cpp's rules.

use serde_json::Value;

use super::keys::{Keys, shortened, wrong};
use super::names::Names;
use crate::error::ModelError;
use crate::rotary::{Rotary, Yarn};

/// A table of divisors, in which Llama 3's scaling is stored.
const DIVISORS: &str = "rope_freqs.weight";

/// Keys of YaRN that llama.cpp reads for other families only, with the values that it takes here.
const UNREAD: [(&str, f64); 5] = [
    ("rope.scaling.yarn_beta_fast", 32.0),
    ("rope.scaling.yarn_beta_slow", 1.0),
    ("rope.scaling.yarn_ext_factor", 1.0),
    ("rope.scaling.yarn_attn_factor", 1.0),
    ("rope.scaling.yarn_log_multiplier", 0.0),
];

/// Names the keys that are not followed, where they say something else than what is computed.
fn leave_out_unread(keys: &Keys<'_>) {
    let architecture = keys.architecture();
    for (key, taken) in UNREAD {
        if let Some(value) = keys.said(key).filter(|value| value.as_f64() != Some(taken)) {
            keys.notices.add(format!(
                "`{architecture}.{key}` = {} is not read for {architecture} models, as in llama.cpp: {taken} is used",
                shortened(&value)
            ));
        }
    }
}

/// The scaled rotary encoding of a GGUF file.
pub(super) fn rotary(
    keys: &Keys<'_>,
    names: &Names,
    theta: f64,
    head_dim: usize,
    context: usize,
) -> Result<Rotary, ModelError> {
    leave_out_unread(keys);
    let kind = keys.optional_text("rope.scaling.type")?;
    let factor = match keys.positive_or_off("rope.scaling.factor")? {
        Some(factor) => Some(factor),
        None => keys.positive_or_off("rope.scale_linear")?,
    };
    keys.ignore(&["rope.scaling.factor", "rope.scale_linear"]);
    let original = keys.positive_or_off("rope.scaling.original_context_length")?;
    let magnitude = keys.positive_or_off("rope.scaling.attn_factor")?.unwrap_or(1.0);
    let factor = factor.unwrap_or(1.0);
    let plain = Rotary::new(theta, head_dim);
    let mut rotary = match kind.as_deref() {
        Some("none") => plain,
        // llama.cpp takes a factor without a type for a linear one.
        None | Some("linear") => plain.linear(factor),
        Some("yarn") => {
            let yarn = Yarn {
                factor,
                original_context: original.unwrap_or(context as f64),
                beta_fast: 32.0,
                beta_slow: 1.0,
                truncate: true,
            };
            if theta == 1.0 {
                return Err(wrong(
                    "rope.freq_base",
                    &theta.into(),
                    "another base than 1 with YaRN",
                ));
            }
            plain.yarn(theta, yarn).magnified(0.1 * factor.ln() + 1.0)
        }
        Some(other) => {
            return Err(ModelError::NotUnderstood {
                key: "rope.scaling.type".into(),
                value: Value::from(other).to_string(),
                understood: "none, linear, yarn".into(),
            });
        }
    };
    rotary.magnitude *= magnitude;
    if names.contains(DIVISORS) {
        let (tensors, stored) = names.stored(DIVISORS);
        let divisors = tensors.read_f32(stored, &[rotary.frequencies.len()])?;
        for (frequency, divisor) in rotary.frequencies.iter_mut().zip(divisors) {
            *frequency /= f64::from(divisor);
        }
    }
    if !rotary.is_finite() {
        let expected = "scaling and divisors that leave frequencies finite";
        return Err(wrong("rope.scaling.factor", &factor.into(), expected));
    }
    Ok(rotary)
}
