//! The progress of a training, where a person is looking.

use std::ops::ControlFlow;

use vene::training::{Evaluation, TrainingProgress};

use crate::terminal::Bar;

/// Shows how far it is.
pub fn show(bar: &Bar, progress: TrainingProgress<'_>) {
    match progress {
        TrainingProgress::Resumed(trained) => bar.begin_at(trained.steps.len() as u64),
        TrainingProgress::Step(step) => {
            bar.set_length(step.steps);
            bar.set(step.step + 1);
            let (loss, accuracy) = (step.loss, 100.0 * step.accuracy);
            bar.say(format!("loss {loss:.3}, accuracy {accuracy:.0} %"));
        }
        TrainingProgress::Epoch(epoch) => {
            if let Some(Evaluation { loss, accuracy }) = epoch.held_out {
                let accuracy = 100.0 * accuracy;
                bar.say(format!("held out: loss {loss:.3}, accuracy {accuracy:.0} %"));
            }
        }
    }
}

/// Tells how many steps of how many are done, and how good the last one was.
pub fn told(
    progress: TrainingProgress<'_>,
    tell: &mut dyn FnMut(usize, usize, String) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match progress {
        TrainingProgress::Step(step) => {
            let (loss, accuracy) = (step.loss, 100.0 * step.accuracy);
            let says = format!("loss {loss:.3}, accuracy {accuracy:.0} %");
            tell(step.step + 1, step.steps, says)
        }
        TrainingProgress::Resumed(_) | TrainingProgress::Epoch(_) => ControlFlow::Continue(()),
    }
}
