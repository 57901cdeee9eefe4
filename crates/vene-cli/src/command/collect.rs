//! `vene collect`: activations, one stacked tensor a site.

use std::io::BufRead;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use vene::data::{Role, Row};
use vene::plan_sweep::{Collected, PlanSweep, PlanSweepError};
use vene::{Component, Forked, Outline, Plan, Positions};

use crate::arguments::{Given, ReadBy, memory_size, must_end_with, prompt_text, read};
use crate::data_set::DataSet;
use crate::folder::OutputFile;
use crate::model::{self, ModelArgument, RunArguments};
use crate::plan_given::PlanGiven;
use crate::selection::{self, Places};
use crate::stacked::{ENDINGS, Format, Stack, Stacked};
use crate::{plan_sweep, rows, terminal};

/// Activations of prompts or rows, into a file of tensors
#[derive(Args)]
#[command(
    long_about = "\
Runs prompts and keeps what components show, as 32-bit floats, in one tensor a site: `mlp_output/3` (`final_norm` \
for components that a model has once) of shape [row, position, width], or [row, head, query, key] for \
attention_score and attention_weight. Memory holds a few rows at a time, whatever their number. A .safetensors file \
has one entry of metadata, `vene`: JSON with the prompts or the data set, the positions, and the model with the \
SHA-256 of its weights; .npz and .npy are NumPy's. Of --data and --prompts a table NAME.rows.parquet stands beside \
it: which row is which, with its texts, tokens, and the positions of each role.",
    after_help = "\
Examples:
  vene collect --component mlp_output --layers 0..4 \"The capital of Spain is\" \\
    --out spain.safetensors
  vene task capital -n 200 --out capital.jsonl
  vene collect --component block_output --positions subject_last,last --model embedded \\
    --data capital.jsonl --out capitals.npz
  vene collect --component block_output --pad \"One prompt\" \"A longer one\" --out two.safetensors

A prompt `@FILE` is the text of a file, `-` that of standard input (without the line break at its end), and `@@`
stands for a text's own @."
)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArgument,

    /// What is kept, e.g. mlp_output,attention_weight (`vene sites` lists them)
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', required = true)]
    component: Vec<String>,

    /// In which layers: 0..12 (0 to 11), 0,3,5, -1 (the last), all, or a mix [default: all]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    layers: Option<String>,

    /// At which positions: all, last, 0,3,-1 or 0..4; of a data set also by role, such as subject_last; attention patterns
    /// only whole
    #[arg(long, value_name = "LIST", default_value = "all", allow_hyphen_values = true)]
    positions: String,

    /// A file of rows, whose bases are run: base, source, spans (CSV, JSONL, JSON, Parquet)
    #[arg(long, value_name = "FILE", conflicts_with = "prompts")]
    data: Option<PathBuf>,

    /// Only the first so many rows
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// A file with a prompt on each line; `-` is standard input
    #[arg(long = "prompts", id = "prompt_file", value_name = "FILE", conflicts_with_all = ["data", "prompts"])]
    prompt_file: Option<PathBuf>,

    /// Edits that are made before anything is kept: a plan's file, or the folder of a saved plan
    #[arg(long, value_name = "PLAN")]
    plan: Option<PathBuf>,

    /// Take a plan that was made for another model of the same shape and tokenizer
    #[arg(long)]
    another_model: bool,

    /// Fill rows of fewer positions with zeros, and add how many each has (`lengths`)
    #[arg(long)]
    pad: bool,

    /// How much memory the rows of one pass may take beside the weights, e.g. 500M or 2G
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    memory: Option<usize>,

    #[command(flatten)]
    run: RunArguments,

    /// The file to write, NAME.safetensors, NAME.npz or, of one site, NAME.npy
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Overwrite the file if it is there already
    #[arg(long)]
    force: bool,

    /// The texts to be run
    #[arg(required_unless_present_any = ["data", "prompt_file"], value_name = "PROMPT", value_parser = prompt_text)]
    prompts: Vec<String>,
}

const READ_BY: &ReadBy = &[
    ("limit", "with --data"),
    (
        "another_model",
        "with a --plan that was made for another model of the same shape and tokenizer",
    ),
];

/// What is run, and what is said of it.
struct Texts {
    rows: Vec<Row>,
    /// The data set, or the prompts one by one.
    from: Option<Value>,
    has_table: bool,
    data: Option<DataSet>,
}

impl Arguments {
    pub fn run(&self, mut given: Given) -> anyhow::Result<()> {
        let force = *read!(given, self => force);
        let out = read!(given, self => out).clone();
        let file = claim(&out, force)?;
        let texts = self.texts(&given)?;
        let table = texts.has_table.then(|| claim_table(&out, force)).transpose()?;
        let plan = read!(given, self => plan).as_deref().map(PlanGiven::read).transpose()?;
        if let Some(plan) = &plan {
            plan.account(&mut given);
            for section in ["model", "edit"] {
                given.read_section(section);
            }
            // Known to be for other commands.
            for section in ["train", "generate", "measure", "statistics", "limits", "data", "read"]
            {
                given.read_section(section);
            }
        }
        let pad = *read!(given, self => pad);
        let (bos, precision) =
            (*read!(given, self.run => bos), *read!(given, self.run => precision));
        let memory = *read!(given, self => memory);
        let outline = self.model.read(&given).open()?;
        let is_meant = || *read!(given, self => another_model);
        let edits = plan
            .map(|plan| plan.plan(&outline, is_meant))
            .transpose()?
            .unwrap_or_default()
            .without_collects();
        let sites = self.sites(&given, &outline)?;
        let positions = self.positions(&given, &outline, &texts)?;
        given.check("a collection of activations", READ_BY)?;
        let collects = sites.iter().flat_map(|&(component, layer)| {
            positions.iter().map(move |(_, positions)| (component, layer, positions.clone()))
        });
        let plan = collects.fold(edits, |plan: Plan, (component, layer, positions)| {
            plan.collect(component, layer, positions)
        });
        let sweep = PlanSweep::builder(&outline)
            .plan(plan)
            .rows(&texts.rows)
            .bos(bos)
            .metrics([])
            .padded()
            .build()
            .map_err(|error| of_prompts(&texts, error))?;
        if let Some(memory) = memory {
            sweep.fits(&outline, memory)?;
        }
        if let (None, Some(row)) = (&texts.data, sweep.left_out().first()) {
            bail!("prompt {}: {}", row.index, row.reason);
        }
        rows::warn_of_left_out(sweep.left_out(), texts.rows.len());
        if let Some(row) = sweep.rows().first() {
            model::warn_about_bos(&outline, &row.base);
        }
        let Layout { stacks, starts, lengths } =
            Layout::of(&outline, &sweep, &sites, positions.len(), pad)?;
        let format = Format::of(&out);
        ensure!(
            format != Format::Npy || stacks.len() == 1,
            "--out {}: a .npy file holds one tensor, and {} are collected: name it .npz or .safetensors",
            out.display(),
            stacks.len()
        );
        let model = model::load(outline, precision)?;
        let rows = sweep.rows().len();
        let names: Vec<String> = stacks
            .iter()
            .map(|stack| format!("  {} {:?}\n", stack.name, [&[rows], &stack.of_row[..]].concat()))
            .collect();
        let mut stacked = Stacked::new(folder_of(&out), stacks, rows, lengths)?;
        let executor = Forked::new(&model);
        let executor = memory.map_or(executor, |bytes| executor.memory(bytes));
        let bar = terminal::bar(rows, "prompts");
        for batch in sweep.batches(model.config()) {
            let part = sweep.run_batch(&model, &executor, batch.clone(), &mut |done| {
                bar.set_position((batch.start + done) as u64);
                ControlFlow::Continue(())
            })?;
            write(&mut stacked, &part.collected, batch.start, &starts, sites.len())?;
        }
        bar.finish_and_clear();
        let notes = self.description(&model, &sweep, &texts)?;
        stacked.finish(format, &notes, file)?;
        let mut text = format!("Written: {}\n", out.display());
        if let Some((path, file)) = table {
            let table = plan_sweep::rows_table(&model, &sweep, &(0..rows))?;
            let folder = tempfile::tempdir_in(folder_of(&out))?;
            let beside = folder.path().join("rows.parquet");
            table.write_parquet(&beside)?;
            let bytes = vene_files::read(&beside, u64::MAX)?;
            file.write(|file| Ok(std::io::Write::write_all(file, &bytes)?))?;
            text.push_str(&format!("Which row is which: {}\n", path.display()));
        }
        names.iter().for_each(|name| text.push_str(name));
        terminal::print(&text)
    }

    /// What is run: prompts that were typed, those of a file, or the bases of rows.
    fn texts(&self, given: &Given) -> anyhow::Result<Texts> {
        if let Some(path) = read!(given, self => data) {
            let limit = read!(given, self => limit).map(|limit| limit as usize);
            let data = DataSet::of_file(path, None).context("--data")?.limited(limit);
            model_is_named(given)?;
            let from = json!({ "from": data.from, "sha256": data.sha256, "rows": data.rows.len() });
            let rows = data.rows.clone();
            return Ok(Texts { rows, from: Some(from), has_table: true, data: Some(data) });
        }
        if let Some(path) = read!(given, self => prompt_file) {
            model_is_named(given)?;
            let texts = lines(path)?;
            let from = json!({ "from": path.display().to_string(), "rows": texts.len() });
            let rows = texts.into_iter().map(Row::of_base).collect();
            return Ok(Texts { rows, from: Some(from), has_table: true, data: None });
        }
        let rows = read!(given, self => prompts).iter().map(Row::of_base).collect();
        Ok(Texts { rows, from: None, has_table: false, data: None })
    }

    fn sites(
        &self,
        given: &Given,
        outline: &Outline,
    ) -> anyhow::Result<Vec<(Component, Option<usize>)>> {
        let components = read!(given, self => component);
        let layers = read!(given, self => layers).as_deref();
        let places = Places::named(components, layers, outline.config())?;
        let sites = places.components.iter().flat_map(|&component| {
            let layers: Vec<Option<usize>> = match component.per_layer() {
                true => places.layers.iter().copied().map(Some).collect(),
                false => vec![None],
            };
            layers.into_iter().map(move |layer| (component, layer))
        });
        Ok(sites.collect())
    }

    /// The positions that are kept, one after the other, each as it was written.
    fn positions(
        &self,
        given: &Given,
        outline: &Outline,
        texts: &Texts,
    ) -> anyhow::Result<Vec<(String, Positions)>> {
        let list = read!(given, self => positions);
        let Some(data) = texts.data.as_ref().filter(|_| list.trim() != "all") else {
            let positions = selection::positions(list, outline.config().context)?;
            return Ok(vec![(list.clone(), positions)]);
        };
        let mut all = Vec::new();
        for item in list.split(',').map(str::trim) {
            if item.contains("..") {
                all.push((item.to_owned(), selection::positions(item, outline.config().context)?));
                continue;
            }
            let role: Role = item.parse().context("--positions")?;
            let known = rows::check_role(&role, &data.rows, &data.unused);
            known.with_context(|| format!("--positions {item}"))?;
            all.push((item.to_owned(), Positions::Role(role)));
        }
        Ok(all)
    }

    /// What the file says of itself.
    fn description(
        &self,
        model: &vene::Model,
        sweep: &PlanSweep,
        texts: &Texts,
    ) -> anyhow::Result<String> {
        let prompts = sweep.rows().iter().map(|row| {
            let prompt = &row.base;
            json!({
                "text": prompt.text(),
                "bos": prompt.has_bos(),
                "token_ids": prompt.tokens(),
                "tokens": prompt.tokens().iter().map(|&id| model::token_text(model, id)).collect::<Vec<_>>(),
            })
        });
        let mut description = json!({
            "vene": env!("CARGO_PKG_VERSION"),
            "model": model::record(model, &self.model.model)?,
            "positions": self.positions,
            "precision": self.run.precision.name(),
        });
        match &texts.from {
            // Its rows stand in a table of their own.
            Some(from) => {
                description["data"] = from.clone();
                let rows = sweep.rows().iter().map(|row| row.index);
                description["rows"] = rows.collect::<Vec<_>>().into();
            }
            None => description["prompts"] = prompts.collect::<Vec<_>>().into(),
        }
        Ok(description.to_string())
    }
}

/// Refuses a user's own data on a model that was not named.
fn model_is_named(given: &Given) -> anyhow::Result<()> {
    if given.has("model") { Ok(()) } else { model::named(None).map(drop) }
}

/// The lines of a file, or of standard input.
fn lines(path: &Path) -> anyhow::Result<Vec<String>> {
    const LARGEST: u64 = 1 << 30;
    let texts: Vec<String> = if path == Path::new("-") {
        let lines: Result<_, _> = std::io::stdin().lock().lines().collect();
        lines.context("--prompts -: standard input cannot be read")?
    } else {
        let text = vene_files::read_text(path, LARGEST);
        let text = text.with_context(|| format!("--prompts {}", path.display()))?;
        text.lines().map(str::to_owned).collect()
    };
    ensure!(!texts.is_empty(), "--prompts {}: there is no line", path.display());
    if let Some(empty) = texts.iter().position(String::is_empty) {
        bail!("--prompts {}: line {} is empty: a prompt stands on each", path.display(), empty + 1);
    }
    Ok(texts)
}

/// How what is collected lies in a file.
struct Layout {
    /// One for each site.
    stacks: Vec<Stack>,
    /// For each of the positions that are kept the first of its places in a row of a tensor.
    starts: Vec<usize>,
    /// For each row how many of each of these positions it has, where rows are padded.
    lengths: Option<Vec<Vec<usize>>>,
}

impl Layout {
    /// Of so many lists of positions, the same at each site.
    fn of(
        outline: &Outline,
        sweep: &PlanSweep,
        sites: &[(Component, Option<usize>)],
        items: usize,
        pad: bool,
    ) -> anyhow::Result<Self> {
        let config = outline.config();
        let counts = |row| {
            let mut counts = sweep.collected_at(row);
            counts.truncate(items);
            counts
        };
        let counts: Vec<Vec<usize>> = sweep.rows().iter().map(counts).collect();
        let mut most = counts.first().cloned().unwrap_or_default();
        for (row, of_row) in sweep.rows().iter().zip(&counts) {
            for (most, &count) in most.iter_mut().zip(of_row) {
                ensure!(
                    pad || *most == count,
                    "{} has {count} positions, and rows before it have {most}: rows of unequal numbers of positions \
                     make no tensor; collect at positions that each row has once (--positions), or fill up with zeros \
                     (--pad)",
                    row.name()
                );
                *most = (*most).max(count);
            }
        }
        let stack = |&(component, layer): &(Component, Option<usize>)| {
            let of_row = match component.width(config) {
                Some(width) => vec![most.iter().sum(), width],
                None => vec![config.heads, most[0], most[0]],
            };
            let name = layer.map_or_else(String::new, |layer| format!("/{layer}"));
            Stack { name: format!("{component}{name}"), of_row }
        };
        let starts = (0..items).map(|item| most[..item].iter().sum()).collect();
        let stacks = sites.iter().map(stack).collect();
        Ok(Self { stacks, starts, lengths: pad.then_some(counts) })
    }
}

/// Writes what a batch collected, whose first row this is; `starts` are the positions' first places in a row.
fn write(
    stacked: &mut Stacked,
    collected: &Collected,
    first: usize,
    starts: &[usize],
    sites: usize,
) -> anyhow::Result<()> {
    for (index, values) in collected.values.iter().enumerate().take(sites * starts.len()) {
        let (tensor, item) = (index / starts.len(), index % starts.len());
        for (row, values) in values.iter().enumerate() {
            stacked.write(tensor, first + row, starts[item], &values.shape, &values.values)?;
        }
    }
    Ok(())
}

/// What is wrong, by the prompt's number where prompts were given.
fn of_prompts(texts: &Texts, error: PlanSweepError) -> anyhow::Error {
    match error {
        PlanSweepError::NoneUsable { reason, .. } if texts.data.is_none() => {
            anyhow::anyhow!("prompt 0: {reason}")
        }
        error => error.into(),
    }
}

/// The file, in a folder that is made where there is none.
fn claim(out: &Path, force: bool) -> anyhow::Result<OutputFile> {
    if out.file_name().is_some() {
        must_end_with(out, &ENDINGS)?;
    }
    OutputFile::claim_in_new_folder(out, force)
}

/// The table that says which row is which, beside the file.
fn claim_table(out: &Path, force: bool) -> anyhow::Result<(PathBuf, OutputFile)> {
    let path = out.with_extension("rows.parquet");
    let file = OutputFile::claim_in_new_folder(&path, force)?;
    Ok((path, file))
}

fn folder_of(out: &Path) -> &Path {
    match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
