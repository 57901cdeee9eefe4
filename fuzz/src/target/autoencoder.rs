//! Sparse autoencoders as SAELens and Gemma Scope publish them.

use std::path::Path;

use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use vene::intervention::{Autoencoder, SparseAutoencoder, gemma_scope as scope, sae_lens};

use super::{Target, copy, file};
use crate::mutate::Form;

fn exercise(autoencoder: &SparseAutoencoder) -> Result<()> {
    let values = Tensor::ones((2, autoencoder.width()), DType::F32, &Device::Cpu)?;
    autoencoder.decode(&autoencoder.encode(&values)?)?;
    Ok(())
}

/// A folder of SAELens' of which one file changes; seeds are both folders' of the fixtures.
fn sae(folder: &Path, name: &'static str, form: Form, words: &[&'static str]) -> Result<Target> {
    let kinds = ["standard", "jumprelu"];
    let mut seeds = Vec::new();
    for kind in kinds {
        copy(&format!("fixtures/interventions/sae_lens/{kind}"), &folder.join(kind))?;
        seeds.push(file(&format!("fixtures/interventions/sae_lens/{kind}/{name}"))?);
    }
    let folder = folder.to_owned();
    let originals = seeds.clone();
    let mut next = 0;
    Ok(Target {
        seeds,
        form,
        words: words.to_vec(),
        read: Box::new(move |bytes| {
            next =
                originals.iter().position(|seed| seed == bytes).unwrap_or(next + 1) % kinds.len();
            let folder = folder.join(kinds[next]);
            std::fs::write(folder.join(name), bytes)?;
            let (autoencoder, _) = sae_lens::load(&folder)?;
            exercise(&autoencoder)
        }),
    })
}

pub fn config(folder: &Path) -> Result<Target> {
    let words = [
        "architecture",
        "standard",
        "jumprelu",
        "topk",
        "gated",
        "d_in",
        "d_sae",
        "dtype",
        "float32",
        "float16",
        "apply_b_dec_to_input",
        "normalize_activations",
        "hook_name",
        "hook_layer",
        "metadata",
        "activation_fn",
        "relu",
        "k",
        "finetuning_scaling_factor",
        "activation_fn_str",
        "activation_fn_kwargs",
        "expected_average_only_in",
    ];
    sae(folder, "cfg.json", Form::Json, &words)
}

pub fn weights(folder: &Path) -> Result<Target> {
    let words = [
        "W_enc",
        "W_dec",
        "b_enc",
        "b_dec",
        "threshold",
        "scaling_factor",
        "F32",
        "F16",
        "BF16",
        "I64",
    ];
    sae(folder, "sae_weights.safetensors", Form::Safetensors, &words)
}

pub fn gemma_scope(folder: &Path) -> Result<Target> {
    let path = folder.join("params.npz");
    Ok(Target {
        seeds: vec![file("fixtures/interventions/gemma_scope/params.npz")?],
        form: Form::Archive,
        words: vec![
            "W_enc.npy",
            "W_dec.npy",
            "b_enc.npy",
            "b_dec.npy",
            "threshold.npy",
            "'<f4'",
            "'<f8'",
            "'|O'",
            "'>f4'",
            "True",
            "(1073741824, 1073741824)",
            "()",
            "(0,)",
            "descr",
            "shape",
            "fortran_order",
        ],
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            exercise(&scope::load(&path)?.0)
        }),
    })
}
