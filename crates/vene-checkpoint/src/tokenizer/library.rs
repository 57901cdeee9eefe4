//! Tokenizers that the `tokenizers` library runs: `tokenizer.json`, `vocab.json` with
//! `merges.txt`, and byte-level ones out of GGUF metadata.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::{AddedToken, OffsetReferential, OffsetType};

use super::budget::Budget;
use super::parts;
use super::piece::{SPACE, Spelling, character_of};
use super::post_processor::{self, Surround};
use crate::CheckpointError;

/// The library's tokenizer, and how its vocabulary spells text.
pub(super) struct Library {
    tokenizer: tokenizers::Tokenizer,
    spelling: Spelling,
    budget: Budget,
    size: usize,
    /// Bytes that a byte-level vocabulary has no token for. The library would leave them out of
    /// the text without a word.
    unspeakable: Vec<u8>,
}

/// A `tokenizer.json` as it was read, before other files change it.
pub(super) struct Parsed {
    pub tokenizer: tokenizers::Tokenizer,
    pub spelling: Spelling,
    budget: Budget,
    /// What goes around a text; none where the file says nothing about it.
    pub around: Option<Surround>,
}

impl Parsed {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// The file is malformed.
    pub fn from_json(file: &str, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let refuse = |problem: String| CheckpointError::malformed(file, problem);
        let outline: Outline = serde_json::from_slice(bytes)
            .map_err(|error| refuse(parts::explain(bytes, &error.to_string())))?;
        outline.model.check(file)?;
        let spelling = outline.decoder.as_ref().map_or(Spelling::Plain, Spelling::of_decoder);
        let around = match &outline.post_processor {
            Some(processor) => post_processor::surround(file, processor)?,
            None => None,
        };
        let budget = Budget::read(
            outline.normalizer.as_ref(),
            outline.pre_tokenizer.as_ref(),
            outline.decoder.as_ref(),
        )
        .map_err(refuse)?;
        // The library normalizes these while it reads the file.
        for token in &outline.added_tokens {
            budget.allow_text(&token.content, || 1).map_err(refuse)?;
        }

        let mut tokenizer = guarded(|| tokenizers::Tokenizer::from_bytes(bytes))
            .map_err(|problem| refuse(parts::explain(bytes, &problem)))?;
        // Both are settings of the training script that saved the file: a text must never be cut
        // or filled up silently.
        let _ = tokenizer.with_truncation(None);
        tokenizer.with_padding(None);
        // The library numbers tokens that the model's vocabulary lacks by itself.
        for token in &outline.added_tokens {
            let given = tokenizer.token_to_id(&token.content);
            if given != Some(token.id) && !token.content.is_empty() {
                return Err(refuse(format!(
                    "its added token {:?} has the id {}, where {} would come next",
                    token.content,
                    token.id,
                    given.map_or_else(|| "none".to_owned(), |id| id.to_string())
                )));
            }
        }
        Ok(Self { tokenizer, spelling, budget, around })
    }

    /// One that was built out of a byte-level vocabulary.
    pub fn byte_level(tokenizer: tokenizers::Tokenizer) -> Self {
        let (spelling, budget) = (Spelling::ByteLevel, Budget::default());
        Self { tokenizer, spelling, budget, around: None }
    }

    /// Adds tokens, or changes the properties of those that are there.
    ///
    /// # Errors
    /// The library refuses them.
    pub fn add(&mut self, file: &str, tokens: Vec<AddedToken>) -> Result<(), CheckpointError> {
        let refuse = |problem: String| CheckpointError::malformed(file, problem);
        for token in &tokens {
            self.budget.allow_text(&token.content, || 1).map_err(refuse)?;
        }
        guarded(|| self.tokenizer.add_tokens(tokens))
            .map_err(|problem| refuse(format!("its added tokens cannot be used: {problem}")))?;
        Ok(())
    }
}

impl Library {
    pub fn new(parsed: Parsed) -> Self {
        let Parsed { mut tokenizer, spelling, budget, .. } = parsed;
        // The post-processor's work (a token in front) is done by our caller, and would trim spans.
        tokenizer.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
        let ids = tokenizer.get_vocab(true);
        let size = ids.values().max().map_or(0, |&last| last as usize + 1);
        let unspeakable = match spelling {
            Spelling::ByteLevel => (0..=u8::MAX)
                .filter(|&byte| !ids.contains_key(&character_of(byte).to_string()))
                .collect(),
            _ => Vec::new(),
        };
        Self { tokenizer, spelling, budget, size, unspeakable }
    }

    pub fn size(&self) -> usize {
        self.size
    }

    pub fn id(&self, entry: &str) -> Option<u32> {
        self.tokenizer.token_to_id(entry)
    }

    /// Whether the token is a sign rather than text.
    pub fn is_special(&self, id: u32) -> bool {
        self.tokenizer
            .get_added_vocabulary()
            .get_added_tokens_decoder()
            .get(&id)
            .is_some_and(|token| token.special)
    }

    /// The bytes that a token stands for.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        let added = self.tokenizer.get_added_vocabulary().get_added_tokens_decoder();
        let entry = self.tokenizer.id_to_token(id)?;
        let as_written = match added.get(&id) {
            Some(token) => token.special || self.spelling == Spelling::ByteLevel,
            None => false,
        };
        Some(match as_written {
            true => entry.into_bytes(),
            false => self.spelling.bytes(&entry),
        })
    }

    /// The token whose entry is exactly this text, where the vocabulary spells text such that
    /// that can be said; the library would put a space of its own in front.
    pub fn whole_entry(&self, text: &str) -> Option<u32> {
        if self.spelling != Spelling::SentencePiece {
            return None;
        }
        let entry = self.id(&text.replace(' ', SPACE.encode_utf8(&mut [0; 4])));
        // A character without an entry of its own, such as a line's end, is spelled as its byte.
        let byte = || match text.as_bytes() {
            [byte] => self.id(&format!("<0x{byte:02X}>")),
            _ => None,
        };
        entry.or_else(byte)
    }

    /// Tokens with the bytes of `text` that they cover.
    pub fn encode(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>, CheckpointError> {
        self.budget
            .allow_text(text, || self.stretches(text))
            .map_err(|problem| refused(text, problem))?;
        let encoding = guarded(|| self.tokenizer.encode(text, false))
            .map_err(|problem| refused(text, problem))?;
        let spans = encoding.get_offsets().iter().map(|&(from, to)| {
            let to = to.min(text.len());
            from.min(to)..to
        });
        let tokens: Vec<_> = encoding.get_ids().iter().copied().zip(spans).collect();
        self.refuse_left_out(text, &tokens)?;
        Ok(tokens)
    }

    /// Into how many stretches added tokens cut a text before it is normalized.
    fn stretches(&self, text: &str) -> usize {
        let added = self.tokenizer.get_added_vocabulary();
        let pieces = added.extract_and_normalize(None::<&tokenizers::NormalizerWrapper>, text);
        pieces.get_splits(OffsetReferential::Original, OffsetType::Byte).len()
    }

    fn refuse_left_out(
        &self,
        text: &str,
        tokens: &[(u32, Range<usize>)],
    ) -> Result<(), CheckpointError> {
        if self.unspeakable.is_empty() {
            return Ok(());
        }
        let left_out = text.bytes().enumerate().find(|(at, byte)| {
            let spoken = |(id, span): &(u32, Range<usize>)| {
                span.contains(at) && self.token_bytes(*id).is_some_and(|token| token.contains(byte))
            };
            self.unspeakable.contains(byte) && !tokens.iter().any(spoken)
        });
        match left_out {
            None => Ok(()),
            Some((at, byte)) => Err(refused(
                text,
                format!(
                    "its vocabulary has no token for the byte <0x{byte:02X}> (byte {at} of the text)"
                ),
            )),
        }
    }

    pub fn decode(&self, ids: &[u32]) -> Result<String, CheckpointError> {
        let entries = ids.iter().filter_map(|&id| self.tokenizer.id_to_token(id));
        let bytes = entries.map(|entry| entry.len()).sum();
        self.budget.allow_tokens(ids.len(), bytes).map_err(|problem| refused("", problem))?;
        guarded(|| self.tokenizer.decode(ids, false)).map_err(|problem| refused("", problem))
    }
}

/// What the library gives, or why not.
///
/// What it is known to stumble over is checked before. Should it stumble over something else in a
/// hostile file, that must not end the program. (Its caches are behind locks, which a panic poisons
/// and the library then does without.)
pub(super) fn guarded<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match vene_files::guarded(call) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the tokenizers library cannot work with it".to_owned()),
    }
}

fn refused(text: &str, problem: String) -> CheckpointError {
    CheckpointError::Encode { text: text.chars().take(40).collect(), problem }
}

/// The parts of a `tokenizer.json` that are looked at before the library reads it.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    model: ModelOutline<'a>,
    #[serde(borrow, default)]
    added_tokens: Vec<AddedOutline<'a>>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    decoder: Option<Value>,
    post_processor: Option<Value>,
}

#[derive(Deserialize)]
struct AddedOutline<'a> {
    id: u32,
    #[serde(borrow)]
    content: Cow<'a, str>,
}

#[derive(Deserialize)]
struct ModelOutline<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    /// A map for byte-pair encoding and word pieces, a list for unigrams.
    #[serde(borrow)]
    vocab: Entries<'a>,
    #[serde(borrow, default)]
    merges: Vec<Merge<'a>>,
    #[serde(borrow)]
    continuing_subword_prefix: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entries<'a> {
    ById(#[serde(borrow)] HashMap<Text<'a>, u32>),
    Listed(#[allow(dead_code)] Vec<serde::de::IgnoredAny>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge<'a> {
    Pair(#[serde(borrow)] Text<'a>, #[serde(borrow)] Text<'a>),
    Line(#[serde(borrow)] Text<'a>),
}

/// A string, borrowed from the file where it holds no escapes.
#[derive(Deserialize, PartialEq, Eq, Hash)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl ModelOutline<'_> {
    /// The library trusts that merges join two tokens into a third; a file that breaks this
    /// would make it index past a buffer.
    fn check(&self, file: &str) -> Result<(), CheckpointError> {
        if !matches!(self.kind.as_deref(), None | Some("BPE")) {
            return Ok(());
        }
        let Entries::ById(entries) = &self.vocab else {
            return Ok(());
        };
        let known: HashSet<&str> = entries.keys().map(|text| text.0.as_ref()).collect();
        let prefix = self.continuing_subword_prefix.as_deref().unwrap_or_default();
        let mut joined = String::new();
        for merge in &self.merges {
            let pair = match merge {
                Merge::Pair(left, right) => Some((left.0.as_ref(), right.0.as_ref())),
                Merge::Line(line) => line.0.split_once(' '),
            };
            let refuse = |problem: &str| {
                let (left, right) = pair.unwrap_or_default();
                Err(CheckpointError::malformed(
                    file,
                    format!("its merge of {left:?} with {right:?} {problem}"),
                ))
            };
            let Some((left, right)) = pair else {
                return refuse("is no pair");
            };
            let Some(continuation) = right.strip_prefix(prefix) else {
                return refuse("lacks the prefix of continuing pieces");
            };
            joined.clear();
            joined.push_str(left);
            joined.push_str(continuation);
            if ![left, right, &joined].into_iter().all(|text| known.contains(text)) {
                return refuse("is not between and into tokens of the vocabulary");
            }
        }
        Ok(())
    }
}
