//! GLM 4 of 2025 (GLM-4-0414): as GLM, with norms after the modules, too.

use super::glm;
use crate::family::slots::Slots;
use crate::family::table::{Gguf, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "glm4",
    model_type: "glm4",
    gguf: Gguf::of("glm4"),
    about: "as glm, with post-norms (GLM-4-0414)",
    slots: Slots {
        attention_post_norm: Some("post_self_attn_layernorm"),
        mlp_post_norm: Some("post_mlp_layernorm"),
        ..glm::SLOTS
    },
    ..glm::FAMILY
};
