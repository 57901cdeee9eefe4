//! A site: a component in a layer.

use std::cmp::Ordering;
use std::fmt;

use crate::component::Component;
use crate::config::{BlockKind, DecoderConfig};
use crate::error::SiteError;

/// A component in a layer (`layer` is `None` for the few components that a model has once).
///
/// A `Site` that came from [`Site::new`] exists in its model; the decoder announces it on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    layer: Option<usize>,
    component: Component,
}

impl Site {
    /// The site of `component` in `layer`, checked against the model's configuration.
    ///
    /// # Errors
    /// Where the model lacks the component or the layer, where a layer is given for a component
    /// that a model has once, or is lacking for one that each layer has.
    pub fn new(
        component: Component,
        layer: Option<usize>,
        config: &DecoderConfig,
    ) -> Result<Self, SiteError> {
        if let Some(reason) = component.missing(config) {
            return Err(SiteError::Missing { component, reason });
        }
        match (component.per_layer(), layer) {
            (true, None) => Err(SiteError::LayerNeeded { component }),
            (false, Some(layer)) => Err(SiteError::NoLayers { component, layer }),
            (true, Some(layer)) if layer >= config.layers.len() => {
                Err(SiteError::LayerPastEnd { component, layer, layers: config.layers.len() })
            }
            (true, Some(layer)) => match component.missing_in(config, layer) {
                Some(reason) => Err(SiteError::Missing { component, reason }),
                None => Ok(Self { layer: Some(layer), component }),
            },
            (false, None) => Ok(Self { layer, component }),
        }
    }

    /// For the decoder, which announces what is there by construction.
    pub(crate) const fn at(component: Component, layer: usize) -> Self {
        Self { layer: Some(layer), component }
    }

    /// For the decoder: a component that a model has once.
    pub(crate) const fn once(component: Component) -> Self {
        Self { layer: None, component }
    }

    /// The component.
    pub fn component(self) -> Component {
        self.component
    }

    /// The layer, counted from 0.
    pub fn layer(self) -> Option<usize> {
        self.layer
    }

    /// How deep the site lies, as the block (counted from 1, with what comes before and after all of them) and the
    /// component's rank in it: data flows from lower to higher depths.
    pub fn depth(self) -> (usize, usize) {
        let block = match (self.layer, self.component) {
            (Some(layer), _) => layer + 1,
            (None, Component::Embedding) => 0,
            (None, _) => usize::MAX,
        };
        (block, self.component.rank())
    }

    /// Whether the site is announced step by step, inside a recurrent block: what is edited at one
    /// position is seen there at the positions behind it.
    pub fn is_by_step(self, config: &DecoderConfig) -> bool {
        self.layer.is_some_and(|layer| config.recurs(layer))
            && self.component != Component::BlockInput
    }

    /// The site under which one place with several names is known: `block_output` of a layer is
    /// `block_input` of the next (unless it is also the state of a recurrent block), `embedding` is
    /// `block_input` of layer 0, without post-norms and scales a contribution is the module's output, and in a
    /// multilayer perceptron `mlp_activation` is `block_output`.
    pub fn place(self, config: &DecoderConfig) -> Self {
        let is_feedforward = |layer: usize| config.layers[layer].kind == BlockKind::Feedforward;
        match (self.component, self.layer) {
            (Component::Embedding, None) => Self::at(Component::BlockInput, 0),
            (Component::MlpActivation, Some(layer)) if is_feedforward(layer) => {
                Self::at(Component::BlockOutput, layer).place(config)
            }
            (Component::BlockOutput, Some(layer))
                if layer + 1 < config.layers.len() && !config.recurs(layer) =>
            {
                Self::at(Component::BlockInput, layer + 1)
            }
            (Component::AttentionContribution, Some(layer)) if !config.changes_contributions() => {
                Self::at(Component::AttentionOutput, layer)
            }
            (Component::MlpContribution, Some(layer)) if !config.changes_contributions() => {
                Self::at(Component::MlpOutput, layer)
            }
            (Component::MlpNeuron, Some(layer)) if !config.gated => {
                Self::at(Component::MlpActivation, layer)
            }
            _ => self,
        }
    }
}

impl Ord for Site {
    fn cmp(&self, other: &Self) -> Ordering {
        self.depth().cmp(&other.depth())
    }
}

impl PartialOrd for Site {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Site {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer {
            Some(layer) => write!(formatter, "{} of layer {layer}", self.component),
            None => self.component.fmt(formatter),
        }
    }
}
