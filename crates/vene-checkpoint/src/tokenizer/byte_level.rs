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

/// GPT-2's: contractions, then words, numbers and signs with a space before them, then spaces.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// Llama 3's. Case is spelled out: folding would also take `ſ` for an `s`.
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 2's, as Llama 3's with every digit on its own.
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How text is split into words before it is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    Gpt2,
    SmolLm,
    Llama3,
    Qwen2,
    /// What llama.cpp takes for `default`.
    Default,
}

impl Words {
    /// The names in `tokenizer.ggml.pre`.
    pub const KNOWN: &str = "gpt-2, smollm, llama-bpe, qwen2, default";

    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "gpt-2" => Self::Gpt2,
            "smollm" => Self::SmolLm,
            "llama-bpe" | "llama3" | "llama-v3" => Self::Llama3,
            "qwen2" => Self::Qwen2,
            "default" => Self::Default,
            _ => return None,
        })
    }

    /// Each expression splits the words of the one before it.
    fn expressions(self) -> &'static [&'static str] {
        match self {
            Self::Gpt2 => &[GPT2],
            Self::SmolLm => &[r"\p{N}", GPT2],
            Self::Llama3 => &[LLAMA3],
            Self::Qwen2 => &[QWEN2],
            Self::Default => &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
        }
    }

    /// Whether a word that is itself a token is never taken apart.
    fn keeps_whole_words(self) -> bool {
        self == Self::Llama3
    }

    /// llama.cpp's rule where the metadata is silent.
    pub fn adds_bos(self) -> bool {
        self == Self::Llama3
    }
}

/// The parts of a byte-level tokenizer.
pub(super) struct Parts<'a> {
    pub vocabulary: Vec<(&'a str, u32)>,
    pub merges: Vec<(String, String)>,
    pub words: Words,
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
        .ignore_merges(parts.words.keeps_whole_words())
        .build()
        .map_err(library)?;
    let mut splits = Vec::new();
    for expression in parts.words.expressions() {
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
