//! Weights in the layout of the kernels.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use half::{bf16, f16};
use vene_checkpoint::{Element, Quanta};
use vene_kernels::{self as kernels, PackedMatrix, RotaryTable};

use crate::config::{NormKind, Pairing, Rotary};
use crate::matrix::Matrix;
use crate::pass::RowPlaces;
use crate::tensors::NormTensors;

/// Lays out a matrix for the products with it, in the form in which it is stored.
pub(super) fn pack(matrix: Matrix) -> PackedMatrix {
    let (out, input) = (matrix.shape()[0], matrix.shape()[1]);
    let stored = match matrix {
        Matrix::Numbers(numbers) => return PackedMatrix::pack(&numbers.data, out, input),
        Matrix::Stored(stored) => stored,
    };
    let (pairs, _) = stored.bytes().as_chunks::<2>();
    match (stored.element(), stored.quanta()) {
        (Element::F16, _) => {
            let halves: Vec<f16> = pairs.iter().map(|pair| f16::from_le_bytes(*pair)).collect();
            PackedMatrix::pack_halves(&halves, out, input)
        }
        (Element::BF16, _) => {
            let brains: Vec<bf16> = pairs.iter().map(|pair| bf16::from_le_bytes(*pair)).collect();
            PackedMatrix::pack_brains(&brains, out, input)
        }
        (_, Some(Quanta { group, sixteen_from, has_offsets })) => {
            let quanta = kernels::Quanta { group, sixteen_from, has_offsets };
            PackedMatrix::pack_quantised(quanta, out, input, |row, into| {
                stored.read_row(row, into.codes, into.scales, into.offsets);
            })
        }
        (_, None) => PackedMatrix::pack(&stored.widened(), out, input),
    }
}

/// A projection: packed weights, `[out]` biases.
#[derive(Clone, Debug)]
pub struct FusedLinear {
    pub(in crate::operations) weight: Arc<PackedMatrix>,
    pub(in crate::operations) bias: Option<Vec<f32>>,
}

/// A norm: its kind, weight (with Gemma's 1 already added) and bias. Each stretch of its width in a row is normed by itself.
#[derive(Clone, Debug)]
pub struct FusedNorm {
    pub(in crate::operations) kind: NormKind,
    pub(in crate::operations) weight: Vec<f32>,
    pub(in crate::operations) bias: Option<Vec<f32>>,
    /// Where stretches have weights of their own: these, one stretch after the other. `weight` is ones then.
    pub(in crate::operations) of_stretches: Option<Vec<f32>>,
}

impl FusedNorm {
    pub(super) fn new(tensors: NormTensors, kind: NormKind) -> Self {
        let mut weight = tensors.weight.data;
        if let NormKind::RootMeanSquare { unit_offset: true, .. } = kind {
            weight.iter_mut().for_each(|weight| *weight += 1.0);
        }
        let bias = tensors.bias.map(|bias| bias.data);
        if tensors.stretches == 1 {
            return Self { kind, weight, bias, of_stretches: None };
        }
        let ones = vec![1.0; weight.len() / tensors.stretches];
        Self { kind, weight: ones, bias, of_stretches: Some(weight) }
    }

    /// `y := norm(x)`.
    pub(in crate::operations) fn apply(&self, x: &[f32], y: &mut [f32]) {
        match self.kind {
            NormKind::Layer { epsilon } => {
                kernels::layer_norm(x, &self.weight, self.bias.as_deref(), epsilon as f32, y);
            }
            NormKind::RootMeanSquare { epsilon, .. } => {
                kernels::root_mean_square_norm(x, &self.weight, epsilon as f32, y);
                if let Some(bias) = &self.bias {
                    y.chunks_exact_mut(bias.len()).for_each(|y| kernels::add_in_place(y, bias));
                }
            }
        }
        self.weigh_stretches(y);
    }

    /// The gradient of `x` from that of the result.
    pub(in crate::operations) fn apply_gradient(
        &self,
        x: &[f32],
        gradient: &[f32],
        out: &mut [f32],
    ) {
        let mut weighed = gradient.to_vec();
        self.weigh_stretches(&mut weighed);
        match self.kind {
            NormKind::Layer { epsilon } => {
                kernels::layer_norm_gradient(x, &self.weight, epsilon as f32, &weighed, out);
            }
            NormKind::RootMeanSquare { epsilon, .. } => {
                let epsilon = epsilon as f32;
                kernels::root_mean_square_norm_gradient(x, &self.weight, epsilon, &weighed, out);
            }
        }
    }

    fn weigh_stretches(&self, rows: &mut [f32]) {
        let Some(weights) = &self.of_stretches else { return };
        for row in rows.chunks_exact_mut(weights.len()) {
            row.iter_mut().zip(weights).for_each(|(value, weight)| *value *= weight);
        }
    }
}

/// A rotary encoding: its frequencies, and its table as far as positions have been asked for. (A
/// context may be long, and prompts seldom are.)
#[derive(Debug)]
pub struct FusedRotary {
    rotary: Rotary,
    forth: Tables,
    back: Tables,
}

/// Which way rows are turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operations) enum Direction {
    /// As the encoding says.
    Forth,
    /// By the opposite angles, as gradients are.
    Back,
}

/// Tables of ever more positions.
#[derive(Debug)]
struct Tables {
    frequencies: Vec<f64>,
    magnitude: f64,
    table: Mutex<Arc<RotaryTable>>,
}

impl FusedRotary {
    pub(super) fn new(rotary: &Rotary) -> Self {
        let opposite: Vec<f64> = rotary.frequencies.iter().map(|radians| -radians).collect();
        Self {
            rotary: rotary.clone(),
            forth: Tables::new(&rotary.frequencies, rotary.magnitude),
            back: Tables::new(&opposite, rotary.magnitude),
        }
    }

    /// Which dimensions turn together.
    pub(in crate::operations) fn pairing(&self) -> Pairing {
        self.rotary.pairing
    }

    /// A table, and which of its positions each row has.
    pub(in crate::operations) fn table(
        &self,
        places: RowPlaces<'_>,
        direction: Direction,
    ) -> (Arc<RotaryTable>, Vec<u32>) {
        if self.rotary.long_texts.is_some() {
            return self.table_of_places(places, direction);
        }
        let count = places.positions.iter().max().map_or(0, |last| last + 1);
        let table = match direction {
            Direction::Forth => self.forth.of(count),
            Direction::Back => self.back.of(count),
        };
        (table, places.positions.iter().map(|&position| position as u32).collect())
    }

    /// A table of just these places, where frequencies depend on the text's length.
    fn table_of_places(
        &self,
        places: RowPlaces<'_>,
        direction: Direction,
    ) -> (Arc<RotaryTable>, Vec<u32>) {
        let sign = if direction == Direction::Back { -1.0 } else { 1.0 };
        let mut known: HashMap<(usize, usize), u32> = HashMap::new();
        let mut angles = Vec::new();
        let mut rows = Vec::with_capacity(places.positions.len());
        for (position, length) in places.iter() {
            let next = known.len() as u32;
            let row = *known.entry((position, length)).or_insert(next);
            if row == next {
                let frequencies = self.rotary.frequencies_of(length);
                angles.extend(frequencies.iter().map(|radians| position as f64 * sign * radians));
            }
            rows.push(row);
        }
        let pairs = self.rotary.frequencies.len();
        let (angles, magnitude) = (angles.iter().copied(), self.rotary.magnitude);
        (Arc::new(RotaryTable::of_angles(angles, pairs, known.len(), magnitude)), rows)
    }
}

impl Tables {
    fn new(frequencies: &[f64], magnitude: f64) -> Self {
        let table = Mutex::new(Arc::new(RotaryTable::new(frequencies, 0)));
        Self { frequencies: frequencies.to_vec(), magnitude, table }
    }

    fn of(&self, positions: usize) -> Arc<RotaryTable> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.positions() < positions {
            let positions = positions.next_power_of_two();
            let angles = (0..positions).flat_map(|position| {
                self.frequencies.iter().map(move |radians| position as f64 * radians)
            });
            let pairs = self.frequencies.len();
            let made = RotaryTable::of_angles(angles, pairs, positions, self.magnitude);
            *table = Arc::new(made);
        }
        table.clone()
    }
}
