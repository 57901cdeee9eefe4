//! A GGUF file's list of tokens: texts, kinds, and the special ones among them.

use std::collections::HashMap;
use std::ops::Range;

use crate::CheckpointError;
use crate::gguf::Metadata;

/// What kind of token it is; only what changes how text is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A piece of text, or a byte.
    Normal,
    /// A control sign, or the sign for what is unknown. It has no text of its own.
    Special,
    /// Text that is always one token.
    UserDefined,
}

/// Token texts by id and back.
#[derive(Debug)]
pub(super) struct Vocabulary {
    texts: Vec<String>,
    kinds: Vec<Kind>,
    ids: HashMap<String, u32>,
    /// Special and user-defined tokens, the longest first.
    special: Vec<u32>,
}

impl Vocabulary {
    pub fn from_metadata(metadata: &Metadata) -> Result<Self, CheckpointError> {
        let file = metadata.file();
        let texts = metadata
            .strings("tokenizer.ggml.tokens")?
            .filter(|texts| !texts.is_empty())
            .ok_or_else(|| CheckpointError::malformed(file, "has no tokenizer.ggml.tokens"))?
            .to_vec();
        let kinds = match metadata.u32s("tokenizer.ggml.token_type")? {
            None => vec![Kind::Normal; texts.len()],
            Some(types) if types.len() == texts.len() => types
                .into_iter()
                .map(|number| match number {
                    2 | 3 => Kind::Special,
                    4 => Kind::UserDefined,
                    _ => Kind::Normal,
                })
                .collect(),
            Some(types) => {
                return Err(CheckpointError::malformed(
                    file,
                    format!(
                        "has {} tokens and {} tokenizer.ggml.token_type",
                        texts.len(),
                        types.len()
                    ),
                ));
            }
        };
        Self::new(file, texts, kinds)
    }

    fn new(file: &str, texts: Vec<String>, kinds: Vec<Kind>) -> Result<Self, CheckpointError> {
        let mut ids = HashMap::with_capacity(texts.len());
        for (id, text) in (0u32..).zip(&texts) {
            // An empty text is a hole in the list: it can neither be found nor meant.
            if !text.is_empty()
                && let Some(other) = ids.insert(text.clone(), id)
            {
                return Err(CheckpointError::malformed(
                    file,
                    format!("its tokens {other} and {id} are both {text:?}"),
                ));
            }
        }
        let mut special: Vec<u32> = (0u32..)
            .zip(&kinds)
            .filter(|(_, kind)| **kind != Kind::Normal)
            .map(|(id, _)| id)
            .filter(|&id| texts.get(id as usize).is_some_and(|text| !text.is_empty()))
            .collect();
        special.sort_by_key(|&id| std::cmp::Reverse(texts.get(id as usize).map_or(0, String::len)));
        Ok(Self { texts, kinds, ids, special })
    }

    pub fn len(&self) -> usize {
        self.texts.len()
    }

    pub fn id(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    pub fn text(&self, id: u32) -> Option<&str> {
        self.texts.get(id as usize).map(String::as_str)
    }

    pub fn kind(&self, id: u32) -> Kind {
        self.kinds.get(id as usize).copied().unwrap_or(Kind::Normal)
    }

    /// Ids with their texts.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        (0u32..).zip(self.texts.iter().map(String::as_str))
    }

    /// Special and user-defined tokens with their texts and kinds.
    pub fn special_tokens(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.special.iter().filter_map(|&id| Some((self.text(id)?, self.kind(id))))
    }

    /// Cuts a text at the special tokens that are written out in it: longer tokens are found
    /// before shorter ones, wherever they are. The stretches between have no token.
    pub fn split_at_special_tokens(&self, text: &str) -> Vec<(Option<u32>, Range<usize>)> {
        let mut parts = Vec::new();
        if !text.is_empty() {
            parts.push((None, 0..text.len()));
        }
        for &id in &self.special {
            let Some(special) = self.text(id).filter(|special| text.contains(special)) else {
                continue;
            };
            let mut finer = Vec::with_capacity(parts.len() + 2);
            for (token, span) in parts {
                let stretch = text.get(span.clone()).unwrap_or_default();
                if token.is_some() || !stretch.contains(special) {
                    finer.push((token, span));
                    continue;
                }
                let mut from = span.start;
                for (at, found) in stretch.match_indices(special) {
                    let at = span.start + at;
                    if from < at {
                        finer.push((None, from..at));
                    }
                    from = at + found.len();
                    finer.push((Some(id), at..from));
                }
                if from < span.end {
                    finer.push((None, from..span.end));
                }
            }
            parts = finer;
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn special_tokens_are_cut_out_longest_first() {
        let texts = ["a", "<x>", "<x><x>", "\n\n"].map(str::to_owned).to_vec();
        let kinds = vec![Kind::Normal, Kind::Special, Kind::Special, Kind::UserDefined];
        let vocabulary = Vocabulary::new("test", texts, kinds).unwrap();
        assert_eq!(
            vocabulary.split_at_special_tokens("a<x><x><x>b\n\n\nc"),
            [
                (None, 0..1),
                (Some(2), 1..7),
                (Some(1), 7..10),
                (None, 10..11),
                (Some(3), 11..13),
                (None, 13..15),
            ]
        );
        assert!(vocabulary.split_at_special_tokens("").is_empty());
    }

    #[test]
    fn twins_are_refused() {
        let texts = vec!["a".to_owned(), "a".to_owned()];
        let error = Vocabulary::new("m.gguf", texts, vec![Kind::Normal; 2]).unwrap_err();
        assert_eq!(error.to_string(), "m.gguf: its tokens 0 and 1 are both \"a\"");
    }
}
