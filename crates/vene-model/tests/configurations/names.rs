//! Names of tensors: what wraps them, and what they begin with.

use vene_model::Opening;
use vene_test_support::Agreement;

use crate::{Checked, TOLERANCE, named};

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
