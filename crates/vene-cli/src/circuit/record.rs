//! What `run.json` says of such a run: what was asked for, on what, and what came of it.

use std::path::Path;

use serde_json::{Map, Value, json};
use vene::Outline;
use vene_table::{Table, TableSource};

use super::{Measure, Settings};
use crate::experiment;
use crate::record::Record;

/// The record of a run that begins.
pub fn begin(
    outline: &Outline,
    measure: &dyn Measure,
    settings: &Settings,
) -> anyhow::Result<Record> {
    let details = json!({ "options": measure.options() });
    let (spec, data, rows) = (&settings.spec, &settings.data, measure.rows());
    let left_out = rows.left_out();
    let mut record = experiment::begin(measure.kind(), outline, spec, data, left_out, details)?;
    if let Some(shard) = settings.shard {
        record.set("shard", shard.record("rows", &shard.rows(rows.prepared().len())?));
    }
    Ok(record)
}

/// Says what came of the run.
pub fn end<'t>(
    record: &mut Record,
    examples: &impl TableSource,
    summaries: impl Iterator<Item = (&'t &'static str, &'t Table)>,
    files: &[String],
    seconds: f64,
) {
    record.set("seconds", json!(seconds));
    let mut rows = Map::from_iter([("examples".to_owned(), json!(examples.rows()))]);
    rows.extend(summaries.map(|(name, table)| ((*name).to_owned(), json!(table.rows()))));
    record.set("rows", Value::Object(rows));
    record.set_files(files);
}

/// What would run.
pub fn forecast(measure: &dyn Measure, out: &Path) -> Value {
    let rows = measure.rows().prepared().len();
    let mut forecast = json!({
        "options": measure.options(),
        "rows": rows,
        "out": out.display().to_string(),
    });
    forecast[measure.unit()] = json!(measure.per_row() * rows);
    forecast
}
