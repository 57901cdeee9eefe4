//! Stored weights to `f32`.
//!
//! The quantised formats are those of ggml; a weight is `scale * q` or `scale * q + offset` with
//! a small integer `q`. The order of the multiplications is ggml's, so that results are equal to
//! its own to the last bit. In the comments a block's bytes are listed in their order.

mod codes;
mod k_quants;
mod ternary;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::Element;

/// Turns whole blocks into numbers: `bytes` holds `weights.len() / block_len` blocks.
///
/// Where the lengths don't fit, the surplus of either is left alone (callers cut both by
/// the same number of blocks).
pub(crate) fn dequantise(element: Element, bytes: &[u8], weights: &mut [f32]) {
    match element {
        Element::F64 => by_block::<1, 8>(bytes, weights, |block, out| {
            out[0] = f64::from_le_bytes(*block) as f32;
        }),
        Element::F32 => by_block::<1, 4>(bytes, weights, |block, out| {
            out[0] = f32::from_le_bytes(*block);
        }),
        Element::F16 => halves(bytes, weights),
        Element::BF16 => by_block::<1, 2>(bytes, weights, |block, out| {
            out[0] = bf16::from_le_bytes(*block).to_f32();
        }),
        Element::Q4_0 => by_block(bytes, weights, q4_0),
        Element::Q4_1 => by_block(bytes, weights, q4_1),
        Element::Q5_0 => by_block(bytes, weights, q5_0),
        Element::Q5_1 => by_block(bytes, weights, q5_1),
        Element::Q8_0 => by_block(bytes, weights, q8_0),
        Element::Q2_K => by_block(bytes, weights, k_quants::q2_k),
        Element::Q3_K => by_block(bytes, weights, k_quants::q3_k),
        Element::Q4_K => by_block(bytes, weights, k_quants::q4_k),
        Element::Q5_K => by_block(bytes, weights, k_quants::q5_k),
        Element::Q6_K => by_block(bytes, weights, k_quants::q6_k),
        Element::IQ4_NL => by_block(bytes, weights, codes::iq4_nl),
        Element::IQ4_XS => by_block(bytes, weights, codes::iq4_xs),
        Element::MXFP4 => by_block(bytes, weights, codes::mxfp4),
        Element::NVFP4 => by_block(bytes, weights, codes::nvfp4),
        Element::TQ1_0 => by_block(bytes, weights, ternary::tq1_0),
        Element::TQ2_0 => by_block(bytes, weights, ternary::tq2_0),
    }
}

/// Walks blocks of `BYTES` bytes and `WEIGHTS` weights in step.
fn by_block<const WEIGHTS: usize, const BYTES: usize>(
    bytes: &[u8],
    weights: &mut [f32],
    decode: impl Fn(&[u8; BYTES], &mut [f32; WEIGHTS]),
) {
    let (blocks, _) = bytes.as_chunks::<BYTES>();
    let (outputs, _) = weights.as_chunks_mut::<WEIGHTS>();
    for (block, output) in blocks.iter().zip(outputs) {
        decode(block, output);
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

/// scale (f16), 16 bytes of nibbles: the low ones are weights 0 to 15, the high ones 16 to 31.
fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    for j in 0..16 {
        let byte = block[2 + j];
        out[j] = f32::from(i16::from(byte & 15) - 8) * scale;
        out[j + 16] = f32::from(i16::from(byte >> 4) - 8) * scale;
    }
}

/// scale (f16), offset (f16), nibbles as in Q4_0.
fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (scale, offset) = (half_at(block, 0), half_at(block, 2));
    for j in 0..16 {
        let byte = block[4 + j];
        out[j] = f32::from(byte & 15) * scale + offset;
        out[j + 16] = f32::from(byte >> 4) * scale + offset;
    }
}

/// scale (f16), one fifth bit for each weight, nibbles as in Q4_0.
fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let (scale, fifth) = (half_at(block, 0), fifth_bits(block, 2));
    for j in 0..16 {
        let byte = block[6 + j];
        let low = (byte & 15) | (((fifth >> j) & 1) << 4) as u8;
        let high = (byte >> 4) | (((fifth >> (j + 16)) & 1) << 4) as u8;
        out[j] = f32::from(i16::from(low) - 16) * scale;
        out[j + 16] = f32::from(i16::from(high) - 16) * scale;
    }
}

/// scale (f16), offset (f16), fifth bits, nibbles as in Q4_0.
fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (scale, offset) = (half_at(block, 0), half_at(block, 2));
    let fifth = fifth_bits(block, 4);
    for j in 0..16 {
        let byte = block[8 + j];
        let low = (byte & 15) | (((fifth >> j) & 1) << 4) as u8;
        let high = (byte >> 4) | (((fifth >> (j + 16)) & 1) << 4) as u8;
        out[j] = f32::from(low) * scale + offset;
        out[j + 16] = f32::from(high) * scale + offset;
    }
}

/// scale (f16), 32 signed bytes.
fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    for (weight, &byte) in out.iter_mut().zip(&block[2..]) {
        *weight = f32::from(byte as i8) * scale;
    }
}
