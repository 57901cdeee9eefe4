//! Checkpoints: what is needed to go on as if nothing had happened.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use candle_core::{Device, Tensor};

use super::error::TrainingError;
use super::optimizer::State;
use super::progress::{Epoch, Evaluation, Step, Trained};
use crate::intervention::Parameter;

/// Numbers that are kept of each step and of each epoch.
const OF_STEP: usize = 3;
const OF_EPOCH: usize = 4;

/// Writes parameters, the optimizer's state and all steps so far: whole or not at all.
pub(super) fn keep(
    path: &Path,
    learned: &[Parameter],
    state: &State,
    trained: &Trained,
) -> Result<(), TrainingError> {
    let unwritable = |error: &dyn Display| TrainingError::Checkpoint {
        path: path.display().to_string(),
        problem: format!("it cannot be written: {error}"),
    };
    let mut tensors = state.tensors(learned);
    for parameter in learned {
        tensors.insert(parameter.name.clone(), parameter.variable.as_tensor().clone());
    }
    let steps: Vec<f64> = trained
        .steps
        .iter()
        .flat_map(|step| [step.epoch as f64, step.loss, step.accuracy])
        .collect();
    let epochs = trained.epochs.iter().flat_map(|epoch| {
        // What is not there is NaN.
        let held_out = epoch.held_out.unwrap_or(Evaluation { loss: f64::NAN, accuracy: f64::NAN });
        [epoch.trained.loss, epoch.trained.accuracy, held_out.loss, held_out.accuracy]
    });
    let epochs: Vec<f64> = epochs.collect();
    let all_steps = trained.steps.first().map_or(0, |step| step.steps);
    let device = Device::Cpu;
    let table = |name: &str, values: Vec<f64>, width: usize| {
        let rows = values.len() / width;
        Ok::<_, candle_core::Error>((
            name.to_owned(),
            Tensor::from_vec(values, (rows, width), &device)?,
        ))
    };
    tensors.extend([table("steps", steps, OF_STEP)?, table("epochs", epochs, OF_EPOCH)?]);
    let extent = trained.epochs.first().map_or(0, |epoch| epoch.epochs);
    let progress = Tensor::new(&[all_steps as i64, extent as i64], &device)?;
    tensors.insert("progress".to_owned(), progress);
    let bytes = safetensors::serialize(tensors, None).map_err(|error| unwritable(&error))?;
    vene_files::write_atomically(path, |file| file.write_all(&bytes))
        .map_err(|error| unwritable(&error))
}

/// Takes up a training of so many steps and epochs.
pub(super) fn take_up(
    path: &Path,
    learned: &[Parameter],
    state: &mut State,
    steps: usize,
    epochs: usize,
) -> Result<Trained, TrainingError> {
    let problem =
        |problem: String| TrainingError::Checkpoint { path: path.display().to_string(), problem };
    let tensors = candle_core::safetensors::load(path, &Device::Cpu)
        .map_err(|error| problem(error.to_string()))?;
    let planned = tensors.get("progress").and_then(|numbers| numbers.to_vec1::<i64>().ok());
    let planned = planned.ok_or_else(|| problem("it has no progress".to_owned()))?;
    if planned != [steps as i64, epochs as i64] {
        let [planned_steps, planned_epochs] =
            [planned.first(), planned.get(1)].map(|number| number.copied().unwrap_or(0));
        return Err(problem(format!(
            "it is of {planned_steps} steps in {planned_epochs} epochs; this one has {steps} in {epochs}"
        )));
    }
    for parameter in learned {
        let kept = tensors
            .get(&parameter.name)
            .filter(|kept| kept.shape() == parameter.variable.shape())
            .ok_or_else(|| problem(format!("it has no {} of this shape", parameter.name)))?;
        parameter.variable.set(kept)?;
    }
    let trained = history(&tensors, steps, epochs)
        .ok_or_else(|| problem("its steps cannot be read".to_owned()))?;
    state
        .restore(trained.steps.len(), learned, &tensors)
        .ok_or_else(|| problem("the optimizer's state is not of these parameters".to_owned()))?;
    Ok(trained)
}

fn history(tensors: &HashMap<String, Tensor>, steps: usize, epochs: usize) -> Option<Trained> {
    let rows = |name: &str, width: usize| {
        let rows = tensors.get(name)?.to_vec2::<f64>().ok()?;
        rows.iter().all(|row| row.len() == width).then_some(rows)
    };
    let step = |(step, row): (usize, &Vec<f64>)| Step {
        step,
        steps,
        epoch: row[0] as usize,
        loss: row[1],
        accuracy: row[2],
    };
    let epoch = |(epoch, row): (usize, &Vec<f64>)| Epoch {
        epoch,
        epochs,
        trained: Evaluation { loss: row[0], accuracy: row[1] },
        held_out: (!row[2].is_nan()).then(|| Evaluation { loss: row[2], accuracy: row[3] }),
    };
    Some(Trained {
        steps: rows("steps", OF_STEP)?.iter().enumerate().map(step).collect(),
        epochs: rows("epochs", OF_EPOCH)?.iter().enumerate().map(epoch).collect(),
        stopped_early: false,
    })
}
