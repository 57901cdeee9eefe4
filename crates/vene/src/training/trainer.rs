//! The training loop.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{D, Tensor};
use vene_model::Model;

use super::optimizer::State;
use super::{AdamW, Schedule};
use crate::engine::Suffix;
use crate::error::RunError;
use crate::intervention::Parameter;
use crate::plan::ResolvedPlan;
use crate::random::Draws;

/// A training that cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// Nothing to learn.
    #[error(
        "the plan has no trainable intervention: add an edit by one with parameters, such as rotated_space"
    )]
    NothingToTrain,
    /// A label for another number of examples.
    #[error("{labels} labels are given for {examples} examples; each needs one")]
    Labels {
        /// Labels.
        labels: usize,
        /// Examples.
        examples: usize,
    },
    /// More than one position is read.
    #[error("the plan reads {read} positions of example {example}; a label is about one")]
    SeveralReads {
        /// The example.
        example: usize,
        /// How many.
        read: usize,
    },
    /// A batch of none.
    #[error("a batch of 0 examples trains nothing")]
    EmptyBatch,
    /// The loss left the numbers.
    #[error("the loss is {loss} after {step} steps: try a smaller learning rate")]
    Diverged {
        /// The step.
        step: usize,
        /// The loss.
        loss: f64,
    },
    /// A checkpoint of another training.
    #[error("{path} is no checkpoint of this training: {problem}")]
    Checkpoint {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The computation failed.
    #[error(transparent)]
    Computation(#[from] vene_model::OperationError),
}

impl From<candle_core::Error> for TrainingError {
    fn from(error: candle_core::Error) -> Self {
        Self::Computation(error.into())
    }
}

/// One step of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Which, counted from 0.
    pub step: usize,
    /// Out of how many.
    pub steps: usize,
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The batch's mean loss, in nats.
    pub loss: f64,
    /// The share of the batch whose label is the likeliest token: interchange-intervention accuracy on
    /// the batch.
    pub accuracy: f64,
}

/// What a training came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trained {
    /// Every step.
    pub steps: Vec<Step>,
    /// Whether it ended before its last epoch, since the loss no longer fell.
    pub stopped_early: bool,
}

/// Trains the interventions of a plan.
#[derive(Clone, Copy, Debug)]
pub struct Trainer {
    /// How often each example is seen.
    pub epochs: usize,
    /// Examples of a step.
    pub batch: usize,
    /// The optimizer.
    pub optimizer: AdamW,
    /// How the step size changes.
    pub schedule: Schedule,
    /// What the order of examples depends on; `None` keeps them in order.
    pub seed: Option<u64>,
    /// Ends where the mean loss of an epoch has not fallen for so many epochs.
    pub patience: Option<usize>,
}

impl Default for Trainer {
    fn default() -> Self {
        Self {
            epochs: 3,
            batch: 32,
            optimizer: AdamW::default(),
            schedule: Schedule::default(),
            seed: Some(0),
            patience: None,
        }
    }
}

impl Trainer {
    /// Trains: after it the interventions' parameters are what was learned. `labels` has a token for
    /// each example, which the edited run should give at the position that the plan reads. `progress`
    /// is told of every step, and may break off.
    ///
    /// # Errors
    /// What is wrong with plan and labels; failures of the computation.
    pub fn train(
        &self,
        model: &Model,
        plan: &ResolvedPlan,
        labels: &[u32],
        progress: &mut dyn FnMut(&Step) -> ControlFlow<()>,
    ) -> Result<Trained, TrainingError> {
        self.run(model, plan, labels, None, progress)
    }

    /// The same, with a checkpoint that is written after every epoch and taken up where it is there.
    ///
    /// # Errors
    /// As [`Trainer::train`], and where the file is of another training or cannot be written.
    pub fn train_with_checkpoint(
        &self,
        model: &Model,
        plan: &ResolvedPlan,
        labels: &[u32],
        checkpoint: &Path,
        progress: &mut dyn FnMut(&Step) -> ControlFlow<()>,
    ) -> Result<Trained, TrainingError> {
        self.run(model, plan, labels, Some(checkpoint), progress)
    }

    fn run(
        &self,
        model: &Model,
        plan: &ResolvedPlan,
        labels: &[u32],
        checkpoint: Option<&Path>,
        progress: &mut dyn FnMut(&Step) -> ControlFlow<()>,
    ) -> Result<Trained, TrainingError> {
        let trained = self.epochs(model, plan, labels, checkpoint, progress);
        // However it ended, interventions are no longer in training.
        announce(plan, None);
        trained
    }

    fn epochs(
        &self,
        model: &Model,
        plan: &ResolvedPlan,
        labels: &[u32],
        checkpoint: Option<&Path>,
        progress: &mut dyn FnMut(&Step) -> ControlFlow<()>,
    ) -> Result<Trained, TrainingError> {
        let learned = learned(plan);
        check(plan, labels, self.batch)?;
        if learned.is_empty() {
            return Err(TrainingError::NothingToTrain);
        }
        let suffix = Suffix::new(model, plan.clone())?;
        let names: Vec<String> = learned.iter().map(|learned| learned.name.clone()).collect();
        let mut state = State::new(self.optimizer, &learned)?;
        let batches = labels.len().div_ceil(self.batch);
        let steps = self.epochs * batches;
        let first = match checkpoint.filter(|path| path.exists()) {
            Some(path) => take_up(path, &learned, &names, &mut state)?,
            None => 0,
        };
        let mut trained = Trained::default();
        let (mut best, mut worse) = (f64::INFINITY, 0);
        for epoch in first..self.epochs {
            let order = self.order(labels.len(), epoch);
            let mut sum = 0.0;
            for (index, batch) in order.chunks(self.batch).enumerate() {
                let step = epoch * batches + index;
                announce(plan, Some(step as u64));
                let logits = suffix.logits(model, batch)?;
                let labels: Vec<u32> = batch.iter().map(|&example| labels[example]).collect();
                let loss = cross_entropy(&logits, &labels)?;
                let gradients = loss.backward()?;
                state.step(&learned, &gradients, self.schedule.factor(step, steps))?;
                let loss = loss.to_dtype(candle_core::DType::F64)?.to_scalar::<f64>()?;
                if !loss.is_finite() {
                    return Err(TrainingError::Diverged { step, loss });
                }
                let accuracy = accuracy(&logits, &labels)?;
                let step = Step { step, steps, epoch, loss, accuracy };
                trained.steps.push(step);
                sum += loss * batch.len() as f64;
                if progress(&step).is_break() {
                    return Err(RunError::Stopped.into());
                }
            }
            if let Some(path) = checkpoint {
                keep(path, epoch + 1, &learned, state.tensors(&names), (epoch + 1) * batches)?;
            }
            let mean = sum / labels.len() as f64;
            worse = if mean < best { 0 } else { worse + 1 };
            best = best.min(mean);
            if self.patience.is_some_and(|patience| worse >= patience) {
                trained.stopped_early = true;
                break;
            }
        }
        Ok(trained)
    }

    /// Examples in the order of an epoch: the same whether the training is taken up or not.
    fn order(&self, examples: usize, epoch: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..examples).collect();
        if let Some(seed) = self.seed {
            let mut draws = Draws::new([seed, epoch as u64]);
            for place in (1..examples).rev() {
                order.swap(place, draws.below(place + 1));
            }
        }
        order
    }

    /// The share of examples in which the edited run's likeliest token is the label:
    /// interchange-intervention accuracy (Geiger et al. 2021).
    ///
    /// # Errors
    /// As [`Trainer::train`].
    pub fn accuracy(
        &self,
        model: &Model,
        plan: &ResolvedPlan,
        labels: &[u32],
    ) -> Result<f64, TrainingError> {
        check(plan, labels, self.batch)?;
        let suffix = Suffix::new(model, plan.clone())?;
        let all: Vec<usize> = (0..labels.len()).collect();
        let mut right = 0.0;
        for batch in all.chunks(self.batch) {
            let logits = suffix.logits(model, batch)?;
            let labels: Vec<u32> = batch.iter().map(|&example| labels[example]).collect();
            right += accuracy(&logits, &labels)? * batch.len() as f64;
        }
        Ok(right / labels.len() as f64)
    }
}

/// What a plan's interventions learn, under names in the plan; an intervention that several edits share
/// learns once.
fn learned(plan: &ResolvedPlan) -> Vec<Parameter> {
    let mut learned: Vec<Parameter> = Vec::new();
    for (index, edit) in plan.edits().iter().enumerate() {
        for parameter in edit.intervention.parameters() {
            let known = learned.iter().any(|known| known.variable.id() == parameter.variable.id());
            if parameter.trainable && !known {
                let name = format!("edit.{index}.{}", parameter.name);
                learned.push(Parameter { name, ..parameter });
            }
        }
    }
    learned
}

/// Tells interventions the step of the training, or that there is none.
fn announce(plan: &ResolvedPlan, step: Option<u64>) {
    for edit in plan.edits() {
        edit.intervention.set_training_step(step);
    }
}

fn check(plan: &ResolvedPlan, labels: &[u32], batch: usize) -> Result<(), TrainingError> {
    let examples = plan.examples().len();
    if labels.len() != examples {
        return Err(TrainingError::Labels { labels: labels.len(), examples });
    }
    if let Some(example) = (0..examples).find(|&example| plan.read()[example].len() != 1) {
        return Err(TrainingError::SeveralReads { example, read: plan.read()[example].len() });
    }
    if batch == 0 {
        return Err(TrainingError::EmptyBatch);
    }
    Ok(())
}

/// The mean of -log p(label), in nats, of logits `[examples, vocabulary]`.
fn cross_entropy(logits: &Tensor, labels: &[u32]) -> Result<Tensor, TrainingError> {
    let labels = Tensor::new(labels, logits.device())?.unsqueeze(1)?;
    let largest = logits.detach().max_keepdim(D::Minus1)?;
    let shifted = logits.broadcast_sub(&largest)?;
    let normaliser = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let of_labels = shifted.gather(&labels, 1)?;
    Ok((normaliser - of_labels)?.mean_all()?)
}

/// The share of rows whose likeliest token is the label.
fn accuracy(logits: &Tensor, labels: &[u32]) -> Result<f64, TrainingError> {
    let likeliest: Vec<u32> = logits.argmax(D::Minus1)?.to_vec1()?;
    let right = likeliest.iter().zip(labels).filter(|(found, label)| found == label).count();
    Ok(right as f64 / labels.len().max(1) as f64)
}

/// Writes what is needed to go on: whole or not at all.
fn keep(
    path: &Path,
    epochs: usize,
    learned: &[Parameter],
    mut tensors: HashMap<String, Tensor>,
    steps: usize,
) -> Result<(), TrainingError> {
    for parameter in learned {
        tensors.insert(parameter.name.clone(), parameter.variable.as_tensor().clone());
    }
    let device = candle_core::Device::Cpu;
    let numbers = Tensor::new(&[epochs as i64, steps as i64], &device)?;
    tensors.insert("progress".to_owned(), numbers);
    let unwritable = |error: &dyn Display| TrainingError::Checkpoint {
        path: path.display().to_string(),
        problem: format!("it cannot be written: {error}"),
    };
    let bytes = safetensors::serialize(tensors, None).map_err(|error| unwritable(&error))?;
    vene_table::write_atomically(path, |file| file.write_all(&bytes))
        .map_err(|error| unwritable(&error))
}

/// Takes up a training; the number of epochs that are done.
fn take_up(
    path: &Path,
    learned: &[Parameter],
    names: &[String],
    state: &mut State,
) -> Result<usize, TrainingError> {
    let problem =
        |problem: String| TrainingError::Checkpoint { path: path.display().to_string(), problem };
    let tensors = candle_core::safetensors::load(path, &candle_core::Device::Cpu)
        .map_err(|error| problem(error.to_string()))?;
    let progress = tensors
        .get("progress")
        .and_then(|numbers| numbers.to_vec1::<i64>().ok())
        .and_then(|numbers| <[i64; 2]>::try_from(numbers).ok());
    let [epochs, steps] = progress.ok_or_else(|| problem("it has no progress".to_owned()))?;
    for parameter in learned {
        let kept = tensors
            .get(&parameter.name)
            .filter(|kept| kept.shape() == parameter.variable.shape())
            .ok_or_else(|| problem(format!("it has no {} of this shape", parameter.name)))?;
        parameter.variable.set(kept)?;
    }
    state
        .restore(usize::try_from(steps).unwrap_or(0), names, &tensors)
        .ok_or_else(|| problem("the optimizer's state is not of these parameters".to_owned()))?;
    Ok(usize::try_from(epochs).unwrap_or(0))
}
