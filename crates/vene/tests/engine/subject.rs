//! What is tested on: one small random model of each family, with prompts.

use candle_core::Tensor;
use vene::{
    Component, Edit, Example, Model, Plan, PlanOutcome, Positions, Precision, Prompt, Reference,
    Site,
};
use vene_test_support::{Fixture, values};

/// A small model and prompts for it.
pub struct Subject {
    pub name: &'static str,
    pub model: Model,
    /// Five tokens.
    pub base: Prompt,
    /// Five tokens, other than the base's at every position.
    pub source: Prompt,
    /// Nine tokens.
    pub long: Prompt,
}

/// The plain model of each family.
pub const PLAIN: [&str; 3] = ["gpt2-plain", "llama-gqa", "gemma3-plain"];

/// The same, and networks that are no transformers.
pub const ALL: [&str; 5] = ["gpt2-plain", "llama-gqa", "gemma3-plain", "mlp-plain", "gru-plain"];

impl Subject {
    pub fn new(name: &'static str, precision: Precision) -> Self {
        let fixture = Fixture::new(name);
        let model = fixture.load(precision);
        let prompt = |tokens: &[u32]| model.prompt_from_tokens(tokens).unwrap();
        let prompts = fixture.prompts();
        let others = prompts[0].iter().zip(&prompts[2]).map(|(base, other)| match base == other {
            true => (other + 1) % model.config().inputs as u32,
            false => *other,
        });
        let others: Vec<u32> = others.collect();
        let (base, source, long) = (prompt(&prompts[0]), prompt(&others), prompt(&prompts[1]));
        assert_eq!(base.shared_prefix(&source), 0);
        Self { name, model, base, source, long }
    }

    /// One model of each family, in f64: what differs there, differs.
    pub fn each() -> impl Iterator<Item = Self> {
        PLAIN.into_iter().map(|name| Self::new(name, Precision::Double))
    }

    /// Every site of the model.
    pub fn sites(&self) -> Vec<Site> {
        let config = self.model.config();
        let is_there = move |component: Component, layer: &usize| {
            component.missing_in(config, *layer).is_none()
        };
        let layers = |component: Component| match component.per_layer() {
            true => (0..config.layers.len())
                .filter(|layer| is_there(component, layer))
                .map(Some)
                .collect(),
            false => vec![None],
        };
        Component::all(config)
            .flat_map(|component| {
                layers(component).into_iter().map(move |layer| (component, layer))
            })
            .map(|(component, layer)| Site::new(component, layer, config).unwrap())
            .collect()
    }

    pub fn heads(&self, site: Site) -> Option<usize> {
        site.component().heads(self.model.config())
    }

    pub fn prompt(&self, tokens: &[u32]) -> Prompt {
        self.model.prompt_from_tokens(tokens).unwrap()
    }

    /// The base with its source.
    pub fn example(&self) -> Example {
        Example::new(self.base.clone()).source(self.source.clone())
    }

    pub fn run(&self, plan: &Plan, examples: &[Example]) -> PlanOutcome {
        let plan = plan.resolve(&self.model, examples).unwrap_or_else(|error| panic!("{error}"));
        Reference::new(&self.model).run(&plan).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The logits at every position of an example's run under these edits.
    pub fn logits(
        &self,
        edits: impl IntoIterator<Item = Edit>,
        example: &Example,
    ) -> Vec<Vec<f64>> {
        let plan = edits.into_iter().fold(Plan::new(), Plan::edit).read(Positions::All);
        logits_of(&self.run(&plan, std::slice::from_ref(example)), 0)
    }

    /// What a site shows under these edits, whole: `[positions, width]`, or an attention pattern.
    pub fn collect(
        &self,
        site: Site,
        edits: impl IntoIterator<Item = Edit>,
        example: &Example,
    ) -> Tensor {
        let plan = edits.into_iter().fold(Plan::new(), Plan::edit);
        let plan = plan.collect(site.component(), site.layer(), Positions::All);
        self.run(&plan, std::slice::from_ref(example)).examples[0].collected[0].clone()
    }

    /// The same as plain numbers.
    pub fn values(
        &self,
        site: Site,
        edits: impl IntoIterator<Item = Edit>,
        example: &Example,
    ) -> Vec<f64> {
        values(&self.collect(site, edits, example))
    }
}

/// The logits that an outcome read in one of its examples.
pub fn logits_of(outcome: &PlanOutcome, example: usize) -> Vec<Vec<f64>> {
    outcome.examples[example].distributions.iter().map(|read| read.logits().to_vec()).collect()
}

/// The largest difference between two lists of logits, relative to the largest logit.
pub fn distance(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    vene_test_support::relative_error(&a.concat(), &b.concat())
}
