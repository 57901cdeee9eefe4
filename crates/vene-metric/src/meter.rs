//! Metrics that are measured together: what they ask of a run, and their numbers.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use candle_core::Tensor;
use vene_data::{Answers, PositionNumbers};
use vene_engine::RunError;
use vene_engine::plan::{Outputs, Plan, Positions, ResolvedPlan};
use vene_engine::{Distribution, ExampleOutcome, Executor, PlanOutcome};
use vene_model::Prompt;

use super::error::checked_all;
use super::reduction::{OfDistribution, Reduction, of_distribution};
use super::{AnswerReads, Asked, Metric, MetricError, MetricProblem, Observed, ReadSite, Reads};
use super::{answer_outputs, numbers};

/// Bytes that whole distributions may take until metrics have read them. (Those that are read in passing take none.)
const KEPT: usize = 128 << 20;

/// Metrics that are measured together.
#[derive(Clone, Debug)]
pub struct Meter {
    metrics: Vec<Arc<dyn Metric>>,
    /// What each of them reads.
    reads: Vec<Reads>,
    together: Reads,
    /// Tokens of a distribution.
    vocabulary: usize,
}

/// A row's run, as metrics read it.
pub struct RowRun<'a> {
    /// The row's answers.
    pub answers: &'a Answers,
    /// The prompt, without an answer's tokens.
    pub prompt: &'a Prompt,
    /// For each activation that is read ([`Meter::sites`]) its positions in the prompt.
    pub positions: &'a [Vec<usize>],
    /// What the first run's distribution is compared with, where a metric does.
    pub unedited: Option<&'a Distribution>,
    /// What the runs showed, in the answers' order.
    pub showed: Vec<&'a ExampleOutcome>,
}

impl Meter {
    /// For a model with so many tokens in its vocabulary.
    pub fn new(metrics: Vec<Arc<dyn Metric>>, vocabulary: usize) -> Self {
        let reads: Vec<Reads> = metrics.iter().map(|metric| metric.reads()).collect();
        let together = reads.iter().cloned().fold(Reads::nothing(), Reads::and);
        Self { metrics, reads, together, vocabulary }
    }

    /// The metrics.
    pub fn metrics(&self) -> &[Arc<dyn Metric>] {
        &self.metrics
    }

    /// How many metrics there are.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.metrics.len()
    }

    /// What they read together.
    pub fn reads(&self) -> &Reads {
        &self.together
    }

    /// The name of a metric that reads what `reads` looks for.
    pub fn who(&self, reads: impl Fn(&Reads) -> bool) -> Option<&str> {
        let index = self.reads.iter().position(reads)?;
        Some(self.metrics[index].name())
    }

    /// The activations that are read: those of the first metric, then those of the next.
    pub fn sites(&self) -> &[ReadSite] {
        &self.together.sites
    }

    /// Whether anything of next-token distributions is read.
    pub fn reads_output(&self) -> bool {
        self.together.needs_answers() || self.together.distribution
    }

    /// Whether whole distributions are computed.
    pub fn whole(&self) -> bool {
        self.together.whole()
    }

    /// What is asked of the engine, for each of its examples.
    pub fn outputs(&self, asked: Vec<Asked<'_>>) -> Outputs {
        if !self.whole() {
            return answer_outputs(self.together.answers.unwrap_or(AnswerReads::Logits), asked);
        }
        let in_passing = self.metrics.iter().zip(&self.reads);
        let in_passing = in_passing.filter(|(_, reads)| reads.in_passing());
        let in_passing =
            in_passing.map(|(metric, reads)| (metric.clone(), reads.unedited)).collect();
        Reduction::new(in_passing, self.keeps()).outputs(asked)
    }

    /// The plan, collecting the activations that are read; `positions` gives those of a site for each example.
    pub fn collecting(&self, plan: Plan, positions: impl Fn(usize) -> Vec<Vec<usize>>) -> Plan {
        let sites = self.sites().iter().enumerate();
        sites.fold(plan, |plan, (index, site)| {
            let numbers = |each: Vec<usize>| each.into_iter().map(|at| at as i64).collect();
            // Patterns are kept whole; the queries are taken out of them.
            let positions = if site.component.is_pattern() {
                Positions::All
            } else {
                Positions::Each(positions(index).into_iter().map(numbers).collect())
            };
            plan.collect(site.component, site.layer, positions)
        })
    }

    /// Runs plans by an executor, so many at a time that the distributions that are kept fit the memory.
    ///
    /// # Errors
    /// As [`Executor::run_all`]; the error that `each` gives.
    pub fn run_all(
        &self,
        executor: &dyn Executor,
        plans: &[ResolvedPlan],
        each: &mut dyn FnMut(usize, PlanOutcome) -> Result<ControlFlow<()>, RunError>,
    ) -> Result<(), RunError> {
        let examples = plans.iter().map(|plan| plan.examples().len()).max().unwrap_or(1).max(1);
        let bytes = examples * self.vocabulary * size_of::<f64>();
        let most = if self.keeps() { (KEPT / bytes).max(1) } else { plans.len().max(1) };
        for (group, plans) in plans.chunks(most).enumerate() {
            let mut failed = None;
            let ran = executor.run_all(plans, &mut |index, outcome| {
                each(group * most + index, outcome).unwrap_or_else(|error| {
                    failed = Some(error);
                    ControlFlow::Break(())
                })
            });
            failed.map_or(ran, Err)?;
        }
        Ok(())
    }

    /// The numbers of the runs of some rows, for each row in the metrics' order. `row` (by its place among these) and `run`
    /// name one that has none.
    ///
    /// # Errors
    /// A metric that gives no finite number.
    pub fn values(
        &self,
        of: &[RowRun<'_>],
        row: impl Fn(usize) -> String,
        run: impl Fn() -> String,
    ) -> Result<Vec<Vec<f64>>, Box<MetricError>> {
        let error = |metric: usize, (place, problem): (usize, MetricProblem)| {
            let metric = self.metrics[metric].name().to_owned();
            Box::new(MetricError { metric, row: row(place), run: run(), problem })
        };
        let shown = of
            .iter()
            .enumerate()
            .map(|(place, of)| Shown::of(self, of).map_err(|problem| error(0, (place, problem))));
        let shown = shown.collect::<Result<Vec<Shown>, _>>()?;
        let mut values = vec![Vec::with_capacity(self.len()); of.len()];
        let (mut first_site, mut passed) = (0, 0);
        for (index, (metric, reads)) in self.metrics.iter().zip(&self.reads).enumerate() {
            let sites = first_site..first_site + reads.sites.len();
            first_site = sites.end;
            let numbers: Result<Vec<f64>, _> = if reads.in_passing() {
                let number = |(place, shown): (usize, &Shown)| {
                    let found = shown.of_distribution.in_passing.get(passed).cloned();
                    found.unwrap_or(Err(MetricProblem::Unread)).map_err(|problem| (place, problem))
                };
                let numbers = shown.iter().enumerate().map(number).collect();
                passed += 1;
                numbers
            } else {
                let runs = shown.iter().zip(of);
                let observed: Vec<Observed<'_>> =
                    runs.map(|(shown, of)| shown.to(reads, sites.clone(), of.unedited)).collect();
                checked_all(metric.as_ref(), &observed)
            };
            let numbers = numbers.map_err(|problem| error(index, problem))?;
            for (values, number) in values.iter_mut().zip(numbers) {
                values.push(number);
            }
        }
        Ok(values)
    }

    /// Whether distributions are kept until other things that a metric reads are there too.
    fn keeps(&self) -> bool {
        self.reads.iter().any(|reads| reads.distribution && !reads.in_passing())
    }
}

/// What a row's runs show of all that metrics read.
struct Shown {
    answers: Observed<'static>,
    of_distribution: OfDistribution,
    activations: Vec<Tensor>,
}

impl Shown {
    fn of(meter: &Meter, of: &RowRun<'_>) -> Result<Self, MetricProblem> {
        let (first, run) = match (of.showed.first(), of.answers.runs.first()) {
            (Some(first), Some(run)) => (*first, run),
            _ => return Err(MetricProblem::Unread),
        };
        let mut shown = Self {
            answers: Observed::default(),
            of_distribution: OfDistribution::default(),
            activations: Vec::new(),
        };
        if meter.together.needs_answers() {
            let runs = of.showed.iter().zip(&of.answers.runs);
            let read: Vec<Vec<PositionNumbers>> =
                runs.map(|(showed, run)| numbers(showed, run)).collect();
            let said = of.answers.said(|run, offset| read.get(run)?.get(offset));
            shown.answers = Observed::of(said.ok_or(MetricProblem::Unread)?);
        }
        if meter.together.distribution {
            let metrics = meter.reads.iter().filter(|reads| reads.in_passing()).count();
            let found = of_distribution(first, run, metrics);
            shown.of_distribution = found.ok_or(MetricProblem::Unread)?;
        }
        for (site, (values, positions)) in
            meter.sites().iter().zip(first.collected.iter().zip(of.positions))
        {
            let values = if site.component.is_pattern() {
                queries(values, positions, of.prompt.len())
            } else {
                Ok(values.clone())
            };
            shown.activations.push(values.map_err(|_| MetricProblem::Unread)?);
        }
        Ok(shown)
    }

    /// What a metric is shown of it.
    fn to<'s>(
        &'s self,
        reads: &Reads,
        sites: Range<usize>,
        unedited: Option<&'s Distribution>,
    ) -> Observed<'s> {
        let (mut target, mut foil) = (Vec::new(), Vec::new());
        if reads.needs_answers() {
            (target, foil) = (self.answers.target.clone(), self.answers.foil.clone());
        }
        // Others may read more of the answers.
        let all_single = target.iter().chain(&foil).all(|said| said.tokens == 1);
        for said in target.iter_mut().chain(&mut foil) {
            if reads.answers < Some(AnswerReads::Ranks) {
                (said.rank, said.accuracy) = (None, None);
            }
            // Sequences are compared by their log-probabilities.
            if reads.answers < Some(AnswerReads::LogProbabilities) && all_single {
                said.log_probability = None;
            }
        }
        Observed {
            target,
            foil,
            distribution: self.of_distribution.kept.as_ref().filter(|_| reads.distribution),
            unedited: unedited.filter(|_| reads.unedited),
            activations: self.activations.get(sites).unwrap_or_default(),
        }
    }
}

/// Queries of a pattern `[heads, queries, keys]`, an answer's tokens behind the prompt left out.
fn queries(pattern: &Tensor, positions: &[usize], prompt: usize) -> candle_core::Result<Tensor> {
    let rows = positions.iter().map(|&position| pattern.narrow(1, position, 1));
    Tensor::cat(&rows.collect::<candle_core::Result<Vec<_>>>()?, 1)?.narrow(2, 0, prompt)
}
