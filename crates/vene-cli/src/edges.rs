//! What becomes of edges that are to be scored over a data set: their forecast, or their run, written as it goes.
//!
//! Each row is a file in `DIR/parts`, which appears whole or not at all, so that a run that was stopped or killed is resumed with `--resume DIR`: rows
//! whose parts are there are not run again. When all are there they become one table.

mod figure;
mod record;
mod summary;

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use vene::circuit::{self, EdgeScores};
use vene::statistics::Bootstrap;
use vene::{Model, Outline, Precision};
use vene_table::{Joined, TableFile};

use crate::command::join::Shards;
use crate::data_set::DataSource;
use crate::experiment::{self, Spec};
use crate::folder::Folder;
use crate::model;
use crate::parts::Parts;
use crate::record::{RECORD, Record};
use crate::rows;
use crate::shard::{self, Shard};
use crate::terminal;

/// What a part is made of.
const FILES: [&str; 1] = ["parquet"];

const EXAMPLES: &str = "examples.parquet";
const EDGES_PARQUET: &str = "edges.parquet";
const EDGES_CSV: &str = "edges.csv";

/// How edges are scored and summarised.
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
    scores: &EdgeScores,
    settings: &Settings,
    out: &Path,
) -> anyhow::Result<()> {
    warn(outline, scores, settings);
    if settings.json {
        return terminal::print_json(&record::forecast(scores, out));
    }
    terminal::print(&summary::forecast(scores, out))
}

/// Scores edges from the beginning, in a folder that was claimed for it.
pub fn start(
    outline: Outline,
    scores: &EdgeScores,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    let files = files(scores);
    folder.check_files(&files)?;
    let mut record = record::begin(&outline, scores, settings)?;
    folder.begin(&mut record, &files)?;
    folder.run(|| {
        let model = model::load(outline, settings.precision)?;
        warn(&model, scores, settings);
        let parts = Parts::open(folder.path(), &FILES, batches(scores, settings)?, &record)?;
        finish(&model, scores, settings, folder, (record, parts))
    })
}

/// Warns of what may make a result other than was meant.
fn warn(outline: &Outline, scores: &EdgeScores, settings: &Settings) {
    rows::warn_of_left_out(scores.rows().left_out(), settings.data.rows);
    let prepared = scores.rows().prepared();
    if let Some(row) = prepared.first() {
        model::warn_about_bos(outline, &row.base);
    }
    rows::warn_of_answers(outline, prepared);
}

/// Resumes a run that was stopped, in the folder that was claimed for that.
pub fn go_on(
    outline: Outline,
    scores: &EdgeScores,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    let begun = record::begin(&outline, scores, settings)?;
    let mut record = folder.earlier().context("there is no run to go on with")?.clone();
    experiment::check_same(&record, &begun, folder.path())?;
    folder.check_files(&files(scores))?;
    let parts = Parts::open(folder.path(), &FILES, batches(scores, settings)?, &record)?;
    folder.put_on_record(&mut record)?;
    folder.run(|| {
        let model = model::load(outline, settings.precision)?;
        finish(&model, scores, settings, folder, (record, parts))
    })
}

/// Puts the shards of a run together, in a folder that was claimed for that.
pub fn put_together(
    outline: &Outline,
    scores: &EdgeScores,
    settings: &Settings,
    folder: &Folder,
    shards: &Shards,
) -> anyhow::Result<()> {
    let files = files(scores);
    folder.check_files(&files)?;
    let mut record = record::begin(outline, scores, settings)?;
    folder.begin(&mut record, &files)?;
    folder.run(|| {
        let tables = shards.tables(EXAMPLES)?;
        write(
            outline,
            scores,
            settings,
            folder,
            record,
            (circuit::join(&tables)?, shards.seconds()),
        )
    })
}

/// All files that a finished run may have.
fn files(scores: &EdgeScores) -> Vec<String> {
    [EXAMPLES, EDGES_PARQUET, EDGES_CSV, RECORD]
        .map(str::to_owned)
        .into_iter()
        .chain(figure::names(scores))
        .collect()
}

/// The batches of the rows that are run: each row is one.
fn batches(scores: &EdgeScores, settings: &Settings) -> anyhow::Result<Vec<Range<usize>>> {
    let rows = shard::rows_of(settings.shard, scores.rows().prepared().len())?;
    Ok(rows.map(|row| row..row + 1).collect())
}

/// Runs the rows that are missing, and writes what came of all.
fn finish(
    model: &Model,
    scores: &EdgeScores,
    settings: &Settings,
    folder: &Folder,
    (record, parts): (Record, Parts),
) -> anyhow::Result<()> {
    let start = Instant::now();
    run(model, scores, &parts)?;
    let seconds = start.elapsed().as_secs_f64();
    let tables = parts.tables(FILES[0])?;
    write(model, scores, settings, folder, record, (circuit::join(&tables)?, seconds))
}

fn run(model: &Model, scores: &EdgeScores, parts: &Parts) -> anyhow::Result<()> {
    let missing = parts.missing();
    if missing.is_empty() {
        return Ok(());
    }
    let each = scores.edges_per_row();
    let bar = terminal::Bar::new(parts.batches().len() * each, "edges");
    let mut done = (parts.batches().len() - missing.len()) * each;
    bar.begin_at(done as u64);
    for (index, batch) in missing {
        let row = batch.start;
        let found = scores.run_row(model, row, &mut |more| {
            done += more;
            bar.set(done);
            ControlFlow::Continue(())
        })?;
        let table = scores.table(row, &found)?;
        parts.write(index, &[&|path| Ok(table.write_parquet(path)?)])?;
    }
    bar.finish();
    Ok(())
}

/// Writes what came of a run.
fn write(
    outline: &Outline,
    scores: &EdgeScores,
    settings: &Settings,
    folder: &Folder,
    mut record: Record,
    (examples, seconds): (Joined<'_, TableFile>, f64),
) -> anyhow::Result<()> {
    let edges = circuit::summary(&examples, &settings.bootstrap)?;
    let figures = figure::draw(&edges, scores, settings, outline).files();
    let mut files = vec![EXAMPLES.to_owned(), EDGES_PARQUET.to_owned(), EDGES_CSV.to_owned()];
    files.extend(figures.iter().map(|(name, _)| name.clone()));
    files.push(RECORD.to_owned());
    // Its files must still be those that were opened.
    record.set("model", model::record(outline, &settings.spec.model)?);
    record::end(&mut record, &examples, &edges, &files, seconds);
    folder.fill(&mut record, |files| {
        files.parquet(EXAMPLES, examples)?;
        files.parquet(EDGES_PARQUET, edges.clone())?;
        files.csv(EDGES_CSV, &edges)?;
        files.made(&figures)
    })?;
    // Only now is the run complete; and with that the parts go.
    folder.complete(&mut record)?;
    match settings.json {
        true => terminal::print_json(&record.value()),
        false => {
            let text = summary::text(&edges, scores, seconds)?;
            let listing =
                format!("\nWritten into {}: {}\n", folder.path().display(), files.join(", "));
            terminal::print(&(text + &listing))
        }
    }
}
