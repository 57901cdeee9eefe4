//! Formats of three values: -1, 0 and 1, times a scale.

use super::{Block, half_at};

/// 48 bytes of five digits to the base 3 each, four bytes of four digits, scale (f16). A byte is its
/// number as a fraction of 1, so that a digit is what a multiplication by 3 carries over.
pub(super) fn tq1_0(block: &[u8; 54], out: Block<'_, 256, 8>) {
    *out.scales = [half_at(block, 52); 8];
    let mut at = 0;
    for (bytes, digits) in [(&block[..32], 5), (&block[32..48], 5), (&block[48..52], 4)] {
        let mut power = 1u8;
        for _ in 0..digits {
            for (code, byte) in out.codes[at..].iter_mut().zip(bytes) {
                let digit = (u16::from(byte.wrapping_mul(power)) * 3) >> 8;
                *code = digit as i8 - 1;
            }
            at += bytes.len();
            power = power.wrapping_mul(3);
        }
    }
}

/// 64 bytes of bit pairs, scale (f16). Each half of 128 weights takes 32 bytes; the pairs of its
/// quarter `q` are at bits `2 q`.
pub(super) fn tq2_0(block: &[u8; 66], out: Block<'_, 256, 8>) {
    *out.scales = [half_at(block, 64); 8];
    for (run, codes) in out.codes.chunks_exact_mut(32).enumerate() {
        let bytes = &block[32 * (run / 4)..][..32];
        for (code, byte) in codes.iter_mut().zip(bytes) {
            *code = ((byte >> (2 * (run % 4))) & 3) as i8 - 1;
        }
    }
}
