//! Jinja, as transformers sets it up for chat templates.
//!
//! A template is a program that a stranger wrote: it gets a limited number of steps, which are charged for every byte
//! that it writes too, and no names but these.

use chrono::NaiveDateTime;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};
use vene_files::guarded;

use super::{json, strftime};

/// Steps that a template may take; one pays for 64 bytes too. A conversation of a hundred turns takes some ten thousand.
const STEPS: u64 = 1_000_000;

/// Templates past this are none.
pub(super) const LONGEST: usize = 1 << 20;

/// How deep calls and loops may lie in each other.
const DEEPEST: usize = 100;

/// What a template makes of its context at a time.
///
/// # Errors
/// What is wrong with the template, in words that follow its name; what it refuses itself.
pub(super) fn render(source: &str, context: &Value, now: NaiveDateTime) -> Result<String, String> {
    if source.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes, which no template is"));
    }
    let source = without_marks_of_generation(source);
    let rendered = guarded(|| {
        let environment = environment(now);
        environment.render_named_str("chat_template", &source, context.clone())
    });
    match rendered {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(error)) => Err(in_words(&error)),
        Err(panic) => Err(format!("it breaks the reader of templates ({})", panic.message)),
    }
}

fn environment(now: NaiveDateTime) -> Environment<'static> {
    let mut environment = Environment::new();
    // Delimiters are Jinja's own, which cannot be contradictory.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    // Nothing is made safe for a page of HTML.
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_fuel(Some(STEPS));
    environment.set_recursion_limit(DEEPEST);
    environment.add_filter("tojson", to_json);
    environment.add_function("raise_exception", |message: Value| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, format!("{RAISED}{message}")))
    });
    environment.add_function("strftime_now", move |form: &str| {
        strftime::format(now, form)
            .map_err(|problem| Error::new(ErrorKind::InvalidOperation, problem))
    });
    environment
}

/// What tells an exception of the template's own from others.
const RAISED: &str = "the template refuses this conversation: ";

fn in_words(error: &Error) -> String {
    let line = error.line().map_or_else(String::new, |line| format!(" (line {line})"));
    match (error.kind(), error.detail()) {
        (_, Some(detail)) if detail.starts_with(RAISED) => detail.to_owned(),
        (ErrorKind::OutOfFuel, _) => {
            format!("it takes more than {STEPS} steps, which no conversation needs{line}")
        }
        (kind, Some(detail)) => format!("{kind}: {detail}{line}"),
        (kind, None) => format!("{kind}{line}"),
    }
}

/// `json.dumps`, which transformers gives templates in place of Jinja's own filter.
fn to_json(value: &Value, indent: Option<Value>, named: Kwargs) -> Result<String, Error> {
    let wrong = |problem: String| Error::new(ErrorKind::InvalidOperation, problem);
    let ascii = named.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    let sorted = named.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    let indent = match indent {
        Some(indent) => Some(indent),
        None => named.get::<Option<Value>>("indent")?,
    };
    let indent = match indent.as_ref().filter(|indent| !indent.is_none()) {
        None => None,
        Some(text) if text.kind() == ValueKind::String => Some(text.to_string()),
        Some(count) => Some(" ".repeat(usize::try_from(count.clone())?.min(64))),
    };
    let mut separators = [if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()];
    if let Some(given) = named.get::<Option<Value>>("separators")?.filter(|given| !given.is_none())
    {
        let given: Vec<String> = given.try_iter()?.map(|text| text.to_string()).collect();
        separators =
            given.try_into().map_err(|_| wrong("tojson: separators are two texts".into()))?;
    }
    named.assert_all_used()?;
    let [between_items, after_key] = separators;
    let style = json::Style { ascii, indent, between_items, after_key, sorted };
    Ok(json::dumps(&json::of(value).map_err(wrong)?, &style))
}

/// A template without `{% generation %}` and `{% endgeneration %}`, which tell trainers what the assistant says and write
/// nothing: blocks that always hold stand in their place, so that the spaces around them are cut as before.
fn without_marks_of_generation(source: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(source.len()), source);
    while let Some(start) = rest.find("{%") {
        let (before, inner) = (&rest[..start], &rest[start + 2..]);
        // From behind the sign on: in `{%}` the two share one.
        let Some(length) = inner.find("%}") else { break };
        let block = &inner[..length];
        let word = block.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        text.push_str(before);
        text.push_str("{%");
        match word {
            "generation" => text.push_str(&block.replace(word, " if true ")),
            "endgeneration" => text.push_str(&block.replace(word, " endif ")),
            _ => text.push_str(block),
        }
        text.push_str("%}");
        rest = &inner[length + 2..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_generation_become_blocks_that_always_hold() {
        for (source, expected) in [
            ("a{%- generation -%}b{% endgeneration %}c", "a{%- if true -%}b{% endif %}c"),
            ("{% if generation %}x{% endif %}", "{% if generation %}x{% endif %}"),
            ("{%}x", "{%}x"),
            ("{%}{{ 'a' }+{% endif %}", "{%}{{ 'a' }+{% endif %}"),
            ("{%", "{%"),
            ("{%generation", "{%generation"),
        ] {
            let found = without_marks_of_generation(source);
            let close = |text: &str| text.split_whitespace().collect::<String>();
            assert_eq!(close(&found), close(expected), "{source}");
        }
    }
}
