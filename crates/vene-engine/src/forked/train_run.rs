//! A plan's runs with gradients, again and again: what a training, and whoever reads gradients at sites, is made of.
//!
//! The unedited runs are a session's: they are run once and kept, without any graph. Each call runs the forks of some
//! examples from there, on operations that gradients flow through; the graph leads back to the interventions'
//! parameters and to nothing else: what was kept has none, and weights are frozen.
//!
//! In single precision all this runs on the fused operations ([`Recorded`]), in double on plain ones
//! ([`Plain`]).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{Tensor, Var};
use vene_model::ranking::Standing;
use vene_model::{
    Decoder, Differentiable, Model, Plain, Recorded, cross_entropy_of, with_backward,
};

use super::chunks::Budget;
use super::pass::{Cached, ForkedPass, Training};
use super::prefixes::{self, Prefix};
use super::tree::{Job, Tree};
use crate::error::RunError;
use crate::plan::{Outputs, ResolvedPlan};
use crate::still::Still;

/// A plan's runs, the unedited ones kept.
#[derive(Clone)]
pub struct TrainRun {
    plan: ResolvedPlan,
    runs: Runs,
    memory: Option<usize>,
    recomputes: bool,
    without_gradients: bool,
    step: Option<u64>,
}

/// The model that is run, its weights shared with whoever has it, and what is kept.
#[derive(Clone)]
enum Runs {
    Recorded(Arc<KeptRuns<Recorded>>),
    Plain(Arc<KeptRuns<Plain>>),
}

struct KeptRuns<O: Differentiable> {
    decoder: Arc<Decoder<O>>,
    /// What all examples begin with, where the memory holds it.
    all: Option<Prefix<O>>,
    /// About how many bytes the rows of one pass without gradients may take.
    memory: usize,
}

impl fmt::Debug for TrainRun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TrainRun")
            .field("examples", &self.examples())
            .finish_non_exhaustive()
    }
}

/// Calls a generic function with whichever runs there are.
macro_rules! with_runs {
    ($runs:expr, $kept:ident => $call:expr) => {
        match $runs {
            Runs::Recorded($kept) => $call,
            Runs::Plain($kept) => $call,
        }
    };
}

/// What is computed of the rows that are read.
enum Target<'a> {
    Logits,
    /// What the unembedding reads.
    Normed,
    /// The cross entropy with these tokens, one for each row.
    CrossEntropy(&'a [u32]),
}

impl TrainRun {
    /// Runs base and sources of each example once, and keeps what the plan's edits need of them; where they need more than
    /// an eighth of what the system has free, they are run anew each time.
    ///
    /// # Errors
    /// Failures of the computation.
    pub fn new(model: &Model, plan: ResolvedPlan) -> Result<Self, RunError> {
        Self::of(model, plan, None)
    }

    /// The same in about so many bytes beside the weights: the unedited runs are kept if they fit into a quarter of
    /// them, and [`TrainRun::parts`] says how many examples can be run at once.
    ///
    /// # Errors
    /// As [`TrainRun::new`].
    pub fn within(model: &Model, plan: ResolvedPlan, bytes: usize) -> Result<Self, RunError> {
        Self::of(model, plan, Some(bytes))
    }

    /// The same within so many bytes, or as [`TrainRun::new`] where none are given.
    ///
    /// # Errors
    /// As [`TrainRun::new`].
    pub fn of(
        model: &Model,
        mut plan: ResolvedPlan,
        memory: Option<usize>,
    ) -> Result<Self, RunError> {
        plan.expect(model.key())?;
        plan.refuse_steps()?;
        refuse_learning_in_sources(&plan)?;
        // Of a training distributions are all that is read.
        plan.collects.clear();
        plan.outputs = Outputs::Distributions;
        let runs = match model.fused()? {
            Some(fused) => {
                Runs::Recorded(Arc::new(KeptRuns::of(fused.over(Recorded), &plan, memory)?))
            }
            None => {
                let plain = model.plain()?;
                let decoder = plain.over(plain.operations().clone());
                Runs::Plain(Arc::new(KeptRuns::of(decoder, &plan, memory)?))
            }
        };
        Ok(Self { plan, runs, memory, recomputes: false, without_gradients: false, step: None })
    }

    /// Whether blocks without edits are run once more on the way back instead of being remembered (gradient
    /// checkpointing): less memory, more time, and the same gradients. The last block, and blocks of other networks than
    /// transformers, are remembered.
    #[must_use]
    pub fn recomputing(mut self, recomputes: bool) -> Self {
        self.recomputes = recomputes;
        self
    }

    /// For runs whose gradients nobody wants: nothing is remembered for them.
    #[must_use]
    pub fn without_gradients(mut self) -> Self {
        self.without_gradients = true;
        self
    }

    /// From now on the runs are those of a training's step, or of none: what is random in training only
    /// ([`Dropout`](vene_intervention::Dropout)) draws by it.
    pub fn set_step(&mut self, step: Option<u64>) {
        self.step = step;
    }

    /// How many examples there are.
    pub fn examples(&self) -> usize {
        self.plan.examples.len()
    }

    /// The plan.
    pub fn plan(&self) -> &ResolvedPlan {
        &self.plan
    }

    /// The logits of the edited runs of some examples, at the positions that the plan reads, one after
    /// the other: `[reads, vocabulary]`. Gradients flow to the interventions' parameters.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention.
    pub fn logits(&self, examples: &[usize]) -> Result<Tensor, RunError> {
        Ok(self.run(examples, &Target::Logits)?.0)
    }

    /// What the unembedding reads of these runs, after the last norm, at the positions that the plan reads, one after the
    /// other: `[reads, d_model]`. Gradients flow to the interventions' parameters. Edits of logits come after it, and are not
    /// in it.
    ///
    /// # Errors
    /// As [`TrainRun::logits`].
    pub fn normed(&self, examples: &[usize]) -> Result<Tensor, RunError> {
        Ok(self.run(examples, &Target::Normed)?.0)
    }

    /// The cross entropy of what these runs say and what they should: -log p(label) in nats at the positions
    /// that the plan reads, one label each, `[reads]`; and where each label stands among all tokens there. As good
    /// as that of the logits, which are not kept.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention; another number of labels than reads.
    pub fn cross_entropy(
        &self,
        examples: &[usize],
        labels: &[u32],
    ) -> Result<(Tensor, Vec<Standing>), RunError> {
        self.expect(examples)?;
        let reads: usize = examples.iter().map(|&example| self.plan.read[example].len()).sum();
        if reads != labels.len() {
            let given = labels.len();
            return Err(RunError::Labels { given, reads });
        }
        let vocabulary = with_runs!(&self.runs, runs => runs.decoder.config().vocabulary);
        if let Some(&label) = labels.iter().find(|&&label| label as usize >= vocabulary) {
            return Err(RunError::NoToken { label, vocabulary });
        }
        self.run(examples, &Target::CrossEntropy(labels))
    }

    /// A batch of examples in stretches, each of which can be run at once in the memory that was given: all of it, where none
    /// was.
    ///
    /// # Errors
    /// [`RunError::Memory`] where an example takes more by itself, with the least that would do.
    pub fn parts(&self, batch: &[usize]) -> Result<Vec<Range<usize>>, RunError> {
        self.expect(batch)?;
        let Some(memory) = self.memory else {
            return Ok(std::iter::once(0..batch.len()).collect());
        };
        let config = with_runs!(&self.runs, runs => runs.decoder.config());
        let recomputes = self.recomputes || self.without_gradients;
        prefixes::parts(&self.plan, config, batch, Budget::of(Some(memory)), recomputes)
    }

    /// Refuses examples that the plan does not have.
    pub fn expect(&self, chosen: &[usize]) -> Result<(), RunError> {
        let examples = self.examples();
        match chosen.iter().find(|&&example| example >= examples) {
            Some(&example) => Err(RunError::NoExample { example, examples }),
            None if chosen.is_empty() => Err(RunError::NoneChosen),
            None => Ok(()),
        }
    }

    fn run(
        &self,
        examples: &[usize],
        target: &Target<'_>,
    ) -> Result<(Tensor, Vec<Standing>), RunError> {
        self.expect(examples)?;
        let training = Training { detaches: self.without_gradients, step: self.step };
        with_runs!(&self.runs, runs => {
            runs.run(&self.plan, examples, training, self.recomputes, target)
        })
    }
}

impl<O: Differentiable> KeptRuns<O> {
    fn of(
        decoder: Decoder<O>,
        plan: &ResolvedPlan,
        memory: Option<usize>,
    ) -> Result<Self, RunError> {
        let at_once = Budget::of(memory).bytes.min(Budget::kept(memory).max(1));
        let keeps_all = Prefix::bytes(&decoder, plan) <= Budget::kept(memory) / 2;
        let examples: Vec<usize> = (0..plan.examples.len()).collect();
        let all = keeps_all.then(|| Prefix::of(&decoder, plan, &examples, at_once)).transpose()?;
        Ok(Self { decoder: Arc::new(decoder), all, memory: at_once })
    }

    fn run(
        &self,
        plan: &ResolvedPlan,
        examples: &[usize],
        training: Training,
        recomputes: bool,
        target: &Target<'_>,
    ) -> Result<(Tensor, Vec<Standing>), RunError> {
        let decoder = &self.decoder;
        let job = |&example: &usize| Job { plan, example, is_edited: true };
        let jobs: Vec<Job<'_>> = examples.iter().map(job).collect();
        let of_batch;
        let (prefix, runs) = match &self.all {
            Some(all) => (all, examples.iter().map(|&of| all.runs[of].clone()).collect()),
            None => {
                of_batch = Prefix::of(decoder, plan, examples, self.memory)?;
                (&of_batch, of_batch.runs.clone())
            }
        };
        let tree = Tree::after_sources(&prefix.trunk, &jobs, runs);
        let cached = Cached::All(&prefix.cache);
        let mut pass = ForkedPass::new(decoder, &tree, cached, &prefix.activations);
        pass.training = Some(training);
        let residual = pass.blocks(&mut |pass, block, residual| {
            if !recomputes || !residual.track_op() {
                return Ok(None);
            }
            let Some(still) = pass.still(block)? else { return Ok(None) };
            recomputed(decoder, block, residual, still).map(Some)
        })?;
        let normed = decoder.leave(&residual.ok_or(RunError::Stopped)?, &mut pass)?;

        let operations = decoder.operations();
        let reads = || {
            let ends = tree.ends.iter().enumerate();
            ends.flat_map(|(job, end)| plan.read[end.example].iter().map(move |&read| (job, read)))
        };
        let edits_logits = tree.ends.iter().any(|end| tree.edits_logits(end.run).is_some());
        if let (Target::CrossEntropy(labels), false) = (target, edits_logits) {
            let row = |(job, position): (usize, usize)| {
                pass.rows.place(&tree, tree.ends[job].run, position)
            };
            let rows: Vec<usize> = reads().map(row).collect();
            let rows = decoder.scaled(operations.take_rows(&normed, &rows)?)?;
            let (unembedding, cap) = (decoder.unembedding(), decoder.config().logit_soft_cap);
            return Ok(operations.cross_entropy(&rows, unembedding, cap, labels)?);
        }
        if matches!(target, Target::Normed) {
            let row = |(job, position): (usize, usize)| {
                pass.rows.place(&tree, tree.ends[job].run, position)
            };
            let rows: Vec<usize> = reads().map(row).collect();
            return Ok((operations.take_rows(&normed, &rows)?, Vec::new()));
        }
        let logits = decoder.unembed(&normed, &mut pass)?.whole.ok_or(RunError::Stopped)?;
        let row = |(job, position)| Some(pass.found.readouts.place(job, position)?.row);
        let rows: Vec<usize> = reads().filter_map(row).collect();
        let logits = operations.take_rows(&logits, &rows)?;
        match target {
            Target::Logits | Target::Normed => Ok((logits, Vec::new())),
            Target::CrossEntropy(labels) => Ok(cross_entropy_of(&logits, labels)?),
        }
    }
}

/// Sources are run once, before all steps: what edits them learns nothing.
fn refuse_learning_in_sources(plan: &ResolvedPlan) -> Result<(), RunError> {
    let edited = plan.edited_sources.iter().flat_map(|source| &source.edits);
    let mut parameters = edited.flat_map(|edit| edit.intervention.parameters());
    if parameters.any(|parameter| parameter.is_trained()) {
        return Err(RunError::LearnsInSource);
    }
    Ok(())
}

/// A block whose inner steps are forgotten, and run once more on the way back.
fn recomputed<O: Differentiable>(
    decoder: &Arc<Decoder<O>>,
    layer: usize,
    residual: &Tensor,
    still: Still<O>,
) -> Result<Tensor, RunError> {
    let block = move |decoder: &Decoder<O>, residual: &Tensor, still: &Still<O>| {
        let mut pass = still.clone();
        decoder.block(layer, residual.clone(), &mut pass).map_err(candle_core::Error::wrap)
    };
    let again = (decoder.clone(), still.clone());
    Ok(with_backward(
        residual,
        |residual| block(decoder, residual, &still),
        move |residual, gradient| {
            let (decoder, still) = &again;
            let residual = Var::from_tensor(residual)?;
            let result = block(decoder, &residual, still)?;
            // The gradient of this sum is that of the result, carried on.
            let gradients = (result * gradient)?.sum_all()?.backward()?;
            match gradients.get(&residual) {
                Some(gradient) => Ok(gradient.clone()),
                None => residual.zeros_like(),
            }
        },
    )?)
}
