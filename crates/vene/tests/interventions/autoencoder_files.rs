//! Autoencoders in files: as SAELens and Gemma Scope publish them, and as nobody should.

use std::path::Path;

use candle_core::Tensor;
use serde_json::{Value, json};
use vene::intervention::{Autoencoder, gemma_scope, sae_lens};
use vene_test_support::{fixture_folder, relative_error, tensors, values};

fn folder() -> std::path::PathBuf {
    fixture_folder().join("interventions")
}

#[track_caller]
fn agrees(autoencoder: &dyn Autoencoder, name: &str) {
    let all = tensors("interventions/interventions.safetensors");
    let get = |what: &str| &all[&format!("{name}/{what}")];
    let latents = autoencoder.encode(get("values")).unwrap();
    assert!(relative_error(&values(&latents), &values(get("latents"))) < 1e-5);
    assert!(values(&latents).iter().filter(|&&latent| latent == 0.0).count() > 10);
    let decoded = autoencoder.decode(&latents).unwrap();
    assert!(relative_error(&values(&decoded), &values(get("decoded"))) < 1e-5);
    assert!(autoencoder.parameters().iter().all(|parameter| !parameter.trainable));
}

#[test]
fn of_sae_lens() {
    for (name, parameters) in [("standard", 4), ("jumprelu", 5)] {
        let (autoencoder, config) = sae_lens::load(&folder().join("sae_lens").join(name)).unwrap();
        assert_eq!(config.hook.as_deref(), Some("blocks.3.hook_resid_post"));
        assert_eq!(config.model.as_deref(), Some("tiny"));
        assert_eq!(autoencoder.parameters().len(), parameters);
        agrees(&autoencoder, &format!("sae_lens/{name}"));
    }
}

#[test]
fn of_gemma_scope() {
    let autoencoder = gemma_scope::load(&folder().join("gemma_scope/params.npz")).unwrap();
    agrees(&autoencoder, "gemma_scope");
}

/// A copy of the fixture's `standard` with another configuration and, where given, other weights.
fn changed(change: impl Fn(&mut Value), weights: Option<&[(&str, Tensor)]>) -> String {
    let original = folder().join("sae_lens/standard");
    let copy = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(original.join("cfg.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    change(&mut config);
    std::fs::write(copy.path().join("cfg.json"), config.to_string()).unwrap();
    let file = copy.path().join("sae_weights.safetensors");
    std::fs::copy(original.join("sae_weights.safetensors"), &file).unwrap();
    if let Some(weights) = weights {
        let mut all = candle_core::safetensors::load(&file, &candle_core::Device::Cpu).unwrap();
        for (name, tensor) in weights {
            all.insert((*name).to_owned(), tensor.clone());
        }
        candle_core::safetensors::save(&all, &file).unwrap();
    }
    match sae_lens::load(copy.path()) {
        Ok(_) => "loaded".to_owned(),
        Err(error) => error.to_string().replace(&copy.path().display().to_string(), ""),
    }
}

#[test]
fn what_would_give_wrong_numbers_is_refused() {
    assert_eq!(changed(|_| (), None), "loaded");
    let set = |key: &'static str, value: Value| changed(|config| config[key] = value.clone(), None);
    assert_eq!(
        set("architecture", json!("gated")),
        "/cfg.json: architecture `gated` is not supported; standard and jumprelu are"
    );
    assert_eq!(
        set("normalize_activations", json!("layer_norm")),
        "/cfg.json: normalize_activations is \"layer_norm\", which is not supported; expected none"
    );
    assert!(set("activation_fn_str", json!("topk")).contains("expected relu"));
    assert!(set("finetuning_scaling_factor", json!(true)).contains("not supported"));
    assert!(set("rescale_acts_by_decoder_norm", json!(true)).contains("not supported"));
    assert!(set("apply_b_dec_to_input", json!("yes")).contains("expected true or false"));
    assert_eq!(set("d_sae", json!(9)), "/cfg.json: d_sae is 9; the weights have 10");
    assert_eq!(set("d_in", json!(null)), "/cfg.json: d_in is not stated; the weights have 6");
    assert!(
        set("architecture", json!("jumprelu")).contains("there is no `threshold`"),
        "a threshold that is missing is not 0"
    );
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let zeros = |shape: &[usize]| {
        Tensor::zeros(shape, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap()
    };
    let with = |weights: &[(&str, Tensor)]| changed(|_| (), Some(weights));
    assert_eq!(
        with(&[("W_dec", zeros(&[6, 10]))]),
        "`W_dec` has the shape [6, 10]; expected [10, 6]"
    );
    assert_eq!(
        with(&[("W_enc", zeros(&[60]))]),
        "`W_enc` has the shape [60]; expected [width, latents]"
    );
    let nan = (zeros(&[10]) / 0.0).unwrap();
    assert_eq!(with(&[("b_enc", nan)]), "`b_enc` holds NaN at index 0; expected finite numbers");
    assert_eq!(
        with(&[("r_mag", zeros(&[10]))]),
        "/sae_weights.safetensors: `r_mag` belongs to no autoencoder of this kind"
    );
    assert!(sae_lens::load(Path::new("/nowhere")).is_err());
    assert!(gemma_scope::load(&folder().join("sae_lens/standard/cfg.json")).is_err());
}
