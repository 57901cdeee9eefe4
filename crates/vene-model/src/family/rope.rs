//! What a `config.json` says about rotary encodings, in either of the two ways in which it is said:
//! `rope_theta` with `rope_scaling` (transformers 4), or all of it in `rope_parameters`
//! (transformers 5), which names layers where these differ.

use serde_json::{Map, Value};

use super::keys::{Keys, LARGEST, known, shortened, wrong};
use crate::error::ModelError;
use crate::rotary::{Rotary, Yarn};

/// Every key of a scaling that transformers knows. A kind ignores those of other kinds, as transformers does.
const KNOWN: [&str; 13] = [
    "factor",
    "original_max_position_embeddings",
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "short_factor",
    "long_factor",
    "low_freq_factor",
    "high_freq_factor",
    "mscale",
    "mscale_all_dim",
    "truncate",
    "partial_rotary_factor",
];

const ORIGINAL: &str = "original_max_position_embeddings";

/// The kinds of scaling that are understood.
const KINDS: &str = "default, linear, dynamic, yarn, longrope, llama3";

/// What is said of one rotary encoding.
struct Stated<'a> {
    keys: &'a Keys<'a>,
    /// Where, for messages: `rope_scaling`, `rope_parameters.full_attention` ...
    place: String,
    scaling: Map<String, Value>,
    theta: f64,
    head_dim: usize,
    /// `max_position_embeddings`.
    context: usize,
}

/// A rotary encoding, and how many tokens it reads.
pub(super) struct Described {
    pub(super) rotary: Rotary,
    /// The longest text: more than `max_position_embeddings` where the encoding grows with the text.
    pub(super) context: usize,
}

/// The one rotary encoding of a model.
pub(super) fn of_model(
    keys: &Keys<'_>,
    head_dim: usize,
    context: usize,
) -> Result<Described, ModelError> {
    let scaling = keys.optional_object("rope_scaling")?;
    let parameters = keys.optional_object("rope_parameters")?;
    let (place, scaling) = one_of([("rope_scaling", scaling), ("rope_parameters", parameters)])?;
    described(keys, place.to_owned(), scaling, "rope_theta", head_dim, context)
}

/// The two rotary encodings of a model whose layers have one or the other: of those that attend to everything,
/// and of those with a window.
pub(super) fn of_layers(
    keys: &Keys<'_>,
    head_dim: usize,
    context: usize,
) -> Result<[Described; 2], ModelError> {
    let scaling = keys.optional_object("rope_scaling")?;
    let mut parameters = keys.optional_object("rope_parameters")?.unwrap_or_default();
    let mut part = |layers: &str| -> Result<Option<Map<String, Value>>, ModelError> {
        match parameters.remove(layers) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(wrong(&format!("rope_parameters.{layers}"), &other, "an object")),
        }
    };
    let (full, sliding) = (part("full_attention")?, part("sliding_attention")?);
    if let Some((key, value)) = parameters.iter().next() {
        return Err(ModelError::NotUnderstood {
            key: format!("rope_parameters.{key}"),
            value: shortened(value),
            understood: "full_attention and sliding_attention, each an object".into(),
        });
    }
    let (place, full) =
        one_of([("rope_scaling", scaling), ("rope_parameters.full_attention", full)])?;
    let local = "rope_parameters.sliding_attention".to_owned();
    Ok([
        described(keys, place.to_owned(), full, "rope_theta", head_dim, context)?,
        described(
            keys,
            local,
            sliding.unwrap_or_default(),
            "rope_local_base_freq",
            head_dim,
            context,
        )?,
    ])
}

/// The scaling that is there; of two that say the same, the newer.
fn one_of(
    [(old, scaling), (new, parameters)]: [(&'static str, Option<Map<String, Value>>); 2],
) -> Result<(&'static str, Map<String, Value>), ModelError> {
    match (scaling, parameters) {
        (Some(scaling), Some(parameters)) => {
            let plain = |object: &Map<String, Value>| {
                let mut object = object.clone();
                object.remove("rope_theta");
                let kind = object.remove("type");
                let kind = object.remove("rope_type").or(kind).unwrap_or("default".into());
                object.insert("rope_type".into(), kind);
                object
            };
            let (one, other) = (plain(&scaling), plain(&parameters));
            let equal = one.len() == other.len()
                && one.iter().all(|(key, value)| {
                    other.get(key).is_some_and(|other| known::same(value, other))
                });
            if equal {
                return Ok((new, parameters));
            }
            Err(ModelError::Contradiction {
                one: format!("`{old}` = {}", shortened(&scaling.into())),
                other: format!("`{new}` = {}", shortened(&parameters.into())),
            })
        }
        (Some(scaling), None) => Ok((old, scaling)),
        (None, parameters) => Ok((new, parameters.unwrap_or_default())),
    }
}

fn described(
    keys: &Keys<'_>,
    place: String,
    mut scaling: Map<String, Value>,
    theta_key: &str,
    head_dim: usize,
    context: usize,
) -> Result<Described, ModelError> {
    let outer = keys.optional_positive(theta_key)?;
    let inner = scaling.remove("rope_theta").filter(|theta| !theta.is_null());
    let theta = match inner {
        Some(inner) => {
            let name = format!("{place}.rope_theta");
            let inner = inner
                .as_f64()
                .filter(|theta| theta.is_finite() && *theta > 0.0)
                .ok_or_else(|| wrong(&name, &inner, "a positive number"))?;
            if keys.said(theta_key).is_some() && outer != Some(inner) {
                keys.notices.add(format!(
                    "`{theta_key}` is {} and `{name}` is {inner}: {inner} is used, as transformers 5 \
                     does (correct the one that is wrong in config.json)",
                    outer.unwrap_or(f64::NAN),
                ));
            }
            inner
        }
        None => outer.ok_or_else(|| super::keys::missing(theta_key, "a positive number"))?,
    };
    // Read where a kind of scaling asks for it; without one it says nothing.
    keys.ignore(&["original_max_position_embeddings"]);
    Stated { keys, place, scaling, theta, head_dim, context }.described()
}

impl Stated<'_> {
    fn described(&self) -> Result<Described, ModelError> {
        let kind = self.kind()?;
        self.refuse_unknown_keys()?;
        let rotary = Rotary::new(self.theta, self.head_dim);
        let same = |rotary| Described { rotary, context: self.context };
        let described = match kind.as_str() {
            "default" => same(rotary),
            "linear" => same(rotary.linear(self.positive("factor")?)),
            "llama3" => same(rotary.llama3(
                self.positive("factor")?,
                self.positive("low_freq_factor")?,
                self.positive("high_freq_factor")?,
                self.original_context()?.unwrap_or(self.context as f64),
            )),
            "yarn" => same(self.yarn(rotary)?),
            "longrope" => same(self.long_rope(rotary)?),
            "dynamic" => self.dynamic(rotary)?,
            other => {
                return Err(ModelError::NotUnderstood {
                    key: format!("{}.rope_type", self.place),
                    value: other.into(),
                    understood: KINDS.into(),
                });
            }
        };
        if !described.rotary.is_finite() {
            let said = Value::Object(self.scaling.clone());
            return Err(wrong(&self.place, &said, "a scaling that leaves frequencies finite"));
        }
        Ok(described)
    }

    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.place)
    }

    fn kind(&self) -> Result<String, ModelError> {
        let text = |key: &str| match self.scaling.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(kind)) => Ok(Some(kind.clone())),
            Some(other) => Err(wrong(&self.name(key), other, KINDS)),
        };
        match (text("rope_type")?, text("type")?) {
            (Some(one), Some(other)) if one != other => Err(ModelError::Contradiction {
                one: format!("`{}` = \"{one}\"", self.name("rope_type")),
                other: format!("`{}` = \"{other}\"", self.name("type")),
            }),
            (one, other) => Ok(one.or(other).unwrap_or_else(|| "default".into())),
        }
    }

    fn refuse_unknown_keys(&self) -> Result<(), ModelError> {
        for (key, value) in &self.scaling {
            let is_name = ["rope_type", "type"].contains(&key.as_str());
            let full = self.name(key);
            if value.is_null() || is_name || self.keys.leaves_out(&full) {
                continue;
            }
            let why = match key.as_str() {
                "partial_rotary_factor" if !known::same(value, &1.into()) => {
                    "is not implemented with any value but 1"
                }
                key if KNOWN.contains(&key) => continue,
                _ => "is not a key that vene knows",
            };
            return Err(ModelError::UnknownKey {
                key: full,
                value: shortened(value),
                why: why.into(),
            });
        }
        Ok(())
    }

    /// A positive number, where it is there and not null.
    fn optional(&self, key: &str) -> Result<Option<f64>, ModelError> {
        match self.scaling.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_f64()
                .filter(|number| number.is_finite() && *number > 0.0)
                .map(Some)
                .ok_or_else(|| wrong(&self.name(key), value, "a positive number")),
        }
    }

    fn positive(&self, key: &str) -> Result<f64, ModelError> {
        let missing = || super::keys::missing(&self.name(key), "a positive number");
        self.optional(key)?.ok_or_else(missing)
    }

    /// The context of the model before its encoding was stretched, where it is said: inside the scaling, or
    /// beside it as Phi-3 has it.
    fn original_context(&self) -> Result<Option<f64>, ModelError> {
        let (inner, outer) = (self.optional(ORIGINAL)?, self.keys.optional_positive(ORIGINAL)?);
        match (inner, outer) {
            (Some(inner), Some(outer)) if inner != outer => Err(ModelError::Contradiction {
                one: format!("`{ORIGINAL}` = {outer}"),
                other: format!("`{}` = {inner}", self.name(ORIGINAL)),
            }),
            (inner, outer) => Ok(inner.or(outer)),
        }
    }

    /// By how much the context was stretched. Where the factor and the two contexts say different things,
    /// the factor is followed, as by transformers 5.
    fn factor(&self, original: Option<f64>) -> Result<f64, ModelError> {
        let ratio = self.context as f64 / original.unwrap_or(self.context as f64);
        let Some(factor) = self.optional("factor")? else { return Ok(ratio) };
        if original.is_some() && factor != ratio {
            self.keys.notices.add(format!(
                "`{}` is {factor}, while `max_position_embeddings` is {ratio} times the original context: \
                 {factor} is used, as transformers 5 does (transformers 4.52 would use {ratio})",
                self.name("factor"),
            ));
        }
        Ok(factor)
    }

    fn yarn(&self, rotary: Rotary) -> Result<Rotary, ModelError> {
        let original = self.original_context()?;
        let factor = self.factor(original)?;
        let original_context = original.unwrap_or(self.context as f64);
        // 0 stands for the default, as it is false to Python.
        let or_default = |key: &str, default: f64| match self.scaling.get(key) {
            Some(zero) if zero.as_f64() == Some(0.0) => Ok(default),
            _ => Ok::<_, ModelError>(self.optional(key)?.unwrap_or(default)),
        };
        let magnitude = |share: f64| {
            if factor <= 1.0 { 1.0 } else { 0.1 * share * factor.ln() + 1.0 }
        };
        let mscale = or_default("mscale", 0.0)?;
        let mscale_all = or_default("mscale_all_dim", 0.0)?;
        let magnified = match self.optional("attention_factor")? {
            Some(factor) => factor,
            None if mscale > 0.0 && mscale_all > 0.0 => magnitude(mscale) / magnitude(mscale_all),
            None => magnitude(1.0),
        };
        let truncate = match self.scaling.get("truncate") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(truncate)) => *truncate,
            Some(other) => return Err(wrong(&self.name("truncate"), other, "true or false")),
        };
        let yarn = Yarn {
            factor,
            original_context,
            beta_fast: or_default("beta_fast", 32.0)?,
            beta_slow: or_default("beta_slow", 1.0)?,
            truncate,
        };
        if self.theta == 1.0 {
            return Err(wrong(
                "rope_theta",
                &1.into(),
                "another base: YaRN divides by its logarithm",
            ));
        }
        Ok(rotary.yarn(self.theta, yarn).magnified(magnified))
    }

    fn long_rope(&self, rotary: Rotary) -> Result<Rotary, ModelError> {
        let original = self.original_context()?;
        let factor = self.factor(original)?;
        let original = original.unwrap_or(self.context as f64);
        if original != self.context as f64 && self.keys.said(ORIGINAL).is_none() {
            self.keys.notices.add(format!(
                "`{}` = {original} is used, as transformers 5 does (transformers 4.52 reads it only outside of \
                 `{}` and would take {} for it)",
                self.name(ORIGINAL),
                self.place,
                self.context,
            ));
        }
        let magnified = match self.optional("attention_factor")? {
            Some(factor) => factor,
            None if factor <= 1.0 => 1.0,
            None => (1.0 + factor.ln() / original.ln()).sqrt(),
        };
        let pairs = rotary.frequencies.len();
        let divisors = |key: &str| -> Result<Vec<f64>, ModelError> {
            let value = self.scaling.get(key).unwrap_or(&Value::Null);
            let is_divisor = |number: &f64| number.is_finite() && *number > 0.0;
            let numbers = value.as_array().and_then(|list| {
                list.iter().map(|number| number.as_f64().filter(is_divisor)).collect()
            });
            let expected = || format!("a list of {pairs} positive numbers, one for each pair");
            numbers
                .filter(|numbers: &Vec<f64>| numbers.len() == pairs)
                .ok_or_else(|| wrong(&self.name(key), value, &expected()))
        };
        let (short, long) = (divisors("short_factor")?, divisors("long_factor")?);
        Ok(rotary.long_rope(&short, &long, original as usize).magnified(magnified))
    }

    fn dynamic(&self, rotary: Rotary) -> Result<Described, ModelError> {
        let factor = self.positive("factor")?;
        if self.head_dim <= 2 {
            let value = self.head_dim.into();
            return Err(wrong("head_dim", &value, "at least 4 with dynamic rotary scaling"));
        }
        // A factor below 1 would make the base negative.
        if factor < 1.0 {
            return Err(wrong(&self.name("factor"), &factor.into(), "at least 1"));
        }
        // Within reason, as every count.
        let context = (self.context as f64 * factor).min(LARGEST as f64) as usize;
        Ok(Described { rotary: rotary.dynamic(self.theta, factor, self.context), context })
    }
}
