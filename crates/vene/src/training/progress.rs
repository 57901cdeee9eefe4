//! How far a training is, and what it came to.

/// One step of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Which, counted from 0.
    pub step: usize,
    /// Out of how many.
    pub steps: usize,
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The batch's mean loss, before penalties, in the loss's own unit (nats of a cross entropy).
    pub loss: f64,
    /// The share of the batch's answers that are what they should be: of a cross entropy the interchange-intervention
    /// accuracy on the batch.
    pub accuracy: f64,
}

/// How good interventions are on some examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// The mean loss, before penalties.
    pub loss: f64,
    /// The share of answers that are what they should be.
    pub accuracy: f64,
}

/// One epoch of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Which, counted from 0.
    pub epoch: usize,
    /// Out of how many.
    pub epochs: usize,
    /// On its batches, each before its step.
    pub trained: Evaluation,
    /// On the held-out examples behind it, where there are any.
    pub held_out: Option<Evaluation>,
}

/// What a training tells as it goes.
#[derive(Clone, Copy, Debug)]
pub enum TrainingProgress<'a> {
    /// It takes up an earlier one that came so far.
    Resumed(&'a Trained),
    /// A step is done.
    Step(&'a Step),
    /// An epoch is done, and its checkpoint is written.
    Epoch(&'a Epoch),
}

/// What a training came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trained {
    /// Every step, those before it was taken up included.
    pub steps: Vec<Step>,
    /// Every epoch, likewise.
    pub epochs: Vec<Epoch>,
    /// Whether it ended before its last epoch, since the loss no longer fell.
    pub stopped_early: bool,
}
