//! Tokens of a GGUF file that are known by their texts: signs, and ends of texts.
//!
//! The metadata names one end of a sequence; a chat model has others, such as the end of a turn, and
//! files that were converted badly list signs as ordinary pieces. llama.cpp knows such tokens by their
//! texts, and so does this, by its lists. Without them a generated text runs on into the next user's turn.

use super::vocabulary::{Kind, Vocabulary};
use crate::CheckpointError;
use crate::gguf::Metadata;

/// Texts that end a text wherever a vocabulary has them.
const ENDS: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
    "<|ifm|im_end|>",
];

/// Signs of models that fill in the middle of a text: each key of the metadata, the texts that stand for
/// it where the metadata is silent, and whether it ends a text.
const MIDDLE: [(&str, &[&str], bool); 6] = [
    (
        "tokenizer.ggml.fim_pre_token_id",
        &[
            "<|fim_prefix|>",
            "<fim-prefix>",
            "<fim_prefix>",
            "<｜fim▁begin｜>",
            "<PRE>",
            "▁<PRE>",
            "<|code_prefix|>",
            "<|prefix|>",
            "<|plamo:fim_prefix|>",
        ],
        false,
    ),
    (
        "tokenizer.ggml.fim_suf_token_id",
        &[
            "<|fim_suffix|>",
            "<fim-suffix>",
            "<fim_suffix>",
            "<｜fim▁hole｜>",
            "<SUF>",
            "▁<SUF>",
            "<|code_suffix|>",
            "<|suffix|>",
            "<|plamo:fim_suffix|>",
        ],
        false,
    ),
    (
        "tokenizer.ggml.fim_mid_token_id",
        &[
            "<|fim_middle|>",
            "<fim-middle>",
            "<fim_middle>",
            "<｜fim▁end｜>",
            "<MID>",
            "▁<MID>",
            "<|code_middle|>",
            "<|middle|>",
            "<|plamo:fim_middle|>",
        ],
        false,
    ),
    (
        "tokenizer.ggml.fim_pad_token_id",
        &["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"],
        true,
    ),
    (
        "tokenizer.ggml.fim_rep_token_id",
        &["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"],
        true,
    ),
    ("tokenizer.ggml.fim_sep_token_id", &["<|file_sep|>", "<|plamo:file_separator|>"], true),
];

/// Signs around parts of a message, which are text to be shown.
const SHOWN: [&str; 4] = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/// Marks signs as what they are, and gives the tokens at which texts end; `default` is the end where the
/// metadata names none.
///
/// # Errors
/// The metadata names an end that is not a token.
pub(super) fn find(
    metadata: &Metadata,
    vocabulary: &mut Vocabulary,
    default: Option<u32>,
) -> Result<Vec<u32>, CheckpointError> {
    let mut ends = Ends::default();
    let default = default.filter(|&id| (id as usize) < vocabulary.len());
    for (key, default) in [
        ("tokenizer.ggml.eos_token_id", default),
        ("tokenizer.ggml.eot_token_id", None),
        ("tokenizer.ggml.eom_token_id", None),
    ] {
        ends.add(named(metadata, vocabulary, key)?.or(default));
    }
    for (key, texts, is_end) in MIDDLE {
        let mut id = named(metadata, vocabulary, key)?;
        if id.is_none() {
            // One of them: llama.cpp takes the first that it meets.
            id = texts.iter().find_map(|text| vocabulary.id(text));
            if let Some(id) = id {
                vocabulary.mark(id, Kind::Special);
            }
        }
        ends.add(id.filter(|_| is_end));
    }
    for text in ENDS {
        if let Some(id) = vocabulary.id(text) {
            vocabulary.mark(id, Kind::Special);
            ends.add(Some(id));
        }
    }
    for text in SHOWN {
        if let Some(id) = vocabulary.id(text) {
            vocabulary.mark(id, Kind::UserDefined);
        }
    }

    // Models that end by other signs have these in the middle of a message.
    let has = |ends: &Ends, text: &str| vocabulary.id(text).is_some_and(|id| ends.0.contains(&id));
    let calls = has(&ends, "<|call|>") || has(&ends, "<|calls|>");
    if calls && (has(&ends, "<|return|>") || has(&ends, "<|flush|>")) && has(&ends, "<|end|>") {
        let id = ends.remove(vocabulary.id("<|end|>"));
        id.into_iter().for_each(|id| vocabulary.mark(id, Kind::UserDefined));
    }
    let has = |ends: &Ends, text: &str| vocabulary.id(text).is_some_and(|id| ends.0.contains(&id));
    if has(&ends, "<|tool_response>") || has(&ends, "<|plamo:eos|>") {
        let id = ends.remove(vocabulary.id("</s>"));
        id.into_iter().for_each(|id| vocabulary.mark(id, Kind::Normal));
    }
    vocabulary.sort_special_tokens();
    Ok(ends.0)
}

/// Each once, those that the metadata names first.
#[derive(Default)]
struct Ends(Vec<u32>);

impl Ends {
    fn add(&mut self, id: Option<u32>) {
        self.0.extend(id.filter(|id| !self.0.contains(id)));
    }

    fn remove(&mut self, id: Option<u32>) -> Option<u32> {
        let id = id.filter(|id| self.0.contains(id))?;
        self.0.retain(|&other| other != id);
        Some(id)
    }
}

fn named(
    metadata: &Metadata,
    vocabulary: &Vocabulary,
    key: &str,
) -> Result<Option<u32>, CheckpointError> {
    let id = metadata.u32(key)?;
    match id.filter(|&id| id as usize >= vocabulary.len()) {
        Some(id) => Err(CheckpointError::malformed(
            metadata.file(),
            format!("{key} = {id} is not one of its {} tokens", vocabulary.len()),
        )),
        None => Ok(id),
    }
}
