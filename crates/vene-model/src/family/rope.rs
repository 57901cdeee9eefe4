//! The `rope_scaling` object of a `config.json`.

use serde_json::{Map, Value};

use crate::config::Rotary;
use crate::error::ModelError;

/// A rotary encoding with the scaling that `rope_scaling` asks for.
pub(super) fn scaled(
    rotary: Rotary,
    scaling: Option<&Map<String, Value>>,
) -> Result<Rotary, ModelError> {
    let Some(scaling) = scaling else { return Ok(rotary) };
    let kind = scaling
        .get("rope_type")
        .or_else(|| scaling.get("type"))
        .and_then(Value::as_str)
        .unwrap_or("default");
    let known: &[&str] = match kind {
        "default" => &[],
        "linear" => &["factor"],
        "llama3" => {
            &["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"]
        }
        other => {
            return Err(ModelError::NotUnderstood {
                key: "rope_scaling.rope_type".into(),
                value: other.into(),
                understood: "default, linear, llama3".into(),
            });
        }
    };
    if let Some((key, value)) = scaling.iter().find(|(key, value)| {
        !value.is_null()
            && !["rope_type", "type"].contains(&key.as_str())
            && !known.contains(&key.as_str())
    }) {
        return Err(ModelError::NotUnderstood {
            key: format!("rope_scaling.{key}"),
            value: value.to_string(),
            understood: format!("{} for rope_type {kind}", known.join(", ")),
        });
    }
    let number = |key: &str| {
        scaling
            .get(key)
            .and_then(Value::as_f64)
            .filter(|number| number.is_finite() && *number > 0.0)
            .ok_or_else(|| ModelError::WrongValue {
                key: format!("rope_scaling.{key}"),
                value: scaling.get(key).map_or("nothing".into(), Value::to_string),
                expected: "a positive number".into(),
            })
    };
    Ok(match kind {
        "linear" => rotary.linear(number("factor")?),
        "llama3" => rotary.llama3(
            number("factor")?,
            number("low_freq_factor")?,
            number("high_freq_factor")?,
            number("original_max_position_embeddings")?,
        ),
        _ => rotary,
    })
}
