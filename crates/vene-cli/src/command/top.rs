//! `vene top`: what a model says next.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use vene::{Distribution, Example, Executor, Forked, Outline, Outputs, Positions, Prompt};

use crate::arguments::{Given, ReadBy, SpanArguments, heading, in_prompt, prompt_text, read};
use crate::model::{self, ModelArgument, RunArguments};
use crate::plan_given::{self, PlanChanges, PlanGiven};
use crate::prompts;
use crate::terminal;

/// The likeliest next tokens of prompts
#[derive(Args)]
#[command(after_help = "\
Examples:
  vene top \"The capital of Spain is\" \"The capital of Italy is\"
  vene top --model gemma-3-270m.gguf -n 3 --json \\
    \"When Mary and John went to the store, John gave a drink to\"

Tokens are shown as pyvene shows them, their leading space as _; equally likely ones by their id. JSON has their
exact texts. A prompt `@FILE` is the text of a file, `-` that of standard input (without the line break at its
end), and `@@` stands for a text's own @.")]
pub struct Arguments {
    /// The texts to be continued
    #[arg(required = true, value_name = "PROMPT", value_parser = prompt_text)]
    prompts: Vec<String>,

    /// How many tokens to show for each prompt
    #[arg(help_heading = heading::SEEN, short = 'n', long = "count", value_name = "COUNT", default_value = "10")]
    count: NonZeroUsize,

    /// Edits under which the model answers: a plan's file, or the folder of a saved plan (or of the training that made it)
    #[arg(help_heading = heading::EDITS, long, value_name = "PLAN")]
    plan: Option<PathBuf>,

    #[command(flatten)]
    changes: PlanChanges,

    /// Take a plan that was made for another model of the same shape and tokenizer
    #[arg(help_heading = heading::EDITS, hide_short_help = true, long)]
    another_model: bool,

    /// A text whose run the plan's edits read; again for each that they count
    #[arg(help_heading = heading::EDITS, long = "source", value_name = "PROMPT", value_parser = prompt_text)]
    sources: Vec<String>,

    #[command(flatten)]
    spans: SpanArguments,

    #[command(flatten)]
    model: ModelArgument,

    #[command(flatten)]
    run: RunArguments,

    /// Print JSON: for each prompt its token ids, and the tokens with id, probability and logit
    #[arg(help_heading = heading::OUTPUT, long)]
    json: bool,
}

const READ_BY: &ReadBy = &[
    (
        "another_model",
        "with a --plan that was made for another model of the same shape and tokenizer",
    ),
    ("set", "with --plan"),
    ("sources", "with --plan, as far as the plan's edits read sources"),
    ("span", "with a --plan whose positions are roles"),
    ("source_span", "with a --plan whose positions are roles, and a source"),
];

impl Arguments {
    pub fn run(&self, mut given: Given) -> anyhow::Result<()> {
        let texts = read!(given, self => prompts);
        let count = read!(given, self => count).get();
        let json = *read!(given, self => json);
        let form = self.run.prompts.read(&given);
        let precision = *read!(given, self.run => precision);
        let plan = match read!(given, self => plan) {
            Some(plan) => Some(PlanGiven::read(plan)?.set(self.changes.read(&given))?),
            None => None,
        };
        if let Some(plan) = &plan {
            plan.account(&mut given);
            given.said_here(self.changes.read(&given));
            for section in ["model", "edit"] {
                given.read_section(section);
            }
            // Known to be for other commands.
            for section in
                ["train", "generate", "measure", "statistics", "limits", "data", "read", "circuit"]
            {
                given.skip_section(section);
            }
        }
        let (model, ignored) = self.model.read(&given);
        let stated = plan.as_ref().and_then(|plan| plan.file().sections.model.as_ref());
        let ignored = match stated {
            Some(stated) if ignored.is_empty() => &stated.ignored_keys[..],
            _ => ignored,
        };
        let model = match &plan {
            Some(plan) => model::named(model.or_else(|| plan.model()))?,
            None => model::named_or_embedded(model),
        };
        let outline = model::open(&model, ignored)?;
        let another = stated.and_then(|stated| stated.another).unwrap_or(false);
        let is_meant = || *read!(given, self => another_model) || another;
        let plan = plan.map(|plan| plan.plan(&outline, is_meant)).transpose()?;
        let plan = plan.map(|plan| plan.without_collects().read(Positions::Last));
        let prompt = |text: &str, what: String| -> anyhow::Result<Prompt> {
            let prompt = outline.prompt_with(text, &form).context(what)?;
            prompts::warn_about_bos(&outline, &prompt);
            Ok(prompt)
        };
        let prompts = texts.iter().enumerate();
        let prompts = prompts.map(|(index, text)| prompt(text, format!("prompt {index}")));
        let prompts = prompts.collect::<anyhow::Result<Vec<Prompt>>>()?;
        let mut plans = Vec::new();
        if let Some(plan) = &plan {
            let sources = self.sources.iter().enumerate();
            let sources = sources.map(|(index, text)| prompt(text, format!("source {index}")));
            let sources = sources.collect::<anyhow::Result<Vec<Prompt>>>()?;
            for (text, base) in texts.iter().zip(&prompts) {
                let source = self.sources.first().map(String::as_str);
                let plan = plan.clone().outputs(Outputs::Distributions);
                let spans = &self.spans;
                let plan = in_prompt(
                    plan,
                    &outline,
                    (text, source),
                    &form,
                    &|| read!(given, spans => span).iter().cloned().collect(),
                    &|| read!(given, spans => source_span).iter().cloned().collect(),
                )?;
                let example = sources.iter().cloned();
                let example = example.fold(Example::new(base.clone()), Example::source);
                let plan = plan.resolve(&outline, &[example]).map_err(plan_given::with_option)?;
                given.read_first("sources", plan_given::sources_read(&plan));
                plans.push(plan);
            }
        }
        given.check("a list of next tokens", READ_BY)?;
        let model = model::load(outline, precision)?;
        let told = if plan.is_none() {
            Forked::new(&model).predict(&prompts.iter().collect::<Vec<_>>())?
        } else {
            let mut told = vec![None; plans.len()];
            Forked::new(&model).run_all(&plans, &mut |index, outcome| {
                let distributions =
                    outcome.examples.into_iter().flat_map(|showed| showed.distributions);
                told[index] = distributions.last();
                ControlFlow::Continue(())
            })?;
            told.into_iter().flatten().collect()
        };
        let mut data = Vec::new();
        let mut text = String::new();
        for ((prompt, given), distribution) in prompts.iter().zip(texts).zip(&told) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&listing(&model, prompt, distribution, count));
            data.push(json!({
                "prompt": given,
                "token_ids": prompt.tokens(),
                "tokens": likeliest(&model, distribution, count),
            }));
        }
        if json { terminal::print_json(&data) } else { terminal::print(&text) }
    }
}

/// A prompt and its likeliest next tokens, line by line as pyvene's `top_vals` has them, the numbers to five digits.
pub fn listing(
    outline: &Outline,
    prompt: &Prompt,
    distribution: &Distribution,
    count: usize,
) -> String {
    let mut text = format!("{}\n", prompts::shown(outline, prompt));
    for token in distribution.top(count) {
        let shown = outline.tokenizer().display(token);
        let probability = terminal::number(distribution.probability(token).unwrap_or_default());
        text.push_str(&format!("{shown:<20} {probability}\n"));
    }
    text
}

/// The likeliest next tokens as data.
pub fn likeliest(outline: &Outline, distribution: &Distribution, count: usize) -> Vec<Value> {
    let top = distribution.top(count).into_iter();
    top.map(|id| {
        json!({
            "token": model::token_text(outline, id),
            "id": id,
            "probability": distribution.probability(id),
            "logit": distribution.logit(id),
        })
    })
    .collect()
}
