//! The part of a model behind the first edit, run again and again with gradients.
//!
//! Training an intervention runs the same examples many times, and nothing before its site ever
//! changes. So what enters the first edited block is kept for each example, and so are the sources'
//! activations that edits read; from there on the reference executor's own lines run on plain tensors,
//! whose graph leads back to the interventions' parameters and to nothing else: what was kept has
//! none, and products with frozen weights are linear maps that hold a gradient for no weight.

use candle_core::Tensor;
use vene_model::{Component, DecoderConfig, Model, Site};

use super::executor::Executor;
use super::reference::{Editor, Reference};
use super::sequences::{Rows, Sequences};
use super::stages::given_sources;
use super::trace::{Trace, Wanted};
use crate::error::RunError;
use crate::plan::{ResolvedPlan, ResolvedSource, Run};

/// Examples that are run at once to find what is kept.
const EXAMPLES: usize = 64;

/// A plan's runs, kept up to the first block that it edits.
#[derive(Clone, Debug)]
pub struct Suffix {
    plan: ResolvedPlan,
    /// The first block that is run.
    layer: usize,
    /// For each example what enters it: `[positions, d_model]`.
    residuals: Vec<Tensor>,
    /// For each example, as the only one of its trace, what edits read of its runs.
    sources: Vec<Trace>,
}

impl Suffix {
    /// Runs base and sources of each example once, and keeps what the plan's edits need of them.
    ///
    /// # Errors
    /// Failures of the computation.
    pub fn new(model: &Model, plan: ResolvedPlan) -> Result<Self, RunError> {
        let config = model.config();
        let plan = match plan.edited_sources.is_empty() {
            true => plan,
            false => {
                let edited = plan.edited_sources.iter().flat_map(|source| &source.edits);
                let parameters = edited.flat_map(|edit| edit.intervention.parameters());
                if parameters.into_iter().any(|parameter| parameter.trainable) {
                    return Err(RunError::LearnsInSource);
                }
                let executor = Reference::new(model);
                given_sources(config, &plan, &mut |plans, each| executor.run_all(plans, each))?
            }
        };
        let layer = plan.edits.iter().map(|edit| {
            let read = match edit.source {
                Some(ResolvedSource::Current(site)) => entrance(site, config),
                _ => usize::MAX,
            };
            entrance(edit.site, config).min(read)
        });
        let collects = plan.collects.iter().map(|collect| entrance(collect.site, config));
        let layer = layer.chain(collects).min().unwrap_or(config.layers.len());
        let before = match layer.checked_sub(1) {
            Some(before) => Site::new(Component::BlockOutput, Some(before), config),
            None => Site::new(Component::Embedding, None, config),
        };
        // Every model has both in every layer.
        let before = before.map_err(|_| RunError::Stopped)?;
        let decoder = model.plain()?;
        let (mut residuals, mut sources) = (Vec::new(), Vec::new());
        let all: Vec<usize> = (0..plan.examples.len()).collect();
        for examples in all.chunks(EXAMPLES) {
            let part = plan.select(examples);
            let mut bases = Wanted::default();
            bases.runs.extend((0..examples.len()).map(|example| (example, Run::Base)));
            bases.sites.insert(before);
            let trace = Trace::of(decoder, &part.examples, &bases)?;
            let kept = |example| trace.get(example, Run::Base, before).cloned();
            residuals.extend((0..examples.len()).filter_map(kept));
            let wanted = Wanted::of([(&part, 0..examples.len())], |_, _| true);
            let trace = Trace::of(decoder, &part.examples, &wanted)?;
            sources.extend(trace.by_example(examples.len()));
        }
        Ok(Self { plan, layer, residuals, sources })
    }

    /// The first block that is run.
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// How many examples there are.
    pub fn examples(&self) -> usize {
        self.plan.examples.len()
    }

    /// The logits of the edited runs of some examples, at the positions that the plan reads, one after
    /// the other: `[reads, vocabulary]`. Gradients flow to the interventions' parameters.
    ///
    /// # Errors
    /// Failures of the computation or of an intervention.
    pub fn logits(&self, model: &Model, examples: &[usize]) -> Result<Tensor, RunError> {
        let plan = self.plan.select(examples);
        let mut sources = Trace::default();
        for (place, &example) in examples.iter().enumerate() {
            sources.add(place, &self.sources[example]);
        }
        let residuals: Vec<&Tensor> =
            examples.iter().map(|&example| &self.residuals[example]).collect();
        let residual = Tensor::cat(&residuals, 0)?;
        let mut editor = Editor::new(&plan, &sources, model.config());
        let lengths = plan.examples.iter().map(|example| example.base.len());
        let mut pass = Sequences::new(lengths, &mut editor);
        let logits = model.plain()?.forward_from(self.layer, residual, &mut pass)?;
        let whole = logits.whole.ok_or(RunError::Stopped)?;
        let positions: Vec<Vec<usize>> =
            (0..examples.len()).map(|example| plan.logit_positions(example)).collect();
        let rows = Rows::Logits(positions.iter().map(Vec::as_slice).collect());
        let read = plan.read.iter().enumerate();
        let read: Vec<u32> = read
            .flat_map(|(example, read)| rows.of(example, read).unwrap_or_default())
            .map(|row| row as u32)
            .collect();
        Ok(whole.index_select(&Tensor::new(read, whole.device())?, 0)?)
    }
}

/// The first block that a change at a site goes through.
fn entrance(site: Site, config: &DecoderConfig) -> usize {
    match (site.component(), site.layer()) {
        (Component::BlockOutput, Some(layer)) => layer + 1,
        (_, Some(layer)) => layer,
        (Component::Embedding, None) => 0,
        (_, None) => config.layers.len(),
    }
}
