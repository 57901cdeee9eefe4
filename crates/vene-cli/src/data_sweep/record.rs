//! `run.json` of a sweep over a data set: what was asked for, on what, and what came of it.
//!
//! It is there from the beginning, so that a sweep can be taken up by its folder alone; `status` says
//! whether it is complete.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use vene::data_sweep::{self, Means, Preflight};
use vene::{DataSweep, NoiseSize, Outline, Treatment};
use vene_table::Table;

use super::{RECORD, Settings, preflight};
use crate::{model, rows, threads};

/// What must be the same when a sweep is taken up again.
const SAME: [&str; 5] = ["vene", "data", "model", "options", "batches"];

/// The record of a run.
pub struct Record(Value);

impl Record {
    /// The record of a run that begins.
    pub fn begin(
        outline: &Outline,
        sweep: &DataSweep,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let directory = std::env::current_dir().context("the working folder is gone")?;
        let command: Vec<String> =
            std::env::args_os().map(|text| text.to_string_lossy().into_owned()).collect();
        Ok(Self(json!({
            "vene": env!("CARGO_PKG_VERSION"),
            "status": "running",
            "command": command,
            "directory": directory.display().to_string(),
            "model": model::record(outline, &settings.model_given)?,
            "data": {
                "path": settings.data.path,
                "sha256": settings.data.sha256,
                "rows": settings.data.rows.len(),
            },
            "left_out_rows": rows::record_of(sweep.left_out()),
            "options": options(sweep, settings),
            "batches": sweep.batches().len(),
            "threads": threads::count(),
        })))
    }

    /// Says what was known before the sweep.
    pub fn set_preflight(&mut self, preflight: &Preflight) {
        self.0["preflight"] = preflight::of(preflight);
    }

    /// Reads the record of a folder.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(RECORD);
        let text = fs::read_to_string(&path).with_context(|| {
            format!("{} holds no sweep to go on with: there is no {RECORD}", folder.display())
        })?;
        let value: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is no record of a sweep", path.display()))?;
        ensure!(
            value.get("status").is_some_and(Value::is_string),
            "{} is the record of a sweep over one pair of prompts, which is run in one go",
            path.display()
        );
        Ok(Self(value))
    }

    /// Whether the run is complete.
    pub fn is_complete(&self) -> bool {
        self.0["status"] == "complete"
    }

    /// The arguments with which it was started, and where.
    pub fn arguments(&self) -> anyhow::Result<(Vec<String>, String)> {
        let command = self.0["command"].as_array().and_then(|command| {
            command.iter().map(|argument| Some(argument.as_str()?.to_owned())).collect()
        });
        let directory = self.0["directory"].as_str().map(str::to_owned);
        command.zip(directory).context("run.json does not say how the sweep was started")
    }

    /// Refuses to go on with a run in which something would be other than it was.
    pub fn check_same(&self, again: &Self, folder: &Path) -> anyhow::Result<()> {
        for key in SAME {
            let (before, now) = (&self.0[key], &again.0[key]);
            if before != now {
                bail!(
                    "cannot go on with {}: {} is not what it was ({before} then, {now} now); \
                     start again in another folder",
                    folder.display(),
                    match key {
                        "vene" => "the version of vene",
                        "data" => "the data set",
                        "model" => "the model",
                        "options" => "an option",
                        _ => "the number of batches",
                    }
                );
            }
        }
        Ok(())
    }

    /// Says what was measured before the first batch.
    pub fn set_means(&mut self, means: &Means) {
        if let Some(deviation) = means.noise_deviation() {
            self.0["noise_standard_deviation"] = json!(deviation);
        }
    }

    /// Says what came of the run.
    pub fn end(
        &mut self,
        examples: &Table,
        summary: &Table,
        files: &[String],
        seconds: f64,
    ) -> anyhow::Result<()> {
        self.0["status"] = json!("complete");
        self.0["seconds"] = json!(seconds);
        self.0["noise_floor"] = json!(data_sweep::noise_floor(examples));
        self.0["rows"] = json!({ "examples": examples.rows(), "summary": summary.rows() });
        self.0["files"] = json!(files);
        self.0["receipts"] = receipts(summary)?;
        Ok(())
    }

    /// All of it.
    pub fn value(&self) -> &Value {
        &self.0
    }
}

/// What was done at each place, over all rows: in how many nothing changed, and by how much values
/// changed in the mean.
fn receipts(summary: &Table) -> anyhow::Result<Value> {
    let (component, layer) = (summary.text("component")?, summary.optional_integers("layer")?);
    let (position, head) = (summary.optional_text("position")?, summary.optional_integers("head")?);
    let (direction, control) = (summary.text("direction")?, summary.text("control")?);
    let (split, metric) = (summary.text("split")?, summary.text("metric")?);
    let (n, unchanged) = (summary.integers("n")?, summary.integers("unchanged")?);
    let change = summary.floats("change")?;
    // An edit is the same whatever is measured.
    let first = metric.first();
    let rows = (0..summary.rows()).filter(|&row| Some(&metric[row]) == first);
    let receipt = |row: usize| {
        json!({
            "component": component[row],
            "layer": layer[row],
            "position": position[row],
            "head": head[row],
            "direction": direction[row],
            "control": control[row],
            "split": split[row],
            "rows": n[row],
            "unchanged": unchanged[row],
            "root_mean_square": change[row],
        })
    };
    Ok(rows.map(receipt).collect())
}

/// All options as they were understood, defaults included.
fn options(sweep: &DataSweep, settings: &Settings) -> Value {
    let mut components: Vec<&str> = Vec::new();
    let (mut layers, mut heads) = (Vec::new(), Vec::new());
    for cell in sweep.cells() {
        if !components.contains(&cell.component.name()) {
            components.push(cell.component.name());
        }
        if !layers.contains(&cell.layer) {
            layers.push(cell.layer);
        }
        if !heads.contains(&cell.head) {
            heads.push(cell.head);
        }
    }
    let mut intervention = json!({ "name": sweep.treatment().name() });
    match sweep.treatment() {
        Treatment::Noise { standard_deviation, .. } => {
            intervention["standard_deviation"] = json!(standard_deviation);
        }
        Treatment::Restore { noise, corrupted, .. } => {
            match noise {
                NoiseSize::Absolute(deviation) => {
                    intervention["standard_deviation"] = json!(deviation);
                }
                NoiseSize::OfEmbeddings(times) => intervention["noise_times"] = json!(times),
            }
            intervention["corrupted"] = json!(corrupted.to_string());
        }
        _ => {}
    }
    intervention["draws"] = json!(sweep.treatment().draws());
    let bootstrap = &settings.summary.bootstrap;
    json!({
        "intervention": intervention,
        "components": components,
        "layers": layers.into_iter().flatten().collect::<Vec<_>>(),
        "heads": heads.into_iter().flatten().collect::<Vec<_>>(),
        "positions": sweep.roles().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "unit": sweep.unit().name(),
        "answers": if sweep.first_tokens() { "first" } else { "whole" },
        "distinct_positions": sweep.distinct_roles(),
        "metrics": sweep.metrics().iter().map(|metric| metric.name()).collect::<Vec<_>>(),
        "directions": sweep.directions().iter().map(|direction| direction.name()).collect::<Vec<_>>(),
        "window": sweep.window(),
        "effect": sweep.effect().name(),
        "controls": sweep.controls().iter().map(|control| control.name()).collect::<Vec<_>>(),
        "seed": sweep.seed(),
        "bootstrap": {
            "resamples": bootstrap.resamples,
            "level": bootstrap.level,
            "seed": bootstrap.seed,
        },
        "correction": settings.summary.correction.name(),
        "discovery_rows": settings.summary.discovery,
        "bos": model::name_of(settings.bos),
        "executor": model::name_of(settings.executor),
        "precision": model::name_of(settings.precision),
    })
}
