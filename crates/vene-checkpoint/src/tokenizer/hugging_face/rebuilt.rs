//! Classes that transformers 5 builds anew of a vocabulary and its merges: it replaces the normalizer and the
//! pre-tokenizer in `tokenizer.json` by those of the class. The file is followed here, as in 4.52; where its
//! parts are not those of the class, that is said.

use serde::Serialize;
use serde_json::Value;
use tokenizers::models::ModelWrapper;

use super::class::Class;
use crate::Notices;
use crate::tokenizer::library::Parsed;
use crate::tokenizer::piece::Spelling;
use crate::tokenizer::words;

/// The steps of a class in transformers 5.
struct Own {
    normalizer: &'static [Step<'static>],
    pre_tokenizer: &'static [Step<'static>],
}

/// A step as far as it decides which tokens a text has. A space in front is left out: it is set as
/// transformers does before this is asked.
#[derive(Debug, PartialEq)]
enum Step<'a> {
    Composed,
    EachDigit,
    Words(&'a str),
    Bytes,
    SentencePieceSpaces,
    /// Spaces are spelled as SentencePiece does before a text is split.
    SpelledSpaces,
    /// Splits at spaces, of which there are none where they are spelled.
    AtSpaces,
    Other,
}

fn own(class: &Class) -> Option<Own> {
    use Step::{Bytes, Composed, EachDigit, SentencePieceSpaces, SpelledSpaces, Words};
    const GPT2: &[Step<'_>] = &[Words(words::GPT2), Bytes];
    let (normalizer, pre_tokenizer): (&[_], &[_]) = match class.name()? {
        "GPT2Tokenizer" | "CodeGenTokenizer" => (&[], GPT2),
        "GPTNeoXTokenizer" => (&[Composed], GPT2),
        "Qwen2Tokenizer" => (&[Composed], &[Words(words::QWEN2_FOLDED), Bytes]),
        "CohereTokenizer" => (&[Composed], &[EachDigit, Words(words::GPT2), Bytes]),
        "CodeLlamaTokenizer" => (&[], &[SentencePieceSpaces]),
        "GemmaTokenizer" => (&[SpelledSpaces], &[]),
        _ => return None,
    };
    Some(Own { normalizer, pre_tokenizer })
}

/// Says where transformers 5 splits by other steps than the file.
pub(super) fn tell(file: &str, parsed: &Parsed, class: &Class, notices: &Notices) {
    let Some(own) = own(class) else { return };
    // Spaces of SentencePiece are asked for, and told, where they are set.
    let told = own.pre_tokenizer == [Step::SentencePieceSpaces]
        && parsed.spelling == Spelling::SentencePiece;
    if told || !matches!(parsed.tokenizer.get_model(), ModelWrapper::BPE(_)) {
        return;
    }
    let normalizer = is(parsed.tokenizer.get_normalizer(), own.normalizer);
    let splits_at_spaces = own.normalizer != [Step::SpelledSpaces]
        && steps(parsed.tokenizer.get_pre_tokenizer(), |found| found.contains(&Step::AtSpaces));
    let pre_tokenizer =
        !splits_at_spaces && is(parsed.tokenizer.get_pre_tokenizer(), own.pre_tokenizer);
    let parts = match (normalizer, pre_tokenizer) {
        (true, true) => return,
        (false, true) => "normalizer",
        (true, false) => "pre-tokenizer",
        (false, false) => "normalizer and pre-tokenizer",
    };
    notices.add(format!(
        "{file} prepares and splits a text in its own way, which is followed, as transformers 4.52 does; {} of transformers 5 replaces its {parts}, so that some texts have other tokens there",
        class.name().unwrap_or_default()
    ));
}

/// Whether a part of the library's tokenizer has these steps; splitting at spaces is not asked for.
fn is(part: Option<&impl Serialize>, own: &[Step<'_>]) -> bool {
    steps(part, |found| found.iter().filter(|step| **step != Step::AtSpaces).eq(own))
}

/// Asks for the steps of a part of the library's tokenizer.
fn steps(part: Option<&impl Serialize>, ask: impl Fn(&[Step<'_>]) -> bool) -> bool {
    let part = part.map_or(Ok(Value::Null), serde_json::to_value);
    part.is_ok_and(|part| {
        let mut found = Vec::new();
        collect(&part, &mut found);
        ask(&found)
    })
}

fn collect<'a>(part: &'a Value, steps: &mut Vec<Step<'a>>) {
    let is = |key: &str| part.get(key) == Some(&Value::Bool(true));
    let text = |key: &str| part.get(key).and_then(Value::as_str);
    match text("type") {
        None if part.is_null() => {}
        Some("Sequence") => {
            let inside = part.get("normalizers").or_else(|| part.get("pretokenizers"));
            let inside = inside.and_then(Value::as_array).into_iter().flatten();
            inside.for_each(|part| collect(part, steps));
        }
        Some("NFC") => steps.push(Step::Composed),
        Some("Digits") if is("individual_digits") => steps.push(Step::EachDigit),
        Some("ByteLevel") => {
            if is("use_regex") {
                steps.push(Step::Words(words::GPT2));
            }
            steps.push(Step::Bytes);
        }
        Some("Replace") if string(part) == Some(" ") && text("content") == Some("\u{2581}") => {
            steps.push(Step::SpelledSpaces);
        }
        Some("Split") if string(part) == Some(" ") => steps.push(Step::AtSpaces),
        Some("Split") => {
            let expression = part.get("pattern").and_then(|pattern| pattern.get("Regex")?.as_str());
            // What matches is a word, and so is the rest; or what matches alone, which is all of a text.
            let into_words = match text("behavior") {
                Some("Isolated") => true,
                Some("Removed") => is("invert"),
                _ => false,
            };
            steps.push(expression.filter(|_| into_words).map_or(Step::Other, Step::Words));
        }
        _ => steps.push(Step::Other),
    }
}

/// The literal text that a step looks for.
fn string(part: &Value) -> Option<&str> {
    part.get("pattern")?.get("String")?.as_str()
}
