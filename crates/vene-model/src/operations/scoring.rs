//! How a layer's queries meet its keys: all that attention is told besides them.

use crate::config::{DecoderConfig, LayerConfig};

/// How a layer's queries meet its keys.
#[derive(Clone, Copy, Debug)]
pub struct Scoring<'a> {
    /// The decoder's configuration.
    pub config: &'a DecoderConfig,
    /// Which layer.
    pub layer: usize,
    /// A score of each query head that takes part in the softmax, and to which no value belongs.
    pub sinks: Option<&'a [f32]>,
}

impl<'a> Scoring<'a> {
    /// The layer's own options.
    pub fn options(&self) -> &'a LayerConfig {
        &self.config.layers[self.layer]
    }

    /// How many positions a query sees, itself included; `None`: all before it.
    pub fn window(&self) -> Option<usize> {
        self.options().window
    }
}
