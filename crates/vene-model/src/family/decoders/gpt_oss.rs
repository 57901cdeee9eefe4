//! gpt-oss (OpenAI 2025): as Mixtral, with a sink in each head, biases everywhere, a window on every second layer, and experts whose
//! gates and ups are clamped. They are published as four-bit floats.

use super::{llama, mixture, windows};
use crate::config::{ClampedGate, Experts, Routing};
use crate::error::ModelError;
use crate::family::keys::missing;
use crate::family::reading::{Described, HasBias, Reading};
use crate::family::slots::{ExpertNames, ExpertSlots, LLAMA, Slots};
use crate::family::table::{Bias, Biases, Gguf, GgufHead, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "gpt_oss",
    model_type: "gpt_oss",
    gguf: Some(Gguf {
        architecture: "gpt-oss",
        head: GgufHead::Own,
        is_permuted: false,
        reads_windows: true,
    }),
    about: "as mixtral, with attention sinks, biases, windows on some layers and clamped experts",
    slots: Slots { sinks: Some("self_attn.sinks"), experts: Some(EXPERTS), ..LLAMA },
    biases: Biases { mlp: Bias::Always, ..Biases::all(Bias::SaidOrThere("attention_bias")) },
    special,
    ..llama::FAMILY
};

const EXPERTS: ExpertSlots = ExpertSlots {
    router: "mlp.router",
    experts: ExpertNames::Alternating {
        gate_and_up: "mlp.experts.gate_up_proj",
        down: "mlp.experts.down_proj",
    },
    shared: None,
};

/// Where nothing says another.
const CLAMPED: ClampedGate = ClampedGate { steepness: 1.702, limit: 7.0 };

/// Every so many layers one attends to everything.
const PERIOD: usize = 2;

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    let (keys, layers) = (from.keys, told.config.layers.len());
    let mut clamped = CLAMPED;
    let mut d_expert = told.config.d_mlp;
    let slides = if from.is_hugging_face() {
        if !keys.is_said("rope_scaling") && !keys.is_said("rope_parameters") {
            return Err(missing("rope_scaling", "an object, as published models have it"));
        }
        // Which experts are four-bit floats the tensors tell.
        keys.ignore(&["quantization_config"]);
        clamped.steepness = keys.optional_positive("swiglu_alpha")?.unwrap_or(clamped.steepness);
        clamped.limit = keys.optional_positive("swiglu_limit")?.unwrap_or(clamped.limit);
        windows::sliding(from, layers, |layer| (layer + 1) % PERIOD != 0)?
    } else {
        told.slots.mlp_norm = Some("post_attention_norm");
        told.mlp_bias = HasBias::IfThere;
        d_expert = keys.optional_extent("expert_feed_forward_length")?.unwrap_or(d_expert);
        windows::in_gguf(from, layers, PERIOD)?
    };
    windows::set(&mut told.config, &slides, windows::width(from)?);
    let routing = Routing::ChooseThenSoftmax;
    let experts = mixture::experts(from, "num_local_experts", d_expert, routing)?;
    mixture::set_in_all(told, Experts { clamped: Some(clamped), ..experts });
    Ok(())
}
