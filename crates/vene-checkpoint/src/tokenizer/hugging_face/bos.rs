//! Who decides whether a text begins with the beginning-of-sequence token.
//!
//! `tokenizer.json` has a template, `tokenizer_config.json` a setting, the tokenizer's class a rule of its
//! own; transformers 4.52 and transformers 5 weigh them differently. Transformers 5 decides here. Where
//! 4.52 or a file says otherwise the user is told, since one token more or less in front of a text changes
//! what a model does.

use super::class::{BosRule, Class};
use super::settings::Settings;
use crate::tokenizer::library::Parsed;
use crate::tokenizer::post_processor::Surround;
use crate::{CheckpointError, Notices};

const BOS: &str = "bos_token";

/// The decision.
#[derive(Debug)]
pub(in crate::tokenizer) struct Bos {
    pub id: Option<u32>,
    pub adds: bool,
    pub why: String,
}

/// What the decision is made of.
pub(super) struct Evidence<'a> {
    /// The file with the vocabulary, for errors.
    pub file: &'a str,
    pub settings: &'a Settings,
    /// Whether there is a folder that transformers could open, with or without settings.
    pub in_folder: bool,
    pub class: &'a Class,
    /// By `config.json`.
    pub configured: Option<u32>,
    /// Whether the vocabulary lacks the class's own token.
    pub lacks_default: bool,
}

fn none_is_named(key: &str) -> String {
    format!("no file names a {key}, nor does the class")
}

/// Decides where there is a `tokenizer.json`.
///
/// # Errors
/// Its template puts several tokens before a text.
pub(super) fn with_template(
    evidence: &Evidence<'_>,
    parsed: &Parsed,
    notices: &Notices,
) -> Result<Bos, CheckpointError> {
    let Evidence { settings, class, .. } = *evidence;
    let before = parsed.around.as_ref().map_or(&[][..], |around| around.before.as_slice());
    let in_template = match before {
        [] => None,
        [id] => Some(*id),
        several => {
            return Err(CheckpointError::malformed(
                evidence.file,
                format!(
                    "puts {} tokens in front of a text; models with one or none can be used",
                    several.len()
                ),
            ));
        }
    };
    let class_name = class.name().unwrap_or("the tokenizer");
    let decided = match class.bos_in_5() {
        BosRule::Template | BosRule::Setting(_) | BosRule::Several => in_template,
        BosRule::Always(key) => named(evidence, parsed, key).id(),
        BosRule::Never | BosRule::Unknown => None,
    };
    if class.bos_in_5() == BosRule::Several && evidence.in_folder {
        notices.add(format!(
            "beginning of sequence: {class_name} of transformers 5 puts several tokens, which name a language and a task, in front of each text, whatever tokenizer.json says; tokenizer.json is followed, as transformers 4.52 does: write such tokens in front of your prompts"
        ));
    }
    let why = match (class.bos_in_5(), &parsed.around, in_template) {
        (BosRule::Always(key), ..) if decided.is_none() => none_is_named(key),
        (BosRule::Always(_), ..) => {
            format!("{class_name} of transformers 5 always puts it in front")
        }
        (BosRule::Never, ..) => format!("{class_name} of transformers 5 never puts it in front"),
        (_, _, Some(_)) => "the template in tokenizer.json puts it in front".to_owned(),
        (_, Some(_), None) => "the template in tokenizer.json does not put it in front".to_owned(),
        (_, None, None) => "tokenizer.json has no template that puts it in front".to_owned(),
    };
    let in_4_52 = match class.bos_in_4_52() {
        BosRule::Template => Some(in_template.map_or(In452::None, In452::Puts)),
        BosRule::Setting(default) => {
            let wanted = settings.add_bos.unwrap_or(default);
            Some(named(evidence, parsed, BOS).in_4_52(wanted))
        }
        BosRule::Always(_) | BosRule::Several | BosRule::Never | BosRule::Unknown => None,
    };
    Ok(decide(evidence, parsed, Decided { id: decided, why, in_4_52 }, notices))
}

/// Decides where there is no `tokenizer.json`: by the setting, if a file or the class names a token.
pub(super) fn without_template(evidence: &Evidence<'_>, parsed: &Parsed, notices: &Notices) -> Bos {
    let Evidence { settings, class, .. } = *evidence;
    let named = named(evidence, parsed, BOS);
    let wanted = settings.add_bos.unwrap_or(false);
    let why = match settings.add_bos {
        Some(true) if named.id().is_none() => none_is_named(BOS),
        Some(add) => format!("tokenizer_config.json says add_bos_token = {add}"),
        None => "no file asks for it".to_owned(),
    };
    let in_4_52 = named.in_4_52(wanted && class.adds_bos_in_4_52_without_template());
    let id = named.id().filter(|_| wanted);
    decide(evidence, parsed, Decided { id, why, in_4_52: Some(in_4_52) }, notices)
}

struct Decided {
    id: Option<u32>,
    why: String,
    /// What transformers 4.52 does, where it knows the class.
    in_4_52: Option<In452>,
}

/// What transformers 4.52 puts in front of a text.
#[derive(Debug, PartialEq, Eq)]
enum In452 {
    None,
    Puts(u32),
    /// A token that it adds to the vocabulary.
    New(&'static str),
    /// It refuses files that ask for a token and name none.
    Refuses,
}

/// Tells of whoever says otherwise.
fn decide(evidence: &Evidence<'_>, parsed: &Parsed, decided: Decided, notices: &Notices) -> Bos {
    let Evidence { settings, class, .. } = *evidence;
    let Decided { id, why, in_4_52 } = decided;
    let class_name = class.name().unwrap_or("the tokenizer");
    let puts = |id: Option<u32>| match id {
        Some(id) => format!("puts {} in front", entry(parsed, id)),
        None => "puts none in front".to_owned(),
    };
    let mut others = Vec::new();
    let same = id.map_or(In452::None, In452::Puts);
    if let Some(other) = in_4_52.filter(|other| evidence.in_folder && *other != same) {
        let does = match other {
            In452::None => puts(None),
            In452::Puts(id) => puts(Some(id)),
            In452::New(text) => format!("adds {text:?} to the vocabulary and puts it in front"),
            In452::Refuses => "refuses such files, since none names a bos_token".to_owned(),
        };
        others.push(format!("{class_name} of transformers 4.52 {does}"));
    }
    if let Some(add) = settings.add_bos.filter(|&add| add != id.is_some()) {
        others.push(format!("tokenizer_config.json says add_bos_token = {add}"));
    }
    let differs = |text: &str| id.is_some_and(|id| parsed.tokenizer.token_to_id(text) != Some(id));
    let given = settings.named.get(BOS).and_then(Option::as_ref);
    if let Some(bos) = given.filter(|bos| differs(&bos.token.content)) {
        others.push(format!("the tokenizer's settings say bos_token = {:?}", bos.token.content));
    }
    if !others.is_empty() {
        notices.add(format!(
            "beginning of sequence: {why}{}; {}. vene does as transformers {} does and {}; --bos always and --bos never decide otherwise",
            id.map_or(String::new(), |id| format!(" ({})", entry(parsed, id))),
            others.join(", and "),
            if class.bos_in_5() == BosRule::Several { "4.52" } else { "5" },
            puts(id)
        ));
    }
    // Where it is only asked for, a token that the model was trained with goes before one that its class adds.
    let named = named(evidence, parsed, BOS).id();
    let is_new = evidence.lacks_default && given.is_none();
    let known = |id: &u32| parsed.tokenizer.id_to_token(*id).is_some();
    let to_ask_for = || named.filter(|_| !is_new).or(evidence.configured.filter(known)).or(named);
    Bos { id: id.or_else(to_ask_for), adds: id.is_some(), why }
}

/// The token that the settings name by its text, or the class, where they are silent.
#[derive(Debug, Clone, Copy)]
enum Named {
    Token(u32),
    /// The class's, which the vocabulary lacks.
    Missing(&'static str),
    None,
}

impl Named {
    fn id(self) -> Option<u32> {
        match self {
            Self::Token(id) => Some(id),
            Self::Missing(_) | Self::None => None,
        }
    }

    /// What transformers 4.52 does where it is asked for a token.
    fn in_4_52(self, wanted: bool) -> In452 {
        match self {
            _ if !wanted => In452::None,
            Self::Token(id) => In452::Puts(id),
            Self::Missing(text) => In452::New(text),
            Self::None => In452::Refuses,
        }
    }
}

fn named(evidence: &Evidence<'_>, parsed: &Parsed, key: &str) -> Named {
    let id = |text: &str| parsed.tokenizer.token_to_id(text).map(Named::Token);
    match evidence.settings.named.get(key) {
        // All that are named have been added.
        Some(Some(special)) => id(&special.token.content).unwrap_or(Named::None),
        Some(None) => Named::None,
        None => match evidence.class.default_token(key) {
            Some(default) => id(default.text).unwrap_or(Named::Missing(default.text)),
            None => Named::None,
        },
    }
}

fn entry(parsed: &Parsed, id: u32) -> String {
    let text = parsed.tokenizer.id_to_token(id);
    text.map_or_else(|| format!("token {id}"), |text| format!("{text:?}"))
}

/// Names a token that is put after a text: it never is here.
pub(super) fn tell_of_end(evidence: &Evidence<'_>, around: Option<&Surround>, notices: &Notices) {
    let template = around.is_some_and(|around| !around.after.is_empty());
    let setting = evidence.settings.add_eos == Some(true);
    if template || setting {
        notices.add(format!(
            "{} a token after each text; vene leaves it out, since its prompts are continued",
            if template {
                "tokenizer.json puts"
            } else {
                "tokenizer_config.json (add_eos_token) puts"
            }
        ));
    }
}
