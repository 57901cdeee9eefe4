//! What becomes of something that is measured of a circuit in each row of a data set: its forecast, or its run, written as it goes.
//!
//! Each row is a file in `DIR/parts`, which appears whole or not at all, so that a run that was stopped or killed is resumed with `--resume DIR`: rows
//! whose parts are there are not run again. When all are there they become one table. What is measured is a [`Measure`]: edges, paths, circuits.

mod edges;
mod faithfulness;
mod measure;
mod number;
mod pairs;
mod paths;
mod record;
mod scrub;

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use vene::statistics::Bootstrap;
use vene::{Model, Outline, Precision};
use vene_table::{Joined, Table, TableFile};

use crate::command::join::Shards;
use crate::data_set::DataSource;
use crate::experiment::{self, Spec};
use crate::folder::Folder;
use crate::model;
use crate::parts::Parts;
use crate::prompts;
use crate::record::{RECORD, Record};
use crate::rows;
use crate::shard::{self, Shard};
use crate::terminal;

pub use measure::Measure;
pub use number::effect;

/// What a part is made of.
const FILES: [&str; 1] = ["parquet"];

const EXAMPLES: &str = "examples.parquet";

/// How rows are measured and summarised.
pub struct Settings {
    pub spec: Spec,
    pub precision: Precision,
    pub json: bool,
    pub bootstrap: Bootstrap,
    pub data: DataSource,
    /// The stretch of the rows that is run, where not all are.
    pub shard: Option<Shard>,
}

/// Says what would run.
pub fn forecast(
    outline: &Outline,
    measure: &dyn Measure,
    settings: &Settings,
    out: &Path,
) -> anyhow::Result<()> {
    warn(outline, measure, &settings.data);
    if settings.json {
        return terminal::print_json(&record::forecast(measure, out));
    }
    let out = format!("Would write into {}\n", out.display());
    terminal::print(&(measure.forecast() + &out))
}

/// Measures from the beginning, in a folder that was claimed for it.
pub fn start(
    outline: Outline,
    measure: &dyn Measure,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    let files = files(measure);
    folder.check_files(&files)?;
    let mut record = record::begin(&outline, measure, settings)?;
    folder.begin(&mut record, &files)?;
    folder.run(|| {
        let model = model::load(outline, settings.precision)?;
        warn(&model, measure, &settings.data);
        let parts = Parts::open(folder.path(), &FILES, batches(measure, settings)?, &record)?;
        finish(&model, measure, settings, folder, (record, parts))
    })
}

/// Warns of what may make a result other than was meant.
pub fn warn(outline: &Outline, measure: &dyn Measure, data: &DataSource) {
    rows::warn_of_left_out(measure.rows().left_out(), data.rows);
    let prepared = measure.rows().prepared();
    if let Some(row) = prepared.first() {
        prompts::warn_about_bos(outline, &row.base);
    }
    rows::warn_of_answers(outline, prepared);
}

/// Resumes a run that was stopped, in the folder that was claimed for that.
pub fn go_on(
    outline: Outline,
    measure: &dyn Measure,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    let begun = record::begin(&outline, measure, settings)?;
    let mut record = folder.earlier().context("there is no run to go on with")?.clone();
    experiment::check_same(&record, &begun, folder.path())?;
    folder.check_files(&files(measure))?;
    let parts = Parts::open(folder.path(), &FILES, batches(measure, settings)?, &record)?;
    folder.put_on_record(&mut record)?;
    folder.run(|| {
        let model = model::load(outline, settings.precision)?;
        finish(&model, measure, settings, folder, (record, parts))
    })
}

/// Puts the shards of a run together, in a folder that was claimed for that.
pub fn put_together(
    outline: &Outline,
    measure: &dyn Measure,
    settings: &Settings,
    folder: &Folder,
    shards: &Shards,
) -> anyhow::Result<()> {
    let files = files(measure);
    folder.check_files(&files)?;
    let mut record = record::begin(outline, measure, settings)?;
    folder.begin(&mut record, &files)?;
    folder.run(|| {
        let tables = shards.tables(EXAMPLES)?;
        let examples = Joined::of(&tables, measure.alike())?;
        write(outline, measure, settings, folder, record, (examples, shards.seconds()))
    })
}

/// All files that a finished run may have.
fn files(measure: &dyn Measure) -> Vec<String> {
    let tables = measure.tables().into_iter().flat_map(table_files);
    let figures = measure
        .figures()
        .into_iter()
        .flat_map(|stem| ["svg", "png"].map(|ending| format!("{stem}.{ending}")));
    [EXAMPLES, RECORD].map(str::to_owned).into_iter().chain(tables).chain(figures).collect()
}

fn table_files(name: &str) -> [String; 2] {
    ["parquet", "csv"].map(|ending| format!("{name}.{ending}"))
}

/// The batches of the rows that are run: each row is one.
fn batches(measure: &dyn Measure, settings: &Settings) -> anyhow::Result<Vec<Range<usize>>> {
    let rows = shard::rows_of(settings.shard, measure.rows().prepared().len())?;
    Ok(rows.map(|row| row..row + 1).collect())
}

/// Runs the rows that are missing, and writes what came of all.
fn finish(
    model: &Model,
    measure: &dyn Measure,
    settings: &Settings,
    folder: &Folder,
    (record, parts): (Record, Parts),
) -> anyhow::Result<()> {
    let start = Instant::now();
    run(model, measure, &parts)?;
    let seconds = start.elapsed().as_secs_f64();
    let tables = parts.tables(FILES[0])?;
    let examples = Joined::of(&tables, measure.alike())?;
    write(model, measure, settings, folder, record, (examples, seconds))
}

fn run(model: &Model, measure: &dyn Measure, parts: &Parts) -> anyhow::Result<()> {
    let missing = parts.missing();
    if missing.is_empty() {
        return Ok(());
    }
    let each = measure.per_row();
    let bar = terminal::Bar::new(parts.batches().len() * each, measure.unit());
    let mut done = (parts.batches().len() - missing.len()) * each;
    bar.begin_at(done as u64);
    for (index, batch) in missing {
        let table = measure.run_row(model, batch.start, &mut |more| {
            done += more;
            bar.set(done);
            ControlFlow::Continue(())
        })?;
        parts.write(index, &[&|path| Ok(table.write_parquet(path)?)])?;
    }
    bar.finish();
    Ok(())
}

/// Writes what came of a run.
fn write(
    outline: &Outline,
    measure: &dyn Measure,
    settings: &Settings,
    folder: &Folder,
    mut record: Record,
    (examples, seconds): (Joined<'_, TableFile>, f64),
) -> anyhow::Result<()> {
    let summaries: Vec<Table> = measure.summaries(&examples, &settings.bootstrap)?;
    let figures = measure.draw(&summaries, &settings.data, outline).files();
    let names = measure.tables();
    let mut files = vec![EXAMPLES.to_owned()];
    files.extend(names.iter().flat_map(|name| table_files(name)));
    files.extend(figures.iter().map(|(name, _)| name.clone()));
    files.push(RECORD.to_owned());
    // Its files must still be those that were opened.
    record.set("model", model::record(outline, &settings.spec.model)?);
    record::end(&mut record, &examples, names.iter().zip(&summaries), &files, seconds);
    folder.fill(&mut record, |files| {
        files.parquet(EXAMPLES, examples)?;
        for (name, table) in names.iter().zip(&summaries) {
            let [parquet, csv] = table_files(name);
            files.parquet(&parquet, table.clone())?;
            files.csv(&csv, table)?;
        }
        files.made(&figures)
    })?;
    // Only now is the run complete; and with that the parts go.
    folder.complete(&mut record)?;
    match settings.json {
        true => terminal::print_json(&record.value()),
        false => {
            let text = measure.text(&summaries, seconds)?;
            terminal::print(&(text + &terminal::written(folder.path().display(), &files)))
        }
    }
}
