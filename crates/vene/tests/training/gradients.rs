//! Gradients, held to differences of the reference executor's own numbers.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use vene::training::Suffix;
use vene::{Component, Edit, Example, Model, Plan, Positions, Precision, Reference};
use vene_test_support::{Fixture, model_names};

use crate::shift::Shift;

/// Rotary scalings that this version refuses.
const REFUSED: [&str; 2] = ["llama-rope-dynamic", "llama-rope-yarn"];

fn examples(model: &Model, fixture: &Fixture) -> Vec<Example> {
    let prompts = fixture.prompts();
    let prompt = |tokens: &[u32]| model.prompt_from_tokens(tokens).unwrap();
    vec![
        Example::new(prompt(&prompts[0])).source(prompt(&prompts[2][..5])),
        Example::new(prompt(&prompts[1])).source(prompt(&prompts[0])),
    ]
}

/// The sum of some logits of an edited run, by the reference executor.
fn sum_by_reference(model: &Model, plan: &Plan, examples: &[Example]) -> f64 {
    let plan = plan.resolve(model, examples).unwrap();
    let outcome = Reference::new(model).run(&plan).unwrap();
    let of = |logits: &[f64]| logits.iter().enumerate().map(|(id, x)| x * weight(id)).sum::<f64>();
    outcome.examples.iter().map(|showed| of(showed.distributions[0].logits())).sum()
}

fn weight(id: usize) -> f64 {
    ((id * 7 + 3) as f64).cos()
}

/// The same sum as a tensor.
fn sum(logits: &Tensor) -> Tensor {
    let (_, vocabulary) = logits.dims2().unwrap();
    let weights: Vec<f64> = (0..vocabulary).map(weight).collect();
    let weights = Tensor::from_vec(weights, (1, vocabulary), logits.device()).unwrap();
    let weights = weights.to_dtype(logits.dtype()).unwrap();
    logits.broadcast_mul(&weights).unwrap().sum_all().unwrap()
}

#[test]
fn are_those_of_small_differences_at_every_site_of_every_model() {
    for name in model_names() {
        if REFUSED.contains(&name.as_str()) {
            continue;
        }
        let fixture = Fixture::new(name.clone().leak());
        let model = fixture.load(Precision::Double);
        let examples = examples(&model, &fixture);
        for component in Component::all(model.config()) {
            let Some(width) = component.width(model.config()) else { continue };
            if component == Component::Logits {
                continue;
            }
            let layer = component.per_layer().then_some(1);
            let shift = Arc::new(Shift::new(width, 0.1));
            // A perceptron's positions do not meet: only the one that is read has a gradient.
            let at = if name.starts_with("mlp") { -1 } else { -2 };
            let edit = Edit::new(component, layer, shift.clone()).at(Positions::index(at));
            let plan = Plan::new().edit(edit);
            let suffix = Suffix::new(&model, plan.resolve(&model, &examples).unwrap()).unwrap();
            let logits = suffix.logits(&model, &[0, 1]).unwrap();
            let loss = sum(&logits);
            let by_reference = sum_by_reference(&model, &plan, &examples);
            let found = loss.to_scalar::<f64>().unwrap();
            assert!((found - by_reference).abs() < 1e-9 * by_reference.abs().max(1.0), "{name}");

            let gradient = loss.backward().unwrap();
            let gradient = gradient.get(&shift.vector);
            let gradient =
                gradient.map_or(vec![0.0; width], |gradient| gradient.to_vec1::<f64>().unwrap());
            // A few directions are enough: a wrong path shows in all.
            let start = shift.vector.as_tensor().copy().unwrap();
            for seed in 0..2 {
                let direction: Vec<f64> =
                    (0..width).map(|column| ((column * 5 + seed + 1) as f64).sin()).collect();
                let expected: f64 =
                    gradient.iter().zip(&direction).map(|(gradient, step)| gradient * step).sum();
                let step = 1e-5;
                let along = |sign: f64| {
                    let moved = Tensor::from_vec(direction.clone(), width, start.device()).unwrap();
                    let moved = (&start + (moved * (sign * step)).unwrap()).unwrap();
                    shift.vector.set(&moved).unwrap();
                    sum_by_reference(&model, &plan, &examples)
                };
                let difference = (along(1.0) - along(-1.0)) / (2.0 * step);
                shift.vector.set(&start).unwrap();
                let scale = expected.abs().max(0.1);
                assert!(
                    (difference - expected).abs() < 1e-5 * scale,
                    "{name}, {component}: {expected} by the graph, {difference} by differences"
                );
            }
        }
    }
}

/// What the graph's leaves hold behind a backward pass: the parameter's gradient, and none of the size
/// of a weight.
#[test]
fn reach_no_frozen_weight() {
    for name in ["gpt2-plain", "llama-gqa", "gemma3-plain"] {
        let fixture = Fixture::new(name);
        let model = fixture.load(Precision::Single);
        let config = model.config().clone();
        let examples = &examples(&model, &fixture)[1..];
        let shift = Arc::new(Shift::new(config.d_model, 0.1));
        let edit = Edit::new(Component::BlockOutput, 0, shift.clone()).at(Positions::Last);
        let plan = Plan::new().edit(edit).resolve(&model, examples).unwrap();
        let logits = Suffix::new(&model, plan).unwrap().logits(&model, &[0]).unwrap();
        let gradients = sum(&logits.to_dtype(DType::F64).unwrap()).backward().unwrap();
        assert!(gradients.get(&shift.vector).is_some());
        let heads = [config.heads, config.key_value_heads].map(|heads| heads * config.head_dim);
        let outputs = [config.d_mlp, config.vocabulary, config.d_model, heads[0], heads[1]];
        let rows: usize = examples.iter().map(|example| example.base.len()).sum();
        assert!(!outputs.contains(&rows), "{name}: {rows} rows look like a weight's side");
        for id in gradients.get_ids() {
            let shape = gradients.get_id(*id).unwrap().dims().to_vec();
            let is_weight = matches!(shape[..], [out, input]
                if outputs.contains(&out) && outputs.contains(&input));
            // Weights and biases of norms.
            let is_norm = shape == [config.d_model] && *id != shift.vector.id();
            assert!(!is_weight && !is_norm, "{name}: a gradient of shape {shape:?}");
        }
    }
}
