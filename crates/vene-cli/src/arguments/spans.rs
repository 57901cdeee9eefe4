//! `--span NAME=PHRASE`: what a plan's roles stand for in a prompt that is typed.

use anyhow::Context;
use clap::Args;
use vene::data::Row;
use vene::{BeginningOfSequence, Outline, Plan};

use super::given::{Given, read};

/// What a plan's roles stand for.
#[derive(Args)]
pub struct SpanArguments {
    /// The phrase of the prompt that a plan's positions such as `{ role = "subject_last" }` are about: subject=Spain
    /// (again for more)
    #[arg(long = "span", id = "span", value_name = "NAME=PHRASE", value_parser = span)]
    span: Vec<(String, String)>,

    /// The phrase of the source that replaces it [default: the same as --span]
    #[arg(long = "source-span", id = "source_span", value_name = "NAME=PHRASE", value_parser = span)]
    source_span: Vec<(String, String)>,
}

fn span(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, phrase)) if !name.trim().is_empty() && !phrase.is_empty() => {
            Ok((name.trim().to_owned(), phrase.to_owned()))
        }
        _ => Err("expected a name and a phrase, such as subject=Spain".to_owned()),
    }
}

impl SpanArguments {
    /// The plan with the positions in a prompt in place of its roles.
    ///
    /// # Errors
    /// A role whose phrase is not given, or is not in the prompt.
    pub fn place(
        &self,
        given: &Given,
        plan: Plan,
        outline: &Outline,
        texts: (&str, Option<&str>),
        bos: BeginningOfSequence,
    ) -> anyhow::Result<Plan> {
        let roles = plan.roles();
        if roles.iter().all(|role| role.span().is_none()) {
            return Ok(plan);
        }
        let (base, source) = texts;
        let mut row = source.map_or_else(|| Row::of_base(base), |source| Row::new(base, source));
        let spans = read!(given, self => span);
        let in_source = source.map(|_| read!(given, self => source_span));
        for role in roles.iter().filter_map(|role| role.span()) {
            let phrase = |spans: &[(String, String)]| {
                let found = spans.iter().find(|(name, _)| name == role);
                found.map(|(_, phrase)| phrase.clone())
            };
            let of_base = phrase(spans).with_context(|| {
                format!(
                    "the plan's positions are about `{role}`: say which phrase of the prompt that is, e.g. --span \
                     {role}=Spain"
                )
            })?;
            let of_source = in_source.and_then(|spans| phrase(spans));
            let of_source = of_source.unwrap_or_else(|| of_base.clone());
            row = row.span(role, of_base.as_str(), of_source.as_str());
        }
        Ok(plan.in_row(outline, &row, bos)?)
    }
}
