//! Lists of layers and heads in words: `all`, `0..12`, `0,3,5`, `-1`, and any mix of them.

use std::ops::Range;

/// A list that names no layers, or no heads.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IndicesError(String);

vene_named::debug_as_sentence!(IndicesError);

/// The layers or heads that a list names, in its order, of so many that there are. Ranges are half-open, as in Python and
/// Rust (`0..12` ends with 11; either end may be left out), negative numbers count from the end, and `all` is all of
/// them. `what` is what they are called in messages: `layer`.
///
/// ```
/// use vene::indices;
///
/// assert_eq!(indices("0..3,-1", "layer", 12)?, [0, 1, 2, 11]);
/// assert_eq!(indices("all", "head", 4)?, [0, 1, 2, 3]);
/// # Ok::<(), vene::IndicesError>(())
/// ```
///
/// # Errors
/// What is no list; numbers of which there are none, or that are named twice.
pub fn indices(list: &str, what: &str, count: usize) -> Result<Vec<usize>, IndicesError> {
    if list.trim() == "all" {
        return Ok((0..count).collect());
    }
    let mut chosen = Vec::new();
    for item in list.split(',').map(str::trim) {
        for index in item_of(item, what, count)? {
            if chosen.contains(&index) {
                return Err(IndicesError(format!("{what} {index} is named twice in `{list}`")));
            }
            chosen.push(index);
        }
    }
    Ok(chosen)
}

fn item_of(item: &str, what: &str, count: usize) -> Result<Range<usize>, IndicesError> {
    let expected = || {
        IndicesError(format!(
            "`{item}` names no {what}: expected a number, a range such as 0..{count}, -1 for the last, or all"
        ))
    };
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| expected());
    let from_start = |index: i64| {
        let index = if index < 0 { index + count as i64 } else { index };
        usize::try_from(index).ok()
    };
    let past_end = |index: i64| {
        let last = count.saturating_sub(1);
        IndicesError(format!("{what} {index}: there are {count}, 0 to {last}"))
    };
    let Some((start, end)) = item.split_once("..") else {
        let index = number(item)?;
        let found = from_start(index).filter(|&index| index < count);
        return found.map(|index| index..index + 1).ok_or_else(|| past_end(index));
    };
    let start = if start.is_empty() { 0 } else { number(start)? };
    let end = if end.is_empty() { count as i64 } else { number(end)? };
    match (from_start(start), from_start(end)) {
        (Some(_), Some(to)) if to > count => Err(past_end(end - 1)),
        (Some(from), Some(to)) if from < to => Ok(from..to),
        (Some(_), Some(_)) => {
            Err(IndicesError(format!("`{item}` names no {what}: the range is empty")))
        }
        (None, _) => Err(past_end(start)),
        (_, None) => Err(past_end(end)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_ranges_and_numbers_from_the_end() {
        let layers = |list| indices(list, "layer", 6).unwrap();
        assert_eq!(layers("0..6"), [0, 1, 2, 3, 4, 5]);
        assert_eq!(layers("all"), [0, 1, 2, 3, 4, 5]);
        assert_eq!(layers("..2, 4.."), [0, 1, 4, 5]);
        assert_eq!(layers("-1"), [5]);
        assert_eq!(layers("5,-3,0"), [5, 3, 0]);
        assert_eq!(layers("-2.."), [4, 5]);
        assert_eq!(layers("1..-1"), [1, 2, 3, 4]);
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let refused = |list| indices(list, "layer", 6).unwrap_err().to_string();
        for list in ["6", "-7", "0..7", "99999999999", "-9..3"] {
            assert!(refused(list).contains("there are 6, 0 to 5"), "{list}: {}", refused(list));
        }
        for list in ["", "x", "0..=3", "1,,2", "1.5", "1...3", "0,all"] {
            let said = refused(list);
            assert!(
                said.contains("names no layer: expected") && said.ends_with("or all"),
                "{said}"
            );
        }
        assert!(refused("3..3").contains("empty"));
        assert!(refused("0..3,-4").contains("layer 2 is named twice"));
    }
}
