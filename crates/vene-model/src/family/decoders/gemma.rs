//! Gemma (Gemma Team 2024): as Llama, with a scaled embedding and norm weights that are published as their difference from 1.

use super::llama;
use crate::config::Activation;
use crate::error::ModelError;
use crate::family::keys::shortened;
use crate::family::reading::{Described, Reading};
use crate::family::table::{Activates, Bias, Biases, Gguf, GgufHead, Norm, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "gemma",
    model_type: "gemma",
    gguf: Some(Gguf {
        architecture: "gemma",
        head: GgufHead::Embedding,
        is_permuted: false,
        reads_windows: false,
    }),
    about: "as llama, with a scaled embedding and a GELU MLP",
    norm: Norm::OffsetRootMeanSquare("rms_norm_eps"),
    activation: Activates::Said("hidden_act", Activation::GeluTanh),
    biases: Biases { mlp: Bias::Never, ..Biases::all(Bias::Said("attention_bias")) },
    ties: true,
    special,
    ..llama::FAMILY
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    const NEWER: &str = "hidden_activation";
    let (own, newer) = (from.keys.value("hidden_act"), from.keys.said(NEWER));
    if let Some(newer) = newer.filter(|newer| own.as_ref() != Some(newer)) {
        from.keys.notices.add(format!(
            "`{NEWER}` = {} is not read: `hidden_act` is used, as transformers 4.52 and 5 do (older versions used \
             `{NEWER}`)",
            shortened(&newer)
        ));
    }
    if own.is_some_and(|own| own == "gelu") {
        from.keys.notices.add(
            "`hidden_act` = gelu means gelu_pytorch_tanh in a Gemma, as transformers 5 has it (transformers 4.52 computes \
             the exact one)",
        );
        told.config.activation = Activation::GeluTanh;
    }
    told.config.embedding_scale = Some((told.config.d_model as f64).sqrt());
    Ok(())
}
