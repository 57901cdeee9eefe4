//! Which sites a sweep visits, in the order of its table.

use vene_model::{Component, DecoderConfig};

use super::SweepUnit;
use crate::sweep::SweepError;

/// Components by layer, layers outermost; those that a model has once stand at their depth. Where all layers are meant, a
/// component is visited in those that have it.
pub(super) fn of(
    components: &[Component],
    layers: Option<&[usize]>,
    config: &DecoderConfig,
) -> Vec<(Component, Option<usize>)> {
    let is_visited = |component: Component, layer: usize| {
        let is_anywhere = component.missing(config).is_none();
        layers.is_some() || !is_anywhere || component.missing_in(config, layer).is_none()
    };
    let all = || (0..config.layers.len()).collect();
    let once = |before: bool| {
        components.iter().filter(move |component| {
            !component.per_layer() && (**component == Component::Embedding) == before
        })
    };
    let mut places: Vec<_> = once(true).map(|&component| (component, None)).collect();
    for layer in layers.map_or_else(all, <[usize]>::to_vec) {
        let per_layer = components
            .iter()
            .filter(|component| component.per_layer() && is_visited(**component, layer));
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
