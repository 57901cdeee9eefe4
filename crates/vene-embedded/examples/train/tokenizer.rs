//! The tokenizer: GPT-2's byte-level BPE, with merges of our own.
//!
//! Merging goes on until nothing is left to merge, so that every word of the corpus becomes one
//! token, with its leading space where it has one. The vocabulary stays small because the corpus
//! has few words. Before GPT-2's splitting into words come the names of several words, so that
//! " United Kingdom" is one token like " Spain": a prompt has a subject at one position then, and an
//! answer is known by one token, in every row of the table.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer, TokenizerBuilder};
use vene_embedded::{FACTS, Relation};

/// What separates documents; GPT-2's only special token.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// How often a pair of pieces must occur in the text to be merged.
pub const LEAST: usize = 2;

/// How GPT-2 splits a text: contractions, words, numbers and other signs, each with a space in
/// front, and what is left of runs of spaces.
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// What splits a text into pieces that are never merged with each other: the table's names of
/// several words, else [`WORDS`].
fn pieces() -> Result<Split> {
    let names = FACTS.iter().flat_map(|fact| {
        Relation::ALL.map(|relation| fact.answer(relation)).into_iter().chain([fact.country])
    });
    let several = names.filter(|name| name.contains([' ', '-']));
    let mut several: Vec<&str> = several.collect::<BTreeSet<_>>().into_iter().collect();
    // A name that begins another one must not hide it.
    several.sort_by_key(|name| Reverse(name.len()));
    let pattern = format!(r" ?(?:{})(?!\p{{L}})|{WORDS}", several.join("|"));
    Split::new(SplitPattern::Regex(pattern), SplitDelimiterBehavior::Isolated, false)
        .map_err(|error| anyhow!("the tokenizer's pattern cannot be read: {error}"))
}

/// Learns the merges from lines of text.
pub fn train(lines: &[String]) -> Result<Tokenizer> {
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(usize::from(u16::MAX))
        .min_frequency(LEAST as u64)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(vec![AddedToken::from(END_OF_TEXT, true)])
        .build();
    let mut tokenizer = TokenizerBuilder::new()
        .with_model(BPE::default())
        .with_normalizer(None::<tokenizers::NormalizerWrapper>)
        .with_pre_tokenizer(Some(Sequence::new(vec![
            pieces()?.into(),
            ByteLevel::new(false, true, false).into(),
        ])))
        .with_post_processor(Some(ByteLevel::new(true, false, true)))
        .with_decoder(Some(ByteLevel::new(true, true, true)))
        .build()
        .map_err(|error| anyhow!("the tokenizer cannot be built: {error}"))?;
    tokenizer
        .train(&mut trainer, lines.iter())
        .map_err(|error| anyhow!("the tokenizer cannot be trained: {error}"))?;
    Ok(tokenizer.into())
}

/// The token ids of a text; nothing is added in front.
pub fn encode(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>> {
    let encoding = tokenizer
        .encode(text, false)
        .map_err(|error| anyhow!("{text:?} cannot be encoded: {error}"))?;
    Ok(encoding.get_ids().to_vec())
}
