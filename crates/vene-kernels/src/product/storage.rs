//! Weights in the form in which they are kept: floats, half-precision numbers, or small integers with a scale (and an
//! offset) for each group of inputs.
//!
//! All forms lie in panels (`packed.rs`): the weights of 32 outputs at one input are neighbours. What is no float is
//! widened a stretch of a panel at a time, right before it is multiplied, to the very number that it stands for: a product
//! has the same bits as with the widened weights. Memory and the way from it, by which few rows are bound, are those of the
//! form.

use std::ops::Range;

use half::{bf16, f16};

use super::packed::PANEL;
use super::widen::{self, Weighing};
use crate::buffer::AlignedBuffer;

/// What is kept of a matrix.
#[derive(Debug)]
pub(super) enum Storage {
    Floats(AlignedBuffer),
    Halves(Vec<f16>),
    Brains(Vec<bf16>),
    Quantised(Quantised),
}

/// Codes in panels `[out / 32][in][32]`, scales and offsets in panels `[out / 32][in / group][32]`.
#[derive(Debug)]
pub(super) struct Quantised {
    pub codes: Codes,
    /// Inputs that share a scale.
    pub group: usize,
    pub scales: Vec<f32>,
    /// Empty where there are none.
    pub offsets: Vec<f32>,
}

/// Small integers.
#[derive(Debug)]
pub(super) enum Codes {
    Bytes(Vec<i8>),
    /// Sixteen different ones, from the smallest on. Byte `i` of an input's sixteen has output `i` of the panel in its low
    /// half, and output `i + 16` in its high half.
    Nibbles {
        smallest: i8,
        pairs: Vec<u8>,
    },
}

/// Outputs of a panel whose codes are low nibbles.
pub(super) const LOW: usize = PANEL / 2;

impl Storage {
    /// The weights of a panel at some inputs, `[inputs, PANEL]`; `room` is where they are widened, if they have to be.
    pub fn stretch<'s>(
        &'s self,
        input: usize,
        panel: usize,
        inputs: Range<usize>,
        room: &'s mut AlignedBuffer,
    ) -> &'s [f32] {
        let places = (panel * input + inputs.start) * PANEL..(panel * input + inputs.end) * PANEL;
        if let Self::Floats(floats) = self {
            return &floats[places];
        }
        room.resize(places.len());
        match self {
            Self::Floats(_) => {}
            Self::Halves(halves) => widen::halves(&halves[places], room),
            Self::Brains(brains) => widen::brains(&brains[places], room),
            Self::Quantised(quantised) => quantised.widen(input, panel, inputs, room),
        }
        room
    }

    /// How many bytes one input of a panel takes, scales aside.
    pub fn bytes_of_input(&self) -> usize {
        match self {
            Self::Floats(_) => PANEL * size_of::<f32>(),
            Self::Halves(_) | Self::Brains(_) => PANEL * size_of::<f16>(),
            Self::Quantised(Quantised { codes: Codes::Bytes(_), .. }) => PANEL,
            Self::Quantised(Quantised { codes: Codes::Nibbles { .. }, .. }) => LOW,
        }
    }

    /// Where the weights of an input lie, of all inputs of all panels; one past the last, too.
    pub fn address(&self, input: usize) -> *const f32 {
        let start: *const u8 = match self {
            Self::Floats(floats) => floats.as_ptr().cast(),
            Self::Halves(halves) => halves.as_ptr().cast(),
            Self::Brains(brains) => brains.as_ptr().cast(),
            Self::Quantised(Quantised { codes: Codes::Bytes(bytes), .. }) => bytes.as_ptr().cast(),
            Self::Quantised(Quantised { codes: Codes::Nibbles { pairs, .. }, .. }) => {
                pairs.as_ptr()
            }
        };
        start.wrapping_add(input * self.bytes_of_input()).cast()
    }

    /// Whether weights are multiplied where they lie.
    pub fn is_floats(&self) -> bool {
        matches!(self, Self::Floats(_))
    }

    /// One weight of a panel.
    pub fn at(&self, input: usize, panel: usize, at: usize, column: usize) -> f32 {
        let place = (panel * input + at) * PANEL + column;
        match self {
            Self::Floats(floats) => floats[place],
            Self::Halves(halves) => halves[place].to_f32(),
            Self::Brains(brains) => brains[place].to_f32(),
            Self::Quantised(quantised) => {
                let code = quantised.codes.at(place);
                let group = (panel * (input / quantised.group) + at / quantised.group) * PANEL;
                let weight = f32::from(code) * quantised.scales[group + column];
                match quantised.offsets.get(group + column) {
                    Some(offset) => weight + offset,
                    None => weight,
                }
            }
        }
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Floats(floats) => floats.len() * size_of::<f32>(),
            Self::Halves(halves) => halves.len() * size_of::<f16>(),
            Self::Brains(brains) => brains.len() * size_of::<bf16>(),
            Self::Quantised(Quantised { codes, scales, offsets, .. }) => {
                let codes = match codes {
                    Codes::Bytes(bytes) => bytes.len(),
                    Codes::Nibbles { pairs, .. } => pairs.len(),
                };
                codes + (scales.len() + offsets.len()) * size_of::<f32>()
            }
        }
    }
}

impl Codes {
    fn at(&self, place: usize) -> i8 {
        match self {
            Self::Bytes(bytes) => bytes[place],
            Self::Nibbles { smallest, pairs } => {
                let (start, column) = (place / PANEL * LOW, place % PANEL);
                let shift = if column < LOW { 0 } else { 4 };
                ((pairs[start + column % LOW] >> shift) & 15) as i8 + smallest
            }
        }
    }
}

impl Quantised {
    fn widen(&self, input: usize, panel: usize, inputs: Range<usize>, room: &mut [f32]) {
        let (mut at, mut room) = (inputs.start, room);
        while at < inputs.end {
            let group = at / self.group;
            let end = ((group + 1) * self.group).min(inputs.end);
            let (of_group, rest) = room.split_at_mut((end - at) * PANEL);
            let scales = (panel * (input / self.group) + group) * PANEL;
            let scales = scales..scales + PANEL;
            let places = (panel * input + at) * PANEL..(panel * input + end) * PANEL;
            let weighing = Weighing {
                offsets: self.offsets.get(scales.clone()),
                scales: &self.scales[scales],
            };
            match &self.codes {
                Codes::Bytes(bytes) => widen::bytes(&bytes[places], weighing, of_group),
                Codes::Nibbles { smallest, pairs } => {
                    let pairs = &pairs[places.start / 2..places.end / 2];
                    widen::nibbles(pairs, *smallest, weighing, of_group);
                }
            }
            (at, room) = (end, rest);
        }
    }
}
