//! The kinds of scaling of rotary encodings: the keys that each reads, and what they mean.

use serde_json::{Map, Value};

use super::super::keys::{Keys, LARGEST, known, missing, shortened, wrong};
use crate::error::ModelError;
use crate::rotary::{Rotary, Yarn};

/// The kinds of scaling that are understood, and the keys that each of them reads.
const KINDS: [(&str, &[&str]); 6] = [
    (DEFAULT, &[]),
    ("linear", &["factor"]),
    ("dynamic", &["factor"]),
    (
        "yarn",
        &[
            "factor",
            ORIGINAL,
            "attention_factor",
            "beta_fast",
            "beta_slow",
            "mscale",
            "mscale_all_dim",
            "truncate",
        ],
    ),
    ("longrope", &["factor", ORIGINAL, "attention_factor", "short_factor", "long_factor"]),
    ("llama3", &["factor", "low_freq_factor", "high_freq_factor", ORIGINAL]),
];

/// The kind without any scaling, also where none is named.
pub(super) const DEFAULT: &str = "default";

const ORIGINAL: &str = "original_max_position_embeddings";

/// Says that a published model was trained with its scaling.
const HARMLESS: &str = "finetuned";

/// A rotary encoding, and how many tokens it reads.
pub(in crate::family) struct Described {
    pub(in crate::family) rotary: Rotary,
    /// The longest text: more than `max_position_embeddings` where the encoding grows with the text.
    pub(in crate::family) context: usize,
}

/// What is said of one rotary encoding.
pub(super) struct Stated<'a> {
    pub keys: &'a Keys<'a>,
    /// Where, for messages; the first one counts where both say something.
    pub places: Vec<&'static str>,
    pub scaling: Map<String, Value>,
    pub theta: f64,
    /// How many dimensions of a head are turned.
    pub dimensions: usize,
    /// `max_position_embeddings`.
    pub context: usize,
    /// Whether it is described for some layers only. transformers then reads fewer keys.
    pub of_some_layers: bool,
}

impl Stated<'_> {
    /// What it means.
    pub fn described(&self) -> Result<Described, ModelError> {
        // Read where a kind of scaling asks for it; without one it says nothing.
        self.keys.ignore(&[ORIGINAL]);
        let kind = self.kind()?;
        self.account_for_keys(kind.as_deref())?;
        let rotary = Rotary::new(self.theta, self.dimensions);
        let same = |rotary| Described { rotary, context: self.context };
        let described = match kind.as_deref().unwrap_or(DEFAULT) {
            DEFAULT => same(rotary),
            "linear" => same(rotary.linear(self.positive("factor")?)),
            "llama3" => same(rotary.llama3(
                self.positive("factor")?,
                self.positive("low_freq_factor")?,
                self.positive("high_freq_factor")?,
                self.original_context()?.said().unwrap_or(self.context as f64),
            )),
            "yarn" => same(self.yarn(rotary)?),
            "longrope" => same(self.long_rope(rotary)?),
            "dynamic" => self.dynamic(rotary)?,
            other => {
                return Err(ModelError::NotUnderstood {
                    key: self.name("rope_type"),
                    value: other.into(),
                    understood: kinds(),
                });
            }
        };
        if !described.rotary.is_finite() {
            let said = Value::Object(self.scaling.clone());
            let expected = "a scaling that leaves frequencies finite";
            return Err(wrong(self.places[0], &said, expected));
        }
        Ok(described)
    }

    /// A key's full name: where it is said, or else where it would be.
    fn name(&self, key: &str) -> String {
        let mut names = self.places.iter().map(|place| format!("{place}.{key}"));
        let found = names.clone().find(|name| self.keys.is_there(name));
        found.or_else(|| names.next()).unwrap_or_default()
    }

    /// The kind that is said, if one is.
    fn kind(&self) -> Result<Option<String>, ModelError> {
        let text = |key: &str| match self.scaling.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(kind)) => Ok(Some(kind.clone())),
            Some(other) => Err(wrong(&self.name(key), other, &kinds())),
        };
        match (text("rope_type")?, text("type")?) {
            (Some(one), Some(other)) if one != other => Err(ModelError::Contradiction {
                one: format!("`{}` = \"{one}\"", self.name("rope_type")),
                other: format!("`{}` = \"{other}\"", self.name("type")),
            }),
            // As the first Phi 3 called it.
            (one, other) => {
                Ok(one.or(other).map(|kind| if kind == "su" { "longrope".into() } else { kind }))
            }
        }
    }

    /// Refuses keys that are not known, and names those that only other kinds read.
    fn account_for_keys(&self, kind: Option<&str>) -> Result<(), ModelError> {
        let is_known = |key: &str| KINDS.iter().any(|(_, keys)| keys.contains(&key));
        let followed = kind.unwrap_or(DEFAULT);
        let read =
            KINDS.iter().find(|(name, _)| *name == followed).map_or(&[][..], |(_, keys)| keys);
        let mut unread = Vec::new();
        for (key, value) in &self.scaling {
            let full = self.name(key);
            let is_passed = ["rope_type", "type", HARMLESS].contains(&key.as_str());
            if value.is_null() || is_passed || read.contains(&key.as_str()) {
                continue;
            }
            if is_known(key) {
                unread.push(format!("`{key}` = {}", shortened(value)));
                continue;
            }
            let why = match key.as_str() {
                "partial_rotary_factor" if known::same(value, &1.into()) => continue,
                "partial_rotary_factor" => "is not implemented with any value but 1",
                _ => "is not a key that vene knows",
            };
            if self.keys.leaves_out(&full) {
                continue;
            }
            return Err(ModelError::UnknownKey {
                key: full,
                value: shortened(value),
                why: why.into(),
            });
        }
        // A kind that is not known is refused by its name.
        if !unread.is_empty() && KINDS.iter().any(|(name, _)| *name == followed) {
            let named = match kind {
                Some(_) => "",
                None => ", since it names none",
            };
            self.keys.notices.add(format!(
                "`{}` is of the type `{followed}`{named}, which does not read {}: that changes nothing, as in \
                 transformers 5",
                self.places[0],
                unread.join(", "),
            ));
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
        let missing = || missing(&self.name(key), "a positive number");
        self.optional(key)?.ok_or_else(missing)
    }

    /// The context of the model before its encoding was stretched, where it is said: inside the scaling, or
    /// beside it as Phi-3 has it.
    fn original_context(&self) -> Result<Original, ModelError> {
        let inner = self.optional(ORIGINAL)?;
        let outer = match self.keys.optional_positive(ORIGINAL)? {
            Some(outer) if self.of_some_layers => {
                if inner.unwrap_or(self.context as f64) != outer {
                    self.keys.notices.add(format!(
                        "`{ORIGINAL}` = {outer} outside of `{}` is not read, as in transformers 5",
                        self.places[0]
                    ));
                }
                None
            }
            outer => outer,
        };
        match (inner, outer) {
            (Some(inner), Some(outer)) if inner != outer => Err(ModelError::Contradiction {
                one: format!("`{ORIGINAL}` = {outer}"),
                other: format!("`{}` = {inner}", self.name(ORIGINAL)),
            }),
            (inner, outer) => Ok(Original { inner, outer }),
        }
    }

    /// By how much the context was stretched. Where the factor and the two contexts say different things,
    /// the factor is followed, as by transformers 5; transformers 4.52 follows the context that it reads.
    fn factor(&self, original: &Original, read_by_4: Option<f64>) -> Result<f64, ModelError> {
        let ratio = |original: f64| self.context as f64 / original;
        let Some(factor) = self.optional("factor")? else {
            return Ok(original.said().map_or(1.0, ratio));
        };
        if let Some(ratio) = read_by_4.map(ratio).filter(|ratio| *ratio != factor) {
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
        let factor = self.factor(&original, original.inner)?;
        if let (None, Some(outer)) = (original.inner, original.outer)
            && outer != self.context as f64
        {
            self.keys.notices.add(format!(
                "`{ORIGINAL}` = {outer} is used, as transformers 5 does (transformers 4.52 reads it only inside of \
                 `{}` and would take {} for it)",
                self.places[0], self.context,
            ));
        }
        let original = original.said();
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
        let truncate = self.truncates()?;
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

    /// Whether YaRN's ramp begins and ends at whole pairs.
    fn truncates(&self) -> Result<bool, ModelError> {
        let name = self.name("truncate");
        match self.scaling.get("truncate") {
            None | Some(Value::Null | Value::Bool(true)) => Ok(true),
            Some(Value::Bool(false)) if self.of_some_layers => {
                self.keys.notices.add(format!(
                    "`{name}` = false is not read, as in transformers 4.52 and 5: it is taken for true"
                ));
                Ok(true)
            }
            Some(Value::Bool(false)) => {
                self.keys.notices.add(format!(
                    "`{name}` = false is followed, as transformers 5 does (transformers 4.52 does not read it and \
                     truncates)"
                ));
                Ok(false)
            }
            Some(other) => Err(wrong(&name, other, "true or false")),
        }
    }

    fn long_rope(&self, rotary: Rotary) -> Result<Rotary, ModelError> {
        let said = self.original_context()?;
        let original = said.said().unwrap_or(self.context as f64);
        if original != self.context as f64 && said.outer.is_none() {
            self.keys.notices.add(format!(
                "`{}` = {original} is used, as transformers 5 does (transformers 4.52 reads it only outside of \
                 `{}` and would take {} for it)",
                self.name(ORIGINAL),
                self.places[0],
                self.context,
            ));
        }
        let magnified = match self.optional("attention_factor")? {
            Some(factor) => factor,
            None => match self.factor(&said, said.outer)? {
                factor if factor <= 1.0 => 1.0,
                factor => (1.0 + factor.ln() / original.ln()).sqrt(),
            },
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
        if self.dimensions <= 2 {
            let value = self.dimensions.into();
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

/// The context of a model before its encoding was stretched, by where it is said.
struct Original {
    inner: Option<f64>,
    outer: Option<f64>,
}

impl Original {
    fn said(&self) -> Option<f64> {
        self.inner.or(self.outer)
    }
}

/// The kinds of scaling, for messages.
fn kinds() -> String {
    KINDS.map(|(kind, _)| kind).join(", ")
}
