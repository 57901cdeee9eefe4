//! `run.json` of a training: what was asked for, on what, and what came of it.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use vene::Outline;
use vene::training::{Epoch, Evaluation};

use super::{Outcome, RECORD, Settings};
use crate::{model, rows, threads};

/// What must be the same when a training is taken up again.
const SAME: [&str; 5] = ["vene", "model", "data", "plan", "options"];

/// The record of a training.
#[derive(Clone)]
pub struct Record(Value);

impl Record {
    /// Of one that begins.
    pub fn begin(outline: &Outline, settings: &Settings) -> anyhow::Result<Self> {
        let command: Vec<String> =
            std::env::args_os().map(|text| text.to_string_lossy().into_owned()).collect();
        let options = json!({
            "together": settings.together.name(),
            "bos": model::name_of(settings.bos),
            "precision": model::name_of(settings.precision),
        });
        Ok(Self(json!({
            "vene": env!("CARGO_PKG_VERSION"),
            "status": "running",
            "command": command,
            "model": model::record(outline, &settings.model_given)?,
            "data": {
                "from": settings.rows.from,
                "sha256": settings.rows.sha256,
                "rows": settings.rows.rows.len(),
            },
            "plan": settings.text,
            "options": options,
            "threads": threads::count(),
        })))
    }

    /// Refuses to go on with a training in which something would be other than it was.
    pub fn check_same(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(RECORD);
        let text = fs::read_to_string(&path).with_context(|| {
            format!("{} holds no training to go on with: there is no {RECORD}", folder.display())
        })?;
        let before: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is no record of a training", path.display()))?;
        ensure!(
            before["status"] == "running",
            "the training in {} is complete: there is nothing to go on with",
            folder.display()
        );
        for key in SAME {
            ensure!(
                before[key] == self.0[key],
                "the training in {} cannot be gone on with: its {key} was other than it is now",
                folder.display()
            );
        }
        Ok(())
    }

    /// Of one that is complete.
    pub fn complete(&self, outcome: &Outcome) -> Self {
        let mut record = self.clone();
        record.0["status"] = "complete".into();
        record.0["result"] = result(outcome);
        record
    }

    /// Writes it into the folder.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(&self.0)?;
        vene_files::write_atomically(&folder.join(RECORD), |file| -> anyhow::Result<()> {
            Ok(writeln!(file, "{text}")?)
        })
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
