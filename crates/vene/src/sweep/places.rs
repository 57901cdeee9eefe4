//! Which sites a sweep visits, in the order of its table.

use vene_model::{Component, DecoderConfig};

use super::SweepUnit;
use crate::error::SweepError;

/// Components by layer, layers outermost; those that a model has once stand at their depth.
pub(super) fn of(
    components: &[Component],
    layers: Option<&[usize]>,
    config: &DecoderConfig,
) -> Vec<(Component, Option<usize>)> {
    let all = || (0..config.layers.len()).collect();
    let layers = layers.map_or_else(all, <[usize]>::to_vec);
    let once = |before: bool| {
        components.iter().filter(move |component| {
            !component.per_layer() && (**component == Component::Embedding) == before
        })
    };
    let mut places: Vec<_> = once(true).map(|&component| (component, None)).collect();
    for layer in layers {
        let per_layer = components.iter().filter(|component| component.per_layer());
        places.extend(per_layer.map(|&component| (component, Some(layer))));
    }
    places.extend(once(false).map(|&component| (component, None)));
    places
}

/// The heads of a component that are swept one by one; `[None]` where they are not told apart.
pub(super) fn heads(
    unit: SweepUnit,
    component: Component,
    chosen: Option<&[usize]>,
    config: &DecoderConfig,
) -> Result<Vec<Option<usize>>, SweepError> {
    match (unit, component.heads(config)) {
        (SweepUnit::Position, _) => match chosen {
            Some(_) => Err(SweepError::HeadsWithoutUnit),
            None => Ok(vec![None]),
        },
        (_, None) => Err(SweepError::NoHeads { component }),
        (_, Some(heads)) => {
            let all = || (0..heads).collect();
            let chosen = chosen.map_or_else(all, <[usize]>::to_vec);
            Ok(chosen.into_iter().map(Some).collect())
        }
    }
}
