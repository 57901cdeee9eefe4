//! Makes an input smaller while it still does what it did.

use std::time::{Duration, Instant};

/// A reduction takes no longer.
const LONGEST: Duration = Duration::from_secs(40);

/// The smallest input that was found to fail still: halves are left out, then quarters, and so on.
pub fn reduced(input: Vec<u8>, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let start = Instant::now();
    let mut input = input;
    // Something that fails only after others is kept as it is.
    if !fails(&input) {
        return input;
    }
    let mut size = input.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < input.len() {
            if start.elapsed() > LONGEST {
                return input;
            }
            let end = (at + size).min(input.len());
            let candidate = [&input[..at], &input[end..]].concat();
            if fails(&candidate) {
                input = candidate;
            } else {
                at = end;
            }
        }
        size /= 2;
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_left() {
        let input = b"some text with two [ brackets ] in it".to_vec();
        let fails = |input: &[u8]| input.contains(&b'[') && input.contains(&b']');
        assert_eq!(reduced(input, fails), b"[]");
    }

    #[test]
    fn what_does_not_fail_stays() {
        assert_eq!(reduced(b"abc".to_vec(), |_| false), b"abc");
    }
}
