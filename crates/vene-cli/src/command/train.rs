//! `vene train`: interventions learned from the rows of a data set.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use vene::Outline;
use vene::plan_file::PlanFile;
use vene::statistics::Together;
use vene_model::EMBEDDED;

use crate::another_model;
use crate::arguments::{Given, ReadBy, by_name, memory_size, read};
use crate::data_set::DataSet;
use crate::folder::{Folder, Purpose};
use crate::model::{self, IgnoredKeys, RunArguments};
use crate::record::{Kind, Record, Status};
use crate::rows;
use crate::terminal;
use crate::training::{Settings, train};

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

With a [grid] in the plan, of layers, positions or ranks, each of its plans is trained, into DIR/runs/000, 001, ..

A training that was stopped, by Ctrl-C or otherwise, goes on with --resume from its last epoch, and ends
where it would have. What it learned is DIR/trained: a plan that other commands read.")]
pub struct Arguments {
    /// The plan: a .toml or .json file (docs/plans.md)
    #[arg(value_name = "PLAN")]
    plan: PathBuf,

    /// The model, in place of the plan's: `embedded`, a folder, a .gguf file, or a Hugging Face id
    #[arg(long, short, value_name = "MODEL")]
    model: Option<String>,

    #[command(flatten)]
    ignored: IgnoredKeys,

    /// Take a plan that was made for another model of the same shape and tokenizer, such as the one that
    /// this was fine-tuned from
    #[arg(long)]
    another_model: bool,

    /// A file of rows, in place of the plan's: base, source, target, foil, spans (CSV, JSONL, JSON, Parquet)
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// Only the first so many rows
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(2..))]
    limit: Option<u32>,

    /// Which rows stay on one side, trained on or held out
    #[arg(long, value_name = "ROWS", default_value = "prompts", value_parser = by_name::<Together>())]
    together: Together,

    /// The folder for what is learned and its record
    #[arg(long, value_name = "DIR", default_value = "vene-out/train")]
    out: PathBuf,

    /// Go on with a training that was stopped
    #[arg(long)]
    resume: bool,

    /// Replace the run that is in the folder, if there is one
    #[arg(long, conflicts_with = "resume")]
    force: bool,

    /// How much memory the training may take beside the weights, e.g. 500M or 2G
    ///
    /// A batch that needs more is run in parts, whose gradients are added up: the result is the same but for rounding
    /// [default: batches are run at once]
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    memory: Option<usize>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    run: RunArguments,
}

const READ_BY: &ReadBy = &[
    (
        "another_model",
        "with a plan that was made for another model of the same shape and tokenizer",
    ),
    ("force", "where a training begins (without --resume)"),
    ("[data] task", "without a `path` beside it"),
    ("[data] seed", "with a `task`"),
    ("[data] counterfactual", "with a `path`, or with --data"),
    ("[data] base", "by `vene generate`: the rows of a data set are trained on"),
    ("[data] sources", "by `vene generate`: the rows of a data set are trained on"),
    ("[read] logits_of", "by programs (the library)"),
    ("[read] probabilities_of", "by programs (the library)"),
    ("[read] original", "by `vene generate` and by programs"),
    ("[[collect]]", "by programs (the library)"),
];

impl Arguments {
    pub fn run(&self, mut given: Given) -> anyhow::Result<()> {
        let resume = *read!(given, self => resume);
        let force = !resume && *read!(given, self => force);
        let folder = claim(read!(given, self => out), resume, force)?;
        let path = read!(given, self => plan);
        let file = PlanFile::read(path)?;
        given.add_plan(&file);
        // [generate] is for another command, which the same plan may be given to.
        for section in ["model", "train", "generate", "edit", "grid"] {
            given.read_section(section);
        }
        given.read_of_plan("read", &["positions"]);
        let named = file.sections.model.as_ref().and_then(|model| model.id.as_deref());
        let model = read!(given, self => model).as_deref().or(named).unwrap_or(EMBEDDED).to_owned();
        let outline = model::open(&model, self.ignored.read(&given))?;
        let is_meant = || *read!(given, self => another_model);
        let alike = || file.grid_for_another_model(&outline);
        let grid = another_model::plan(file.grid(&outline), is_meant, alike)?;
        let text = file.source().to_owned();
        let beside = path.parent().unwrap_or(Path::new(""));
        let rows = self.rows(&given, &file, beside, &outline)?;
        for role in grid.runs.iter().flat_map(|run| run.plan.roles()) {
            let known = rows::check_role(&role, &rows.rows, &rows.unused);
            known.with_context(|| format!("the plan's role `{role}`"))?;
        }
        let mut sections = file.sections;
        if let Some(data) = &mut sections.data {
            // What is saved stands in another folder.
            data.path =
                data.path.take().map(|path| std::path::absolute(beside.join(path))).transpose()?;
        }
        let settings = Settings {
            model_given: model,
            text,
            sections,
            rows,
            together: *read!(given, self => together),
            resume,
            memory: *read!(given, self => memory),
            json: *read!(given, self => json),
            bos: *read!(given, self.run => bos),
            precision: *read!(given, self.run => precision),
        };
        given.check("this training", READ_BY)?;
        train(outline, &grid, &settings, &folder)
    }

    /// The rows: those of --data, else of the plan's file, else of its task.
    fn rows(
        &self,
        given: &Given,
        file: &PlanFile,
        beside: &Path,
        outline: &Outline,
    ) -> anyhow::Result<DataSet> {
        let section = file.sections.data.clone().unwrap_or_default();
        let counterfactual = section.counterfactual.as_deref();
        given.read_of_plan("data", &["path", "rows"]);
        let limit = read!(given, self => limit).map(|limit| limit as usize);
        let mut most = limit.into_iter().chain(section.rows).min();
        let rows = match (read!(given, self => data), &section.path, &section.task) {
            // In place of the plan's rows, and of what it says of their number.
            (Some(path), ..) => {
                given.read_of_plan("data", &["task", "seed", "counterfactual"]);
                if let (Some(rows), None) = (section.rows, limit) {
                    terminal::warn(format!(
                        "`rows = {rows}` in the plan's [data] is for its own rows, and those of --data are taken \
                         all: --limit {rows} takes the first so many"
                    ));
                }
                most = limit;
                DataSet::of_file(path, counterfactual).context("--data")?
            }
            (None, Some(path), _) => {
                given.read_of_plan("data", &["counterfactual"]);
                DataSet::of_file(&beside.join(path), counterfactual)?
            }
            (None, None, Some(task)) => {
                given.read_of_plan("data", &["task", "seed"]);
                DataSet::of_task(task, &section, outline)?
            }
            (None, None, None) => bail!(
                "there is nothing to train on: give rows with --data, or a path or a task in the plan's [data]"
            ),
        };
        Ok(rows.limited(most))
    }
}

/// The folder, for a new training or for the one that is in it.
fn claim(out: &Path, resume: bool, force: bool) -> anyhow::Result<Folder> {
    if !resume {
        return Folder::claim(out, Purpose::New { kind: Kind::Training, force });
    }
    let folder = Folder::claim(out, Purpose::Resume(Kind::Training))?;
    ensure!(
        folder.earlier().and_then(Record::status) != Some(Status::Complete),
        "the training in {} is complete: there is nothing to go on with",
        out.display()
    );
    Ok(folder)
}
