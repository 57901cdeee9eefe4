//! Other tools' names for the components of the table.
//!
//! An alias resolves only where it means the identical tensor in this model; else it is refused
//! with both meanings. TransformerLens by default folds norms and biases into neighbouring
//! weights and centres those that write to the residual stream; the identities below hold for its
//! unprocessed weights (`from_pretrained_no_processing`), since weights here are as published.

use crate::component::{COMPONENTS, Component};
use crate::config::{BlockKind, DecoderConfig};
use crate::error::SiteError;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The component.
    pub component: Component,
    /// The layer, where the name itself says it (`blocks.3.hook_resid_pre`).
    pub layer: Option<usize>,
    /// Whether it is a `head_…` form, which goes with units of heads.
    pub per_head: bool,
}

const TRANSFORMER_LENS: &str = "TransformerLens";

/// pyvene's name of a component in models of this configuration, where it has one for the identical
/// tensor. pyvene takes it in its `head_…` form too where the component has heads.
pub fn pyvene(component: Component, config: &DecoderConfig) -> Option<&'static str> {
    use Component::*;
    let recurs = config.only_kind() == Some(BlockKind::GatedRecurrent);
    match component {
        BlockInput if recurs => Some("cell_input"),
        BlockOutput if recurs => Some("cell_output"),
        ResetGate => Some("reset_gate_output"),
        UpdateGate => Some("update_gate_output"),
        NewGate => Some("new_gate_output"),
        BlockInput | BlockOutput | AttentionInput | AttentionOutput | AttentionValueOutput
        | QueryOutput | KeyOutput | ValueOutput | MlpInput | MlpActivation | MlpOutput => {
            Some(component.name())
        }
        _ => None,
    }
}

/// TransformerLens's name of a component in models of this configuration (behind `blocks.{layer}.`
/// where each layer has one), where it has one for the identical tensor.
pub fn transformer_lens(component: Component, config: &DecoderConfig) -> Option<&'static str> {
    use Component::*;
    if config.only_kind() != Some(BlockKind::Transformer) {
        return None;
    }
    Some(match component {
        Embedding if !config.has_position_embedding() && !config.embedding_norm => "hook_embed",
        BlockInput => "hook_resid_pre",
        BlockOutput => "hook_resid_post",
        ResidualMiddle => "hook_resid_mid",
        QueryOutput => "attn.hook_q",
        KeyOutput => "attn.hook_k",
        ValueOutput => "attn.hook_v",
        RotatedQuery => "attn.hook_rot_q",
        RotatedKey => "attn.hook_rot_k",
        AttentionScore => "attn.hook_attn_scores",
        AttentionWeight => "attn.hook_pattern",
        AttentionValueOutput => "attn.hook_z",
        HeadResult => "attn.hook_result",
        AttentionContribution => "hook_attn_out",
        MlpContribution => "hook_mlp_out",
        MlpGate => "mlp.hook_pre",
        MlpUp if config.gated => "mlp.hook_pre_linear",
        MlpUp => "mlp.hook_pre",
        MlpActivation if !config.gated => "mlp.hook_post",
        MlpNeuron if config.gated => "mlp.hook_post",
        _ => return None,
    })
}

/// TransformerLens's names that mean none of our tensors, and what to ask for instead.
const REFUSED: [(&str, &str); 9] = [
    (
        "hook_embed",
        "there it is the token embedding alone; here `embedding` is the sum with the learned position embedding, which enters block 0",
    ),
    (
        "hook_pos_embed",
        "there it is the position embedding alone; here `embedding` is the sum with the token embedding",
    ),
    (
        "hook_attn_in",
        "there it is the residual stream before the norm, copied for each head; here `attention_input` is behind the norm and `block_input` before it",
    ),
    (
        "hook_q_input",
        "there it is the residual stream before the norm, copied for each head; here `block_input` is the residual stream itself",
    ),
    (
        "hook_k_input",
        "there it is the residual stream before the norm, copied for each head; here `block_input` is the residual stream itself",
    ),
    (
        "hook_v_input",
        "there it is the residual stream before the norm, copied for each head; here `block_input` is the residual stream itself",
    ),
    (
        "hook_mlp_in",
        "there it is the residual stream before the norm; here `mlp_input` is behind the norm and `residual_middle` before it",
    ),
    (
        "hook_normalized",
        "there it is the norm's output before its weight and bias; here `attention_input`, `mlp_input` and `final_norm` are behind them",
    ),
    (
        "hook_scale",
        "there it is the norm's divisor; here norms are not sites, edit their input or output",
    ),
];

/// The component that a name means in models of this configuration: vene's own name, pyvene's
/// (also in its `head_…` forms), or TransformerLens's.
///
/// # Errors
/// Where nothing of that name exists (the error lists what does), where the name means another
/// tensor in its tool, or where this model lacks the component.
pub fn resolve(name: &str, config: &DecoderConfig) -> Result<Named, SiteError> {
    let named = match name.parse::<Component>() {
        Ok(component) => Named { component, layer: None, per_head: false },
        Err(_) => match head_form(name, config) {
            Some(component) => Named { component, layer: None, per_head: true },
            None => match pyvene_name(name, config)? {
                Some(component) => Named { component, layer: None, per_head: false },
                None => {
                    transformer_lens_name(name, config)?.ok_or_else(|| unknown(name, config))?
                }
            },
        },
    };
    match named.component.missing(config) {
        Some(reason) => Err(SiteError::Missing { component: named.component, reason }),
        None => Ok(named),
    }
}

/// pyvene's names of a recurrent cell's inner tensors that are none of ours.
const REFUSED_OF_PYVENE: [(&str, &str); 11] = {
    const ARGUMENT: &str = "there it is the gate's argument, before sigmoid or tanh; here `reset_gate`, \
                            `update_gate` and `new_gate` are behind it";
    const TERM: &str = "there it is one term of a gate's argument; here `reset_gate`, `update_gate` and \
                        `new_gate` are the gates themselves";
    [
        ("reset_gate_input", ARGUMENT),
        ("update_gate_input", ARGUMENT),
        ("new_gate_input", ARGUMENT),
        ("x2h_output", TERM),
        ("h2h_output", TERM),
        ("reset_x2h_output", TERM),
        ("update_x2h_output", TERM),
        ("new_x2h_output", TERM),
        ("reset_h2h_output", TERM),
        ("update_h2h_output", TERM),
        ("new_h2h_output", TERM),
    ]
};

/// A name of pyvene's that is not also vene's.
fn pyvene_name(name: &str, config: &DecoderConfig) -> Result<Option<Component>, SiteError> {
    let is_it = |component: &Component| pyvene(*component, config) == Some(name);
    if let Some(component) = Component::all(config).find(is_it) {
        return Ok(Some(component));
    }
    match REFUSED_OF_PYVENE.iter().find(|(refused, _)| *refused == name) {
        Some((_, meaning)) => Err(SiteError::Ambiguous {
            name: name.to_owned(),
            tool: "pyvene",
            meaning: (*meaning).to_owned(),
        }),
        None => Ok(None),
    }
}

fn head_form(name: &str, config: &DecoderConfig) -> Option<Component> {
    let component = name.strip_prefix("head_")?.parse::<Component>().ok()?;
    component.heads(config).map(|_| component)
}

fn transformer_lens_name(name: &str, config: &DecoderConfig) -> Result<Option<Named>, SiteError> {
    let (layer, hook) = match name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) {
        Some((layer, hook)) => match layer.parse() {
            Ok(layer) => (Some(layer), hook),
            Err(_) => return Ok(None),
        },
        None => (None, name),
    };
    let short = hook.rsplit('.').next().unwrap_or(hook);
    if !short.starts_with("hook_") {
        return Ok(None);
    }
    let known = Component::all(config).find(|&component| {
        transformer_lens(component, config).is_some_and(|alias| {
            alias == hook || (layer.is_none() && alias.rsplit('.').next() == Some(hook))
        })
    });
    if let Some(component) = known {
        return Ok(Some(Named { component, layer, per_head: false }));
    }
    match REFUSED.iter().find(|(refused, _)| *refused == short) {
        Some((_, meaning)) => Err(SiteError::Ambiguous {
            name: name.to_owned(),
            tool: TRANSFORMER_LENS,
            meaning: (*meaning).to_owned(),
        }),
        None => Ok(None),
    }
}

fn unknown(name: &str, config: &DecoderConfig) -> SiteError {
    let spelt = name.replace("attn", "attention");
    let own = vene_named::meant(&spelt, COMPONENTS.iter().map(|info| info.name));
    let mut meant: Vec<String> = own.iter().map(|&own| own.to_owned()).collect();
    if let Some((component, hook)) = without_hook(name, config)
        && !own.contains(&component.name())
    {
        meant.push(format!("{component}, which is {TRANSFORMER_LENS}'s {hook}"));
    }
    let hint = match &meant[..] {
        [] => String::new(),
        meant => format!(" (did you mean {}?)", meant.join(", or ")),
    };
    SiteError::UnknownComponent { name: name.chars().take(80).collect(), hint }
}

/// The component that TransformerLens calls so, with the `hook_` that its name has: `resid_post`.
fn without_hook(name: &str, config: &DecoderConfig) -> Option<(Component, &'static str)> {
    let short = |hook: &'static str| hook.rsplit('.').next()?.strip_prefix("hook_");
    Component::all(config).find_map(|component| {
        let hook = transformer_lens(component, config)?;
        (short(hook) == Some(name)).then_some((component, hook))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::{Extents, LayerConfig, NormKind, Rotary};

    fn config(gated: bool, rotary: bool, post_norms: bool) -> DecoderConfig {
        let layer = LayerConfig {
            rotary: rotary.then_some(0),
            ..LayerConfig::without_attention(BlockKind::Transformer)
        };
        let extents = Extents {
            d_model: 8,
            heads: 2,
            key_value_heads: 1,
            head_dim: 4,
            d_mlp: 16,
            vocabulary: 10,
            context: 8,
            layers: 4,
        };
        DecoderConfig {
            post_norms,
            gated,
            rotaries: if rotary { vec![Rotary::new(1e4, 4)] } else { vec![] },
            layers: vec![layer; 4],
            ..DecoderConfig::transformer("test", extents, NormKind::Layer { epsilon: 1e-5 })
        }
    }

    fn component(name: &str, config: &DecoderConfig) -> Result<Component, SiteError> {
        resolve(name, config).map(|named| named.component)
    }

    #[test]
    fn every_own_name_resolves_to_itself() {
        let config = config(true, true, true);
        for wanted in Component::all(&config) {
            assert_eq!(component(wanted.name(), &config), Ok(wanted));
        }
    }

    #[test]
    fn an_alias_depends_on_what_the_tensor_is_in_this_model() {
        let (plain, gated) = (config(false, false, false), config(true, true, true));
        assert_eq!(component("blocks.3.mlp.hook_post", &plain), Ok(Component::MlpActivation));
        assert_eq!(component("blocks.3.mlp.hook_post", &gated), Ok(Component::MlpNeuron));
        assert_eq!(component("mlp.hook_pre", &plain), Ok(Component::MlpUp));
        assert_eq!(component("mlp.hook_pre", &gated), Ok(Component::MlpGate));
        assert_eq!(component("hook_embed", &gated), Ok(Component::Embedding));
        assert!(matches!(component("hook_embed", &plain), Err(SiteError::Ambiguous { .. })));
        assert_eq!(component("hook_attn_out", &gated), Ok(Component::AttentionContribution));
    }

    #[test]
    fn a_name_may_carry_its_layer_or_its_heads() {
        let config = config(false, false, false);
        let named = resolve("blocks.3.hook_resid_pre", &config).unwrap();
        assert_eq!((named.component, named.layer), (Component::BlockInput, Some(3)));
        let named = resolve("head_attention_value_output", &config).unwrap();
        assert_eq!((named.component, named.per_head), (Component::AttentionValueOutput, true));
    }

    #[test]
    fn a_recurrent_cell_has_names_of_its_own() {
        let mut config = config(false, false, false);
        config.layers = vec![LayerConfig::without_attention(BlockKind::GatedRecurrent); 2];
        for (name, wanted) in [
            ("cell_input", Component::BlockInput),
            ("cell_output", Component::BlockOutput),
            ("block_output", Component::BlockOutput),
            ("new_gate_output", Component::NewGate),
        ] {
            assert_eq!(component(name, &config), Ok(wanted));
        }
        let error = component("reset_gate_input", &config).unwrap_err().to_string();
        assert!(error.contains("pyvene is refused: there it is the gate's argument"), "{error}");
        assert!(component("hook_resid_pre", &config).is_err());
        config.layers[0].kind = BlockKind::Transformer;
        assert!(component("cell_input", &config).is_err());
    }

    #[test]
    fn what_is_not_identical_is_refused_with_both_meanings() {
        let config = config(false, false, false);
        for name in ["blocks.0.hook_mlp_in", "ln_final.hook_normalized", "blocks.1.ln1.hook_scale"]
        {
            let error = component(name, &config).unwrap_err();
            assert!(matches!(error, SiteError::Ambiguous { .. }), "{name}: {error}");
        }
        assert!(matches!(component("mlp_gate", &config), Err(SiteError::Missing { .. })));
        let error = component("mlp_outptu", &config).unwrap_err().to_string();
        assert!(error.contains("did you mean mlp_output?"), "{error}");
        assert!(error.contains("attention_value_output"), "{error}");
    }

    #[test]
    fn names_of_other_tools_are_known_without_their_hook() {
        let config = config(false, false, false);
        for (name, meant) in [
            ("mlp_out", "mlp_output, or mlp_contribution, which is TransformerLens's hook_mlp_out"),
            ("resid_post", "block_output, which is TransformerLens's hook_resid_post"),
            ("resid_pre", "block_input, which is TransformerLens's hook_resid_pre"),
            ("attn_out", "attention_output, or attention_contribution, which is"),
            ("z", "attention_value_output, which is TransformerLens's attn.hook_z"),
            ("residual_stream", "block_output, or block_input"),
            ("attn_weight", "attention_weight"),
        ] {
            let error = component(name, &config).unwrap_err().to_string();
            assert!(error.contains(&format!("did you mean {meant}")), "{name}: {error}");
        }
    }
}
