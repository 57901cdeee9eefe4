//! Texts as transformers writes them, alone and under pyvene's edits (`fixtures/generation`).

use std::ops::ControlFlow;

use serde::Deserialize;
use vene::generation::penalised;
use vene::{Edit, Example, Generator, Model, Plan, Precision, Sampling, When};
use vene_test_support::{Agreement, Fixture, json, relative_error, tensors, values};

use crate::case::Case;

/// Of logits, relative to the largest; transformers computes in float32.
const TOLERANCE: f64 = 2e-6;

#[derive(Deserialize)]
struct Written {
    when: Time,
    tokens: Vec<u32>,
    #[serde(flatten)]
    case: Case,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Time {
    Prompt,
    Generated,
    Every,
}

impl From<Time> for When {
    fn from(time: Time) -> Self {
        match time {
            Time::Prompt => Self::Prompt,
            Time::Generated => Self::Generated,
            Time::Every => Self::EveryStep,
        }
    }
}

/// The new tokens and the logits that they were taken from.
fn write(model: &Model, edits: Vec<Edit>, written: &Written) -> (Vec<u32>, Vec<f64>) {
    let plan =
        edits.into_iter().fold(Plan::new(), |plan, edit| plan.edit(edit.when(written.when.into())));
    let plan = plan.resolve(model, &[written.case.example(model)]).unwrap();
    let generator = Generator {
        max_new_tokens: written.tokens.len(),
        stop: Some(Vec::new()),
        ..Generator::default()
    };
    let mut logits = Vec::new();
    let generation = generator.run(model, &plan, &mut |token| {
        logits.extend_from_slice(token.distribution.logits());
        ControlFlow::Continue(())
    });
    (generation.unwrap().continuations.remove(0).tokens, logits)
}

#[test]
fn every_text_agrees() {
    let mut agreement = Agreement::default();
    for name in ["gpt2-plain", "llama-gqa", "gemma3-plain"] {
        let cases: Vec<Written> = json(&format!("generation/{name}.json"));
        let results = tensors(&format!("generation/{name}.safetensors"));
        assert_eq!(results.len(), cases.len() + 1);
        for precision in [Precision::Single, Precision::Double] {
            let model = Fixture::new(name).load(precision);
            for written in &cases {
                let edits = written.case.edits(model.config(), &results);
                let (tokens, logits) = write(&model, edits, written);
                assert_eq!(tokens, written.tokens, "{name}: {}", written.case.describe());
                let expected = values(&results[written.case.tensor.as_deref().unwrap()]);
                let error = relative_error(&logits, &expected);
                agreement.note(name, error, written.case.describe());
            }
        }
    }
    assert_eq!(agreement.compared(), 3 * 2 * 22);
    agreement.check("generations, logits (relative)", TOLERANCE);
}

#[derive(Deserialize)]
struct Warped {
    logits: Vec<f64>,
    temperature: f64,
    top_k: Option<usize>,
    top_p: Option<f64>,
    min_p: Option<f64>,
    probabilities: Vec<f64>,
    repetition_penalty: Option<f64>,
    #[serde(default)]
    so_far: Vec<u32>,
}

#[test]
fn what_tokens_are_drawn_from_agrees() {
    for warped in json::<Vec<Warped>>("generation/sampling.json") {
        let Warped { logits, temperature, top_k, top_p, min_p, probabilities, .. } = warped;
        let sampling = Sampling { temperature, top_k, top_p, min_p };
        let penalty = warped.repetition_penalty.unwrap_or(1.0);
        let given = penalised(&vene::Distribution::new(logits), warped.so_far, penalty);
        let found = sampling.probabilities(&given).unwrap();
        for (found, expected) in found.iter().zip(&probabilities) {
            assert_eq!(*found == 0.0, *expected == 0.0, "{sampling:?}");
            assert!((found - expected).abs() < 1e-12, "{sampling:?}");
        }
        assert_eq!(found.len(), probabilities.len());
    }
}

/// Of equally likely tokens a nucleus keeps those with lower ids.
#[test]
fn a_nucleus_among_equals() {
    let sampling = Sampling { top_p: Some(0.5), ..Sampling::default() };
    let found = sampling.probabilities(&vene::Distribution::new(vec![1.0; 5])).unwrap();
    let kept: Vec<bool> = found.iter().map(|&probability| probability > 0.0).collect();
    assert_eq!(kept, [true, true, true, false, false]);
}

#[derive(Deserialize)]
struct Penalised {
    model: String,
    prompt: Vec<u32>,
    penalty: f64,
    tokens: Vec<u32>,
    top: Vec<Vec<(u32, f64)>>,
}

/// Greedy texts with a repetition penalty, and the likeliest tokens of each step, are those of transformers.
#[test]
fn penalised_texts_agree() {
    for case in json::<Vec<Penalised>>("generation/penalties.json") {
        let model = Fixture::new(&case.model).load(Precision::Single);
        let prompt = model.prompt_from_tokens(&case.prompt).unwrap();
        let plan = Plan::new().resolve(&model, &[Example::new(prompt)]).unwrap();
        let generator = Generator {
            max_new_tokens: case.tokens.len(),
            stop: Some(Vec::new()),
            repetition_penalty: Some(case.penalty),
            likeliest: 3,
            ..Generator::default()
        };
        let written = generator.run(&model, &plan, &mut |_| ControlFlow::Continue(())).unwrap();
        let text = &written.continuations[0];
        assert_eq!(text.tokens, case.tokens, "{}, {}", case.model, case.penalty);
        for (found, expected) in text.likeliest.iter().flatten().zip(case.top.iter().flatten()) {
            assert_eq!(found.token, expected.0);
            assert!((found.log_probability - expected.1).abs() < 1e-4);
        }
        assert_eq!(text.likeliest.len(), case.top.len());
    }
}
