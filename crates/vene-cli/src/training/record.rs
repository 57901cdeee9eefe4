//! What `run.json` says of what came of a training.

use serde_json::{Value, json};
use vene::training::{Epoch, Evaluation};

use super::Outcome;
use crate::rows;

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
