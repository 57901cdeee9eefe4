//! What can be wrong with a checkpoint, each told in one line: the file, the thing, what was
//! expected.

use std::path::PathBuf;

/// Everything that opening a checkpoint, reading its tensors or using its tokenizer can refuse.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The text names no model that could be opened.
    #[error(
        "`{text}` is no model: {reason}; expected a folder with config.json and model.safetensors, \
         a .gguf file, or a Hugging Face id such as `HuggingFaceTB/SmolLM2-135M` (with `@revision` if wanted; \
         of a GGUF repository `org/name:Q8_0` or `org/name/file.gguf`)"
    )]
    UnknownSource {
        /// What was given.
        text: String,
        /// Why it cannot be any of the accepted forms.
        reason: String,
    },

    /// The operating system could not read a file.
    #[error("{}: {reason}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },

    /// A file is not the one any more that was opened.
    #[error(
        "{} {how} while the model was in use: what was read may be of both; run again when nothing writes to it",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// What has changed.
        how: String,
    },

    /// A tensor that was lent is not the one any more that it was.
    #[error(
        "{model}: tensor `{}` was changed after the model was made of it, and is needed once more: make the model \
         again, of the tensors as they are now",
        on_one_line(tensor)
    )]
    LentChanged {
        /// What errors call the model's tensors.
        model: String,
        /// The tensor's name.
        tensor: String,
    },

    /// A file that a model needs is not there.
    #[error("{place} has no {expected}")]
    MissingFile {
        /// The folder, or the repository.
        place: String,
        /// The missing file or the choice of files.
        expected: String,
    },

    /// A file is damaged, or not what its name says.
    #[error("{file}: {}", on_one_line(problem))]
    Malformed {
        /// The file's name.
        file: String,
        /// What was found, and what was expected.
        problem: String,
    },

    /// A tensor is stored in a format that cannot be read.
    #[error(
        "{file}: tensor `{}` is stored as {found}, which is not supported; supported are {supported}{}",
        on_one_line(tensor),
        advice(found)
    )]
    UnsupportedElement {
        /// The file's name.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The name of its element type.
        found: String,
        /// Those that can be read.
        supported: String,
    },

    /// The checkpoint has no tensor of this name.
    #[error("{file} has no tensor `{}`{}", on_one_line(tensor), on_one_line(hint))]
    UnknownTensor {
        /// The file's name.
        file: String,
        /// The tensor that was asked for.
        tensor: String,
        /// Names that are near, or nothing.
        hint: String,
    },

    /// A tensor has another shape than the configuration asks for.
    #[error("{file}: tensor `{}` has shape {found:?}, expected {expected:?}", on_one_line(tensor))]
    Shape {
        /// The file's name.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// Its shape, row-major.
        found: Vec<usize>,
        /// The shape that was expected.
        expected: Vec<usize>,
    },

    /// A weight is NaN or infinite.
    #[error(
        "{file}: tensor `{}` holds {value} at element {index}; a model's weights must be finite",
        on_one_line(tensor)
    )]
    NotFinite {
        /// The file's name.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// NaN, inf or -inf.
        value: f32,
        /// The element's index in row-major order.
        index: usize,
    },

    /// A GGUF metadata entry has another type than expected.
    #[error(
        "{file}: metadata `{}` is {}, expected {expected}",
        on_one_line(key),
        on_one_line(found)
    )]
    Metadata {
        /// The file's name.
        file: String,
        /// The key.
        key: String,
        /// What is stored there, or that nothing is.
        found: String,
        /// What was expected.
        expected: String,
    },

    /// The Hugging Face hub, or its cache, does not give what was asked for.
    #[error("{id}: {problem}")]
    Hub {
        /// The repository, with its revision where one was given.
        id: String,
        /// What went wrong, and what to do.
        problem: String,
    },

    /// A text that must be one token is none or several.
    #[error("{0}")]
    NotOneToken(String),

    /// A token id outside of the vocabulary.
    #[error("token {id} is outside of the vocabulary of {size} tokens")]
    UnknownToken {
        /// The id.
        id: u32,
        /// The vocabulary's size.
        size: usize,
    },

    /// A text could not be tokenized.
    #[error("the tokenizer refused {text:?}: {problem}")]
    Encode {
        /// The text's beginning.
        text: String,
        /// What the tokenizer said.
        problem: String,
    },

    /// The tokenizer has no beginning-of-sequence token, and one was asked for.
    #[error("this tokenizer has no beginning-of-sequence token")]
    NoBeginningOfSequence,

    /// A conversation, and no template to write it by.
    #[error(
        "{problem}: how this model reads a conversation is not known; give it the text that it reads as a plain prompt \
         (without --chat), or a model with a template"
    )]
    NoChatTemplate {
        /// Where one was looked for.
        problem: String,
    },

    /// A chat template that cannot be rendered, or refuses what it is given.
    #[error("the chat template of {file}: {problem}")]
    ChatTemplate {
        /// Where it was found.
        file: String,
        /// What is wrong.
        problem: String,
    },
}

vene_named::debug_as_sentence!(CheckpointError);

impl CheckpointError {
    pub(crate) fn malformed(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Malformed { file: file.into(), problem: problem.into() }
    }

    pub(crate) fn read(path: impl Into<PathBuf>, reason: std::io::Error) -> Self {
        Self::Read { path: path.into(), reason }
    }
}

/// What to do about weights of a few bits.
fn advice(element: &str) -> &'static str {
    let is_of_few_bits =
        ["F8", "F6", "F4", "I8", "U8"].iter().any(|start| element.starts_with(start));
    if is_of_few_bits {
        " (weights of few bits need scales that only the program that made them knows: take the model in its original precision, or a GGUF file of it)"
    } else {
        ""
    }
}

/// A text that a file dictates, with its control characters escaped: an error stays one line, and
/// nothing that a stranger wrote steers the terminal.
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => line.extend(character.escape_default()),
            false => line.push(character),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_dictates_stays_on_one_line() {
        let error = CheckpointError::malformed("m.gguf", "a key `\nerror:\u{1b}[2J` of 3 bytes");
        assert_eq!(error.to_string(), "m.gguf: a key `\\nerror:\\u{1b}[2J` of 3 bytes");
    }
}
