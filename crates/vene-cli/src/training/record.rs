//! What `run.json` says of a training: what was asked for, on what, and what came of it.

use std::path::Path;

use anyhow::bail;
use serde_json::{Value, json};
use vene::Outline;
use vene::training::{Epoch, Evaluation};

use super::{Outcome, Settings};
use crate::record::{Kind, Record};
use crate::{model, rows, threads};

/// What determines the numbers, and must be the same when a training is taken up again.
const DETERMINES: [&str; 4] = ["model", "data", "plan", "options"];

/// Of one that begins; `place` is which of a grid it is.
pub fn begin(
    outline: &Outline,
    settings: &Settings,
    place: Option<Value>,
) -> anyhow::Result<Record> {
    let mut details = json!({
        "model": model::record(outline, &settings.model_given)?,
        "data": {
            "from": settings.rows.from,
            "sha256": settings.rows.sha256,
            "rows": settings.rows.rows.len(),
        },
        "plan": settings.text,
        "options": {
            "together": settings.together.name(),
            "bos": settings.bos.name(),
            "precision": settings.precision.name(),
            "memory_bytes": settings.memory,
        },
        "threads": threads::count(),
    });
    if let Some(place) = place {
        details["options"]["grid"] = place;
    }
    Record::begin(Kind::Training, details, &DETERMINES)
}

/// Refuses to go on with a training in which something would be other than it was.
pub fn check_same(before: &Record, now: &Record, folder: &Path) -> anyhow::Result<()> {
    if before.spec() == now.spec() {
        return Ok(());
    }
    match before.difference_in_words(now, &DETERMINES) {
        Some(difference) => bail!(
            "cannot go on with {}: {difference}; put it back as it was, or start again in another folder (--out)",
            folder.display()
        ),
        None => bail!(
            "cannot go on with {}: its record is not of the training that it says; start again in another folder",
            folder.display()
        ),
    }
}

fn evaluation(Evaluation { loss, accuracy }: Evaluation) -> Value {
    json!({ "loss": loss, "accuracy": accuracy })
}

/// The result, as `--json` prints it too.
pub fn result(outcome: &Outcome) -> Value {
    let epoch = |epoch: &Epoch| {
        json!({
            "epoch": epoch.epoch,
            "trained": evaluation(epoch.trained),
            "held_out": epoch.held_out.map(evaluation),
        })
    };
    let control = if outcome.is_random { "random directions" } else { "untrained" };
    let mut of_control = evaluation(outcome.control);
    of_control["kind"] = control.into();
    json!({
        "rows": {
            "trained": outcome.rows[0],
            "held_out": outcome.rows[1],
            "left_out": outcome.left_out.len(),
        },
        "held_out_rows": outcome.held_out_rows,
        "left_out_rows": rows::record_of(&outcome.left_out),
        "steps": outcome.trained.steps.len(),
        "stopped_early": outcome.trained.stopped_early,
        "epochs": outcome.trained.epochs.iter().map(epoch).collect::<Vec<_>>(),
        "held_out": evaluation(outcome.held_out),
        "control": of_control,
        "seconds": outcome.seconds,
    })
}
