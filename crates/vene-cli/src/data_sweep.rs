//! What becomes of a checked sweep over a data set: its preflight and forecast, or its run, written
//! as it goes.
//!
//! A batch of rows is a file in `DIR/parts`, which appears whole or not at all. So a sweep that was
//! stopped, killed or lost its machine is taken up with `--resume DIR`: batches whose parts are there, and are what they
//! say (`part`), are not run again, and the others give what they would have given. When all are there they become
//! one table, and the folder of parts goes.

mod figures;
mod preflight;
mod record;
mod summary;

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use serde_json::json;
use vene::data::{FoilIs, PreparedRow};
use vene::sweep::{Means, Summary, join};
use vene::{Direction, ExecutorName, ForecastOf, Model, Outline, Precision, PromptForm, Sweep};
use vene_table::{Joined, TableFile};

use crate::command::join::Shards;
use crate::data_set::DataSource;
use crate::executor;
use crate::experiment::{self, Spec};
use crate::folder::Folder;
use crate::look::records;
use crate::model;
use crate::parts::Parts;
use crate::prompts;
use crate::record::{RECORD, Record, with_results};
use crate::rows;
use crate::shard::{self, Shard};
use crate::terminal;

pub use figures::draw;

/// What a part is made of.
const FILES: [&str; 1] = ["parquet"];

const EXAMPLES: &str = "examples.parquet";
const SUMMARY_PARQUET: &str = "summary.parquet";
const SUMMARY_CSV: &str = "summary.csv";

/// How a sweep is run and summarised.
pub struct Settings {
    pub spec: Spec,
    pub form: PromptForm,
    pub precision: Precision,
    pub executor: ExecutorName,
    pub memory: Option<usize>,
    pub json: bool,
    pub summary: Summary,
    pub data: DataSource,
    /// The stretch of the rows that is run, where not all are.
    pub shard: Option<Shard>,
}

/// Says what would run and what it would cost; the model is asked what it knows of the task.
pub fn forecast(
    outline: Outline,
    sweep: &Sweep,
    settings: &Settings,
    out: &Path,
) -> anyhow::Result<()> {
    let forecast = sweep.forecast(&outline, ForecastOf::Forked(settings.memory))?;
    let model = executor::load(settings.executor, outline, settings.precision)?;
    warn(&model, sweep);
    let preflight =
        sweep.preflight(&model, &*executor::on(settings.executor, &model, settings.memory))?;
    if settings.json {
        return terminal::print_json(&preflight::json(&model, sweep, &preflight, &forecast, out));
    }
    let text = preflight::text(&model, sweep, &preflight)
        + &preflight::cost(sweep, &forecast, settings.executor, out);
    terminal::print(&text)
}

/// Runs a sweep from the beginning, in a folder that was claimed for it.
pub fn start(
    outline: Outline,
    sweep: &Sweep,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    let files = files(sweep);
    folder.check_files(&files)?;
    let mut record = record::begin(&outline, sweep, settings)?;
    folder.begin(&mut record, &files)?;
    folder.run(|| {
        let model = executor::load(settings.executor, outline, settings.precision)?;
        warn(&model, sweep);
        let preflight =
            sweep.preflight(&model, &*executor::on(settings.executor, &model, settings.memory))?;
        if !settings.json && !terminal::is_quiet() {
            terminal::print(&preflight::text(&model, sweep, &preflight))?;
        }
        record::set_preflight(&mut record, &preflight);
        folder.put_on_record(&mut record)?;
        let parts = Parts::open(folder.path(), &FILES, batches(sweep, settings)?, &record)?;
        finish(&model, sweep, settings, folder, (record, parts))
    })
}

/// Warns of what may make a result other than was meant.
pub fn warn(outline: &Outline, sweep: &Sweep) {
    // All prompts begin alike, so the first stands for all.
    if let Some(row) = sweep.rows().first() {
        prompts::warn_about_bos(outline, &row.base);
    }
    rows::warn_of_answers(outline, sweep.rows());
    let foreign = |row: &&PreparedRow| row.row.foil_is != FoilIs::SourceAnswer;
    if sweep.directions().contains(&Direction::Denoising)
        && let Some(row) = sweep.rows().iter().find(foreign)
    {
        let rows = sweep.rows().iter().filter(foreign).count();
        terminal::warn(format!(
            "{}: the foil is not known to be the source's answer (in {rows} rows): denoising shows how far \
             the target gains on the foil in the source's run, not on what that run says by itself",
            row.name()
        ));
    }
}

/// Goes on with a sweep that was stopped, in the folder that was claimed for that.
pub fn go_on(
    outline: Outline,
    sweep: &Sweep,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    let begun = record::begin(&outline, sweep, settings)?;
    let mut record = folder.earlier().context("there is no sweep to go on with")?.clone();
    experiment::check_same(&record, &begun, folder.path())?;
    folder.check_files(&files(sweep))?;
    // What is damaged is told before the model is loaded, and is no failure of the run.
    let parts = Parts::open(folder.path(), &FILES, batches(sweep, settings)?, &record)?;
    folder.put_on_record(&mut record)?;
    folder.run(|| {
        let model = executor::load(settings.executor, outline, settings.precision)?;
        if record.get("preflight").is_null() {
            // It was stopped before it knew.
            let executor = executor::on(settings.executor, &model, settings.memory);
            record::set_preflight(&mut record, &sweep.preflight(&model, &*executor)?);
        }
        finish(&model, sweep, settings, folder, (record, parts))
    })
}

/// All files that a finished run may have.
fn files(sweep: &Sweep) -> Vec<String> {
    let tables = [EXAMPLES, SUMMARY_PARQUET, SUMMARY_CSV, RECORD].map(str::to_owned);
    tables.into_iter().chain(figures::names(sweep)).collect()
}

/// Runs the batches that are missing, and writes what came of all.
fn finish(
    model: &Model,
    sweep: &Sweep,
    settings: &Settings,
    folder: &Folder,
    (mut record, parts): (Record, Parts),
) -> anyhow::Result<()> {
    let start = Instant::now();
    if let Some(means) = run(model, sweep, settings, &parts)? {
        record::set_means(&mut record, &means);
    }
    let seconds = start.elapsed().as_secs_f64();
    let tables = parts.tables(FILES[0])?;
    write(model, sweep, settings, folder, record, (join(&tables)?, seconds))
}

/// Puts the shards of a sweep together, in a folder that was claimed for that.
pub fn put_together(
    outline: &Outline,
    sweep: &Sweep,
    settings: &Settings,
    folder: &Folder,
    shards: &Shards,
) -> anyhow::Result<()> {
    let files = files(sweep);
    folder.check_files(&files)?;
    let mut record = record::begin(outline, sweep, settings)?;
    folder.begin(&mut record, &files)?;
    folder.run(|| {
        let tables = shards.tables(EXAMPLES)?;
        let examples = join(&tables)?;
        for key in ["preflight", "noise_standard_deviation"] {
            record.set(key, shards.first().get(key).clone());
        }
        write(outline, sweep, settings, folder, record, (examples, shards.seconds()))
    })
}

/// The batches of the rows that are run.
fn batches(sweep: &Sweep, settings: &Settings) -> anyhow::Result<Vec<Range<usize>>> {
    Ok(sweep.batches_in(shard::rows_of(settings.shard, sweep.rows().len())?))
}

/// Writes what came of a sweep.
fn write(
    outline: &Outline,
    sweep: &Sweep,
    settings: &Settings,
    folder: &Folder,
    mut record: Record,
    (examples, seconds): (Joined<'_, TableFile>, f64),
) -> anyhow::Result<()> {
    let summary = settings.summary.of(&examples)?;
    let of = (&settings.data, settings.summary.discovery.as_deref());
    let figures = figures::draw(&examples, &summary, sweep, outline, of).files();
    let mut files = vec![EXAMPLES.to_owned(), SUMMARY_PARQUET.to_owned(), SUMMARY_CSV.to_owned()];
    files.extend(figures.iter().map(|(name, _)| name.clone()));
    files.push(RECORD.to_owned());
    // Its files must still be those that were opened.
    record.set("model", model::record(outline, &settings.spec.model)?);
    record::end(&mut record, &examples, &summary, &files, seconds)?;
    folder.fill(&mut record, |files| {
        files.parquet(EXAMPLES, examples)?;
        files.parquet(SUMMARY_PARQUET, summary.clone())?;
        files.csv(SUMMARY_CSV, &summary)?;
        files.made(&figures)
    })?;
    // Only now is the run complete; and with that the parts go.
    folder.complete(&mut record)?;
    match settings.json {
        true => {
            let results = json!({ "summary": records(&summary) });
            terminal::print_json(&with_results(&record, results))
        }
        false => {
            let text = summary::text(&summary, sweep, seconds)?;
            terminal::print(&(text + &terminal::written(folder.path().display(), &files)))
        }
    }
}

/// Runs the batches whose parts are missing; where there are any, what was measured before them.
fn run(
    model: &Model,
    sweep: &Sweep,
    settings: &Settings,
    parts: &Parts,
) -> anyhow::Result<Option<Means>> {
    let missing = parts.missing();
    if missing.is_empty() {
        return Ok(None);
    }
    let executor = executor::on(settings.executor, model, settings.memory);
    let means = sweep.means(model, &*executor)?;
    let all: usize = parts.batches().iter().map(ExactSizeIterator::len).sum();
    let bar = terminal::Bar::new(all * sweep.interventions_per_row(), "interventions");
    let rows: usize = missing.iter().map(|(_, batch)| batch.len()).sum();
    let mut before = (all - rows) * sweep.interventions_per_row();
    bar.begin_at(before as u64);
    for (index, batch) in missing {
        let size = batch.len() * sweep.interventions_per_row();
        let part = sweep.run_batch(model, &*executor, &means, batch, &mut |done| {
            bar.set(before + done);
            ControlFlow::Continue(())
        })?;
        parts.write(index, &[&|path| Ok(part.examples().write_parquet(path)?)])?;
        before += size;
    }
    bar.finish();
    Ok(Some(means))
}
