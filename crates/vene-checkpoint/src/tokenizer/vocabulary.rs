//! A GGUF file's list of tokens: texts, kinds, and the special ones among them.

use std::collections::HashMap;
use std::ops::Range;

use crate::gguf::Metadata;
use crate::{CheckpointError, Notices};

/// The number of a token that no text becomes.
const UNUSED: u32 = 5;

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
    /// Reads the list of tokens.
    ///
    /// # Errors
    /// It is not there, other lists have other lengths, or two tokens that are used have the same text.
    pub fn from_metadata(metadata: &Metadata, notices: &Notices) -> Result<Self, CheckpointError> {
        let file = metadata.file();
        let texts = metadata
            .strings("tokenizer.ggml.tokens")?
            .filter(|texts| !texts.is_empty())
            .ok_or_else(|| CheckpointError::malformed(file, "has no tokenizer.ggml.tokens"))?
            .to_vec();
        let types = metadata.u32s("tokenizer.ggml.token_type")?;
        if let Some(types) = types.as_ref().filter(|types| types.len() != texts.len()) {
            return Err(CheckpointError::malformed(
                file,
                format!("has {} tokens and {} tokenizer.ggml.token_type", texts.len(), types.len()),
            ));
        }
        let types = types.unwrap_or_else(|| vec![1; texts.len()]);
        Self::new(file, texts, &types, notices)
    }

    fn new(
        file: &str,
        texts: Vec<String>,
        types: &[u32],
        notices: &Notices,
    ) -> Result<Self, CheckpointError> {
        let unused = |id: u32| types.get(id as usize) == Some(&UNUSED);
        let mut ids = HashMap::with_capacity(texts.len());
        let mut twins = 0;
        for (id, text) in (0u32..).zip(&texts) {
            // An empty text is a hole in the list: it can neither be found nor meant.
            if text.is_empty() {
                continue;
            }
            let Some(other) = ids.insert(text.clone(), id) else {
                continue;
            };
            if !(unused(id) || unused(other)) {
                return Err(CheckpointError::malformed(
                    file,
                    format!("its tokens {other} and {id} are both {text:?}"),
                ));
            }
            if unused(id) && !unused(other) {
                ids.insert(text.clone(), other);
            }
            twins += 1;
        }
        if twins > 0 {
            notices.add(format!(
                "{twins} tokens that the file calls unused have the text of another token; texts never become them"
            ));
        }
        let kinds = types
            .iter()
            .map(|number| match number {
                2 | 3 => Kind::Special,
                4 => Kind::UserDefined,
                _ => Kind::Normal,
            })
            .collect();
        let mut vocabulary = Self { texts, kinds, ids, special: Vec::new() };
        vocabulary.sort_special_tokens();
        Ok(vocabulary)
    }

    /// Gives a token another kind; [`Self::sort_special_tokens`] is to follow.
    pub fn mark(&mut self, id: u32, kind: Kind) {
        if let Some(known) = self.kinds.get_mut(id as usize) {
            *known = kind;
        }
    }

    /// Puts the special tokens in the order in which they are looked for in a text.
    pub fn sort_special_tokens(&mut self) {
        let len = |id: u32| self.texts.get(id as usize).map_or(0, String::len);
        let mut special: Vec<u32> = (0u32..)
            .zip(&self.kinds)
            .filter(|(_, kind)| **kind != Kind::Normal)
            .map(|(id, _)| id)
            .filter(|&id| len(id) > 0)
            .collect();
        special.sort_by_key(|&id| std::cmp::Reverse(len(id)));
        self.special = special;
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
        let notices = Notices::default();
        let vocabulary = Vocabulary::new("test", texts, &[1, 3, 3, 4], &notices).unwrap();
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
    fn twins_are_refused_unless_they_are_unused() {
        let notices = Notices::default();
        let twins = || vec!["a".to_owned(), "a".to_owned()];
        let error = Vocabulary::new("m.gguf", twins(), &[1, 1], &notices).unwrap_err();
        assert_eq!(error.to_string(), "m.gguf: its tokens 0 and 1 are both \"a\"");
        assert!(notices.all().is_empty());
        for (types, id) in [([5, 1], 1), ([1, 5], 0), ([5, 5], 1)] {
            let vocabulary = Vocabulary::new("m.gguf", twins(), &types, &notices).unwrap();
            assert_eq!(vocabulary.id("a"), Some(id));
        }
        assert_eq!(notices.all().len(), 1);
    }
}
