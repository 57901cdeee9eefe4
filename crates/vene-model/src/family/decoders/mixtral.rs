//! Mixtral (Jiang et al. 2024): as Mistral, with a mixture of experts in every layer.

use super::{mistral, mixture};
use crate::config::Routing;
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{ExpertNames, ExpertSlots, LLAMA, Slots};
use crate::family::table::Transformer;

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "mixtral",
    model_type: "mixtral",
    about: "as mistral, with a mixture of experts",
    slots: Slots { experts: Some(EXPERTS), ..LLAMA },
    special,
    ..mistral::FAMILY
};

const EXPERTS: ExpertSlots = ExpertSlots {
    router: "block_sparse_moe.gate",
    experts: ExpertNames::Each { at: "block_sparse_moe.experts", gate: "w1", up: "w3", down: "w2" },
    shared: None,
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    mistral::special(from, told)?;
    let routing = Routing::SoftmaxThenChoose { normalised: true };
    let experts = mixture::experts(from, "num_local_experts", told.config.d_mlp, routing)?;
    mixture::set_in_all(told, experts);
    Ok(())
}
