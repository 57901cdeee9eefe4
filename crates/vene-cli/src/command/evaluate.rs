//! `vene evaluate`: what a trained plan is worth on other rows.

use clap::Args;
use vene::plan_file::ExperimentKind;

use super::run;
use crate::arguments::Given;

/// Evaluate a trained plan on other rows, beside what it should be compared with
#[derive(Args)]
#[command(
    long_about = "\
Runs a trained plan in rows that it was not trained on, and beside it, in the same rows: the whole activation in place \
of the learned directions, and random directions in their place. Measured is the label that the training had (the \
source's answer where the plan reads sources): `accuracy` is the interchange-intervention accuracy (Geiger et al. \
2021), its unedited value that of the base's run, its source value the model's own on the source. The files are \
those of `vene run`; run.json tells the loss and the accuracy too as `vene train` tells those of its held-out rows.",
    after_help = "\
Examples:
  vene task capital -n 200 --out capital.jsonl
  vene train das.toml --data capital.jsonl --out das
  vene task capital -n 100 --seed 7 --out other.jsonl
  vene evaluate das/trained --data other.jsonl --out evaluated"
)]
pub struct Arguments {
    #[command(flatten)]
    run: run::Arguments,
}

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        self.run.run_as(given, Some(ExperimentKind::Evaluate))
    }
}
