//! What `run.json` says of every experiment: what was asked for, and on what.

use std::path::Path;

use anyhow::bail;
use serde_json::{Value, json};
use vene::Outline;
use vene::data::LeftOut;

use super::Spec;
use crate::data_set::DataSource;
use crate::record::{Kind, Record};
use crate::{model, rows, threads};

/// What determines the numbers, and must be the same when a run is taken up again.
pub const DETERMINES: [&str; 5] = ["data", "model", "experiment", "plan_files", "place"];

/// The record of a run that begins; `details` is what else is known of it.
///
/// # Errors
/// A model whose files were changed; a working folder that is gone.
pub fn begin(
    kind: Kind,
    outline: &Outline,
    spec: &Spec,
    data: &DataSource,
    left_out: &[LeftOut],
    details: Value,
) -> anyhow::Result<Record> {
    let mut record = json!({
        "model": model::record(outline, &spec.model)?,
        "data": { "from": data.from, "sha256": data.sha256, "rows": data.rows },
        "left_out_rows": rows::record_of(left_out),
        "experiment": spec.experiment,
        "plan_files": spec.files,
        "folder": spec.folder.display().to_string(),
        "threads": threads::count(),
    });
    if let (Value::Object(record), Value::Object(details)) = (&mut record, details) {
        record.extend(details);
    }
    Record::begin(kind, record, &DETERMINES)
}

/// Refuses to go on with a run in which something would be other than it was.
///
/// # Errors
/// What is other.
pub fn check_same(before: &Record, now: &Record, folder: &Path) -> anyhow::Result<()> {
    if before.spec() == now.spec() {
        return Ok(());
    }
    match before.difference_in_words(now, &DETERMINES) {
        Some(difference) => bail!(
            "cannot go on with {}: {difference}; put it back as it was, or start again in another folder (--out)",
            folder.display(),
        ),
        None => bail!(
            "cannot go on with {}: its record is not of the run that it says; start again in another folder",
            folder.display()
        ),
    }
}
