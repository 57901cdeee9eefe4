//! The rows of a long run, a batch at a time.

use std::ops::Range;

/// By how much a batch is larger than the one before it, until it has the full size.
const GROWTH: usize = 4;

/// Batches that cover `rows`: the first has `first` rows, so that a run that is stopped early loses little, later ones up to
/// `most`. Both are taken for 1 at least. Equal arguments give equal batches everywhere.
pub fn batches(rows: Range<usize>, first: usize, most: usize) -> Vec<Range<usize>> {
    let most = most.max(1);
    let (mut batches, mut start, mut size) = (Vec::new(), rows.start, first.clamp(1, most));
    while start < rows.end {
        let end = (start + size).min(rows.end);
        batches.push(start..end);
        (start, size) = (end, size.saturating_mul(GROWTH).min(most));
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_grow_and_cover_the_rows() {
        assert_eq!(batches(3..100, 2, 30), [3..5, 5..13, 13..43, 43..73, 73..100]);
        assert_eq!(batches(0..3, 8, 2), [0..2, 2..3]);
        assert_eq!(batches(0..2, 0, 0), [0..1, 1..2]);
        assert!(batches(5..5, 1, 1).is_empty());
    }
}
