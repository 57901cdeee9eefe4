//! OLMo 3 (OLMo Team 2025): as OLMo 2, with a sliding window on three of four layers; only the others' rotary encoding is
//! stretched.

use super::{olmo2, windows};
use crate::error::ModelError;
use crate::family::reading::{Described, Reading};
use crate::family::rope;
use crate::family::table::{Positions, Share, Transformer};

pub(in crate::family) const FAMILY: Transformer = Transformer {
    name: "olmo3",
    model_type: "olmo3",
    gguf: None,
    about: "as olmo2, with sliding windows",
    positions: Positions::Special,
    special,
    ..olmo2::FAMILY
};

fn special(from: &Reading<'_>, told: &mut Described) -> Result<(), ModelError> {
    olmo2::special(from, told)?;
    let config = &mut told.config;
    let slides =
        windows::sliding(from, config.layers.len(), |layer| (layer + 1) % olmo2::PERIOD != 0)?;
    windows::set(config, &slides, windows::width(from)?);
    let head_dim = from.turned(&Share::All, config.head_dim)?;
    let [global, local] = rope::of_layers(from.keys, "rope_theta", head_dim, config.context)?;
    config.context = global.context.min(local.context);
    config.rotaries = vec![global.rotary];
    config.layers.iter_mut().for_each(|layer| layer.rotary = Some(0));
    windows::turn_by(config, &slides, local.rotary);
    Ok(())
}
