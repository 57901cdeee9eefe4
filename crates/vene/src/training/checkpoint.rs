//! Checkpoints: what is needed to go on as if nothing had happened.
//!
//! A checkpoint is a safetensors file. Its metadata say whose it is and have the SHA-256 of all that is in it, so that
//! neither another training's nor one in which a bit flipped is gone on from.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::Write;

use candle_core::{Device, Tensor};
use safetensors::SafeTensors;
use vene_intervention::Parameter;

use super::TrainingFile;
use super::error::TrainingError;
use super::optimizer::State;
use super::progress::{Epoch, Evaluation, Step, Trained};

/// Numbers that are kept of each step and of each epoch.
const OF_STEP: usize = 3;
const OF_EPOCH: usize = 4;

/// The key of a note in the file: whose it is.
const OF: &str = "vene.of";

/// The key of a note in the file: what [`digest`] gives of its contents.
const SHA256: &str = "vene.sha256";

/// Writes parameters, the optimizer's state and all steps so far: whole or not at all.
pub(super) fn keep(
    checkpoint: TrainingFile<'_>,
    learned: &[Parameter],
    state: &State,
    trained: &Trained,
) -> Result<(), TrainingError> {
    let path = checkpoint.path;
    let unwritable = |error: &dyn Display| TrainingError::Unwritable {
        path: path.display().to_string(),
        problem: error.to_string(),
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
    let bytes = safetensors::serialize(&tensors, None).map_err(|error| unwritable(&error))?;
    let stored = SafeTensors::deserialize(&bytes).map_err(|error| unwritable(&error))?;
    let notes = [(OF, checkpoint.of.to_owned()), (SHA256, digest(&stored, checkpoint.of))];
    let notes = notes.map(|(key, note)| (key.to_owned(), note)).into();
    let bytes =
        safetensors::serialize(&tensors, Some(notes)).map_err(|error| unwritable(&error))?;
    vene_files::write_atomically(path, |file| file.write_all(&bytes))
        .map_err(|error| unwritable(&error))
}

/// Takes up a training of so many steps and epochs.
pub(super) fn take_up(
    checkpoint: TrainingFile<'_>,
    learned: &[Parameter],
    state: &mut State,
    steps: usize,
    epochs: usize,
) -> Result<Trained, TrainingError> {
    let path = checkpoint.path;
    let problem =
        |problem: String| TrainingError::Checkpoint { path: path.display().to_string(), problem };
    let bytes = vene_files::read(path, u64::MAX).map_err(|error| problem(error.to_string()))?;
    check(&bytes, checkpoint.of).map_err(problem)?;
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
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

/// Refuses a file that is not as it was written, or not of this training.
fn check(bytes: &[u8], of: &str) -> Result<(), String> {
    let damaged =
        || "it is damaged: its SHA-256 is not the one that it was written with".to_owned();
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|_| damaged())?;
    let stored = SafeTensors::deserialize(bytes).map_err(|_| damaged())?;
    let notes = header.metadata().clone().unwrap_or_default();
    let (Some(whose), Some(sha256)) = (notes.get(OF), notes.get(SHA256)) else {
        return Err(damaged());
    };
    if *sha256 != digest(&stored, whose) {
        return Err(damaged());
    }
    if whose != of {
        return Err("it is of another model, plan, data set, or of other options".to_owned());
    }
    Ok(())
}

/// The SHA-256 of all tensors, with their names, types and shapes, and of whose they are.
fn digest(stored: &SafeTensors<'_>, of: &str) -> String {
    let mut tensors = stored.tensors();
    tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut contents = of.as_bytes().to_vec();
    for (name, tensor) in &tensors {
        let mut add = |bytes: &[u8]| {
            contents.extend((bytes.len() as u64).to_le_bytes());
            contents.extend(bytes);
        };
        add(name.as_bytes());
        add(tensor.dtype().to_string().as_bytes());
        let shape: Vec<u8> =
            tensor.shape().iter().flat_map(|&extent| (extent as u64).to_le_bytes()).collect();
        add(&shape);
        add(tensor.data());
    }
    vene_files::sha256(contents)
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
