//! What `run.json` says of edges over a data set: what was asked for, on what, and what came of it.

use std::path::Path;

use serde_json::{Value, json};
use vene::Outline;
use vene::circuit::{EdgeScores, PatchPlace};
use vene_table::{Table, TableSource};

use super::Settings;
use crate::experiment;
use crate::record::{Kind, Record};

/// The record of a run that begins.
pub fn begin(
    outline: &Outline,
    scores: &EdgeScores,
    settings: &Settings,
) -> anyhow::Result<Record> {
    let details = json!({ "options": options(scores) });
    let rows = scores.rows();
    let (spec, data) = (&settings.spec, &settings.data);
    let mut record = experiment::begin(Kind::Edges, outline, spec, data, rows.left_out(), details)?;
    if let Some(shard) = settings.shard {
        record.set("shard", shard.record("rows", &shard.rows(rows.prepared().len())?));
    }
    Ok(record)
}

/// Says what came of the run.
pub fn end(
    record: &mut Record,
    examples: &impl TableSource,
    edges: &Table,
    files: &[String],
    seconds: f64,
) {
    record.set("seconds", json!(seconds));
    record.set("rows", json!({ "examples": examples.rows(), "edges": edges.rows() }));
    record.set_files(files);
}

/// All options as they were understood, defaults included.
fn options(scores: &EdgeScores) -> Value {
    let rows = scores.rows();
    let steps = match scores {
        EdgeScores::Gradient(attribution) => attribution.steps(),
        EdgeScores::Exact(_) => None,
    };
    json!({
        "method": scores.method().name(),
        "steps": steps,
        "graph": rows.graph().keys().name(),
        "positions": rows.places().iter().map(PatchPlace::name).collect::<Vec<_>>(),
        "metrics": rows.metrics().iter().map(|metric| metric.name()).collect::<Vec<_>>(),
        "edges": scores.edges_per_row(),
    })
}

/// What would run.
pub fn forecast(scores: &EdgeScores, out: &Path) -> Value {
    let rows = scores.rows().prepared().len();
    json!({
        "options": options(scores),
        "rows": rows,
        "edges": scores.edges_per_row() * rows,
        "out": out.display().to_string(),
    })
}
