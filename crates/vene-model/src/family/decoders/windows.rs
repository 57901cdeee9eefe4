//! Which layers attend within a sliding window, as several families say it.

use crate::config::{DecoderConfig, Rotary};
use crate::error::ModelError;
use crate::family::keys::of_each_layer;
use crate::family::reading::Reading;

const TYPES: &str = "layer_types";

/// Of a family whose layers all attend to everything: a list of their types says nothing else.
pub(super) fn none(from: &Reading<'_>) -> Result<(), ModelError> {
    if !from.is_hugging_face() {
        return Ok(());
    }
    let types = from.keys.optional_texts(TYPES)?.unwrap_or_default();
    match types.into_iter().find(|kind| kind != "full_attention") {
        None => Ok(()),
        Some(value) => Err(ModelError::NotUnderstood {
            key: TYPES.into(),
            value,
            understood: "full_attention".into(),
        }),
    }
}

/// Of a family whose versions disagree about which layers slide: none may.
pub(super) fn off(from: &Reading<'_>) -> Result<(), ModelError> {
    if !from.is_hugging_face() {
        return Ok(());
    }
    from.keys.only("use_sliding_window", false.into())?;
    from.keys.ignore(&["sliding_window"]);
    none(from)
}

/// For each layer whether it slides, by its type.
pub(super) fn of_types(types: Vec<String>, layers: usize) -> Result<Vec<bool>, ModelError> {
    let types = of_each_layer(TYPES, types, layers)?;
    let slides = types.into_iter().map(|kind| match kind.as_str() {
        "sliding_attention" => Ok(true),
        "full_attention" => Ok(false),
        _ => Err(ModelError::NotUnderstood {
            key: TYPES.into(),
            value: kind,
            understood: "sliding_attention, full_attention".into(),
        }),
    });
    slides.collect()
}

/// The layers that slide, by their types, or else by the class's rule.
pub(super) fn sliding(
    from: &Reading<'_>,
    layers: usize,
    by_rule: impl Fn(usize) -> bool,
) -> Result<Vec<bool>, ModelError> {
    match from.keys.optional_texts(TYPES)? {
        Some(types) => of_types(types, layers),
        None => Ok((0..layers).map(by_rule).collect()),
    }
}

/// Gives a window, if there is one, to the layers that slide.
pub(super) fn set(config: &mut DecoderConfig, slides: &[bool], window: Option<usize>) {
    for (layer, slides) in config.layers.iter_mut().zip(slides) {
        layer.window = window.filter(|_| *slides);
    }
}

/// Turns the layers that slide by an encoding of their own.
pub(super) fn turn_by(config: &mut DecoderConfig, slides: &[bool], local: Rotary) {
    let index = config.rotaries.len();
    config.rotaries.push(local);
    for (layer, _) in config.layers.iter_mut().zip(slides).filter(|(_, slides)| **slides) {
        layer.rotary = Some(index);
    }
}

/// How many positions a sliding layer sees; null is all of them, and so is 0 in GGUF files.
pub(super) fn width(from: &Reading<'_>) -> Result<Option<usize>, ModelError> {
    let (keys, key) = (from.keys, from.naming.pick("sliding_window", "attention.sliding_window"));
    let is_off = !from.is_hugging_face() && keys.optional_number(key)? == Some(0.0);
    if keys.is_null(key) || is_off { Ok(None) } else { keys.optional_count(key) }
}

/// Which layers of a GGUF file slide: by a period, or by a list; 0 is a period, too, of all layers.
pub(super) fn in_gguf(
    from: &Reading<'_>,
    layers: usize,
    usual_period: usize,
) -> Result<Vec<bool>, ModelError> {
    const PERIOD: &str = "attention.sliding_window_pattern";
    match from.keys.optional_flags(PERIOD)? {
        Some(slides) => of_each_layer(PERIOD, slides, layers),
        None if from.keys.optional_number(PERIOD)? == Some(0.0) => Ok(vec![true; layers]),
        None => {
            let period = from.keys.optional_count(PERIOD)?.unwrap_or(usual_period);
            Ok((0..layers).map(|layer| (layer + 1) % period != 0).collect())
        }
    }
}
