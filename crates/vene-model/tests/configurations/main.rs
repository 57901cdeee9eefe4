//! Configurations that say the same thing in many ways, or leave it to defaults, held to what
//! transformers 4.52 and 5 make of them (`fixtures/configurations`).

#![allow(clippy::unwrap_used)]

mod gemma3;
mod heads;
mod names;

use candle_core::Tensor;
use serde_json::{Value, json};
use vene_model::{Component, Model, Opening, Outline, Precision, Site};
use vene_test_support::{Agreement, Configured, formula, record, values};

/// Largest error relative to the largest logit.
const TOLERANCE: f64 = 1e-5;

fn named(name: &str) -> Configured {
    Configured::named(name)
}

trait Checked {
    /// The message with which it is refused.
    fn refusal(&self) -> String;

    /// Runs the prompts and compares.
    fn check(&self, outline: Outline, agreement: &mut Agreement) -> Model;
}

impl Checked for Configured {
    fn refusal(&self) -> String {
        let error = self.open().err().unwrap_or_else(|| panic!("{} is not refused", self.name));
        let message = error.to_string();
        assert!(!message.contains('\n') && !message.contains("Some("), "{message}");
        message
    }

    fn check(&self, outline: Outline, agreement: &mut Agreement) -> Model {
        let model = Model::from_outline(outline, Precision::Double, &mut |_| ())
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        for expected in self.prompts.iter().filter(|expected| expected.patch.is_none()) {
            let tokens = formula::prompt(expected.length, model.config().inputs);
            assert!(tokens.len() <= model.config().context, "{}: context", self.name);
            let found = last_logits(&model, &tokens);
            let largest = found.iter().fold(0.0f64, |largest, logit| largest.max(logit.abs()));
            let pairs = expected.logits.iter().zip(&found);
            let error = pairs
                .map(|(a, b)| (a - b).abs())
                .fold((largest - expected.largest).abs(), f64::max);
            agreement.note(&self.name, error / expected.largest, expected.length);
        }
        model
    }
}

fn last_logits(model: &Model, tokens: &[u32]) -> Vec<f64> {
    let (mut recordings, _) = record(model, &[tokens]);
    let site = Site::new(Component::Logits, None, model.config()).unwrap();
    let logits: Tensor = recordings.remove(0).remove(&site).unwrap();
    values(&logits.narrow(0, tokens.len() - 1, 1).unwrap())
}

#[test]
fn every_way_to_say_it_is_what_transformers_makes_of_it() {
    let mut agreement = Agreement::default();
    let cases = Configured::all();
    assert!(cases.len() > 90, "only {} cases", cases.len());
    for case in &cases {
        let outline = case.open().unwrap_or_else(|error| panic!("{}: {error}", case.name));
        case.check(outline, &mut agreement);
    }
    agreement.check("configurations, f64", TOLERANCE);
}

#[test]
fn each_key_of_three_classes_was_left_out_in_turn() {
    let known: Value =
        serde_json::from_str(include_str!("../../src/family/keys/known.json")).unwrap();
    let cases = Configured::all();
    for kind in ["gpt2", "llama", "gemma3_text"] {
        for key in known["classes"][kind]["defaults"].as_object().unwrap().keys() {
            let name = format!("{kind} without {key}");
            let case = cases.iter().find(|case| case.name == name);
            // transformers 4.52 does not write these two.
            if !["rope_parameters", "layer_types"].contains(&key.as_str()) {
                assert!(!case.unwrap().config.contains_key(key), "{name}");
            }
        }
    }
}

#[test]
fn a_tensor_that_the_configuration_denies_is_refused_when_the_model_is_opened() {
    let mut case = named("llama saved by 5");
    case.tensors.push(("model.layers.0.self_attn.q_proj.bias".into(), vec![16]));
    assert!(case.refusal().contains("`model.layers.0.self_attn.q_proj.bias` is no part"));
    let mut case = named("llama saved by 5");
    case.tensors[0].1 = vec![39, 16];
    assert!(case.refusal().contains("has shape [39, 16], expected [40, 16]"));
}

#[test]
fn keys_that_change_nothing_pass() {
    for (name, changes) in [
        (
            "gpt2 saved by 5",
            json!({"n_special": 0, "n_ctx": 48, "is_decoder": true, "pruned_heads": {}, "num_labels": 2}),
        ),
        (
            "gpt2 saved by 5",
            json!({"afn": "gelu_new", "layer_norm_eps": 1e-5, "xla_device": true, "eos_token_ids": [0]}),
        ),
        (
            "llama saved by 5",
            json!({"attention_multiplier": 1.0, "use_sliding_window": false, "sliding_window": null}),
        ),
        (
            "llama saved by 5",
            json!({"partial_rotary_factor": 1, "rope_interleaved": false, "pretraining_tp": 4}),
        ),
        (
            "llama saved by 5",
            json!({"layer_types": ["full_attention", "full_attention"], "clip_qkv": null}),
        ),
        (
            "gemma3 saved by 5",
            json!({"hidden_act": "gelu_pytorch_tanh", "use_bidirectional_attention": false}),
        ),
    ] {
        let mut case = named(name);
        case.config.extend(changes.as_object().unwrap().clone());
        assert_eq!(case.open().unwrap().notices(), [""; 0]);
    }
}

#[test]
fn any_other_value_and_any_other_key_is_refused_with_the_way_out() {
    for (name, key, value, words) in [
        ("gpt2 saved by 5", "n_special", json!(3), "any value but 0"),
        ("gpt2 saved by 5", "pruned_heads", json!({"0": [1]}), "any value but {}"),
        ("gpt2 saved by 5", "add_cross_attention", json!(true), "any value but false"),
        (
            "gpt2 saved by 5",
            "afn",
            json!("relu"),
            "something else than `activation_function` = \"gelu_new\"",
        ),
        ("llama saved by 5", "scale_attn_weights", json!(false), "not a key that vene knows"),
        ("llama saved by 5", "my_note", json!("hello"), "not a key that vene knows"),
        ("llama saved by 5", "attention_multiplier", json!(2.0), "any value but 1"),
        ("llama saved by 5", "partial_rotary_factor", json!(0.5), "any value but 1"),
        ("llama saved by 5", "clip_qkv", json!(8), "any value but null"),
        ("gemma3 saved by 5", "use_bidirectional_attention", json!(true), "any value but false"),
        (
            "llama with rope_parameters",
            "rope_parameters",
            json!({"rope_theta": 300.0, "note": 1}),
            "`rope_parameters.note`",
        ),
    ] {
        let mut case = named(name);
        case.config.insert(key.into(), value);
        let message = case.refusal();
        let full = if key == "rope_parameters" { "rope_parameters.note" } else { key };
        assert!(
            message.contains(words) && message.contains(&format!("`--ignore-key {full}`")),
            "{message}"
        );

        let opening = Opening { ignored_keys: vec![full.into()] };
        let outline = case.open_with(case.weights(str::to_owned, |_, _| ()), &opening).unwrap();
        let notices = outline.notices();
        assert!(notices.len() == 1 && notices[0].contains(&format!("`{full}`")), "{notices:?}");
        case.check(outline, &mut Agreement::default());
    }
}

#[test]
fn a_key_can_not_be_ignored_in_vain() {
    let case = named("llama saved by 5");
    for (key, words) in [
        ("no_such_key", "has no such key"),
        ("hidden_size", "is understood"),
        ("use_cache", "known to change nothing"),
        ("rope_parameters.rope_theta", "is understood"),
    ] {
        let opening = Opening { ignored_keys: vec![key.into()] };
        let weights = case.weights(str::to_owned, |_, _| ());
        let message = case.open_with(weights, &opening).err().unwrap().to_string();
        assert!(
            message.contains(&format!("`--ignore-key {key}`")) && message.contains(words),
            "{message}"
        );
    }
}

#[test]
fn two_places_that_say_different_things_are_both_named() {
    for (name, changes, words) in [
        ("gpt2 saved by 5", json!({"hidden_size": 28}), ["`hidden_size` = 28", "`n_embd` = 24"]),
        (
            "llama with yarn of another factor",
            json!({"original_max_position_embeddings": 32}),
            [
                "`original_max_position_embeddings` = 32",
                "`rope_parameters.original_max_position_embeddings` = 16",
            ],
        ),
        (
            "llama saved by 5",
            json!({"rope_parameters": {"rope_type": "default", "type": "linear", "factor": 2}}),
            ["`rope_parameters.rope_type` = \"default\"", "`rope_parameters.type` = \"linear\""],
        ),
    ] {
        let mut case = named(name);
        case.config.extend(changes.as_object().unwrap().clone());
        let message = case.refusal();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

#[test]
fn what_is_not_followed_is_named() {
    for (name, words) in [
        (
            "llama with rope_theta beside rope_parameters",
            &["300 is used, as transformers 5 does (transformers 4.52 would use 10000)"][..],
        ),
        (
            "llama with both scalings",
            &[
                "`rope_parameters.rope_theta` is 500000: 10000 is used, as transformers 4.52 and 5 do",
            ],
        ),
        (
            "llama with both scalings and a base",
            &["`rope_theta` is 777: 777 is used, as transformers 4.52 and 5 do"],
        ),
        (
            "llama with a base inside of rope_scaling",
            &["777 is used, as transformers 5 does (transformers 4.52 would use 10000)"],
        ),
        (
            "llama with both scalings, which differ",
            &["say different things: `rope_scaling` is used", "10000 is used"],
        ),
        (
            "gemma3 with both scalings",
            &[
                "777 is used, as transformers 5 does (transformers 4.52 would use 1000000)",
                "100 is used, as transformers 5 does (transformers 4.52 would use 10000)",
                "`rope_scaling` is used, key by key, as transformers 5 does",
                "transformers 4.52 scales layers with a window by nothing",
            ],
        ),
        (
            "llama with a factor and no type",
            &["of the type `default`, since it names none, which does not read `factor` = 4.0"],
        ),
        (
            "llama with keys of another type",
            &["which does not read `low_freq_factor` = 1.0, `high"],
        ),
        (
            "llama with the original context of yarn outside",
            &["transformers 4.52 reads it only inside of `rope_parameters` and would take 64"],
        ),
        (
            "llama with yarn that is not truncated",
            &["`rope_parameters.truncate` = false is followed, as transformers 5 does"],
        ),
        (
            "gemma3 with yarn",
            &[
                "`original_max_position_embeddings` = 16 outside",
                "`rope_parameters.full_attention.truncate` = false is not read",
            ],
        ),
        (
            "gemma3 with a pattern that is not read",
            &["`_sliding_window_pattern` = 2 is not read, as in transformers 4.52 and 5"],
        ),
        ("gemma3 with a score cap", &["`attn_logit_softcapping` = 0.5 changes nothing"]),
        ("gemma3 multimodal, tied outside", &["true is used", "an image encoder", "the projector"]),
        (
            "gemma3 of other layers",
            &["`layer_types` names other layers than `sliding_window_pattern` = 6 (its default)"],
        ),
        ("llama with rope_parameters", &[]),
        ("gemma3 with two scalings", &[]),
    ] {
        let notices = named(name).open().unwrap().notices();
        let yarn = |notice: &&String| !notice.contains("times the original context");
        let notices: Vec<&String> = notices.iter().filter(yarn).collect();
        assert_eq!(notices.len(), words.len(), "{name}: {notices:#?}");
        for word in words {
            assert!(notices.iter().any(|notice| notice.contains(word)), "{name}: {notices:#?}");
        }
    }
}

#[test]
fn a_scaling_that_was_trained_says_nothing_more() {
    let mut case = named("llama with yarn");
    case.config["rope_scaling"]["finetuned"] = json!(true);
    let mut agreement = Agreement::default();
    assert_eq!(case.check(case.open().unwrap(), &mut agreement).notices(), [""; 0]);
    agreement.check("a scaling that was trained", TOLERANCE);
}

#[test]
fn counts_are_bounded_by_what_the_file_holds() {
    for (name, key) in [
        ("llama saved by 5", "head_dim"),
        ("llama saved by 5", "num_attention_heads"),
        ("llama saved by 5", "hidden_size"),
        ("llama saved by 5", "intermediate_size"),
        ("llama saved by 5", "vocab_size"),
        ("gemma3 saved by 5", "head_dim"),
        ("gpt2 saved by 5", "n_positions"),
        ("gpt2 saved by 5", "n_inner"),
    ] {
        for value in [1u64 << 28, 1 << 40] {
            let mut case = named(name);
            case.config.insert(key.into(), value.into());
            let message = case.refusal();
            assert!(message.contains(&format!("`{key}`")), "{message}");
        }
    }
    // Layers that are not there are missed before anything is made for them.
    let mut case = named("llama saved by 5");
    case.config.insert("num_hidden_layers".into(), 4000.into());
    assert!(case.refusal().contains("model.layers.2."), "{}", case.refusal());
}

#[test]
fn values_that_are_not_understood_are_refused_in_words() {
    for (name, changes, words) in [
        (
            "llama saved by 5",
            json!({"rope_parameters": {"rope_type": "ntk"}}),
            "default, linear, dynamic, yarn, longrope, llama3",
        ),
        (
            "llama saved by 5",
            json!({"rope_parameters": {"rope_type": "linear"}}),
            "`rope_parameters.factor`",
        ),
        (
            "llama saved by 5",
            json!({"rope_parameters": {"rope_type": "linear", "factor": 1e-320}}),
            "frequencies finite",
        ),
        ("llama saved by 5", json!({"hidden_act": "prelu"}), "quick_gelu"),
        (
            "llama saved by 5",
            json!({"layer_types": ["full_attention", "sliding_attention"]}),
            "full_attention",
        ),
        (
            "llama saved by 5",
            json!({"rope_theta": null, "rope_parameters": null}),
            "null for `rope_theta`",
        ),
        ("gemma3 saved by 5", json!({"sliding_window": null}), "null for `sliding_window`"),
        (
            "gemma3 saved by 5",
            json!({"rope_parameters": {"rope_type": "linear", "factor": 8.0}}),
            "full_attention and sliding_attention",
        ),
        (
            "llama with longrope inside",
            json!({"rope_parameters": {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [2.0]}}),
            "a list of 8 positive numbers",
        ),
    ] {
        let mut case = named(name);
        case.config.extend(changes.as_object().unwrap().clone());
        let message = case.refusal();
        assert!(message.contains(words), "{message}");
    }
    // A window that no layer has may be null.
    let mut case = named("gemma3 saved by 5");
    case.config.insert("layer_types".into(), json!(vec!["full_attention"; 3]));
    case.config.insert("sliding_window".into(), Value::Null);
    assert!(case.open().unwrap().config().layers.iter().all(|layer| layer.window.is_none()));
}
