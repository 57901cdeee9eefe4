//! A checkpoint's tensors under the names that the families use, whatever wrapped the model when it
//! was saved.
//!
//! `torch.compile`, data parallelism and multimodal models put words before or into names, and a
//! base class (`LlamaModel`) leaves its own out. None of that says anything about the computation: it
//! is taken off here, once. Errors still show the names of the file.

use std::collections::BTreeMap;

use vene_checkpoint::{Element, Notices, Tensors};

use crate::error::ModelError;

/// What wrappers of modules put into names.
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// What trainers put before names.
const LEADING: [&str; 3] = ["module", "pretrained_model", "_forward_module"];

/// What PEFT puts before the names of a model that has adapters.
const ADAPTED: [&str; 2] = ["base_model", "model"];

/// How parts of names of an adapter begin.
const ADAPTER: &str = "lora_";

/// What multimodal models put before the names of their language model.
const LANGUAGE_MODEL: &str = "language_model";

/// Parts that stand beside a language model, and what they are.
const BESIDE: [(&str, &str); 19] = [
    ("v_head", "a value head"),
    ("value_head", "a value head"),
    ("critic", "a value head"),
    ("critic_head", "a value head"),
    ("summary", "a value head"),
    ("ilql_heads", "a group of value heads"),
    ("value_model", "a value model"),
    ("reward_head", "a reward head"),
    ("rm_head", "a reward head"),
    ("regression_head", "a regression head"),
    ("medusa_head", "a head that guesses further tokens"),
    ("score", "a classifier"),
    ("classifier", "a classifier"),
    ("classification_head", "a classifier"),
    // In GGUF files.
    ("cls", "a classifier"),
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
    pub(super) beginnings: Vec<&'static str>,
    /// The module of the language-model head.
    pub(super) head: &'static str,
}

impl Scheme {
    /// Names as they are, for networks that nothing wraps and that may be classifiers themselves.
    pub(super) const PLAIN: Self = Self { prefix: "", beginnings: Vec::new(), head: "lm_head" };

    /// What a tensor belongs to that is no part of a language model.
    fn part_beside(&self, name: &str) -> Option<&'static str> {
        if self.beginnings.is_empty() {
            return None;
        }
        let bare = ["model.", "transformer."].iter().find_map(|prefix| name.strip_prefix(prefix));
        part_beside(bare.unwrap_or(name))
    }

    /// Whether a name is that of a part of a language model.
    fn knows(&self, name: &str) -> bool {
        let rest = name.strip_prefix(self.prefix);
        let first = rest.and_then(|rest| rest.split('.').next());
        first.is_some_and(|first| self.beginnings.contains(&first))
            || name.split('.').next() == Some(self.head)
    }

    /// What stands before the name of a part of a language model, where something does.
    fn prefix_of<'n>(&self, name: &'n str) -> Option<&'n str> {
        let starts = name.match_indices('.').map(|(dot, _)| dot + 1);
        let starts: Vec<usize> = starts.collect();
        // With the whole beginning, or else with what base classes leave of it.
        let whole = starts.iter().find(|start| self.knows(&name[**start..]));
        let base = || {
            let first = |start: usize| name[start..].split('.').next().unwrap_or_default();
            starts.iter().find(|start| self.beginnings.contains(&first(**start)))
        };
        whole.or_else(base).map(|start| &name[..*start])
    }
}

/// What a tensor belongs to that is no part of a language model, by the first part of its name.
fn part_beside(name: &str) -> Option<&'static str> {
    let first = name.split('.').next()?;
    BESIDE.iter().find(|(beginning, _)| *beginning == first).map(|(_, what)| *what)
}

/// Tensors under the names of their family.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    tensors: Tensors,
    /// The file's name of each.
    stored: BTreeMap<String, String>,
}

impl Names {
    /// The names of the file, as GGUF has them. What stands beside the language model is left out with a
    /// notice.
    pub(super) fn as_stored(tensors: &Tensors, notices: &Notices) -> Self {
        let mut beside = Beside::default();
        let mut stored = BTreeMap::new();
        for name in tensors.names() {
            if !beside.takes(name, part_beside(name)) {
                stored.insert(name.to_owned(), name.to_owned());
            }
        }
        beside.tell(notices);
        Self { tensors: tensors.clone(), stored }
    }

    /// Names without what wraps them. What stands beside the language model is left out with a notice.
    ///
    /// # Errors
    /// Two tensors that would have the same name; weights that are quantised; an adapter that is not merged;
    /// names that all begin in a way that is not known.
    pub(super) fn unwrapped(
        tensors: &Tensors,
        scheme: &Scheme,
        notices: &Notices,
    ) -> Result<Self, ModelError> {
        let mut stored: BTreeMap<String, String> = BTreeMap::new();
        let mut beside = Beside::default();
        for name in tensors.names() {
            if name.split('.').any(|part| part.starts_with(ADAPTER)) {
                return Err(ModelError::Unmerged { name: name.to_owned() });
            }
            if QUANTISED.iter().any(|ending| name.ends_with(ending)) {
                return Err(ModelError::Quantised {
                    what: format!("tensor `{name}` is part of a quantised weight"),
                });
            }
            let bare = unwrapped(name);
            if beside.takes(name, scheme.part_beside(&bare)) {
                continue;
            }
            let bare = complete(bare, scheme);
            if let Some(other) = stored.insert(bare, name.to_owned()) {
                return Err(ModelError::TwiceTheSame { names: [other, name.to_owned()] });
            }
        }
        refuse_other_beginnings(&stored, scheme)?;
        beside.tell(notices);
        Ok(Self { tensors: tensors.clone(), stored })
    }

    /// The file's name of a head that stands where none is looked for.
    pub(super) fn misplaced_head(&self, head: &str) -> Option<&str> {
        let is_head = |name: &str| name.split('.').any(|part| part == head);
        self.stored.values().map(String::as_str).find(|name| is_head(name))
    }

    /// A shape, row-major.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.shape(self.stored.get(name)?)
    }

    /// Of each tensor its shape and how it is stored.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = (&[usize], Option<Element>)> {
        let of = |stored: &String| {
            self.tensors.shape(stored).map(|shape| (shape, self.tensors.element(stored)))
        };
        self.stored.values().filter_map(of)
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

/// Tensors that stand beside a language model, by what they are.
#[derive(Default)]
struct Beside<'a>(BTreeMap<&'static str, Vec<&'a str>>);

impl<'a> Beside<'a> {
    /// Notes a tensor that is of such a part.
    fn takes(&mut self, name: &'a str, part: Option<&'static str>) -> bool {
        if let Some(part) = part {
            self.0.entry(part).or_default().push(name);
        }
        part.is_some()
    }

    fn tell(self, notices: &Notices) {
        for (part, names) in self.0 {
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
    }
}

/// Returns an error where no name begins as a language model's, and names what stands before.
fn refuse_other_beginnings(
    stored: &BTreeMap<String, String>,
    scheme: &Scheme,
) -> Result<(), ModelError> {
    if scheme.beginnings.is_empty() || stored.keys().any(|name| scheme.knows(name)) {
        return Ok(());
    }
    let mut prefixes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, of_file) in stored {
        if let Some(prefix) = scheme.prefix_of(name) {
            prefixes.entry(prefix).or_default().push(of_file);
        }
    }
    match prefixes.into_iter().max_by_key(|(_, names)| names.len()) {
        Some((prefix, names)) => {
            Err(ModelError::OtherBeginning { name: names[0].to_owned(), prefix: prefix.to_owned() })
        }
        None => Ok(()),
    }
}

/// A name without wrappers, and without the name of a multimodal model's language part.
fn unwrapped(name: &str) -> String {
    let mut parts: Vec<&str> = name.split('.').filter(|part| !WRAPPERS.contains(part)).collect();
    while parts.first().is_some_and(|first| LEADING.contains(first)) {
        parts.remove(0);
    }
    if let Some(rest) = parts.strip_prefix(&ADAPTED) {
        parts = rest.to_vec();
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

    fn model() -> Scheme {
        Scheme {
            prefix: "model.",
            beginnings: vec!["embed_tokens", "layers", "norm"],
            head: "lm_head",
        }
    }

    fn named(name: &str) -> String {
        complete(unwrapped(name), &model())
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
            "_forward_module.model.layers.0.mlp.up_proj.weight",
            "_forward_module.module.model.layers.0.mlp.up_proj.weight",
            "base_model.model.model.layers.0.mlp.up_proj.weight",
            "base_model.model.layers.0.mlp.up_proj.weight",
        ] {
            assert_eq!(named(name), right, "{name}");
        }
        assert_eq!(named("language_model.lm_head.weight"), "lm_head.weight");
        assert_eq!(named("module.lm_head.weight"), "lm_head.weight");
        assert_eq!(named("norm.weight"), "model.norm.weight");
    }

    #[test]
    fn heads_and_encoders_beside_a_language_model_are_known() {
        assert_eq!(model().part_beside("v_head.summary.weight"), Some("a value head"));
        assert_eq!(model().part_beside("model.vision_tower.x"), Some("an image encoder"));
        assert_eq!(model().part_beside("transformer.v_head.weight"), Some("a value head"));
        assert_eq!(model().part_beside("model.layers.0.mlp.score.weight"), None);
        assert_eq!(model().part_beside("lm_head.weight"), None);
        assert_eq!(Scheme::PLAIN.part_beside("score.weight"), None);
    }
}
