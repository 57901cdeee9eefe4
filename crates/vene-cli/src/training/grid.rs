//! A grid of trainings: each plan of a file's grid is trained by itself, one after the other.
//!
//! `DIR/runs/000`, `001` and so on, in the grid's order, are what a training of that plan alone would write, to the byte of
//! what it learned. Beside them stand a table with a row for each (`summary.csv|parquet`), the accuracy over the grid
//! (`accuracy.svg|png`) and the learning curves (`curves.svg|png`). Each run has a record of its own, so that a grid that
//! was stopped goes on with the run that was interrupted.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value, json};
use vene::data::LeftOut;
use vene::plan_file::{GridRun, GridValue, PlanGrid};
use vene::{Model, Outline};
use vene_table::{Column, Kind as ColumnKind, Table};

use super::figures::{self, Curve};
use super::ready::Ready;
use super::{FILES, STEPS, Settings, put_on_record, record, summary};
use crate::command::join::Shards;
use crate::experiment;
use crate::folder::{Folder, Purpose};
use crate::record::{Kind, RECORD, Record, Status};
use crate::{model, threads};

/// The folder of all runs, within the grid's.
pub const RUNS: &str = "runs";

/// The files of a grid, in its folder.
const OF_GRID: [&str; 7] = [
    "summary.csv",
    "summary.parquet",
    "accuracy.svg",
    "accuracy.png",
    "curves.svg",
    "curves.png",
    RECORD,
];

/// The columns of the summary that no variable may be called.
const COLUMNS: [&str; 10] = [
    "run",
    "trained_rows",
    "held_out_rows",
    "left_out_rows",
    "steps",
    "loss",
    "accuracy",
    "control",
    "control_loss",
    "control_accuracy",
];

/// Trains every plan of a grid, or those of a shard, in a folder that was claimed for it.
pub fn train(
    outline: Outline,
    grid: &PlanGrid,
    settings: &Settings,
    folder: &Folder,
    is_resumed: bool,
) -> anyhow::Result<()> {
    check_names(grid)?;
    let own = stretch(grid, settings)?;
    let mut ready = Vec::with_capacity(own.len());
    for run in &grid.runs[own.clone()] {
        let of_run = Ready::new(&outline, &run.plan, settings);
        ready.push(of_run.with_context(|| grid.name(run))?);
    }
    warn(&ready, &outline, settings);
    let record = begin(&outline, grid, settings, folder, is_resumed)?;
    folder.run(|| {
        threads::start_for_training()?;
        let model = model::load(outline, settings.precision)?;
        let mut runs = Vec::with_capacity(ready.len());
        for (ready, index) in ready.iter().zip(own.clone()) {
            let run = &grid.runs[index];
            let path = folder.path().join(name_of(index, grid.runs.len()));
            let place = place(grid, run);
            let name = format!("{} of {}, {}", index + 1, grid.runs.len(), grid.name(run));
            let result = train_one(ready, &model, settings, &path, (&place, &name), is_resumed)
                .with_context(|| grid.name(run))?;
            runs.push(Run { index, path, name: grid.name(run), result });
        }
        finish(&model, grid, settings, folder, record, &runs)
    })
}

/// Puts the shards of a grid together, in a folder that was claimed for that.
pub fn put_together(
    outline: &Outline,
    grid: &PlanGrid,
    settings: &Settings,
    folder: &Folder,
    shards: &Shards,
) -> anyhow::Result<()> {
    check_names(grid)?;
    let record = begin(outline, grid, settings, folder, false)?;
    folder.run(|| {
        for (shard, _) in &shards.shards {
            let all = shard.join(RUNS);
            let runs = runs_in(&all).with_context(|| all.display().to_string())?;
            for run in runs {
                let name = run.file_name().unwrap_or_default();
                let copied = copy(&run, &folder.path().join(RUNS).join(name));
                copied.with_context(|| run.display().to_string())?;
            }
        }
        let run = |(index, run): (usize, &GridRun)| {
            let path = folder.path().join(name_of(index, grid.runs.len()));
            let found = Record::read(&path).ok();
            let found = found.filter(|record| record.status() == Some(Status::Complete));
            let found =
                found.with_context(|| format!("{}: no shard trained it", grid.name(run)))?;
            let place = Some(place(grid, run));
            experiment::check_same(&found, &super::begin(outline, settings, place)?, &path)?;
            let (name, result) = (grid.name(run), found.get("result").clone());
            Ok(Run { index, path, name, result })
        };
        let runs = grid.runs.iter().enumerate().map(run).collect::<anyhow::Result<Vec<_>>>()?;
        finish(outline, grid, settings, folder, record, &runs)
    })
}

/// Refuses a variable that is called as a column of the summary is.
fn check_names(grid: &PlanGrid) -> anyhow::Result<()> {
    if let Some(name) = grid.variables.iter().find(|name| COLUMNS.contains(&name.as_str())) {
        anyhow::bail!("`{name}` in [grid] is a column of the summary: give it another name");
    }
    Ok(())
}

/// The runs that are trained: those of a shard, or all.
fn stretch(grid: &PlanGrid, settings: &Settings) -> anyhow::Result<Range<usize>> {
    let all = grid.runs.len();
    settings.shard.map_or(Ok(0..all), |shard| shard.stretch(all, "runs of the grid"))
}

/// Writes what came of the runs. Of a shard that is the record alone: the summary is of all.
fn finish(
    outline: &Outline,
    grid: &PlanGrid,
    settings: &Settings,
    folder: &Folder,
    mut record: Record,
    runs: &[Run],
) -> anyhow::Result<()> {
    let table = table(grid, runs)?;
    record.set("model", model::record(outline, &settings.spec.model)?);
    if settings.shard.is_none() {
        let curves = runs.iter().map(Run::curve).collect::<anyhow::Result<Vec<_>>>()?;
        let mut drawn = figures::accuracy(&table, grid, outline, settings);
        drawn.extend(figures::of_grid(&curves, grid, outline, settings));
        record.set_files(&OF_GRID.map(str::to_owned));
        folder.fill(&mut record, |files| {
            files.csv("summary.csv", &table)?;
            files.parquet("summary.parquet", table.clone())?;
            files.made(&drawn)
        })?;
    }
    let result = result(grid, runs);
    record.set("result", result.clone());
    folder.complete(&mut record)?;
    let written = record.files();
    summary::print_grid(&table, &grid.variables, &result, (folder.path(), &written), settings.json)
}

/// A run that is complete.
struct Run {
    /// Its number in the grid.
    index: usize,
    path: PathBuf,
    /// Its values, in words.
    name: String,
    /// What its record says came of it.
    result: Value,
}

impl Run {
    fn number(&self, pointer: &str) -> f64 {
        self.result.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN)
    }

    fn count(&self, pointer: &str) -> i64 {
        self.result.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
    }

    /// Its losses, read from its files: it may have been trained by an earlier process.
    fn curve(&self) -> anyhow::Result<Curve> {
        let kinds = [
            ("step", ColumnKind::Integer),
            ("epoch", ColumnKind::Integer),
            ("loss", ColumnKind::Float),
            ("accuracy", ColumnKind::Float),
        ];
        let steps = Table::read_csv(self.path.join(STEPS), &kinds)?;
        let epochs = self.result["epochs"].as_array().map_or(&[][..], Vec::as_slice);
        let held_out = epochs.iter().filter_map(|epoch| epoch["held_out"]["loss"].as_f64());
        Ok(Curve::new(self.name.clone(), steps.floats("loss")?, &held_out.collect::<Vec<f64>>()))
    }
}

/// The folder of a run, within the grid's.
fn name_of(run: usize, runs: usize) -> PathBuf {
    let digits = runs.saturating_sub(1).to_string().len().max(3);
    Path::new(RUNS).join(format!("{run:0digits$}"))
}

/// A run's values by their names.
fn place(grid: &PlanGrid, run: &GridRun) -> Value {
    let value = |value: &GridValue| match value {
        GridValue::Integer(number) => json!(number),
        GridValue::Number(number) => json!(number),
        GridValue::Text(text) => json!(text),
    };
    let values = grid.variables.iter().cloned().zip(run.values.iter().map(value));
    Value::Object(values.collect::<Map<String, Value>>())
}

/// The grid's own record: a new one, or the one that is gone on with.
fn begin(
    outline: &Outline,
    grid: &PlanGrid,
    settings: &Settings,
    folder: &Folder,
    is_resumed: bool,
) -> anyhow::Result<Record> {
    let mut record = super::begin(outline, settings, None)?;
    if let Some(shard) = settings.shard {
        record.set("shard", shard.record("runs", &stretch(grid, settings)?));
    }
    let files = OF_GRID.map(str::to_owned);
    folder.check_files(&files)?;
    if !is_resumed {
        folder.begin(&mut record, &files)?;
        return Ok(record);
    }
    let before = folder.earlier().context("there is no training to go on with")?;
    experiment::check_same(before, &record, folder.path())?;
    record = before.clone();
    folder.put_on_record(&mut record)?;
    Ok(record)
}

/// Trains one plan in its folder, unless that is done; what came of it.
fn train_one(
    ready: &Ready<'_>,
    model: &Model,
    settings: &Settings,
    path: &Path,
    (place, name): (&Value, &str),
    is_resumed: bool,
) -> anyhow::Result<Value> {
    let resume = is_resumed && path.join(RECORD).exists();
    let kind = Kind::Training;
    let purpose = if resume { Purpose::Resume(kind) } else { Purpose::New { kind, force: false } };
    let folder = Folder::claim(path, purpose)?;
    if let Some(before) =
        folder.earlier().filter(|record| record.status() == Some(Status::Complete))
    {
        experiment::check_same(before, &super::begin(model, settings, Some(place.clone()))?, path)?;
        return Ok(before.get("result").clone());
    }
    let mut record = put_on_record(model, settings, Some(place.clone()), &folder, resume)?;
    folder.run(|| {
        let outcome = ready.run(model, settings, &folder, &mut record, name)?;
        Ok(record::result(&outcome))
    })
}

/// Warns of rows once, where all runs leave out the same.
fn warn(ready: &[Ready<'_>], outline: &Outline, settings: &Settings) {
    let rows = |ready: &Ready<'_>| -> Vec<usize> {
        ready.left_out().iter().map(|row: &LeftOut| row.index).collect()
    };
    let mut told: Vec<Vec<usize>> = Vec::new();
    for ready in ready {
        let rows = rows(ready);
        if !told.contains(&rows) {
            ready.warn(outline, settings);
            told.push(rows);
        }
    }
}

/// A row for each run: its values, and what it came to.
fn table(grid: &PlanGrid, runs: &[Run]) -> anyhow::Result<Table> {
    let numbers: Vec<i64> = runs.iter().map(|run| run.index as i64).collect();
    let mut table = Table::builder().column("run", numbers);
    for (variable, name) in grid.variables.iter().enumerate() {
        table = table.column(name.clone(), column(grid, runs, variable));
    }
    let floats = |pointer: &str| runs.iter().map(|run| run.number(pointer)).collect::<Vec<_>>();
    let counts = |pointer: &str| runs.iter().map(|run| run.count(pointer)).collect::<Vec<_>>();
    let control = |run: &Run| run.result["control"]["kind"].as_str().unwrap_or("").to_owned();
    let table = table
        .column("trained_rows", counts("/rows/trained"))
        .column("held_out_rows", counts("/rows/held_out"))
        .column("left_out_rows", counts("/rows/left_out"))
        .column("steps", counts("/steps"))
        .column("loss", floats("/held_out/loss"))
        .column("accuracy", floats("/held_out/accuracy"))
        .column("control", runs.iter().map(control).collect::<Vec<_>>())
        .column("control_loss", floats("/control/loss"))
        .column("control_accuracy", floats("/control/accuracy"));
    Ok(table.build()?)
}

/// A variable's values: whole numbers, numbers, or else texts.
fn column(grid: &PlanGrid, runs: &[Run], variable: usize) -> Column {
    let values = || runs.iter().map(|run| &grid.runs[run.index].values[variable]);
    let whole = |value: &GridValue| match value {
        GridValue::Integer(number) => Some(*number),
        _ => None,
    };
    let number = |value: &GridValue| match value {
        GridValue::Integer(number) => Some(*number as f64),
        GridValue::Number(number) => Some(*number),
        GridValue::Text(_) => None,
    };
    if let Some(values) = values().map(whole).collect::<Option<Vec<i64>>>() {
        return values.into();
    }
    match values().map(number).collect::<Option<Vec<f64>>>() {
        Some(values) => values.into(),
        None => values().map(ToString::to_string).collect::<Vec<String>>().into(),
    }
}

/// The result, as `--json` prints it too.
fn result(grid: &PlanGrid, runs: &[Run]) -> Value {
    let of_run = |run: &Run| {
        json!({
            "folder": name_of(run.index, grid.runs.len()).display().to_string(),
            "values": place(grid, &grid.runs[run.index]),
            "rows": run.result["rows"],
            "steps": run.result["steps"],
            "held_out": run.result["held_out"],
            "control": run.result["control"],
        })
    };
    let runs: Vec<Value> = runs.iter().map(of_run).collect();
    json!({ "runs": runs })
}

/// Copies the files of a complete run.
fn copy(run: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to.join(super::TRAINED))?;
    let trained =
        vene::plan_file::SAVED_FILES.iter().map(|name| Path::new(super::TRAINED).join(name));
    let files = FILES.iter().map(PathBuf::from).chain(trained);
    for file in files.filter(|file| run.join(file).exists()) {
        std::fs::copy(run.join(&file), to.join(&file))?;
    }
    Ok(())
}

/// Refuses what is not a folder of runs.
pub fn check(path: &Path) -> io::Result<()> {
    for run in runs_in(path)? {
        let trained = run.join(super::TRAINED);
        if trained.symlink_metadata().is_ok() {
            vene_files::check_folder(&trained, &vene::plan_file::SAVED_FILES)?;
        }
    }
    Ok(())
}

/// The folders of runs.
fn runs_in(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut runs = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_run = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        if !is_run || !entry.file_type()?.is_dir() {
            return Err(io::Error::other(format!(
                "`{name}` in it is no run of a grid of trainings"
            )));
        }
        runs.push(entry.path());
    }
    Ok(runs)
}

/// Removes the runs of a grid, and nothing else.
pub fn remove(path: &Path) -> io::Result<()> {
    for run in runs_in(path)? {
        let trained = run.join(super::TRAINED);
        let saved = vene::plan_file::SAVED_FILES.iter().map(|name| trained.join(name));
        let own = FILES.iter().chain([&super::CHECKPOINT, &vene_files::LOCK]);
        for file in saved.chain(own.map(|name| run.join(name))) {
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if trained.is_dir() {
            std::fs::remove_dir(&trained)?;
        }
        std::fs::remove_dir(&run)?;
    }
    std::fs::remove_dir(path)
}
