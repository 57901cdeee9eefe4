//! GPT-2's older pair of files: `vocab.json` and `merges.txt`.
//!
//! They say nothing about how text is split into words; that is known for a few classes of
//! tokenizers only.

use std::collections::HashMap;

use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::class::Class;
use super::{File, JsonFile};
use crate::tokenizer::byte_level::{self, Parts};
use crate::tokenizer::library::Parsed;
use crate::tokenizer::words;
use crate::{CheckpointError, Notices, json};

/// Builds a tokenizer of both files.
///
/// # Errors
/// A file is malformed, or the tokenizer's class is not one that is known to split words in a fixed way.
pub(super) fn read(
    vocabulary: &File,
    merges: &File,
    class: &Class,
    settings: Option<&JsonFile>,
    notices: &Notices,
) -> Result<Parsed, CheckpointError> {
    let (expression, composes) = match class.name() {
        Some("GPT2Tokenizer") => (words::GPT2, false),
        Some("Qwen2Tokenizer") => (words::QWEN2_FOLDED, true),
        other => {
            return Err(CheckpointError::malformed(
                vocabulary.name.clone(),
                format!(
                    "does not say how {} splits words, and only the ways of GPT2Tokenizer and Qwen2Tokenizer are known for such files; add its tokenizer.json{}",
                    other.unwrap_or("this model"),
                    if settings.is_some() {
                        ""
                    } else {
                        " (or a tokenizer_config.json with its tokenizer_class)"
                    }
                ),
            ));
        }
    };
    let ids: HashMap<String, u32> = json::parse(&vocabulary.name, &vocabulary.bytes)?;
    let parts = Parts {
        vocabulary: ids.iter().map(|(text, &id)| (text.as_str(), id)).collect(),
        merges: pairs(merges, &ids, (!composes).then_some(notices))?,
        expressions: &[expression],
        keeps_whole_words: false,
        special: Vec::new(),
    };
    let mut tokenizer = byte_level::build(&vocabulary.name, parts)?;
    if composes {
        tokenizer.with_normalizer(Some(NFC)).map_err(|error| {
            CheckpointError::malformed(
                vocabulary.name.clone(),
                format!("its tokenizer cannot be built: {error}"),
            )
        })?;
    } else {
        // GPT-2's in one step, as transformers makes it, so that a space in front can be asked for.
        tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    }
    Ok(Parsed::byte_level(tokenizer))
}

/// The merges, in order. A byte-order mark, a header and empty lines are passed over.
///
/// `GPT2Tokenizer` of transformers 4.52 passes over the first line and what follows the last line end,
/// whatever they hold; `notices`, where they are given, hear of a merge there.
fn pairs(
    merges: &File,
    ids: &HashMap<String, u32>,
    notices: Option<&Notices>,
) -> Result<Vec<(String, String)>, CheckpointError> {
    let malformed = |problem: String| CheckpointError::malformed(merges.name.clone(), problem);
    let text = std::str::from_utf8(&merges.bytes)
        .map_err(|error| malformed(format!("is not UTF-8: {error}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut pairs = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let pair = line
            .split_once(' ')
            .filter(|(left, right)| !left.is_empty() && !right.is_empty() && !right.contains(' '));
        let is_merge =
            pair.is_some_and(|(left, right)| ids.contains_key(left) && ids.contains_key(right));
        let is_header = number == 0 && line.starts_with('#') && !is_merge;
        if line.is_empty() || is_header {
            continue;
        }
        let (left, right) = pair.ok_or_else(|| {
            malformed(format!("line {} is not a pair of pieces with a space between", number + 1))
        })?;
        pairs.push((left.to_owned(), right.to_owned()));
    }
    let Some(notices) = notices else { return Ok(pairs) };
    let tell = |line: &str, why: &str| {
        notices.add(format!(
            "{}: its {line} is a merge and is used, as transformers 5 does (4.52 drops it, {why})",
            merges.name
        ));
    };
    let first = text.lines().next().unwrap_or_default();
    let is_used = |line: &str, pair: Option<&(String, String)>| {
        pair.is_some_and(|(left, right)| line == format!("{left} {right}"))
    };
    if is_used(first, pairs.first()) {
        tell("first line", "taking it for a header");
    }
    let last = text.rsplit('\n').next().unwrap_or_default();
    if is_used(last, pairs.last()) {
        tell("last line", "since it has no line end");
    }
    Ok(pairs)
}
