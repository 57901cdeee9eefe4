//! Values that were read of one model are no values of another.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use vene::Outline;
use vene::intervention::{RotatedSpace, Rotation, Subspace};
use vene::plan_file::{Format, PlanFile, save};
use vene::{Component, Edit, Plan};
use vene_test_support::Fixture;

/// A file as `vene collect` writes it, of the values of a model.
fn collected(path: &Path, of: &Outline) {
    written(
        path,
        &serde_json::json!({
            "name": of.provenance().name,
            "identity": of.identity(),
            "shape": of.key().shape(),
        }),
    );
}

/// One that says this of its model.
fn written(path: &Path, model: &serde_json::Value) {
    let vector = Tensor::ones(20, candle_core::DType::F32, &Device::Cpu).unwrap();
    let notes = serde_json::json!({ "model": model }).to_string();
    let notes = HashMap::from([("vene".to_owned(), notes)]);
    let bytes = safetensors::serialize([("vector", &vector)], Some(notes)).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_vector_of_another_model_is_refused() {
    let [own, weights, shape] = ["gpt2-plain", "gpt2-layer-scaled", "llama-gqa"]
        .map(|name| Fixture::new(name).outline().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.safetensors");
    let text = "[[edit]]\nintervention = 'steering'\ncomponent = 'block_output'\nlayer = 1\n\
                source = { file = 'v.safetensors', tensor = 'vector' }\n";
    let file = PlanFile::parse(text, Format::Toml, folder.path()).unwrap();
    collected(&path, &own);
    assert!(file.plan(&own).is_ok());
    collected(&path, &weights);
    let error = file.plan(&own).unwrap_err().to_string();
    assert!(error.contains("line 5") && error.contains("has other weights"), "{error}");
    assert!(file.plan_for_another_model(&own).is_ok());
    collected(&path, &shape);
    for error in [file.plan(&own), file.plan_for_another_model(&own)] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("llama with") && error.contains("gpt2 with"), "{error}");
    }
    let [other, tokenizer] = [own.key().weights(), "00"];
    let stated = |model: &Outline| {
        serde_json::json!({
            "name": "x", "identity": other, "shape": model.key().shape(), "tokenizer": tokenizer,
        })
    };
    written(&path, &stated(&own));
    let error = file.plan_for_another_model(&own).unwrap_err().to_string();
    assert!(error.contains("its values are of x, which has another tokenizer"), "{error}");
    // A file that says nothing of models is taken as it is.
    let vector = Tensor::ones(20, candle_core::DType::F32, &Device::Cpu).unwrap();
    let tensors = HashMap::from([("vector", vector)]);
    candle_core::safetensors::save(&tensors, &path).unwrap();
    assert!(file.plan(&own).is_ok());
}

/// What was learned on one model, and is named by a plan that says nothing of models.
#[test]
fn parameters_that_were_learned_on_another_model_are_refused() {
    let [own, weights] =
        ["gpt2-plain", "gpt2-layer-scaled"].map(|name| Fixture::new(name).outline().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let learned = RotatedSpace::low_rank(Rotation::random(20, 2, 3).unwrap(), Subspace::All);
    let edit = Edit::new(Component::BlockOutput, 1, std::sync::Arc::new(learned));
    save(&folder.path().join("saved"), &Plan::new().edit(edit), &own).unwrap();
    let text = "[[edit]]\ncomponent = 'block_output'\nlayer = 1\n\
                intervention = { name = 'low_rank_rotated_space', rank = 2, parameters = \
                { file = 'saved/interventions.safetensors', prefix = 'edit 0.' } }\n";
    let file = PlanFile::parse(text, Format::Toml, folder.path()).unwrap();
    assert!(file.plan(&own).is_ok());
    let error = file.plan(&weights).unwrap_err().to_string();
    assert!(error.contains("line 4") && error.contains("which has other weights than"), "{error}");
    assert!(file.plan_for_another_model(&weights).is_ok());
    // As it was written before files said so.
    let path = folder.path().join("saved/interventions.safetensors");
    let tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    candle_core::safetensors::save(&tensors, &path).unwrap();
    assert!(file.plan(&weights).is_ok());
}
