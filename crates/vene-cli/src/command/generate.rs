//! `vene generate`: text behind a prompt, as the model writes it.

mod job;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use vene::generation::NewToken;
use vene::plan_file::{DataSection, GenerateSection, ModelSection, PlanFile, Saved, Sections};
use vene::{Example, Outline, Plan, Prompt};

use crate::model::{self, ModelArgument, RunArguments};
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
goes for whatever is not said here.")]
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

    /// The edits: a .toml or .json file, or the folder of a saved plan
    #[arg(long, value_name = "PLAN")]
    plan: Option<PathBuf>,

    /// A text whose run the plan's edits read; again for each that they count
    #[arg(long = "source", value_name = "PROMPT", requires = "plan")]
    sources: Vec<String>,

    /// Write the text without the plan's edits too
    #[arg(long, requires = "plan")]
    with_original: bool,

    #[command(flatten)]
    run: RunArguments,

    /// Print JSON: the prompt's token ids, each text with its tokens, their log-probabilities, and why it
    /// ended, and what each edit did at each step
    #[arg(long)]
    json: bool,

    /// The text to be continued; may be left out where the plan has one
    #[arg(value_name = "PROMPT", required_unless_present = "plan")]
    prompt: Option<String>,
}

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

impl Arguments {
    pub fn run(&self) -> anyhow::Result<()> {
        let outline = model::open(&self.model.model)?;
        let job = self.job(&outline)?;
        let model = model::load(outline, self.run.precision)?;
        let generation = match self.json {
            false => job.stream(&model)?,
            true => {
                let mut go_on = |_: &NewToken<'_>| ControlFlow::Continue(());
                let generation = job.generator.run(&model, &job.plan, &mut go_on)?;
                terminal::print_json(&job.record(&model, &self.model.model, &generation)?)?;
                generation
            }
        };
        job.warn(&model, &generation);
        Ok(())
    }

    fn job(&self, outline: &Outline) -> anyhow::Result<Job> {
        let (said, mut plan) = self.read_plan(outline)?;
        if self.with_original {
            plan = plan.with_original();
        }
        let example = self.example(outline, &said)?;
        let prompt = example.base.text().unwrap_or_default().to_owned();
        let generator = self.section(&said).generator(outline).context("what ends a text")?;
        let plan = plan.resolve(outline, &[example])?;
        generator.check(outline, &plan)?;
        Ok(Job { prompt, generator, with_original: plan.wants_original(), plan })
    }

    /// The plan, from a file or from the folder that it was saved in, and what stands beside it.
    fn read_plan(&self, outline: &Outline) -> anyhow::Result<(Said, Plan)> {
        let Some(path) = &self.plan else { return Ok((Said::default(), Plan::new())) };
        if path.is_dir() {
            let saved = Saved::open(path)?;
            return Ok((saved.sections().into(), saved.plan(outline)?));
        }
        let file = PlanFile::read(path)?;
        let said = Said::from(&file.sections);
        self.warn_about_model(&said);
        Ok((said, file.plan(outline)?))
    }

    /// The prompt and the plan's sources.
    fn example(&self, outline: &Outline, said: &Said) -> anyhow::Result<Example> {
        let in_file = said.generate.prompt.as_ref().or(said.data.base.as_ref());
        let Some(prompt) = self.prompt.as_ref().or(in_file) else {
            bail!("there is no prompt: give one, or name it in the plan ([generate], prompt)");
        };
        let read = |text: &str, whose: String| -> anyhow::Result<Prompt> {
            let prompt = outline.prompt_with(text, self.run.bos.into()).context(whose)?;
            model::warn_about_bos(outline, &prompt);
            Ok(prompt)
        };
        let sources = if self.sources.is_empty() { &said.data.sources } else { &self.sources };
        let mut example = Example::new(read(prompt, "the prompt".to_owned())?);
        for (index, source) in sources.iter().enumerate() {
            example = example.source(read(source, format!("source {index}"))?);
        }
        Ok(example)
    }

    /// How tokens are taken: as it is said here, else as the plan's file says.
    fn section(&self, said: &Said) -> GenerateSection {
        let said = said.generate.clone();
        GenerateSection {
            tokens: self.max_new_tokens.map(NonZeroUsize::get).or(said.tokens),
            temperature: self.temperature.or(said.temperature),
            top_k: self.top_k.or(said.top_k),
            top_p: self.top_p.or(said.top_p),
            seed: self.seed.or(said.seed),
            samples: self.num_samples.map(NonZeroUsize::get).or(said.samples),
            ..said
        }
    }

    fn warn_about_model(&self, said: &Said) {
        if let Some(id) = said.model.id.as_ref().filter(|id| **id != self.model.model) {
            terminal::warn(format!(
                "the plan is for the model `{id}`, and `{}` runs it (--model)",
                self.model.model
            ));
        }
    }
}
