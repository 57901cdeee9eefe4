//! Lists of numbers: `0..12`, `0,3,5`, `-1`, and any mix of them.

use anyhow::{anyhow, bail, ensure};

/// The layers or heads that a list names, in its order. Ranges are half-open, as in Python and
/// Rust (`0..12` ends with 11; either end may be left out), and negative numbers count from the
/// end.
pub fn indices(list: &str, what: &str, count: usize) -> anyhow::Result<Vec<usize>> {
    let mut chosen = Vec::new();
    for item in list.split(',').map(str::trim) {
        for index in item_of(item, what, count)? {
            ensure!(!chosen.contains(&index), "{what} {index} is named twice in `{list}`");
            chosen.push(index);
        }
    }
    Ok(chosen)
}

fn item_of(item: &str, what: &str, count: usize) -> anyhow::Result<std::ops::Range<usize>> {
    let expected = || {
        format!(
            "`{item}` names no {what}: expected a number, a range such as 0..{count}, or -1 for the last"
        )
    };
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| anyhow!(expected()));
    let from_start = |index: i64| match index < 0 {
        true => usize::try_from(index + count as i64).ok(),
        false => usize::try_from(index).ok(),
    };
    let past_end =
        |index: i64| format!("{what} {index}: there are {count}, 0 to {}", count.saturating_sub(1));
    let Some((start, end)) = item.split_once("..") else {
        let index = number(item)?;
        return match from_start(index).filter(|&index| index < count) {
            Some(index) => Ok(index..index + 1),
            None => bail!(past_end(index)),
        };
    };
    let start = if start.is_empty() { 0 } else { number(start)? };
    let end = if end.is_empty() { count as i64 } else { number(end)? };
    match (from_start(start), from_start(end)) {
        (Some(_), Some(to)) if to > count => bail!(past_end(end - 1)),
        (Some(from), Some(to)) if from < to => Ok(from..to),
        (Some(_), Some(_)) => bail!("`{item}` names no {what}: the range is empty"),
        (None, _) => bail!(past_end(start)),
        (_, None) => bail!(past_end(end)),
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
        assert_eq!(layers("..2, 4.."), [0, 1, 4, 5]);
        assert_eq!(layers("-1"), [5]);
        assert_eq!(layers("5,-3,0"), [5, 3, 0]);
        assert_eq!(layers("-2.."), [4, 5]);
        assert_eq!(layers("1..-1"), [1, 2, 3, 4]);
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let refused = |list| format!("{:#}", indices(list, "layer", 6).unwrap_err());
        for list in ["6", "-7", "0..7", "99999999999", "-9..3"] {
            assert!(refused(list).contains("there are 6, 0 to 5"), "{list}: {}", refused(list));
        }
        for list in ["", "x", "0..=3", "1,,2", "1.5", "1...3"] {
            let said = refused(list);
            assert!(
                said.contains("names no layer: expected") && said.ends_with("the last"),
                "{said}"
            );
        }
        assert!(refused("3..3").contains("empty"));
        assert!(refused("0..3,-4").contains("layer 2 is named twice"));
    }
}
