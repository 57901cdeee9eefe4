//! Values that were read of one model are no values of another.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use vene::Outline;
use vene::plan_file::{Format, PlanFile};
use vene_test_support::Fixture;

/// A file as `vene collect` writes it, of the values of a model.
fn collected(path: &Path, of: &Outline) {
    let vector = Tensor::ones(20, candle_core::DType::F32, &Device::Cpu).unwrap();
    let model = serde_json::json!({
        "name": of.provenance().name,
        "identity": of.identity(),
        "shape": of.key().shape(),
    });
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
    // A file that says nothing of models is taken as it is.
    let vector = Tensor::ones(20, candle_core::DType::F32, &Device::Cpu).unwrap();
    let tensors = HashMap::from([("vector", vector)]);
    candle_core::safetensors::save(&tensors, &path).unwrap();
    assert!(file.plan(&own).is_ok());
}
