//! StableLM (Bellagente et al. 2024): as Llama, with layer norms and a rotary encoding of a part of each head; in some models
//! attention and MLP stand side by side.

use super::llama;
use crate::config::{Pairing, Residual};
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{LLAMA, NormParts, Slots};
use crate::family::table::{
    Bias, Biases, ExtentKeys, Gguf, GgufHead, Norm, Positions, Share, Transformer, Turning,
    USUAL_KEYS,
};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "stablelm",
    model_type: "stablelm",
    gguf: Some(Gguf {
        architecture: "stablelm",
        head: GgufHead::Own,
        is_permuted: false,
        reads_windows: false,
    }),
    about: "as llama, with layer norms and partly rotary heads",
    keys: ExtentKeys { head_dim: None, ..USUAL_KEYS },
    norm: Norm::Layer("layer_norm_eps"),
    positions: Positions::Rotary(Turning {
        base: Some("rope_theta"),
        share: Share::Factor("partial_rotary_factor"),
        pairing: Pairing::Halves,
    }),
    slots: Slots { norm_parts: NormParts::WeightAndBias, ..LLAMA },
    biases: Biases { projections: Bias::Said("use_qkv_bias"), ..Biases::NONE },
    special,
    ..llama::FAMILY
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    let is_parallel = if from.is_hugging_face() {
        if from.keys.flag_or("qk_layernorm", false)? {
            told.norm_each_head(Some(["self_attn.q_layernorm", "self_attn.k_layernorm"]));
        }
        from.keys.flag_or("use_parallel_residual", false)?
    } else {
        told.norm_each_head_in_gguf(from);
        // Converters write the key whatever it says: as llama.cpp has it, the tensors tell.
        from.keys.ignore(&["use_parallel_residual"]);
        !from.names.contains("blk.0.ffn_norm.weight")
    };
    if is_parallel {
        told.config.residual = Residual::Parallel;
        // There is one norm for both.
        told.slots.mlp_norm = told.slots.attention_norm;
    }
    Ok(())
}
