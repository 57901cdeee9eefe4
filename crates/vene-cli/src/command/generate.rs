//! `vene generate`: text behind a prompt, as the model writes it.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use vene::generation::{Continuation, End, NewToken, TextStream};
use vene::plan::ResolvedPlan;
use vene::{Example, Generation, Generator, Model, Outline, Plan, Sampling};

use crate::model::{self, ModelArgument, RunArguments};
use crate::terminal;

/// Text behind a prompt, as the model writes it
#[derive(Args)]
#[command(after_help = "\
Examples:
  vene generate \"The capital of Spain is\"
  vene generate --model HuggingFaceTB/SmolLM2-135M --max-new-tokens 40 \"Once upon a time\"
  vene generate --model HuggingFaceTB/SmolLM2-135M --temperature 0.8 --top-p 0.95 --seed 7 \\
    --num-samples 3 \"Once upon a time\"

The likeliest token is taken each time unless one of --temperature, --top-k, --top-p, --seed and
--num-samples is given; then tokens are drawn: divided by the temperature, cut to the top k, cut to the top
p, as transformers does it. The same seed gives the same text, however many samples and threads there are.
A text ends where the model's own files say that texts end, or where its context is full.")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,

    /// How many tokens to write at most
    #[arg(long, value_name = "N", default_value = "64")]
    max_new_tokens: NonZeroUsize,

    /// Sharpens (below 1) or flattens what tokens are drawn from [default: 1]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f64>,

    /// Draw among the K likeliest tokens only
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,

    /// Draw among the fewest likeliest tokens whose probabilities reach P together
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f64>,

    /// Which draws: another seed gives other texts [default: 0]
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,

    /// How many texts to write [default: 1]
    #[arg(long, value_name = "N")]
    num_samples: Option<NonZeroUsize>,

    #[command(flatten)]
    run: RunArguments,

    /// Print JSON: the prompt's token ids, and each text with its tokens, their log-probabilities, and why
    /// it ended
    #[arg(long)]
    json: bool,

    /// The text to be continued
    #[arg(value_name = "PROMPT")]
    prompt: String,
}

impl Arguments {
    pub fn run(&self) -> anyhow::Result<()> {
        let generator = self.generator();
        let outline = model::open(&self.model.model)?;
        let prompt =
            outline.prompt_with(&self.prompt, self.run.bos.into()).context("the prompt")?;
        model::warn_about_bos(&outline, &prompt);
        let plan = Plan::new().resolve(&outline, &[Example::new(prompt)])?;
        generator.check(&outline, &plan)?;
        let model = model::load(outline, self.run.precision)?;
        if self.json {
            let generation = generator.run(&model, &plan, &mut |_| ControlFlow::Continue(()))?;
            return terminal::print_json(&self.record(&model, &plan, &generation)?);
        }
        self.stream(&generator, &model, &plan)
    }

    fn generator(&self) -> Generator {
        let Self { temperature, top_k, top_p, seed, num_samples, .. } = *self;
        let draws = temperature.is_some()
            || top_k.is_some()
            || top_p.is_some()
            || seed.is_some()
            || num_samples.is_some();
        Generator {
            max_new_tokens: self.max_new_tokens.get(),
            sampling: draws.then(|| Sampling {
                temperature: temperature.unwrap_or(1.0),
                top_k,
                top_p,
            }),
            seed: seed.unwrap_or(0),
            samples: num_samples.map_or(1, NonZeroUsize::get),
            ..Generator::default()
        }
    }

    /// Prints the first text as it comes, and the others behind it.
    fn stream(
        &self,
        generator: &Generator,
        model: &Model,
        plan: &ResolvedPlan,
    ) -> anyhow::Result<()> {
        let is_alone = generator.samples == 1;
        let title = |what: &str| match is_alone {
            true => String::new(),
            false => format!("# {what}\n"),
        };
        let first = if generator.sampling.is_some() { "sample 0" } else { "continuation" };
        terminal::print(&format!("{}{}", title(first), self.prompt))?;
        let mut text = TextStream::new(model, &plan.examples()[0].base);
        let mut printed = Ok(());
        let generation = generator.run(model, plan, &mut |token| {
            if token.sample > 0 || token.is_original {
                return ControlFlow::Continue(());
            }
            printed = print_next(&mut text, token);
            match printed {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        printed?;
        for continuation in &generation.continuations[1..] {
            let title = title(&format!("sample {}", continuation.sample));
            let text = continuation.text(model, plan)?;
            terminal::print(&format!("{title}{}{text}\n", self.prompt))?;
        }
        for end in [&generation.continuations, &generation.originals].into_iter().flatten() {
            warn_about_end(model, end);
        }
        Ok(())
    }

    fn record(
        &self,
        model: &Model,
        plan: &ResolvedPlan,
        generation: &Generation,
    ) -> anyhow::Result<Value> {
        let texts = |continuations: &[Continuation]| {
            let text = |continuation: &Continuation| text_record(model, plan, continuation);
            continuations.iter().map(text).collect::<anyhow::Result<Vec<Value>>>()
        };
        Ok(json!({
            "model": model::record(model, &self.model.model),
            "prompt": self.prompt,
            "token_ids": plan.examples()[0].base.tokens(),
            "continuations": texts(&generation.continuations)?,
        }))
    }
}

/// Prints what has become certain of the text, to its end and a line break.
fn print_next(text: &mut TextStream<'_>, token: &NewToken<'_>) -> anyhow::Result<()> {
    let mut next = match token.end {
        Some(End::Stop) => String::new(),
        _ => text.push(token.token)?,
    };
    if token.end.is_some() {
        next.push_str(&text.finish()?);
        next.push('\n');
    }
    if next.is_empty() { Ok(()) } else { terminal::print(&next) }
}

/// A text as data.
fn text_record(
    model: &Model,
    plan: &ResolvedPlan,
    continuation: &Continuation,
) -> anyhow::Result<Value> {
    let tokens = continuation.tokens.iter().zip(&continuation.log_probabilities);
    let tokens = tokens.map(|(&id, log_probability)| {
        json!({
            "token": model::token_text(model, id),
            "id": id,
            "log_probability": log_probability,
        })
    });
    Ok(json!({
        "sample": continuation.sample,
        "text": continuation.text(model, plan)?,
        "end": end_name(continuation.end),
        "tokens": tokens.collect::<Vec<_>>(),
    }))
}

fn end_name(end: End) -> &'static str {
    match end {
        End::Stop => "stop",
        End::Enough => "enough",
        End::ContextFull => "context_full",
        End::BrokenOff => "broken_off",
    }
}

/// Says where a text ended for no reason of its own.
fn warn_about_end(outline: &Outline, continuation: &Continuation) {
    if continuation.end == End::ContextFull {
        terminal::warn(format!(
            "the text ends behind {} tokens, since the model's context of {} is full",
            continuation.tokens.len(),
            outline.config().context
        ));
    }
}
