//! `vene generate`: text behind a prompt, as the model writes it.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use vene::Positions;
use vene::plan_file::ExperimentKind;

use crate::arguments::{Given, SpanArguments, heading, memory_size, prompt_text, read};
use crate::experiment::{self, Delivery, Experiment, put};
use crate::model::{AnotherModel, ExperimentModel};
use crate::plan_given::PlanChanges;
use crate::selection::Places;

/// Text behind a prompt, as the model writes it, with or without edits
#[derive(Args)]
#[command(after_help = "\
Examples:
  vene generate \"The capital of Spain is\"
  vene generate --model HuggingFaceTB/SmolLM2-135M --max-new-tokens 40 \"Once upon a time\"
  vene generate --model HuggingFaceTB/SmolLM2-135M --temperature 0.8 --top-p 0.95 --seed 7 \\
    --num-samples 3 \"Once upon a time\"
  vene generate --model smollm2-135m-instruct.gguf --chat --system \"Be brief.\" \"What is the capital of Spain?\"
  vene generate --plan plan.toml --source \"The capital of Italy is\" --with-original \\
    \"The capital of Spain is\"
  vene generate --collect block_output --layers 2,5 --out spain \"The capital of Spain is\"

The likeliest token is taken each time unless one of --temperature, --top-k, --top-p, --min-p, --seed and --num-samples is \
given; then tokens are drawn: divided by the temperature, cut to the top k, the top p, the min p, as transformers does it. \
The same seed gives the same text, however many samples and threads there are. A text ends where the model's own files say \
that texts end (with --chat also where its turn does), at a --stop, or where its context is full.

A plan is a file of edits (`vene help plans`). Each is made on the prompt, at new tokens or at both, as its `when` says: \
`when = \"every_step\"` steers all of the text. What the file says of prompt, sources and drawing goes for whatever is \
not said here, and its model where --model is not given.

A prompt `@FILE` is the text of a file, `-` that of standard input (without the line break at its end), and `@@` stands \
for a text's own @.")]
pub struct Arguments {
    /// The text to be continued; may be left out where the plan has one
    #[arg(value_name = "PROMPT", required_unless_present = "plan", value_parser = prompt_text)]
    prompt: Option<String>,

    /// How many tokens to write at most [default: 64]
    #[arg(help_heading = heading::TEXT, long, value_name = "N")]
    max_new_tokens: Option<NonZeroUsize>,

    /// Sharpens (below 1) or flattens what tokens are drawn from [default: 1]
    #[arg(help_heading = heading::TEXT, long, value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f64>,

    /// Draw among the K likeliest tokens only
    #[arg(help_heading = heading::TEXT, long, value_name = "K")]
    top_k: Option<usize>,

    /// Draw among the fewest likeliest tokens whose probabilities reach P together
    #[arg(help_heading = heading::TEXT, long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f64>,

    /// Draw only among tokens that have this share of the likeliest one's probability
    #[arg(help_heading = heading::TEXT, hide_short_help = true, long, value_name = "P", allow_negative_numbers = true)]
    min_p: Option<f64>,

    /// Make tokens less likely that are in the text already, above 1: their logits are divided by it
    ///
    /// The prompt's tokens count too. Logits below 0 are multiplied, as in transformers.
    #[arg(help_heading = heading::TEXT, hide_short_help = true, long, value_name = "R", allow_negative_numbers = true)]
    repetition_penalty: Option<f64>,

    /// End where the text says this, which is left out of it; again for more
    ///
    /// It is looked for in what is written, not in the prompt. The text also ends where the model ends it.
    #[arg(help_heading = heading::TEXT, long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,

    /// Take what the model's generation_config.json says for all that is not said here
    ///
    /// do_sample, temperature, top_k (50 where it draws and says nothing), top_p, min_p, repetition_penalty, max_new_tokens,
    /// stop_strings. Its ends of texts are followed in any case.
    #[arg(help_heading = heading::TEXT, long)]
    as_configured: bool,

    /// Which draws: another seed gives other texts [default: 0]
    #[arg(help_heading = heading::TEXT, long, value_name = "SEED")]
    seed: Option<u64>,

    /// How many texts to write [default: 1]
    #[arg(help_heading = heading::TEXT, long, value_name = "N")]
    num_samples: Option<NonZeroUsize>,

    /// The edits: a .toml or .json file, or the folder of a saved plan (or of the training that made it)
    #[arg(help_heading = heading::EDITS, long, value_name = "PLAN")]
    plan: Option<PathBuf>,

    #[command(flatten)]
    changes: PlanChanges,

    /// A text whose run the plan's edits read, in place of the plan's; again for each that they count
    #[arg(help_heading = heading::EDITS, long = "source", value_name = "PROMPT", value_parser = prompt_text)]
    sources: Vec<String>,

    #[command(flatten)]
    spans: SpanArguments,

    #[command(flatten)]
    another: AnotherModel,

    /// Write the text without the plan's edits too
    #[arg(help_heading = heading::EDITS, long)]
    with_original: bool,

    /// What is kept of each pass that a token is drawn from, e.g. mlp_output,block_output: a tensor a site, a row a token
    #[arg(help_heading = heading::KEPT, long, value_name = "NAME,...", value_delimiter = ',')]
    collect: Vec<String>,

    /// In which layers it is kept: 0..12 (0 to 11), 0,3,5, -1 (the last), all, or a mix [default: all]
    #[arg(help_heading = heading::KEPT, long, value_name = "LIST", allow_hyphen_values = true)]
    layers: Option<String>,

    #[command(flatten)]
    model: ExperimentModel,

    /// How much memory keys, values and rows may take beside the weights, e.g. 500M or 2G
    #[arg(help_heading = heading::MODEL, hide_short_help = true, long, value_name = "SIZE", value_parser = memory_size)]
    memory: Option<usize>,

    /// A folder for tokens, what is collected, and the record by which it is run again [default: none; with --collect vene-out/ and the kind and the time]
    #[arg(help_heading = heading::OUTPUT, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace the run that is in the folder, if there is one
    #[arg(help_heading = heading::OUTPUT, long)]
    force: bool,

    /// Tell the log-probabilities of the K likeliest tokens at each step, in the JSON
    #[arg(help_heading = heading::OUTPUT, hide_short_help = true, long, value_name = "K")]
    top_logprobs: Option<NonZeroUsize>,

    /// Print JSON: the prompt's token ids, each text with its tokens, their log-probabilities, and why it
    /// ended, and what each edit did at each step
    #[arg(help_heading = heading::OUTPUT, long)]
    json: bool,

    /// Print the whole experiment as TOML (with --json as JSON), and run nothing
    #[arg(help_heading = heading::OUTPUT, hide_short_help = true, long)]
    print_spec: bool,
}

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        let mut experiment = match read!(given, self => plan).clone() {
            Some(plan) => {
                let set = self.changes.read(&given);
                Experiment::of_file(&plan, set, given)?
            }
            None => Experiment::of_line(ExperimentKind::Generate, given)?,
        };
        experiment.kind = ExperimentKind::Generate;
        self.model.put(&mut experiment);
        self.another.put(&mut experiment);
        let count = NonZeroUsize::get;
        put!(experiment, self => max_new_tokens => generate.tokens, count);
        put!(experiment, self => temperature => generate.temperature);
        put!(experiment, self => top_k => generate.top_k);
        put!(experiment, self => top_p => generate.top_p);
        put!(experiment, self => min_p => generate.min_p);
        put!(experiment, self => repetition_penalty => generate.repetition_penalty);
        put!(experiment, self => stop => generate.stop);
        put!(experiment, self => as_configured => generate.as_configured);
        put!(experiment, self => top_logprobs => generate.top_logprobs, count);
        put!(experiment, self => seed => generate.seed);
        put!(experiment, self => num_samples => generate.samples, count);
        put!(experiment, self => prompt => generate.prompt);
        put!(experiment, self => sources => data.sources);
        self.spans.put(&mut experiment);
        put!(experiment, self => memory => limits.memory);
        if self.with_original {
            experiment = experiment.set("with_original", ("read", "original"), "true")?;
        }
        if !read!(experiment.given, self => collect).is_empty() {
            // Names and numbers are the model's.
            let (_, outline) = experiment.open()?;
            let layers = read!(experiment.given, self => layers).as_deref();
            let places = Places::named(&self.collect, layers, outline.config())?;
            experiment = experiment.collecting(&places.collects(&[Positions::Last]))?;
        }
        let print_spec = *read!(experiment.given, self => print_spec);
        let delivery = Delivery {
            out: self.out.clone(),
            force: self.force,
            json: self.json,
            print_spec,
            ..Delivery::default()
        };
        experiment::run(experiment, &delivery)
    }
}
