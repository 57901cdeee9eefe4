//! The part of a model behind the first edit, run again and again with gradients.
//!
//! Training an intervention runs the same examples many times, and most of what is computed there never
//! changes: blocks before the first edited one, positions before the first edited one in any block, and the
//! sources. All of that is kept ([`kept`]); what is left are *live rows*, which run through the blocks behind
//! the edit, attend to the kept keys and values of earlier positions, and become logits where they are read.
//! In the last block only rows that are read go on. The graph leads back to the interventions' parameters and
//! to nothing else: what was kept has none, and weights are frozen.
//!
//! In single precision all this runs on the fused operations ([`Recorded`]), in double on plain ones
//! ([`Plain`]).

mod edits;
mod kept;
mod layout;
mod live;
mod pass;
mod tap;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{Tensor, Var};
use vene_model::{
    Component, Decoder, DecoderConfig, Differentiable, Model, Plain, Recorded, Site,
    cross_entropy_of, with_backward,
};

use super::executor::Executor;
use super::reference::{Editor, Reference};
use super::sequences::{Rows, Visitor};
use super::stages::given_sources;
use super::trace::Trace;
use crate::error::RunError;
use crate::plan::ResolvedPlan;
use crate::ranking::Standing;
use edits::Edits;
use kept::Kept;
use layout::Layout;
use pass::{LiveRows, Nobody, looks_into};
pub(super) use tap::{Tapped, Taps};

/// A plan's runs, kept as far as its edits change nothing in them.
#[derive(Clone)]
pub struct Suffix {
    plan: ResolvedPlan,
    decoder: Frozen,
    /// The first block that is run.
    layer: usize,
    /// For each example the positions that are run.
    live: Vec<Range<usize>>,
    kept: Kept,
    recomputes: bool,
    without_gradients: bool,
}

/// The model that is run, its weights shared with whoever has it.
#[derive(Clone)]
enum Frozen {
    Recorded(Arc<Decoder<Recorded>>),
    Plain(Arc<Decoder<Plain>>),
}

impl fmt::Debug for Suffix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, live, .. } = self;
        let examples = live.len();
        formatter.debug_struct("Suffix").field("layer", layer).field("examples", &examples).finish()
    }
}

/// Calls a generic method with whichever decoder there is.
macro_rules! with_decoder {
    ($frozen:expr, $decoder:ident => $call:expr) => {
        match $frozen {
            Frozen::Recorded($decoder) => $call,
            Frozen::Plain($decoder) => $call,
        }
    };
}

/// What the last norm gave of the rows that are read, or behind it.
enum Target<'a> {
    Logits,
    /// The cross entropy with these tokens, one for each row.
    CrossEntropy(&'a [u32]),
}

impl Suffix {
    /// Runs base and sources of each example once, and keeps what the plan's edits need of them.
    ///
    /// # Errors
    /// Failures of the computation.
    pub fn new(model: &Model, plan: ResolvedPlan) -> Result<Self, RunError> {
        Self::behind(model, plan, &[])
    }

    /// The same, where these sites are looked at too, at all positions.
    pub(super) fn behind(
        model: &Model,
        plan: ResolvedPlan,
        looked_at: &[Site],
    ) -> Result<Self, RunError> {
        plan.expect(model.key())?;
        plan.refuse_steps()?;
        let plan = given_plan(model, plan)?;
        let layer = live::first_block(&plan, looked_at, model.config());
        // A state is carried through all positions.
        let all = !looked_at.is_empty() || model.config().is_recurrent();
        let positions = |example: usize| match all {
            false => live::positions(&plan, example),
            true => 0..plan.examples[example].base.len(),
        };
        let live: Vec<Range<usize>> = (0..plan.examples.len()).map(positions).collect();
        let decoder = match model.fused()? {
            Some(fused) => Frozen::Recorded(Arc::new(fused.over(Recorded))),
            None => {
                let plain = model.plain()?;
                Frozen::Plain(Arc::new(plain.over(plain.operations().clone())))
            }
        };
        let kept = with_decoder!(&decoder, decoder => Kept::of(decoder, &plan, layer, &live)?);
        Ok(Self { plan, decoder, layer, live, kept, recomputes: false, without_gradients: false })
    }

    /// Whether blocks without edits are run once more on the way back instead of being remembered: less
    /// memory, more time, and the same gradients. Blocks of other networks than transformers are remembered.
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

    /// The first block that is run.
    pub fn layer(&self) -> usize {
        self.layer
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
        Ok(self.run(examples, None, Target::Logits)?.0)
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
        let vocabulary = with_decoder!(&self.decoder, decoder => decoder.config().vocabulary);
        if let Some(&label) = labels.iter().find(|&&label| label as usize >= vocabulary) {
            return Err(RunError::NoToken { label, vocabulary });
        }
        self.run(examples, None, Target::CrossEntropy(labels))
    }

    /// The logits, with a leaf of the graph at every tapped site.
    pub(super) fn tapped(&self, examples: &[usize], taps: &mut Taps) -> Result<Tensor, RunError> {
        Ok(self.run(examples, Some(taps), Target::Logits)?.0)
    }

    /// Refuses examples that the plan does not have.
    pub(crate) fn expect(&self, chosen: &[usize]) -> Result<(), RunError> {
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
        taps: Option<&mut Taps>,
        target: Target<'_>,
    ) -> Result<(Tensor, Vec<Standing>), RunError> {
        self.expect(examples)?;
        let plan = self.plan.select(examples);
        let mut sources = Trace::default();
        for (place, &example) in examples.iter().enumerate() {
            sources.add(place, &self.kept.sources[example]);
        }
        with_decoder!(&self.decoder, decoder => {
            let editor = Editor::new(&plan, &sources, decoder.config());
            let edits = Edits::new(editor, self.without_gradients);
            match taps {
                None => self.run_with(decoder, &plan, examples, edits, target),
                Some(taps) => {
                    self.run_with(decoder, &plan, examples, Tapped::new(edits, taps), target)
                }
            }
        })
    }

    fn run_with<O: Differentiable>(
        &self,
        decoder: &Arc<Decoder<O>>,
        plan: &ResolvedPlan,
        examples: &[usize],
        mut visitor: impl Visitor,
        target: Target<'_>,
    ) -> Result<(Tensor, Vec<Standing>), RunError> {
        let config = decoder.config();
        let live: Vec<Range<usize>> =
            examples.iter().map(|&example| self.live[example].clone()).collect();
        let read: Vec<Vec<usize>> =
            (0..examples.len()).map(|example| plan.logit_positions(example)).collect();
        let lengths: Vec<usize> =
            plan.examples.iter().map(|example| config.rotary_length(example.base.len())).collect();
        let layout = Arc::new(Layout::new(&self.kept, examples, &live, &read, &lengths)?);
        let residuals: Vec<&Tensor> =
            examples.iter().map(|&example| &self.kept.residuals[example]).collect();
        let mut residual = Tensor::cat(&residuals, 0)?;

        let mut pass = LiveRows::new(&layout, self.layer, config, &read, &mut visitor);
        decoder.enter(self.layer, &mut residual, &mut pass)?;
        for layer in self.layer..config.layers.len() {
            // Only a transformer's last block drops rows, as is taken for granted below.
            let recomputes = self.recomputes
                && config.is_transformer()
                && !looks_into(pass.visitor, layer, config);
            residual = match recomputes && residual.track_op() {
                false => decoder.block(layer, residual, &mut pass)?,
                true => {
                    pass.narrowed = layer + 1 == config.layers.len();
                    recomputed(decoder, layer, self.layer, &residual, &layout)?
                }
            };
        }
        let normed = decoder.leave(&residual, &mut pass)?;
        // The rows that are read, among those whose logits the pass wants.
        let rows = Rows::Logits(read.iter().map(Vec::as_slice).collect());
        let wanted = plan.read.iter().enumerate();
        let wanted: Vec<usize> =
            wanted.flat_map(|(example, read)| rows.of(example, read).unwrap_or_default()).collect();
        let edits_logits = config_logits(config).is_some_and(|site| pass.visitor.wants(site));
        let operations = decoder.operations();
        if let (Target::CrossEntropy(labels), false) = (&target, edits_logits) {
            let wanted: Vec<usize> = match pass.narrowed {
                true => wanted,
                false => wanted.iter().map(|&row| layout.read[row]).collect(),
            };
            let rows = operations.take_rows(&normed, &wanted)?;
            let (unembedding, cap) = (decoder.unembedding(), config.logit_soft_cap);
            return Ok(operations.cross_entropy(&rows, unembedding, cap, labels)?);
        }
        let logits = decoder.unembed(&normed, &mut pass)?.whole.ok_or(RunError::Stopped)?;
        let logits = operations.take_rows(&logits, &wanted)?;
        match target {
            Target::Logits => Ok((logits, Vec::new())),
            Target::CrossEntropy(labels) => Ok(cross_entropy_of(&logits, labels)?),
        }
    }
}

/// The plan with the values of sources that are edited themselves, which learn nothing.
fn given_plan(model: &Model, plan: ResolvedPlan) -> Result<ResolvedPlan, RunError> {
    if plan.edited_sources.is_empty() {
        return Ok(plan);
    }
    let edited = plan.edited_sources.iter().flat_map(|source| &source.edits);
    let parameters = edited.flat_map(|edit| edit.intervention.parameters());
    if parameters.into_iter().any(|parameter| parameter.is_trained()) {
        return Err(RunError::LearnsInSource);
    }
    let executor = Reference::new(model);
    let (given, _) =
        given_sources(model.config(), &plan, &mut |plans, each| executor.run_all(plans, each))?;
    Ok(given)
}

fn config_logits(config: &DecoderConfig) -> Option<Site> {
    Site::new(Component::Logits, None, config).ok()
}

/// A block whose inner steps are forgotten, and run once more on the way back.
fn recomputed<O: Differentiable>(
    decoder: &Arc<Decoder<O>>,
    layer: usize,
    first: usize,
    residual: &Tensor,
    layout: &Arc<Layout>,
) -> Result<Tensor, RunError> {
    fn block<O: Differentiable>(
        decoder: &Decoder<O>,
        layer: usize,
        first: usize,
        residual: &Tensor,
        layout: &Arc<Layout>,
    ) -> candle_core::Result<Tensor> {
        let mut nobody = Nobody;
        let mut pass = LiveRows::new(layout, first, decoder.config(), &[], &mut nobody);
        decoder.block(layer, residual.clone(), &mut pass).map_err(candle_core::Error::wrap)
    }
    let again = (decoder.clone(), layout.clone());
    Ok(with_backward(
        residual,
        |residual| block(decoder, layer, first, residual, layout),
        move |residual, gradient| {
            let (decoder, layout) = &again;
            let residual = Var::from_tensor(residual)?;
            let result = block(decoder, layer, first, &residual, layout)?;
            // The gradient of this sum is that of the result, carried on.
            let gradients = (result * gradient)?.sum_all()?.backward()?;
            match gradients.get(&residual) {
                Some(gradient) => Ok(gradient.clone()),
                None => residual.zeros_like(),
            }
        },
    )?)
}
