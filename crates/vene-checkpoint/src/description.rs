//! What a checkpoint says about its own architecture.

use crate::gguf::Metadata;

/// A model's own account of its architecture, as its file gives it.
///
/// Nothing is translated: the families know both vocabularies.
#[derive(Debug, Clone)]
pub enum Description {
    /// The object in `config.json`.
    HuggingFace(serde_json::Map<String, serde_json::Value>),
    /// A GGUF file's key-value pairs.
    Gguf(Metadata),
}
