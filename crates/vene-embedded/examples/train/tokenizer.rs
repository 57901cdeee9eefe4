//! The tokenizer: GPT-2's byte-level BPE, with merges of our own.
//!
//! Merging goes on until nothing is left to merge, so that every word of the corpus becomes one
//! token, with its leading space where it has one. The vocabulary stays small because the corpus
//! has few words.

use anyhow::{Result, anyhow};
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer, TokenizerBuilder};

/// What separates documents; GPT-2's only special token.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// How often a pair of pieces must occur in the text to be merged.
pub const LEAST: usize = 2;

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
        .with_pre_tokenizer(Some(ByteLevel::new(false, true, true)))
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
