//! Which observations belong together.

use std::collections::HashMap;

/// The cluster of each observation: observations of one group are no independent ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clusters {
    /// `[observation]`, counted from 0 in order of appearance.
    of: Vec<usize>,
    count: usize,
}

impl Clusters {
    /// Observations by the names of their groups; one without a group is a cluster of its own.
    pub fn of(groups: impl IntoIterator<Item = Option<impl AsRef<str>>>) -> Self {
        let mut numbers = HashMap::new();
        let mut count = 0;
        let mut next = || {
            count += 1;
            count - 1
        };
        let of = groups.into_iter().map(|group| match group {
            Some(name) => *numbers.entry(name.as_ref().to_owned()).or_insert_with(&mut next),
            None => next(),
        });
        Self { of: of.collect(), count }
    }

    /// Observations that have nothing to do with each other.
    pub fn independent(observations: usize) -> Self {
        Self { of: (0..observations).collect(), count: observations }
    }

    /// How many clusters there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many observations there are.
    pub fn observations(&self) -> usize {
        self.of.len()
    }

    /// The cluster of an observation, counted from 0 in order of appearance.
    pub(super) fn of_observation(&self, observation: usize) -> usize {
        self.of[observation]
    }

    /// `[cluster]`: how many observations it has.
    pub(super) fn sizes(&self) -> Vec<f64> {
        let mut sizes = vec![0.0; self.count];
        for &cluster in &self.of {
            sizes[cluster] += 1.0;
        }
        sizes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn observations_without_a_group_stand_alone() {
        let clusters = Clusters::of([Some("b"), None, Some("a"), None, Some("b")]);
        assert_eq!(clusters.of, [0, 1, 2, 3, 0]);
        assert_eq!((clusters.count(), clusters.observations()), (4, 5));
        assert_eq!(clusters.sizes(), [2.0, 1.0, 1.0, 1.0]);
        let none: [Option<&str>; 3] = [None; 3];
        assert_eq!(Clusters::of(none), Clusters::independent(3));
    }
}
