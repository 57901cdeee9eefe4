//! vene's side of the benchmark: JSON lines in, each a workload; JSON lines out, each what one run
//! of it took.
//!
//! `vene-bench-worker MODELS`, where the folder holds one model of each name that workloads use.
//! Loading a model is not timed; making and checking the plans is.

mod data_set;
mod memory;
mod plans;
mod product;
mod run;
mod training;
mod workload;

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;
use vene::{Forked, Model};

use data_set::{DataSetWorkload, Swept};
use training::{Learned, TrainingWorkload};
use workload::{Request, Workload};

/// What one run of a workload took.
#[derive(Serialize)]
struct Answer {
    seconds: f64,
    /// The largest resident memory during the run, in bytes.
    peak_rss: u64,
    values: Vec<f64>,
    /// Floating-point operations of the run's matrix products, as forks need them.
    operations: f64,
    /// The fastest large matrix product of this process, in operations per second.
    best_product: f64,
}

/// What one run of a training took.
#[derive(Serialize)]
struct TrainingAnswer {
    seconds: f64,
    peak_rss: u64,
    values: Learned,
}

/// Answers workloads, keeping the model of the last one.
struct Server {
    models: PathBuf,
    kept: Option<(String, Model)>,
    best_product: f64,
}

impl Server {
    fn model(&mut self, name: &str) -> Result<&Model> {
        if self.kept.as_ref().is_none_or(|(kept, _)| kept != name) {
            self.kept = None;
            let folder = self.models.join(name);
            let path = folder.to_str().context("the models' folder is not UTF-8")?;
            self.kept = Some((name.to_owned(), Model::load(path)?));
        }
        let (_, model) = self.kept.as_ref().context("no model")?;
        Ok(model)
    }

    fn answer(&mut self, request: Request) -> Result<serde_json::Value> {
        if request.workload["kind"] == "training" {
            let answer = self.train(&serde_json::from_value(request.workload)?)?;
            return Ok(serde_json::to_value(answer)?);
        }
        let mut answer = match request.workload["kind"].as_str() {
            Some("data_set") => self.sweep(&serde_json::from_value(request.workload)?)?,
            _ => self.run(&serde_json::from_value(request.workload)?)?,
        };
        self.best_product = self.best_product.max(product::operations_per_second());
        answer.best_product = self.best_product;
        Ok(serde_json::to_value(answer)?)
    }

    fn run(&mut self, workload: &Workload) -> Result<Answer> {
        let model = self.model(&workload.model)?;
        memory::reset_peak()?;
        let start = Instant::now();
        let plans = plans::of(workload, model)?;
        let values = run::values(workload, &plans, model)?;
        let seconds = start.elapsed().as_secs_f64();
        let peak_rss = memory::peak()?;
        let operations = Forked::new(model).work(&plans)?.operations();
        Ok(Answer { seconds, peak_rss, values, operations, best_product: 0.0 })
    }

    fn train(&mut self, workload: &TrainingWorkload) -> Result<TrainingAnswer> {
        let model = self.model(&workload.model)?;
        memory::reset_peak()?;
        let start = Instant::now();
        let values = workload.train(model)?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(TrainingAnswer { seconds, peak_rss: memory::peak()?, values })
    }

    fn sweep(&mut self, workload: &DataSetWorkload) -> Result<Answer> {
        let model = self.model(&workload.model)?;
        memory::reset_peak()?;
        let Swept { seconds, values, passes } = workload.sweep(model)?;
        let peak_rss = memory::peak()?;
        let forked = Forked::new(model);
        let mut operations = 0.0;
        for plans in &passes {
            operations += forked.work(plans)?.operations();
        }
        Ok(Answer { seconds, peak_rss, values, operations, best_product: 0.0 })
    }
}

fn main() -> Result<()> {
    let models = std::env::args().nth(1).context("usage: vene-bench-worker MODELS")?;
    let models = Path::new(&models).to_owned();
    let mut server = Server { models, kept: None, best_product: 0.0 };
    let mut output = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let answer = server.answer(request)?;
        writeln!(output, "{}", serde_json::to_string(&answer)?)?;
        output.flush()?;
    }
    Ok(())
}
