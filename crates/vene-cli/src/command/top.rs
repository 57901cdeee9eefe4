//! `vene top`: what a model says next.

use std::num::NonZeroUsize;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use vene::{Distribution, Executor, Forked, Outline, Prompt};

use crate::arguments::{Given, prompt_text, read};
use crate::model::{self, ModelArgument, RunArguments};
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
    #[command(flatten)]
    model: ModelArgument,

    /// How many tokens to show for each prompt
    #[arg(short = 'n', long = "count", value_name = "COUNT", default_value = "10")]
    count: NonZeroUsize,

    #[command(flatten)]
    run: RunArguments,

    /// Print JSON: for each prompt its token ids, and the tokens with id, probability and logit
    #[arg(long)]
    json: bool,

    /// The texts to be continued
    #[arg(required = true, value_name = "PROMPT", value_parser = prompt_text)]
    prompts: Vec<String>,
}

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let texts = read!(given, self => prompts);
        let count = read!(given, self => count).get();
        let json = *read!(given, self => json);
        let bos = *read!(given, self.run => bos);
        let precision = *read!(given, self.run => precision);
        let model = self.model.read(given);
        given.check("a list of next tokens", &[])?;
        let outline = model.open()?;
        let prompts = texts
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let prompt = outline.prompt_with(text, bos);
                prompt.with_context(|| format!("prompt {index}"))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        prompts.iter().for_each(|prompt| model::warn_about_bos(&outline, prompt));
        let model = model::load(outline, precision)?;
        let told = Forked::new(&model).predict(&prompts.iter().collect::<Vec<_>>())?;
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

/// A prompt and its likeliest next tokens, line by line in the format of pyvene's `top_vals`.
pub fn listing(
    outline: &Outline,
    prompt: &Prompt,
    distribution: &Distribution,
    count: usize,
) -> String {
    let mut text = format!("{}\n", prompt.text().unwrap_or_default());
    for token in distribution.top(count) {
        let shown = outline.tokenizer().display(token);
        let probability = distribution.probability(token).unwrap_or_default();
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
