//! A sweep asks many questions at once: p-values that take that into account.
//!
//! Of a thousand cells without any effect fifty have a p-value below 0.05.

use vene_named::named;

named! {
    /// How p-values are adjusted for their number.
    #[non_exhaustive]
    pub enum Correction as "correction for many tests", default None {
        /// Not at all.
        None = "none",
        /// Holm 1979: a cell called significant at α is wrongly called so, in any of the cells, with a
        /// probability of at most α, however they depend on each other.
        Holm = "holm",
        /// Benjamini & Hochberg 1995: of the cells called significant at α a share of at most α is
        /// expected to be wrongly called so. For cells that are independent or rise and fall together
        /// (Benjamini & Yekutieli 2001), as neighbours in a sweep mostly do.
        BenjaminiHochberg = "benjamini-hochberg",
    }
}

impl Correction {
    /// The adjusted p-values, in the same order: a cell is significant at α where its adjusted
    /// p-value is at most α. Missing ones (`None`, or NaN) stay missing and count for no test.
    pub fn adjust(self, p_values: &[Option<f64>]) -> Vec<Option<f64>> {
        let p_values = p_values.iter().map(|p_value| p_value.filter(|p| !p.is_nan()));
        let mut adjusted: Vec<Option<f64>> = p_values.collect();
        let mut ascending: Vec<(usize, f64)> =
            adjusted.iter().enumerate().filter_map(|(index, p)| Some((index, (*p)?))).collect();
        ascending.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        let tests = ascending.len() as f64;
        let ranked = ascending.into_iter().enumerate();
        match self {
            Self::None => {}
            // From the smallest on, none smaller than the one before it.
            Self::Holm => {
                let mut before: f64 = 0.0;
                for (earlier, (index, p_value)) in ranked {
                    before = before.max((p_value * (tests - earlier as f64)).min(1.0));
                    adjusted[index] = Some(before);
                }
            }
            // From the largest on, none larger than the one behind it.
            Self::BenjaminiHochberg => {
                let mut behind: f64 = 1.0;
                for (earlier, (index, p_value)) in ranked.rev() {
                    behind = behind.min(p_value * (tests / (earlier as f64 + 1.0)));
                    adjusted[index] = Some(behind);
                }
            }
        }
        adjusted
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const P_VALUES: [f64; 8] = [0.01, 0.04, 0.03, 0.005, 0.5, 0.03, 0.0002, 0.9];

    /// Checks against statsmodels' `multipletests`, called by `fixtures/print_statistics.py`.
    fn check(correction: Correction, expected: [f64; 8]) {
        for (found, expected) in correction.adjust(&P_VALUES.map(Some)).iter().zip(expected) {
            assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?}, expected {expected}");
        }
    }

    #[test]
    fn holm_is_that_of_statsmodels() {
        check(Correction::Holm, [0.06, 0.15, 0.15, 0.035, 1.0, 0.15, 0.0016, 1.0]);
    }

    #[test]
    fn benjamini_hochberg_is_that_of_statsmodels() {
        let (third, seventh) = (0.08 / 3.0, 4.0 / 7.0);
        let expected = [third, 0.16 / 3.0, 0.048, 0.02, seventh, 0.048, 0.0016, 0.9];
        check(Correction::BenjaminiHochberg, expected);
    }

    #[test]
    fn missing_ones_count_for_no_test() {
        for &correction in Correction::ALL {
            let adjusted = correction.adjust(&[Some(0.02), None, Some(f64::NAN), Some(0.03)]);
            let alone = correction.adjust(&[Some(0.02), Some(0.03)]);
            assert_eq!(adjusted, [alone[0], None, None, alone[1]]);
        }
        assert_eq!(Correction::Holm.adjust(&[None]), [None]);
        assert_eq!(Correction::BenjaminiHochberg.adjust(&[]), []);
    }

    #[test]
    fn names_are_read_back() {
        for &correction in Correction::ALL {
            assert_eq!(correction.to_string().parse(), Ok(correction));
        }
        assert_eq!(
            "bonferroni".parse::<Correction>().unwrap_err().to_string(),
            "there is no correction for many tests `bonferroni`. There are none, holm, benjamini-hochberg"
        );
    }

    /// Few different values, so that ties are common, and ones anywhere.
    fn p_values() -> impl Strategy<Value = Vec<f64>> {
        vec(
            prop_oneof![(0..=20_u8).prop_map(|p| f64::from(p) / 20.0), 0.0..=1.0, 0.0..=1e-3],
            0..60,
        )
    }

    proptest! {
        #[test]
        fn adjusted_values_keep_the_order_and_are_no_smaller(p_values in p_values()) {
            let given: Vec<_> = p_values.iter().copied().map(Some).collect();
            for &correction in Correction::ALL {
                let adjusted = correction.adjust(&given);
                for (one, &p) in adjusted.iter().zip(&p_values) {
                    let one = one.unwrap();
                    prop_assert!(one >= p && one <= 1.0, "{correction}: {p} became {one}");
                    for (other, &q) in adjusted.iter().zip(&p_values) {
                        let other = other.unwrap();
                        prop_assert!(p > q || one <= other, "{correction}: {p}, {q}: {one}, {other}");
                    }
                }
            }
            // The family-wise error is the stricter thing to control.
            let pairs = Correction::Holm.adjust(&given);
            let pairs = pairs.iter().zip(Correction::BenjaminiHochberg.adjust(&given));
            for (holm, benjamini_hochberg) in pairs {
                prop_assert!(holm.unwrap() >= benjamini_hochberg.unwrap() * (1.0 - 1e-12));
            }
        }

        #[test]
        fn the_order_does_not_matter(
            p_values in p_values(),
            keys in vec(any::<u32>(), 60),
        ) {
            let mut order: Vec<usize> = (0..p_values.len()).collect();
            order.sort_by_key(|&index| keys[index]);
            let given: Vec<_> = p_values.iter().copied().map(Some).collect();
            let shuffled: Vec<_> = order.iter().map(|&index| given[index]).collect();
            for &correction in Correction::ALL {
                let adjusted = correction.adjust(&given);
                let expected: Vec<_> = order.iter().map(|&index| adjusted[index]).collect();
                prop_assert_eq!(correction.adjust(&shuffled), expected);
            }
        }
    }
}
