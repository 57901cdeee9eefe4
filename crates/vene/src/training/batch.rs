//! A batch of examples: its loss and its gradients, in as many parts as the memory asks for.

use candle_core::DType;
use candle_core::backprop::GradStore;
use vene_engine::RunError;
use vene_engine::TrainRun;
use vene_intervention::Parameter;

use super::error::TrainingError;
use super::objective::{BatchLoss, Objective};
use super::progress::Evaluation;

/// What a batch came to.
pub(super) struct Found {
    pub(super) gradients: GradStore,
    /// The mean over its reads.
    pub(super) loss: f64,
    pub(super) sums: Sums,
}

/// Sums over reads, of which means are made.
#[derive(Default)]
pub(super) struct Sums {
    loss: f64,
    right: f64,
    answers: usize,
    reads: usize,
}

impl Sums {
    /// Adds a batch, or a part of one, and gives its loss.
    fn add(&mut self, of: &BatchLoss) -> Result<f64, TrainingError> {
        let loss = of.loss.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        self.loss += loss * of.reads as f64;
        self.right += of.right;
        self.answers += of.answers;
        self.reads += of.reads;
        Ok(loss)
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.loss += other.loss;
        self.right += other.right;
        self.answers += other.answers;
        self.reads += other.reads;
    }

    pub(super) fn mean(&self) -> Evaluation {
        let [reads, answers] = [self.reads, self.answers].map(|count| count.max(1) as f64);
        Evaluation { loss: self.loss / reads, accuracy: self.right / answers }
    }
}

/// The loss of a batch.
///
/// # Errors
/// Failures of the computation; an example that does not fit the memory.
pub(super) fn loss(
    objective: &Objective,
    runs: &TrainRun,
    batch: &[usize],
) -> Result<Sums, TrainingError> {
    let mut sums = Sums::default();
    for part in runs.parts(batch)? {
        sums.add(&objective.loss.of(runs, &batch[part])?)?;
    }
    Ok(sums)
}

/// The gradients of a batch's loss with its penalties.
///
/// # Errors
/// As [`loss`].
pub(super) fn gradients(
    objective: &Objective,
    runs: &TrainRun,
    batch: &[usize],
    learned: &[Parameter],
) -> Result<Found, TrainingError> {
    let parts = runs.parts(batch)?;
    let mut sums = Sums::default();
    if let [_] = &parts[..] {
        let found = objective.loss.of(runs, batch)?;
        let loss = sums.add(&found)?;
        let mut penalised = found.loss.to_dtype(DType::F64)?;
        if let Some(penalty) = objective.penalised(learned)? {
            penalised = (penalised + penalty)?;
        }
        return Ok(Found { gradients: penalised.backward()?, loss, sums });
    }
    let mut all: Option<GradStore> = None;
    for part in parts {
        let found = objective.loss.of(runs, &batch[part])?;
        sums.add(&found)?;
        let loss = (found.loss.to_dtype(DType::F64)? * found.reads as f64)?;
        add(&mut all, loss.backward()?, learned, 1.0)?;
    }
    let reads = sums.reads.max(1) as f64;
    let mut of_batch: Option<GradStore> = None;
    if let Some(all) = all {
        add(&mut of_batch, all, learned, 1.0 / reads)?;
    }
    if let Some(penalty) = objective.penalised(learned)? {
        add(&mut of_batch, penalty.backward()?, learned, 1.0)?;
    }
    match of_batch {
        Some(gradients) => Ok(Found { gradients, loss: sums.mean().loss, sums }),
        None => Err(RunError::NoneChosen.into()),
    }
}

/// Adds scaled gradients of what is learned to others.
fn add(
    to: &mut Option<GradStore>,
    mut gradients: GradStore,
    learned: &[Parameter],
    scale: f64,
) -> candle_core::Result<()> {
    for Parameter { variable, .. } in learned {
        let so_far = to.as_ref().and_then(|to| to.get(variable));
        let sum = match (gradients.get(variable), so_far) {
            (Some(new), Some(so_far)) => (so_far + (new * scale)?)?,
            (Some(new), None) => (new * scale)?,
            (None, Some(so_far)) => so_far.clone(),
            (None, None) => continue,
        };
        gradients.insert(variable, sum.detach());
    }
    *to = Some(gradients);
    Ok(())
}
