//! What becomes of a checked sweep: its forecast, or its run with table, figures, record and
//! summary.

mod figures;
mod forecast;
mod record;
mod summary;

use std::ops::ControlFlow;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};
use vene::{
    ExecutorName, Method, Model, Outline, Precision, PromptForm, Sweep, SweepOutcome, Table, data,
};

use crate::drawn::Drawn;
use crate::executor;
use crate::experiment::Spec;
use crate::folder::Folder;
use crate::look::records;
use crate::model;
use crate::prompts;
use crate::record::{Kind, RECORD, Record};
use crate::terminal;

pub use forecast::forecast;

/// The tables: of the tokens' probabilities, and of the metrics.
const TOKENS: &str = "sweep";
const METRICS: &str = "metrics";

/// A checked sweep with all that it takes to run it.
pub struct Run {
    /// What was asked for.
    pub spec: Spec,
    /// The model, its weights not yet read.
    pub outline: Outline,
    /// The sweep.
    pub sweep: Sweep,
    /// How prompts are read.
    pub form: PromptForm,
    /// Precision of weights and activations.
    pub precision: Precision,
    /// Who runs it.
    pub executor: ExecutorName,
    /// Bytes that the rows of one pass may take, where said.
    pub memory: Option<usize>,
}

/// A sweep that was run.
pub struct Finished {
    /// The model.
    pub model: Model,
    spec: Spec,
    form: PromptForm,
    precision: Precision,
    executor: ExecutorName,
    memory: Option<usize>,
    sweep: Sweep,
    outcome: SweepOutcome,
    load_seconds: f64,
    sweep_seconds: f64,
}

/// What was written.
pub struct Written {
    /// `run.json`.
    pub record: Record,
    files: Vec<String>,
}

/// What is known of each source, as a record has it: nothing (null) without a source, of one what it is,
/// of several a list.
pub(super) fn one_or_each<T: Serialize>(each: impl Iterator<Item = T>) -> Value {
    let mut values: Vec<Value> = each.map(|value| json!(value)).collect();
    match values.len() {
        0 => Value::Null,
        1 => values.remove(0),
        _ => Value::Array(values),
    }
}

/// The names of a sweep's tables, without their extensions.
fn tables(sweep: &Sweep) -> impl Iterator<Item = &'static str> {
    let tokens = (!sweep.targets().is_empty()).then_some(TOKENS);
    tokens.into_iter().chain((!sweep.metrics().is_empty()).then_some(METRICS))
}

/// The files that a sweep writes.
pub fn files(sweep: &Sweep) -> Vec<String> {
    let tables = tables(sweep).flat_map(|name| [format!("{name}.csv"), format!("{name}.parquet")]);
    let figures = figures::names(sweep).into_iter();
    let figures = figures.flat_map(|name| [format!("{name}.svg"), format!("{name}.png")]);
    tables.chain(figures).chain([RECORD.to_owned()]).collect()
}

/// Warns of what may make a sweep's result other than was meant.
pub fn warn(outline: &Outline, sweep: &Sweep) -> anyhow::Result<()> {
    prompts::warn_about_bos(outline, sweep.base());
    for source in sweep.sources() {
        prompts::warn_about_bos(outline, source);
    }
    for target in sweep.targets() {
        if data::lacks_space(outline, sweep.base(), &target.text) {
            terminal::warn(format!(
                "`{0}` has no leading space, so it can follow no word as a word of its own: \
                 \" {0}\" is a token too",
                target.text
            ));
        }
    }
    if !matches!(sweep.method(), Method::Interchange) {
        return Ok(());
    }
    let read = sweep.read_sources();
    if read.iter().any(|source| source.tokens() == sweep.base().tokens()) {
        terminal::warn(
            "base and source are the same tokens: an interchange between them changes nothing",
        );
    } else if sweep.shared_prefix_cells(outline)? == sweep.cells().len() {
        terminal::warn(
            "base and source are the same up to every swept position: none of these interventions \
             can change anything",
        );
    }
    Ok(())
}

/// All figures of a sweep.
pub fn draw(sweep: &Sweep, outline: &Outline, outcome: &SweepOutcome) -> Drawn {
    let mut drawn = Drawn::default();
    for name in figures::names(sweep) {
        let figure = figures::draw(&name, sweep, outline, outcome);
        drawn.take(name, figure);
    }
    drawn
}

impl Run {
    /// Runs the sweep in a folder that was claimed for it, and writes all files or none. `and_then` does what else
    /// belongs to the run.
    pub fn run_in<T>(
        self,
        kind: Kind,
        folder: &Folder,
        and_then: impl FnOnce(&Finished, &Written) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let files = files(&self.sweep);
        folder.check_files(&files)?;
        let mut record = Record::begin(
            kind,
            json!({
                "model": model::record(&self.outline, &self.spec.model)?,
                "experiment": self.spec.experiment,
                "folder": self.spec.folder.display().to_string(),
            }),
            &["model", "experiment"],
        )?;
        folder.begin(&mut record, &files)?;
        folder.run(|| {
            let finished = self.run()?;
            let written = finished.write(folder, record)?;
            and_then(&finished, &written)
        })
    }

    /// Reads the weights and runs the sweep.
    fn run(self) -> anyhow::Result<Finished> {
        let start = Instant::now();
        let model = executor::load(self.executor, self.outline, self.precision)?;
        let load_seconds = start.elapsed().as_secs_f64();

        let start = Instant::now();
        let bar = terminal::Bar::new(self.sweep.interventions(), "interventions");
        let executor = executor::on(self.executor, &model, self.memory);
        let means = self.sweep.means(&model, &*executor)?;
        let outcome = self.sweep.run_batch(&model, &*executor, &means, 0..1, &mut |done| {
            bar.set(done);
            ControlFlow::Continue(())
        });
        bar.finish();
        drop(executor);
        Ok(Finished {
            outcome: outcome?,
            sweep: self.sweep,
            model,
            spec: self.spec,
            form: self.form,
            precision: self.precision,
            executor: self.executor,
            memory: self.memory,
            load_seconds,
            sweep_seconds: start.elapsed().as_secs_f64(),
        })
    }
}

impl Finished {
    /// Writes all files, or none. A figure that cannot be drawn (there may be too much for one) is
    /// left out with a warning, rather than the whole run lost.
    fn write(&self, folder: &Folder, mut record: Record) -> anyhow::Result<Written> {
        let start = Instant::now();
        let drawn = draw(&self.sweep, &self.model, &self.outcome).files();
        let draw_seconds = start.elapsed().as_secs_f64();
        let mut files = Vec::new();
        for name in tables(&self.sweep) {
            files.extend([format!("{name}.csv"), format!("{name}.parquet")]);
        }
        files.extend(drawn.iter().map(|(name, _)| name.clone()));
        files.push(RECORD.to_owned());
        record::end(&mut record, self, draw_seconds, &files)?;
        folder.fill(&mut record, |files| {
            for (name, table) in self.tables() {
                files.csv(&format!("{name}.csv"), table)?;
                files.parquet(&format!("{name}.parquet"), table.clone())?;
            }
            files.made(&drawn)
        })?;
        folder.complete(&mut record)?;
        Ok(Written { record, files })
    }

    /// The tables' rows, by the names of the tables' files.
    fn tables(&self) -> impl Iterator<Item = (&'static str, &Table)> {
        tables(&self.sweep).filter_map(|name| match name {
            METRICS => Some((name, self.outcome.examples())),
            _ => Some((name, self.outcome.tokens()?)),
        })
    }

    /// The same as JSON.
    pub fn results(&self) -> Value {
        self.tables().map(|(name, table)| (name.to_owned(), records(table))).collect()
    }

    /// The strongest places, for people to read.
    pub fn summary(&self) -> String {
        summary::summary(self)
    }
}

impl Written {
    /// Says which files are where.
    pub fn listing(&self, folder: &Folder) -> String {
        terminal::written(folder.path().display(), &self.files)
    }
}
