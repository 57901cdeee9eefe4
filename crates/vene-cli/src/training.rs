//! What becomes of a checked training: the rows apart, the training itself, its files and its summary.
//!
//! `DIR/checkpoint.safetensors` is written after each epoch; a training that is complete has none any more, but
//! `DIR/trained` with the plan and what it learned, `training.csv` with its steps, `curves.svg|png` and `run.json`. The plans
//! of a grid are trained one after the other, each in such a folder of its own ([`grid`]).

pub mod bar;
pub mod comparison;
mod figures;
pub mod grid;
mod objectives;
mod ready;
mod record;
mod summary;

use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde_json::json;
use vene::data::LeftOut;
use vene::data::Together;
use vene::plan_file::{PlanGrid, Sections};
use vene::training::{Evaluation, Trained};
use vene::{Outline, Precision, PromptForm};

use crate::data_set::DataSet;
use crate::experiment::{self, Spec};
use crate::folder::Folder;
use crate::model;
use crate::record::{Kind, RECORD, Record};
use crate::shard::Shard;
use crate::threads;
pub use figures::of_training as curves;
pub use ready::{Ready, steps};
pub use record::result;

/// What a training keeps on its way, to be gone on with.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
const STEPS: &str = "training.csv";
/// The folder of the trained plan.
pub const TRAINED: &str = "trained";

/// The files of a training, in its folder.
pub const FILES: [&str; 4] = [STEPS, "curves.svg", "curves.png", RECORD];

/// What is trained on what, and where it goes.
pub struct Settings {
    pub spec: Spec,
    pub sections: Sections,
    pub rows: DataSet,
    /// Which rows stay on one side, trained on or held out.
    pub together: Together,
    /// About how many bytes it may take beside the weights.
    pub memory: Option<usize>,
    /// Which runs of a grid are trained here, of all.
    pub shard: Option<Shard>,
    pub json: bool,
    pub form: PromptForm,
    pub precision: Precision,
}

/// What came of it.
pub struct Outcome {
    pub trained: Trained,
    pub held_out: Evaluation,
    /// With random directions in place of learned ones; else as it was before the training.
    pub control: Evaluation,
    pub is_random: bool,
    /// Rows that were trained on, and held out.
    pub rows: [usize; 2],
    /// The numbers of the held-out rows in their file.
    pub held_out_rows: Vec<usize>,
    pub left_out: Vec<LeftOut>,
    pub seconds: f64,
}

/// Trains in a folder that was claimed for it, and writes what was learned: one plan, or each plan of a grid.
pub fn start(
    outline: Outline,
    grid: &PlanGrid,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    train(outline, grid, settings, folder, false)
}

/// Goes on with a training that was stopped, in the folder that was claimed for that.
pub fn go_on(
    outline: Outline,
    grid: &PlanGrid,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    train(outline, grid, settings, folder, true)
}

fn train(
    outline: Outline,
    grid: &PlanGrid,
    settings: &Settings,
    folder: &Folder,
    is_resumed: bool,
) -> anyhow::Result<()> {
    let plan = match grid.runs.as_slice() {
        [run] if grid.variables.is_empty() => &run.plan,
        _ => return grid::train(outline, grid, settings, folder, is_resumed),
    };
    if let Some(shard) = settings.shard {
        bail!("--shard {shard}: the plan has no [grid], and one training is not divided");
    }
    let ready = Ready::new(&outline, plan, settings)?;
    ready.warn(&outline, settings);
    let mut record = put_on_record(&outline, settings, None, folder, is_resumed)?;
    folder.run(|| {
        threads::start_for_training()?;
        let model = model::load(outline, settings.precision)?;
        let outcome = ready.run(&model, settings, folder, &mut record, "")?;
        summary::print(&outcome, plan, folder.path(), settings.json)
    })
}

/// Puts a training on record in its folder: a new one, or the one that is gone on with. `place` says which of a grid it is.
fn put_on_record(
    outline: &Outline,
    settings: &Settings,
    place: Option<serde_json::Value>,
    folder: &Folder,
    resume: bool,
) -> anyhow::Result<Record> {
    let mut record = begin(outline, settings, place)?;
    let files = FILES.map(str::to_owned);
    if !resume {
        folder.check_files(&files)?;
        folder.begin(&mut record, &files)?;
        return Ok(record);
    }
    let before = folder.earlier().context("there is no training to go on with")?;
    experiment::check_same(before, &record, folder.path())?;
    let has_trained = before.files().iter().any(|file| file == Path::new(STEPS));
    let trained = folder.path().join(TRAINED);
    ensure!(
        has_trained || trained.symlink_metadata().is_err(),
        "{} is there already, and this training did not write it: move it away",
        trained.display()
    );
    folder.check_files(&files)?;
    record = before.clone();
    folder.put_on_record(&mut record)?;
    Ok(record)
}

/// The record of one that begins; `place` is which of a grid it is.
fn begin(
    outline: &Outline,
    settings: &Settings,
    place: Option<serde_json::Value>,
) -> anyhow::Result<Record> {
    let details = place.map_or_else(|| json!({}), |place| json!({ "place": place }));
    let (spec, data) = (&settings.spec, settings.rows.source());
    experiment::begin(Kind::Training, outline, spec, &data, &[], details)
}
