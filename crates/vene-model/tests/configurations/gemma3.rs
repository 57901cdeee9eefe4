//! What a Gemma 3's configuration says and transformers does not follow.

use serde_json::{Value, json};
use vene_model::{Model, Precision};

use super::{last_logits, named};

/// The last logits of a short prompt, and what was remarked.
fn computed(
    name: &str,
    change: impl Fn(&mut serde_json::Map<String, Value>),
) -> (Vec<f64>, String) {
    let mut case = named(name);
    change(&mut case.config);
    let outline = case.open().unwrap();
    let notices = outline.notices().join("\n");
    let model = Model::from_outline(outline, Precision::Double, &mut |_| ()).unwrap();
    (last_logits(&model, &[1, 2, 3, 4, 5]), notices)
}

#[test]
fn an_old_type_of_scaling_scales_nothing() {
    const NAME: &str = "gemma3 of other layers";
    let with = |scaling: Value| {
        computed(NAME, |config| {
            config.remove("rope_parameters");
            config.insert("rope_scaling".into(), scaling.clone());
        })
    };
    let (none, _) = with(Value::Null);
    let (old, told) = with(json!({"type": "linear", "factor": 8.0}));
    assert_eq!(old, none);
    assert!(
        told.contains("`rope_scaling.type` = \"linear\" is not read, as in transformers 5"),
        "{told}"
    );
    let (new, told) = with(json!({"rope_type": "linear", "factor": 8.0}));
    assert_ne!(new, none);
    assert!(!told.contains("is not read"), "{told}");
}

#[test]
fn logits_of_a_multimodal_model_are_not_capped() {
    const NAME: &str = "gemma3 multimodal, tied outside";
    let with = |cap: Value| {
        computed(NAME, |config| {
            config["text_config"]["final_logit_softcapping"] = cap.clone();
        })
    };
    let (none, _) = with(Value::Null);
    let (capped, told) = with(json!(0.5));
    assert_eq!(capped, none);
    assert!(told.contains("`final_logit_softcapping` = 0.5 changes nothing"), "{told}");
}
