//! A published autoencoder belongs to the place that it was trained at.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use vene::Outline;
use vene::plan_file::{Format, PlanFile};
use vene_test_support::Fixture;

/// A folder as SAELens writes it, for values of 20 dimensions.
fn sae(folder: &Path, hook: &str) {
    let tensor = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
    let tensors = [
        ("W_enc", tensor(&[20, 4])),
        ("b_enc", tensor(&[4])),
        ("W_dec", tensor(&[4, 20])),
        ("b_dec", tensor(&[20])),
    ];
    let tensors: std::collections::HashMap<_, _> = tensors.into_iter().collect();
    candle_core::safetensors::save(&tensors, folder.join("sae_weights.safetensors")).unwrap();
    let config = format!(
        r#"{{"architecture": "standard", "d_in": 20, "d_sae": 4, "hook_name": "{hook}", "model_name": "gpt2-small"}}"#
    );
    std::fs::write(folder.join("cfg.json"), config).unwrap();
}

fn read(
    outline: &Outline,
    folder: &Path,
    component: &str,
    layer: usize,
    more: &str,
) -> Result<(), String> {
    let text = format!(
        "[[edit]]\nintervention = {{ name = 'feature_edit', autoencoder = {{ name = 'sae_lens', path = '.'{more} }}, \
         features = [{{ feature = 1, set = 0.0 }}], error_term = 'kept' }}\ncomponent = '{component}'\nlayer = {layer}\n"
    );
    let file = PlanFile::parse(&text, Format::Toml, folder).unwrap();
    file.plan(outline).map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn it_is_refused_elsewhere_unless_one_says_so() {
    let outline = Fixture::new("gpt2-plain").outline().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    sae(folder, "blocks.1.hook_resid_pre");
    assert_eq!(read(&outline, folder, "block_input", 1, ""), Ok(()));
    // The same place under its other name.
    assert_eq!(read(&outline, folder, "block_output", 0, ""), Ok(()));
    for (component, layer) in [("block_input", 0), ("mlp_output", 1)] {
        let error = read(&outline, folder, component, layer, "").unwrap_err();
        assert!(error.contains("line 2") && error.contains("`blocks.1.hook_resid_pre`"), "{error}");
        assert!(error.contains(&format!("is to edit {component} of layer {layer}")), "{error}");
        assert_eq!(read(&outline, folder, component, layer, ", elsewhere = true"), Ok(()));
    }
    // A deeper model's.
    sae(folder, "blocks.8.hook_resid_pre");
    let error = read(&outline, folder, "block_input", 1, "").unwrap_err();
    assert!(error.contains("`blocks.8.hook_resid_pre` of another model"), "{error}");
    // A name that says nothing here.
    sae(folder, "somewhere");
    assert_eq!(read(&outline, folder, "block_input", 1, ""), Ok(()));
}
