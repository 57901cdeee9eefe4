//! Gradients, held to differences of the reference executor's own numbers.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use vene::training::TrainRun;
use vene::{
    Component, Edit, Example, Gradients, Model, Module, Plan, Positions, Precision, Reference,
    Site, Source,
};
use vene_test_support::{Fixture, model_names};

use crate::shift::Shift;

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

/// The second layer, or else one that has the component.
fn layer_of(component: Component, model: &Model) -> Option<usize> {
    let has = |layer: &usize| component.missing_in(model.config(), *layer).is_none();
    component.per_layer().then(|| [1, 0, 2].into_iter().find(has).unwrap())
}

#[test]
fn are_those_of_small_differences_at_every_site_of_every_model() {
    for name in model_names() {
        let fixture = Fixture::new(name.clone().leak());
        let model = fixture.load(Precision::Double);
        let examples = examples(&model, &fixture);
        for component in Component::all(model.config()) {
            let Some(width) = component.width(model.config()) else { continue };
            // An expert that is not chosen is not computed, and has no gradient.
            if [Component::Logits, Component::ExpertWeight].contains(&component) {
                continue;
            }
            let layer = layer_of(component, &model);
            let shift = Arc::new(Shift::new(width, 0.1));
            // A perceptron's positions do not meet: only the one that is read has a gradient.
            let at = if name.starts_with("mlp") { -1 } else { -2 };
            let edit = Edit::new(component, layer, shift.clone()).at(Positions::index(at));
            let plan = Plan::new().edit(edit);
            let suffix = TrainRun::new(&model, plan.resolve(&model, &examples).unwrap()).unwrap();
            let logits = suffix.logits(&[0, 1]).unwrap();
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
        let logits = TrainRun::new(&model, plan).unwrap().logits(&[0]).unwrap();
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

/// What a suffix says of plans of all kinds is what the reference executor says: edits at several layers,
/// of heads and patterns, from several runs, of several positions, read before and behind them.
#[test]
fn suffixes_say_what_the_reference_says() {
    for name in model_names() {
        let fixture = Fixture::new(name.clone().leak());
        let model = fixture.load(Precision::Double);
        if !model.config().is_transformer() {
            continue;
        }
        let examples = examples(&model, &fixture);
        let second = |edit: Edit| edit.at(Positions::index(1)).from(Positions::index(2));
        let all = Positions::At(vec![1, 3]);
        let plans = [
            Plan::new().edit(second(Edit::interchange(Component::BlockOutput, 0))),
            Plan::new().edit(second(Edit::interchange(Component::MlpOutput, 1))),
            Plan::new()
                .edit(second(Edit::interchange(Component::AttentionValueOutput, 1).heads([1])))
                .edit(Edit::zero(Component::MlpOutput, 0).at(Positions::index(3))),
            Plan::new()
                .edit(second(Edit::addition(Component::Embedding, None)))
                .edit(Edit::freeze(Component::AttentionOutput, 1))
                .read(Positions::At(vec![0, -1])),
            Plan::new().edit(Edit::interchange(Component::KeyOutput, 1).at(all.clone())),
            Plan::new().edit(Edit::knockout(1).at(Positions::index(3)).keys(Positions::index(1))),
            Plan::new().edit(
                Edit::interchange(Component::AttentionWeight, 0).at(Positions::index(2)).keys(all),
            ),
            Plan::new().edit(Edit::skip(Module::Mlp, 1).at(Positions::index(-2))),
            Plan::new()
                .edit(second(Edit::interchange(Component::FinalNorm, None)))
                .read(Positions::All),
            Plan::new().edit(Edit::interchange(Component::Logits, None)),
            Plan::new().edit(second(Edit::interchange(Component::BlockOutput, 1)).from_layer(0)),
        ];
        for (index, plan) in plans.iter().enumerate() {
            // Patterns are of one prompt's own length; the sources here are of others.
            let examples: Vec<Example> = match index {
                5 | 6 => examples
                    .iter()
                    .map(|one| Example::new(one.base.clone()).source(one.base.clone()))
                    .collect(),
                _ => examples.clone(),
            };
            let plan = plan.resolve(&model, &examples).unwrap();
            let suffix = TrainRun::new(&model, plan.clone()).unwrap();
            let outcome = Reference::new(&model).run(&plan).unwrap();
            // Also in another order, and one by itself.
            for chosen in [vec![0, 1], vec![1, 0], vec![1]] {
                let logits = suffix.logits(&chosen).unwrap().to_vec2::<f64>().unwrap();
                let expected = chosen.iter().flat_map(|&e| &outcome.examples[e].distributions);
                let expected: Vec<&[f64]> = expected.map(|showed| showed.logits()).collect();
                assert_eq!(logits.len(), expected.len());
                for (found, expected) in logits.iter().zip(expected) {
                    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
                    let worst = worst.fold(0.0, f64::max);
                    assert!(worst < 1e-9, "{name}, plan {index}, {chosen:?}: {worst}");
                }
            }
        }
    }
}

/// In single precision gradients come from the fused operations: those of the plain ones in double precision, to
/// rounding; and so with blocks that are run once more, in both.
#[test]
fn fused_operations_have_those_of_plain_ones() {
    for name in model_names() {
        let fixture = Fixture::new(name.clone().leak());
        let gradient =
            |precision: Precision, component, recomputes: bool, labels: Option<[u32; 2]>| {
                let model = fixture.load(precision);
                let width = component_width(&model, component);
                let shift = Arc::new(Shift::new(width, 0.1));
                // A perceptron's positions do not meet: only the one that is read has a gradient.
                let at = if name.starts_with("mlp") { -1 } else { 1 };
                let edit = Edit::new(component, 0, shift.clone()).at(Positions::index(at));
                let examples = examples(&model, &fixture);
                let plan = Plan::new().edit(edit).resolve(&model, &examples).unwrap();
                let suffix = TrainRun::new(&model, plan).unwrap().recomputing(recomputes);
                let loss = match labels {
                    Some(labels) => suffix.cross_entropy(&[0, 1], &labels).unwrap().0.sum_all(),
                    None => Ok(sum(&suffix.logits(&[0, 1]).unwrap())),
                };
                let gradients = loss.unwrap().backward().unwrap();
                gradients.get(&shift.vector).unwrap().to_vec1::<f64>().unwrap()
            };
        let model = fixture.load(Precision::Double);
        let components = match (model.config().is_transformer(), model.config().is_sequential()) {
            (true, true) => [Component::ResidualMiddle, Component::AttentionInput],
            (true, false) => [Component::MlpInput, Component::AttentionInput],
            (false, _) => [Component::BlockInput, Component::BlockOutput],
        };
        for component in components {
            for labels in [None, Some([2, 1])] {
                let right = gradient(Precision::Double, component, false, labels);
                let size = right.iter().map(|value| value * value).sum::<f64>().sqrt();
                let off = |found: Vec<f64>| {
                    let squares = found.iter().zip(&right).map(|(a, b)| (a - b).powi(2));
                    squares.sum::<f64>().sqrt() / size
                };
                let again = off(gradient(Precision::Double, component, true, labels));
                assert!(again < 1e-12, "{name}, {component}, in double, recomputed: {again:e}");
                for recomputes in [false, true] {
                    let off = off(gradient(Precision::Single, component, recomputes, labels));
                    assert!(off < 2e-5, "{name}, {component}, {recomputes}: {off:e}");
                }
            }
        }
    }
}

fn component_width(model: &Model, component: Component) -> usize {
    component.width(model.config()).unwrap()
}

/// The gradient at any site of any position is what a small change there makes of the reference executor's numbers.
#[test]
fn at_sites_are_those_of_small_differences() {
    for name in model_names() {
        let fixture = Fixture::new(name.clone().leak());
        let model = fixture.load(Precision::Double);
        let config = model.config();
        let examples = examples(&model, &fixture);
        let sites: Vec<Site> = Component::all(config)
            .map(|component| Site::new(component, layer_of(component, &model), config).unwrap())
            .collect();
        let plan = Plan::new();
        let resolved = plan.resolve(&model, &examples).unwrap();
        let gradients = Gradients::new(&model, resolved, &sites).unwrap();
        let found = gradients.of(&[0, 1], &|logits| Ok(sum(logits))).unwrap();
        let metric = sum_by_reference(&model, &plan, &examples);
        assert!((found.metric() - metric).abs() < 1e-9 * metric.abs().max(1.0), "{name}");
        for &site in &sites {
            let (component, layer) = (site.component(), site.layer());
            for (example, prompts) in examples.iter().enumerate() {
                let length = prompts.base.len();
                let gradient = found.gradient(example, site).unwrap();
                let activation = found.activation(example, site).unwrap();
                assert_eq!(gradient.dims(), activation.dims(), "{name}, {site}");
                let position = if component == Component::Logits { length - 1 } else { length - 2 };
                // A change of the values of one position, or of one query in all heads.
                let (slopes, shape) = match component.is_pattern() {
                    true => (gradient.narrow(1, position, 1).unwrap(), gradient.dims3().unwrap().0),
                    false => (gradient.narrow(0, position, 1).unwrap(), 1),
                };
                let slopes = slopes.flatten_all().unwrap().to_vec1::<f64>().unwrap();
                let keys = slopes.len() / shape;
                let own = match component == Component::ExpertWeight {
                    true => activation.get(position).unwrap().to_vec1::<f64>().unwrap(),
                    false => Vec::new(),
                };
                // What a query does not see cannot be changed, and an expert that is not chosen has no gradient.
                let seen = |index: usize| {
                    own.get(index).is_none_or(|weight| *weight != 0.0)
                        && (!component.is_pattern() || config.visible(1, position, index % keys))
                };
                let change: Vec<f64> = (0..slopes.len())
                    .map(|index| if seen(index) { ((index * 5 + 2) as f64).sin() } else { 0.0 })
                    .collect();
                let expected: f64 = slopes.iter().zip(&change).map(|(a, b)| a * b).sum();
                let step = 1e-5;
                let along = |sign: f64| {
                    let vector = change.iter().map(|value| sign * step * value).collect();
                    let edit = Edit::addition(component, layer)
                        .source(Source::Given(Arc::new(vector)))
                        .at(Positions::index(position as i64));
                    let one = std::slice::from_ref(prompts);
                    sum_by_reference(&model, &Plan::new().edit(edit), one)
                };
                let difference = (along(1.0) - along(-1.0)) / (2.0 * step);
                assert!(
                    (difference - expected).abs() < 1e-5 * expected.abs().max(0.1),
                    "{name}, {site}, example {example}: {expected} by the graph, {difference} by differences"
                );
            }
        }
    }
}
