//! What a plan collects, of prompts or of rows: one stacked tensor a site.

mod in_memory;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{bail, ensure};
use serde_json::{Value, json};
use vene::plan_sweep::{Collected, PlanSweep, PlanSweepError};
use vene::{Component, Forked, Outline, Plan};

use super::{Delivery, Experiment, Spec, key};
use crate::arguments::{ReadBy, must_end_with, read};
use crate::data_set::DataSet;
use crate::folder::OutputFile;
use crate::stacked::{ENDINGS, Format, Stack, Stacked};
use crate::{model, plan_sweep, rows, terminal};
pub use in_memory::{Collection, collect_in_memory};

const READ_BY: &ReadBy = &[
    ("set", "with --plan"),
    ("[data] limit", "with --data"),
    (
        "[model] another",
        "with a --plan that was made for another model of the same shape and tokenizer",
    ),
    ("layers", "with --component"),
    ("positions", "with --component"),
    ("[data] spans", "with a --plan whose positions are roles, and prompts that are typed"),
    (
        "[data] source_spans",
        "with --source, as the plan's edits read it, and prompts that are typed",
    ),
    ("[data] sources", "with a --plan whose edits read a source, and prompts that are typed"),
];

/// A component in a layer.
type CollectedSite = (Component, Option<usize>);

pub(super) fn run(mut experiment: Experiment, delivery: &Delivery) -> anyhow::Result<()> {
    account_of_plan(&experiment);
    let force = *read!(experiment.given, delivery => force);
    let Some(out) = read!(experiment.given, delivery => out).clone() else {
        bail!(
            "a collection is written into a file: give one with --out, such as activations.safetensors"
        );
    };
    let file = claim(&out, force)?;
    // Prompts that are typed need no table that says which is which.
    let has_table = experiment.has_rows();
    let table = has_table.then(|| claim_table(&out, force)).transpose()?;
    let (name, outline) = experiment.open()?;
    let precision = key!(experiment, model.precision).unwrap_or_default();
    let Checked { data, sweep, sites, layout, memory } = check(&experiment, &outline)?;
    let Layout { stacks, starts, lengths } = layout;
    rows::warn_of_left_out(sweep.left_out(), data.rows.len());
    if let Some(row) = sweep.rows().first() {
        model::warn_about_bos(&outline, &row.base);
    }
    let format = Format::of(&out);
    ensure!(
        format != Format::Npy || stacks.len() == 1,
        "--out {}: a .npy file holds one tensor, and {} are collected: name it .npz or .safetensors",
        out.display(),
        stacks.len()
    );
    let spec = experiment.spec(&name)?;
    let model = model::load(outline, precision)?;
    let rows = sweep.rows().len();
    let names: Vec<String> = stacks
        .iter()
        .map(|stack| format!("  {} {:?}\n", stack.name, [&[rows], &stack.of_row[..]].concat()))
        .collect();
    let mut stacked = Stacked::new(folder_of(&out), stacks, rows, lengths)?;
    let executor = Forked::new(&model);
    let executor = memory.map_or(executor, |bytes| executor.memory(bytes));
    let bar = terminal::Bar::new(rows, "prompts");
    for batch in sweep.batches(model.config()) {
        let part = sweep.run_batch(&model, &executor, batch.clone(), &mut |done| {
            bar.set(batch.start + done);
            ControlFlow::Continue(())
        })?;
        for place in places(&part.collected, batch.start, &starts, sites) {
            stacked.write(place.tensor, place.row, place.first, place.shape, place.values)?;
        }
    }
    bar.finish();
    let notes = description(&model, &sweep, &data, &spec, has_table)?;
    stacked.finish(format, &notes, file)?;
    let mut text = format!("Written: {}\n", out.display());
    if let Some((path, file)) = table {
        let table = plan_sweep::rows_table(&model, &sweep, &(0..rows))?;
        let bytes = vene_files::undisturbed(|| -> anyhow::Result<_> {
            let folder = vene_files::temporary_folder(folder_of(&out))?;
            let beside = folder.path().join("rows.parquet");
            table.write_parquet(&beside)?;
            Ok(vene_files::read(&beside, u64::MAX)?)
        })?;
        file.write(|file| Ok(std::io::Write::write_all(file, &bytes)?))?;
        text.push_str(&format!("Which row is which: {}\n", path.display()));
    }
    names.iter().for_each(|name| text.push_str(name));
    terminal::print(&text)
}

/// What is collected on a model, and how it lies in tensors.
struct Checked {
    data: DataSet,
    sweep: PlanSweep,
    /// How many sites there are.
    sites: usize,
    layout: Layout,
    memory: Option<usize>,
}

/// Checks what an experiment asks for on a model.
fn check(experiment: &Experiment, outline: &Outline) -> anyhow::Result<Checked> {
    let has_table = experiment.has_rows();
    let plan = experiment.plan(outline)?;
    let mut data = experiment.rows(outline)?;
    if !has_table && plan.reads_sources() {
        add_source(experiment, &mut data);
    }
    rows::check_roles(&plan, &data)?;
    let bos = key!(experiment, model.bos).unwrap_or_default();
    let pad = key!(experiment, tensors.pad).unwrap_or(false);
    let memory = key!(experiment, limits.memory);
    experiment.given.check("a collection of activations", READ_BY)?;
    let (sites, items) = sites(&plan)?;
    let sweep = PlanSweep::builder(outline)
        .plan(plan)
        .rows(&data.rows)
        .bos(bos)
        .metrics([])
        .padded()
        .build()
        .map_err(|error| of_prompts(has_table, error))?;
    if let Some(memory) = memory {
        sweep.fits(outline, memory)?;
    }
    if let (false, Some(row)) = (has_table, sweep.left_out().first()) {
        bail!("prompt {}: {}", row.index, row.reason);
    }
    let layout = Layout::of(outline, &sweep, &sites, items, pad)?;
    Ok(Checked { data, sweep, sites: sites.len(), layout, memory })
}

/// Gives prompts that were typed the source that the plan's edits read.
fn add_source(experiment: &Experiment, data: &mut DataSet) {
    let Some(source) = key!(experiment, data.sources).into_iter().next() else { return };
    let in_source = key!(experiment, data.source_spans);
    for row in &mut data.rows {
        row.source = Some(source.clone());
        for (name, span) in Arc::make_mut(&mut row.spans) {
            if let Some(phrase) = in_source.get(name) {
                span.source = Some(phrase.as_str().into());
            }
        }
    }
}

/// Says what of a plan a collection reads.
fn account_of_plan(experiment: &Experiment) {
    let given = &experiment.given;
    for section in ["edit", "collect", "grid"] {
        given.read_section(section);
    }
    // Known to be for other commands.
    for section in ["train", "generate", "measure", "statistics", "read"] {
        given.read_section(section);
    }
    given.read_of_plan("limits", &["executor"]);
    if experiment.sections.train.is_some() || experiment.sections.generate.is_some() {
        // What is trained on, or continued.
        given.read_section("data");
    }
}

/// The sites of which a plan collects, and at how many lists of positions each.
fn sites(plan: &Plan) -> anyhow::Result<(Vec<CollectedSite>, usize)> {
    let collects: Vec<_> = plan.collects().collect();
    let mut sites: Vec<CollectedSite> = Vec::new();
    for (component, layer, _) in &collects {
        if !sites.contains(&(*component, *layer)) {
            sites.push((*component, *layer));
        }
    }
    ensure!(
        !sites.is_empty(),
        "nothing is collected: say what with --component, or by [[collect]] in the plan"
    );
    let items = collects.len() / sites.len();
    for (index, (component, layer, positions)) in collects.iter().enumerate() {
        let first = &collects[index % items].2;
        ensure!(
            (*component, *layer) == sites[index / items] && positions == first,
            "a file of tensors has each site at the same positions, and {component} is collected at others than the \
             first: collect them one after the other"
        );
    }
    Ok((sites, items))
}

/// What the file says of itself.
fn description(
    model: &vene::Model,
    sweep: &PlanSweep,
    data: &DataSet,
    spec: &Spec,
    has_table: bool,
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
        "model": model::record(model, &spec.model)?,
        "experiment": spec.experiment,
        "plan_files": spec.files,
    });
    if has_table {
        // Its rows stand in a table of their own.
        description["data"] =
            json!({ "from": data.from, "sha256": data.sha256, "rows": data.rows.len() });
        description["rows"] = sweep.rows().iter().map(|row| row.index).collect::<Value>();
    } else {
        description["prompts"] = prompts.collect::<Value>();
    }
    Ok(description.to_string())
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
        sites: &[CollectedSite],
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
        let stack = |&(component, layer): &CollectedSite| {
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

/// A row's values on their way into a tensor.
struct Place<'c> {
    tensor: usize,
    row: usize,
    /// The first of their places in the row.
    first: usize,
    shape: &'c [usize],
    values: &'c [f32],
}

/// Where what a batch collected belongs, whose first row this is; `starts` are the positions' first places in a row.
fn places<'c>(
    collected: &'c Collected,
    first_row: usize,
    starts: &'c [usize],
    sites: usize,
) -> impl Iterator<Item = Place<'c>> {
    let items = collected.values.iter().enumerate().take(sites * starts.len());
    items.flat_map(move |(index, rows)| {
        let (tensor, first) = (index / starts.len(), starts[index % starts.len()]);
        rows.iter().enumerate().map(move |(row, values)| Place {
            tensor,
            row: first_row + row,
            first,
            shape: &values.shape,
            values: &values.values,
        })
    })
}

/// What is wrong, by the prompt's number where prompts were given.
fn of_prompts(has_table: bool, error: PlanSweepError) -> anyhow::Error {
    match error {
        PlanSweepError::NoneUsable { reason, .. } if !has_table => {
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
