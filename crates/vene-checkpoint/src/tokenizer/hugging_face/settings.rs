//! `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`: an account of every key.
//!
//! Each key is followed, is known to change nothing ([`super::account`]), or is named to the user. The
//! files are put together as transformers does: `added_tokens_decoder` in the first makes the others
//! history.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::JsonFile;
use super::account::{CONVERTED, HARMLESS};
use crate::{CheckpointError, Notices};

/// The special tokens that have names, in the order in which transformers adds them.
pub(super) const NAMED: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A special token as a file gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Special {
    pub token: AddedToken,
    /// Whether the file gives its properties too, not its text alone.
    pub in_full: bool,
    /// The key, where it is one that only transformers 5 takes for a special token's.
    pub only_in_5: Option<String>,
}

/// What the files say.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub class: Option<String>,
    pub add_bos: Option<bool>,
    pub add_eos: Option<bool>,
    pub prefix_space: Option<bool>,
    pub lower_case: Option<bool>,
    pub strip_accents: Option<bool>,
    pub chinese_characters: Option<bool>,
    pub split_special_tokens: bool,
    /// How transformers 4.52 converts SentencePiece models.
    pub legacy: Option<bool>,
    /// By their names; a name that is there without a token says that there is none.
    pub named: BTreeMap<String, Option<Special>>,
    pub extra: Vec<Special>,
    /// Added tokens by the ids that they had.
    pub added: BTreeMap<u32, AddedToken>,
    /// Whether the file gives their properties too (`added_tokens_decoder`), not their texts alone.
    pub added_in_full: bool,
}

impl Settings {
    /// Reads the files that are there.
    ///
    /// # Errors
    /// A key has a value of another kind than it should.
    pub fn read(
        settings: Option<&JsonFile>,
        special_tokens: Option<&JsonFile>,
        added_tokens: Option<&JsonFile>,
        notices: &Notices,
    ) -> Result<Self, CheckpointError> {
        let mut read = Self::default();
        if let Some(file) = settings {
            read.take(file, notices)?;
        }
        let decides = read.added_in_full;
        if let Some(file) = special_tokens {
            let mut other = Self::default();
            other.take(file, notices)?;
            if decides {
                read.tell_differences(&other, &file.name, notices);
            } else {
                read.named.extend(other.named);
                read.extra.extend(other.extra);
            }
        }
        if let Some(file) = added_tokens {
            let tokens = ids_of_texts(file)?;
            if decides {
                let known: HashSet<&str> =
                    read.added.values().map(|token| token.content.as_str()).collect();
                let unknown: Vec<&str> = tokens
                    .values()
                    .map(String::as_str)
                    .filter(|text| !known.contains(text))
                    .collect();
                if !unknown.is_empty() {
                    notices.add(format!(
                        "{}: the tokens {} are not followed: tokenizer_config.json has a list of added tokens (added_tokens_decoder) without them",
                        file.name,
                        some_of(&unknown)
                    ));
                }
            } else {
                let special = read.special_texts();
                let token = |(id, text): (u32, String)| {
                    let special = special.contains(text.as_str());
                    (id, AddedToken::from(text, special).normalized(!special))
                };
                read.added = tokens.into_iter().map(token).collect();
            }
        }
        Ok(read)
    }

    /// The texts of all special tokens.
    pub fn special_texts(&self) -> HashSet<&str> {
        let named = self.named.values().flatten();
        named.chain(&self.extra).map(|special| special.token.content.as_str()).collect()
    }

    fn tell_differences(&self, other: &Self, file: &str, notices: &Notices) {
        for (name, theirs) in &other.named {
            let content = |special: &Option<Special>| {
                special.as_ref().map(|special| special.token.content.clone())
            };
            let mine = self.named.get(name).and_then(content);
            let theirs = content(theirs);
            if mine != theirs {
                let shown =
                    |text: Option<String>| text.map_or("none".to_owned(), |t| format!("{t:?}"));
                notices.add(format!(
                    "{file}: {name} is {}, and tokenizer_config.json says {}, which is followed",
                    shown(theirs),
                    shown(mine)
                ));
            }
        }
    }

    /// Takes the keys of one file.
    fn take(&mut self, file: &JsonFile, notices: &Notices) -> Result<(), CheckpointError> {
        let mut unknown = Vec::new();
        for (key, value) in &file.object {
            let reader = Reader { file: &file.name, key, value };
            match key.as_str() {
                "tokenizer_class" => self.class = reader.text()?,
                "add_bos_token" => self.add_bos = reader.truth()?,
                "add_eos_token" => self.add_eos = reader.truth()?,
                "legacy" => self.legacy = reader.truth()?,
                "add_prefix_space" => self.prefix_space = reader.truth()?,
                "do_lower_case" => self.lower_case = reader.truth()?,
                "strip_accents" => self.strip_accents = reader.truth()?,
                "tokenize_chinese_chars" => self.chinese_characters = reader.truth()?,
                "split_special_tokens" => {
                    self.split_special_tokens = reader.truth()?.unwrap_or(false);
                }
                "additional_special_tokens" if has_extra_list(&file.object) => {
                    let extra = file.object.get("extra_special_tokens").and_then(Value::as_array);
                    let is_there = |special: &Special| {
                        let text = special.token.content.as_str();
                        extra.into_iter().flatten().any(|other| {
                            other.as_str().or_else(|| other.get("content")?.as_str()) == Some(text)
                        })
                    };
                    let tokens = reader.tokens()?;
                    let left_out = tokens.iter().filter(|special| !is_there(special));
                    let left_out: Vec<&str> =
                        left_out.map(|special| special.token.content.as_str()).collect();
                    if !left_out.is_empty() {
                        notices.add(format!(
                            "{}: {} of additional_special_tokens are not followed beside the list extra_special_tokens, as in transformers 5 (4.52 refuses such a list)",
                            file.name,
                            some_of(&left_out)
                        ));
                    }
                }
                "additional_special_tokens"
                | "extra_special_tokens"
                | "model_specific_special_tokens" => self.extra.extend(reader.tokens()?),
                "added_tokens_decoder" => {
                    self.added = reader.tokens_by_id()?;
                    self.added_in_full = true;
                }
                name if NAMED.contains(&name) => {
                    self.named.insert(key.clone(), reader.token()?);
                }
                name if name.ends_with("_token") => {
                    let only_in_5 = Some(key.clone());
                    self.extra
                        .extend(reader.token()?.map(|special| Special { only_in_5, ..special }));
                }
                name if HARMLESS.contains(&name) || CONVERTED.contains(&name) => {}
                // Arguments of a constructor, and code of its own, where there are any.
                "init_inputs" if value.as_array().is_some_and(Vec::is_empty) => {}
                "fix_mistral_regex" if !matches!(value, Value::Bool(true)) => {}
                _ => unknown.push(key.as_str()),
            }
        }
        unknown.sort_unstable();
        if !unknown.is_empty() {
            notices.add(format!(
                "{}: {} {} not followed (not known here)",
                file.name,
                some_of(&unknown),
                if unknown.len() == 1 { "is" } else { "are" }
            ));
        }
        Ok(())
    }
}

/// Whether a file lists special tokens under the name that transformers 5 gives the list.
fn has_extra_list(object: &Map<String, Value>) -> bool {
    let list = object.get("extra_special_tokens").and_then(Value::as_array);
    list.is_some_and(|list| !list.is_empty())
}

/// The first of some names, each cut at a sane length, and how many there are more.
pub(in crate::tokenizer) fn some_of(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    let cut = |name: &&str| match name.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", name.get(..at).unwrap_or_default()),
        None => (*name).to_owned(),
    };
    let shown: Vec<String> = names.iter().take(SHOWN).map(cut).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => format!("{shown:?}"),
        more => format!("{shown:?} and {more} more"),
    }
}

/// Texts by their ids, of an `added_tokens.json`.
fn ids_of_texts(file: &JsonFile) -> Result<BTreeMap<u32, String>, CheckpointError> {
    let mut texts = BTreeMap::new();
    for (text, value) in &file.object {
        let reader = Reader { file: &file.name, key: text, value };
        let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
        let id = id.ok_or_else(|| reader.refuse("the id of a token"))?;
        if let Some(other) = texts.insert(id, text.clone()) {
            return Err(CheckpointError::malformed(
                file.name.clone(),
                format!("its tokens {other:?} and {text:?} have the same id {id}"),
            ));
        }
    }
    Ok(texts)
}

/// One key's value, and how to name it.
struct Reader<'a> {
    file: &'a str,
    key: &'a str,
    value: &'a Value,
}

impl Reader<'_> {
    fn refuse(&self, expected: &str) -> CheckpointError {
        let mut shown = self.value.to_string();
        if shown.chars().count() > 40 {
            shown = shown.chars().take(40).chain(['…']).collect();
        }
        CheckpointError::malformed(
            self.file,
            format!("{:?} is {shown}, expected {expected}", self.key),
        )
    }

    fn text(&self) -> Result<Option<String>, CheckpointError> {
        match self.value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            _ => Err(self.refuse("a text")),
        }
    }

    fn truth(&self) -> Result<Option<bool>, CheckpointError> {
        match self.value {
            Value::Null => Ok(None),
            Value::Bool(truth) => Ok(Some(*truth)),
            _ => Err(self.refuse("true or false")),
        }
    }

    fn token(&self) -> Result<Option<Special>, CheckpointError> {
        match self.value {
            Value::Null => Ok(None),
            Value::String(text) if text.is_empty() => Ok(None),
            Value::String(text) => {
                let token = AddedToken::from(text.clone(), true);
                Ok(Some(Special { token, in_full: false, only_in_5: None }))
            }
            Value::Object(object) => {
                let token = self.in_full(object, true)?;
                Ok(Some(Special { token, in_full: true, only_in_5: None }))
            }
            _ => Err(self.refuse("the text of a token")),
        }
    }

    fn tokens(&self) -> Result<Vec<Special>, CheckpointError> {
        let each = |value| Reader { value, ..*self }.token();
        let tokens: Result<Vec<_>, _> = match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Array(list) => list.iter().map(each).collect(),
            Value::Object(by_name) => by_name.values().map(each).collect(),
            _ => Err(self.refuse("a list of tokens")),
        };
        Ok(tokens?.into_iter().flatten().collect())
    }

    fn tokens_by_id(&self) -> Result<BTreeMap<u32, AddedToken>, CheckpointError> {
        let expected = "tokens by their ids";
        let object = match self.value {
            Value::Null => return Ok(BTreeMap::new()),
            Value::Object(object) => object,
            _ => return Err(self.refuse(expected)),
        };
        object
            .iter()
            .map(|(id, value)| {
                let id = id.parse().map_err(|_| self.refuse(expected))?;
                let token = value.as_object().ok_or_else(|| self.refuse(expected))?;
                Ok((id, Reader { value, ..*self }.in_full(token, false)?))
            })
            .collect()
    }

    /// A token with its properties; those that are left out have the library's defaults.
    fn in_full(
        &self,
        object: &Map<String, Value>,
        special: bool,
    ) -> Result<AddedToken, CheckpointError> {
        let refuse = || self.refuse("a token: an object with its `content`");
        let content = object.get("content").and_then(Value::as_str).ok_or_else(refuse)?;
        let truth = |key: &str, default: bool| match object.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(_) => Err(refuse()),
        };
        let special = special || truth("special", false)?;
        Ok(AddedToken::from(content, special)
            .single_word(truth("single_word", false)?)
            .lstrip(truth("lstrip", false)?)
            .rstrip(truth("rstrip", false)?)
            .normalized(truth("normalized", !special)?))
    }
}
