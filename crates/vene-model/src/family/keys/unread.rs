//! The account of keys: what no family read is harmless, off, left out at the user's wish, or refused.

use serde_json::Value;
use vene_checkpoint::Description;

use super::{Keys, Source, gguf_value, known, shortened};
use crate::error::ModelError;

impl Keys<'_> {
    /// Returns an error for a key that was not read and may change the computation, and for one that the
    /// user asks to ignore in vain.
    pub(in crate::family) fn refuse_unread(&self) -> Result<(), ModelError> {
        match &self.source {
            Source::HuggingFace { config, .. } => {
                for (key, value) in config {
                    self.refuse_in_config(key, value)?;
                }
            }
            Source::Gguf { metadata, architecture } => {
                // What has another beginning llama.cpp does not compute with.
                let own = format!("{architecture}.");
                for key in metadata.keys() {
                    if let Some(name) = key.strip_prefix(&own) {
                        self.refuse_in_gguf(name, &gguf_value(metadata, key).unwrap_or_default())?;
                    }
                }
            }
        }
        self.refuse_ignored_in_vain()
    }

    fn refuse_in_config(&self, key: &str, value: &Value) -> Result<(), ModelError> {
        let is_read = self.read.borrow().contains(key);
        if value.is_null() || is_read || known::is_harmless(key) {
            return Ok(());
        }
        let why = match (self.twin_of(key), known::off_values(key)) {
            (Some(twin), _) => {
                let Some(followed) = self.get(twin) else { return Ok(()) };
                if known::same(&followed, value) {
                    return Ok(());
                }
                format!(
                    "says something else than `{twin}` = {}, which is followed",
                    shortened(&followed)
                )
            }
            (None, off) => match self.why_not(off, value) {
                Some(why) => why,
                None => return Ok(()),
            },
        };
        self.refuse_unless_left_out(key, value, why)
    }

    fn refuse_in_gguf(&self, name: &str, value: &Value) -> Result<(), ModelError> {
        let is_read = self.read.borrow().contains(&self.full_name(name));
        if is_read || known::is_harmless_in_gguf(name) {
            return Ok(());
        }
        match self.why_not(known::off_values_in_gguf(name), value) {
            Some(why) => self.refuse_unless_left_out(name, value, why),
            None => Ok(()),
        }
    }

    fn refuse_unless_left_out(
        &self,
        key: &str,
        value: &Value,
        why: String,
    ) -> Result<(), ModelError> {
        if self.leaves_out(key) {
            return Ok(());
        }
        Err(ModelError::UnknownKey { key: self.full_name(key), value: shortened(value), why })
    }

    /// Why a key may change something; nothing where this value of it does not.
    fn why_not(&self, off: Option<&[Value]>, value: &Value) -> Option<String> {
        match off {
            Some(off) if off.iter().any(|off| known::same(off, value)) => None,
            Some([]) => Some("is not implemented with any value but null".to_owned()),
            Some(off) => {
                let off: Vec<String> = off.iter().map(Value::to_string).collect();
                Some(format!("is not implemented with any value but {}", off.join(" or ")))
            }
            None => Some("is not a key that vene knows".to_owned()),
        }
    }

    /// The key of this class that `key` is another class's name for.
    fn twin_of(&self, key: &str) -> Option<&'static str> {
        match &self.source {
            Source::HuggingFace { class: Some(class), .. } => {
                class.twins.get(key).map(String::as_str)
            }
            _ => None,
        }
    }

    fn refuse_ignored_in_vain(&self) -> Result<(), ModelError> {
        let left_out = self.left_out.borrow();
        let Some(key) = self.ignored.iter().find(|key| !left_out.contains(*key)) else {
            return Ok(());
        };
        let why = if self.is_there(key) {
            "it is understood, and followed or known to change nothing; only a key that would be \
             refused can be ignored"
        } else {
            "the model's configuration has no such key"
        };
        Err(ModelError::IgnoredInVain { key: key.clone(), why })
    }
}

/// What of a description may change what a forward pass computes, as a text: the same for descriptions
/// that differ in order and in what is known to be harmless.
pub(crate) fn meaningful(description: &Description) -> String {
    let mut lines: Vec<String> = match description {
        Description::HuggingFace(config) => config
            .iter()
            .filter(|(key, value)| !value.is_null() && !known::is_harmless(key))
            .map(|(key, value)| format!("{key}={value}\n"))
            .collect(),
        Description::Gguf(metadata) => {
            let general =
                |key: &&str| !key.starts_with("general.") && !key.starts_with("tokenizer.");
            let keys = metadata.keys().filter(general);
            let value = |key| match gguf_value(metadata, key) {
                Some(Value::Array(_)) => "\"(a list)\"".to_owned(),
                value => value.unwrap_or_default().to_string(),
            };
            keys.map(|key| format!("{key}={}\n", value(key))).collect()
        }
    };
    lines.sort_unstable();
    lines.concat()
}
