//! ggml's K-quants: blocks of 256 weights in groups, whose scales (and offsets) are small integers
//! themselves.

use super::{Block, half_at};

/// 16 bytes of group scales (low nibbles) and minima (high ones), 64 bytes of bit pairs, scale (f16),
/// scale of minima (f16). Each half of 128 weights takes 32 bytes of pairs: in it, the two groups of
/// quarter `q` have theirs at bits `2 q`.
pub(super) fn q2_k(block: &[u8; 84], out: Block<'_, 256, 16>) {
    let (scale, minimum) = (half_at(block, 80), half_at(block, 82));
    let (packed, pairs) = block[..80].split_at(16);
    for (group, codes) in out.codes.chunks_exact_mut(16).enumerate() {
        out.scales[group] = scale * f32::from(packed[group] & 15);
        out.offsets[group] = -(minimum * f32::from(packed[group] >> 4));
        let (pairs, shift) = pairs_of(pairs, group);
        for (code, byte) in codes.iter_mut().zip(pairs) {
            *code = ((byte >> shift) & 3) as i8;
        }
    }
}

/// 32 bytes of third bits (bit `b` of byte `i` is that of weight `32 b + i`; set means that nothing is
/// taken off), 64 bytes of bit pairs as in Q2_K, 12 bytes of six-bit group scales, scale (f16).
pub(super) fn q3_k(block: &[u8; 110], out: Block<'_, 256, 16>) {
    let scale = half_at(block, 108);
    let (thirds, rest) = block.split_at(32);
    let (pairs, packed) = rest.split_at(64);
    for (group, codes) in out.codes.chunks_exact_mut(16).enumerate() {
        let low = (packed[group % 8] >> (4 * (group / 8))) & 15;
        let high = (packed[8 + group % 4] >> (2 * (group / 4))) & 3;
        out.scales[group] = scale * f32::from(i16::from(low | (high << 4)) - 32);
        let thirds = &thirds[16 * (group % 2)..][..16];
        let (pairs, shift) = pairs_of(pairs, group);
        for ((code, pair), third) in codes.iter_mut().zip(pairs).zip(thirds) {
            let missing = if (third >> (group / 2)) & 1 == 0 { 4 } else { 0 };
            *code = ((pair >> shift) & 3) as i8 - missing;
        }
    }
}

/// The bytes with the bit pairs of a group of 16 weights, and where in them they are.
fn pairs_of(pairs: &[u8], group: usize) -> (&[u8], usize) {
    (&pairs[32 * (group / 8) + 16 * (group % 2)..][..16], 2 * (group % 8 / 2))
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
pub(super) fn q4_k(block: &[u8; 144], out: Block<'_, 256, 8>) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let (packed, nibbles) = block[4..].split_at(12);
    for (group, codes) in out.codes.chunks_exact_mut(32).enumerate() {
        let (s, m) = scale_and_minimum(packed, group);
        (out.scales[group], out.offsets[group]) = (scale * s, -(minimum * m));
        let shift = 4 * (group % 2);
        let bytes = &nibbles[32 * (group / 2)..][..32];
        for (code, byte) in codes.iter_mut().zip(bytes) {
            *code = ((byte >> shift) & 15) as i8;
        }
    }
}

/// As Q4_K, with 32 bytes of fifth bits (bit `g` of byte `i` is that of weight `i` of group `g`)
/// before the nibbles.
pub(super) fn q5_k(block: &[u8; 176], out: Block<'_, 256, 8>) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let (packed, rest) = block[4..].split_at(12);
    let (fifths, nibbles) = rest.split_at(32);
    for (group, codes) in out.codes.chunks_exact_mut(32).enumerate() {
        let (s, m) = scale_and_minimum(packed, group);
        (out.scales[group], out.offsets[group]) = (scale * s, -(minimum * m));
        let shift = 4 * (group % 2);
        let bytes = &nibbles[32 * (group / 2)..][..32];
        for ((code, byte), fifth) in codes.iter_mut().zip(bytes).zip(fifths) {
            *code = (((byte >> shift) & 15) | (((fifth >> group) & 1) << 4)) as i8;
        }
    }
}

/// 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales (one for 16 weights),
/// scale (f16). Each half of 128 weights takes 64 bytes of nibbles, 32 of pairs, 8 scales; in it,
/// quarter `q` of 32 weights has its nibbles in bytes `32 * (q % 2)…`, low for the first two
/// quarters and high for the others, and its pairs at bits `2 q`.
pub(super) fn q6_k(block: &[u8; 210], out: Block<'_, 256, 16>) {
    let (lows, rest) = block.split_at(128);
    let (pairs, rest) = rest.split_at(64);
    let scales = &rest[..16];
    let scale = half_at(block, 208);
    for (run, codes) in out.codes.chunks_exact_mut(16).enumerate() {
        let (half, quarter, offset) = (run / 8, (run % 8) / 2, 16 * (run % 2));
        let lows = &lows[64 * half + 32 * (quarter % 2) + offset..][..16];
        let pairs = &pairs[32 * half + offset..][..16];
        out.scales[run] = scale * f32::from(scales[run] as i8);
        for ((code, low), pair) in codes.iter_mut().zip(lows).zip(pairs) {
            let low = (low >> (4 * (quarter / 2))) & 15;
            let high = (pair >> (2 * quarter)) & 3;
            *code = (low | (high << 4)) as i8 - 32;
        }
    }
}
