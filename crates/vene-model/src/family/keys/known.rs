//! What transformers' own classes and published configurations say about keys (`known.json`, made by
//! `fixtures/make_configuration_keys.py`): defaults, other names, and what changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Everything that is known about keys.
#[derive(Deserialize)]
pub(in crate::family) struct Known {
    classes: BTreeMap<String, Class>,
    harmless: BTreeSet<String>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    off: BTreeMap<String, Vec<Value>>,
    gguf: KnownGguf,
}

/// A configuration class of transformers.
#[derive(Deserialize)]
pub(in crate::family) struct Class {
    /// Its name, e.g. `LlamaConfig`.
    pub(in crate::family) class: String,
    /// What it takes for keys that are absent.
    pub(in crate::family) defaults: Map<String, Value>,
    /// Other names of its keys, which it understands (`attribute_map`).
    pub(in crate::family) aliases: BTreeMap<String, String>,
    /// Names that other classes have for its keys, and which it does not read.
    pub(in crate::family) twins: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct KnownGguf {
    harmless: BTreeSet<String>,
    off: BTreeMap<String, Vec<Value>>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    // The file is part of the program, and a test reads it.
    serde_json::from_str(include_str!("known.json")).unwrap_or_else(|error| unreachable!("{error}"))
});

/// The class that reads configurations of this `model_type`.
pub(in crate::family) fn class(model_type: &str) -> Option<&'static Class> {
    KNOWN.classes.get(model_type)
}

/// Whether a key of a `config.json` changes nothing, whatever its value.
pub(in crate::family) fn is_harmless(key: &str) -> bool {
    KNOWN.harmless.contains(key)
        || KNOWN.prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()))
        || KNOWN.suffixes.iter().any(|suffix| key.ends_with(suffix.as_str()))
}

/// The values with which a key of a `config.json` changes nothing, where it is known to have any.
pub(super) fn off_values(key: &str) -> Option<&'static [Value]> {
    KNOWN.off.get(key).map(Vec::as_slice)
}

/// [`is_harmless`] of a GGUF key, without its architecture.
pub(super) fn is_harmless_in_gguf(key: &str) -> bool {
    KNOWN.gguf.harmless.contains(key)
}

/// [`off_values`] of a GGUF key, without its architecture.
pub(super) fn off_values_in_gguf(key: &str) -> Option<&'static [Value]> {
    KNOWN.gguf.off.get(key).map(Vec::as_slice)
}

/// Whether two values are the same: numbers also where one is written `1` and the other `1.0`.
pub(in crate::family) fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_known_is_read() {
        assert_eq!(class("gpt2").unwrap().defaults["n_embd"], 768);
        assert_eq!(class("llama").unwrap().defaults["rms_norm_eps"], 1e-6);
        assert_eq!(class("gemma3_text").unwrap().defaults["sliding_window"], 4096);
        assert_eq!(class("gpt2").unwrap().aliases["hidden_size"], "n_embd");
        assert!(class("mlp").is_none());
        assert!(is_harmless("transformers_version") && is_harmless("summary_type"));
        assert_eq!(off_values("n_special").unwrap(), [json!(0)]);
        assert_eq!(off_values_in_gguf("expert_count").unwrap(), [json!(0)]);
    }

    #[test]
    fn no_key_that_a_class_follows_is_harmless() {
        for class in KNOWN.classes.values() {
            for key in class.defaults.keys().chain(class.twins.keys()) {
                let is_of_its_own = key.starts_with('_');
                assert!(is_of_its_own || !is_harmless(key), "{key}");
            }
        }
    }

    #[test]
    fn numbers_are_the_same_in_either_spelling() {
        assert!(same(&json!(1), &json!(1.0)) && !same(&json!(1), &json!(true)));
    }
}
