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
    let named = named(evidence, parsed);
    let class_name = class.name().unwrap_or("the tokenizer");
    let by = |rule| match rule {
        BosRule::Template => in_template,
        BosRule::Setting(default) => named.filter(|_| settings.add_bos.unwrap_or(default)),
        BosRule::Always => named,
        BosRule::Never | BosRule::Unknown => None,
    };
    let decided = by(class.bos_in_5());
    let why = match (class.bos_in_5(), &parsed.around, in_template) {
        (BosRule::Always, ..) => format!("{class_name} of transformers 5 always puts it in front"),
        (BosRule::Never, ..) => format!("{class_name} of transformers 5 never puts it in front"),
        (_, _, Some(_)) => "the template in tokenizer.json puts it in front".to_owned(),
        (_, Some(_), None) => "the template in tokenizer.json does not put it in front".to_owned(),
        (_, None, None) => "tokenizer.json has no template that puts it in front".to_owned(),
    };

    let mut others = Vec::new();
    let shown = |id: Option<u32>| match id {
        Some(id) => format!("puts {} in front", entry(parsed, id)),
        None => "puts none in front".to_owned(),
    };
    let rule_4_52 = class.bos_in_4_52();
    if evidence.in_folder && rule_4_52 != BosRule::Unknown && by(rule_4_52) != decided {
        others.push(format!("{class_name} of transformers 4.52 {}", shown(by(rule_4_52))));
    }
    if let Some(add) = settings.add_bos.filter(|&add| add != decided.is_some()) {
        others.push(format!("tokenizer_config.json says add_bos_token = {add}"));
    }
    let differs =
        |text: &str| decided.is_some_and(|id| parsed.tokenizer.token_to_id(text) != Some(id));
    let given = settings.named.get("bos_token").and_then(Option::as_ref);
    if let Some(bos) = given.filter(|bos| differs(&bos.token.content)) {
        others.push(format!("the tokenizer's settings say bos_token = {:?}", bos.token.content));
    }
    if !others.is_empty() {
        notices.add(format!(
            "beginning of sequence: {why}{}; {}. vene does as transformers 5 does and {}; --bos always and --bos never decide otherwise",
            decided.map_or(String::new(), |id| format!(" ({})", entry(parsed, id))),
            others.join(", and "),
            shown(decided)
        ));
    }
    Ok(Bos { id: decided.or(named), adds: decided.is_some(), why })
}

/// Decides where there is no `tokenizer.json`: by the setting, as all versions of transformers do.
pub(super) fn without_template(evidence: &Evidence<'_>, parsed: &Parsed) -> Bos {
    let id = named(evidence, parsed);
    let why = match evidence.settings.add_bos {
        Some(add) => format!("tokenizer_config.json says add_bos_token = {add}"),
        None => "no file asks for it".to_owned(),
    };
    Bos { id, adds: evidence.settings.add_bos.unwrap_or(false), why }
}

/// The token that the settings name by its text (or the class, where they are silent), or else
/// `config.json` by its id.
fn named(evidence: &Evidence<'_>, parsed: &Parsed) -> Option<u32> {
    let by_text = match evidence.settings.named.get("bos_token") {
        Some(named) => named.as_ref().map(|special| special.token.content.as_str()),
        None => evidence.class.default_token("bos_token"),
    };
    let by_text = by_text.and_then(|text| parsed.tokenizer.token_to_id(text));
    let known = |id: &u32| parsed.tokenizer.id_to_token(*id).is_some();
    by_text.or_else(|| evidence.configured.filter(known))
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
