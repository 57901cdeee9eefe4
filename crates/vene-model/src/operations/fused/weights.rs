//! Weights in the layout of the kernels.

use std::sync::{Arc, Mutex, PoisonError};

use vene_kernels::{PackedMatrix, RotaryTable};

use crate::config::NormKind;

/// A projection: packed weights, `[out]` biases.
#[derive(Clone, Debug)]
pub struct FusedLinear {
    pub(super) weight: Arc<PackedMatrix>,
    pub(super) bias: Option<Vec<f32>>,
}

/// A norm: its kind, weight (with Gemma's 1 already added) and bias.
#[derive(Clone, Debug)]
pub struct FusedNorm {
    pub(super) kind: NormKind,
    pub(super) weight: Vec<f32>,
    pub(super) bias: Option<Vec<f32>>,
}

/// A rotary encoding: its frequencies, and its table as far as positions have been asked for. (A
/// context may be long, and prompts seldom are.)
#[derive(Debug)]
pub struct FusedRotary {
    frequencies: Vec<f64>,
    table: Mutex<Arc<RotaryTable>>,
}

impl FusedRotary {
    pub(super) fn new(frequencies: &[f64]) -> Self {
        let table = Mutex::new(Arc::new(RotaryTable::new(frequencies, 0)));
        Self { frequencies: frequencies.to_vec(), table }
    }

    /// The table of at least so many positions.
    pub(super) fn table(&self, positions: usize) -> Arc<RotaryTable> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.positions() < positions {
            *table = Arc::new(RotaryTable::new(&self.frequencies, positions.next_power_of_two()));
        }
        table.clone()
    }
}
