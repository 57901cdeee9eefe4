//! A number read as a series of choices, as digits of changing bases: so all candidates of a task
//! are numbered, and drawing numbers without repetition draws candidates without repetition.

/// What is left of the number.
pub(super) struct Choices(u64);

impl Choices {
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// An index below `length` (which is not 0).
    pub fn index(&mut self, length: usize) -> usize {
        let length = length as u64;
        let index = self.0 % length;
        self.0 /= length;
        index as usize
    }

    /// One of a list (which is not empty).
    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.index(list.len())]
    }

    /// `N` different indices below `length` (which is at least `N`), in any order.
    pub fn distinct<const N: usize>(&mut self, length: usize) -> [usize; N] {
        let mut chosen = [0; N];
        for at in 0..N {
            let mut index = self.index(length - at);
            let mut taken = chosen[..at].to_vec();
            taken.sort_unstable();
            for other in taken {
                index += usize::from(index >= other);
            }
            chosen[at] = index;
        }
        chosen
    }
}

/// How many ways there are to choose `count` different ones of `length` in order.
pub(super) fn arrangements(length: usize, count: usize) -> u64 {
    let left = |taken| length.saturating_sub(taken) as u64;
    (0..count).fold(1, |ways: u64, taken| ways.saturating_mul(left(taken)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_number_is_another_arrangement() {
        let all: BTreeSet<[usize; 3]> =
            (0..arrangements(5, 3)).map(|number| Choices::new(number).distinct::<3>(5)).collect();
        assert_eq!(all.len(), 60);
        assert!(all.iter().all(|[a, b, c]| a != b && b != c && a != c && *a.max(b).max(c) < 5));
    }

    #[test]
    fn choices_are_independent() {
        let all: BTreeSet<(usize, char)> = (0..6)
            .map(|number| {
                let mut choices = Choices::new(number);
                (choices.index(3), choices.of(&['a', 'b']))
            })
            .collect();
        assert_eq!(all.len(), 6);
    }
}
