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
    /// The class, whatever the files say: its special token of this name.
    Always(&'static str),
    /// The class puts several in front, for a language and a task, whatever the files say.
    Several,
    Never,
    /// The class does not exist there.
    Unknown,
}

/// A special token of a class where no file names one.
#[derive(Debug, Clone, Copy)]
pub(super) struct DefaultToken {
    pub text: &'static str,
    /// Which versions of transformers add it to a vocabulary that lacks it.
    pub added: AddedIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddedIn {
    Both,
    Only4_52,
    Only5,
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
            "CodeLlamaTokenizer" | "NougatTokenizer" => BosRule::Always("bos_token"),
            "GPTNeoXTokenizer" => BosRule::Never,
            "WhisperTokenizer" => BosRule::Several,
            _ if self.is_like_roberta() || self.is_like_bert() => BosRule::Always("cls_token"),
            _ => BosRule::Template,
        }
    }

    /// Classes that are RoBERTa's to transformers 5, by their own name or as what it takes for them.
    fn is_like_roberta(&self) -> bool {
        const ALIKE: [&str; 7] = [
            "BartTokenizer",
            "LEDTokenizer",
            "LongformerTokenizer",
            "LukeTokenizer",
            "MPNetTokenizer",
            "MvpTokenizer",
            "RobertaTokenizer",
        ];
        ALIKE.contains(&self.known())
    }

    /// Those that are BERT's to transformers 5, or end a text as it does.
    fn is_like_bert(&self) -> bool {
        const ALIKE: [&str; 11] = [
            "BertTokenizer",
            "ConvBertTokenizer",
            "DebertaTokenizer",
            "DistilBertTokenizer",
            "ElectraTokenizer",
            "FunnelTokenizer",
            "LayoutLMTokenizer",
            "LxmertTokenizer",
            "MobileBertTokenizer",
            "SplinterTokenizer",
            "SqueezeBertTokenizer",
        ];
        ALIKE.contains(&self.known())
    }

    /// Whether transformers 4.52 follows `add_bos_token` where there is no `tokenizer.json`.
    pub fn adds_bos_in_4_52_without_template(&self) -> bool {
        self.known() == "GPT2Tokenizer"
    }

    /// Special tokens by the names of their settings where no file names them.
    fn default_tokens(&self) -> &'static [(&'static str, &'static str, AddedIn)] {
        use AddedIn::{Both, Only4_52, Only5};
        match self.known() {
            "GPT2Tokenizer" | "CodeGenTokenizer" => &[
                ("bos_token", "<|endoftext|>", Both),
                ("eos_token", "<|endoftext|>", Both),
                ("unk_token", "<|endoftext|>", Both),
            ],
            "GPTNeoXTokenizer" => &[
                ("bos_token", "<|endoftext|>", Both),
                ("eos_token", "<|endoftext|>", Both),
                ("unk_token", "<|endoftext|>", Both),
                ("pad_token", "<|padding|>", Only5),
            ],
            "Qwen2Tokenizer" => &[
                ("eos_token", "<|endoftext|>", Both),
                ("unk_token", "<|endoftext|>", Both),
                ("pad_token", "<|endoftext|>", Both),
            ],
            "BloomTokenizer" => &[
                ("bos_token", "<s>", Only4_52),
                ("eos_token", "</s>", Only4_52),
                ("unk_token", "<unk>", Only4_52),
                ("pad_token", "<pad>", Only4_52),
            ],
            "LlamaTokenizer" | "CodeLlamaTokenizer" => &[
                ("bos_token", "<s>", Only4_52),
                ("eos_token", "</s>", Only4_52),
                ("unk_token", "<unk>", Only4_52),
            ],
            "DebertaTokenizer" => &[
                ("bos_token", "[CLS]", Both),
                ("eos_token", "[SEP]", Both),
                ("unk_token", "[UNK]", Both),
                ("sep_token", "[SEP]", Both),
                ("pad_token", "[PAD]", Both),
                ("cls_token", "[CLS]", Both),
                ("mask_token", "[MASK]", Both),
            ],
            "MPNetTokenizer" => &[
                ("bos_token", "<s>", Both),
                ("eos_token", "</s>", Both),
                ("unk_token", "[UNK]", Both),
                ("sep_token", "</s>", Both),
                ("pad_token", "<pad>", Both),
                ("cls_token", "<s>", Both),
                ("mask_token", "<mask>", Both),
            ],
            "NougatTokenizer" => &[
                ("bos_token", "<s>", Both),
                ("eos_token", "</s>", Both),
                ("unk_token", "<unk>", Both),
                ("pad_token", "<pad>", Both),
            ],
            "FunnelTokenizer" => &[
                ("bos_token", "<s>", Both),
                ("eos_token", "</s>", Both),
                ("unk_token", "<unk>", Both),
                ("sep_token", "<sep>", Both),
                ("pad_token", "<pad>", Both),
                ("cls_token", "<cls>", Both),
                ("mask_token", "<mask>", Both),
            ],
            _ if self.is_like_roberta() => &[
                ("bos_token", "<s>", Both),
                ("eos_token", "</s>", Both),
                ("unk_token", "<unk>", Both),
                ("sep_token", "</s>", Both),
                ("pad_token", "<pad>", Both),
                ("cls_token", "<s>", Both),
                ("mask_token", "<mask>", Both),
            ],
            _ if self.is_like_bert() => &[
                ("unk_token", "[UNK]", Both),
                ("sep_token", "[SEP]", Both),
                ("pad_token", "[PAD]", Both),
                ("cls_token", "[CLS]", Both),
                ("mask_token", "[MASK]", Both),
            ],
            "GemmaTokenizer" => &[
                ("bos_token", "<bos>", Both),
                ("eos_token", "<eos>", Both),
                ("unk_token", "<unk>", Both),
                ("pad_token", "<pad>", Both),
                ("mask_token", "<mask>", Only5),
            ],
            "CohereTokenizer" => &[
                ("bos_token", "<BOS_TOKEN>", Both),
                ("eos_token", "<|END_OF_TURN_TOKEN|>", Both),
                ("unk_token", "<UNK>", Both),
                ("sep_token", "<SEP>", Only5),
                ("pad_token", "<PAD>", Only5),
                ("cls_token", "<CLS>", Only5),
                ("mask_token", "<MASK_TOKEN>", Only5),
            ],
            _ => &[],
        }
    }

    /// The token of one such name.
    pub fn default_token(&self, key: &str) -> Option<DefaultToken> {
        let found = self.default_tokens().iter().find(|(name, ..)| *name == key);
        found.map(|&(_, text, added)| DefaultToken { text, added })
    }

    /// Whether `add_prefix_space` is false unless the settings say otherwise, whatever
    /// `tokenizer.json` says.
    pub fn starts_without_space(&self) -> bool {
        const ALIKE: [&str; 5] = [
            "GPT2Tokenizer",
            "GPTNeoXTokenizer",
            "Qwen2Tokenizer",
            "CodeGenTokenizer",
            "CohereTokenizer",
        ];
        ALIKE.contains(&self.known())
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
