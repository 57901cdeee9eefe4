//! Held to transformers on the two published models: their GGUF files, prompts given as text.
//!
//! `scripts/fetch-models` fetches the files. Without them these tests say `SKIPPED` and pass, with
//! `VENE_REQUIRE_MODELS=1` they fail.

#![allow(clippy::unwrap_used)]

use std::time::Instant;

use candle_core::Tensor;
use serde::Deserialize;
use vene_model::{Component, Loading, Model, Outline, Precision, Site};
use vene_test_support::{
    Agreement, RealModel, Recording, json, record, relative_error, tensors, values,
};

/// Largest error relative to the largest value of the same tensor; of probabilities, absolute.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Expected {
    layers: Vec<usize>,
    prompts: Vec<ExpectedPrompt>,
}

#[derive(Deserialize)]
struct ExpectedPrompt {
    text: String,
    token_ids: Vec<u32>,
    top: Vec<ExpectedToken>,
}

#[derive(Deserialize)]
struct ExpectedToken {
    token: String,
    token_id: u32,
    probability: f64,
    logit: f64,
}

/// Loads a model in two steps and prints the seconds of each.
fn load(model: RealModel) -> Option<Model> {
    let path = model.path()?;
    let start = Instant::now();
    let outline = Outline::open(path.to_str().unwrap(), &mut |_| ()).unwrap();
    let opened = start.elapsed().as_secs_f64();
    let mut layers = 0;
    let mut count =
        |step: Loading<'_>| layers += usize::from(matches!(step, Loading::Layers { .. }));
    let loaded = Model::from_outline(outline, Precision::Single, &mut count).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!("{}: opened in {opened:.2} s, loaded in {seconds:.2} s", model.name());
    assert_eq!(layers, loaded.config().layers.len(), "progress was not told of each layer");
    Some(loaded)
}

fn at(recording: &Recording, model: &Model, component: Component, layer: Option<usize>) -> Tensor {
    recording[&Site::new(component, layer, model.config()).unwrap()].clone()
}

/// Logits at the last position.
fn last_logits(recording: &Recording, model: &Model) -> Vec<f64> {
    let logits = at(recording, model, Component::Logits, None);
    values(&logits.get(logits.dim(0).unwrap() - 1).unwrap())
}

fn probabilities(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    logits.iter().map(|logit| (logit - largest).exp() / sum).collect()
}

fn agrees_with_transformers(real: RealModel) {
    let Some(model) = load(real) else { return };
    let expected: Expected = json(&format!("real/{}.json", real.name()));
    let tensors = tensors(&format!("real/{}.safetensors", real.name()));
    let (mut agreement, mut compared) = (Agreement::default(), 0);
    for (number, prompt) in expected.prompts.iter().enumerate() {
        let tokens = model.prompt(&prompt.text).unwrap();
        assert_eq!(tokens.tokens(), prompt.token_ids, "{}", prompt.text);
        let (recordings, _) = record(&model, &[tokens.tokens()]);
        let recording = &recordings[0];

        for (name, expected) in &tensors {
            let Some(key) = name.strip_prefix(&format!("p{number}/")) else { continue };
            let (group, actual) = match key.split_once('/') {
                Some((component, layer)) => {
                    let layer: usize = layer.parse().unwrap();
                    let component: Component = component.parse().unwrap();
                    (component.name(), values(&at(recording, &model, component, Some(layer))))
                }
                None => {
                    assert_eq!(key, "logits_every_16");
                    ("logits", last_logits(recording, &model).into_iter().step_by(16).collect())
                }
            };
            agreement.note(group, relative_error(&actual, &values(expected)), name);
            compared += 1;
        }

        let logits = last_logits(recording, &model);
        let probabilities = probabilities(&logits);
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        let largest = logits[order[0]].abs();
        for (rank, top) in prompt.top.iter().enumerate() {
            let id = top.token_id as usize;
            assert_eq!(order[rank], id, "{}: rank {rank}", prompt.text);
            assert_eq!(model.tokenizer().token_text(top.token_id).unwrap(), top.token);
            agreement.note("probability", (probabilities[id] - top.probability).abs(), &top.token);
            agreement.note(
                "logit of the ten",
                (logits[id] - top.logit).abs() / largest,
                &top.token,
            );
        }
    }
    assert_eq!(compared, tensors.len(), "a tensor was not compared");
    assert_eq!(tensors.len(), expected.prompts.len() * (5 * expected.layers.len() + 1));
    agreement.check(real.name(), TOLERANCE);
}

#[test]
fn smollm2_agrees_with_transformers() {
    agrees_with_transformers(RealModel::SmolLm2);
}

#[test]
fn gemma3_agrees_with_transformers() {
    agrees_with_transformers(RealModel::Gemma3);
}

/// The numbers that were known before any of this was written.
#[test]
fn smollm2_knows_its_capitals() {
    let Some(model) = load(RealModel::SmolLm2) else { return };
    let known = [
        (
            "The capital of Spain is",
            [504, 3575, 282, 7476, 314],
            [(" Madrid", 0.37733), (" Barcelona", 0.11002), (" the", 0.10412), (" La", 0.04990)],
        ),
        (
            "The capital of Italy is",
            [504, 3575, 282, 7158, 314],
            [(" Rome", 0.38029), (" the", 0.13784), (" Florence", 0.08576), (" Milan", 0.07502)],
        ),
    ];
    for (text, tokens, likeliest) in known {
        let prompt = model.prompt(text).unwrap();
        assert_eq!(prompt.tokens(), tokens);
        assert!(!prompt.has_bos(), "the file says add_bos_token = false");
        let (recordings, _) = record(&model, &[prompt.tokens()]);
        let probabilities = probabilities(&last_logits(&recordings[0], &model));
        for (token, probability) in likeliest {
            let id = model.tokenizer().single_token(token).unwrap();
            let actual = probabilities[id as usize];
            assert!(
                (actual - probability).abs() < TOLERANCE,
                "{token}: {actual}, expected {probability}"
            );
        }
    }
}

#[test]
fn gemma3_reads_a_beginning_of_sequence_token_once() {
    let Some(path) = RealModel::Gemma3.path() else { return };
    let outline = Outline::open(path.to_str().unwrap(), &mut |_| ()).unwrap();
    for text in ["The capital of Spain is", "<bos>The capital of Spain is"] {
        let prompt = outline.prompt(text).unwrap();
        assert!(prompt.has_bos());
        assert_eq!(prompt.tokens().iter().filter(|token| **token == 2).count(), 1, "{text}");
    }
}
