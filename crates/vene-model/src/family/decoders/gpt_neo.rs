//! GPT-Neo (Black et al. 2021): as GPT-2, with scores that are not scaled and a window on every second layer.

use serde_json::Value;

use super::{gpt2, llama};
use crate::config::Activation;
use crate::error::ModelError;
use crate::family::keys::wrong;
use crate::family::reading::{Described, Reading};
use crate::family::slots::{Projections, Slots};
use crate::family::table::{
    Activates, Bias, Biases, ExtentKeys, Norm, Positions, Transformer, USUAL_KEYS,
};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "gpt_neo",
    model_type: "gpt_neo",
    gguf: None,
    about: "as gpt2, with unscaled scores and windows on some layers",
    keys: ExtentKeys {
        layers: "num_layers",
        heads: "num_heads",
        key_value_heads: None,
        head_dim: None,
        d_mlp_is_optional: true,
        ..USUAL_KEYS
    },
    norm: Norm::Layer("layer_norm_epsilon"),
    activation: Activates::Said("activation_function", Activation::GeluTanh),
    positions: Positions::Learned,
    slots: SLOTS,
    biases: Biases { projections: Bias::Never, ..Biases::all(Bias::Always) },
    ties: true,
    special,
    ..llama::FAMILY
};

const SLOTS: Slots = Slots {
    // Causal masks that old checkpoints store.
    buffers: &[".attn.attention.bias", ".attn.attention.masked_bias", ".position_ids"],
    projections: Projections::Separate([
        "attn.attention.q_proj",
        "attn.attention.k_proj",
        "attn.attention.v_proj",
    ]),
    attention_output: "attn.attention.out_proj",
    transposed: false,
    ..gpt2::SLOTS
};

const TYPES: &str = "attention_types";

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    let (keys, config) = (from.keys, &mut told.config);
    // What the class makes of the types, and saves beside them.
    keys.ignore(&["attention_layers"]);
    let types = keys.value(TYPES).unwrap_or_default();
    let expected =
        "a list of kinds (`global`, `local`) and how often they are repeated, of all layers";
    let local = of_layers(&types, config.layers.len());
    let local = local.ok_or_else(|| wrong(TYPES, &types, expected))?;
    let window = keys.count("window_size")?;
    for (layer, is_local) in config.layers.iter_mut().zip(local) {
        layer.score_scale = 1.0;
        layer.window = is_local.then_some(window);
    }
    Ok(())
}

/// For each layer whether it is local: of `[[["global", "local"], 12]]` every second of 24.
fn of_layers(types: &Value, layers: usize) -> Option<Vec<bool>> {
    let mut local = Vec::new();
    for group in types.as_array()? {
        let [kinds, times] = group.as_array()?.as_slice() else { return None };
        let kinds = kinds.as_array()?.iter().map(|kind| match kind.as_str()? {
            "global" => Some(false),
            "local" => Some(true),
            _ => None,
        });
        let kinds: Vec<bool> = kinds.collect::<Option<_>>()?;
        // No more than there are layers, whatever a file says.
        let times = usize::try_from(times.as_u64()?).ok().filter(|times| *times <= layers)?;
        (0..times).for_each(|_| local.extend(&kinds));
        if local.len() > layers {
            return None;
        }
    }
    (local.len() == layers).then_some(local)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_are_repeated_and_are_those_of_all_layers() {
        let types = json!([[["global", "local"], 2], [["local"], 1]]);
        assert_eq!(of_layers(&types, 5), Some(vec![false, true, false, true, true]));
        assert_eq!(of_layers(&types, 4), None);
        assert_eq!(of_layers(&json!([[["global"], 1_000_000_000]]), 4), None);
        assert_eq!(of_layers(&json!([[["nearby"], 4]]), 4), None);
        assert_eq!(of_layers(&Value::Null, 4), None);
    }
}
