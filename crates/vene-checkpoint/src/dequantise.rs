//! Stored weights to `f32`.
//!
//! The quantised formats are those of ggml; a weight is `scale * q` or `scale * q + offset` with
//! a small integer `q`. The order of the multiplications is ggml's, so that results are equal to
//! its own to the last bit. In the comments a block's bytes are listed in their order.

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
        Element::Q4_K => by_block(bytes, weights, q4_k),
        Element::Q5_K => by_block(bytes, weights, q5_k),
        Element::Q6_K => by_block(bytes, weights, q6_k),
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

/// The six-bit scale and minimum of the `j`-th of eight groups of 32 weights, out of 12 bytes:
/// those of groups 0 to 3 are the low bits of bytes 0 to 3 and 4 to 7, those of groups 4 to 7
/// are nibbles of bytes 8 to 11 with two high bits that the first eight bytes have to spare.
fn scale_and_minimum(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, minimum) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (
            (packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4),
            (packed[j + 4] >> 4) | ((packed[j] >> 6) << 4),
        )
    };
    (f32::from(scale), f32::from(minimum))
}

/// scale (f16), scale of minima (f16), 12 bytes of group scales and minima, 128 bytes of nibbles:
/// each run of 32 bytes holds one group in its low and the next in its high nibbles.
fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let (packed, nibbles) = block[4..].split_at(12);
    for (group, weights) in out.chunks_exact_mut(32).enumerate() {
        let (s, m) = scale_and_minimum(packed, group);
        let (s, m) = (scale * s, minimum * m);
        let shift = 4 * (group % 2);
        let bytes = &nibbles[32 * (group / 2)..][..32];
        for (weight, byte) in weights.iter_mut().zip(bytes) {
            *weight = s * f32::from((byte >> shift) & 15) - m;
        }
    }
}

/// As Q4_K, with 32 bytes of fifth bits (bit `g` of byte `i` is that of weight `i` of group `g`)
/// before the nibbles.
fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let (packed, rest) = block[4..].split_at(12);
    let (fifths, nibbles) = rest.split_at(32);
    for (group, weights) in out.chunks_exact_mut(32).enumerate() {
        let (s, m) = scale_and_minimum(packed, group);
        let (s, m) = (scale * s, minimum * m);
        let shift = 4 * (group % 2);
        let bytes = &nibbles[32 * (group / 2)..][..32];
        for ((weight, byte), fifth) in weights.iter_mut().zip(bytes).zip(fifths) {
            let quantum = ((byte >> shift) & 15) | (((fifth >> group) & 1) << 4);
            *weight = s * f32::from(quantum) - m;
        }
    }
}

/// 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales (one for 16 weights),
/// scale (f16). Each half of 128 weights takes 64 bytes of nibbles, 32 of pairs, 8 scales; in it,
/// quarter `q` of 32 weights has its nibbles in bytes `32 * (q % 2)…`, low for the first two
/// quarters and high for the others, and its pairs at bits `2 q`.
fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let (lows, rest) = block.split_at(128);
    let (pairs, rest) = rest.split_at(64);
    let scales = &rest[..16];
    let scale = half_at(block, 208);
    for (run, weights) in out.chunks_exact_mut(16).enumerate() {
        let (half, quarter, offset) = (run / 8, (run % 8) / 2, 16 * (run % 2));
        let lows = &lows[64 * half + 32 * (quarter % 2) + offset..][..16];
        let pairs = &pairs[32 * half + offset..][..16];
        let scale = scale * f32::from(scales[run] as i8);
        for ((weight, low), pair) in weights.iter_mut().zip(lows).zip(pairs) {
            let low = (low >> (4 * (quarter / 2))) & 15;
            let high = (pair >> (2 * quarter)) & 3;
            *weight = scale * f32::from(i16::from(low | (high << 4)) - 32);
        }
    }
}
