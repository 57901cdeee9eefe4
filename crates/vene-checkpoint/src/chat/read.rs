//! Where a model's files hold its chat template, and the tokens that templates know by name.

use std::collections::BTreeMap;

use minijinja::Value;
use minijinja::value::Serde;
use serde_json::Value as Json;

use super::ChatTemplate;
use super::environment::LONGEST;
use crate::CheckpointError;
use crate::gguf::Metadata;

const KEY: &str = "chat_template";
const GGUF_KEY: &str = "tokenizer.chat_template";
/// Of several templates the one that conversations without tools are written by.
const DEFAULT: &str = "default";

/// The template of a folder: that of `chat_template.jinja` (its name and text), or else the key of
/// `tokenizer_config.json`, as transformers has it. `Err` says why there is none, in words.
pub(crate) fn in_settings(
    file: Option<(&str, String)>,
    settings: Option<(&str, &Json)>,
    tokens: BTreeMap<String, Json>,
) -> Result<ChatTemplate, String> {
    let tokens: Vec<(String, Value)> =
        tokens.iter().map(|(name, token)| (name.clone(), Value::from(Serde(token)))).collect();
    if let Some((name, text)) = file {
        return Ok(ChatTemplate::new(name.to_owned(), text, tokens));
    }
    let Some((name, value)) = settings else {
        return Err("the model has neither a chat_template.jinja nor a chat_template in its \
                    tokenizer_config.json"
            .to_owned());
    };
    let source = match value {
        Json::String(text) => text.clone(),
        Json::Array(list) => {
            let named = |template: &Json| {
                let text = |key: &str| Some(template.get(key)?.as_str()?.to_owned());
                Some((text("name")?, text("template")?))
            };
            let all: Option<Vec<(String, String)>> = list.iter().map(named).collect();
            let all = all.ok_or_else(|| {
                format!("{name}: {KEY} is a list of something else than templates with their names")
            })?;
            one_of(name, all)?
        }
        _ => return Err(format!("{name}: {KEY} is neither a text nor a list of templates")),
    };
    Ok(ChatTemplate::new(name.to_owned(), source, tokens))
}

/// That of a GGUF file.
///
/// # Errors
/// A key of another kind than it should be.
pub(crate) fn in_gguf(
    metadata: &Metadata,
    token: impl Fn(u32) -> Option<String>,
    bos: Option<u32>,
) -> Result<Result<ChatTemplate, String>, CheckpointError> {
    let mut tokens = Vec::new();
    for (name, key) in [
        ("bos_token", "bos_token_id"),
        ("eos_token", "eos_token_id"),
        ("unk_token", "unknown_token_id"),
        ("sep_token", "seperator_token_id"),
        ("pad_token", "padding_token_id"),
        ("cls_token", "cls_token_id"),
        ("mask_token", "mask_token_id"),
    ] {
        let id = metadata.u32(&format!("tokenizer.ggml.{key}"))?;
        let id = id.or(bos.filter(|_| name == "bos_token"));
        if let Some(text) = id.and_then(&token) {
            tokens.push((name.to_owned(), Value::from(text)));
        }
    }
    let file = metadata.file();
    let source = match metadata.string(GGUF_KEY)? {
        Some(text) => text.to_owned(),
        None => {
            let named = |key: &str| Some(key.strip_prefix(GGUF_KEY)?.strip_prefix('.')?.to_owned());
            let names: Vec<String> = metadata.keys().filter_map(named).collect();
            let mut all = Vec::new();
            for name in names {
                if let Some(text) = metadata.string(&format!("{GGUF_KEY}.{name}"))? {
                    all.push((name, text.to_owned()));
                }
            }
            if all.is_empty() {
                return Ok(Err(format!("{file} has no {GGUF_KEY}")));
            }
            match one_of(file, all) {
                Ok(text) => text,
                Err(problem) => return Ok(Err(problem)),
            }
        }
    };
    Ok(Ok(ChatTemplate::new(file.to_owned(), source, tokens)))
}

/// The default of several templates.
fn one_of(file: &str, all: Vec<(String, String)>) -> Result<String, String> {
    let names: Vec<String> =
        all.iter().take(8).map(|(name, _)| name.escape_debug().take(40).collect()).collect();
    let default = all.into_iter().find(|(name, _)| name == DEFAULT);
    default.map(|(_, text)| text).ok_or_else(|| {
        format!(
            "{file} has several chat templates ({}), none of them named `{DEFAULT}`",
            names.join(", ")
        )
    })
}

/// Whether a file may be a template by its length.
pub(crate) fn most_bytes() -> u64 {
    LONGEST as u64
}
