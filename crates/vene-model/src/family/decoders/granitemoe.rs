//! Granite 3 with experts (IBM 2024): as Granite, with a mixture of experts in every layer.

use super::{granite, mixture};
use crate::config::Routing;
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{ExpertNames, ExpertSlots, LLAMA, Slots};
use crate::family::table::{Bias, Biases, Gguf, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "granitemoe",
    model_type: "granitemoe",
    gguf: match granite::FAMILY.gguf {
        Some(gguf) => Some(Gguf { architecture: "granitemoe", ..gguf }),
        None => None,
    },
    about: "as granite, with a mixture of experts",
    slots: Slots { experts: Some(EXPERTS), ..LLAMA },
    biases: Biases { mlp: Bias::Never, ..Biases::all(Bias::Said("attention_bias")) },
    special,
    ..granite::FAMILY
};

const EXPERTS: ExpertSlots = ExpertSlots {
    router: "block_sparse_moe.router.layer",
    experts: ExpertNames::Joined {
        gate_and_up: "block_sparse_moe.input_linear",
        down: "block_sparse_moe.output_linear",
    },
    shared: None,
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    granite::special(from, told)?;
    let routing = Routing::ChooseThenSoftmax;
    let experts = mixture::experts(from, "num_local_experts", told.config.d_mlp, routing)?;
    mixture::set_in_all(told, experts);
    Ok(())
}
