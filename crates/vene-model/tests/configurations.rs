//! Configurations that say the same thing in many ways, or leave it to defaults, held to what
//! transformers 4.52 and 5 make of them (`fixtures/configurations`).

#![allow(clippy::unwrap_used)]

use candle_core::Tensor;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
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
fn each_key_of_each_class_was_left_out_in_turn() {
    let known: Value = serde_json::from_str(include_str!("../src/family/keys/known.json")).unwrap();
    let cases = Configured::all();
    for (kind, class) in known["classes"].as_object().unwrap() {
        for key in class["defaults"].as_object().unwrap().keys() {
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
fn what_wraps_a_model_changes_nothing() {
    let case = named("llama saved by 5");
    let renames: [fn(&str) -> String; 8] = [
        |name| format!("_forward_module.{name}"),
        |name| format!("base_model.model.{name}"),
        |name| format!("_orig_mod.{name}"),
        |name| format!("module.{name}"),
        |name| format!("module._orig_mod.{name}"),
        |name| name.replace("layers.0.", "layers.0._orig_mod."),
        |name| name.replace("model.", "model._fsdp_wrapped_module."),
        |name| name.trim_start_matches("model.").to_owned(),
    ];
    let mut agreement = Agreement::default();
    for rename in renames {
        let weights = case.weights(rename, |_, _| ());
        case.check(case.open_with(weights, &Opening::default()).unwrap(), &mut agreement);
    }
    agreement.check("wrapped names", TOLERANCE);
}

#[test]
fn names_that_begin_in_another_way_are_named_with_it() {
    let case = named("llama saved by 5");
    let refused = |rename: fn(&str) -> String| {
        let weights = case.weights(rename, |_, _| ());
        case.open_with(weights, &Opening::default()).err().unwrap().to_string()
    };
    for (rename, beginning) in [
        ((|name| format!("actor.{name}")) as fn(&str) -> String, "`actor.`"),
        (|name| format!("model.{name}"), "`model.`"),
        (|name| format!("policy.net.{}", name.trim_start_matches("model.")), "`policy.net.`"),
    ] {
        let message = refused(rename);
        assert!(
            message.contains(&format!("are named with {beginning} before"))
                && !message.contains("tie_word_embeddings"),
            "{message}"
        );
    }
    let message = refused(|name| match name {
        "lm_head.weight" => "model.lm_head.weight".to_owned(),
        _ => name.to_owned(),
    });
    assert!(
        message.contains("the file has `model.lm_head.weight`")
            && !message.contains("tie_word_embeddings"),
        "{message}"
    );
    let message = refused(|name| match name {
        "model.norm.weight" => {
            "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight".to_owned()
        }
        _ => format!("base_model.model.{name}").replace("q_proj.", "q_proj.base_layer."),
    });
    assert!(message.contains("LoRA") && message.contains("merge it"), "{message}");
}

#[test]
fn files_of_another_model_are_not_told_to_lack_a_head() {
    let case = named("llama saved by 5");
    let weights = case.weights(|name| format!("h{}", name.replace('.', "_")), |_, _| ());
    let message = case.open_with(weights, &Opening::default()).err().unwrap().to_string();
    assert!(message.contains("no tensor `model.embed_tokens.weight`"), "{message}");
}

#[test]
fn two_tensors_that_are_the_same_are_both_named() {
    let mut case = named("llama saved by 5");
    case.tensors.push(("norm.weight".into(), vec![16]));
    let message = case.refusal();
    assert!(
        message.contains("`model.norm.weight` and `norm.weight`")
            || message.contains("`norm.weight` and `model.norm.weight`"),
        "{message}"
    );
}

#[test]
fn only_the_head_of_a_tied_pair_may_be_stored() {
    let case = named("gpt2 saved by 5");
    let rename = |name: &str| match name {
        "transformer.wte.weight" => "lm_head.weight".to_owned(),
        _ => name.to_owned(),
    };
    let mut agreement = Agreement::default();
    let weights = case.weights(rename, |_, _| ());
    let model = case.check(case.open_with(weights, &Opening::default()).unwrap(), &mut agreement);
    assert_eq!(model.notices(), [""; 0]);
    agreement.check("a head for an embedding", TOLERANCE);
}

#[test]
fn a_head_that_differs_is_used_with_a_warning_and_one_that_is_not_finite_is_not() {
    let mut agreement = Agreement::default();
    for family in ["llama", "gemma3", "gpt2"] {
        let case = named(&format!("{family} with another head than it is tied to"));
        let model = case.check(case.open().unwrap(), &mut agreement);
        let notices = model.notices();
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert!(notices[0].contains("`lm_head.weight` is used"), "{notices:?}");

        let spoil = |name: &str, values: &mut Vec<f32>| {
            if name == "lm_head.weight" {
                values[3] = f32::NAN;
            }
        };
        let weights = case.weights(str::to_owned, spoil);
        let outline = case.open_with(weights, &Opening::default()).unwrap();
        let model = Model::from_outline(outline, Precision::Double, &mut |_| ()).unwrap();
        let notices = model.notices();
        assert!(
            notices.len() == 1 && notices[0].contains("holds NaN and is ignored"),
            "{notices:?}"
        );

        // Without a head the embedding is the head: the same as with one that is ignored.
        let mut tied = case.clone();
        tied.tensors.retain(|(name, _)| name != "lm_head.weight");
        let tied =
            Model::from_outline(tied.open().unwrap(), Precision::Double, &mut |_| ()).unwrap();
        let tokens = formula::prompt(9, tied.config().inputs);
        assert_eq!(last_logits(&model, &tokens), last_logits(&tied, &tokens));
        assert_eq!(tied.notices(), [""; 0]);
    }
    agreement.check("heads", TOLERANCE);
}

#[test]
fn an_equal_copy_of_the_embedding_says_nothing() {
    let mut case = named("gpt2 saved by 5");
    case.tensors.push(("lm_head.weight".into(), vec![40, 24]));
    let copy = |name: &str, values: &mut Vec<f32>| {
        if name == "lm_head.weight" {
            *values = formula::weight("transformer.wte.weight", &[40, 24], false);
        }
    };
    let outline = case.open_with(case.weights(str::to_owned, copy), &Opening::default()).unwrap();
    let mut agreement = Agreement::default();
    assert_eq!(case.check(outline, &mut agreement).notices(), [""; 0]);
    agreement.check("a copy", TOLERANCE);
}

#[test]
fn a_head_in_another_format_is_told_where_it_differs_by_more_than_its_rounding() {
    let case = named("llama with another head than it is tied to");
    for (takes_embedding, told) in [(true, 0), (false, 1)] {
        let copied = |name: &str, values: &mut Vec<f32>| {
            if takes_embedding && name == "lm_head.weight" {
                *values = formula::weight("model.embed_tokens.weight", &[40, 16], false);
            }
        };
        let weights = in_bfloat16("lm_head.weight", &case.weights(str::to_owned, copied));
        let outline = case.open_with(weights, &Opening::default()).unwrap();
        let model = Model::from_outline(outline, Precision::Double, &mut |_| ()).unwrap();
        let notices = model.notices();
        assert_eq!(notices.len(), told, "{notices:?}");
        assert!(notices.iter().all(|notice| notice.contains("with other values")), "{notices:?}");
    }
}

/// A file in which one tensor is stored in another format.
fn in_bfloat16(stored: &str, file: &[u8]) -> Vec<u8> {
    let tensors = SafeTensors::deserialize(file).unwrap();
    let tensors: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let shape = tensor.shape().to_vec();
            let data = tensor.data();
            if name != stored {
                return (name, Dtype::F32, shape, data.to_vec());
            }
            let numbers = data.chunks_exact(4).map(|n| u32::from_le_bytes(n.try_into().unwrap()));
            let short = numbers.flat_map(|n| (((n + 0x8000) >> 16) as u16).to_le_bytes());
            (name, Dtype::BF16, shape, short.collect())
        })
        .collect();
    let views = tensors.iter().map(|(name, dtype, shape, data)| {
        (name.to_string(), TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn heads_and_encoders_beside_a_language_model_are_left_out_with_a_word() {
    let mut agreement = Agreement::default();
    for (name, word) in [
        ("v_head.summary.weight", "a value head"),
        ("score.weight", "a classifier"),
        ("multiple_choice_head.summary.weight", "a multiple-choice head"),
        ("transformer.v_head.weight", "a value head"),
        ("summary.summary.weight", "a value head"),
        ("critic_head.weight", "a value head"),
        ("ilql_heads.v_head.0.weight", "a group of value heads"),
        ("value_model.weight", "a value model"),
        ("rm_head.weight", "a reward head"),
        ("regression_head.weight", "a regression head"),
        ("classification_head.dense.weight", "a classifier"),
        ("medusa_head.0.0.linear.weight", "a head that guesses further tokens"),
    ] {
        let mut case = named("gpt2 saved by 5");
        case.tensors.push((name.into(), vec![1, 24]));
        let model = case.check(case.open().unwrap(), &mut agreement);
        let notices = model.notices();
        assert!(notices.len() == 1 && notices[0].contains(word), "{notices:?}");
    }
    let model = named("gemma3 multimodal");
    let notices = model.check(model.open().unwrap(), &mut agreement).notices();
    assert!(notices.len() == 2 && notices.iter().any(|notice| notice.contains("an image encoder")));
    agreement.check("heads beside", TOLERANCE);
}

#[test]
fn a_model_without_a_head_says_so() {
    let mut case = named("llama saved by 5");
    case.tensors.retain(|(name, _)| name != "lm_head.weight");
    case.tensors.push(("score.weight".into(), vec![2, 16]));
    let message = case.refusal();
    assert!(
        message.contains("no language-model head") && message.contains("classifier"),
        "{message}"
    );
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
        ("gemma3 of other layers", &[]),
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
            json!({"rope_parameters": {"rope_type": "su"}}),
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
