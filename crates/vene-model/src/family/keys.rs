//! A model's description as keys and values, with an account of which keys were read.
//!
//! A key that changes the mathematics and is not understood must not be passed over in silence:
//! the numbers would be wrong and nothing would say so. So every key is either read by the family,
//! or known to be harmless, or its model is refused.

use std::cell::RefCell;
use std::collections::HashSet;

use serde_json::{Map, Value};
use vene_checkpoint::Description;
use vene_checkpoint::gguf::Metadata;

use crate::error::ModelError;

/// No extent of a real model is larger; what is, is damaged or hostile.
const LARGEST: u64 = 1 << 28;

enum Source<'a> {
    HuggingFace(&'a Map<String, Value>),
    Gguf { metadata: &'a Metadata, architecture: String },
}

/// Keys and values of a `config.json` or of GGUF metadata.
pub(super) struct Keys<'a> {
    source: Source<'a>,
    read: RefCell<HashSet<String>>,
}

impl<'a> Keys<'a> {
    pub(super) fn hugging_face(config: &'a Map<String, Value>) -> Self {
        Self { source: Source::HuggingFace(config), read: RefCell::default() }
    }

    pub(super) fn gguf(metadata: &'a Metadata) -> Result<Self, ModelError> {
        let architecture = metadata
            .string("general.architecture")?
            .ok_or_else(|| missing("general.architecture", "a text"))?
            .to_owned();
        Ok(Self { source: Source::Gguf { metadata, architecture }, read: RefCell::default() })
    }

    /// GGUF's `general.architecture`, or nothing for a `config.json`.
    pub(super) fn architecture(&self) -> &str {
        match &self.source {
            Source::HuggingFace(_) => "",
            Source::Gguf { architecture, .. } => architecture,
        }
    }

    /// A value as JSON, by its key in `config.json` or its key behind the architecture in GGUF.
    fn get(&self, key: &str) -> Result<Option<Value>, ModelError> {
        match &self.source {
            Source::HuggingFace(config) => {
                self.read.borrow_mut().insert(key.to_owned());
                Ok(config.get(key).filter(|value| !value.is_null()).cloned())
            }
            Source::Gguf { metadata, architecture } => {
                let key = format!("{architecture}.{key}");
                let value = gguf_value(metadata, &key);
                self.read.borrow_mut().insert(key);
                Ok(value)
            }
        }
    }

    pub(super) fn optional_number(&self, key: &str) -> Result<Option<f64>, ModelError> {
        self.get(key)?
            .map(|value| {
                value
                    .as_f64()
                    .filter(|number| number.is_finite())
                    .ok_or_else(|| wrong(key, &value, "a finite number"))
            })
            .transpose()
    }

    /// A positive number, such as an epsilon, a base or a factor.
    pub(super) fn optional_positive(&self, key: &str) -> Result<Option<f64>, ModelError> {
        let number = self.optional_number(key)?;
        match number {
            Some(number) if number <= 0.0 => Err(wrong(key, &number.into(), "a positive number")),
            _ => Ok(number),
        }
    }

    pub(super) fn optional_count(&self, key: &str) -> Result<Option<usize>, ModelError> {
        self.get(key)?
            .map(|value| match value.as_u64() {
                Some(count @ 1..=LARGEST) => Ok(count as usize),
                _ => Err(wrong(key, &value, "a whole number from 1 on")),
            })
            .transpose()
    }

    pub(super) fn count(&self, key: &str) -> Result<usize, ModelError> {
        self.optional_count(key)?.ok_or_else(|| missing(key, "a whole number"))
    }

    pub(super) fn flag_or(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        match self.get(key)? {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| wrong(key, &value, "true or false")),
        }
    }

    pub(super) fn optional_text(&self, key: &str) -> Result<Option<String>, ModelError> {
        self.get(key)?
            .map(|value| {
                value.as_str().map(str::to_owned).ok_or_else(|| wrong(key, &value, "a text"))
            })
            .transpose()
    }

    pub(super) fn text(&self, key: &str) -> Result<String, ModelError> {
        self.optional_text(key)?.ok_or_else(|| missing(key, "a text"))
    }

    /// A list of texts.
    pub(super) fn optional_texts(&self, key: &str) -> Result<Option<Vec<String>>, ModelError> {
        self.get(key)?
            .map(|value| {
                value
                    .as_array()
                    .and_then(|list| {
                        list.iter().map(|item| item.as_str().map(str::to_owned)).collect()
                    })
                    .ok_or_else(|| wrong(key, &value, "a list of texts"))
            })
            .transpose()
    }

    /// An object inside the object.
    pub(super) fn optional_object(
        &self,
        key: &str,
    ) -> Result<Option<Map<String, Value>>, ModelError> {
        self.get(key)?
            .map(|value| match value {
                Value::Object(object) => Ok(object),
                other => Err(wrong(key, &other, "an object")),
            })
            .transpose()
    }

    /// A key whose only understood value is this one (which is also its default).
    pub(super) fn only(&self, key: &str, understood: Value) -> Result<(), ModelError> {
        match self.get(key)? {
            Some(value) if value != understood => Err(ModelError::NotUnderstood {
                key: key.to_owned(),
                value: value.to_string(),
                understood: format!("only {understood}"),
            }),
            _ => Ok(()),
        }
    }

    /// Notes GGUF keys that repeat what is known otherwise.
    pub(super) fn ignore(&self, names: &[&str]) {
        let architecture = self.architecture();
        self.read.borrow_mut().extend(names.iter().map(|name| format!("{architecture}.{name}")));
    }

    /// Refuses a key that nobody read and that is not known to be harmless.
    pub(super) fn refuse_unread(&self) -> Result<(), ModelError> {
        let read = self.read.borrow();
        let unread = match &self.source {
            Source::HuggingFace(config) => config
                .iter()
                .find(|(key, value)| !value.is_null() && !read.contains(*key) && !is_harmless(key))
                .map(|(key, value)| (key.clone(), value.to_string())),
            Source::Gguf { metadata, architecture } => {
                let own = format!("{architecture}.");
                let unread =
                    metadata.keys().find(|key| key.starts_with(&own) && !read.contains(*key));
                unread.map(|key| {
                    (key.to_owned(), gguf_value(metadata, key).unwrap_or_default().to_string())
                })
            }
        };
        match unread {
            None => Ok(()),
            Some((key, value)) => Err(ModelError::NotUnderstood {
                key,
                value: value.chars().take(80).collect(),
                understood: "no value of it is: it may change the mathematics".to_owned(),
            }),
        }
    }
}

/// What of a description may change what a forward pass computes, as a text: the same for descriptions
/// that differ in order and in what is known to be harmless.
pub(crate) fn meaningful(description: &Description) -> String {
    let mut lines: Vec<String> = match description {
        Description::HuggingFace(config) => config
            .iter()
            .filter(|(key, value)| !value.is_null() && !is_harmless(key))
            .map(|(key, value)| format!("{key}={value}\n"))
            .collect(),
        Description::Gguf(metadata) => {
            let general =
                |key: &&str| !key.starts_with("general.") && !key.starts_with("tokenizer.");
            let keys = metadata.keys().filter(general);
            let value = |key| gguf_value(metadata, key).unwrap_or_default();
            keys.map(|key| format!("{key}={}\n", value(key))).collect()
        }
    };
    lines.sort_unstable();
    lines.concat()
}

/// A GGUF value as JSON, so that both kinds of description are checked by the same lines.
fn gguf_value(metadata: &Metadata, key: &str) -> Option<Value> {
    use vene_checkpoint::gguf::Value as Gguf;
    metadata.get(key).map(|value| match value {
        Gguf::U8(number) => Value::from(*number),
        Gguf::I8(number) => Value::from(*number),
        Gguf::U16(number) => Value::from(*number),
        Gguf::I16(number) => Value::from(*number),
        Gguf::U32(number) => Value::from(*number),
        Gguf::I32(number) => Value::from(*number),
        Gguf::U64(number) => Value::from(*number),
        Gguf::I64(number) => Value::from(*number),
        // By way of the shortest decimal, so that 1e-5 stored as f32 is 1e-5 again.
        Gguf::F32(number) => Value::from(number.to_string().parse::<f64>().unwrap_or(f64::NAN)),
        Gguf::F64(number) => Value::from(*number),
        Gguf::Bool(flag) => Value::from(*flag),
        Gguf::String(text) => Value::from(text.as_str()),
        Gguf::Array(_) => Value::from("(a list)"),
    })
}

/// Keys of a `config.json` that do not change what a forward pass computes.
fn is_harmless(key: &str) -> bool {
    const NAMES: [&str; 32] = [
        "architectures",
        "auto_map",
        "cache_implementation",
        "chunk_size_feed_forward",
        "dtype",
        "finetuning_task",
        "gradient_checkpointing",
        "id2label",
        "initializer_range",
        "is_llama_config",
        "label2id",
        "max_length",
        "max_window_layers",
        "min_length",
        "n_ctx",
        "output_attentions",
        "output_hidden_states",
        "output_past",
        "predict_special_tokens",
        "pretraining_tp",
        "problem_type",
        "reorder_and_upcast_attn",
        "return_dict",
        "task_specific_params",
        "tokenizer_class",
        "torch_dtype",
        "torchscript",
        "transformers.js_config",
        "transformers_version",
        "unsloth_fixed",
        "use_bfloat16",
        "use_cache",
    ];
    const GENERATION: [&str; 14] = [
        "bad_words_ids",
        "begin_suppress_tokens",
        "diversity_penalty",
        "do_sample",
        "early_stopping",
        "exponential_decay_length_penalty",
        "length_penalty",
        "num_beams",
        "remove_invalid_values",
        "repetition_penalty",
        "temperature",
        "tf_legacy_loss",
        "top_k",
        "top_p",
    ];
    NAMES.contains(&key)
        || GENERATION.contains(&key)
        || key.starts_with('_')
        || key.starts_with("summary_")
        || key.starts_with("num_beam")
        || key.starts_with("unsloth_")
        || key.ends_with("_token_id")
        || key.ends_with("_token_index")
        || key.ends_with("pdrop")
        || key.ends_with("dropout")
        || matches!(
            key,
            "encoder_no_repeat_ngram_size"
                | "no_repeat_ngram_size"
                | "num_return_sequences"
                | "output_scores"
                | "return_dict_in_generate"
                | "suppress_tokens"
                | "typical_p"
                | "forced_bos_token_id"
                | "prefix"
                | "tie_encoder_decoder"
                | "use_return_dict"
        )
}

fn missing(key: &str, expected: &str) -> ModelError {
    ModelError::MissingKey { key: key.to_owned(), expected: expected.to_owned() }
}

fn wrong(key: &str, value: &Value, expected: &str) -> ModelError {
    ModelError::WrongValue {
        key: key.to_owned(),
        value: value.to_string().chars().take(80).collect(),
        expected: expected.to_owned(),
    }
}
