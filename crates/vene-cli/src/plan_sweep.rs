//! What becomes of a checked plan over a data set: its forecast, or its run, written as it goes.
//!
//! As in a sweep over a data set, a batch of rows is a part of its own ([`Parts`]), so that a run that was stopped is gone on
//! with; when all are there they become the tables and tensors of the run.

mod figures;
mod record;
mod stacked;
mod summary;

use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use serde_json::Value;
use vene::plan_sweep::{PlanSweep, join};
use vene::sweep::Summary;
use vene::{ExecutorName, Model, Outline, Precision};
use vene_table::{Joined, TableFile, TableSource};

use crate::command::join::Shards;
use crate::data_set::DataSource;
use crate::executor;
use crate::experiment::{self, Spec};
use crate::folder::Folder;
use crate::model;
use crate::parts::Parts;
use crate::prompts;
use crate::record::{RECORD, Record};
use crate::shard::{self, Shard};
use crate::stacked::join as join_tensors;
use crate::{rows, terminal, threads};

pub use figures::{draw, texts};
pub use record::{outcomes, rows as rows_table};

/// What a part is made of.
const FILES: [&str; 3] = ["parquet", "receipts.parquet", "safetensors"];

const EXAMPLES: &str = "examples.parquet";
const SUMMARY_PARQUET: &str = "summary.parquet";
const SUMMARY_CSV: &str = "summary.csv";
const RECEIPTS: &str = "receipts.parquet";
const COLLECTED: &str = "collected.safetensors";
const ROWS: &str = "rows.parquet";

/// How a plan is run and summarised.
pub struct Settings {
    pub spec: Spec,
    pub precision: Precision,
    pub executor: ExecutorName,
    pub memory: Option<usize>,
    pub json: bool,
    pub summary: Summary,
    pub data: DataSource,
    /// The stretch of the rows (of one row, of the grid) that is run, where not all are.
    pub shard: Option<Shard>,
    /// What is told of the model beside what the sweep measures: for the record, and in words.
    pub also: Option<Also>,
}

/// What else is asked of a model once the runs are done.
pub type Also = Box<dyn Fn(&Model) -> anyhow::Result<(Value, String)>>;

/// Says what would run and what it would cost.
pub fn forecast(outline: Outline, sweep: &PlanSweep, settings: &Settings) -> anyhow::Result<()> {
    let (work, times) = sweep.work(&outline, settings.memory)?;
    let operations = work.operations() * times;
    if settings.json {
        return terminal::print_json(&serde_json::json!({
            "model": outline.provenance().name,
            "rows": sweep.rows().len(),
            "runs": sweep.runs(),
            "measured": sweep.measured(),
            "floating_point_operations": operations,
            "threads": threads::count(),
        }));
    }
    terminal::print(&format!(
        "\
{} on {}: nothing was run, nothing written
  rows            {} of {}
  runs            {}{}
  measured        {}
  operations      {:.1} GFLOP
",
        sweep.intervention(),
        model::short_name(&outline),
        sweep.rows().len(),
        settings.data.rows,
        sweep.runs(),
        match sweep.grid().variables.as_slice() {
            [] => String::new(),
            names => format!(", over {}", names.join(" x ")),
        },
        match sweep.measured() {
            names if names.is_empty() => "nothing (what is collected is kept)".to_owned(),
            names => names.join(", "),
        },
        operations / 1e9,
    ))
}

/// Runs a plan from the beginning, in a folder that was claimed for it.
pub fn start(
    outline: Outline,
    sweep: &PlanSweep,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    let files = files(&outline, sweep);
    folder.check_files(&files)?;
    let mut record = record::begin(&outline, sweep, settings)?;
    warn(&outline, sweep, settings.data.rows);
    folder.begin(&mut record, &files)?;
    folder.run(|| {
        let model = executor::load(settings.executor, outline, settings.precision)?;
        let rows = own_rows(sweep, settings)?;
        let batches = sweep.batches_in(rows, model.config());
        let parts = Parts::open(folder.path(), &FILES, batches, &record)?;
        finish(&model, sweep, settings, folder, (record, parts))
    })
}

/// Goes on with a run that was stopped, in the folder that was claimed for that.
pub fn go_on(
    outline: Outline,
    sweep: &PlanSweep,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    let begun = record::begin(&outline, sweep, settings)?;
    let mut record = folder.earlier().context("there is no run to go on with")?.clone();
    experiment::check_same(&record, &begun, folder.path())?;
    folder.check_files(&files(&outline, sweep))?;
    let rows = own_rows(sweep, settings)?;
    let batches = sweep.batches_in(rows, outline.config());
    let parts = Parts::open(folder.path(), &FILES, batches, &record)?;
    folder.put_on_record(&mut record)?;
    folder.run(|| {
        let model = executor::load(settings.executor, outline, settings.precision)?;
        finish(&model, sweep, settings, folder, (record, parts))
    })
}

/// What a shard runs: a stretch of the rows; or, of one row, a stretch of the grid's runs in it.
pub fn shared(sweep: PlanSweep, shard: Option<Shard>) -> anyhow::Result<PlanSweep> {
    match shard {
        Some(shard) if sweep.rows().len() == 1 => {
            let runs =
                shard.stretch(sweep.grid().runs.len(), "runs of the grid over the only row")?;
            Ok(sweep.of_runs(runs)?)
        }
        shard => shard::rows_of(shard, sweep.rows().len()).map(|_| sweep),
    }
}

/// The rows that are run.
fn own_rows(sweep: &PlanSweep, settings: &Settings) -> anyhow::Result<Range<usize>> {
    match sweep.rows().len() {
        1 => Ok(0..1),
        rows => shard::rows_of(settings.shard, rows),
    }
}

/// Warns of what may make a result of the data set's `rows` other than was meant.
pub fn warn(outline: &Outline, sweep: &PlanSweep, rows: usize) {
    if let Some(row) = sweep.rows().first() {
        prompts::warn_about_bos(outline, &row.base);
    }
    rows::warn_of_left_out(sweep.left_out(), rows);
    rows::warn_of_answers(outline, sweep.rows());
    if sweep.grid().runs.iter().all(|run| run.plan.intervention_names().is_empty()) {
        terminal::warn("the plan has no edits ([[edit]]): every effect is 0");
    }
}

/// All files that a finished run may have.
fn files(outline: &Outline, sweep: &PlanSweep) -> Vec<String> {
    let tables = [EXAMPLES, SUMMARY_PARQUET, SUMMARY_CSV, RECEIPTS, RECORD].map(str::to_owned);
    let collected = match sweep.sites(outline.config()).is_empty() {
        true => Vec::new(),
        false => vec![COLLECTED.to_owned(), ROWS.to_owned()],
    };
    tables.into_iter().chain(collected).chain(figures::names(sweep)).collect()
}

/// Runs the batches that are missing, and writes what came of all.
fn finish(
    model: &Model,
    sweep: &PlanSweep,
    settings: &Settings,
    folder: &Folder,
    (record, parts): (Record, Parts),
) -> anyhow::Result<()> {
    let start = Instant::now();
    run(model, sweep, settings, &parts)?;
    let seconds = start.elapsed().as_secs_f64();
    let also = settings.also.as_ref().map(|also| also(model)).transpose()?;
    let (examples, receipts) = (parts.tables(FILES[0])?, parts.tables(FILES[1])?);
    let found = Found {
        examples: join(&examples)?,
        receipts: Joined::of(&receipts, &[])?,
        tensors: (0..parts.batches().len()).map(|batch| parts.path(batch, FILES[2])).collect(),
        seconds,
        also,
    };
    write(model, sweep, settings, folder, record, found)
}

/// Puts the shards of a run together, in a folder that was claimed for that.
pub fn put_together(
    outline: Outline,
    sweep: &PlanSweep,
    settings: &Settings,
    folder: &Folder,
    shards: &Shards,
) -> anyhow::Result<()> {
    let files = files(&outline, sweep);
    folder.check_files(&files)?;
    let mut record = record::begin(&outline, sweep, settings)?;
    folder.begin(&mut record, &files)?;
    folder.run(|| {
        let (examples, receipts) = (shards.tables(EXAMPLES)?, shards.tables(RECEIPTS)?);
        let mut found = Found {
            examples: join(&examples)?,
            receipts: Joined::of(&receipts, &[])?,
            tensors: shards.files(COLLECTED),
            seconds: shards.seconds(),
            also: None,
        };
        if let Some(also) = &settings.also {
            let model = executor::load(settings.executor, outline, settings.precision)?;
            found.also = Some(also(&model)?);
            return write(&model, sweep, settings, folder, record, found);
        }
        write(&outline, sweep, settings, folder, record, found)
    })
}

/// What came of all rows.
struct Found<'t> {
    examples: Joined<'t, TableFile>,
    receipts: Joined<'t, TableFile>,
    /// Files of tensors, of stretches of the rows in their order.
    tensors: Vec<PathBuf>,
    seconds: f64,
    also: Option<(Value, String)>,
}

/// Writes what came of a run.
fn write(
    outline: &Outline,
    sweep: &PlanSweep,
    settings: &Settings,
    folder: &Folder,
    mut record: Record,
    found: Found<'_>,
) -> anyhow::Result<()> {
    let Found { examples, receipts, tensors, seconds, also } = found;
    let summary = match examples.rows() == 0 {
        true => None,
        false => Some(settings.summary.of(&examples)?),
    };
    let figures = summary.as_ref().map_or_else(Vec::new, |summary| {
        let of = (&settings.data, settings.summary.discovery.as_deref());
        figures::draw(&examples, summary, sweep, outline, of).files()
    });
    let mut files = vec![EXAMPLES.to_owned()];
    if summary.is_some() {
        files.extend([SUMMARY_PARQUET.to_owned(), SUMMARY_CSV.to_owned()]);
    }
    files.push(RECEIPTS.to_owned());
    let has_tensors = !sweep.sites(outline.config()).is_empty();
    if has_tensors {
        files.extend([COLLECTED.to_owned(), ROWS.to_owned()]);
    }
    files.extend(figures.iter().map(|(name, _)| name.clone()));
    files.push(RECORD.to_owned());
    if let Some((value, _)) = &also {
        record.set("evaluation", value.clone());
    }
    // Its files must still be those that were opened.
    record.set("model", model::record(outline, &settings.spec.model)?);
    record::end(&mut record, &examples, &receipts, &files, seconds)?;
    folder.fill(&mut record, |files| {
        files.parquet(EXAMPLES, examples)?;
        if let Some(summary) = &summary {
            files.parquet(SUMMARY_PARQUET, summary.clone())?;
            files.csv(SUMMARY_CSV, summary)?;
        }
        files.parquet(RECEIPTS, receipts)?;
        if has_tensors {
            let rows = own_rows(sweep, settings)?;
            let notes = record::notes(outline, sweep, settings, &rows)?;
            join_tensors(&tensors, rows.len(), &files.path(COLLECTED), notes)?;
            files.parquet(ROWS, record::rows(outline, sweep, &rows)?)?;
        }
        files.made(&figures)
    })?;
    folder.complete(&mut record)?;
    if settings.json {
        return terminal::print_json(&record.value());
    }
    let mut text = format!(
        "{}: {} runs in {} rows, in {}{}\n",
        sweep.intervention(),
        sweep.own_runs().len(),
        own_rows(sweep, settings)?.len(),
        terminal::duration(seconds),
        if sweep.first_tokens() { "; answers are read by their first token" } else { "" },
    );
    if let Some(summary) = &summary {
        text += &summary::text(summary, sweep)?;
    }
    if let Some((_, also)) = also {
        text += &also;
    }
    terminal::print(&(text + &terminal::written(folder.path().display(), &files)))
}

/// Runs the batches whose parts are missing.
fn run(model: &Model, sweep: &PlanSweep, settings: &Settings, parts: &Parts) -> anyhow::Result<()> {
    let executor = executor::on(settings.executor, model, settings.memory);
    let runs = sweep.own_runs().len();
    let missing = parts.missing();
    let all: usize = parts.batches().iter().map(ExactSizeIterator::len).sum();
    let bar = terminal::Bar::new(all * runs, "runs");
    let rows: usize = missing.iter().map(|(_, batch)| batch.len()).sum();
    let mut before = (all - rows) * runs;
    bar.begin_at(before as u64);
    for (index, batch) in missing {
        let size = batch.len() * runs;
        let part = sweep.run_batch(model, &*executor, batch, &mut |done| {
            bar.set(before + done);
            ControlFlow::Continue(())
        })?;
        parts.write(
            index,
            &[
                &|path| Ok(part.examples.write_parquet(path)?),
                &|path| Ok(part.receipts.write_parquet(path)?),
                &|path| stacked::write(&part.collected, path),
            ],
        )?;
        before += size;
    }
    bar.finish();
    Ok(())
}
