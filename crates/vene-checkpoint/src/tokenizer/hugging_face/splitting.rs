//! What the settings say about how text is split: a space in front of it, lower case, special tokens that
//! are read as text. And what would split the same text differently each time is switched off.
//!
//! `tokenizer.json` has each of these too; classes of transformers differ in which file they follow.

use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::{BertNormalizer, NormalizerWrapper, Prepend, Sequence};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence as Steps;
use tokenizers::{PreTokenizerWrapper, Tokenizer};

use super::class::Class;
use super::settings::Settings;
use crate::tokenizer::library::Parsed;
use crate::tokenizer::piece::{SPACE, Spelling};
use crate::{CheckpointError, Notices};

/// Applies what the settings say about splitting: spaces in front, lower case, special tokens as text;
/// and switches off what would split the same text differently each time.
pub(super) fn apply(
    file: &str,
    parsed: &mut Parsed,
    settings: &Settings,
    class: &Class,
    notices: &Notices,
) -> Result<(), CheckpointError> {
    if class.decides_about_space() && parsed.spelling == Spelling::SentencePiece {
        sentence_piece_space(file, &mut parsed.tokenizer, settings, class, notices)?;
    }
    let tokenizer = &mut parsed.tokenizer;
    if let ModelWrapper::BPE(bpe) = tokenizer.get_model()
        && let Some(dropout) = bpe.dropout.filter(|&dropout| dropout > 0.0)
    {
        let mut bpe = bpe.clone();
        bpe.dropout = None;
        tokenizer.with_model(bpe);
        notices.add(format!(
            "{file}: dropout = {dropout} is switched off: a text has the same tokens each time"
        ));
    }
    prefix_space(file, tokenizer, settings, class, notices);
    if settings.split_special_tokens {
        tokenizer.set_encode_special_tokens(true);
    }
    let bert = match tokenizer.get_normalizer() {
        Some(NormalizerWrapper::BertNormalizer(bert)) if class.normalizes_like_bert() => {
            Some(*bert)
        }
        _ => None,
    };
    match bert {
        Some(bert) => {
            let told = BertNormalizer::new(
                bert.clean_text,
                settings.chinese_characters.unwrap_or(true),
                settings.strip_accents,
                settings.lower_case.unwrap_or(true),
            );
            tokenizer.with_normalizer(Some(told)).map_err(|error| {
                CheckpointError::malformed(file, format!("its tokenizer cannot be used: {error}"))
            })?;
        }
        None if settings.lower_case == Some(true) => notices.add(format!(
            "tokenizer_config.json: do_lower_case is not followed: {} of transformers leaves it to tokenizer.json",
            class.name().unwrap_or("the tokenizer")
        )),
        None => {}
    }
    Ok(())
}

/// A space in front of a text that SentencePiece spells: by the setting, where there is one.
fn sentence_piece_space(
    file: &str,
    tokenizer: &mut Tokenizer,
    settings: &Settings,
    class: &Class,
    notices: &Notices,
) -> Result<(), CheckpointError> {
    let mut normalizers = match tokenizer.get_normalizer() {
        Some(NormalizerWrapper::Sequence(sequence)) => sequence.as_ref().to_vec(),
        Some(other) => vec![other.clone()],
        None => Vec::new(),
    };
    let is_prepend = |step: &NormalizerWrapper| matches!(step, NormalizerWrapper::Prepend(_));
    let metaspace = match tokenizer.get_pre_tokenizer() {
        Some(PreTokenizerWrapper::Metaspace(metaspace)) => Some(metaspace.clone()),
        _ => None,
    };
    let in_5 =
        if settings.legacy == Some(true) { PrependScheme::Always } else { PrependScheme::First };
    let inside = normalizers.iter().any(is_prepend)
        || metaspace
            .as_ref()
            .is_some_and(|metaspace| metaspace.prepend_scheme != PrependScheme::Never);
    let name = class.name().unwrap_or_default();
    if inside && settings.prefix_space != Some(false) {
        let same = metaspace.as_ref().is_some_and(|metaspace| metaspace.prepend_scheme == in_5);
        if !same || normalizers.iter().any(is_prepend) {
            notices.add(format!(
                "{file} puts a space in front of a text in its own way, which is followed, as transformers 4.52 does; {name} of transformers 5 has another, so that a text that begins with a space, or follows a special token, can have other tokens there"
            ));
        }
    }
    let Some(wanted) = settings.prefix_space else {
        if !inside {
            notices.add(format!(
                "{file} puts no space in front of a text, and is followed, as transformers 4.52 does; {name} of transformers 5 puts one there"
            ));
        }
        return Ok(());
    };
    if wanted == inside {
        return Ok(());
    }
    let in_words = metaspace.is_some() || settings.legacy == Some(false);
    let who = if wanted && !(in_words && in_5 == PrependScheme::First) {
        format!(
            "as transformers 4.52 does; {name} of transformers 5 puts one there in another way, so that a text that begins with a space, or follows a special token, can have other tokens there"
        )
    } else {
        "as transformers 4.52 and 5 do".to_owned()
    };
    notices.add(format!(
        "{file} puts {} space in front of a text, and tokenizer_config.json says add_prefix_space = {wanted}, which is followed, {who}",
        if inside { "a" } else { "no" }
    ));
    normalizers.retain(|step| !is_prepend(step));
    if wanted && !in_words {
        normalizers.insert(0, NormalizerWrapper::Prepend(Prepend::new(SPACE.to_string())));
    }
    if in_words {
        let scheme = if wanted { PrependScheme::First } else { PrependScheme::Never };
        let mut metaspace = metaspace.unwrap_or_else(|| Metaspace::new(SPACE, scheme, false));
        metaspace.set_prepend_scheme(scheme);
        if settings.legacy == Some(false) {
            // Spaces are spelled by this step alone.
            normalizers.retain(|step| !matches!(step, NormalizerWrapper::Replace(_)));
        }
        tokenizer.with_pre_tokenizer(Some(metaspace));
    }
    let steps = (!normalizers.is_empty()).then(|| Sequence::new(normalizers));
    tokenizer.with_normalizer(steps).map_err(|error| {
        CheckpointError::malformed(file, format!("its tokenizer cannot be used: {error}"))
    })?;
    Ok(())
}

/// A space in front of a text, where a step of the pre-tokenizer can put it there.
fn prefix_space(
    file: &str,
    tokenizer: &mut Tokenizer,
    settings: &Settings,
    class: &Class,
    notices: &Notices,
) {
    let set = |step: &PreTokenizerWrapper, wanted: bool| match step {
        PreTokenizerWrapper::ByteLevel(inside) if inside.add_prefix_space != wanted => {
            Some(ByteLevel::new(wanted, inside.trim_offsets, inside.use_regex).into())
        }
        _ => None,
    };
    let wanted = settings.prefix_space.or(class.starts_without_space().then_some(false));
    let Some(wanted) = wanted else { return };
    let told = format!("{file}: add_prefix_space is {} there and {wanted}", !wanted);
    match tokenizer.get_pre_tokenizer() {
        Some(PreTokenizerWrapper::Sequence(steps)) if class.starts_without_space() => {
            let mut steps = steps.as_ref().to_vec();
            let mut changed = false;
            for step in &mut steps {
                if let Some(new) = set(step, wanted) {
                    *step = new;
                    changed = true;
                }
            }
            if changed {
                tokenizer.with_pre_tokenizer(Some(Steps::new(steps)));
                let said_by = if settings.prefix_space.is_some() {
                    "in tokenizer_config.json".to_owned()
                } else {
                    format!("by default for {}", class.name().unwrap_or_default())
                };
                notices.add(format!(
                    "{told} {said_by}, which is followed, as transformers 5 does (4.52 does not, where the pre-tokenizer is a sequence)"
                ));
            }
        }
        Some(step) => {
            let Some(new) = set(step, wanted) else { return };
            tokenizer.with_pre_tokenizer(Some(new));
            if !class.starts_without_space() {
                notices.add(format!(
                    "{told} in tokenizer_config.json, which is followed, as transformers 4.52 does (transformers 5 does not)"
                ));
            }
        }
        None => {}
    }
}
