//! Unedited runs that are kept, so that edits can be made to them again and again.

use std::ops::ControlFlow;

use vene_model::{
    Counted, Decoder, DecoderConfig, Fused, Model, ModelKey, Operations, Plain, Prompt, Work,
};

use super::cache::ActivationCache;
use super::chunks::{Budget, row_bytes};
use super::pass::{Activations, Cached, ForkedPass};
use super::runner::{check, run_kept};
use super::tree::Tree;
use super::trunk::Trunk;
use crate::error::RunError;
use crate::executor::{Executor, PlanOutcome, embeddings};
use crate::plan::ResolvedPlan;

/// The unedited runs of some prompts, kept so that any number of plans can be run from them: each costs its forks, and
/// nothing that lies before its edits, in depth or in the text, is computed again.
///
/// A session is an executor for plans whose bases and sources are among its prompts. It shares the model's weights, and
/// may outlive the model.
///
/// ```
/// use std::sync::Arc;
/// use vene::intervention::Zero;
/// use vene::{Component, Edit, Example, Model, Plan, Session};
///
/// let model = Model::load("embedded")?;
/// let prompt = model.prompt("The capital of Spain is")?;
/// let session = Session::new(&model, [&prompt])?;
/// for layer in 0..model.config().layers.len() {
///     let edit = Edit::new(Component::MlpOutput, layer, Arc::new(Zero));
///     let plan = Plan::new().edit(edit).resolve(&model, &[Example::new(prompt.clone())])?;
///     let outcome = session.run(&plan)?;
///     println!("{layer}: {}", outcome.distribution(0, 0)?.likeliest());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Session {
    key: ModelKey,
    runs: Runs,
    trunk: Trunk,
    budget: Budget,
}

/// The model that is run, its weights shared with whoever has it, and what is kept.
enum Runs {
    Fused(Decoder<Fused>, ActivationCache<Fused>),
    Plain(Decoder<Plain>, ActivationCache<Plain>),
}

/// Calls a generic function with whichever decoder and cache there are.
macro_rules! with_runs {
    ($runs:expr, ($decoder:ident, $cache:ident) => $call:expr) => {
        match $runs {
            Runs::Fused($decoder, $cache) => $call,
            Runs::Plain($decoder, $cache) => $call,
        }
    };
}

impl Session {
    /// Runs the prompts once, equal beginnings once for all of them, and keeps everything: in every block the residual
    /// stream that enters it, keys and values.
    ///
    /// # Errors
    /// Prompts of another model, failures of the computation.
    pub fn new<'p>(
        model: &Model,
        prompts: impl IntoIterator<Item = &'p Prompt>,
    ) -> Result<Self, RunError> {
        Self::within(model, prompts, usize::MAX)
    }

    /// The same in about so many bytes, weights aside. Keys and values are always kept (of a recurrent network all
    /// states); the residual stream as it enters as many blocks as there is room for, evenly spread. A fork begins at the last block before
    /// its edit whose residual stream is kept.
    ///
    /// # Errors
    /// As [`Session::new`]; where keys and values need more, with what they need.
    pub fn within<'p>(
        model: &Model,
        prompts: impl IntoIterator<Item = &'p Prompt>,
        bytes: usize,
    ) -> Result<Self, RunError> {
        let mut trunk = Trunk::default();
        for prompt in prompts {
            model.expect("the session's prompt", prompt.model())?;
            trunk.add(prompt, model.config());
        }
        let config = model.config();
        let budget = Budget::of(None);
        let memory = budget.bytes;
        let keeps = |size| kept_entrances(config, trunk.tokens().len(), size, bytes);
        let runs = match model.fused()? {
            Some(fused) => {
                let decoder = fused.over(fused.operations().clone());
                let keeps = keeps(size_of_value(decoder.operations()))?;
                let cache = kept(&decoder, &trunk, keeps, memory)?;
                Runs::Fused(decoder, cache)
            }
            None => {
                let plain = model.plain()?;
                let decoder = plain.over(plain.operations().clone());
                let keeps = keeps(size_of_value(decoder.operations()))?;
                let cache = kept(&decoder, &trunk, keeps, memory)?;
                Runs::Plain(decoder, cache)
            }
        };
        Ok(Self { key: model.key().clone(), runs, trunk, budget })
    }

    /// About how many bytes the rows of one pass of forks may take, as [`Forked::memory`](super::Forked::memory).
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.budget = Budget::of(Some(bytes));
        self
    }

    /// How many bytes what is kept takes.
    pub fn bytes(&self) -> usize {
        with_runs!(&self.runs, (decoder, cache) => {
            cache.bytes(decoder.config(), size_of_value(decoder.operations()))
        })
    }

    /// How many rows are kept: the tokens of all prompts, those of equal beginnings once.
    pub fn rows(&self) -> usize {
        self.trunk.tokens().len()
    }

    /// What running plans from it takes; nothing is computed.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn work(&self, plans: &[ResolvedPlan]) -> Result<Work, RunError> {
        plans.iter().try_for_each(|plan| plan.expect(&self.key))?;
        let keeps = with_runs!(&self.runs, (_decoder, cache) => cache.keeps().to_vec());
        let counted = Decoder::counting(self.config());
        let cache = kept(&counted, &self.trunk, keeps, self.budget.bytes)?;
        // What keeping took is not counted.
        let decoder = counted.over(Counted::default());
        run_kept(&decoder, &cache, &self.trunk, plans, self.budget, &mut |_, _| {
            ControlFlow::Continue(())
        })?;
        Ok(decoder.operations().work())
    }

    /// Runs a plan.
    ///
    /// # Errors
    /// A plan of another model, or with a prompt that is not the session's; failures of the computation or of an
    /// intervention.
    pub fn run(&self, plan: &ResolvedPlan) -> Result<PlanOutcome, RunError> {
        super::run_one(self, plan)
    }

    fn config(&self) -> &DecoderConfig {
        with_runs!(&self.runs, (decoder, _cache) => decoder.config())
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Session");
        shown.field("model", &self.key.name()).field("rows", &self.rows()).finish_non_exhaustive()
    }
}

impl Executor for Session {
    fn name(&self) -> &'static str {
        "session"
    }

    fn run_all(
        &self,
        plans: &[ResolvedPlan],
        each: &mut dyn FnMut(usize, PlanOutcome) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        check(plans, &self.key)?;
        with_runs!(&self.runs, (decoder, cache) => {
            run_kept(decoder, cache, &self.trunk, plans, self.budget, each)
        })
    }

    fn token_embeddings(&self, tokens: &[u32]) -> Result<Vec<Vec<f64>>, RunError> {
        with_runs!(&self.runs, (decoder, _cache) => embeddings(decoder, tokens))
    }
}

/// Bytes of a value.
pub(super) fn size_of_value<O: Operations>(operations: &O) -> usize {
    operations.plain().dtype().size_in_bytes()
}

/// At which blocks the residual stream is kept within a budget, and whether it is kept behind all of them.
fn kept_entrances(
    config: &DecoderConfig,
    rows: usize,
    size_of_value: usize,
    budget: usize,
) -> Result<Vec<bool>, RunError> {
    let blocks = config.layers.len();
    let bytes = |values: usize| rows.saturating_mul(values).saturating_mul(size_of_value);
    // What leaves a recurrent block is also its state.
    let least = bytes(match config.is_recurrent() {
        true => (blocks + 1) * config.d_model,
        false => 2 * blocks * config.key_value_heads * config.head_dim,
    });
    let Some(left) = budget.checked_sub(least) else {
        return Err(RunError::SessionMemory { budget, least, rows });
    };
    if config.is_recurrent() || budget == usize::MAX {
        return Ok(vec![true; blocks + 1]);
    }
    let room = left / bytes(config.d_model).max(1);
    let mut keeps = vec![false; blocks + 1];
    // Evenly, and always what follows all blocks if anything is kept.
    for kept in 0..room.min(blocks + 1) {
        keeps[blocks - kept * (blocks + 1) / room.min(blocks + 1)] = true;
    }
    Ok(keeps)
}

/// Runs a trunk in passes of about `memory` bytes, and keeps what is wanted of it.
pub(super) fn kept<O: Operations>(
    decoder: &Decoder<O>,
    trunk: &Trunk,
    keeps: Vec<bool>,
    memory: usize,
) -> Result<ActivationCache<O>, RunError> {
    let mut cache = ActivationCache::new(keeps);
    let at_once = (memory / row_bytes(decoder.config())).max(1);
    let (tree, nothing) = (Tree::of_reads(trunk, Vec::new()), Activations::default());
    while cache.rows() < trunk.tokens().len() {
        let rows = cache.rows()..trunk.tokens().len().min(cache.rows() + at_once);
        let cached = Cached::Extended(&mut cache);
        ForkedPass::extending(decoder, &tree, cached, &nothing, rows.clone()).run()?;
        cache.grow(rows.len());
    }
    Ok(cache)
}
