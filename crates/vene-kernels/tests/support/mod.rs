//! What the kernels' tests share.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses some of it

/// `count` numbers between -1 and 1 that look random, the same for each seed.
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// The nearest number with 8 significant bits.
pub fn brain(x: f32) -> f32 {
    half::bf16::from_f32(x).to_f32()
}

/// The bits, for exact comparisons that also tell NaN and signs of zero.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Runs `work` on pools of one, two and three threads and checks that the bits agree.
pub fn on_any_threads(work: impl Fn() -> Vec<f32> + Sync) -> Vec<f32> {
    let results: Vec<Vec<f32>> = (1..=3)
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(&work)
        })
        .collect();
    assert_eq!(bits(&results[0]), bits(&results[1]));
    assert_eq!(bits(&results[0]), bits(&results[2]));
    results.into_iter().next().unwrap()
}

/// Checks that each number is within `tolerance` of the right one.
#[track_caller]
pub fn assert_close(got: &[f32], right: &[f64], tolerance: f64) {
    assert_eq!(got.len(), right.len());
    for (index, (&got, &right)) in got.iter().zip(right).enumerate() {
        let error = (got as f64 - right).abs();
        assert!(error <= tolerance * right.abs().max(1.0), "{index}: {got}, right is {right}");
    }
}

/// `x W^T + b` in f64.
pub fn product(x: &[f32], weight: &[f32], bias: Option<&[f32]>, input: usize) -> Vec<f64> {
    let mut y = Vec::new();
    for x in x.chunks(input) {
        for (out, weight) in weight.chunks(input).enumerate() {
            let sum: f64 = x.iter().zip(weight).map(|(&a, &b)| a as f64 * b as f64).sum();
            y.push(sum + bias.map_or(0.0, |bias| bias[out] as f64));
        }
    }
    y
}
