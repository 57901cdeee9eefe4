//! Weights in the layout of the kernels.

use std::sync::{Arc, Mutex, PoisonError};

use vene_kernels::{PackedMatrix, RotaryTable};

use crate::config::NormKind;

/// A projection: packed weights, `[out]` biases.
#[derive(Clone, Debug)]
pub struct FusedLinear {
    pub(in crate::operations) weight: Arc<PackedMatrix>,
    pub(in crate::operations) bias: Option<Vec<f32>>,
}

/// A norm: its kind, weight (with Gemma's 1 already added) and bias.
#[derive(Clone, Debug)]
pub struct FusedNorm {
    pub(in crate::operations) kind: NormKind,
    pub(in crate::operations) weight: Vec<f32>,
    pub(in crate::operations) bias: Option<Vec<f32>>,
}

/// A rotary encoding: its frequencies, and its table as far as positions have been asked for. (A
/// context may be long, and prompts seldom are.)
#[derive(Debug)]
pub struct FusedRotary {
    forth: Tables,
    back: Tables,
}

/// Tables of ever more positions.
#[derive(Debug)]
struct Tables {
    frequencies: Vec<f64>,
    table: Mutex<Arc<RotaryTable>>,
}

impl FusedRotary {
    pub(super) fn new(frequencies: &[f64]) -> Self {
        let opposite: Vec<f64> = frequencies.iter().map(|radians| -radians).collect();
        Self { forth: Tables::new(frequencies), back: Tables::new(&opposite) }
    }

    /// The table of at least so many positions.
    pub(in crate::operations) fn table(&self, positions: usize) -> Arc<RotaryTable> {
        self.forth.of(positions)
    }

    /// The same of the rotation back.
    pub(in crate::operations) fn table_back(&self, positions: usize) -> Arc<RotaryTable> {
        self.back.of(positions)
    }
}

impl Tables {
    fn new(frequencies: &[f64]) -> Self {
        let table = Mutex::new(Arc::new(RotaryTable::new(frequencies, 0)));
        Self { frequencies: frequencies.to_vec(), table }
    }

    fn of(&self, positions: usize) -> Arc<RotaryTable> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.positions() < positions {
            *table = Arc::new(RotaryTable::new(&self.frequencies, positions.next_power_of_two()));
        }
        table.clone()
    }
}
