//! The classes of tokenizers in transformers, as far as they decide what the files leave open.
//!
//! Most classes take `tokenizer.json` as it is. A few put tokens before a text by a rule of their own,
//! and the rules of transformers 4.52 and of transformers 5 differ. Special tokens that no file names
//! have defaults by class.

use serde_json::{Map, Value};

use super::settings::Settings;

/// A class by its name without `Fast`.
#[derive(Debug, Clone)]
pub(super) struct Class(Option<String>);

/// What decides whether a text begins with the beginning-of-sequence token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BosRule {
    /// The post-processor in `tokenizer.json`.
    Template,
    /// `add_bos_token` in the settings, with this default.
    Setting(bool),
    /// The class, whatever the files say.
    Always,
    Never,
    /// The class does not exist there.
    Unknown,
}

impl Class {
    /// The class that the settings name, or else `config.json`, or else the one that is usual for its
    /// architecture.
    pub fn of(settings: &Settings, config: &Map<String, Value>) -> Self {
        let text = |key: &str| config.get(key).and_then(Value::as_str);
        let by_architecture = || {
            let nested = config.get("text_config").and_then(|text| text.get("model_type"));
            match text("model_type").or_else(|| nested?.as_str())? {
                "gpt2" => Some("GPT2Tokenizer"),
                "llama" => Some("LlamaTokenizer"),
                "gemma3" | "gemma3_text" => Some("GemmaTokenizer"),
                _ => None,
            }
        };
        let name = settings.class.as_deref().or_else(|| text("tokenizer_class"));
        let name = name.or_else(by_architecture);
        Self(name.map(|name| name.strip_suffix("Fast").unwrap_or(name).to_owned()))
    }

    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }

    fn known(&self) -> &str {
        self.name().unwrap_or_default()
    }

    /// The rule of transformers 4.52 where there is a `tokenizer.json`.
    pub fn bos_in_4_52(&self) -> BosRule {
        match self.known() {
            "LlamaTokenizer" | "CodeLlamaTokenizer" | "GemmaTokenizer" | "CohereTokenizer" => {
                BosRule::Setting(true)
            }
            "GPTNeoXTokenizer" => BosRule::Setting(false),
            // The class under which transformers 5 saves.
            "TokenizersBackend" => BosRule::Unknown,
            _ => BosRule::Template,
        }
    }

    /// The rule of transformers 5 where there is a `tokenizer.json`.
    pub fn bos_in_5(&self) -> BosRule {
        match self.known() {
            "CodeLlamaTokenizer" | "RobertaTokenizer" | "BartTokenizer" => BosRule::Always,
            "GPTNeoXTokenizer" => BosRule::Never,
            _ => BosRule::Template,
        }
    }

    /// Special tokens by the names of their settings where no file names them.
    pub fn default_tokens(&self) -> &'static [(&'static str, &'static str)] {
        match self.known() {
            "GPT2Tokenizer" | "GPTNeoXTokenizer" => &[
                ("bos_token", "<|endoftext|>"),
                ("eos_token", "<|endoftext|>"),
                ("unk_token", "<|endoftext|>"),
            ],
            "Qwen2Tokenizer" => &[
                ("eos_token", "<|endoftext|>"),
                ("unk_token", "<|endoftext|>"),
                ("pad_token", "<|endoftext|>"),
            ],
            "LlamaTokenizer" | "CodeLlamaTokenizer" | "RobertaTokenizer" | "BartTokenizer" => {
                &[("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")]
            }
            "GemmaTokenizer" => &[
                ("bos_token", "<bos>"),
                ("eos_token", "<eos>"),
                ("unk_token", "<unk>"),
                ("pad_token", "<pad>"),
            ],
            "CohereTokenizer" => &[
                ("bos_token", "<BOS_TOKEN>"),
                ("eos_token", "<|END_OF_TURN_TOKEN|>"),
                ("unk_token", "<UNK>"),
            ],
            _ => &[],
        }
    }

    pub fn default_token(&self, key: &str) -> Option<&'static str> {
        self.default_tokens().iter().find(|(name, _)| *name == key).map(|(_, text)| *text)
    }

    /// Whether `add_prefix_space` is false unless the settings say otherwise, whatever
    /// `tokenizer.json` says.
    pub fn starts_without_space(&self) -> bool {
        matches!(self.known(), "GPT2Tokenizer" | "GPTNeoXTokenizer" | "Qwen2Tokenizer")
    }

    /// Whether the settings decide about a space in front of a text that SentencePiece spells.
    pub fn decides_about_space(&self) -> bool {
        matches!(self.known(), "LlamaTokenizer" | "CodeLlamaTokenizer")
    }

    /// Whether the settings decide about lower case, accents and Chinese characters.
    pub fn normalizes_like_bert(&self) -> bool {
        const ALIKE: [&str; 14] = [
            "BertTokenizer",
            "ConvBertTokenizer",
            "DistilBertTokenizer",
            "ElectraTokenizer",
            "FunnelTokenizer",
            "LayoutLMTokenizer",
            "LayoutLMv2Tokenizer",
            "LxmertTokenizer",
            "MPNetTokenizer",
            "MobileBertTokenizer",
            "RealmTokenizer",
            "RetriBertTokenizer",
            "SplinterTokenizer",
            "SqueezeBertTokenizer",
        ];
        ALIKE.contains(&self.known())
    }
}
