//! Where the unembedding comes from: the file, or the embedding.

use super::keys::Keys;
use super::names::Names;
use super::slots::Slots;
use super::table::GgufHead;
use super::{Naming, Weights};
use crate::error::ModelError;
use crate::matrix::Matrix;
use crate::tensors::LinearTensors;

/// Where the unembedding comes from.
pub(super) enum Head {
    /// The file's own; there is no other.
    Own,
    /// The embedding, unless the file has another one, in spite of what this sentence says.
    Tied(String),
}

impl Head {
    /// As the configuration (or, in GGUF, the family) has it. A tied pair of which only the head was saved is
    /// made whole.
    pub fn of(
        keys: &Keys<'_>,
        naming: Naming,
        names: &mut Names,
        slots: &Slots,
        class_ties: bool,
        in_gguf: GgufHead,
    ) -> Result<Self, ModelError> {
        let head = format!("{}.weight", slots.head);
        if naming == Naming::Gguf {
            let tied = || {
                let architecture = keys.architecture();
                Self::Tied(format!("a {architecture} model's unembedding is its embedding"))
            };
            return Ok(match in_gguf {
                GgufHead::Embedding => tied(),
                GgufHead::EmbeddingIfAbsent if !names.contains(&head) => tied(),
                GgufHead::EmbeddingIfAbsent | GgufHead::Own => Self::Own,
            });
        }
        let embedding = slots.embedding_tensor();
        if keys.flag_or("tie_word_embeddings", class_ties)? {
            names.take_for_embedding(&head, &embedding);
            let class = keys.class_name();
            return Ok(Self::Tied(if keys.is_said("tie_word_embeddings") {
                "`tie_word_embeddings` is true".to_owned()
            } else {
                format!("`tie_word_embeddings` is left out, and true to {class}")
            }));
        }
        // Without an embedding there is more amiss than a head, and that is what is told.
        if !names.contains(&head) && names.contains(&embedding) {
            let reason = match names.misplaced_head(slots.head) {
                Some(name) => format!(
                    "the file has `{name}`, which is not where a head is looked for: rename it to \
                     `{head}` if it is the head"
                ),
                None => "it was saved from a base class (such as LlamaModel), or is a classifier; take the \
                         files of the whole language model, or set `tie_word_embeddings` to true if its \
                         embedding is its head"
                    .into(),
            };
            return Err(ModelError::NoHead { head, reason });
        }
        Ok(Self::Own)
    }

    /// Its weights; `None` where it is the embedding.
    pub fn read(
        &self,
        weights: &Weights<'_>,
        slots: &Slots,
        embedding: &Matrix,
        bias: bool,
    ) -> Result<Option<LinearTensors>, ModelError> {
        let stem = slots.head;
        match self {
            Self::Own => {
                let table = [embedding.shape()[0], embedding.shape()[1]];
                weights.linear(stem, table, bias).map(Some)
            }
            Self::Tied(why) => {
                let own = weights.head_beside(stem, (&slots.embedding_tensor(), embedding), why)?;
                if !bias {
                    return Ok(own);
                }
                // The embedding has none: its values are there twice.
                let weight = own.map_or_else(|| embedding.clone(), |own| own.weight);
                let bias = weights.bias(stem, weight.shape()[0], true)?;
                Ok(Some(LinearTensors { weight, bias }))
            }
        }
    }
}
