//! What is to become small: a loss on what the edited runs say, and penalties on parameters.

use std::fmt::Debug;
use std::sync::Arc;

use candle_core::{D, DType, Tensor};
use vene_engine::RunError;
use vene_engine::TrainRun;
use vene_engine::plan::ResolvedPlan;
use vene_files::guarded;
use vene_intervention::Parameter;
use vene_model::ranking::{self, Standing};

use super::error::TrainingError;

/// What a batch came to.
#[derive(Clone, Debug)]
pub struct BatchLoss {
    /// The mean over the batch's reads: a scalar, with the graph behind it.
    pub loss: Tensor,
    /// How many answers are what they should be; where tokens tie, a share of one ([`crate::ranking`]).
    pub right: f64,
    /// Out of how many: each read is one, or all reads of an example are ([`CrossEntropy::of_answers`]).
    pub answers: usize,
    /// Over how many reads the mean is.
    pub reads: usize,
}

/// A loss on what edited runs say at the positions that a plan reads.
pub trait Loss: Debug + Send + Sync {
    /// Whether it is for the examples and reads of this plan.
    ///
    /// # Errors
    /// What does not fit.
    fn check(&self, plan: &ResolvedPlan) -> Result<(), TrainingError>;

    /// The loss of some examples.
    ///
    /// # Errors
    /// Failures of the computation.
    fn of(&self, runs: &TrainRun, examples: &[usize]) -> Result<BatchLoss, TrainingError>;
}

/// The cross entropy with labels: -log p(label) in nats. A read is right where the label is the likeliest
/// token (a tie is shared); the share of these is the interchange-intervention accuracy (Geiger et al. 2021).
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    labels: Vec<Vec<u32>>,
    /// Whether an example's labels are one answer.
    are_answers: bool,
}

impl CrossEntropy {
    /// A label for each example, of which a plan reads one position.
    pub fn new(labels: &[u32]) -> Self {
        Self::of_reads(labels.iter().map(|&label| vec![label]).collect())
    }

    /// Labels for each example, one for each position that the plan reads, in its order.
    pub fn of_reads(labels: Vec<Vec<u32>>) -> Self {
        Self { labels, are_answers: false }
    }

    /// The tokens of each example's answer, which a plan reads one after the other
    /// ([`TeacherForced`](vene_engine::plan::TeacherForced)). An answer is right where all its tokens are the likeliest. The
    /// loss is the mean over all tokens of a batch, as transformers and pyreft compute it: long answers count for more.
    pub fn of_answers(labels: Vec<Vec<u32>>) -> Self {
        Self { labels, are_answers: true }
    }

    /// How many answers of some examples are right, and out of how many.
    fn right(&self, examples: &[usize], standings: &[Standing]) -> (f64, usize) {
        let each = standings.iter().map(|standing| standing.accuracy());
        if !self.are_answers {
            return (each.sum(), standings.len());
        }
        let each: Vec<f64> = each.collect();
        let mut rest = each.as_slice();
        let mut right = 0.0;
        for &example in examples {
            let (own, others) = rest.split_at(self.labels[example].len());
            right += own.iter().product::<f64>();
            rest = others;
        }
        (right, examples.len())
    }
}

impl Loss for CrossEntropy {
    fn check(&self, plan: &ResolvedPlan) -> Result<(), TrainingError> {
        fits("labels", &self.labels, plan)
    }

    fn of(&self, runs: &TrainRun, examples: &[usize]) -> Result<BatchLoss, TrainingError> {
        runs.expect(examples)?;
        self.check(runs.plan())?;
        let labels: Vec<u32> =
            examples.iter().flat_map(|&example| self.labels[example].iter().copied()).collect();
        let (losses, standings) = runs.cross_entropy(examples, &labels)?;
        let (right, answers) = self.right(examples, &standings);
        Ok(BatchLoss { loss: losses.mean_all()?, right, answers, reads: labels.len() })
    }
}

/// The Kullback-Leibler divergence of what the runs say from given distributions, `Σ p log(p / q)` in nats
/// with the given `p`. A read is right where the likeliest token of `p` is the run's likeliest too (a tie is shared).
#[derive(Clone, Debug)]
pub struct Divergence {
    /// For each example and read log p over the vocabulary.
    log_probabilities: Vec<Vec<Vec<f64>>>,
}

impl Divergence {
    /// From log-probabilities over the vocabulary, for each example and each position that the plan reads.
    pub fn new(log_probabilities: Vec<Vec<Vec<f64>>>) -> Self {
        Self { log_probabilities }
    }
}

impl Loss for Divergence {
    fn check(&self, plan: &ResolvedPlan) -> Result<(), TrainingError> {
        fits("distributions", &self.log_probabilities, plan)
    }

    fn of(&self, runs: &TrainRun, examples: &[usize]) -> Result<BatchLoss, TrainingError> {
        self.check(runs.plan())?;
        let logits = runs.logits(examples)?;
        let (reads, vocabulary) = logits.dims2()?;
        let given: Vec<f64> =
            examples.iter().flat_map(|&example| self.log_probabilities[example].concat()).collect();
        if given.len() != reads * vocabulary {
            return Err(TrainingError::Distributions { given: given.len(), reads, vocabulary });
        }
        let given = Tensor::from_vec(given, (reads, vocabulary), logits.device())?;
        let probabilities = given.exp()?;
        // Where p is 0, its logarithm adds nothing.
        let entropy =
            probabilities.gt(0.0)?.where_cond(&(&probabilities * &given)?, &given.zeros_like()?)?;
        let logits = logits.to_dtype(DType::F64)?;
        let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
        let normaliser = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
        let cross = (shifted.broadcast_sub(&normaliser)? * &probabilities)?.sum(D::Minus1)?;
        let losses = (entropy.sum(D::Minus1)? - cross)?;
        let found = logits.detach().to_vec2::<f64>()?;
        let right = found
            .iter()
            .zip(probabilities.to_vec2::<f64>()?)
            .map(|(found, wanted)| Standing::of(found, ranking::likeliest(&wanted)).accuracy());
        let right = right.sum();
        Ok(BatchLoss { loss: losses.mean_all()?, right, answers: reads, reads })
    }
}

/// How far the foil's logit lies above the target's: `logit(foil) - logit(target)`, which is minus the metric
/// [`LOGIT_DIFFERENCE`](crate::metric::LOGIT_DIFFERENCE). A read is right where the target's is larger; a tie is half right.
#[derive(Clone, Debug)]
pub struct FoilLead {
    /// For each example and read a target and a foil.
    pairs: Vec<Vec<[u32; 2]>>,
}

impl FoilLead {
    /// A target and a foil for each example, of which the plan reads one position.
    pub fn new(pairs: &[[u32; 2]]) -> Self {
        Self { pairs: pairs.iter().map(|&pair| vec![pair]).collect() }
    }

    /// Pairs for each example, one for each position that the plan reads, in its order.
    pub fn of_reads(pairs: Vec<Vec<[u32; 2]>>) -> Self {
        Self { pairs }
    }
}

impl Loss for FoilLead {
    fn check(&self, plan: &ResolvedPlan) -> Result<(), TrainingError> {
        fits("pairs", &self.pairs, plan)
    }

    fn of(&self, runs: &TrainRun, examples: &[usize]) -> Result<BatchLoss, TrainingError> {
        self.check(runs.plan())?;
        let logits = runs.logits(examples)?;
        let pairs: Vec<[u32; 2]> =
            examples.iter().flat_map(|&example| self.pairs[example].iter().copied()).collect();
        let reads = pairs.len();
        let pairs = Tensor::from_vec(pairs.concat(), (reads, 2), logits.device())?;
        let both = logits.gather(&pairs, 1)?;
        let losses = (both.narrow(1, 1, 1)? - both.narrow(1, 0, 1)?)?;
        let values: Vec<f64> = losses.detach().to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let right = values.iter().map(|&loss| ranking::accuracy_of_two(-loss)).sum();
        Ok(BatchLoss { loss: losses.mean_all()?, right, answers: reads, reads })
    }
}

/// What a [`FromLogits`] calls.
type OfLogits = dyn Fn(&Tensor, &[usize]) -> candle_core::Result<BatchLoss> + Send + Sync;

/// A loss of one's own: a function of logits `[reads, vocabulary]`, which are those of the examples one after the
/// other, and of the examples' indices.
#[derive(Clone)]
pub struct FromLogits(Arc<OfLogits>);

impl FromLogits {
    /// From a function.
    pub fn new(
        function: impl Fn(&Tensor, &[usize]) -> candle_core::Result<BatchLoss> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(function))
    }
}

impl Debug for FromLogits {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FromLogits")
    }
}

impl Loss for FromLogits {
    fn check(&self, _: &ResolvedPlan) -> Result<(), TrainingError> {
        Ok(())
    }

    fn of(&self, runs: &TrainRun, examples: &[usize]) -> Result<BatchLoss, TrainingError> {
        let logits = runs.logits(examples)?;
        let loss = guarded(|| (self.0)(&logits, examples));
        Ok(loss.map_err(|panic| RunError::panicked("a loss", panic))??)
    }
}

/// Whether there is something for each example, and in it for each read.
fn fits<T>(what: &'static str, given: &[Vec<T>], plan: &ResolvedPlan) -> Result<(), TrainingError> {
    let examples = plan.examples().len();
    if given.len() != examples {
        return Err(TrainingError::Examples { what, given: given.len(), examples });
    }
    for (example, (given, read)) in given.iter().zip(plan.read()).enumerate() {
        if given.len() != read.len() {
            let (given, reads) = (given.len(), read.len());
            return Err(TrainingError::Reads { what, example, given, reads });
        }
    }
    Ok(())
}

/// What is added to the loss of every batch: a function of the parameters that are trained.
pub trait Penalty: Debug + Send + Sync {
    /// A scalar, with the graph behind it; `parameters` are those that are trained, under their names in the
    /// plan (`edit.0.intervention_boundaries`).
    ///
    /// # Errors
    /// Failures of the computation; a parameter that is not there.
    fn of(&self, parameters: &[Parameter]) -> Result<Tensor, TrainingError>;
}

/// A weight times the sum of all values of the parameters of one name within their interventions: with
/// `intervention_boundaries` what pyvene's tutorial of boundless DAS adds (Wu et al. 2023), so that few directions are
/// exchanged.
#[derive(Clone, Debug, PartialEq)]
pub struct SumOf {
    /// The name within the intervention.
    pub parameter: String,
    /// What the sum is multiplied by.
    pub weight: f64,
}

impl Penalty for SumOf {
    fn of(&self, parameters: &[Parameter]) -> Result<Tensor, TrainingError> {
        let own = |parameter: &&Parameter| {
            parameter.name.splitn(3, '.').nth(2) == Some(self.parameter.as_str())
        };
        let sums = parameters.iter().filter(own).map(|parameter| {
            parameter.variable.as_tensor().to_dtype(DType::F64)?.sum_all()? * self.weight
        });
        let sums: Vec<Tensor> = sums.collect::<candle_core::Result<_>>()?;
        let mut all = sums.into_iter();
        let first = all.next().ok_or_else(|| TrainingError::NoParameter {
            name: self.parameter.clone(),
            found: parameters
                .iter()
                .map(|found| found.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        })?;
        Ok(all.try_fold(first, |sum, next| sum + next)?)
    }
}

/// A loss and its penalties.
#[derive(Clone, Debug)]
pub struct Objective {
    /// On what the runs say.
    pub loss: Arc<dyn Loss>,
    /// On the parameters.
    pub penalties: Vec<Arc<dyn Penalty>>,
}

impl Objective {
    /// A loss alone.
    pub fn new(loss: impl Loss + 'static) -> Self {
        Self { loss: Arc::new(loss), penalties: Vec::new() }
    }

    /// The cross entropy with a label for each example.
    pub fn labels(labels: &[u32]) -> Self {
        Self::new(CrossEntropy::new(labels))
    }

    /// With a penalty more.
    #[must_use]
    pub fn penalty(mut self, penalty: impl Penalty + 'static) -> Self {
        self.penalties.push(Arc::new(penalty));
        self
    }

    /// The penalties' sum, where there are any, in double precision.
    pub(super) fn penalised(
        &self,
        parameters: &[Parameter],
    ) -> Result<Option<Tensor>, TrainingError> {
        let mut sum: Option<Tensor> = None;
        for penalty in &self.penalties {
            let next = penalty.of(parameters)?.to_dtype(DType::F64)?;
            sum = Some(match sum {
                Some(sum) => (sum + next)?,
                None => next,
            });
        }
        Ok(sum)
    }
}
