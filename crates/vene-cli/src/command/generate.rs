//! `vene generate`: text behind a prompt, as the model writes it.

mod job;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use vene::generation::NewToken;
use vene::plan::ResolvedPlan;
use vene::plan_file::{DataSection, GenerateSection, ModelSection, Sections};
use vene::{Example, Generator, Outline, Plan, Prompt};

use crate::arguments::{Given, ReadBy, SpanArguments, memory_size, prompt_text, read};
use crate::model::{self, ModelArgument, RunArguments};
use crate::plan_given::{self, PlanGiven};
use crate::terminal;
use job::Job;

/// Text behind a prompt, as the model writes it, with or without edits
#[derive(Args)]
#[command(after_help = "\
Examples:
  vene generate \"The capital of Spain is\"
  vene generate --model HuggingFaceTB/SmolLM2-135M --max-new-tokens 40 \"Once upon a time\"
  vene generate --model HuggingFaceTB/SmolLM2-135M --temperature 0.8 --top-p 0.95 --seed 7 \\
    --num-samples 3 \"Once upon a time\"
  vene generate --plan plan.toml --source \"The capital of Italy is\" --with-original \\
    \"The capital of Spain is\"

The likeliest token is taken each time unless one of --temperature, --top-k, --top-p, --seed and
--num-samples is given; then tokens are drawn: divided by the temperature, cut to the top k, cut to the top
p, as transformers does it. The same seed gives the same text, however many samples and threads there are.
A text ends where the model's own files say that texts end, or where its context is full.

A plan is a file of edits (docs/plans.md). Each is made on the prompt, at new tokens or at both, as its
`when` says: `when = \"every_step\"` steers all of the text. What the file says of prompt, sources and drawing
goes for whatever is not said here, and its model where --model is not given.

A prompt `@FILE` is the text of a file, `-` that of standard input (without the line break at its end), and
`@@` stands for a text's own @.")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,

    /// How many tokens to write at most [default: 64]
    #[arg(long, value_name = "N")]
    max_new_tokens: Option<NonZeroUsize>,

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

    /// The edits: a .toml or .json file, or the folder of a saved plan (or of the training that made it)
    #[arg(long, value_name = "PLAN")]
    plan: Option<PathBuf>,

    /// Take a plan that was made for another model of the same shape and tokenizer, such as the one that
    /// this was fine-tuned from
    #[arg(long)]
    another_model: bool,

    /// A text whose run the plan's edits read, in place of the plan's; again for each that they count
    #[arg(long = "source", value_name = "PROMPT", value_parser = prompt_text)]
    sources: Vec<String>,

    #[command(flatten)]
    spans: SpanArguments,

    /// Write the text without the plan's edits too
    #[arg(long)]
    with_original: bool,

    /// How much memory keys, values and rows may take beside the weights, e.g. 500M or 2G
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    memory: Option<usize>,

    #[command(flatten)]
    run: RunArguments,

    /// Print JSON: the prompt's token ids, each text with its tokens, their log-probabilities, and why it
    /// ended, and what each edit did at each step
    #[arg(long)]
    json: bool,

    /// The text to be continued; may be left out where the plan has one
    #[arg(value_name = "PROMPT", required_unless_present = "plan", value_parser = prompt_text)]
    prompt: Option<String>,
}

/// What is read by what, where not all of it always is.
const READ_BY: &ReadBy = &[
    (
        "another_model",
        "with a --plan that was made for another model of the same shape and tokenizer",
    ),
    ("sources", "with --plan, as far as the plan's edits read sources"),
    ("with_original", "with --plan"),
    ("span", "with a --plan whose positions are roles"),
    ("source_span", "with a --plan whose positions are roles, and a source"),
    ("[data] sources", "as far as the plan's edits read sources"),
    ("[data] path", BY_TRAINING),
    ("[data] task", BY_TRAINING),
    ("[data] rows", BY_TRAINING),
    ("[data] seed", BY_TRAINING),
    ("[data] counterfactual", BY_TRAINING),
    (
        "[read] positions",
        "by `vene train` and by programs, since a text goes on after its last token",
    ),
    ("[read] logits_of", "by programs (the library)"),
    ("[read] probabilities_of", "by programs (the library)"),
];

const BY_TRAINING: &str =
    "by `vene train`, since one prompt is continued: `base` in [data], or `prompt` in [generate]";

/// What a plan's file says besides its edits.
#[derive(Default)]
struct Said {
    model: ModelSection,
    data: DataSection,
    generate: GenerateSection,
}

impl From<&Sections> for Said {
    fn from(sections: &Sections) -> Self {
        let Sections { model, data, generate, .. } = sections.clone();
        Self {
            model: model.unwrap_or_default(),
            data: data.unwrap_or_default(),
            generate: generate.unwrap_or_default(),
        }
    }
}

/// Enters in the account what the file says, and what of it a generation reads whatever the prompt.
fn account(plan: &PlanGiven, given: &mut Given) {
    plan.account(given);
    for section in ["model", "generate", "edit"] {
        given.read_section(section);
    }
    // Known to be for `vene run`.
    for section in ["measure", "statistics", "limits"] {
        given.read_section(section);
    }
    // The library refuses it in its own words.
    given.read_section("collect");
    given.read_section("grid");
    given.read_of_plan("data", &["base"]);
    given.read_of_plan("read", &["original"]);
    // [train] is for `vene train`, and with it what a plan is trained on and where its answers are read.
    if plan.file().sections.train.is_some() {
        given.read_section("train");
        given.read_of_plan("data", &["path", "task", "rows", "seed", "counterfactual"]);
        given.read_of_plan("read", &["positions"]);
    }
}

impl Arguments {
    pub fn run(&self, mut given: Given) -> anyhow::Result<()> {
        let plan = read!(given, self => plan).as_deref().map(PlanGiven::read).transpose()?;
        let said = plan.as_ref().map(|plan| Said::from(&plan.file().sections)).unwrap_or_default();
        if let Some(plan) = &plan {
            account(plan, &mut given);
        }
        let name = self.model(&given, &said);
        let outline = model::open(name, self.model.ignored.read(&given))?;
        if let Some(PlanGiven::File(_)) = &plan {
            warn_about_model(name, &said);
        }
        let (has_plan, another) = (plan.is_some(), || *read!(given, self => another_model));
        let plan = plan.map(|plan| plan.plan(&outline, another)).transpose()?;
        let job = self.job(&given, &outline, &said, plan)?;
        let (precision, json) = (*read!(given, self.run => precision), *read!(given, self => json));
        given.check("a generation", READ_BY)?;
        if has_plan && job.plan.edits().is_empty() {
            terminal::warn(
                "the plan has no edits of the prompt's run ([[edit]]): the text is what the model writes anyway",
            );
        }
        let model = model::load(outline, precision)?;
        let generation = match json {
            false => job.stream(&model)?,
            true => {
                let mut go_on = |_: &NewToken<'_>| ControlFlow::Continue(());
                let generation = job.generator.run(&model, &job.plan, &mut go_on)?;
                terminal::print_json(&job.record(&model, name, &generation)?)?;
                generation
            }
        };
        job.warn(&model, &generation);
        Ok(())
    }

    /// The model that is named here, else the plan's, else the default.
    fn model<'a>(&'a self, given: &Given, said: &'a Said) -> &'a str {
        let named = read!(given, self.model => model);
        match &said.model.id {
            Some(id) if !given.has("model") => id,
            _ => named,
        }
    }

    fn job(
        &self,
        given: &Given,
        outline: &Outline,
        said: &Said,
        plan: Option<Plan>,
    ) -> anyhow::Result<Job> {
        let has_plan = plan.is_some();
        let mut plan = plan.unwrap_or_default();
        if has_plan && *read!(given, self => with_original) {
            plan = plan.with_original();
        }
        let example = self.example(given, outline, said)?;
        let prompt = example.base.text().unwrap_or_default().to_owned();
        let generator = self.section(given, said).generator(outline).context("what ends a text")?;
        let generator = Generator { memory: *read!(given, self => memory), ..generator };
        let source = example.sources.first().and_then(|source| source.text());
        let bos = *read!(given, self.run => bos);
        let plan = self.spans.place(given, plan, outline, (&prompt, source), bos)?;
        let plan = plan.resolve(outline, &[example]).map_err(plan_given::with_option)?;
        refuse_same_texts(&plan)?;
        let sources = plan_given::sources_read(&plan);
        given.read_first("sources", sources);
        if !self.sources.is_empty() || said.data.sources.len() <= sources {
            given.read_of_plan("data", &["sources"]);
        }
        generator.check(outline, &plan)?;
        Ok(Job { prompt, generator, with_original: plan.wants_original(), plan })
    }

    /// The prompt and the plan's sources.
    fn example(&self, given: &Given, outline: &Outline, said: &Said) -> anyhow::Result<Example> {
        let in_file = said.generate.prompt.as_ref().or(said.data.base.as_ref());
        let Some(prompt) = read!(given, self => prompt).as_ref().or(in_file) else {
            bail!("there is no prompt: give one, or name it in the plan ([generate], prompt)");
        };
        let bos = *read!(given, self.run => bos);
        let prepared = |text: &str, whose: String| -> anyhow::Result<Prompt> {
            let prompt = outline.prompt_with(text, bos).context(whose)?;
            model::warn_about_bos(outline, &prompt);
            Ok(prompt)
        };
        let sources = if self.sources.is_empty() { &said.data.sources } else { &self.sources };
        let mut example = Example::new(prepared(prompt, "the prompt".to_owned())?);
        for (index, source) in sources.iter().enumerate() {
            example = example.source(prepared(source, format!("source {index}"))?);
        }
        Ok(example)
    }

    /// How tokens are taken: as it is said here, else as the plan's file says.
    fn section(&self, given: &Given, said: &Said) -> GenerateSection {
        let said = said.generate.clone();
        let count = |count: &Option<NonZeroUsize>| count.map(NonZeroUsize::get);
        GenerateSection {
            tokens: count(read!(given, self => max_new_tokens)).or(said.tokens),
            temperature: read!(given, self => temperature).or(said.temperature),
            top_k: read!(given, self => top_k).or(said.top_k),
            top_p: read!(given, self => top_p).or(said.top_p),
            seed: read!(given, self => seed).or(said.seed),
            samples: count(read!(given, self => num_samples)).or(said.samples),
            ..said
        }
    }
}

/// Refuses the original text beside that of a plan without edits: it would be the same text twice.
fn refuse_same_texts(plan: &ResolvedPlan) -> anyhow::Result<()> {
    if plan.wants_original() && plan.edits().is_empty() {
        bail!(
            "the plan has no edits of the prompt's run ([[edit]]), so that the text without them is the same: leave out \
             --with-original (in a plan's [read], `original`), or add edits"
        );
    }
    Ok(())
}

fn warn_about_model(name: &str, said: &Said) {
    if let Some(id) = said.model.id.as_ref().filter(|id| *id != name) {
        terminal::warn(format!("the plan is for the model `{id}`, and `{name}` runs it (--model)"));
    }
}
