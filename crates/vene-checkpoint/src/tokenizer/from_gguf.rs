//! Tokenizers in a GGUF file's metadata.
//!
//! The metadata is followed to the letter: converters to other formats are known to add a
//! beginning-of-sequence token where it says not to, and to split words in another way.

use super::byte_level::{self, Parts, Words};
use super::library::Library;
use super::piece::Spelling;
use super::sentence_piece::SentencePiece;
use super::vocabulary::{Kind, Vocabulary};
use super::{Algorithm, Tokenizer, ends};
use crate::CheckpointError;
use crate::gguf::Metadata;

impl Tokenizer {
    /// Builds the tokenizer that a GGUF file's metadata describes.
    ///
    /// # Errors
    /// The metadata is malformed, or names an algorithm or a way to split words that isn't known.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self, CheckpointError> {
        let file = metadata.file();
        let vocabulary = Vocabulary::from_metadata(metadata)?;
        let bos = metadata.u32("tokenizer.ggml.bos_token_id")?;
        let adds_bos = metadata.bool("tokenizer.ggml.add_bos_token")?;
        let tokenizer = match metadata.string("tokenizer.ggml.model")? {
            Some("gpt2") => {
                let words = match metadata.string("tokenizer.ggml.pre")? {
                    Some(name) => Words::named(name).ok_or_else(|| {
                        CheckpointError::malformed(
                            file,
                            format!("splits words in the way `{name}` (tokenizer.ggml.pre), which is not known here; known are {}", Words::KNOWN),
                        )
                    })?,
                    None => {
                        return Err(CheckpointError::malformed(
                            file,
                            "does not say how to split words (no tokenizer.ggml.pre); convert the model again with a newer llama.cpp",
                        ));
                    }
                };
                let merges = metadata
                    .strings("tokenizer.ggml.merges")?
                    .ok_or_else(|| {
                        CheckpointError::malformed(file, "has no tokenizer.ggml.merges")
                    })?
                    .iter()
                    .map(|merge| {
                        let (left, right) = merge.split_once(' ').ok_or_else(|| {
                            CheckpointError::malformed(
                                file,
                                format!(
                                    "its merge {merge:?} is no pair of pieces with a space between"
                                ),
                            )
                        })?;
                        Ok((left.to_owned(), right.to_owned()))
                    })
                    .collect::<Result<_, CheckpointError>>()?;
                let parts = Parts {
                    vocabulary: vocabulary
                        .iter()
                        .filter(|(_, text)| !text.is_empty())
                        .map(|(id, text)| (text, id))
                        .collect(),
                    merges,
                    words,
                    special: vocabulary
                        .special_tokens()
                        .map(|(text, kind)| (text, kind == Kind::Special))
                        .collect(),
                };
                let library = Library::new(byte_level::build(file, parts)?, Spelling::ByteLevel);
                let adds_bos = adds_bos.unwrap_or(words.adds_bos());
                Self::new(file, Algorithm::Library(Box::new(library)), bos, adds_bos)
            }
            Some("llama") => {
                let scores = metadata.f32s("tokenizer.ggml.scores")?.ok_or_else(|| {
                    CheckpointError::malformed(file, "has no tokenizer.ggml.scores")
                })?;
                let space_prefix =
                    metadata.bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
                let pieces = SentencePiece::new(file, vocabulary, scores, space_prefix)?;
                // llama.cpp's defaults for this algorithm.
                let bos = bos.or(Some(1));
                Self::new(file, Algorithm::SentencePiece(pieces), bos, adds_bos.unwrap_or(true))
            }
            Some(other) => Err(CheckpointError::malformed(
                file,
                format!(
                    "has a tokenizer of the kind `{other}` (tokenizer.ggml.model); known are gpt2 and llama"
                ),
            )),
            None => {
                Err(CheckpointError::malformed(file, "has no tokenizer (no tokenizer.ggml.model)"))
            }
        }?;
        Ok(tokenizer.ending_at(ends::of_gguf(metadata)?))
    }
}
