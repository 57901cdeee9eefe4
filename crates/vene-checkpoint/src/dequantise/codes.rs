//! Formats whose four bits are the number of a value in a table.

use super::{Block, half_at};

/// The values of IQ4_NL and IQ4_XS: closer together near zero.
const UNEVEN: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// Twice the numbers that a sign, two bits of exponent and one of mantissa (E2M1) can say.
const TINY_FLOATS: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// The low nibbles are the first half of the weights, the high ones the second.
fn look_up(table: &[i8; 16], nibbles: &[u8], codes: &mut [i8]) {
    let (low, high) = codes.split_at_mut(nibbles.len());
    for ((low, high), byte) in low.iter_mut().zip(high).zip(nibbles) {
        *low = table[usize::from(byte & 15)];
        *high = table[usize::from(byte >> 4)];
    }
}

/// scale (f16), 16 bytes of nibbles.
pub(super) fn iq4_nl(block: &[u8; 18], out: Block<'_, 32, 1>) {
    *out.scales = [half_at(block, 0)];
    look_up(&UNEVEN, &block[2..], out.codes);
}

/// scale (f16), eight high bit pairs and eight low nibbles of group scales, 128 bytes of nibbles, 16
/// for each group of 32 weights.
pub(super) fn iq4_xs(block: &[u8; 136], out: Block<'_, 256, 8>) {
    let scale = half_at(block, 0);
    let pairs = u16::from_le_bytes([block[2], block[3]]);
    let (lows, nibbles) = block[4..].split_at(4);
    let groups = out.codes.chunks_exact_mut(32).zip(out.scales);
    for (group, (codes, of_group)) in groups.enumerate() {
        let low = i16::from((lows[group / 2] >> (4 * (group % 2))) & 15);
        let high = ((pairs >> (2 * group)) & 3) as i16;
        *of_group = scale * f32::from((low | (high << 4)) - 32);
        look_up(&UNEVEN, &nibbles[16 * group..][..16], codes);
    }
}

/// An exponent of eight bits (E8M0), 16 bytes of nibbles. The table is of doubled values, so that
/// the scale is half of what the exponent says; the smallest two are subnormal.
pub(super) fn mxfp4(block: &[u8; 17], out: Block<'_, 32, 1>) {
    let exponent = u32::from(block[0]);
    let bits = if exponent < 2 { 0x0020_0000 << exponent } else { (exponent - 1) << 23 };
    *out.scales = [f32::from_bits(bits)];
    look_up(&TINY_FLOATS, &block[1..], out.codes);
}

/// Four scales of four bits of exponent and three of mantissa (E4M3, no sign), 32 bytes of nibbles,
/// eight for each group of 16 weights.
pub(super) fn nvfp4(block: &[u8; 36], out: Block<'_, 64, 4>) {
    let (scales, nibbles) = block.split_at(4);
    let groups = out.codes.chunks_exact_mut(16).zip(out.scales);
    for (group, (codes, of_group)) in groups.enumerate() {
        let byte = scales[group];
        let (exponent, mantissa) = (i32::from(byte >> 3) & 15, f32::from(byte & 7));
        let scale = match (byte, exponent) {
            (0 | 0x7f, _) => 0.0,
            (_, 0) => mantissa / 512.0,
            _ => (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
        };
        // The table is of doubled values.
        *of_group = scale * 0.5;
        look_up(&TINY_FLOATS, &nibbles[8 * group..][..8], codes);
    }
}
