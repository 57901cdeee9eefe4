//! A training of an intervention, from token ids to what was learned.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use vene::intervention::{Intervention, RotatedSpace, Rotation, Subspace, load};
use vene::training::{AdamW, Examples, Objective, Trainer, TrainingProgress};
use vene::{Component, Edit, Example, Model, Plan, Positions};

use crate::memory;

/// A workload of the kind `training`; what the fields mean is told in `training_workloads.py`.
#[derive(Deserialize)]
pub(crate) struct TrainingWorkload {
    pub(crate) model: String,
    intervention: String,
    layer: usize,
    rank: usize,
    batch: usize,
    epochs: usize,
    learning_rate: f64,
    rotation: String,
    #[serde(default)]
    recomputes: bool,
    examples: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    base: Vec<u32>,
    source: Vec<u32>,
    written: i64,
    read: i64,
    label: u32,
}

/// What a training gave.
#[derive(Serialize)]
pub(crate) struct Learned {
    losses: Vec<f64>,
    epoch_seconds: Vec<f64>,
    /// Of all threads.
    epoch_processor_seconds: Vec<f64>,
    accuracies: Vec<f64>,
}

impl TrainingWorkload {
    pub(crate) fn train(&self, model: &Model) -> Result<Learned> {
        let (start, started) = (Instant::now(), memory::processor_seconds()?);
        let width = model.config().d_model;
        let intervention: Arc<dyn Intervention> = match self.intervention.as_str() {
            "rotated_space" => {
                let rotation = Rotation::random(width, width, 0)?;
                Arc::new(RotatedSpace::new(rotation, Subspace::first(self.rank))?)
            }
            "low_rank_rotated_space" => {
                let rotation = Rotation::random(width, self.rank, 0)?;
                Arc::new(RotatedSpace::low_rank(rotation, Subspace::All))
            }
            other => bail!("no intervention is called {other}"),
        };
        load(intervention.as_ref(), self.rotation.as_ref())?;
        let example = |row: &Row| -> Result<Example> {
            let source = model.prompt_from_tokens(&row.source)?;
            Ok(Example::new(model.prompt_from_tokens(&row.base)?).source(source))
        };
        let examples = self.examples.iter().map(example).collect::<Result<Vec<_>>>()?;
        let positions = |of: fn(&Row) -> i64| {
            Positions::Each(self.examples.iter().map(|row| vec![of(row)]).collect())
        };
        let edit = Edit::new(Component::BlockOutput, self.layer, intervention)
            .at(positions(|row| row.written))
            .from(positions(|row| row.read));
        let plan = Plan::new().edit(edit).resolve(model, &examples)?;
        let labels: Vec<u32> = self.examples.iter().map(|row| row.label).collect();
        let objective = Objective::labels(&labels);
        let trainer = Trainer {
            epochs: self.epochs,
            batch: self.batch,
            optimizer: AdamW { learning_rate: self.learning_rate, ..AdamW::default() },
            seed: None,
            recomputes: self.recomputes,
            ..Trainer::default()
        };
        let mut ends = vec![(start, started)];
        let examples = Examples { plan: &plan, objective: &objective };
        let trained = trainer.train(model, examples, None, &mut |progress| {
            if let TrainingProgress::Epoch(_) = progress {
                ends.push((Instant::now(), memory::processor_seconds().unwrap_or(f64::NAN)));
            }
            ControlFlow::Continue(())
        })?;
        type Moment = (Instant, f64);
        let took = |pair: &[Moment]| (pair[1].0 - pair[0].0).as_secs_f64();
        let worked = |pair: &[Moment]| pair[1].1 - pair[0].1;
        trained.epochs.last().context("no epoch was trained")?;
        Ok(Learned {
            losses: trained.steps.iter().map(|step| step.loss).collect(),
            epoch_seconds: ends.windows(2).map(took).collect(),
            epoch_processor_seconds: ends.windows(2).map(worked).collect(),
            accuracies: trained.epochs.iter().map(|epoch| epoch.trained.accuracy).collect(),
        })
    }
}
