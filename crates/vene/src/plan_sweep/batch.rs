//! A batch of rows: every run of the grid in each, in as few passes as the memory allows.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use vene_data::{PreparedRow, at_rows};
use vene_engine::plan::{Example, Outcome, Outputs, Plan, Positions, Receipt, ResolvedPlan};
use vene_engine::{Distribution, ExampleOutcome, Executor, PlanOutcome};
use vene_engine::{PlanError, RunError};
use vene_model::{Outline, Prompt};

use super::collected::Collected;
use super::{PlanBatch, PlanSweep, PlanSweepError, noise, table};
use crate::metric::{Asked, RowRun};
use crate::sweep::SweepError;

/// What a plan of a batch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// The bases' runs as they are, read by metrics.
    Base,
    /// The sources' runs as they are, likewise.
    Other,
    /// The edited runs, likewise.
    Edited(usize),
    /// The edited runs, read as the plan says.
    Reading(usize),
}

/// What was measured of a batch.
pub(super) struct Measured {
    /// For each row the metrics of its base's run.
    pub(super) base: Vec<Vec<f64>>,
    /// Of its source's run, where it has one.
    pub(super) other: Vec<Option<Vec<f64>>>,
    /// For each run of the grid and each row.
    pub(super) edited: Vec<Vec<Vec<f64>>>,
    /// For each run of the grid what was read of chosen tokens.
    pub(super) read: Vec<Vec<TokensRead>>,
    /// For each run of the grid its receipts, their example the row's place in the batch.
    pub(super) receipts: Vec<Vec<Receipt>>,
    /// By the number of a place what effects on each metric differ in there between two ways of computing them, squared.
    pub(super) noise: Vec<(usize, Vec<f64>)>,
}

/// What was read of chosen tokens in a row: by position, for each of the reads the unedited run's number and the edited
/// run's.
pub(super) type TokensRead = BTreeMap<usize, Vec<[Option<f64>; 2]>>;

/// Some rows with the examples that their runs are.
pub(super) struct Rows<'a> {
    pub(super) sweep: &'a PlanSweep,
    outline: &'a Outline,
    pub(super) rows: &'a [PreparedRow],
    /// For each example that metrics read its row and its run.
    places: Vec<(usize, usize)>,
    /// With the answers' tokens after the bases.
    examples: Arc<[Example]>,
    /// The rows as they are, an example each.
    plain: Arc<[Example]>,
    /// What metrics compare with, where they do.
    unedited: Vec<Option<Arc<Distribution>>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        sweep: &'a PlanSweep,
        outline: &'a Outline,
        range: Range<usize>,
    ) -> Result<Self, PlanSweepError> {
        let rows = &sweep.rows[range];
        let runs = |(row, prepared): (usize, &PreparedRow)| {
            (0..prepared.answers.runs.len()).map(move |run| (row, run)).collect::<Vec<_>>()
        };
        let places: Vec<(usize, usize)> = rows.iter().enumerate().flat_map(runs).collect();
        let of_row = |row: &PreparedRow, base: Prompt| {
            let mut example = Example::new(base).of_row(row.index);
            // Source 0 is there, whether it is read or not, where source 1 is.
            let source = row.source.clone().or_else(|| sweep.has_copy.then(|| row.base.clone()));
            if let Some(source) = source {
                example = example.source(source);
            }
            if sweep.has_copy {
                example = example.source(row.base.clone());
            }
            example
        };
        let example = |&(row, run): &(usize, usize)| {
            let row: &PreparedRow = &rows[row];
            let base = row.answers.runs[run].behind(&row.base, outline);
            let base = base.map_err(SweepError::of_answer)?;
            Ok(of_row(row, base))
        };
        let examples = places.iter().map(example).collect::<Result<_, PlanSweepError>>()?;
        let plain = rows.iter().map(|row| of_row(row, row.base.clone())).collect();
        let unedited = vec![None; rows.len()];
        Ok(Self { sweep, outline, rows, places, examples, plain, unedited })
    }

    /// What is asked of the engine at some places.
    fn outputs(&self, places: &[(usize, usize)]) -> Outputs {
        let asked = places.iter().map(|&(row, run)| {
            let (answers, first) = (&self.rows[row].answers, run == 0);
            Asked {
                run: &answers.runs[run],
                single: answers.are_single(),
                first,
                unedited: self.unedited[row].clone().filter(|_| first),
            }
        });
        self.sweep.meter.outputs(asked.collect())
    }

    /// A plan that reads what metrics read of bases.
    fn measuring(&self, plan: Plan) -> Plan {
        let behind = |&(row, run): &(usize, usize)| {
            let row = &self.rows[row];
            row.answers.runs[run].positions_behind(&row.base)
        };
        let read = Positions::Each(self.places.iter().map(behind).collect());
        let plan = Plan { collects: Vec::new(), original: false, ..plan };
        let plan = plan.read(read).outputs(self.outputs(&self.places));
        let of_row = |site: usize, row: usize| self.rows[row].base_read[site].clone();
        self.sweep.meter.collecting(plan, |site| {
            self.places.iter().map(|&(row, _)| of_row(site, row)).collect()
        })
    }

    /// The places of rows that have a source.
    fn sources(&self) -> impl Iterator<Item = ((usize, usize), &Prompt)> {
        let source =
            |&(row, run): &(usize, usize)| Some(((row, run), self.rows[row].source.as_ref()?));
        self.places.iter().filter_map(source)
    }

    /// The sources' runs.
    fn other(&self) -> Result<Option<ResolvedPlan>, PlanSweepError> {
        let (mut examples, mut read, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for ((row, run), source) in self.sources() {
            let continuation = &self.rows[row].answers.runs[run];
            read.push(continuation.positions_behind(source));
            let continued = continuation.behind(source, self.outline);
            examples.push(Example::new(continued.map_err(SweepError::of_answer)?));
            places.push((row, run));
        }
        if examples.is_empty() {
            return Ok(None);
        }
        let plan = Plan::new().read(Positions::Each(read)).outputs(self.outputs(&places));
        let plan = self.sweep.meter.collecting(plan, |site| {
            places.iter().map(|&(row, _)| self.rows[row].source_read[site].clone()).collect()
        });
        Ok(Some(plan.resolve(self.outline, &examples)?))
    }

    /// The edited runs of a plan as metrics read them.
    pub(super) fn edited(&self, run: usize) -> Result<ResolvedPlan, PlanSweepError> {
        let rows: Vec<&PreparedRow> = self.places.iter().map(|&(row, _)| &self.rows[row]).collect();
        let bases: Vec<&Prompt> = rows.iter().map(|row| &row.base).collect();
        let mut plan = at_rows(self.sweep.plan(run), &self.sweep.roles, &rows).in_bases(&bases)?;
        // What only looks on has nothing to do with them.
        plan.edits.retain(|edit| !edit.intervention.traits().observes);
        Ok(self.measuring(plan).resolve_shared(self.outline, &self.examples)?)
    }

    /// The bases' runs as metrics read them.
    pub(super) fn base(&self) -> Result<ResolvedPlan, PlanSweepError> {
        Ok(self.measuring(Plan::new()).resolve_shared(self.outline, &self.examples)?)
    }

    /// The edited runs of a plan, read as it says; and unedited, where something is read.
    fn reading(&self, run: usize) -> Result<ResolvedPlan, PlanError> {
        let rows: Vec<&PreparedRow> = self.rows.iter().collect();
        let mut plan = at_rows(self.sweep.plan(run), &self.sweep.roles, &rows);
        if self.sweep.reads.is_empty() {
            plan = plan.read(Positions::Each(vec![Vec::new(); rows.len()]));
        }
        plan.original = !self.sweep.reads.is_empty();
        plan.resolve_shared(self.outline, &self.plain)
    }

    /// Everything that is run.
    pub(super) fn jobs(&self) -> Result<Vec<(Job, ResolvedPlan)>, PlanSweepError> {
        let mut jobs = Vec::new();
        let measures = self.sweep.meter.len() > 0;
        if measures {
            jobs.push((Job::Base, self.base()?));
            jobs.extend(self.other()?.map(|plan| (Job::Other, plan)));
        }
        for run in self.sweep.own_runs() {
            if measures {
                jobs.push((Job::Edited(run), self.edited(run)?));
            }
            jobs.push((Job::Reading(run), self.reading(run)?));
        }
        Ok(jobs)
    }

    /// The metrics of a plan's runs, for each row; nothing for rows that it has no run of.
    pub(super) fn values(
        &self,
        job: Job,
        outcome: &PlanOutcome,
    ) -> Result<Vec<Option<Vec<f64>>>, RunError> {
        let is_other = job == Job::Other;
        let mut showed = vec![Vec::new(); self.rows.len()];
        let places: Vec<usize> = if is_other {
            self.sources().map(|((row, _), _)| row).collect()
        } else {
            self.places.iter().map(|&(row, _)| row).collect()
        };
        for (row, example) in places.into_iter().zip(&outcome.examples) {
            showed[row].push(example);
        }
        let mut runs = Vec::with_capacity(self.rows.len());
        let mut whose = Vec::with_capacity(self.rows.len());
        for (index, showed) in showed.into_iter().enumerate() {
            let row = &self.rows[index];
            let run = if is_other {
                row.source.as_ref().map(|source| (source, &row.source_read))
            } else {
                Some((&row.base, &row.base_read))
            };
            if let Some((prompt, positions)) = run.filter(|_| !showed.is_empty()) {
                let (answers, unedited) = (&row.answers, self.unedited[index].as_deref());
                runs.push(RowRun { answers, prompt, positions, unedited, showed });
                whose.push(index);
            }
        }
        let row = |place: usize| self.rows[whose[place]].name().to_string();
        let values = self.sweep.meter.values(&runs, row, || self.name_of(job))?;
        let mut of_rows = vec![None; self.rows.len()];
        for (index, values) in whose.iter().zip(values) {
            of_rows[*index] = Some(values);
        }
        Ok(of_rows)
    }

    /// What a run is, for messages.
    fn name_of(&self, job: Job) -> String {
        match job {
            Job::Base => "the run before any edit".to_owned(),
            Job::Other => "the source's run".to_owned(),
            Job::Edited(run) | Job::Reading(run) => {
                let grid = &self.sweep.grid;
                match grid.name(&grid.runs[run]) {
                    name if name.is_empty() => "the edited run".to_owned(),
                    name => format!("the edited run of {name}"),
                }
            }
        }
    }
}

/// The plans of a batch, in the order in which they are run.
pub(super) fn plans(
    sweep: &PlanSweep,
    outline: &Outline,
    range: Range<usize>,
) -> Result<Vec<ResolvedPlan>, PlanSweepError> {
    let jobs = Rows::new(sweep, outline, range)?.jobs()?;
    Ok(jobs.into_iter().map(|(_, plan)| plan).collect())
}

/// Whether the plans of all runs fit a row.
pub(super) fn fits(sweep: &PlanSweep, outline: &Outline, row: usize) -> Result<(), PlanError> {
    match Rows::new(sweep, outline, row..row + 1) {
        Ok(rows) => (0..sweep.grid.runs.len()).try_for_each(|run| rows.reading(run).map(drop)),
        // An answer that does not fit after its prompt was left out before.
        Err(PlanSweepError::Plan(error)) => Err(error),
        Err(_) => Ok(()),
    }
}

/// Whether they fit all rows.
pub(super) fn fits_all(sweep: &PlanSweep, outline: &Outline) -> Result<(), PlanSweepError> {
    /// Rows that are looked at together.
    const AT_ONCE: usize = 256;
    let starts = (0..sweep.rows.len()).step_by(AT_ONCE);
    for start in starts {
        let end = (start + AT_ONCE).min(sweep.rows.len());
        let rows = Rows::new(sweep, outline, start..end)?;
        for run in 0..sweep.grid.runs.len() {
            rows.reading(run)?;
        }
    }
    Ok(())
}

/// Runs a batch.
pub(super) fn run(
    sweep: &PlanSweep,
    outline: &Outline,
    executor: &dyn Executor,
    range: Range<usize>,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<PlanBatch, PlanSweepError> {
    let mut rows = Rows::new(sweep, outline, range.clone())?;
    if sweep.meter.reads().unedited {
        let prompts: Vec<&Prompt> = rows.rows.iter().map(|row| &row.base).collect();
        let read = executor.predict(&prompts)?.into_iter();
        rows.unedited = read.map(|distribution| Some(Arc::new(distribution))).collect();
    }
    let (jobs, plans): (Vec<Job>, Vec<ResolvedPlan>) = rows.jobs()?.into_iter().unzip();
    let (count, runs) = (rows.rows.len(), sweep.grid.runs.len());
    let mut measured = Measured {
        base: vec![Vec::new(); count],
        other: vec![None; count],
        edited: vec![vec![Vec::new(); count]; runs],
        read: vec![vec![TokensRead::new(); count]; runs],
        receipts: vec![Vec::new(); runs],
        noise: Vec::new(),
    };
    let mut collected = Collected::new(sweep, outline.config());
    let mut failed = None;
    let mut done = 0;
    let ran = sweep.meter.run_all(executor, &plans, &mut |index, outcome| {
        let complete =
            |values: Vec<Option<Vec<f64>>>| values.into_iter().map(Option::unwrap_or_default);
        match jobs[index] {
            Job::Base => measured.base = complete(rows.values(Job::Base, &outcome)?).collect(),
            Job::Other => measured.other = rows.values(Job::Other, &outcome)?,
            Job::Edited(run) => {
                let values = rows.values(Job::Edited(run), &outcome)?;
                measured.edited[run] = complete(values).collect();
            }
            Job::Reading(run) => {
                measured.read[run] = read_of(&rows, &plans[index], &outcome);
                if let Err(error) = collected.take(sweep, run, rows.rows, &outcome) {
                    failed = Some(error);
                    return Ok(ControlFlow::Break(()));
                }
                measured.receipts[run] = outcome.receipts;
                done += count;
                return Ok(progress(done));
            }
        }
        Ok(ControlFlow::Continue(()))
    });
    if let Some(failed) = failed {
        return Err(failed);
    }
    ran?;
    noise::measure(sweep, outline, executor, range, &mut measured)?;
    Ok(PlanBatch {
        examples: table::examples(sweep, rows.rows, &measured)?,
        receipts: table::receipts(sweep, rows.rows, &measured)?,
        collected,
    })
}

/// What was read of chosen tokens, for each row.
fn read_of(rows: &Rows<'_>, plan: &ResolvedPlan, outcome: &PlanOutcome) -> Vec<TokensRead> {
    let reads = &rows.sweep.reads;
    let of_row = |row: usize| {
        let reading = |showed: &[ExampleOutcome], read: usize| {
            showed.get(row).and_then(|showed| showed.readings.get(read).cloned())
        };
        let of_position = |(read, &position): (usize, &usize)| {
            let edited = reading(&outcome.examples, read);
            let original = reading(&outcome.original, read);
            let numbers = reads
                .iter()
                .map(|token| [&original, &edited].map(|reading| token.value(reading.as_ref()?)));
            (position, numbers.collect())
        };
        plan.read()[row].iter().enumerate().map(of_position).collect()
    };
    if reads.is_empty() {
        return vec![TokensRead::new(); rows.rows.len()];
    }
    (0..rows.rows.len()).map(of_row).collect()
}

/// Whether an edit changed something.
pub(super) fn has_changed(receipt: &Receipt) -> bool {
    matches!(receipt.outcome, Outcome::Changed(_))
}
