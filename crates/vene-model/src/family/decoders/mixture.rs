//! What families with mixtures of experts say of them.

use crate::config::{Experts, Routing};
use crate::error::ModelError;
use crate::family::keys::wrong;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{ExpertNames, ExpertSlots};

/// Qwen's names, which OLMoE has, too.
pub(super) const QWEN: ExpertSlots = ExpertSlots {
    router: "mlp.gate",
    experts: ExpertNames::Each {
        at: "mlp.experts",
        gate: "gate_proj",
        up: "up_proj",
        down: "down_proj",
    },
    shared: None,
};

/// How many experts there are by this key, and how many of them a token has.
pub(super) fn experts(
    from: &Reading<'_>,
    count: &str,
    d_expert: usize,
    routing: Routing,
) -> Result<Experts, ModelError> {
    let key = from.naming.pick("num_experts_per_tok", "expert_used_count");
    let count = from.keys.extent(from.naming.pick(count, "expert_count"))?;
    let chosen = from.keys.count(key)?;
    if chosen > count {
        return Err(wrong(key, &chosen.into(), &format!("at most {count}, the experts")));
    }
    Ok(Experts { count, chosen, d_expert, routing, d_shared: None, clamped: None })
}

/// Softmax over all, of which those that are chosen may be made to sum to 1; in GGUF files whether they are is a matter of
/// the family.
pub(super) fn softmax_then_choose(
    from: &Reading<'_>,
    normalised_in_gguf: bool,
) -> Result<Routing, ModelError> {
    let normalised = match from.is_hugging_face() {
        true => from.keys.flag_or("norm_topk_prob", false)?,
        false => normalised_in_gguf,
    };
    Ok(Routing::SoftmaxThenChoose { normalised })
}

/// The width of an expert's hidden layer, where it has a key of its own.
pub(super) fn d_expert(from: &Reading<'_>) -> Result<usize, ModelError> {
    from.keys.extent(from.naming.pick("moe_intermediate_size", "expert_feed_forward_length"))
}

/// In every layer.
pub(super) fn set_in_all(told: &mut Described, experts: Experts) {
    told.config.layers.iter_mut().for_each(|layer| layer.experts = Some(experts));
}

/// In every so many layers, but for those that are named: as Qwen has it. In GGUF files in all.
pub(super) fn set_in_sparse_layers(
    from: &Reading<'_>,
    told: &mut Described,
    experts: Experts,
) -> Result<(), ModelError> {
    const DENSE: &str = "mlp_only_layers";
    if !from.is_hugging_face() {
        set_in_all(told, experts);
        return Ok(());
    }
    let step = from.keys.optional_count("decoder_sparse_step")?.unwrap_or(1);
    let list = from.keys.value(DENSE).unwrap_or_default();
    let is_list = list.is_null() || list.is_array();
    let dense: Option<Vec<u64>> = list
        .as_array()
        .map_or(Some(Vec::new()), |list| list.iter().map(|item| item.as_u64()).collect());
    let Some(dense) = dense.filter(|_| is_list) else {
        return Err(wrong(DENSE, &list, "a list of layers"));
    };
    for (index, layer) in told.config.layers.iter_mut().enumerate() {
        if (index + 1) % step == 0 && !dense.contains(&(index as u64)) {
            layer.experts = Some(experts);
        }
    }
    Ok(())
}
