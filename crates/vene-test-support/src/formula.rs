//! Weights and prompts that are a formula, so that fixtures need not hold them
//! (`fixtures/make_configurations.py` has the same in Python).

/// Uniform in [-0.5, 0.5), exact in f32: splitmix64 of `seed` + index, its top 24 bits.
fn hashed(seed: u64, count: usize) -> impl Iterator<Item = f64> {
    (0..count as u64).map(move |index| {
        let mut x = seed.wrapping_add(index).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^= x >> 31;
        (x >> 40) as f64 / f64::from(1 << 24) - 0.5
    })
}

/// The polynomial of zip and PNG.
fn crc32(text: &str) -> u32 {
    !text.bytes().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    })
}

/// The values of a tensor that goes by this name: norm weights lie around 1 (around 0 if `centred`),
/// projections keep the scale of what goes through them.
pub fn weight(name: &str, shape: &[usize], centred: bool) -> Vec<f32> {
    let noise = hashed(u64::from(crc32(name)) << 32, shape.iter().product());
    let is_norm = name.ends_with("weight") && shape.len() == 1;
    let is_table = ["embed", "wte", "wpe", "lm_head"].iter().any(|part| name.contains(part));
    let (offset, scale) = match shape {
        [_] if is_norm && !centred => (1.0, 0.5),
        [_] => (0.0, 0.5),
        _ if is_table => (0.0, 2.0),
        _ => (0.0, 4.5 / (*shape.iter().min().unwrap() as f64).sqrt()),
    };
    noise.map(|noise| (offset + scale * noise) as f32).collect()
}

/// A prompt of this many tokens.
pub fn prompt(length: usize, vocabulary: usize) -> Vec<u32> {
    hashed(length as u64, length).map(|noise| ((noise + 0.5) * vocabulary as f64) as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_well_known_one() {
        assert_eq!(crc32("123456789"), 0xCBF4_3926);
    }
}
