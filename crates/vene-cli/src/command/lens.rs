//! `vene lens`: what the model would say next from each depth.

mod figures;
mod shown;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use vene::inspect::{Summary, lens};
use vene::{Outline, Plan, Prompt};

use crate::arguments::{Given, ReadBy, SpanArguments, heading, in_prompt, prompt_text, read};
use crate::drawn::Drawn;
use crate::look::{self, LookArguments, Seen, Task, over_rows};
use crate::model;
use crate::plan_given::{PlanChanges, PlanGiven};
use crate::prompts;
use crate::record::Kind;

/// What the model would say next from each layer: the logit lens
#[derive(Args)]
#[command(
    long_about = "\
The logit lens (nostalgebraist 2020): the last norm and the unembedding are applied to the residual stream as it enters the \
first block and after each block. Shown are the likeliest tokens at each depth, and of the tokens that are asked about (by \
default the one that the model says in the end) logit, probability and rank, and how far the distribution still is from the \
model's own: kl, Σ p log(p/q) in nats, of the lens' distribution q from the last one p.

Of a data set (--data) each row's target and foil are asked about, and each depth has means with 95 % intervals of a bootstrap \
over the rows' groups. With --plan the runs are those under its edits.",
    after_help = "\
Examples:
  vene lens \"The capital of Spain is\"
  vene lens --positions last --token \" Madrid\" --token \" Rome\" \"The capital of Spain is\"
  vene task capital -n 40 --out capital.jsonl
  vene lens --model embedded --data capital.jsonl --positions subject_last,last --out lens

With --out: lens.csv (a row for each position, depth and token), likeliest.csv, or of a data set summary.csv and
examples.parquet; figures; run.json. All tables are Parquet files too."
)]
pub struct Arguments {
    /// Where to look: all, last, 0,3,-1 or 0..4; of a data set by role, such as subject_last [default: all; of a data set: last]
    #[arg(help_heading = heading::SEEN, long, value_name = "LIST", allow_hyphen_values = true)]
    positions: Option<String>,

    /// A token that is asked about, with its space: " Madrid" (again for more) [default: what the model says in the end]
    #[arg(help_heading = heading::SEEN, long = "token", id = "token", value_name = "TOKEN")]
    token: Vec<String>,

    /// How many of the likeliest tokens to list at each depth [default: 5]
    #[arg(help_heading = heading::SEEN, short = 'n', long = "count", value_name = "COUNT")]
    count: Option<NonZeroUsize>,

    /// Edits under which the model runs: a plan's file, or the folder of a saved plan
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
    look: LookArguments,
}

const READ_BY: &ReadBy = &[
    look::READ_BY[0],
    look::READ_BY[1],
    look::READ_BY[2],
    ("token", "without --data, whose rows have targets and foils"),
    ("count", "without --data"),
    (
        "another_model",
        "with a --plan that was made for another model of the same shape and tokenizer",
    ),
    ("set", "with --plan"),
    ("sources", "with --plan and without --data, as far as the plan's edits read sources"),
    ("span", "with a --plan whose positions are roles, and a prompt that is typed"),
    ("source_span", "with a --plan whose positions are roles, and a source"),
];

impl Arguments {
    pub fn run(&self, mut given: Given) -> anyhow::Result<()> {
        let of_rows = self.look.data.is_some();
        let precision = *read!(given, self.look.run => precision);
        let positions = read!(given, self => positions).as_deref();
        let positions = positions.unwrap_or(if of_rows { "last" } else { "all" });
        let plan = self.plan_given(&mut given)?;
        let meant_for = plan.as_ref().and_then(PlanGiven::model);
        let opened = self.look.open(&given, meant_for)?;
        let outline = &opened.1;
        let edits = plan.as_ref().map(|plan| self.edits(plan, &given, outline)).transpose()?;
        let mut tokens = Vec::new();
        let mut count = 0;
        if !of_rows {
            for text in read!(given, self => token) {
                tokens.push((text.clone(), look::token(outline, text, "--token")?));
            }
            count = read!(given, self => count).map_or(5, NonZeroUsize::get);
        }
        let mut look = self.look.look(&given, opened, positions, edits, |_| [false, false])?;
        given.check("a look through the logit lens", READ_BY)?;
        for subject in &mut look.subjects {
            for (text, token) in &tokens {
                *subject = subject.clone().asking(text, *token);
            }
        }
        let what = look.what();
        let task = Task {
            kind: Kind::Lens,
            options: json!({
                "positions": positions,
                "tokens": tokens.iter().map(|(text, _)| text).collect::<Vec<_>>(),
                "count": count,
                "plan": self.plan.as_ref().map(|plan| plan.display().to_string()),
                "set": self.changes.read(&given),
                "sources": self.sources,
                "prompts": prompts::record(&look.form),
                "precision": precision.to_string(),
                "resamples": of_rows.then_some(look.bootstrap.resamples),
            }),
            tables: if of_rows { vec!["summary"] } else { vec!["lens", "likeliest"] },
            figures: figures::names(of_rows),
            more: Vec::new(),
        };
        look.deliver(task, |outline, subjects, bootstrap, folder| {
            let model = model::load(outline, precision)?;
            let mut drawn = Drawn::default();
            if of_rows {
                let summary = Summary::new(subjects, lens::KEYS, lens::METRICS);
                let bytes = |subject: &_| lens::bytes(model.config(), subject);
                let (summary, examples) = over_rows(subjects, bytes, summary, folder, |some| {
                    Ok(lens::lens(&model, some, 0)?.numbers)
                })?;
                let table = summary.table(bootstrap)?;
                if folder.is_some() {
                    figures::of_rows(&mut drawn, &model, &what, &table);
                }
                let text = shown::summary(&table)?;
                let tables = vec![("summary", table)];
                return Ok(Seen { text, tables, examples, drawn, more: Vec::new() });
            }
            let found = lens::lens(&model, subjects, count)?;
            if folder.is_some() {
                figures::of_prompt(&mut drawn, &model, &what, subjects, &found.numbers);
            }
            let text = shown::prompt(&found)?;
            let tables = vec![("lens", found.numbers), ("likeliest", found.likeliest)];
            Ok(Seen { text, tables, examples: None, drawn, more: Vec::new() })
        })
    }

    fn plan_given(&self, given: &mut Given) -> anyhow::Result<Option<PlanGiven>> {
        let Some(path) = read!(given, self => plan) else { return Ok(None) };
        let plan = PlanGiven::read(path)?.set(self.changes.read(given))?;
        plan.account(given);
        for section in ["model", "edit"] {
            given.read_section(section);
        }
        // Known to be for other commands.
        for section in
            ["train", "generate", "measure", "statistics", "limits", "data", "read", "collect"]
        {
            given.read_section(section);
        }
        Ok(Some(plan))
    }

    /// The plan's edits for the model, and the sources of a prompt.
    fn edits(
        &self,
        plan: &PlanGiven,
        given: &Given,
        outline: &Outline,
    ) -> anyhow::Result<(Plan, Vec<Prompt>)> {
        let stated = plan.file().sections.model.as_ref().and_then(|model| model.another);
        let is_meant = || *read!(given, self => another_model) || stated.unwrap_or(false);
        let plan = plan.plan(outline, is_meant)?.without_collects();
        if self.look.data.is_some() {
            return Ok((plan, Vec::new()));
        }
        let form = self.look.run.prompts.read(given);
        let base = self.look.prompt.as_deref().unwrap_or_default();
        let spans = &self.spans;
        let plan = in_prompt(
            plan,
            outline,
            (base, self.sources.first().map(String::as_str)),
            &form,
            &|| read!(given, spans => span).iter().cloned().collect(),
            &|| read!(given, spans => source_span).iter().cloned().collect(),
        )?;
        let sources = self.sources.iter().enumerate().map(|(index, text)| {
            outline.prompt_with(text, &form).with_context(|| format!("source {index}"))
        });
        let sources = sources.collect::<anyhow::Result<Vec<Prompt>>>()?;
        let example = sources.iter().cloned().fold(
            vene::Example::new(outline.prompt_with(base, &form).context("PROMPT")?),
            vene::Example::source,
        );
        let edits = Plan { edits: plan.edits.clone(), ..Plan::new() };
        let resolved =
            edits.resolve(outline, &[example]).map_err(crate::plan_given::with_option)?;
        given.read_first("sources", crate::plan_given::sources_read(&resolved));
        Ok((plan, sources))
    }
}
