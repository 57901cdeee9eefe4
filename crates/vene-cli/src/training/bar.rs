//! The progress of a training, where a person is looking.

use indicatif::{ProgressBar, ProgressStyle};
use vene::training::{Evaluation, Progress};

/// The progress, where a person is looking.
pub struct Bar(ProgressBar);

impl Bar {
    /// `name` says which training of several it is.
    pub fn new(name: &str) -> Self {
        let style = "{prefix}{wide_bar} {pos}/{len} {eta} {msg}";
        let style = ProgressStyle::with_template(style).unwrap_or(ProgressStyle::default_bar());
        let prefix = if name.is_empty() { String::new() } else { format!("{name} ") };
        Self(ProgressBar::new(0).with_style(style).with_prefix(prefix))
    }

    pub fn show(&self, progress: Progress<'_>) {
        match progress {
            Progress::Resumed(trained) => self.0.set_position(trained.steps.len() as u64),
            Progress::Step(step) => {
                self.0.set_length(step.steps as u64);
                self.0.set_position(step.step as u64 + 1);
                let (loss, accuracy) = (step.loss, 100.0 * step.accuracy);
                self.0.set_message(format!("loss {loss:.3}, accuracy {accuracy:.0} %"));
            }
            Progress::Epoch(epoch) => {
                if let Some(Evaluation { loss, accuracy }) = epoch.held_out {
                    let accuracy = 100.0 * accuracy;
                    self.0
                        .set_message(format!("held out: loss {loss:.3}, accuracy {accuracy:.0} %"));
                }
            }
        }
    }

    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
