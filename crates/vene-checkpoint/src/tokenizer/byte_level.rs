//! Byte-level byte-pair encoding out of a vocabulary and a list of merges, on the `tokenizers`
//! library: text is split into words by regular expressions, a word's bytes are spelled as
//! characters, and those are merged.

use std::collections::HashSet;

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior};

use crate::CheckpointError;

/// The parts of a byte-level tokenizer.
pub(super) struct Parts<'a> {
    pub vocabulary: Vec<(&'a str, u32)>,
    pub merges: Vec<(String, String)>,
    /// Regular expressions that split text into words; each splits the words of the one before it.
    pub expressions: &'a [&'a str],
    /// Whether a word that is itself a token is never taken apart.
    pub keeps_whole_words: bool,
    /// Texts that are one token wherever they are written, and whether they are control signs.
    pub special: Vec<(&'a str, bool)>,
}

/// Builds the tokenizer; `file` is for errors.
pub(super) fn build(
    file: &str,
    parts: Parts<'_>,
) -> Result<tokenizers::Tokenizer, CheckpointError> {
    let refuse = |problem: String| CheckpointError::malformed(file, problem);
    let library =
        |error: tokenizers::Error| refuse(format!("its tokenizer cannot be built: {error}"));

    // The library trusts that a merge joins two tokens into a third.
    let known: HashSet<&str> = parts.vocabulary.iter().map(|(text, _)| *text).collect();
    let mut joined = String::new();
    for (left, right) in &parts.merges {
        joined.clear();
        joined.push_str(left);
        joined.push_str(right);
        if let Some(missing) =
            [left, right, &joined].into_iter().find(|text| !known.contains(text.as_str()))
        {
            return Err(refuse(format!(
                "merges {left:?} with {right:?}, but {missing:?} is no token"
            )));
        }
    }

    let vocabulary: Vocab =
        parts.vocabulary.iter().map(|(text, id)| ((*text).to_owned(), *id)).collect();
    let model = BPE::builder()
        .vocab_and_merges(vocabulary, parts.merges)
        .ignore_merges(parts.keeps_whole_words)
        .build()
        .map_err(library)?;
    let mut splits = Vec::new();
    for expression in parts.expressions {
        let pattern = SplitPattern::Regex((*expression).to_owned());
        let split =
            Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(library)?;
        splits.push(PreTokenizerWrapper::Split(split));
    }
    let spelling = ByteLevel::new(false, false, false);
    splits.push(PreTokenizerWrapper::ByteLevel(spelling));

    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(Sequence::new(splits)));
    tokenizer.with_decoder(Some(spelling));
    let special: Vec<AddedToken> = parts
        .special
        .iter()
        .map(|(text, is_control)| AddedToken::from(*text, *is_control).normalized(false))
        .collect();
    tokenizer.add_tokens(special).map_err(library)?;
    Ok(tokenizer)
}
