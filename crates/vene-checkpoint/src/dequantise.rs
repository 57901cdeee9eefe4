//! Stored weights to `f32`.
//!
//! The quantised formats are those of ggml; a weight is `code * scale` or `code * scale + offset` with
//! a small integer `code`, and a group of neighbouring weights shares scale and offset. The order of the
//! multiplications is ggml's, so that results are equal to its own to the last bit. In the comments a block's bytes are
//! listed in their order.

mod codes;
mod k_quants;
mod ternary;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::Element;

/// How a quantised format divides its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quanta {
    /// Neighbouring weights that share a scale, 16 or 32.
    pub group: usize,
    /// The smallest code, where sixteen codes from it on are all that there are.
    pub sixteen_from: Option<i8>,
    /// Whether a group has an offset.
    pub has_offsets: bool,
}

impl Element {
    /// How the format divides its weights; `None` where each stands for itself.
    pub fn quanta(self) -> Option<Quanta> {
        let quanta =
            |group, sixteen_from, has_offsets| Some(Quanta { group, sixteen_from, has_offsets });
        match self {
            Self::F64 | Self::F32 | Self::F16 | Self::BF16 => None,
            Self::Q4_0 => quanta(32, Some(-8), false),
            Self::Q4_1 | Self::Q4_K => quanta(32, Some(0), true),
            Self::Q5_0 | Self::Q8_0 | Self::IQ4_NL | Self::IQ4_XS | Self::MXFP4 => {
                quanta(32, None, false)
            }
            Self::Q5_1 | Self::Q5_K => quanta(32, None, true),
            Self::Q2_K => quanta(16, Some(0), true),
            Self::Q3_K => quanta(16, Some(-4), false),
            Self::Q6_K | Self::NVFP4 => quanta(16, None, false),
            Self::TQ1_0 | Self::TQ2_0 => quanta(32, Some(-1), false),
        }
    }

    /// Whether the weights of a block are numbers: whether its scales are, since codes are small.
    pub(crate) fn is_finite(self, block: &[u8]) -> bool {
        let number = |at: usize| u16::from_le_bytes([block[at], block[at + 1]]);
        match self {
            Self::F64 => block.try_into().is_ok_and(|bytes| f64::from_le_bytes(bytes).is_finite()),
            Self::F32 => block.try_into().is_ok_and(|bytes| f32::from_le_bytes(bytes).is_finite()),
            Self::BF16 => bf16::from_bits(number(0)).is_finite(),
            _ => self.halves_in_block().iter().all(|at| f16::from_bits(number(*at)).is_finite()),
        }
    }

    /// Where in a block its numbers of half precision lie.
    fn halves_in_block(self) -> &'static [usize] {
        match self {
            Self::F64 | Self::F32 | Self::BF16 | Self::MXFP4 | Self::NVFP4 => &[],
            Self::F16 | Self::Q4_0 | Self::Q5_0 | Self::Q8_0 => &[0],
            Self::IQ4_NL | Self::IQ4_XS => &[0],
            Self::Q4_1 | Self::Q5_1 | Self::Q4_K | Self::Q5_K => &[0, 2],
            Self::Q2_K => &[80, 82],
            Self::Q3_K => &[108],
            Self::Q6_K => &[208],
            Self::TQ1_0 => &[52],
            Self::TQ2_0 => &[64],
        }
    }
}

/// Turns whole blocks into numbers: `bytes` holds `weights.len() / block_len` blocks.
///
/// Where the lengths don't fit, the surplus of either is left alone (callers cut both by
/// the same number of blocks).
pub(crate) fn dequantise(element: Element, bytes: &[u8], weights: &mut [f32]) {
    match element {
        Element::F64 => one_by_one::<8>(bytes, weights, |bytes| f64::from_le_bytes(bytes) as f32),
        Element::F32 => one_by_one::<4>(bytes, weights, f32::from_le_bytes),
        Element::F16 => halves(bytes, weights),
        Element::BF16 => {
            one_by_one::<2>(bytes, weights, |bytes| bf16::from_le_bytes(bytes).to_f32());
        }
        quantised => weigh(quantised, bytes, weights),
    }
}

/// Codes, scales and offsets of whole blocks, as many as `codes` has room for: a scale and an offset for each group. A
/// format without offsets leaves these alone, and one whose weights stand for themselves leaves everything.
///
/// # Panics
/// Where there are fewer bytes than the codes take, or fewer scales or offsets than groups.
pub fn read_quanta(
    element: Element,
    bytes: &[u8],
    codes: &mut [i8],
    scales: &mut [f32],
    offsets: &mut [f32],
) {
    let into = (codes, scales, offsets);
    match element {
        Element::F64 | Element::F32 | Element::F16 | Element::BF16 => {}
        Element::Q4_0 => by_block(bytes, into, q4_0),
        Element::Q4_1 => by_block(bytes, into, q4_1),
        Element::Q5_0 => by_block(bytes, into, q5_0),
        Element::Q5_1 => by_block(bytes, into, q5_1),
        Element::Q8_0 => by_block(bytes, into, q8_0),
        Element::Q2_K => by_block(bytes, into, k_quants::q2_k),
        Element::Q3_K => by_block(bytes, into, k_quants::q3_k),
        Element::Q4_K => by_block(bytes, into, k_quants::q4_k),
        Element::Q5_K => by_block(bytes, into, k_quants::q5_k),
        Element::Q6_K => by_block(bytes, into, k_quants::q6_k),
        Element::IQ4_NL => by_block(bytes, into, codes::iq4_nl),
        Element::IQ4_XS => by_block(bytes, into, codes::iq4_xs),
        Element::MXFP4 => by_block(bytes, into, codes::mxfp4),
        Element::NVFP4 => by_block(bytes, into, codes::nvfp4),
        Element::TQ1_0 => by_block(bytes, into, ternary::tq1_0),
        Element::TQ2_0 => by_block(bytes, into, ternary::tq2_0),
    }
}

/// One block, taken apart.
struct Block<'b, const WEIGHTS: usize, const GROUPS: usize> {
    codes: &'b mut [i8; WEIGHTS],
    scales: &'b mut [f32; GROUPS],
    offsets: &'b mut [f32; GROUPS],
}

/// Walks blocks of `BYTES` bytes, `WEIGHTS` weights and `GROUPS` groups in step.
fn by_block<const BYTES: usize, const WEIGHTS: usize, const GROUPS: usize>(
    bytes: &[u8],
    (codes, scales, offsets): (&mut [i8], &mut [f32], &mut [f32]),
    decode: impl Fn(&[u8; BYTES], Block<'_, WEIGHTS, GROUPS>),
) {
    let (blocks, _) = bytes.as_chunks::<BYTES>();
    let (codes, _) = codes.as_chunks_mut::<WEIGHTS>();
    let (scales, _) = scales.as_chunks_mut::<GROUPS>();
    let (offsets, _) = offsets.as_chunks_mut::<GROUPS>();
    let count = codes.len();
    assert!(blocks.len() >= count && scales.len() >= count && offsets.len() >= count);
    let groups = scales.iter_mut().zip(offsets);
    for ((block, codes), (scales, offsets)) in blocks.iter().zip(codes).zip(groups) {
        decode(block, Block { codes, scales, offsets });
    }
}

/// Quantised weights by their codes.
fn weigh(element: Element, bytes: &[u8], weights: &mut [f32]) {
    /// A whole number of blocks of every format.
    const AT_ONCE: usize = 256;
    let Some(Quanta { group, has_offsets, .. }) = element.quanta() else { return };
    let (mut codes, mut scales, mut offsets) = ([0; AT_ONCE], [0.0; 16], [0.0; 16]);
    let bytes_at_once = AT_ONCE / element.block_len() * element.block_bytes();
    for (bytes, weights) in bytes.chunks(bytes_at_once).zip(weights.chunks_mut(AT_ONCE)) {
        let whole = (bytes.len() / element.block_bytes()) * element.block_len();
        let count = whole.min(weights.len() / element.block_len() * element.block_len());
        read_quanta(element, bytes, &mut codes[..count], &mut scales, &mut offsets);
        let groups = weights[..count].chunks_mut(group).zip(codes.chunks(group));
        for ((weights, codes), (scale, offset)) in groups.zip(scales.iter().zip(&offsets)) {
            for (weight, code) in weights.iter_mut().zip(codes) {
                *weight = f32::from(*code) * scale;
                if has_offsets {
                    *weight += offset;
                }
            }
        }
    }
}

/// Numbers of so many bytes.
fn one_by_one<const BYTES: usize>(
    bytes: &[u8],
    weights: &mut [f32],
    number: impl Fn([u8; BYTES]) -> f32,
) {
    let (numbers, _) = bytes.as_chunks::<BYTES>();
    for (bytes, weight) in numbers.iter().zip(weights) {
        *weight = number(*bytes);
    }
}

/// Float16, by the processor's own conversion where it has one. The bytes may lie at an odd
/// address, so that they go through an aligned buffer.
fn halves(bytes: &[u8], weights: &mut [f32]) {
    const BUFFER: usize = 512;
    let mut buffer = [f16::ZERO; BUFFER];
    let (halves, _) = bytes.as_chunks::<2>();
    for (stored, output) in halves.chunks(BUFFER).zip(weights.chunks_mut(BUFFER)) {
        for (half, bytes) in buffer.iter_mut().zip(stored) {
            *half = f16::from_le_bytes(*bytes);
        }
        buffer[..output.len()].convert_to_f32_slice(output);
    }
}

/// The float16 at `at`.
fn half_at<const BYTES: usize>(block: &[u8; BYTES], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The 32 fifth bits at `at`.
fn fifth_bits<const BYTES: usize>(block: &[u8; BYTES], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

/// The two codes of each of 16 bytes: the low nibbles are weights 0 to 15, the high ones 16 to 31.
fn nibbles(bytes: &[u8], lowest: i8, codes: &mut [i8; 32]) {
    let (low, high) = codes.split_at_mut(16);
    for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
        *low = (byte & 15) as i8 + lowest;
        *high = (byte >> 4) as i8 + lowest;
    }
}

/// The same with a fifth bit for each weight.
fn fives(bytes: &[u8], fifth: u32, lowest: i8, codes: &mut [i8; 32]) {
    nibbles(bytes, lowest, codes);
    for (index, code) in codes.iter_mut().enumerate() {
        *code += (((fifth >> index) & 1) << 4) as i8;
    }
}

/// scale (f16), 16 bytes of nibbles.
fn q4_0(block: &[u8; 18], out: Block<'_, 32, 1>) {
    *out.scales = [half_at(block, 0)];
    nibbles(&block[2..], -8, out.codes);
}

/// scale (f16), offset (f16), nibbles.
fn q4_1(block: &[u8; 20], out: Block<'_, 32, 1>) {
    (*out.scales, *out.offsets) = ([half_at(block, 0)], [half_at(block, 2)]);
    nibbles(&block[4..], 0, out.codes);
}

/// scale (f16), one fifth bit for each weight, nibbles.
fn q5_0(block: &[u8; 22], out: Block<'_, 32, 1>) {
    *out.scales = [half_at(block, 0)];
    fives(&block[6..], fifth_bits(block, 2), -16, out.codes);
}

/// scale (f16), offset (f16), fifth bits, nibbles.
fn q5_1(block: &[u8; 24], out: Block<'_, 32, 1>) {
    (*out.scales, *out.offsets) = ([half_at(block, 0)], [half_at(block, 2)]);
    fives(&block[8..], fifth_bits(block, 4), 0, out.codes);
}

/// scale (f16), 32 signed bytes.
fn q8_0(block: &[u8; 34], out: Block<'_, 32, 1>) {
    *out.scales = [half_at(block, 0)];
    for (code, &byte) in out.codes.iter_mut().zip(&block[2..]) {
        *code = byte as i8;
    }
}
