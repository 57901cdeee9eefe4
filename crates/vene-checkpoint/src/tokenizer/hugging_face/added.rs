//! Added tokens that `tokenizer.json` lacks, or has with other properties: added as transformers does.
//!
//! First come the tokens of `added_tokens_decoder` (or `added_tokens.json`), by their ids, then special
//! tokens that are named. Each gets the next free id; the ids in the files are compared with these.

use std::collections::HashMap;

use tokenizers::AddedToken;

use super::class::Class;
use super::settings::{NAMED, Settings, Special};
use crate::tokenizer::library::Parsed;
use crate::{CheckpointError, Notices};

/// Tokens by their texts. There may be hundreds of thousands.
type ByText<'a> = HashMap<&'a str, &'a AddedToken>;

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
    let new = new_tokens(parsed, settings, class, notices);
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
            // One stands for all: those after it are shifted alike.
            break;
        }
    }
    Ok(())
}

fn new_tokens(
    parsed: &Parsed,
    settings: &Settings,
    class: &Class,
    notices: &Notices,
) -> Vec<AddedToken> {
    let present: ByText<'_> = parsed
        .tokenizer
        .get_added_vocabulary()
        .get_added_tokens_decoder()
        .values()
        .map(|token| (token.content.as_str(), token))
        .collect();
    let special_texts = settings.special_texts();
    let mut new: Vec<AddedToken> = Vec::new();
    let mut at: HashMap<String, usize> = HashMap::new();
    let mut listed: ByText<'_> = HashMap::new();
    for token in settings.added.values() {
        listed.insert(&token.content, token);
        let mut token = token.clone();
        token.special |= special_texts.contains(token.content.as_str());
        if present.get(token.content.as_str()) != Some(&&token) && !token.content.is_empty() {
            at.insert(token.content.clone(), new.len());
            new.push(token);
        }
    }
    for special in specials(parsed, settings, class, &listed, &present) {
        let text = special.token.content.as_str();
        let known = present.contains_key(text) || at.contains_key(text);
        if let Some(key) = special.only_in_5.as_ref().filter(|_| !known) {
            notices.add(format!(
                "tokenizer_config.json: {key} adds the token {text:?}, as in transformers 5 (4.52 reads it as plain text)"
            ));
        }
        let same = at.get(text).is_some_and(|&at| new.get(at) == Some(&special.token));
        if !known || (special.in_full && !same) {
            at.insert(text.to_owned(), new.len());
            new.push(special.token);
        }
    }
    new
}

/// Special tokens in the order in which they are added: named ones, defaults of the class that the
/// vocabulary has, further ones.
fn specials(
    parsed: &Parsed,
    settings: &Settings,
    class: &Class,
    listed: &ByText<'_>,
    present: &ByText<'_>,
) -> Vec<Special> {
    // A token's properties in the list of added tokens go before those beside its name.
    let in_list = |special: Special| {
        let text = special.token.content.as_str();
        match listed.get(text).or_else(|| present.get(text)) {
            Some(&token) => {
                let mut token = token.clone();
                token.special = true;
                Special { token, in_full: false, only_in_5: None }
            }
            None => special,
        }
    };
    let named = NAMED.iter().filter_map(|&name| match settings.named.get(name) {
        Some(named) => named.clone(),
        None => {
            let text = class.default_token(name)?;
            parsed.tokenizer.token_to_id(text)?;
            let token = AddedToken::from(text, true);
            Some(Special { token, in_full: false, only_in_5: None })
        }
    });
    named.map(in_list).chain(settings.extra.iter().cloned()).collect()
}
