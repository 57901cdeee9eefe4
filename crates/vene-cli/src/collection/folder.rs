//! A collection into a folder: tensors, which row is which, what edits did, and the record by which it is run again.
//!
//! As with every run over rows a batch is a part of its own ([`Parts`]), so that a run that was stopped is gone on with.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use serde_json::json;
use vene::{Model, Outline};
use vene_table::{Joined, TableFile};

use super::{Checked, Settings};
use crate::command::join::Shards;
use crate::experiment;
use crate::folder::Folder;
use crate::parts::Parts;
use crate::record::{Kind, RECORD, Record};
use crate::stacked::{self, Stacked};
use crate::{model, plan_sweep, shard, terminal};

/// What a part is made of.
const FILES: [&str; 2] = ["receipts.parquet", "safetensors"];

const COLLECTED: &str = "collected.safetensors";
const ROWS: &str = "rows.parquet";
const RECEIPTS: &str = "receipts.parquet";

/// Runs a collection from the beginning, in a folder that was claimed for it.
///
/// # Errors
/// Failures of the computation; what cannot be written.
pub fn start(
    outline: Outline,
    checked: &Checked,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    let files = files(checked);
    folder.check_files(&files)?;
    let mut record = begin(&outline, checked, settings)?;
    folder.begin(&mut record, &files)?;
    let parts = parts(&outline, checked, settings, folder, &record)?;
    run(outline, checked, settings, folder, (record, parts))
}

/// Goes on with a collection that was stopped, in the folder that was claimed for that.
///
/// # Errors
/// One in which something is other than it was; as [`start`].
pub fn go_on(
    outline: Outline,
    checked: &Checked,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    let begun = begin(&outline, checked, settings)?;
    let mut record = folder.earlier().context("there is no collection to go on with")?.clone();
    experiment::check_same(&record, &begun, folder.path())?;
    folder.check_files(&files(checked))?;
    // What is damaged is told before the model is loaded, and is no failure of the run.
    let parts = parts(&outline, checked, settings, folder, &record)?;
    folder.put_on_record(&mut record)?;
    run(outline, checked, settings, folder, (record, parts))
}

/// Puts the shards of a collection together, in a folder that was claimed for that.
///
/// # Errors
/// Shards that cannot be read; what cannot be written.
pub fn put_together(
    outline: &Outline,
    checked: &Checked,
    settings: &Settings,
    folder: &Folder,
    shards: &Shards,
) -> anyhow::Result<()> {
    let files = files(checked);
    folder.check_files(&files)?;
    let mut record = begin(outline, checked, settings)?;
    folder.begin(&mut record, &files)?;
    folder.run(|| {
        let receipts = if has_edits(checked) { shards.tables(RECEIPTS)? } else { Vec::new() };
        let found = (receipts, shards.files(COLLECTED), shards.seconds());
        write(outline, checked, settings, folder, record, found)
    })
}

/// The record of a run that begins.
///
/// # Errors
/// As [`experiment::begin`].
pub fn begin(outline: &Outline, checked: &Checked, settings: &Settings) -> anyhow::Result<Record> {
    let (sweep, data) = (&checked.sweep, &checked.data);
    let spec = &settings.spec;
    let details = json!({ "batches": sweep.batches(outline.config()).len() });
    let mut record =
        experiment::begin(Kind::Collection, outline, spec, data, sweep.left_out(), details)?;
    if let Some(shard) = settings.shard {
        record.set("shard", shard.record("rows", &shard.rows(sweep.rows().len())?));
    }
    Ok(record)
}

fn has_edits(checked: &Checked) -> bool {
    checked.sweep.grid().runs.iter().any(|run| !run.plan.intervention_names().is_empty())
}

/// The files of a finished run.
fn files(checked: &Checked) -> Vec<String> {
    let receipts = has_edits(checked).then_some(RECEIPTS);
    let names = [COLLECTED, ROWS].into_iter().chain(receipts).chain([RECORD]);
    names.map(str::to_owned).collect()
}

/// The parts of a run.
fn parts(
    outline: &Outline,
    checked: &Checked,
    settings: &Settings,
    folder: &Folder,
    record: &Record,
) -> anyhow::Result<Parts> {
    let rows = shard::rows_of(settings.shard, checked.sweep.rows().len())?;
    let batches = checked.sweep.batches_in(rows, outline.config());
    Parts::open(folder.path(), &FILES, batches, record)
}

/// Runs the batches whose parts are missing, and writes what came of all.
fn run(
    outline: Outline,
    checked: &Checked,
    settings: &Settings,
    folder: &Folder,
    (record, parts): (Record, Parts),
) -> anyhow::Result<()> {
    folder.run(|| {
        let model = model::load(outline, settings.precision)?;
        let start = Instant::now();
        run_missing(&model, checked, &parts)?;
        let tensors = (0..parts.batches().len()).map(|batch| parts.path(batch, FILES[1]));
        let found = (parts.tables(FILES[0])?, tensors.collect(), start.elapsed().as_secs_f64());
        write(&model, checked, settings, folder, record, found)
    })
}

fn run_missing(model: &Model, checked: &Checked, parts: &Parts) -> anyhow::Result<()> {
    let executor = checked.executor(model);
    let missing = parts.missing();
    let all: usize = parts.batches().iter().map(ExactSizeIterator::len).sum();
    let mut before = all - missing.iter().map(|(_, batch)| batch.len()).sum::<usize>();
    let bar = terminal::Bar::new(all, "prompts");
    bar.begin_at(before as u64);
    for (index, batch) in missing {
        let size = batch.len();
        let mut stacked = stacked_of(checked, &batch, parts)?;
        let mut progress = |done| bar.set(before + done);
        let part = checked.run_batch(model, &executor, batch, &mut progress, &mut |place| {
            stacked.write(place.tensor, place.row, place.first, place.shape, place.values)
        })?;
        let stacked = std::cell::Cell::new(Some(stacked));
        parts.write(
            index,
            &[&|path| Ok(part.receipts.write_parquet(path)?), &|path| match stacked.take() {
                Some(stacked) => stacked.finish_part(path),
                None => Ok(()),
            }],
        )?;
        before += size;
    }
    bar.finish();
    Ok(())
}

/// The tensors of a batch's rows.
fn stacked_of(checked: &Checked, batch: &Range<usize>, parts: &Parts) -> anyhow::Result<Stacked> {
    let layout = &checked.layout;
    let lengths = layout.lengths.as_ref().map(|lengths| lengths[batch.clone()].to_vec());
    Stacked::new(parts.folder(), layout.stacks.clone(), batch.len(), lengths)
}

/// Writes what came of a run: the receipts and the tensors of stretches of the rows, and the seconds that it took.
fn write(
    outline: &Outline,
    checked: &Checked,
    settings: &Settings,
    folder: &Folder,
    mut record: Record,
    (receipts, tensors, seconds): (Vec<TableFile>, Vec<PathBuf>, f64),
) -> anyhow::Result<()> {
    let files = files(checked);
    let rows = shard::rows_of(settings.shard, checked.sweep.rows().len())?;
    // Its files must still be those that were opened.
    record.set("model", model::record(outline, &settings.spec.model)?);
    record.set("seconds", json!(seconds));
    record.set("rows", json!(rows.len()));
    record.set_files(&files);
    let receipts = if has_edits(checked) { Some(Joined::of(&receipts, &[])?) } else { None };
    if let Some(receipts) = &receipts {
        record.set("receipts", plan_sweep::outcomes(receipts)?);
    }
    let description = checked.description(outline, &settings.spec, &rows, true)?;
    folder.fill(&mut record, |files| {
        stacked::join(&tensors, rows.len(), &files.path(COLLECTED), description)?;
        files.parquet(ROWS, plan_sweep::rows_table(outline, &checked.sweep, &rows)?)?;
        receipts.map_or(Ok(()), |receipts| files.parquet(RECEIPTS, receipts))
    })?;
    folder.complete(&mut record)?;
    if settings.json {
        return terminal::print_json(&record.value());
    }
    if terminal::is_quiet() {
        return Ok(());
    }
    let text = format!("Written into {}: {}\n", folder.path().display(), files.join(", "));
    terminal::print(&(text + &checked.listing(rows.len())))
}
