//! Autoencoders in files: as SAELens and Gemma Scope publish them, and as nobody should.

use std::path::Path;

use candle_core::Tensor;
use serde_json::{Value, json};
use vene::intervention::{Autoencoder, AutoencoderOrigin, gemma_scope, sae_lens};
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
    assert!(autoencoder.parameters().iter().all(|parameter| !parameter.is_trained()));
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
    let (autoencoder, origin) =
        gemma_scope::load(&folder().join("gemma_scope/params.npz")).unwrap();
    agrees(&autoencoder, "gemma_scope");
    assert_eq!(origin, AutoencoderOrigin::default());
}

#[test]
fn folders_of_gemma_scope_say_where_an_autoencoder_belongs() {
    let origin = |path: &str| gemma_scope::origin(Path::new(path));
    let of = |path: &str| {
        let AutoencoderOrigin { model, hook, layer, .. } = origin(path).unwrap();
        (model.unwrap_or_default(), hook.unwrap_or_default(), layer)
    };
    let texts = |model: &str, hook: &str, layer| (model.to_owned(), hook.to_owned(), layer);
    assert_eq!(
        of("x/gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz"),
        texts("gemma-2-2b", "blocks.20.hook_resid_post", Some(20))
    );
    assert_eq!(
        of("models--google--gemma-scope-9b-it-res/snapshots/f/layer_9/width_131k/a/params.npz"),
        texts("gemma-2-9b-it", "blocks.9.hook_resid_post", Some(9))
    );
    assert_eq!(
        of("gemma-scope-2b-pt-mlp/layer_3/width_65k/a/params.npz"),
        texts("gemma-2-2b", "blocks.3.hook_mlp_out", Some(3))
    );
    assert_eq!(
        of("gemma-scope-2b-pt-att/layer_3/width_65k/a/params.npz"),
        texts("gemma-2-2b", "blocks.3.attn.hook_z", Some(3))
    );
    assert_eq!(of("layer_3/params.npz"), texts("", "", Some(3)));
    let refused = |path: &str| origin(path).unwrap_err().to_string();
    assert!(refused("gemma-scope-2b-pt-res/embedding/width_4k/a/params.npz").contains("embedding"));
    assert!(refused("gemma-scope-2b-pt-transcoders/layer_3/w/a/params.npz").contains("transcoder"));
    let copy = tempfile::tempdir().unwrap();
    let inner = copy.path().join("layer_1/width_16k/average_l0_7");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::copy(folder().join("gemma_scope/params.npz"), inner.join("params.npz")).unwrap();
    let error = gemma_scope::load(&inner.join("params.npz")).unwrap_err().to_string();
    assert!(error.contains("width_16k, which is 16384 latents; it has 10"), "{error}");
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
    assert!(
        set("finetuning_scaling_factor", json!(true)).contains(
            "finetuning_scaling_factor is true, and the weights hold no `scaling_factor`"
        )
    );
    assert!(set("normalize_activations", json!(true)).contains("expected none"));
    assert_eq!(set("normalize_activations", json!(false)), "loaded");
    assert_eq!(set("normalize_activations", json!(null)), "loaded");
    assert!(set("activation_fn_kwargs", json!({"k": 4})).contains("ReLU takes none"));
    assert!(set("hook_head_index", json!(2)).contains("of one head's values are not supported"));
    assert!(set("dtype", json!("int8")).contains("dtype is `int8`, which is not supported"));
    assert!(
        set("hook_layer", json!(4)).contains("is `blocks.3.hook_resid_post`, and hook_layer is 4")
    );
    assert!(
        set("hook_name", json!("blocks.2.hook_resid_post")).contains("hook_name is said twice")
    );
    assert!(
        set("hook_point", json!("blocks.2.hook_resid_post")).contains("hook_name is said twice")
    );
    assert!(set("act_fn", json!("gelu")).contains("the key `act_fn` is not understood"));
    assert_eq!(set("l1_coefficient", json!(4.0)), "loaded");
    assert!(set("metadata", json!("none")).contains("expected a table of keys"));
    for architecture in ["topk", "batchtopk", "matryoshka_batchtopk", "temporal", "transcoder"] {
        assert!(set("architecture", json!(architecture)).contains("is not supported"));
    }
    assert!(set("rescale_acts_by_decoder_norm", json!(true)).contains("not supported"));
    assert!(set("apply_b_dec_to_input", json!("yes")).contains("expected true or false"));
    assert_eq!(set("d_sae", json!(9)), "/cfg.json: d_sae is 9; the weights have 10");
    assert_eq!(set("d_in", json!(null)), "/cfg.json: d_in is not stated; the weights have 6");
    assert!(
        set("architecture", json!("jumprelu")).contains("there is no `threshold`"),
        "a threshold that is missing is not 0"
    );
}

/// What a copy of the fixture's `standard` computes with another configuration and more weights.
fn decoded(
    change: impl Fn(&mut Value),
    weights: &[(&str, Tensor)],
) -> (Vec<f64>, AutoencoderOrigin) {
    let original = folder().join("sae_lens/standard");
    let copy = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(original.join("cfg.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    change(&mut config);
    std::fs::write(copy.path().join("cfg.json"), config.to_string()).unwrap();
    let file = original.join("sae_weights.safetensors");
    let mut all = candle_core::safetensors::load(&file, &candle_core::Device::Cpu).unwrap();
    all.extend(weights.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())));
    let file = copy.path().join("sae_weights.safetensors");
    candle_core::safetensors::save(&all, &file).unwrap();
    let (autoencoder, origin) = sae_lens::load(copy.path()).unwrap();
    let given = &tensors("interventions/interventions.safetensors")["sae_lens/standard/latents"];
    (values(&autoencoder.decode(given).unwrap()), origin)
}

#[test]
fn factors_of_fine_tuned_latents_act_before_the_decoder() {
    let all = tensors("interventions/interventions.safetensors");
    let factors: Vec<f32> = (0..10).map(|latent| 0.5 + latent as f32 / 10.0).collect();
    let factors = Tensor::new(factors, &candle_core::Device::Cpu).unwrap();
    let given = [("scaling_factor", factors.clone())];
    let (found, _) = decoded(|config| config["finetuning_scaling_factor"] = true.into(), &given);
    // SAELens before version 6: (latents * factors) @ W_dec + b_dec.
    let file = folder().join("sae_lens/standard/sae_weights.safetensors");
    let weights = candle_core::safetensors::load(file, &candle_core::Device::Cpu).unwrap();
    let latents = all["sae_lens/standard/latents"].broadcast_mul(&factors).unwrap();
    let expected = latents.matmul(&weights["W_dec"]).unwrap();
    let expected = expected.broadcast_add(&weights["b_dec"]).unwrap();
    assert!(relative_error(&found, &values(&expected)) < 1e-6);
    // Factors of 1 were stored beside all weights for a time.
    let ones = [("scaling_factor", factors.ones_like().unwrap())];
    let plain = values(&all["sae_lens/standard/decoded"]);
    assert!(relative_error(&decoded(|_| (), &ones).0, &plain) < 1e-5);
    assert!(changed(|_| (), Some(&given)).contains("and finetuning_scaling_factor is false"));
}

#[test]
fn configurations_of_all_versions_say_the_same() {
    let (now, origin) = decoded(|_| (), &[]);
    let version_2 = |config: &mut Value| {
        *config = json!({
            "model_name": "tiny", "hook_point": "blocks.3.hook_resid_post", "hook_point_layer": 3,
            "hook_point_head_index": null, "activation_fn": "relu", "normalize_activations": false,
            "d_in": 6, "d_sae": 10, "dtype": "torch.float32", "device": "mps", "l1_coefficient": 0.1,
            "lr": 4e-4, "prepend_bos": false, "model_kwargs": {}, "wandb_project": "saes",
        });
    };
    let (then, before) = decoded(version_2, &[]);
    assert_eq!(now, then);
    assert_eq!((before.hook.clone(), before.model.clone()), (origin.hook, origin.model));
    assert_eq!((before.prepend_bos, before.layer), (Some(false), Some(3)));
    let version_5 = |config: &mut Value| {
        *config = json!({
            "architecture": "standard", "d_in": 6, "d_sae": 10, "activation_fn_str": "relu",
            "activation_fn_kwargs": {}, "apply_b_dec_to_input": true, "finetuning_scaling_factor": false,
            "context_size": 128, "model_name": "tiny", "hook_name": "blocks.3.hook_resid_post",
            "hook_layer": 3, "hook_head_index": null, "prepend_bos": true, "dataset_path": "x",
            "dataset_trust_remote_code": true, "normalize_activations": "none", "dtype": "float32",
            "device": "cpu", "sae_lens_training_version": "5.10.2", "neuronpedia_id": null,
            "model_from_pretrained_kwargs": {"center_writing_weights": true}, "seqpos_slice": [null],
        });
    };
    let (then, before) = decoded(version_5, &[]);
    assert_eq!(now, then);
    assert_eq!(before.notices.len(), 1);
    assert!(before.notices[0].contains("center_writing_weights"), "{:?}", before.notices);
    // Half precision is what SAELens would round the weights to.
    let (half, _) = decoded(|config| config["dtype"] = "float16".into(), &[]);
    assert_ne!(now, half);
    assert!(relative_error(&half, &now) < 2e-3);
    let (_, named) = decoded(|config| config["metadata"]["flavour"] = "mint".into(), &[]);
    assert!(named.notices[0].contains("flavour"), "{:?}", named.notices);
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
