//! Formats whose four bits are the number of a value in a table.

use super::half_at;

/// The values of IQ4_NL and IQ4_XS: closer together near zero.
const UNEVEN: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// Twice the numbers that a sign, two bits of exponent and one of mantissa (E2M1) can say.
const TINY_FLOATS: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// `scale * value`: the low nibbles are the first half of the weights, the high ones the second.
fn look_up(table: &[i8; 16], scale: f32, nibbles: &[u8], out: &mut [f32]) {
    let (low, high) = out.split_at_mut(nibbles.len());
    for ((low, high), byte) in low.iter_mut().zip(high).zip(nibbles) {
        *low = scale * f32::from(table[usize::from(byte & 15)]);
        *high = scale * f32::from(table[usize::from(byte >> 4)]);
    }
}

/// scale (f16), 16 bytes of nibbles.
pub(super) fn iq4_nl(block: &[u8; 18], out: &mut [f32; 32]) {
    look_up(&UNEVEN, half_at(block, 0), &block[2..], out);
}

/// scale (f16), eight high bit pairs and eight low nibbles of group scales, 128 bytes of nibbles, 16
/// for each group of 32 weights.
pub(super) fn iq4_xs(block: &[u8; 136], out: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let pairs = u16::from_le_bytes([block[2], block[3]]);
    let (lows, nibbles) = block[4..].split_at(4);
    for (group, weights) in out.chunks_exact_mut(32).enumerate() {
        let low = i16::from((lows[group / 2] >> (4 * (group % 2))) & 15);
        let high = ((pairs >> (2 * group)) & 3) as i16;
        let scale = scale * f32::from((low | (high << 4)) - 32);
        look_up(&UNEVEN, scale, &nibbles[16 * group..][..16], weights);
    }
}

/// An exponent of eight bits (E8M0), 16 bytes of nibbles. The table is of doubled values, so that
/// the scale is half of what the exponent says; the smallest two are subnormal.
pub(super) fn mxfp4(block: &[u8; 17], out: &mut [f32; 32]) {
    let exponent = u32::from(block[0]);
    let bits = if exponent < 2 { 0x0020_0000 << exponent } else { (exponent - 1) << 23 };
    look_up(&TINY_FLOATS, f32::from_bits(bits), &block[1..], out);
}

/// Four scales of four bits of exponent and three of mantissa (E4M3, no sign), 32 bytes of nibbles,
/// eight for each group of 16 weights.
pub(super) fn nvfp4(block: &[u8; 36], out: &mut [f32; 64]) {
    let (scales, nibbles) = block.split_at(4);
    for (group, weights) in out.chunks_exact_mut(16).enumerate() {
        let byte = scales[group];
        let (exponent, mantissa) = (i32::from(byte >> 3) & 15, f32::from(byte & 7));
        let scale = match (byte, exponent) {
            (0 | 0x7f, _) => 0.0,
            (_, 0) => mantissa / 512.0,
            _ => (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
        };
        // The table is of doubled values.
        look_up(&TINY_FLOATS, scale * 0.5, &nibbles[8 * group..][..8], weights);
    }
}
