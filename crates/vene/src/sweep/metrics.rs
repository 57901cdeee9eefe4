//! Metrics of a sweep over one pair: the plans in which they are read. A row's answers are read as in a sweep over a
//! data set ([`Meter`]).

use std::sync::Arc;

use vene_model::{BeginningOfSequence, Outline, Prompt};

use super::{Cell, Method, RunOf, cell_name};
use crate::data::{Answers, Requirements, Row, answers};
use crate::engine::{Distribution, Executor, PlanOutcome};
use crate::error::{PlanError, RunError, SweepError, Whose};
use crate::metric::{Asked, Meter, Metric, RowRun};
use crate::plan::{Edit, Example, Outputs, Plan, Positions, ResolvedPlan, taken_over};

/// Metrics, the answers that they are about, and the plans in which they are read; no plans without metrics.
#[derive(Clone, Debug)]
pub(super) struct PairMetrics {
    meter: Meter,
    answers: Answers,
    /// The base, then the sources.
    prompts: Vec<MeasuredPrompt>,
    /// For each cell.
    cells: Vec<ResolvedPlan>,
}

/// A prompt's run as it is.
#[derive(Clone, Debug)]
struct MeasuredPrompt {
    prompt: Prompt,
    /// For each activation that metrics read its positions.
    positions: Vec<Vec<usize>>,
    plan: ResolvedPlan,
}

/// What the answers are, in texts.
#[derive(Clone, Debug, Default)]
pub(super) struct AnswerTexts {
    pub(super) target: Vec<String>,
    pub(super) foil: Vec<String>,
}

impl PairMetrics {
    pub(super) fn new(
        outline: &Outline,
        metrics: &[Arc<dyn Metric>],
        texts: &AnswerTexts,
        bos: BeginningOfSequence,
        (base, sources): (&Prompt, &[Prompt]),
    ) -> Result<Self, SweepError> {
        let meter = Meter::new(metrics.to_vec(), outline.config().vocabulary);
        refuse(&meter, texts)?;
        let row =
            Row { target: texts.target.clone(), foil: texts.foil.clone(), ..Row::of_base("") };
        let requirements = Requirements {
            bos,
            roles: &[],
            read: &[],
            distinct_roles: 0,
            reads_source: false,
            same_length: false,
            needs_target: false,
            needs_foil: false,
            needs_single_tokens: meter.reads().needs_single_tokens(),
            first_tokens: false,
        };
        let answers = answers(outline, &row, &requirements, base, sources)
            .map_err(|reason| SweepError::Answers { reason: reason.to_string() })?;
        let mut metrics = Self { meter, answers, prompts: Vec::new(), cells: Vec::new() };
        if metrics.meter.len() > 0 {
            metrics.add_prompt(outline, Whose::Base, base)?;
            for (index, source) in sources.iter().enumerate() {
                let whose = Whose::Source { index, sources: sources.len() };
                metrics.add_prompt(outline, whose, source)?;
            }
        }
        Ok(metrics)
    }

    fn add_prompt(
        &mut self,
        outline: &Outline,
        whose: Whose,
        prompt: &Prompt,
    ) -> Result<(), SweepError> {
        let positions = self.meter.sites().iter().map(|site| {
            let positions = Positions::Role(site.position.clone()).resolve(prompt, 0);
            positions.map_err(|error| SweepError::Position { whose, error })
        });
        let positions = positions.collect::<Result<Vec<_>, _>>()?;
        let reading = self.reading(prompt, &positions);
        let plan = reading.resolve(outline, &self.examples(outline, prompt, &[])?)?;
        self.prompts.push(MeasuredPrompt { prompt: prompt.clone(), positions, plan });
        Ok(())
    }

    /// Adds the next cell.
    pub(super) fn add_cell(
        &mut self,
        outline: &Outline,
        method: &Method,
        edit: Edit,
        sources: &[Prompt],
    ) -> Result<(), SweepError> {
        let Some(MeasuredPrompt { prompt, positions, .. }) = self.prompts.first() else {
            return Ok(());
        };
        let single = self.answers.are_single();
        let edit = if single { edit } else { on_prompt(method, edit, prompt) };
        let plan = self.reading(prompt, positions).edit(edit);
        let plan = plan.resolve(outline, &self.examples(outline, prompt, sources)?)?;
        self.cells.push(plan);
        Ok(())
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// In how many runs metrics are read, of each prompt and cell.
    pub(super) fn runs(&self) -> usize {
        if self.prompts.is_empty() { 0 } else { self.answers.runs.len() }
    }

    /// The base's distribution, where metrics compare with it.
    pub(super) fn unedited(
        &self,
        executor: &dyn Executor,
        base: &Prompt,
    ) -> Result<Option<Arc<Distribution>>, RunError> {
        if !self.meter.reads().unedited {
            return Ok(None);
        }
        Ok(executor.predict(&[base])?.pop().map(Arc::new))
    }

    /// The plans in which metrics of some runs are read.
    pub(super) fn plans_of(
        &self,
        runs: &[RunOf],
        unedited: Option<&Arc<Distribution>>,
    ) -> Vec<ResolvedPlan> {
        if self.prompts.is_empty() {
            return Vec::new();
        }
        let outputs = self.outputs(unedited);
        let plan = |run: &RunOf| match *run {
            RunOf::Prompt(prompt) => &self.prompts[prompt].plan,
            RunOf::Cell(cell) => &self.cells[cell],
        };
        runs.iter().map(|run| plan(run).with_outputs(outputs.clone())).collect()
    }

    /// The metrics' numbers of a run.
    pub(super) fn values(
        &self,
        run: RunOf,
        unedited: Option<&Arc<Distribution>>,
        outcome: &PlanOutcome,
        cells: &[Cell],
    ) -> Result<Vec<f64>, RunError> {
        let index = match run {
            RunOf::Prompt(prompt) => prompt,
            RunOf::Cell(_) => 0,
        };
        let MeasuredPrompt { prompt, positions, .. } = &self.prompts[index];
        let of = RowRun {
            answers: &self.answers,
            prompt,
            positions,
            unedited: unedited.map(AsRef::as_ref),
            showed: outcome.examples.iter().collect(),
        };
        let whose = || match index.checked_sub(1) {
            None => "the base".to_owned(),
            Some(index) => format!("source {index}"),
        };
        let name = || match run {
            RunOf::Prompt(_) => "the run before any edit".to_owned(),
            RunOf::Cell(cell) => {
                let Cell { component, layer, position, head } = cells[cell];
                let position = position.map(|position| format!("position {position}"));
                cell_name(component, layer, head, position)
            }
        };
        Ok(self.meter.values(&of, whose, name)?)
    }

    /// The same for another model.
    pub(super) fn for_another_model(&self, outline: &Outline) -> Result<Self, PlanError> {
        let taken = |plan: &ResolvedPlan| plan.for_another_model(outline);
        let prompt = |measured: &MeasuredPrompt| {
            let examples = taken_over(&[Example::new(measured.prompt.clone())], outline)?;
            let (prompt, plan) = (examples[0].base.clone(), taken(&measured.plan)?);
            Ok(MeasuredPrompt { prompt, plan, positions: measured.positions.clone() })
        };
        Ok(Self {
            prompts: self.prompts.iter().map(prompt).collect::<Result<_, PlanError>>()?,
            cells: self.cells.iter().map(taken).collect::<Result<_, _>>()?,
            ..self.clone()
        })
    }

    /// The runs of a prompt in which its answers are read.
    fn examples(
        &self,
        outline: &Outline,
        prompt: &Prompt,
        sources: &[Prompt],
    ) -> Result<Vec<Example>, SweepError> {
        let example = |run: &crate::data::Continuation| {
            // All are one row: noise is drawn once for them.
            let example = Example::new(run.behind(prompt, outline)?).of_row(0);
            Ok(Example { sources: sources.to_vec(), ..example })
        };
        self.answers.runs.iter().map(example).collect()
    }

    /// A plan that reads a prompt's runs.
    fn reading(&self, prompt: &Prompt, positions: &[Vec<usize>]) -> Plan {
        let runs = &self.answers.runs;
        let read = if self.meter.reads_output() {
            Positions::Each(runs.iter().map(|run| run.positions_behind(prompt)).collect())
        } else {
            Positions::At(Vec::new())
        };
        let plan = Plan::new().read(read).outputs(self.outputs(None));
        self.meter.collecting(plan, |site| vec![positions[site].clone(); runs.len()])
    }

    fn outputs(&self, unedited: Option<&Arc<Distribution>>) -> Outputs {
        let single = self.answers.are_single();
        let asked = self.answers.runs.iter().enumerate().map(|(index, run)| {
            let first = index == 0;
            Asked { run, single, first, unedited: unedited.filter(|_| first).cloned() }
        });
        self.meter.outputs(asked.collect())
    }
}

/// Refuses metrics without the answers that they read, answers that none reads, and a name that stands for two.
fn refuse(meter: &Meter, texts: &AnswerTexts) -> Result<(), SweepError> {
    let names: Vec<&str> = meter.metrics().iter().map(|metric| metric.name()).collect();
    if let Some(index) = (1..names.len()).find(|&index| names[..index].contains(&names[index])) {
        return Err(SweepError::MetricTwice { metric: names[index].to_owned() });
    }
    let owned = str::to_owned;
    if let (Some(metric), true) = (meter.who(|reads| reads.foil), texts.foil.is_empty()) {
        return Err(SweepError::NoFoil { metric: owned(metric) });
    }
    let reader = meter.who(|reads| reads.needs_answers());
    match (reader, texts.target.is_empty(), texts.foil.is_empty()) {
        (Some(metric), true, _) => Err(SweepError::NoTarget { metric: owned(metric) }),
        (None, false, _) | (None, _, false) => Err(SweepError::AnswersUnread),
        _ => Ok(()),
    }
}

/// An edit of the prompt alone, where an answer's tokens stand behind it.
fn on_prompt(method: &Method, edit: Edit, prompt: &Prompt) -> Edit {
    let all = || Positions::At((0..prompt.len() as i64).collect());
    let knocks_out = matches!(method, Method::Knockout);
    let edit = match (&edit.positions, knocks_out) {
        (_, true) => edit.at(Positions::index(prompt.len() as i64 - 1)),
        (Positions::All, false) => edit.at(all()),
        _ => edit,
    };
    let reads = edit.component.is_pattern() && edit.source.is_some();
    let all_keys = edit.keys == Some(Positions::All);
    if reads && !knocks_out || all_keys { edit.keys(all()) } else { edit }
}
