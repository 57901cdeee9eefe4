//! `--span NAME=PHRASE`: what a plan's roles stand for in a prompt that is typed.

use std::collections::BTreeMap;

use anyhow::Context;
use clap::Args;
use vene::data::Row;
use vene::{Outline, Plan, PlanRows, PromptForm};

use crate::arguments::heading;
use crate::experiment::{Experiment, put};

/// What a plan's roles stand for.
#[derive(Args)]
pub struct SpanArguments {
    /// The phrase of the prompt that a plan's positions such as `{ role = "subject_last" }` are about: subject=Spain
    /// (again for more)
    #[arg(help_heading = heading::EDITS, long = "span", id = "span", value_name = "NAME=PHRASE", value_parser = span)]
    pub span: Vec<(String, String)>,

    /// The phrase of the source that replaces it [default: the same as --span]
    #[arg(help_heading = heading::EDITS, hide_short_help = true, long = "source-span", id = "source_span", value_name = "NAME=PHRASE", value_parser = span)]
    pub source_span: Vec<(String, String)>,
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
    /// Puts what is said here in the place of what the experiment's file says.
    pub fn put(&self, experiment: &mut Experiment) {
        let phrases = |spans: Vec<(String, String)>| spans.into_iter().collect::<BTreeMap<_, _>>();
        put!(experiment, self => span => data.spans, phrases);
        put!(experiment, self => source_span => data.source_spans, phrases);
    }
}

/// Phrases by the names of what they stand for; read where a plan has roles.
type Phrases<'a> = &'a dyn Fn() -> BTreeMap<String, String>;

/// A plan with the positions in a prompt in place of its roles.
///
/// # Errors
/// A role whose phrase is not given, or is not in the prompt.
pub fn in_prompt(
    plan: Plan,
    outline: &Outline,
    (base, source): (&str, Option<&str>),
    form: &PromptForm,
    spans: Phrases<'_>,
    source_spans: Phrases<'_>,
) -> anyhow::Result<Plan> {
    let roles = plan.roles();
    if roles.iter().all(|role| role.span().is_none()) {
        return Ok(plan);
    }
    let mut row = source.map_or_else(|| Row::of_base(base), |source| Row::new(base, source));
    let in_base = spans();
    let in_source = source.map(|_| source_spans()).unwrap_or_default();
    for role in roles.iter().filter_map(|role| role.span()) {
        let of_base = in_base.get(role).with_context(|| {
            format!(
                "the plan's positions are about `{role}`: say which phrase of the prompt that is, e.g. --span \
                 {role}=Spain"
            )
        })?;
        let of_source = in_source.get(role).unwrap_or(of_base);
        row = row.span(role, of_base.as_str(), of_source.as_str());
    }
    Ok(plan.in_row(outline, &row, form)?)
}
