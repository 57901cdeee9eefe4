//! `vene train`: interventions learned from the rows of a data set.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use vene::plan_file::PlanFile;
use vene_model::EMBEDDED;

use crate::model::{self, RunArguments};
use crate::training::{Settings, rows, train};

/// Train a plan's interventions on a data set
#[derive(Args)]
#[command(after_help = "\
Examples:
  vene task capital -n 200 --out capital.jsonl
  vene train das.toml --data capital.jsonl
  vene train das.toml --data capital.jsonl --resume

where das.toml looks for the directions in which a model keeps a country's capital:

  [[edit]]
  component = \"block_output\"
  layer = 2
  positions = { role = \"subject_last\" }
  intervention = { name = \"low_rank_rotated_space\", rank = 16 }

  [train]
  epochs = 10
  learning_rate = 0.01

A training that was stopped, by Ctrl-C or otherwise, goes on with --resume from its last epoch, and ends
where it would have. What it learned is DIR/trained: a plan that other commands read.")]
pub struct Arguments {
    /// The plan: a .toml or .json file (docs/plans.md)
    #[arg(value_name = "PLAN")]
    plan: PathBuf,

    /// The model, in place of the plan's: `embedded`, a folder, a .gguf file, or a Hugging Face id
    #[arg(long, short, value_name = "MODEL")]
    model: Option<String>,

    /// A file of rows, in place of the plan's: base, source, target, foil, spans (CSV, JSONL, JSON, Parquet)
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// Only the first so many rows
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(2..))]
    limit: Option<u32>,

    /// The folder for what is learned and its record
    #[arg(long, value_name = "DIR", default_value = "vene-out/train")]
    out: PathBuf,

    /// Go on with a training that was stopped
    #[arg(long)]
    resume: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    run: RunArguments,
}

impl Arguments {
    pub fn run(&self) -> anyhow::Result<()> {
        let file = PlanFile::read(&self.plan)?;
        let named = file.sections.model.as_ref().and_then(|model| model.id.as_deref());
        let model = self.model.as_deref().or(named).unwrap_or(EMBEDDED).to_owned();
        let outline = model::open(&model)?;
        let plan = file.plan(&outline)?;
        let text = std::fs::read_to_string(&self.plan)
            .with_context(|| format!("{} cannot be read", self.plan.display()))?;
        let beside = self.plan.parent().unwrap_or(std::path::Path::new(""));
        let section = file.sections.data.clone().unwrap_or_default();
        let mut rows = match (&self.data, &section.path) {
            (Some(path), _) => rows::of_file(path, section.counterfactual.as_deref())?,
            (None, Some(path)) => {
                rows::of_file(&beside.join(path), section.counterfactual.as_deref())?
            }
            (None, None) => match &section.task {
                Some(task) => rows::of_task(task, &section, &outline)?,
                None => bail!(
                    "there is nothing to train on: give rows with --data, or a path or a task in the plan's [data]"
                ),
            },
        };
        if let Some(limit) = self.limit.map(|limit| limit as usize).or(section.rows) {
            rows.rows.truncate(limit);
        }
        let settings = Settings {
            model_given: model,
            text,
            sections: file.sections,
            rows,
            out: self.out.clone(),
            resume: self.resume,
            json: self.json,
            bos: self.run.bos,
            precision: self.run.precision,
        };
        train(outline, &plan, &settings)
    }
}
