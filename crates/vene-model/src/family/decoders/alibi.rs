//! The slopes of attention with linear biases (Press et al. 2022), which are computed of the number of heads.

/// A geometric sequence that ends at `2^-largest`, where there is a power of two of heads. Else the heads
/// that are too many take every second slope of the sequence of twice as many.
pub(super) fn slopes(heads: usize, largest: f64) -> Vec<f32> {
    let power = 1 << heads.ilog2();
    let slope = |step: usize, of: usize| 2f64.powf(-largest * step as f64 / of as f64) as f32;
    let further = (0..heads - power).map(|index| slope(2 * index + 1, 2 * power));
    (1..=power).map(|step| slope(step, power)).chain(further).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_beyond_a_power_of_two_stand_between_the_others() {
        assert_eq!(slopes(2, 8.0), [0.0625, 0.00390625]);
        assert_eq!(slopes(3, 8.0), [0.0625, 0.00390625, 0.25]);
        assert_eq!(slopes(1, 8.0), [0.00390625]);
        assert_eq!(slopes(6, 8.0).len(), 6);
    }
}
