//! Gradients at sites: how a number read off a run would change with what stands inside it.
//!
//! What attribution methods are made of: attribution patching (Nanda 2023) multiplies the gradient of a metric at a
//! site with the difference between the source's values and the base's, and integrated gradients
//! (Sundararajan et al. 2017) average it along a way.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Tensor};
use vene_files::guarded;
use vene_model::{Model, Site};

use super::forked::TrainRun;
use super::tap::{Tap, tapped};
use crate::error::RunError;
use crate::plan::ResolvedPlan;

/// A plan's edited runs, at some of whose sites gradients are read.
///
/// ```
/// use vene::{Component, Example, Gradients, Model, Plan, Site};
///
/// let model = Model::load("embedded")?;
/// let plan = Plan::new().resolve(&model, &[Example::new(model.prompt("The capital of Spain is")?)])?;
/// let site = Site::new(Component::BlockOutput, Some(3), model.config())?;
/// let token = |word| model.tokenizer().single_token(word);
/// let (madrid, rome) = (token(" Madrid")?, token(" Rome")?);
/// // The logit difference, of logits [reads, vocabulary].
/// let found = Gradients::new(&model, plan, &[site])?.of(&[0], &|logits| {
///     logits.narrow(1, madrid as usize, 1)? - logits.narrow(1, rome as usize, 1)?
/// })?;
/// // What stands at the country's position (the fourth) matters.
/// let gradient = found.gradient(0, site).unwrap().to_vec2::<f32>()?;
/// assert!(gradient[3].iter().any(|slope| slope.abs() > 1e-3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Gradients {
    runs: TrainRun,
    taps: Vec<(Site, Arc<Tap>)>,
}

/// What a metric came to, and its gradients.
#[derive(Clone, Debug)]
pub struct SiteGradients {
    metric: f64,
    /// By example and site: what stood there, and the gradient.
    found: HashMap<(usize, Site), (Tensor, Tensor)>,
}

impl Gradients {
    /// Of this plan's runs, at these sites, which are seen behind the plan's own edits there.
    ///
    /// # Errors
    /// Failures of the computation; a site that this model does not have.
    pub fn new(model: &Model, plan: ResolvedPlan, sites: &[Site]) -> Result<Self, RunError> {
        let config = model.config();
        for &site in sites {
            let here = Site::new(site.component(), site.layer(), config);
            here.map_err(|problem| RunError::NoSite { site, problem })?;
        }
        let (mut plan, mut taps) = (plan, Vec::new());
        for &site in sites {
            taps.push((site, tapped(&mut plan, site, site.is_by_step(config))));
        }
        Ok(Self { runs: TrainRun::new(model, plan)?, taps })
    }

    /// With some blocks run once more on the way back: [`TrainRun::recomputing`].
    #[must_use]
    pub fn recomputing(mut self, recomputes: bool) -> Self {
        self.runs = self.runs.recomputing(recomputes);
        self
    }

    /// The gradients of a metric of some examples. It is given the logits at the positions that the plan reads,
    /// one after the other, `[reads, vocabulary]`; what it gives is summed.
    ///
    /// # Errors
    /// Failures of the computation, of an intervention or of the metric.
    pub fn of(
        &self,
        examples: &[usize],
        metric: &dyn Fn(&Tensor) -> candle_core::Result<Tensor>,
    ) -> Result<SiteGradients, RunError> {
        self.taps.iter().for_each(|(_, tap)| tap.clear());
        let logits = self.runs.logits(examples)?;
        let metric = guarded(|| metric(&logits));
        let metric = metric.map_err(|panic| RunError::panicked("a metric", panic))?;
        let sum = metric?.sum_all()?;
        let gradients = sum.backward()?;
        let mut found = HashMap::new();
        for &example in examples {
            let length = self.runs.plan().examples()[example].base.len();
            for (site, tap) in &self.taps {
                if let Some(both) = tap.of(example, length, &gradients)? {
                    found.insert((example, *site), both);
                }
            }
        }
        let metric = sum.to_dtype(DType::F64)?.to_scalar()?;
        Ok(SiteGradients { metric, found })
    }
}

impl SiteGradients {
    /// The metric, summed over examples.
    pub fn metric(&self) -> f64 {
        self.metric
    }

    /// The metric's gradient at a site of an example: `[positions, width]`, or `[heads, queries, keys]` for
    /// attention patterns; `None` where it was not asked for. It is 0 where the site was not run: at `final_norm`
    /// and `logits` that is every position that the plan does not read.
    pub fn gradient(&self, example: usize, site: Site) -> Option<&Tensor> {
        self.found.get(&(example, site)).map(|(_, gradient)| gradient)
    }

    /// What stood there, in the same shape.
    pub fn activation(&self, example: usize, site: Site) -> Option<&Tensor> {
        self.found.get(&(example, site)).map(|(values, _)| values)
    }
}
