//! What becomes of a checked training: the rows apart, the training itself, its files and its summary.
//!
//! `DIR/checkpoint.safetensors` is written after each epoch; a training that is complete has none any more, but
//! `DIR/trained` with the plan and what it learned, `training.csv` with its steps and `run.json`.

pub mod comparison;
mod objectives;
mod record;
mod summary;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use serde_json::json;
use vene::data::{FoilIs, LeftOut, PreparedRow, Reason, Row};
use vene::plan::OverRows;
use vene::plan_file::{Sections, TrainSection, save_with};
use vene::statistics::Together;
use vene::training::{
    Checkpoint, Evaluation, Examples, Progress, Step, Trained, Trainer, split,
    with_random_directions,
};
use vene::{BeginningOfSequence, Outline, Plan, Precision};
use vene_table::Table;

use crate::data_set::{DataSet, DataSource};
use crate::experiment::{self, Spec};
use crate::folder::Folder;
use crate::model;
use crate::record::{Kind, RECORD};
use crate::terminal::{self, Bar};
use crate::{interrupt, rows, threads};
use objectives::Label;

/// What a training keeps on its way, to be gone on with.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
const STEPS: &str = "training.csv";
/// The folder of the trained plan.
pub const TRAINED: &str = "trained";

/// The share of the rows that are held out unless told.
const HELD_OUT: f64 = 0.2;

/// By which directions the control is drawn.
const CONTROL_SEED: u64 = 0x5EED;

/// What is trained on what, and where it goes.
pub struct Settings {
    pub spec: Spec,
    pub sections: Sections,
    pub rows: DataSet,
    /// Which rows stay on one side, trained on or held out.
    pub together: Together,
    /// About how many bytes it may take beside the weights.
    pub memory: Option<usize>,
    pub json: bool,
    pub bos: BeginningOfSequence,
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

/// Trains in a folder that was claimed for it, and writes what was learned.
pub fn start(
    outline: Outline,
    plan: &Plan,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    train(outline, plan, settings, folder, false)
}

/// Goes on with a training that was stopped, in the folder that was claimed for that.
pub fn go_on(
    outline: Outline,
    plan: &Plan,
    settings: &Settings,
    folder: &Folder,
) -> anyhow::Result<()> {
    train(outline, plan, settings, folder, true)
}

fn train(
    outline: Outline,
    plan: &Plan,
    settings: &Settings,
    folder: &Folder,
    is_resumed: bool,
) -> anyhow::Result<()> {
    let section = settings.sections.train.clone().unwrap_or_default();
    let trainer = Trainer { memory: settings.memory, ..section.trainer() };
    let Sides { label, seen, held_out, left_out } = sides(&outline, plan, &section, settings)?;
    let objective = objectives::of(&section, label, &seen)?;
    let held_out_objective = objectives::of(&section, label, &held_out)?;
    rows::warn_of_left_out(&left_out, settings.rows.rows.len());
    rows::warn_of_answers(&outline, seen.rows.iter().chain(&held_out.rows));
    warn_of_foils(label, seen.rows.iter().chain(&held_out.rows));

    let data = DataSource {
        from: settings.rows.from.clone(),
        sha256: settings.rows.sha256.clone(),
        rows: settings.rows.rows.len(),
    };
    let mut record =
        experiment::begin(Kind::Training, &outline, &settings.spec, &data, &left_out, json!({}))?;
    let path = folder.path().join(CHECKPOINT);
    let files = [STEPS, RECORD].map(str::to_owned);
    if is_resumed {
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
    } else {
        folder.check_files(&files)?;
        folder.begin(&mut record, &files)?;
    }
    folder.run(|| {
        threads::start_for_training()?;
        let model = model::load(outline, settings.precision)?;
        let start = Instant::now();
        let examples = Examples { plan: &seen.plan, objective: &objective };
        let unseen = Examples { plan: &held_out.plan, objective: &held_out_objective };
        let before = trainer.evaluate(&model, unseen)?;
        let bar = Bar::new(0, "steps");
        let trained = trainer.train_with_checkpoint(
            &model,
            examples,
            Some(unseen),
            Checkpoint { path: &path, of: record.spec() },
            &mut |progress| {
                show(&bar, progress);
                ControlFlow::Continue(())
            },
        );
        bar.finish();
        let trained = trained?;
        let last = trained.epochs.last().and_then(|epoch| epoch.held_out);
        let after = last.context("no epoch was trained: give `epochs` in [train]")?;
        let random =
            with_random_directions(&seen.plan, CONTROL_SEED, || trainer.evaluate(&model, unseen))?;
        let outcome = Outcome {
            held_out: after,
            control: random.unwrap_or(before),
            is_random: random.is_some(),
            rows: [seen.rows.len(), held_out.rows.len()],
            held_out_rows: held_out.rows.iter().map(|row| row.index).collect(),
            left_out,
            seconds: start.elapsed().as_secs_f64(),
            trained,
        };
        let steps = steps(&outcome.trained.steps)?;
        // So that other commands know what the plan's data was for.
        let sections = Sections { train: Some(section), ..settings.sections.clone() };
        // Its files must still be those that were opened.
        record.set("model", model::record(&model, &settings.spec.model)?);
        record.set_files(&[STEPS, RECORD].map(str::to_owned));
        folder.put_on_record(&mut record)?;
        interrupt::undisturbed(|| -> anyhow::Result<()> {
            save_with(&folder.path().join(TRAINED), plan, &model, &sections)?;
            Ok(steps.write_csv(folder.path().join(STEPS))?)
        })?;
        record.set("result", record::result(&outcome));
        folder.complete(&mut record)?;
        summary::print(&outcome, plan, folder.path(), settings.json)
    })
}

/// The rows that are trained on and those that are held out.
struct Sides {
    label: Label,
    seen: OverRows,
    held_out: OverRows,
    left_out: Vec<LeftOut>,
}

/// Divides the rows that can be used.
fn sides(
    outline: &Outline,
    plan: &Plan,
    section: &TrainSection,
    settings: &Settings,
) -> anyhow::Result<Sides> {
    let bos = settings.bos;
    let OverRows { plan: over, rows, mut left_out } =
        plan.over_rows(outline, &settings.rows.rows, bos)?;
    let label = Label::of(section, &over)?;
    let mut usable: Vec<Row> = Vec::new();
    for row in rows {
        match label.lacks(section, &row) {
            None => usable.push(row.row),
            Some(reason) => {
                let (index, place) = (row.index, row.row.place);
                left_out.push(LeftOut { index, place, reason });
            }
        }
    }
    left_out.sort_by_key(|row| row.index);
    if let (true, Some(first)) = (usable.is_empty(), left_out.first()) {
        bail!(
            "none of the rows can be trained on; {}: {}{}",
            first.name(),
            first.reason,
            advice(first)
        );
    }
    let share = section.held_out.unwrap_or(HELD_OUT);
    let seed = section.seed.unwrap_or(0);
    let reads_source = over.reads_sources();
    let [seen, held_out] = split(&usable, share, seed, settings.together, reads_source)
        .context("a training needs rows to be trained on and rows that are held out")?
        .map(|side| side.into_iter().map(|row| usable[row].clone()).collect::<Vec<Row>>());
    rows::warn_of_share("held_out =", share, held_out.len(), usable.len());
    Ok(Sides {
        label,
        seen: plan.over_rows(outline, &seen, bos)?,
        held_out: plan.over_rows(outline, &held_out, bos)?,
        left_out,
    })
}

/// What to do where no row has what is to be learned.
fn advice(first: &LeftOut) -> &'static str {
    match first.reason {
        Reason::FoilNotOfSource => "; labels = \"target\" in [train] learns the base's answer",
        _ => "",
    }
}

/// Says so where nobody knows whether the foils that are learned are the sources' answers.
fn warn_of_foils<'r>(label: Label, rows: impl Iterator<Item = &'r PreparedRow>) {
    let unknown: Vec<&PreparedRow> =
        rows.filter(|row| row.row.foil_is == FoilIs::Unknown).collect();
    let first = unknown.iter().min_by_key(|row| row.index);
    if label == Label::Foil
        && let Some(row) = first
    {
        terminal::warn(format!(
            "{}: the data set does not say whether the foil is the source's answer (in {} rows), and it is \
             what is learned",
            row.name(),
            unknown.len()
        ));
    }
}

/// The steps as a table.
fn steps(steps: &[Step]) -> anyhow::Result<Table> {
    let whole =
        |of: fn(&Step) -> usize| steps.iter().map(|step| of(step) as i64).collect::<Vec<_>>();
    let table = Table::builder()
        .column("step", whole(|step| step.step))
        .column("epoch", whole(|step| step.epoch))
        .column("loss", steps.iter().map(|step| step.loss).collect::<Vec<_>>())
        .column("accuracy", steps.iter().map(|step| step.accuracy).collect::<Vec<_>>());
    Ok(table.build()?)
}

/// Shows how far a training is.
fn show(bar: &Bar, progress: Progress<'_>) {
    match progress {
        Progress::Resumed(trained) => bar.begin_at(trained.steps.len() as u64),
        Progress::Step(step) => {
            bar.set_length(step.steps);
            bar.set(step.step + 1);
            let (loss, accuracy) = (step.loss, 100.0 * step.accuracy);
            bar.say(format!("loss {loss:.3}, accuracy {accuracy:.0} %"));
        }
        Progress::Epoch(epoch) => {
            if let Some(Evaluation { loss, accuracy }) = epoch.held_out {
                let accuracy = 100.0 * accuracy;
                bar.say(format!("held out: loss {loss:.3}, accuracy {accuracy:.0} %"));
            }
        }
    }
}
