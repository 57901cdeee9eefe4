//! Tokenizers in a GGUF file's metadata.
//!
//! The metadata is followed to the letter, and llama.cpp where it is silent: converters to other formats
//! are known to add a beginning-of-sequence token where it says not to, and to split words in another way.

use super::byte_level::{self, Parts};
use super::hugging_face::bos::Bos;
use super::hugging_face::some_of;
use super::library::{Library, Parsed};
use super::sentence_piece::SentencePiece;
use super::vocabulary::{Kind, Vocabulary};
use super::words::Words;
use super::{Algorithm, Tokenizer, signs};
use crate::gguf::Metadata;
use crate::{CheckpointError, Notices, chat};

const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
const BOS_ID: &str = "tokenizer.ggml.bos_token_id";

/// llama.cpp's defaults where the metadata names no token.
const BYTE_LEVEL_BOS: u32 = 11;
const SENTENCE_PIECE_BOS: u32 = 1;
const SENTENCE_PIECE_EOS: u32 = 2;

impl Tokenizer {
    /// Builds the tokenizer that a GGUF file's metadata describes.
    ///
    /// # Errors
    /// The metadata is malformed, or names an algorithm or a way to split words that isn't known.
    pub(crate) fn from_gguf(
        metadata: &Metadata,
        notices: &Notices,
    ) -> Result<Self, CheckpointError> {
        let vocabulary = Vocabulary::from_metadata(metadata, notices)?;
        if metadata.bool("tokenizer.ggml.add_eos_token")? == Some(true) {
            notices.add(
                "tokenizer.ggml.add_eos_token asks for a token after each text; vene leaves it out, since its prompts are continued",
            );
        }
        tell_unknown_keys(metadata, notices);
        match metadata.string("tokenizer.ggml.model")? {
            Some("gpt2") => byte_level(metadata, vocabulary, notices),
            Some("llama") => sentence_piece(metadata, vocabulary),
            Some(other) => Err(CheckpointError::malformed(
                metadata.file(),
                format!(
                    "has a tokenizer of the kind `{other}` (tokenizer.ggml.model); known are gpt2 and llama"
                ),
            )),
            None => Err(CheckpointError::malformed(
                metadata.file(),
                "has no tokenizer (no tokenizer.ggml.model)",
            )),
        }
    }
}

/// Keys about tokens (after `tokenizer.ggml.`) that are followed, or that change nothing for the two kinds of
/// tokenizers that are read here: they are about other kinds, about padding, or known to llama.cpp by older
/// names.
const KNOWN: &[&str] = &[
    "add_bos_token",
    "add_eos_token",
    "add_sep_token",
    "add_space_prefix",
    "added_tokens",
    "bos_token_id",
    "cls_token_id",
    "eom_token_id",
    "eos_token_id",
    "eot_token_id",
    "fim_mid_token_id",
    "fim_pad_token_id",
    "fim_pre_token_id",
    "fim_rep_token_id",
    "fim_sep_token_id",
    "fim_suf_token_id",
    "mask_token_id",
    "merges",
    "middle_token_id",
    "model",
    "normalizer.lowercase",
    "normalizer.strip_accents",
    "pad_token_id",
    "padding_token_id",
    "pre",
    "precompiled_charsmap",
    "prefix_token_id",
    "remove_extra_whitespaces",
    "scores",
    "sep_token_id",
    "separator_token_id",
    "seperator_token_id",
    "suffix_token_id",
    "token_type",
    "token_type_count",
    "tokens",
    "unk_token_id",
    "unknown_token_id",
];

fn tell_unknown_keys(metadata: &Metadata, notices: &Notices) {
    let unknown =
        |key: &&str| key.strip_prefix("tokenizer.ggml.").is_some_and(|key| !KNOWN.contains(&key));
    let keys: Vec<&str> = metadata.keys().filter(unknown).collect();
    if !keys.is_empty() {
        notices.add(format!(
            "{}: {} {} not followed (not known here)",
            metadata.file(),
            some_of(&keys),
            if keys.len() == 1 { "is" } else { "are" }
        ));
    }
}

fn byte_level(
    metadata: &Metadata,
    mut vocabulary: Vocabulary,
    notices: &Notices,
) -> Result<Tokenizer, CheckpointError> {
    let file = metadata.file();
    let refuse = |problem: String| CheckpointError::malformed(file, problem);
    let Some(name) = metadata.string("tokenizer.ggml.pre")? else {
        return Err(refuse(
            "does not say how to split words (no tokenizer.ggml.pre); convert the model again with a newer llama.cpp".into(),
        ));
    };
    let words = Words::named(name).ok_or_else(|| {
        refuse(format!(
            "splits words in the way `{name}` (tokenizer.ggml.pre), which is not known here; known are {}",
            Words::known()
        ))
    })?;
    let merges = metadata
        .strings("tokenizer.ggml.merges")?
        .ok_or_else(|| refuse("has no tokenizer.ggml.merges".into()))?
        .iter()
        .map(|merge| {
            let (left, right) = merge.split_once(' ').ok_or_else(|| {
                refuse(format!("its merge {merge:?} is not a pair of pieces with a space between"))
            })?;
            Ok((left.to_owned(), right.to_owned()))
        })
        .collect::<Result<_, CheckpointError>>()?;
    let ends = signs::find(metadata, &mut vocabulary, None)?;
    let mut bos = bos(metadata, words.adds_bos, &format!("tokenizer.ggml.pre = {name}"))?;
    if bos.adds && bos.id.is_none() && vocabulary.text(BYTE_LEVEL_BOS).is_some() {
        bos.id = Some(BYTE_LEVEL_BOS);
        notices.add(format!(
            "beginning of sequence: the file asks for it and names no token ({BOS_ID}); token {BYTE_LEVEL_BOS} ({:?}) is put in front, as llama.cpp does (--bos never leaves it out)",
            vocabulary.text(BYTE_LEVEL_BOS).unwrap_or_default()
        ));
    }
    let token = |id: u32| vocabulary.text(id).map(str::to_owned);
    let parts = Parts {
        vocabulary: vocabulary
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(id, text)| (text, id))
            .collect(),
        merges,
        expressions: words.expressions,
        keeps_whole_words: words.keeps_whole_words,
        special: vocabulary
            .special_tokens()
            .map(|(text, kind)| (text, kind == Kind::Special))
            .collect(),
    };
    let library = Library::new(Parsed::byte_level(byte_level::build(file, parts)?));
    let library = Algorithm::Library(Box::new(library));
    let chat = chat::in_gguf(metadata, token, bos.id)?;
    Ok(Tokenizer::new(file, library, bos)?.ending_at(ends).speaking(chat))
}

fn sentence_piece(
    metadata: &Metadata,
    mut vocabulary: Vocabulary,
) -> Result<Tokenizer, CheckpointError> {
    let file = metadata.file();
    let scores = metadata
        .f32s("tokenizer.ggml.scores")?
        .ok_or_else(|| CheckpointError::malformed(file, "has no tokenizer.ggml.scores"))?;
    let space_prefix = metadata.bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let ends = signs::find(metadata, &mut vocabulary, Some(SENTENCE_PIECE_EOS))?;
    let mut bos = bos(metadata, true, "tokenizer.ggml.model = llama")?;
    bos.id = bos.id.or(Some(SENTENCE_PIECE_BOS));
    let chat = chat::in_gguf(metadata, |id| vocabulary.text(id).map(str::to_owned), bos.id)?;
    let pieces = SentencePiece::new(file, vocabulary, scores, space_prefix)?;
    let pieces = Algorithm::SentencePiece(pieces);
    Ok(Tokenizer::new(file, pieces, bos)?.ending_at(ends).speaking(chat))
}

/// What the metadata says, or else llama.cpp's default for this kind of tokenizer.
fn bos(metadata: &Metadata, default: bool, of: &str) -> Result<Bos, CheckpointError> {
    let told = metadata.bool(ADD_BOS)?;
    let why = match told {
        Some(told) => format!("{ADD_BOS} = {told}"),
        None => format!("llama.cpp's default for {of}: {default}"),
    };
    Ok(Bos { id: metadata.u32(BOS_ID)?, adds: told.unwrap_or(default), why })
}
