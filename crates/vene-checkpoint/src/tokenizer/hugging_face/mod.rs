//! Tokenizers in the files of Hugging Face: `tokenizer.json`, or GPT-2's older `vocab.json` and
//! `merges.txt`, with the settings beside them.

mod account;
mod added;
pub(super) mod bos;
mod class;
pub(super) mod generation;
mod merges;
mod rebuilt;
mod settings;
mod splitting;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::library::{Library, Parsed};
use super::{Algorithm, Tokenizer, ends};
use crate::{ChatTemplate, CheckpointError, Notices, chat, json};
use added::Wanted;
use bos::Evidence;
use class::Class;
use generation::GenerationSettings;
use settings::Settings;
pub(super) use settings::some_of;

/// A file by its name and bytes.
pub(crate) struct File {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// A file that holds one JSON object.
pub(crate) struct JsonFile {
    pub name: String,
    pub object: Map<String, Value>,
}

impl JsonFile {
    /// Parses a file.
    ///
    /// # Errors
    /// It holds something else.
    pub fn parse(file: File) -> Result<Self, CheckpointError> {
        let object = json::object(&file.name, &file.bytes)?;
        Ok(Self { name: file.name, object })
    }
}

/// Where the vocabulary is.
pub(crate) enum Vocabulary {
    /// `tokenizer.json`.
    Json(File),
    /// `vocab.json` and `merges.txt`.
    WithMerges(File, File),
}

/// All files that say something about a tokenizer.
pub(crate) struct Files {
    pub vocabulary: Vocabulary,
    /// `tokenizer_config.json`.
    pub settings: Option<JsonFile>,
    /// `special_tokens_map.json`.
    pub special_tokens: Option<JsonFile>,
    /// `added_tokens.json`.
    pub added_tokens: Option<JsonFile>,
    /// `generation_config.json`.
    pub generation: Option<JsonFile>,
    /// `chat_template.jinja`.
    pub chat_template: Option<File>,
    /// Whether they lie in a folder, where the absence of a file says something too.
    pub in_folder: bool,
}

impl Files {
    /// A `tokenizer.json` alone, as a model in memory has it.
    pub fn alone(name: String, bytes: Vec<u8>) -> Self {
        Self {
            vocabulary: Vocabulary::Json(File { name, bytes }),
            settings: None,
            special_tokens: None,
            added_tokens: None,
            generation: None,
            chat_template: None,
            in_folder: false,
        }
    }
}

impl Tokenizer {
    /// Builds the tokenizer that these files describe together; `config` is the object in `config.json`.
    ///
    /// # Errors
    /// A file is malformed, or leaves open how text is split.
    pub(crate) fn from_files(
        files: &Files,
        config: &Map<String, Value>,
        notices: &Notices,
    ) -> Result<Self, CheckpointError> {
        let settings = Settings::read(
            files.settings.as_ref(),
            files.special_tokens.as_ref(),
            files.added_tokens.as_ref(),
            notices,
        )?;
        let class = Class::of(&settings, config);
        let (file, mut parsed) = match &files.vocabulary {
            Vocabulary::Json(file) => (&file.name, Parsed::from_json(&file.name, &file.bytes)?),
            Vocabulary::WithMerges(vocabulary, merges) => {
                let settings = files.settings.as_ref();
                (&vocabulary.name, merges::read(vocabulary, merges, &class, settings, notices)?)
            }
        };
        let in_folder = files.in_folder;
        let lacks =
            |default: class::DefaultToken| parsed.tokenizer.token_to_id(default.text).is_none();
        let lacks_default = class.default_token("bos_token").is_some_and(lacks);
        let wanted = Wanted { settings: &settings, class: &class, in_folder };
        added::add(file, &mut parsed, &wanted, notices)?;
        splitting::apply(file, &mut parsed, &settings, &class, notices)?;
        // Where no file names the class, that of the architecture is a guess.
        let is_named = settings.class.is_some() || config.contains_key("tokenizer_class");
        if in_folder && is_named && matches!(files.vocabulary, Vocabulary::Json(_)) {
            rebuilt::tell(file, &parsed, &class, notices);
        }

        // The language part of a multimodal model says it inside.
        let id = |config: &Map<String, Value>| config.get("bos_token_id").and_then(Value::as_u64);
        let nested = || id(config.get("text_config")?.as_object()?);
        let configured = id(config).or_else(nested);
        let evidence = Evidence {
            file,
            settings: &settings,
            in_folder,
            class: &class,
            lacks_default,
            configured: configured.and_then(|id| u32::try_from(id).ok()),
        };
        let bos = match &files.vocabulary {
            Vocabulary::Json(_) => bos::with_template(&evidence, &parsed, notices)?,
            Vocabulary::WithMerges(..) => bos::without_template(&evidence, &parsed, notices),
        };
        bos::tell_of_end(&evidence, parsed.around.as_ref(), notices);

        let library = Library::new(parsed);
        let eos = settings.named.get("eos_token").and_then(Option::as_ref);
        let named = ends::Named {
            generation: files.generation.as_ref(),
            config,
            eos: eos.and_then(|special| library.id(&special.token.content)),
            tokens: library.size(),
        };
        let ends = named.ends(notices)?;
        let settings_of_texts = GenerationSettings::of(config, files.generation.as_ref());
        let library = Algorithm::Library(Box::new(library));
        let chat = chat_template(files, &settings, &class);
        Ok(Self::new(file, library, bos)?.ending_at(ends).speaking(chat).writing(settings_of_texts))
    }
}

/// How the model writes conversations; why that is not known.
fn chat_template(
    files: &Files,
    settings: &Settings,
    class: &Class,
) -> Result<ChatTemplate, String> {
    let file = match &files.chat_template {
        None => None,
        Some(File { name, bytes }) => {
            let text = std::str::from_utf8(bytes);
            Some((
                name.as_str(),
                text.map_err(|_| format!("{name} is not a text in UTF-8"))?.to_owned(),
            ))
        }
    };
    let key =
        |file: &JsonFile| Some((file.name.clone(), file.object.get("chat_template")?.clone()));
    let key = files.settings.as_ref().and_then(key).filter(|(_, value)| !value.is_null());
    let mut tokens = BTreeMap::new();
    for name in settings::NAMED {
        let token = match settings.named.get(name) {
            Some(said) => said.as_ref().map(|special| special.token.content.clone()),
            None => class.default_token(name).map(|token| token.text.to_owned()),
        };
        tokens.extend(token.map(|token| (name.to_owned(), Value::from(token))));
    }
    if !settings.extra.is_empty() {
        let extra = settings.extra.iter().map(|special| special.token.content.clone()).collect();
        tokens.insert("additional_special_tokens".to_owned(), extra);
    }
    chat::in_settings(file, key.as_ref().map(|(name, value)| (name.as_str(), value)), tokens)
}
