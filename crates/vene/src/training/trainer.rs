//! The training loop.

use std::ops::ControlFlow;
use std::path::Path;

use vene_engine::RunError;
use vene_engine::TrainRun;
use vene_engine::plan::ResolvedPlan;
use vene_model::Model;
use vene_random::Draws;

use super::annealing::{self, Annealing};
use super::batch::{self, Sums};
use super::checkpoint;
use super::error::TrainingError;
use super::objective::Objective;
use super::optimizer::State;
use super::progress::{Epoch, Evaluation, Step, Trained, TrainingProgress};
use super::{AdamW, Schedule};

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
    /// How the temperature of masks changes; `None` leaves it as it is.
    pub annealing: Option<Annealing>,
    /// What the order of examples depends on; `None` keeps them in order.
    pub seed: Option<u64>,
    /// Ends where the loss has not fallen for so many epochs: that of the held-out examples where there are any,
    /// else the epoch's mean.
    pub patience: Option<usize>,
    /// Whether blocks behind the edits are run once more on the way back instead of being remembered
    /// ([`TrainRun::recomputing`]): for batches that would not fit the memory.
    pub recomputes: bool,
    /// About how many bytes a training may take beside the weights. A batch that needs more is run in parts whose gradients
    /// are added up, weighted by how many positions they read: the same but for rounding, for a loss that is a mean over
    /// them. `None`: a batch is run at once.
    pub memory: Option<usize>,
}

impl Default for Trainer {
    fn default() -> Self {
        Self {
            epochs: 3,
            batch: 32,
            optimizer: AdamW::default(),
            schedule: Schedule::default(),
            annealing: None,
            seed: Some(0),
            patience: None,
            recomputes: false,
            memory: None,
        }
    }
}

/// A training's examples: a plan, and what its runs should say.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// The plan.
    pub plan: &'a ResolvedPlan,
    /// What is to become small.
    pub objective: &'a Objective,
}

/// A file in which a training keeps how far it came.
#[derive(Clone, Copy, Debug)]
pub struct TrainingFile<'a> {
    /// The file.
    pub path: &'a Path,
    /// Whose it is: a text that is the same only where everything is the same that determines what is learned, such as a
    /// digest of model, plan, data and options. A checkpoint of another one is refused.
    pub of: &'a str,
}

impl Trainer {
    /// Trains on some examples: after it the interventions' parameters are what was learned. `held_out` has the same
    /// interventions in a plan for other examples, which are looked at after each epoch. `progress` is told
    /// of every step and every epoch, and may break off.
    ///
    /// # Errors
    /// What is wrong with plan and objective; failures of the computation; [`RunError::Stopped`] where
    /// `progress` broke off.
    pub fn train(
        &self,
        model: &Model,
        examples: Examples<'_>,
        held_out: Option<Examples<'_>>,
        progress: &mut dyn FnMut(TrainingProgress<'_>) -> ControlFlow<()>,
    ) -> Result<Trained, TrainingError> {
        self.run(model, examples, held_out, None, progress)
    }

    /// The same, with a checkpoint that is written after every epoch and resumed from where it is there: the end
    /// is the same bit for bit.
    ///
    /// # Errors
    /// As [`Trainer::train`], and where the file is of another training, is not as it was written, or cannot be
    /// written.
    pub fn train_with_checkpoint(
        &self,
        model: &Model,
        examples: Examples<'_>,
        held_out: Option<Examples<'_>>,
        checkpoint: TrainingFile<'_>,
        progress: &mut dyn FnMut(TrainingProgress<'_>) -> ControlFlow<()>,
    ) -> Result<Trained, TrainingError> {
        self.run(model, examples, held_out, Some(checkpoint), progress)
    }

    fn run(
        &self,
        model: &Model,
        examples: Examples<'_>,
        held_out: Option<Examples<'_>>,
        checkpoint: Option<TrainingFile<'_>>,
        progress: &mut dyn FnMut(TrainingProgress<'_>) -> ControlFlow<()>,
    ) -> Result<Trained, TrainingError> {
        let Examples { plan, objective } = examples;
        plan.expect(model.key()).map_err(RunError::from)?;
        objective.loss.check(plan)?;
        if let Some(held_out) = held_out {
            held_out.plan.expect(model.key()).map_err(RunError::from)?;
            held_out.objective.loss.check(held_out.plan)?;
        }
        if self.batch == 0 {
            return Err(TrainingError::EmptyBatch);
        }
        let learned = plan.learned();
        if learned.is_empty() {
            return Err(TrainingError::NothingToTrain);
        }
        let temperatures = match self.annealing {
            Some(annealing) => {
                annealing.check()?;
                annealing::temperatures(plan)?
            }
            None => Vec::new(),
        };
        objective.penalised(&learned)?;

        let count = plan.examples().len();
        let batches = count.div_ceil(self.batch);
        let steps = self.epochs.saturating_mul(batches);
        let mut state = State::new(self.optimizer, &learned)?;
        let mut trained = match checkpoint.filter(|checkpoint| checkpoint.path.exists()) {
            Some(checkpoint) => {
                checkpoint::take_up(checkpoint, &learned, &mut state, steps, self.epochs)?
            }
            None => Trained::default(),
        };
        if !trained.epochs.is_empty() && progress(TrainingProgress::Resumed(&trained)).is_break() {
            return Err(RunError::Stopped.into());
        }
        if let (Some(annealing), Some(last)) = (self.annealing, trained.steps.last()) {
            // A temperature is not in the checkpoint: it is told by how far the training came.
            annealing::set(&temperatures, annealing.temperature(last.step, steps))?;
        }
        if trained.epochs.len() >= self.epochs || self.is_over(&trained.epochs) {
            trained.stopped_early = trained.epochs.len() < self.epochs;
            return Ok(trained);
        }
        let run = |plan: &ResolvedPlan| TrainRun::of(model, plan.clone(), self.memory);
        let mut runs = run(plan)?.recomputing(self.recomputes);
        let held_out = match held_out {
            Some(held_out) => Some((run(held_out.plan)?.without_gradients(), held_out.objective)),
            None => None,
        };
        for epoch in trained.epochs.len()..self.epochs {
            let mut sums = Sums::default();
            for (index, batch) in self.order(count, epoch).chunks(self.batch).enumerate() {
                let step = epoch * batches + index;
                runs.set_step(Some(step as u64));
                if let Some(annealing) = self.annealing {
                    annealing::set(&temperatures, annealing.temperature(step, steps))?;
                }
                let found = batch::gradients(objective, &runs, batch, &learned)?;
                state.step(&learned, &found.gradients, self.schedule.factor(step, steps))?;
                let (loss, accuracy) = (found.loss, found.sums.mean().accuracy);
                if !loss.is_finite() {
                    return Err(TrainingError::Diverged { step, loss });
                }
                sums.join(&found.sums);
                let step = Step { step, steps, epoch, loss, accuracy };
                trained.steps.push(step);
                if progress(TrainingProgress::Step(&step)).is_break() {
                    return Err(RunError::Stopped.into());
                }
            }
            runs.set_step(None);
            let held_out = match &held_out {
                Some((runs, objective)) => Some(self.evaluation(runs, objective)?),
                None => None,
            };
            let epochs = self.epochs;
            let epoch = Epoch { epoch, epochs, trained: sums.mean(), held_out };
            trained.epochs.push(epoch);
            if let Some(checkpoint) = checkpoint {
                checkpoint::keep(checkpoint, &learned, &state, &trained)?;
            }
            if progress(TrainingProgress::Epoch(&epoch)).is_break() {
                return Err(RunError::Stopped.into());
            }
            if self.is_over(&trained.epochs) {
                trained.stopped_early = trained.epochs.len() < self.epochs;
                break;
            }
        }
        Ok(trained)
    }

    /// Whether the loss has not fallen for too long.
    fn is_over(&self, epochs: &[Epoch]) -> bool {
        let Some(patience) = self.patience else { return false };
        let (mut best, mut worse) = (f64::INFINITY, 0);
        for epoch in epochs {
            let loss = epoch.held_out.unwrap_or(epoch.trained).loss;
            worse = if loss < best { 0 } else { worse + 1 };
            best = best.min(loss);
        }
        worse >= patience
    }

    /// Examples in the order of an epoch: the same whether the training is taken up or not.
    fn order(&self, examples: usize, epoch: usize) -> Vec<usize> {
        match self.seed {
            Some(seed) => Draws::new([seed, epoch as u64]).order(examples),
            None => (0..examples).collect(),
        }
    }

    /// How good interventions are as they stand.
    ///
    /// # Errors
    /// As [`Trainer::train`].
    pub fn evaluate(
        &self,
        model: &Model,
        examples: Examples<'_>,
    ) -> Result<Evaluation, TrainingError> {
        examples.objective.loss.check(examples.plan)?;
        if self.batch == 0 {
            return Err(TrainingError::EmptyBatch);
        }
        let runs = TrainRun::of(model, examples.plan.clone(), self.memory)?.without_gradients();
        self.evaluation(&runs, examples.objective)
    }

    fn evaluation(
        &self,
        runs: &TrainRun,
        objective: &Objective,
    ) -> Result<Evaluation, TrainingError> {
        let all: Vec<usize> = (0..runs.examples()).collect();
        let mut sums = Sums::default();
        for batch in all.chunks(self.batch) {
            sums.join(&batch::loss(objective, runs, batch)?);
        }
        Ok(sums.mean())
    }
}
