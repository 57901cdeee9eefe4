//! What `run.json` says of a plan over a data set, and what stands beside its tensors.

use std::ops::Range;

use serde_json::{Value, json};
use vene::plan_sweep::PlanSweep;
use vene::sweep::noise_floor;
use vene::{Outline, Table};
use vene_table::TableSource;

use super::Settings;
use crate::record::{Kind, Record};
use crate::{experiment, model};

/// The record of a run that begins.
pub fn begin(outline: &Outline, sweep: &PlanSweep, settings: &Settings) -> anyhow::Result<Record> {
    let details = json!({
        "measured": sweep.measured(),
        "batches": sweep.batches(outline.config()).len(),
        "discovery_rows": settings.summary.discovery,
    });
    let (spec, data) = (&settings.spec, &settings.data);
    let mut record =
        experiment::begin(Kind::PlanSweep, outline, spec, data, sweep.left_out(), details)?;
    if let Some(shard) = settings.shard {
        let part = match sweep.rows().len() {
            1 => shard.record("runs", &sweep.own_runs()),
            rows => shard.record("rows", &shard.rows(rows)?),
        };
        record.set("shard", part);
    }
    Ok(record)
}

/// Says what came of the run.
pub fn end(
    record: &mut Record,
    examples: &impl TableSource,
    receipts: &impl TableSource,
    files: &[String],
    seconds: f64,
) -> anyhow::Result<()> {
    record.set("seconds", json!(seconds));
    record.set("noise_floor", json!(noise_floor(examples)));
    record.set("rows", json!({ "examples": examples.rows(), "receipts": receipts.rows() }));
    record.set("receipts", outcomes(receipts)?);
    record.set_files(files);
    Ok(())
}

/// How many edits of rows came to what.
pub fn outcomes(receipts: &impl TableSource) -> anyhow::Result<Value> {
    let kinds = ["changed", "shared_prefix", "same_values", "not_edited"];
    let mut counts = [0_usize; 4];
    for chunk in receipts.chunks(Some(&["outcome"]))? {
        let chunk = chunk?;
        let outcomes = chunk.words("outcome")?;
        for (kind, count) in kinds.iter().zip(&mut counts) {
            *count += outcomes.iter().filter(|outcome| *outcome == Some(kind)).count();
        }
    }
    let each = kinds.iter().zip(counts).map(|(kind, count)| ((*kind).to_owned(), json!(count)));
    Ok(Value::Object(each.collect()))
}

/// What a file of tensors says of itself.
pub fn notes(
    outline: &Outline,
    sweep: &PlanSweep,
    settings: &Settings,
    rows: &Range<usize>,
) -> anyhow::Result<String> {
    Ok(json!({
        "vene": env!("CARGO_PKG_VERSION"),
        "model": model::record(outline, &settings.spec.model)?,
        "data": { "from": settings.data.from, "sha256": settings.data.sha256 },
        "rows": sweep.rows()[rows.clone()].iter().map(|row| row.index).collect::<Vec<_>>(),
        "precision": settings.precision.name(),
    })
    .to_string())
}

/// Which row of the tensors is which row of the data set, with its texts, tokens and roles.
pub fn rows(outline: &Outline, sweep: &PlanSweep, rows: &Range<usize>) -> anyhow::Result<Table> {
    let (first, rows) = (rows.start as i64, &sweep.rows()[rows.clone()]);
    let text = |of: &dyn Fn(&vene::data::PreparedRow) -> Option<String>| -> Vec<Option<String>> {
        rows.iter().map(of).collect()
    };
    let tokens = |row: &vene::data::PreparedRow| {
        let tokens = row.base.tokens().iter().map(|&id| model::token_text(outline, id));
        Some(serde_json::to_string(&tokens.collect::<Vec<_>>()).unwrap_or_default())
    };
    let mut table = Table::builder()
        .column("row", (first..first + rows.len() as i64).collect::<Vec<_>>())
        .column("example", rows.iter().map(|row| row.index as i64).collect::<Vec<_>>())
        .column("group", text(&|row| row.row.group.clone()))
        .column("base", text(&|row| Some(row.row.base.clone())))
        .column("source", text(&|row| row.row.source.clone()))
        .column("base_tokens", text(&tokens));
    for role in sweep.roles() {
        let positions = |row: &vene::data::PreparedRow| {
            let positions = row.positions_of(sweep.roles(), role).iter();
            Some(positions.map(usize::to_string).collect::<Vec<_>>().join(" "))
        };
        table = table.column(format!("positions_{role}"), text(&positions));
    }
    Ok(table.build()?)
}
