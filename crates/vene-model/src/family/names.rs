//! A checkpoint's tensors under the names that the families use, whatever wrapped the model when it
//! was saved.
//!
//! `torch.compile`, data parallelism and multimodal models put words before or into names, and a
//! base class (`LlamaModel`) leaves its own out. None of that says anything about the computation: it
//! is taken off here, once. Errors still show the names of the file.

use std::collections::BTreeMap;

use vene_checkpoint::{Notices, Tensors};

use crate::error::ModelError;

/// What wrappers of modules put into names.
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// What trainers put before names.
const LEADING: [&str; 2] = ["module", "pretrained_model"];

/// What multimodal models put before the names of their language model.
const LANGUAGE_MODEL: &str = "language_model";

/// Parts that stand beside a language model, and what they are.
const BESIDE: [(&str, &str); 9] = [
    ("v_head", "a value head"),
    ("value_head", "a value head"),
    ("reward_head", "a reward head"),
    ("score", "a classifier"),
    ("classifier", "a classifier"),
    ("multiple_choice_head", "a multiple-choice head"),
    ("qa_outputs", "a question-answering head"),
    ("vision_tower", "an image encoder"),
    ("multi_modal_projector", "the projector of an image encoder"),
];

/// Endings of what quantisation tools write in place of a weight.
const QUANTISED: [&str; 6] =
    [".qweight", ".qzeros", ".weight_packed", ".weight_scale", ".weight_scale_inv", ".absmax"];

/// How a family names its tensors in a Hugging Face file.
pub(super) struct Scheme {
    /// What stands before all names but the head's; base classes leave it out.
    pub(super) prefix: &'static str,
    /// How names begin after it.
    pub(super) beginnings: &'static [&'static str],
}

impl Scheme {
    /// Names as they are, for networks that nothing wraps and that may be classifiers themselves.
    pub(super) const PLAIN: Self = Self { prefix: "", beginnings: &[] };

    /// What a tensor belongs to that is no part of a language model.
    fn part_beside(&self, name: &str) -> Option<&'static str> {
        if self.beginnings.is_empty() {
            return None;
        }
        let name = name.strip_prefix("model.").unwrap_or(name);
        let first = name.split('.').next()?;
        BESIDE.iter().find(|(beginning, _)| *beginning == first).map(|(_, what)| *what)
    }
}

/// Tensors under the names of their family.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    tensors: Tensors,
    /// The file's name of each.
    stored: BTreeMap<String, String>,
}

impl Names {
    /// The names of the file, as GGUF has them.
    pub(super) fn as_stored(tensors: &Tensors) -> Self {
        let stored = tensors.names().map(|name| (name.to_owned(), name.to_owned())).collect();
        Self { tensors: tensors.clone(), stored }
    }

    /// Names without what wraps them. What stands beside the language model is left out with a notice.
    ///
    /// # Errors
    /// Two tensors that would have the same name; weights that are quantised.
    pub(super) fn unwrapped(
        tensors: &Tensors,
        scheme: &Scheme,
        notices: &Notices,
    ) -> Result<Self, ModelError> {
        let mut stored: BTreeMap<String, String> = BTreeMap::new();
        let mut beside: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for name in tensors.names() {
            if QUANTISED.iter().any(|ending| name.ends_with(ending)) {
                return Err(ModelError::Quantised {
                    what: format!("tensor `{name}` is part of a quantised weight"),
                });
            }
            let bare = unwrapped(name);
            if let Some(part) = scheme.part_beside(&bare) {
                beside.entry(part).or_default().push(name);
                continue;
            }
            let bare = complete(bare, scheme);
            if let Some(other) = stored.insert(bare, name.to_owned()) {
                return Err(ModelError::TwiceTheSame { names: [other, name.to_owned()] });
            }
        }
        for (part, names) in beside {
            let tensors = match names.as_slice() {
                [one] => format!("tensor `{one}`"),
                [first, rest @ ..] => format!("tensor `{first}` and {} more", rest.len()),
                [] => continue,
            };
            notices.add(format!(
                "the model has {part} beside its language model ({tensors}); it is left out, since it does not \
                 change what the language model says"
            ));
        }
        Ok(Self { tensors: tensors.clone(), stored })
    }

    /// A shape, row-major.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.shape(self.stored.get(name)?)
    }

    /// Whether there is a tensor of this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.stored.contains_key(name)
    }

    /// The tensors, and the file's name of this one; a name that is not there is itself, for the error.
    pub(super) fn stored<'n>(&'n self, name: &'n str) -> (&'n Tensors, &'n str) {
        (&self.tensors, self.stored.get(name).map_or(name, String::as_str))
    }

    /// All names with those of the file.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.stored.iter().map(|(name, stored)| (name.as_str(), stored.as_str()))
    }

    /// The embedding is tied to a head, and only the head was saved: it is both.
    pub(super) fn take_for_embedding(&mut self, head: &str, embedding: &str) {
        if !self.stored.contains_key(embedding)
            && let Some(stored) = self.stored.remove(head)
        {
            self.stored.insert(embedding.to_owned(), stored);
        }
    }

    /// The largest extent of any tensor.
    pub(super) fn largest_extent(&self) -> usize {
        let extents = self.stored.values().filter_map(|stored| self.tensors.shape(stored));
        extents.flatten().copied().max().unwrap_or(0)
    }
}

/// A name without wrappers, and without the name of a multimodal model's language part.
fn unwrapped(name: &str) -> String {
    let mut parts: Vec<&str> = name.split('.').filter(|part| !WRAPPERS.contains(part)).collect();
    while parts.first().is_some_and(|first| LEADING.contains(first)) {
        parts.remove(0);
    }
    match parts.as_slice() {
        [LANGUAGE_MODEL, rest @ ..] => rest.join("."),
        ["model", LANGUAGE_MODEL, rest @ ..] => format!("model.{}", rest.join(".")),
        _ => parts.join("."),
    }
}

/// A name with the prefix that base classes leave out.
fn complete(name: String, scheme: &Scheme) -> String {
    let first = name.split('.').next().unwrap_or_default();
    if scheme.beginnings.contains(&first) { format!("{}{name}", scheme.prefix) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: Scheme =
        Scheme { prefix: "model.", beginnings: &["embed_tokens", "layers", "norm"] };

    fn named(name: &str) -> String {
        complete(unwrapped(name), &MODEL)
    }

    #[test]
    fn wrappers_and_left_out_prefixes_do_not_change_what_a_tensor_is() {
        let right = "model.layers.0.mlp.up_proj.weight";
        for name in [
            right,
            "layers.0.mlp.up_proj.weight",
            "_orig_mod.model.layers.0.mlp.up_proj.weight",
            "module.model.layers.0.mlp.up_proj.weight",
            "module._orig_mod.module.model.layers.0.mlp.up_proj.weight",
            "model.layers.0._orig_mod.mlp.up_proj.weight",
            "model._fsdp_wrapped_module.layers.0._checkpoint_wrapped_module.mlp.up_proj.weight",
            "language_model.model.layers.0.mlp.up_proj.weight",
            "model.language_model.layers.0.mlp.up_proj.weight",
            "language_model.layers.0.mlp.up_proj.weight",
            "pretrained_model.model.layers.0.mlp.up_proj.weight",
        ] {
            assert_eq!(named(name), right, "{name}");
        }
        assert_eq!(named("language_model.lm_head.weight"), "lm_head.weight");
        assert_eq!(named("module.lm_head.weight"), "lm_head.weight");
        assert_eq!(named("norm.weight"), "model.norm.weight");
    }

    #[test]
    fn heads_and_encoders_beside_a_language_model_are_known() {
        assert_eq!(MODEL.part_beside("v_head.summary.weight"), Some("a value head"));
        assert_eq!(MODEL.part_beside("model.vision_tower.x"), Some("an image encoder"));
        assert_eq!(MODEL.part_beside("model.layers.0.mlp.score.weight"), None);
        assert_eq!(MODEL.part_beside("lm_head.weight"), None);
        assert_eq!(Scheme::PLAIN.part_beside("score.weight"), None);
    }
}
