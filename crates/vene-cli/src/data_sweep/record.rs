//! What `run.json` says of a sweep over a data set: what was asked for, on what, and what came of it.

use serde_json::{Value, json};
use vene::sweep::{Means, Preflight, noise_floor};
use vene::{Method, NoiseSize, Outline, Sweep};
use vene_table::{Table, TableSource};

use super::{Settings, preflight};
use crate::experiment;
use crate::prompts;
use crate::record::{Kind, Record};

/// The record of a run that begins.
pub fn begin(outline: &Outline, sweep: &Sweep, settings: &Settings) -> anyhow::Result<Record> {
    let details = json!({
        "options": options(sweep, settings),
        "batches": sweep.batches().len(),
    });
    let (spec, data) = (&settings.spec, &settings.data);
    let mut record =
        experiment::begin(Kind::DataSweep, outline, spec, data, sweep.left_out(), details)?;
    if let Some(shard) = settings.shard {
        record.set("shard", shard.record("rows", &shard.rows(sweep.rows().len())?));
    }
    Ok(record)
}

/// Says what was known before the sweep.
pub fn set_preflight(record: &mut Record, preflight: &Preflight) {
    record.set("preflight", preflight::of(preflight));
}

/// Says what was measured before the first batch.
pub fn set_means(record: &mut Record, means: &Means) {
    if let Some(deviation) = means.noise_deviation() {
        record.set("noise_standard_deviation", json!(deviation));
    }
}

/// Says what came of the run.
pub fn end(
    record: &mut Record,
    examples: &impl TableSource,
    summary: &Table,
    files: &[String],
    seconds: f64,
) -> anyhow::Result<()> {
    record.set("seconds", json!(seconds));
    record.set("noise_floor", json!(noise_floor(examples)));
    record.set("rows", json!({ "examples": examples.rows(), "summary": summary.rows() }));
    record.set_files(files);
    record.set("receipts", receipts(summary)?);
    Ok(())
}

/// What was done at each place, over all rows: in how many nothing changed, and by how much values
/// changed in the mean.
fn receipts(summary: &Table) -> anyhow::Result<Value> {
    let (component, layer) = (summary.text("component")?, summary.optional_integers("layer")?);
    let (role, head) = (summary.optional_text("role")?, summary.optional_integers("head")?);
    let (direction, control) = (summary.text("direction")?, summary.text("control")?);
    let (split, metric) = (summary.text("split")?, summary.text("metric")?);
    let (n, unchanged) = (summary.integers("n")?, summary.integers("unchanged")?);
    let change = summary.floats("change")?;
    // An edit is the same whatever is measured.
    let first = metric.first();
    let rows = (0..summary.rows()).filter(|&row| metric.get(row) == first);
    let receipt = |row: usize| {
        json!({
            "component": component[row],
            "layer": layer[row],
            "role": role[row],
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
fn options(sweep: &Sweep, settings: &Settings) -> Value {
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
    let mut intervention = json!({ "name": sweep.method().name() });
    match sweep.method() {
        Method::Noise { standard_deviation, .. } => {
            intervention["standard_deviation"] = json!(standard_deviation);
        }
        Method::Restore { noise, corrupted, .. } => {
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
    intervention["draws"] = json!(sweep.method().draws());
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
        "prompts": prompts::record(&settings.form),
        "executor": settings.executor.name(),
        "precision": settings.precision.name(),
    })
}
