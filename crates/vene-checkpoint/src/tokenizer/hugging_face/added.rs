//! Added tokens that `tokenizer.json` lacks, or has with other properties: added as transformers does.
//!
//! First come the tokens of `added_tokens_decoder` (or `added_tokens.json`, where `tokenizer.json` has no
//! other token with the id), by their ids, then special tokens that are named. Each gets the next free id; the ids in the files are compared with these.

use std::collections::{BTreeMap, HashMap};

use tokenizers::AddedToken;

use super::class::{AddedIn, Class};
use super::settings::{NAMED, Settings, Special, some_of};
use crate::tokenizer::library::Parsed;
use crate::{CheckpointError, Notices};

/// Tokens by their texts. There may be hundreds of thousands.
type ByText<'a> = HashMap<&'a str, &'a AddedToken>;

/// What decides which tokens are added.
pub(super) struct Wanted<'a> {
    pub settings: &'a Settings,
    pub class: &'a Class,
    /// Whether there is a folder that transformers could open: only there its classes add tokens of their
    /// own.
    pub in_folder: bool,
}

/// Adds what is asked for.
///
/// # Errors
/// The library refuses a token.
pub(super) fn add(
    file: &str,
    parsed: &mut Parsed,
    wanted: &Wanted<'_>,
    notices: &Notices,
) -> Result<(), CheckpointError> {
    let added = wanted.added(file, parsed, notices);
    let new = wanted.new_tokens(&added, parsed, notices);
    if !new.is_empty() {
        parsed.add(file, new)?;
    }
    for (id, token) in &added {
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

impl Wanted<'_> {
    /// The added tokens by their ids in the files beside `tokenizer.json`. Where these give texts alone
    /// (`added_tokens.json`), an id that `tokenizer.json` gives to another added token is that token's.
    fn added(&self, file: &str, parsed: &Parsed, notices: &Notices) -> BTreeMap<u32, AddedToken> {
        let mut added = self.settings.added.clone();
        if self.settings.added_in_full {
            return added;
        }
        let present = parsed.tokenizer.get_added_vocabulary().get_added_tokens_decoder();
        let mut displaced = Vec::new();
        added.retain(|id, token| match present.get(id) {
            Some(other) if other.content != token.content => {
                displaced.push(format!(
                    "{} ({id} is {})",
                    shown(&token.content),
                    shown(&other.content)
                ));
                false
            }
            _ => true,
        });
        if !displaced.is_empty() {
            let displaced: Vec<&str> = displaced.iter().map(String::as_str).collect();
            notices.add(format!(
                "added_tokens.json gives ids of other added tokens in {file}, which is followed, as in transformers: {}",
                listed(&displaced)
            ));
        }
        added
    }

    fn new_tokens(
        &self,
        added: &BTreeMap<u32, AddedToken>,
        parsed: &Parsed,
        notices: &Notices,
    ) -> Vec<AddedToken> {
        let present: ByText<'_> = parsed
            .tokenizer
            .get_added_vocabulary()
            .get_added_tokens_decoder()
            .values()
            .map(|token| (token.content.as_str(), token))
            .collect();
        let special_texts = self.settings.special_texts();
        let mut new: Vec<AddedToken> = Vec::new();
        let mut at: HashMap<String, usize> = HashMap::new();
        let mut listed: ByText<'_> = HashMap::new();
        for token in added.values() {
            let text = token.content.as_str();
            // A file of texts alone says nothing about a token that is there with its properties.
            if !self.settings.added_in_full && present.contains_key(text) {
                continue;
            }
            listed.insert(text, token);
            let mut token = token.clone();
            token.special |= special_texts.contains(text);
            if present.get(text) != Some(&&token) && !text.is_empty() {
                at.insert(text.to_owned(), new.len());
                new.push(token);
            }
        }
        // A token's properties in a list of added tokens go before those beside its name.
        let in_a_list = |text: &str| listed.get(text).or_else(|| present.get(text)).copied();
        for named in self.named(parsed, notices) {
            if in_a_list(&named.token.content).is_none() {
                take(named, &mut new, &mut at, notices);
            }
        }
        for extra in self.settings.extra.iter().cloned() {
            match in_a_list(&extra.token.content) {
                None => take(extra, &mut new, &mut at, notices),
                Some(token) if extra.in_full && !alike(token, &extra.token) => notices.add(format!(
                    "the list of additional special tokens gives {:?} other properties (lstrip, rstrip, ...) than the list of added tokens, which is followed, as transformers 5 does (4.52 follows the other)",
                    token.content
                )),
                Some(_) => {}
            }
        }
        new
    }

    /// Special tokens that have names, in the order in which they are added: the files' own, or else those
    /// of the class.
    fn named(&self, parsed: &Parsed, notices: &Notices) -> Vec<Special> {
        let mut tokens = Vec::new();
        let (mut only_in_4_52, mut only_in_5) = (Vec::new(), Vec::new());
        for name in NAMED {
            if let Some(named) = self.settings.named.get(name) {
                tokens.extend(named.clone());
                continue;
            }
            let Some(default) = self.class.default_token(name) else { continue };
            if parsed.tokenizer.token_to_id(default.text).is_none() {
                match default.added {
                    _ if !self.in_folder => continue,
                    AddedIn::Both => {}
                    AddedIn::Only5 => only_in_5.push(default.text),
                    AddedIn::Only4_52 => {
                        only_in_4_52.push(default.text);
                        continue;
                    }
                }
            }
            let token = AddedToken::from(default.text, true);
            tokens.push(Special { token, in_full: false, only_in_5: None });
        }
        let class = self.class.name().unwrap_or_default();
        if !only_in_5.is_empty() {
            notices.add(format!(
                "the vocabulary lacks {}, which {class} of transformers 5 adds as special tokens, and so does vene (4.52 reads them as plain text)",
                some_of(&only_in_5)
            ));
        }
        if !only_in_4_52.is_empty() {
            notices.add(format!(
                "the vocabulary lacks {}, which {class} of transformers 4.52 adds as special tokens; vene reads them as plain text, as transformers 5 does",
                some_of(&only_in_4_52)
            ));
        }
        tokens
    }
}

/// Takes a special token that no list of added tokens has, unless another one with its text goes before.
fn take(
    special: Special,
    new: &mut Vec<AddedToken>,
    at: &mut HashMap<String, usize>,
    notices: &Notices,
) {
    let text = special.token.content.as_str();
    let earlier = at.get(text).and_then(|&at| new.get(at));
    if let Some(key) = special.only_in_5.as_ref().filter(|_| earlier.is_none()) {
        notices.add(format!(
            "tokenizer_config.json: {key} adds the token {text:?}, as in transformers 5 (4.52 reads it as plain text)"
        ));
    }
    if earlier.is_none_or(|earlier| special.in_full && *earlier != special.token) {
        at.insert(text.to_owned(), new.len());
        new.push(special.token);
    }
}

/// The first of some tokens, and how many there are more.
fn listed(tokens: &[&str]) -> String {
    const SHOWN: usize = 8;
    let shown = tokens.get(..SHOWN).unwrap_or(tokens).join(", ");
    match tokens.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A token's text, cut at a sane length.
fn shown(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{:?}…", text.get(..at).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Whether two tokens of one text are found alike.
fn alike(one: &AddedToken, other: &AddedToken) -> bool {
    let key =
        |token: &AddedToken| (token.single_word, token.lstrip, token.rstrip, token.normalized);
    key(one) == key(other)
}
