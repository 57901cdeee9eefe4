//! Where an autoencoder comes from: the model, the site and the prompts that it was trained on, as its files
//! say.
//!
//! An autoencoder fits the activations of one site of one model. Anywhere else it gives latents that look
//! like any others and mean nothing.

/// What an autoencoder's files say about where it belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AutoencoderOrigin {
    /// The model, under TransformerLens's name.
    pub model: Option<String>,
    /// The site, under TransformerLens's name: `blocks.8.hook_resid_pre`.
    pub hook: Option<String>,
    /// The site's layer, where that is all that is said.
    pub layer: Option<usize>,
    /// Whether its prompts began with a beginning-of-sequence token.
    pub prepend_bos: Option<bool>,
    /// What else its files say that is not followed, a sentence each.
    pub notices: Vec<String>,
}

impl AutoencoderOrigin {
    /// Whether its model may be the one of this name. Names are compared loosely: tools call the same model
    /// `gpt2`, `gpt2-small` and `openai-community/gpt2`.
    pub fn may_be_of(&self, name: &str) -> bool {
        let Some(model) = &self.model else { return true };
        let (ours, theirs) = (plain(name), plain(model));
        ours.is_empty() || theirs.is_empty() || ours.contains(&theirs) || theirs.contains(&ours)
    }
}

/// A model's name without its owner, its file's ending and what tools differ in.
fn plain(name: &str) -> String {
    let last = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
    let last = last.to_lowercase();
    let last = last.strip_suffix(".gguf").unwrap_or(&last);
    let last = last.strip_suffix("-small").unwrap_or(last);
    last.chars().filter(|character| character.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_model_go_together() {
        let of = |model: &str| AutoencoderOrigin {
            model: Some(model.to_owned()),
            ..AutoencoderOrigin::default()
        };
        assert!(of("gpt2-small").may_be_of("openai-community/gpt2"));
        assert!(of("gemma-2-2b").may_be_of("google/gemma-2-2b"));
        assert!(of("gemma-2-2b").may_be_of("/models/gemma-2-2b-Q8_0.gguf"));
        assert!(!of("gemma-2-2b").may_be_of("HuggingFaceTB/SmolLM2-135M"));
        assert!(AutoencoderOrigin::default().may_be_of("anything"));
    }
}
