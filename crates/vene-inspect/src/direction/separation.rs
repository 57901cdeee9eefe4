//! How well a direction tells texts apart that it was not found on.

use std::collections::BTreeSet;

use vene_random::Draws;

use super::DirectionError;

/// Into so many parts groups are divided, where there are as many.
const FOLDS: usize = 5;

/// A pair that was held out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct HeldOut {
    pub(super) pair: usize,
    pub(super) fold: usize,
    /// Along the unit direction that was found without its fold.
    pub(super) positive: f64,
    pub(super) negative: f64,
    /// Its part of the area under the fold's ROC curve: the mean over both texts of the share of the other side's texts that each
    /// is on the right side of (DeLong et al. 1988). The mean over the pairs of a fold is the area.
    pub(super) auc: f64,
    /// Whether the base's text is above the source's: 1, or 0, or ½ where they are the same.
    pub(super) accuracy: f64,
}

/// The fold of each pair: groups stay together, and are divided by chance. Pairs of no group are groups of their own.
pub(super) fn folds(groups: &[Option<String>], seed: u64) -> Result<Vec<usize>, DirectionError> {
    let named: BTreeSet<&str> = groups.iter().flatten().map(String::as_str).collect();
    let named: Vec<&str> = named.into_iter().collect();
    let alone = groups.iter().filter(|group| group.is_none()).count();
    let count = named.len() + alone;
    if count < 2 {
        let group = named.first().copied().unwrap_or_default().to_owned();
        return Err(DirectionError::OneGroup { group });
    }
    let parts = FOLDS.min(count);
    let mut fold = vec![0; count];
    for (place, group) in Draws::new([seed, count as u64]).order(count).into_iter().enumerate() {
        fold[group] = place % parts;
    }
    let mut next = named.len();
    let of = |group: &Option<String>| match group {
        Some(group) => named.binary_search(&group.as_str()).unwrap_or(0),
        None => {
            next += 1;
            next - 1
        }
    };
    Ok(groups.iter().map(of).map(|group| fold[group]).collect())
}

/// The pairs of a fold by their texts' projections `(positive, negative)`.
pub(super) fn held_out(fold: usize, pairs: &[usize], along: &[(f64, f64)]) -> Vec<HeldOut> {
    let above = |one: f64, other: f64| match one.total_cmp(&other) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    let count = along.len() as f64;
    let each = pairs.iter().zip(along).map(|(&pair, &(positive, negative))| {
        let up: f64 = along.iter().map(|(_, other)| above(positive, *other)).sum();
        let down: f64 = along.iter().map(|(other, _)| above(*other, negative)).sum();
        HeldOut {
            pair,
            fold,
            positive,
            negative,
            auc: (up + down) / (2.0 * count),
            accuracy: above(positive, negative),
        }
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_mean_of_the_parts_is_the_area() {
        let along = [(3.0, 1.0), (0.5, 0.0), (2.0, 2.0), (1.5, 4.0)];
        let found = held_out(0, &[4, 5, 6, 7], &along);
        let area: f64 = along
            .iter()
            .flat_map(|(up, _)| along.iter().map(move |(_, down)| (up, down)))
            .map(|(up, down)| {
                if up > down {
                    1.0
                } else if up == down {
                    0.5
                } else {
                    0.0
                }
            })
            .sum::<f64>()
            / 16.0;
        let mean = found.iter().map(|pair| pair.auc).sum::<f64>() / 4.0;
        assert!((mean - area).abs() < 1e-12, "{mean} {area}");
        let right: Vec<f64> = found.iter().map(|pair| pair.accuracy).collect();
        assert_eq!(right, [1.0, 1.0, 0.5, 0.0]);
        assert_eq!(found[2].pair, 6);
    }

    #[test]
    fn groups_stay_together_and_are_spread() {
        let groups: Vec<Option<String>> =
            (0..40).map(|pair| Some(format!("{}", pair % 10))).collect();
        let found = folds(&groups, 0).unwrap();
        for (pair, fold) in found.iter().enumerate() {
            assert_eq!(*fold, found[pair % 10]);
        }
        for fold in 0..5 {
            assert_eq!(found.iter().filter(|&&of| of == fold).count(), 8);
        }
        assert_ne!(found, folds(&groups, 1).unwrap());
        // Without groups each pair is one.
        let alone = folds(&[None, None, None], 0).unwrap();
        assert_eq!(alone.iter().collect::<BTreeSet<_>>().len(), 3);
        assert!(folds(&[Some("a".to_owned()), Some("a".to_owned())], 0).is_err());
    }
}
