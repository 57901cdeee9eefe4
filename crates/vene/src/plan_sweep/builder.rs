//! Declaring a plan over a data set.

use std::sync::Arc;

use vene_data::{LeftOut, PreparedRow, Reason, Requirements, Role, Row, prepare};
use vene_engine::plan::{Edit, Heads, Plan, Positions, Run, Source, SourcePositions};
use vene_model::{Outline, PromptForm};

use super::reads::TokenRead;
use super::{PlanSweep, PlanSweepError, batch, table};
use crate::metric::{LOG_PROBABILITY, LOGIT_DIFFERENCE, Meter, Metric};
use crate::plan_file::PlanGrid;

/// Declares a plan over a data set; nothing is checked before [`PlanSweepBuilder::build`].
#[derive(Clone)]
pub struct PlanSweepBuilder<'a> {
    outline: &'a Outline,
    grid: Option<PlanGrid>,
    rows: &'a [Row],
    form: PromptForm,
    metrics: Option<Vec<Arc<dyn Metric>>>,
    first_tokens: bool,
    seed: u64,
    padded: bool,
}

impl<'a> PlanSweepBuilder<'a> {
    pub(super) fn new(outline: &'a Outline) -> Self {
        let form = PromptForm::default();
        Self {
            outline,
            grid: None,
            rows: &[],
            form,
            metrics: None,
            first_tokens: false,
            seed: 0,
            padded: false,
        }
    }

    /// The plan.
    #[must_use]
    pub fn plan(self, plan: Plan) -> Self {
        self.grid(plan.into())
    }

    /// The plans of a grid.
    #[must_use]
    pub fn grid(mut self, grid: PlanGrid) -> Self {
        self.grid = Some(grid);
        self
    }

    /// The data set.
    #[must_use]
    pub fn rows(mut self, rows: &'a [Row]) -> Self {
        self.rows = rows;
        self
    }

    /// How prompts are made of texts. Default: as texts, with the model's own rule for the beginning.
    #[must_use]
    pub fn prompt_form(mut self, form: impl Into<PromptForm>) -> Self {
        self.form = form.into();
        self
    }

    /// What is measured. Default: the logit difference where all rows have a target and a foil, the log-probability of
    /// the target where all have that, else nothing beside what plans read and collect.
    #[must_use]
    pub fn metrics(mut self, metrics: impl IntoIterator<Item = Arc<dyn Metric>>) -> Self {
        self.metrics = Some(metrics.into_iter().collect());
        self
    }

    /// Whether an answer's first token stands for it. Default: an answer of several tokens is a sequence, each token read
    /// after those before it.
    #[must_use]
    pub fn first_tokens(mut self, first: bool) -> Self {
        self.first_tokens = first;
        self
    }

    /// What the choice of rows in which noise is measured depends on.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Takes rows of unequal numbers of collected positions, whose values make no tensor without padding.
    #[must_use]
    pub fn padded(mut self) -> Self {
        self.padded = true;
        self
    }

    /// Checks everything; rows that cannot be used are left out and listed. No weight is read.
    ///
    /// # Errors
    /// Whatever is wrong or missing: see [`PlanSweepError`].
    pub fn build(self) -> Result<PlanSweep, PlanSweepError> {
        if self.rows.is_empty() {
            return Err(PlanSweepError::NoRows);
        }
        let grid = self.grid.clone().filter(|grid| !grid.runs.is_empty());
        let grid = grid.ok_or(PlanSweepError::NoPlans)?;
        if let Some(name) = grid.variables.iter().find(|name| table::is_column(name)) {
            return Err(PlanSweepError::Variable { name: name.clone() });
        }
        for (run, of) in grid.runs.iter().enumerate() {
            refuse_listed(run, &of.plan)?;
        }
        let plans = || grid.runs.iter().map(|run| &run.plan);
        let edits = || plans().flat_map(|plan| &plan.edits);
        let roles = distinct(plans().flat_map(Plan::roles));
        let meter = Meter::new(self.measured(), self.outline.config().vocabulary);
        let reads = TokenRead::of_all(plans(), self.outline)?;
        let collects = |plan: &Plan| {
            let is_kept = |edit: &Edit| edit.intervention.traits().observes;
            !plan.collects.is_empty() || plan.edits.iter().any(is_kept)
        };
        if meter.len() == 0 && reads.is_empty() && !plans().any(collects) {
            return Err(PlanSweepError::NothingMeasured);
        }
        let read: Vec<Role> = meter.sites().iter().map(|site| site.position.clone()).collect();
        let requirements = Requirements {
            form: &self.form,
            roles: &roles,
            read: &read,
            distinct_roles: 0,
            reads_source: edits().any(reads_source),
            same_length: false,
            needs_target: meter.reads().needs_answers(),
            needs_foil: meter.reads().needs_foil(),
            needs_single_tokens: meter.reads().needs_single_tokens(),
            first_tokens: self.first_tokens,
        };
        let (rows, left_out) = prepare(self.outline, self.rows, &requirements);
        let has_copy = edits()
            .any(|edit| edit.run == Run::Source(1) || matches!(edit.source, Some(Source::Run(1))));
        let mut sweep = PlanSweep {
            rows,
            left_out,
            roles,
            meter,
            reads,
            first_tokens: self.first_tokens,
            has_copy,
            seed: self.seed,
            padded: self.padded,
            own_runs: 0..grid.runs.len(),
            grid,
        };
        sweep.leave_out_unfit(self.outline)?;
        // Whatever is wrong with a plan is wrong in the first row.
        batch::plans(&sweep, self.outline, 0..1)?;
        Ok(sweep)
    }

    /// The metrics that were chosen, or those that the rows' answers are enough for.
    fn measured(&self) -> Vec<Arc<dyn Metric>> {
        if let Some(metrics) = &self.metrics {
            return metrics.clone();
        }
        let all = |has: fn(&Row) -> bool| self.rows.iter().all(has);
        if !all(|row| !row.target.is_empty()) {
            Vec::new()
        } else if all(|row| !row.foil.is_empty()) {
            vec![Arc::new(LOGIT_DIFFERENCE)]
        } else {
            vec![Arc::new(LOG_PROBABILITY)]
        }
    }
}

impl PlanSweep {
    /// Leaves out rows that a run's plan does not fit, such as prompts that are too short for its positions.
    fn leave_out_unfit(&mut self, outline: &Outline) -> Result<(), PlanSweepError> {
        let count = self.rows.len() + self.left_out.len();
        if !self.rows.is_empty() && batch::fits_all(self, outline).is_err() {
            let mut unfit = Vec::new();
            let mut first = None;
            for index in 0..self.rows.len() {
                if let Err(error) = batch::fits(self, outline, index) {
                    unfit.push(index);
                    first.get_or_insert(error);
                }
            }
            if let (true, Some(error)) = (unfit.len() == self.rows.len(), first)
                && !error.is_of_an_example()
            {
                return Err(error.into());
            }
            for index in unfit.into_iter().rev() {
                let row = self.rows.remove(index);
                self.left_out.push(self.unfit(outline, row));
            }
            self.left_out.sort_by_key(|row| row.index);
        }
        match (self.rows.is_empty(), self.left_out.first()) {
            (true, Some(first)) => Err(PlanSweepError::NoneUsable {
                rows: count,
                first: first.name(),
                reason: Box::new(first.reason.clone()),
            }),
            _ => Ok(()),
        }
    }

    /// A row that a plan does not fit, with the reason.
    fn unfit(&self, outline: &Outline, row: PreparedRow) -> LeftOut {
        let alone = Self { rows: vec![row.clone()], ..self.clone() };
        let problem = match batch::fits(&alone, outline, 0) {
            Err(error) => error.to_string(),
            Ok(()) => String::new(),
        };
        // The row is the only example there, and has a name of its own.
        let problem = [" of example 0", " in example 0", ", example 0"]
            .iter()
            .fold(problem, |text, example| text.replace(example, ""));
        row.left_out(Reason::Plan { problem })
    }
}

fn distinct(roles: impl Iterator<Item = Role>) -> Vec<Role> {
    let mut roles: Vec<Role> = roles.collect();
    roles.sort();
    roles.dedup();
    roles
}

/// Whether an edit has to do with a row's source.
fn reads_source(edit: &Edit) -> bool {
    edit.run == Run::Source(0) || matches!(edit.source, Some(Source::Run(0) | Source::AllRuns))
}

/// Refuses what is listed by example, and sources that no row has.
fn refuse_listed(run: usize, plan: &Plan) -> Result<(), PlanSweepError> {
    let listed = |positions: Option<&Positions>| matches!(positions, Some(Positions::Each(_)));
    if listed(Some(&plan.read)) {
        return Err(PlanSweepError::ListedReads { what: "the positions that are read" });
    }
    if plan.collects.iter().any(|collect| listed(Some(&collect.positions))) {
        return Err(PlanSweepError::ListedReads { what: "the positions that are collected" });
    }
    for (index, edit) in plan.edits.iter().enumerate() {
        let from = edit.source_positions.as_ref().map_or(&[][..], SourcePositions::all);
        let heads = |heads: &Option<Heads>| matches!(heads, Some(Heads::Each(_)));
        let what = if listed(Some(&edit.positions)) || listed(edit.keys.as_ref()) {
            "positions"
        } else if from.iter().any(|positions| listed(Some(positions))) {
            "the positions that are read"
        } else if heads(&edit.heads) || heads(&edit.source_heads) {
            "heads"
        } else if matches!(edit.source, Some(Source::GivenEach(_))) {
            "given values"
        } else if edit.subspaces.as_ref().is_some_and(|subspaces| subspaces.len() > 1) {
            "subspaces"
        } else {
            let read = match edit.source {
                Some(Source::Run(source)) => Some(source),
                _ => None,
            };
            let written = match edit.run {
                Run::Source(source) => Some(source),
                Run::Base => None,
            };
            if let Some(source_index) = read.into_iter().chain(written).find(|&source| source > 1) {
                return Err(PlanSweepError::NoSource { run, edit: index, source_index });
            }
            if !edit.when.covers(0) {
                return Err(PlanSweepError::NotOnPrompt { run, edit: index });
            }
            continue;
        };
        return Err(PlanSweepError::Listed { run, edit: index, what });
    }
    Ok(())
}
