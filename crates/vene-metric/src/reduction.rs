//! From what the engine reads to numbers of a row's answers, and to what metrics make of whole distributions.

use std::sync::Arc;

use vene_data::{Continuation, PositionNumbers};
use vene_engine::plan::{Outputs, Reduce};
use vene_engine::{Distribution, ExampleOutcome};
use vene_model::ranking::Standing;

use super::error::checked;
use super::{AnswerReads, Metric, MetricProblem, Observed};

/// What is asked of one of the engine's examples: a run of a row.
pub struct Asked<'a> {
    /// What follows the prompt, and which tokens are read there.
    pub run: &'a Continuation,
    /// Whether the row's answers are single tokens: of sequences a logit says nothing without the others'.
    pub single: bool,
    /// Whether it is the row's first run, after whose prompt distributions are read.
    pub first: bool,
    /// In the first run what metrics compare the distribution with, where they do.
    pub unedited: Option<Arc<Distribution>>,
}

/// What the engine is asked for, where answers alone are read.
pub fn answer_outputs(reads: AnswerReads, asked: Vec<Asked<'_>>) -> Outputs {
    if reads == AnswerReads::Ranks {
        return Reduction::default().outputs(asked);
    }
    let each = asked.into_iter().map(|Asked { run, single, .. }| {
        (run.read.clone(), !single || reads == AnswerReads::LogProbabilities)
    });
    Outputs::Each(each.collect())
}

/// Makes [`PositionNumbers`] of a whole distribution, and [`OfDistribution`] of a row's first.
#[derive(Debug, Default)]
pub(super) struct Reduction {
    /// Metrics that are made as soon as the distribution is there, and whether each is shown the unedited run's.
    in_passing: Vec<(Arc<dyn Metric>, bool)>,
    /// Whether the distribution is kept, for metrics that read other things too.
    keeps: bool,
    runs: Vec<ReducedRun>,
}

#[derive(Debug)]
struct ReducedRun {
    run: Continuation,
    first: bool,
    unedited: Option<Arc<Distribution>>,
}

/// What was made of the distribution after a row's prompt.
#[derive(Debug, Default)]
pub(super) struct OfDistribution {
    /// The numbers of the metrics that are made in passing, in their order.
    pub(super) in_passing: Vec<Result<f64, MetricProblem>>,
    /// The distribution itself, where it is kept.
    pub(super) kept: Option<Distribution>,
}

impl Reduction {
    pub(super) fn new(in_passing: Vec<(Arc<dyn Metric>, bool)>, keeps: bool) -> Self {
        Self { in_passing, keeps, runs: Vec::new() }
    }

    pub(super) fn outputs(self, asked: Vec<Asked<'_>>) -> Outputs {
        let run = |Asked { run, first, unedited, .. }| ReducedRun {
            run: Continuation::clone(run),
            first,
            unedited,
        };
        let runs = asked.into_iter().map(run).collect();
        Outputs::Reduced(Arc::new(Self { runs, ..self }))
    }
}

impl Reduce for Reduction {
    /// The log-normaliser, for each target how many tokens are larger and how many others equal, the logits; after a
    /// row's prompt what [`OfDistribution::read`] reads.
    fn reduce(&self, example: usize, read: usize, distribution: &Distribution) -> Vec<f64> {
        let ReducedRun { run, first, unedited } = &self.runs[example];
        // Answers are tokens that the model has: rows with others are left out.
        let logit = |token: u32| distribution.logit(token).unwrap_or(f64::NAN);
        let standing = |&token: &u32| {
            let Standing { larger, equal } = distribution.standing(token).unwrap_or_default();
            [larger as f64, equal as f64]
        };
        let mut reduced = vec![distribution.log_normaliser()];
        reduced.extend(run.read[..run.targets].iter().flat_map(standing));
        reduced.extend(run.read.iter().map(|&token| logit(token)));
        if *first && read == 0 {
            for (metric, compares) in &self.in_passing {
                let observed = Observed {
                    distribution: Some(distribution),
                    unedited: unedited.as_deref().filter(|_| *compares),
                    ..Observed::default()
                };
                write(checked(metric.as_ref(), &observed), &mut reduced);
            }
            if self.keeps {
                reduced.extend(distribution.logits());
            }
        }
        reduced
    }
}

impl OfDistribution {
    /// Reads what [`Reduction`] wrote behind the numbers; `metrics` says how many were made in passing.
    fn read(values: &[f64], metrics: usize) -> Option<Self> {
        let mut values = values.iter().copied();
        let in_passing = (0..metrics).map(|_| read(&mut values)).collect::<Option<Vec<_>>>()?;
        let rest: Vec<f64> = values.collect();
        let kept = (!rest.is_empty()).then(|| Distribution::new(rest));
        Some(Self { in_passing, kept })
    }
}

/// Writes a metric's number, or what is wrong, as numbers: a reduction gives nothing else.
fn write(found: Result<f64, MetricProblem>, into: &mut Vec<f64>) {
    match found {
        Ok(value) => into.extend([0.0, value]),
        Err(MetricProblem::Unread) => into.extend([1.0, 0.0]),
        Err(MetricProblem::NotFinite { value }) => into.extend([2.0, value]),
        Err(MetricProblem::Count { given, .. }) => into.extend([3.0, given as f64]),
        Err(MetricProblem::Panicked { message }) => write_text(4.0, &message, into),
        Err(MetricProblem::Failed { message }) => write_text(5.0, &message, into),
    }
}

fn write_text(kind: f64, text: &str, into: &mut Vec<f64>) {
    into.extend([kind, text.len() as f64]);
    into.extend(text.bytes().map(f64::from));
}

/// Reads what [`write`] wrote.
fn read(values: &mut impl Iterator<Item = f64>) -> Option<Result<f64, MetricProblem>> {
    let (kind, value) = (values.next()?, values.next()?);
    Some(match kind as u8 {
        0 => Ok(value),
        1 => Err(MetricProblem::Unread),
        2 => Err(MetricProblem::NotFinite { value }),
        3 => Err(MetricProblem::Count { given: value as usize, runs: 1 }),
        kind => {
            let bytes: Vec<u8> = values.take(value as usize).map(|byte| byte as u8).collect();
            let message = String::from_utf8_lossy(&bytes).into_owned();
            Err(if kind == 4 {
                MetricProblem::Panicked { message }
            } else {
                MetricProblem::Failed { message }
            })
        }
    })
}

/// What was read of a run, position by position.
pub fn numbers(showed: &ExampleOutcome, run: &Continuation) -> Vec<PositionNumbers> {
    (0..=run.tokens.len()).filter_map(|offset| Some(numbers_at(showed, offset, run)?.0)).collect()
}

/// What was made of the distribution after the prompt of a row's first run.
pub(super) fn of_distribution(
    showed: &ExampleOutcome,
    run: &Continuation,
    metrics: usize,
) -> Option<OfDistribution> {
    OfDistribution::read(numbers_at(showed, 0, run)?.1, metrics)
}

/// What was read at the `offset`-th position of a run, and what stands behind that.
fn numbers_at<'s>(
    showed: &'s ExampleOutcome,
    offset: usize,
    run: &Continuation,
) -> Option<(PositionNumbers, &'s [f64])> {
    if let Some(reading) = showed.readings.get(offset) {
        let numbers = PositionNumbers {
            logits: reading.logits().to_vec(),
            log_normaliser: reading.log_normaliser(),
            ..PositionNumbers::default()
        };
        return Some((numbers, &[]));
    }
    let (&log_normaliser, rest) = showed.reduced.get(offset)?.split_first()?;
    let (standings, rest) = rest.split_at_checked(2 * run.targets)?;
    let (logits, rest) = rest.split_at_checked(run.read.len())?;
    let standing = |pair: &[f64; 2]| Standing { larger: pair[0] as usize, equal: pair[1] as usize };
    let numbers = PositionNumbers {
        logits: logits.to_vec(),
        log_normaliser: Some(log_normaliser),
        standings: standings.as_chunks().0.iter().map(standing).collect(),
    };
    Some((numbers, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn outputs_of(reduction: Reduction, run: &Continuation) -> Arc<dyn Reduce> {
        let asked = Asked { run, single: true, first: true, unedited: None };
        match reduction.outputs(vec![asked]) {
            Outputs::Reduced(reduce) => reduce,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whole_distributions_give_what_readings_give_and_more() {
        let run = Continuation { tokens: vec![], read: vec![2, 0], targets: 1 };
        let distribution = Distribution::new(vec![1.0, 4.0, 3.0]);
        let whole = outputs_of(Reduction::default(), &run);
        let mut showed = ExampleOutcome::default();
        showed.reduced.push(whole.reduce(0, 0, &distribution));
        let [numbers] = numbers(&showed, &run).try_into().unwrap();
        assert_eq!(numbers.logits, [3.0, 1.0]);
        assert_eq!(numbers.standings, [Standing { larger: 1, equal: 0 }]);
        assert_eq!(numbers.log_normaliser, Some(distribution.log_normaliser()));
    }

    #[test]
    fn what_metrics_make_in_passing_goes_through_a_reduction() {
        let run = Continuation { tokens: vec![], read: vec![2], targets: 1 };
        let distribution = Distribution::new(vec![1.0, 4.0, 3.0]);
        let metric = |value: fn(&Observed<'_>) -> Option<f64>| {
            (crate::from_fn("own", crate::Reads::distribution(), value), false)
        };
        let in_passing = vec![
            metric(|observed| observed.distribution?.logit(1)),
            metric(|observed| observed.unedited?.logit(1)),
            metric(|_| Some(f64::INFINITY)),
            metric(|_| panic!("of its own: é")),
        ];
        let whole = outputs_of(Reduction::new(in_passing, true), &run);
        let mut showed = ExampleOutcome::default();
        showed.reduced.push(whole.reduce(0, 0, &distribution));
        let found = of_distribution(&showed, &run, 4).unwrap();
        assert_eq!(found.kept, Some(distribution));
        let expected = [
            Ok(4.0),
            Err(MetricProblem::Unread),
            Err(MetricProblem::NotFinite { value: f64::INFINITY }),
            Err(MetricProblem::Panicked { message: "of its own: é".to_owned() }),
        ];
        assert_eq!(found.in_passing, expected);
    }
}
