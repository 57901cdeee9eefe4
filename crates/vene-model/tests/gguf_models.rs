//! GGUF files whose metadata leave things to llama.cpp's rules, held to what llama.cpp computes
//! (`fixtures/configurations/gguf.json`).

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;

use serde::Deserialize;
use serde_json::{Value, json};
use vene_model::{Component, Model, ModelError, Opening, Outline, Precision, Site};
use vene_test_support::{Agreement, formula, gguf, json as fixture, record, values};

/// Largest difference of log-probabilities. llama.cpp keeps keys and values in half precision.
const TOLERANCE: f64 = 2e-2;

thread_local! {
    /// The files of this test's models, which are read until it ends.
    static FOLDERS: RefCell<Vec<tempfile::TempDir>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Deserialize)]
struct Case {
    name: String,
    metadata: Vec<(String, String, Value)>,
    tensors: Vec<(String, Vec<usize>)>,
    length: usize,
    log_probabilities: Vec<f64>,
}

fn named(name: &str) -> Case {
    let cases: Vec<Case> = fixture("configurations/gguf.json");
    cases.into_iter().find(|case| case.name == name).unwrap()
}

impl Case {
    fn open_with(
        &self,
        opening: &Opening,
        change: impl Fn(&str, &mut Vec<f32>),
    ) -> Result<Outline, ModelError> {
        let tensors: Vec<(String, Vec<usize>, Vec<f32>)> = self
            .tensors
            .iter()
            .map(|(name, shape)| {
                let mut values = formula::weight(name, shape, false);
                change(name, &mut values);
                (name.clone(), shape.clone(), values)
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, gguf::bytes(&self.metadata, &tensors)).unwrap();
        let opened = Outline::open_with(path.to_str().unwrap(), opening, &mut |_| ());
        FOLDERS.with_borrow_mut(|folders| folders.push(folder));
        opened
    }

    fn open(&self) -> Result<Outline, ModelError> {
        self.open_with(&Opening::default(), |_, _| ())
    }

    fn push(&mut self, key: &str, kind: &str, value: Value) {
        self.metadata.push((key.into(), kind.into(), value));
    }

    fn check(&self, outline: Outline, agreement: &mut Agreement) {
        let model = Model::from_outline(outline, Precision::Double, &mut |_| ()).unwrap();
        let tokens = formula::prompt(self.length, model.config().vocabulary);
        let found = log_probabilities(&model, &tokens);
        assert_eq!(found.len(), self.log_probabilities.len());
        let likely = self.log_probabilities.iter().zip(&found).filter(|(right, _)| **right > -20.0);
        let error = likely.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        agreement.note(&self.name, error, self.length);
    }
}

fn log_probabilities(model: &Model, tokens: &[u32]) -> Vec<f64> {
    let (recordings, _) = record(model, &[tokens]);
    let site = Site::new(Component::Logits, None, model.config()).unwrap();
    let logits = values(&recordings[0][&site].narrow(0, tokens.len() - 1, 1).unwrap());
    let normaliser = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
    logits.iter().map(|logit| logit - normaliser).collect()
}

#[test]
fn what_metadata_leave_open_is_as_llama_cpp_has_it() {
    let mut agreement = Agreement::default();
    let cases: Vec<Case> = fixture("configurations/gguf.json");
    for case in &cases {
        let outline = case.open().unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_eq!(outline.notices(), [""; 0], "{}", case.name);
        case.check(outline, &mut agreement);
    }
    assert_eq!(agreement.compared(), 65);
    agreement.check("llama.cpp, log-probabilities", TOLERANCE);
}

#[test]
fn windows_by_layer_may_be_a_list() {
    let mut case = named("gemma3");
    let slides: Vec<bool> = (0..7).map(|layer| (layer + 1) % 6 != 0).collect();
    case.push("gemma3.attention.sliding_window_pattern", "bools", json!(slides));
    let mut agreement = Agreement::default();
    case.check(case.open().unwrap(), &mut agreement);
    agreement.check("a list of windows", TOLERANCE);

    case.metadata.pop();
    case.push("gemma3.attention.sliding_window_pattern", "bools", json!([true, false]));
    let message = case.open().err().unwrap().to_string();
    assert!(message.contains("one entry for each of the 7 layers"), "{message}");
}

#[test]
fn keys_of_the_architecture_are_off_or_refused() {
    let mut case = named("llama");
    case.push("llama.expert_count", "u32", json!(0));
    case.push("llama.logit_scale", "f32", json!(1.0));
    case.push("someone.else.says", "string", json!("anything"));
    case.open().unwrap();
    for (key, kind, value, words) in [
        ("llama.expert_count", "u32", json!(8), "any value but 0"),
        ("llama.novelty", "string", json!("yes"), "not a key that vene knows"),
        ("llama.rope.dimension_count", "u32", json!(8), "understood only as 16"),
    ] {
        let mut case = named("llama");
        case.push(key, kind, value);
        let message = case.open().err().unwrap().to_string();
        assert!(
            message.contains(words) && message.contains(&format!("--ignore-key {key}")),
            "{message}"
        );
        let opening = Opening { ignored_keys: vec![key.into()] };
        let outline = case.open_with(&opening, |_, _| ()).unwrap();
        assert!(outline.notices()[0].contains(&format!("`--ignore-key {key}`")));
        let mut agreement = Agreement::default();
        case.check(outline, &mut agreement);
        agreement.check("an ignored key", TOLERANCE);
    }
}

/// llama.cpp computes the same with these keys as without them.
#[test]
fn what_llama_cpp_does_not_read_is_named_and_not_followed() {
    let mut agreement = Agreement::default();
    for (name, key, kind, value, told) in [
        ("llama with yarn", "llama.rope.scaling.yarn_beta_fast", "f32", json!(8.0), 1),
        ("llama with yarn", "llama.rope.scaling.yarn_beta_slow", "f32", json!(2.0), 1),
        ("llama with yarn", "llama.rope.scaling.yarn_ext_factor", "f32", json!(0.5), 1),
        ("llama with yarn", "llama.rope.scaling.yarn_attn_factor", "f32", json!(2.0), 1),
        ("llama with yarn", "llama.rope.scaling.yarn_log_multiplier", "f32", json!(0.1), 1),
        ("llama with yarn", "llama.rope.scaling.yarn_beta_fast", "f32", json!(32.0), 0),
        ("llama", "llama.attention.sliding_window", "u32", json!(0), 0),
        ("gemma3", "gemma3.attn_logit_softcapping", "f32", json!(1.5), 1),
        ("gemma3", "gemma3.attn_logit_softcapping", "f32", json!(0.0), 0),
    ] {
        let mut case = named(name);
        case.push(key, kind, value);
        let outline = case.open().unwrap_or_else(|error| panic!("{key}: {error}"));
        let notices = outline.notices();
        assert_eq!(notices.len(), told, "{key}: {notices:?}");
        let name = key.trim_start_matches("gemma3.");
        assert!(notices.iter().all(|notice| notice.contains(name)), "{notices:?}");
        case.check(outline, &mut agreement);
    }
    agreement.check("keys that llama.cpp does not read", TOLERANCE);
}

#[test]
fn a_classifier_beside_a_language_model_is_left_out_with_a_word() {
    let mut case = named("llama");
    case.tensors.push(("cls.output.weight".into(), vec![2, 32]));
    let outline = case.open().unwrap();
    let notices = outline.notices();
    assert!(notices.len() == 1 && notices[0].contains("a classifier"), "{notices:?}");
    let mut agreement = Agreement::default();
    case.check(outline, &mut agreement);
    agreement.check("a classifier", TOLERANCE);
}

#[test]
fn a_head_beside_the_embedding_is_used_where_it_is_finite() {
    let mut case = named("gemma3");
    case.tensors.push(("output.weight".into(), vec![96, 24]));
    let notices = |outline: Outline| {
        Model::from_outline(outline, Precision::Double, &mut |_| ()).unwrap().notices()
    };
    let differs = notices(case.open().unwrap());
    assert!(differs.len() == 1 && differs[0].contains("`output.weight` is used"), "{differs:?}");
    let spoil = |name: &str, values: &mut Vec<f32>| {
        if name == "output.weight" {
            values[0] = f32::INFINITY;
        }
    };
    let outline = case.open_with(&Opening::default(), spoil).unwrap();
    let mut agreement = Agreement::default();
    case.check(outline, &mut agreement);
    agreement.check("a head that is not finite", TOLERANCE);
    let copy = |name: &str, values: &mut Vec<f32>| {
        if name == "output.weight" {
            *values = formula::weight("token_embd.weight", &[96, 24], false);
        }
    };
    assert_eq!(notices(case.open_with(&Opening::default(), copy).unwrap()), [""; 0]);
}

#[test]
fn files_that_are_no_model_are_named() {
    for (kind, words) in [("adapter", "merge the adapter"), ("mmproj", "the language model")] {
        let mut case = named("llama");
        case.push("general.type", "string", json!(kind));
        let message = case.open().err().unwrap().to_string();
        assert!(message.contains(&format!("`{kind}`")) && message.contains(words), "{message}");
    }
}

#[test]
fn counts_are_bounded_by_the_tensors() {
    for key in ["attention.key_length", "attention.head_count", "feed_forward_length"] {
        for family in ["llama", "gemma3"] {
            let mut case = named(family);
            let full = format!("{family}.{key}");
            case.metadata.retain(|(key, _, _)| *key != full);
            case.push(&full, "u32", json!(1u64 << 28));
            let message = case.open().err().unwrap().to_string();
            assert!(message.contains("the largest extent of its tensors"), "{message}");
        }
    }
}
