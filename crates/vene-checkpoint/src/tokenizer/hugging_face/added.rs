//! Added tokens that `tokenizer.json` lacks, or has with other properties: added as transformers does.
//!
//! First come the tokens of `added_tokens_decoder` (or `added_tokens.json`), by their ids, then special
//! tokens that are named. Each gets the next free id; the ids in the files are compared with these.

use tokenizers::AddedToken;

use super::class::Class;
use super::settings::{NAMED, Settings, Special};
use crate::tokenizer::library::Parsed;
use crate::{CheckpointError, Notices};

/// Adds what the settings ask for.
///
/// # Errors
/// The library refuses a token.
pub(super) fn add(
    file: &str,
    parsed: &mut Parsed,
    settings: &Settings,
    class: &Class,
    notices: &Notices,
) -> Result<(), CheckpointError> {
    let present: Vec<AddedToken> = added(parsed).cloned().collect();
    let mut new: Vec<AddedToken> = Vec::new();
    for token in settings.added.values() {
        let mut token = token.clone();
        token.special |= settings.is_special(&token.content);
        if !present.contains(&token) {
            new.push(token);
        }
    }
    for special in specials(parsed, settings, class) {
        let known = present.iter().chain(&new).any(|token| token.content == special.token.content);
        if let Some(key) = special.only_in_5.as_ref().filter(|_| !known) {
            notices.add(format!(
                "tokenizer_config.json: {key} adds the token {:?}, as in transformers 5 (4.52 reads it as plain text)",
                special.token.content
            ));
        }
        if !known || (special.in_full && !new.contains(&special.token)) {
            new.push(special.token);
        }
    }
    new.retain(|token| !token.content.is_empty());
    if !new.is_empty() {
        parsed.add(file, new)?;
    }
    for (id, token) in &settings.added {
        let given = parsed.tokenizer.token_to_id(&token.content);
        if given != Some(*id) {
            notices.add(format!(
                "the added token {:?} has the id {id} in the tokenizer's settings and {} here, as in transformers: the ids before it are not all taken",
                token.content,
                given.map_or_else(|| "none".to_owned(), |id| id.to_string())
            ));
        }
    }
    Ok(())
}

/// Special tokens in the order in which they are added: named ones, defaults of the class that the
/// vocabulary has, further ones.
fn specials(parsed: &Parsed, settings: &Settings, class: &Class) -> Vec<Special> {
    // A token's properties in the list of added tokens go before those beside its name.
    let in_list = |special: &Special| {
        let listed = settings.added.values().chain(added(parsed));
        let mut listed = listed.filter(|token| token.content == special.token.content);
        let token = listed.next().cloned();
        token.map(|mut token| {
            token.special = true;
            Special { token, in_full: false, only_in_5: None }
        })
    };
    let named = NAMED.iter().filter_map(|&name| match settings.named.get(name) {
        Some(named) => named.clone(),
        None => {
            let text = class.default_token(name)?;
            parsed.tokenizer.token_to_id(text)?;
            Some(Special { token: AddedToken::from(text, true), in_full: false, only_in_5: None })
        }
    });
    named
        .map(|special| in_list(&special).unwrap_or(special))
        .chain(settings.extra.iter().cloned())
        .collect()
}

fn added(parsed: &Parsed) -> impl Iterator<Item = &AddedToken> {
    parsed.tokenizer.get_added_vocabulary().get_added_tokens_decoder().values()
}
