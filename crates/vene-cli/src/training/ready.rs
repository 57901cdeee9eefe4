//! One training, checked before a weight is read: its rows apart, what its runs should say, and the training itself.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use vene::data::{FoilIs, LeftOut, PreparedRow, Reason, Row};
use vene::plan::{OverRows, PlanRows};
use vene::plan_file::{LabelName, Sections, TrainSection, save_with};
use vene::training::{
    Examples, Step, Trainer, TrainingFile, TrainingProgress, split, with_random_directions,
};
use vene::{Model, Outline, Plan};
use vene_table::Table;

use super::bar::show;
use super::figures;
use super::objectives::{self, Task};
use super::{CHECKPOINT, FILES, Outcome, STEPS, Settings, TRAINED, record};
use crate::folder::Folder;
use crate::record::Record;
use crate::terminal::{self, Bar};
use crate::{model, rows};

/// The share of the rows that are held out unless told.
const HELD_OUT: f64 = 0.2;

/// By which directions the control is drawn.
const CONTROL_SEED: u64 = 0x5EED;

/// A training that can begin.
pub struct Ready<'p> {
    plan: &'p Plan,
    section: TrainSection,
    trainer: Trainer,
    label: LabelName,
    seen: Side,
    held_out: Side,
    left_out: Vec<LeftOut>,
}

/// Rows that are trained on, or held out.
struct Side {
    rows: Vec<PreparedRow>,
    task: Task,
}

impl<'p> Ready<'p> {
    /// Divides the rows that can be used.
    pub fn new(outline: &Outline, plan: &'p Plan, settings: &Settings) -> anyhow::Result<Self> {
        let section = settings.sections.train.clone().unwrap_or_default();
        let trainer = Trainer { memory: settings.memory, ..section.trainer() };
        let over = |rows: &[Row]| {
            plan.over_rows_with(outline, rows, &settings.form, objectives::answers(&section))
        };
        let OverRows { plan: over_all, rows, mut left_out } = over(&settings.rows.rows)?;
        let label = objectives::label(&section, &over_all);
        let mut usable: Vec<Row> = Vec::new();
        for row in rows {
            match objectives::lacks(label, &section, &row) {
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
        ensure!(
            usable.len() > 1,
            "a training needs rows to be trained on and rows that are held out, and one row can be used: give a data set \
             of two rows or more, of different prompts"
        );
        let share = section.held_out.unwrap_or(HELD_OUT);
        let seed = section.seed.unwrap_or(0);
        let sides = split(&usable, share, seed, settings.together, over_all.reads_sources())
            .context("a training needs rows to be trained on and rows that are held out")?;
        let side = |side: Vec<usize>| -> anyhow::Result<Side> {
            let rows: Vec<Row> = side.into_iter().map(|row| usable[row].clone()).collect();
            let over = over(&rows)?;
            let rows = over.rows.clone();
            Ok(Side { rows, task: objectives::of(outline, plan, &section, label, over)? })
        };
        let [seen, held_out] = sides.map(side);
        let (seen, held_out) = (seen?, held_out?);
        Ok(Self { plan, section, trainer, label, seen, held_out, left_out })
    }

    /// The rows that are not used.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Warns of what should be known of the rows.
    pub fn warn(&self, outline: &Outline, settings: &Settings) {
        let all = || self.seen.rows.iter().chain(&self.held_out.rows);
        rows::warn_of_left_out(&self.left_out, settings.rows.rows.len());
        let (held_out, usable) = (self.held_out.rows.len(), all().count());
        let share = self.section.held_out.unwrap_or(HELD_OUT);
        rows::warn_of_share("held_out =", share, held_out, usable);
        rows::warn_of_answers(outline, all());
        warn_of_foils(self.label, all());
    }

    /// Trains; after it the plan's interventions have what was learned. `checkpoint` is where it keeps how far it came.
    pub fn train(
        &self,
        model: &Model,
        checkpoint: Option<TrainingFile<'_>>,
        progress: &mut dyn FnMut(TrainingProgress<'_>) -> ControlFlow<()>,
    ) -> anyhow::Result<Outcome> {
        let start = Instant::now();
        let Self { trainer, seen, held_out, .. } = self;
        let examples = Examples { plan: &seen.task.plan, objective: &seen.task.objective };
        let unseen = Examples { plan: &held_out.task.plan, objective: &held_out.task.objective };
        let before = trainer.evaluate(model, unseen)?;
        let trained = match checkpoint {
            Some(checkpoint) => trainer.train_with_checkpoint(
                model,
                examples,
                Some(unseen),
                checkpoint,
                progress,
            )?,
            None => trainer.train(model, examples, Some(unseen), progress)?,
        };
        let last = trained.epochs.last().and_then(|epoch| epoch.held_out);
        let after = last.context("no epoch was trained: give `epochs` in [train]")?;
        let random = with_random_directions(&seen.task.plan, CONTROL_SEED, || {
            trainer.evaluate(model, unseen)
        })?;
        Ok(Outcome {
            held_out: after,
            control: random.unwrap_or(before),
            is_random: random.is_some(),
            rows: [seen.rows.len(), held_out.rows.len()],
            held_out_rows: held_out.rows.iter().map(|row| row.index).collect(),
            left_out: self.left_out.clone(),
            seconds: start.elapsed().as_secs_f64(),
            trained,
        })
    }

    /// What is kept with the plan, so that other commands know what its data was for.
    pub fn sections(&self, settings: &Settings) -> Sections {
        Sections { train: Some(self.section.clone()), ..settings.sections.clone() }
    }

    /// Trains in its folder, whose record has begun, and writes what was learned. `name` says which training of several
    /// it is.
    pub fn run(
        &self,
        model: &Model,
        settings: &Settings,
        folder: &Folder,
        record: &mut Record,
        name: &str,
    ) -> anyhow::Result<Outcome> {
        let path = folder.path().join(CHECKPOINT);
        let bar = Bar::new(0, if name.is_empty() { "steps".to_owned() } else { name.to_owned() });
        let checkpoint = TrainingFile { path: &path, of: record.spec() };
        let outcome = self.train(model, Some(checkpoint), &mut |progress| {
            show(&bar, progress);
            ControlFlow::Continue(())
        });
        bar.finish();
        let outcome = outcome?;
        let steps = steps(&outcome.trained.steps)?;
        let figure = figures::of_training(&outcome, self.plan, model, settings);
        let drawn = figures::files("curves", figure);
        let sections = self.sections(settings);
        // Its files must still be those that were opened.
        record.set("model", model::record(model, &settings.spec.model)?);
        record.set_files(&FILES.map(str::to_owned));
        folder.put_on_record(record)?;
        vene_files::undisturbed(|| -> anyhow::Result<()> {
            save_with(&folder.path().join(TRAINED), self.plan, model, &sections)?;
            for (name, bytes) in &drawn {
                let path = folder.path().join(name);
                vene_files::write_atomically(&path, |file| file.write_all(bytes))?;
            }
            Ok(steps.write_csv(folder.path().join(STEPS))?)
        })?;
        record.set("result", record::result(&outcome));
        folder.complete(record)?;
        Ok(outcome)
    }
}

/// What to do where no row has what is to be learned.
fn advice(first: &LeftOut) -> &'static str {
    match first.reason {
        Reason::FoilNotOfSource => "; labels = \"target\" in [train] learns the base's answer",
        _ => "",
    }
}

/// Says so where nobody knows whether the foils that are learned are the sources' answers.
fn warn_of_foils<'r>(label: LabelName, rows: impl Iterator<Item = &'r PreparedRow>) {
    let unknown: Vec<&PreparedRow> =
        rows.filter(|row| row.row.foil_is == FoilIs::Unknown).collect();
    let first = unknown.iter().min_by_key(|row| row.index);
    if label == LabelName::Foil
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
pub fn steps(steps: &[Step]) -> anyhow::Result<Table> {
    let whole =
        |of: fn(&Step) -> usize| steps.iter().map(|step| of(step) as i64).collect::<Vec<_>>();
    let table = Table::builder()
        .column("step", whole(|step| step.step))
        .column("epoch", whole(|step| step.epoch))
        .column("loss", steps.iter().map(|step| step.loss).collect::<Vec<_>>())
        .column("accuracy", steps.iter().map(|step| step.accuracy).collect::<Vec<_>>());
    Ok(table.build()?)
}
