//! Positions by number and by name.

use anyhow::{bail, ensure};
use vene::{Part, Positions, SweepPositions};

/// What is accepted, for messages.
const ITEMS: &str = "last, a number (negative from the end), a range such as 0..3, subject, subject_first, \
                     subject_last, after_subject";

/// The phrase that positions are named after, in the base and in the source.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// In the base.
    pub base: Option<String>,
    /// In the source; the same phrase if there is none.
    pub source: Option<String>,
    /// Which occurrence in the base, where there are several.
    pub occurrence: Option<usize>,
    /// Which occurrence in the source, where there are several.
    pub source_occurrence: Option<usize>,
}

/// Whether a list has positions that are named after a phrase.
pub fn name_a_phrase(list: &str) -> bool {
    list.split(',').any(|item| part_of(item.trim()).is_some())
}

/// The positions that a sweep visits. `context` is the longest that a prompt may be.
pub fn sweep_positions(
    list: &str,
    subject: &Subject,
    context: usize,
) -> anyhow::Result<SweepPositions> {
    match list.trim() {
        "all" => return Ok(SweepPositions::All),
        "aligned" => return Ok(SweepPositions::Aligned),
        _ => {}
    }
    let mut pairs = Vec::new();
    for item in list.split(',').map(str::trim) {
        if let Some(part) = part_of(item) {
            let Some(base) = &subject.base else {
                bail!(
                    "--positions {item} needs a phrase of the base: say which with --subject, e.g. --subject Spain"
                );
            };
            let source = subject.source.as_ref().unwrap_or(base);
            pairs.push((
                phrase(base, part, subject.occurrence),
                phrase(source, part, subject.source_occurrence),
            ));
        } else {
            pairs.extend(
                numbered(item, context, "all, aligned, ")?
                    .into_iter()
                    .map(|named| (named.clone(), named)),
            );
        }
    }
    Ok(SweepPositions::Named(pairs))
}

/// The positions of one prompt, without the names that need a phrase or a pair.
pub fn positions(list: &str, context: usize) -> anyhow::Result<Positions> {
    if list.trim() == "all" {
        return Ok(Positions::All);
    }
    let mut indices = Vec::new();
    for item in list.split(',').map(str::trim) {
        if part_of(item).is_some() || item == "aligned" {
            bail!("`{item}` is for sweeps; expected all, last, or numbers");
        }
        for named in numbered(item, context, "all, ")? {
            match named {
                Positions::At(at) => indices.extend(at),
                _ => indices.push(-1),
            }
        }
    }
    Ok(Positions::At(indices))
}

fn part_of(item: &str) -> Option<Part> {
    match item {
        "subject" => Some(Part::All),
        "subject_first" => Some(Part::First),
        "subject_last" => Some(Part::Last),
        "after_subject" => Some(Part::After),
        _ => None,
    }
}

fn phrase(text: &str, part: Part, occurrence: Option<usize>) -> Positions {
    let positions = Positions::phrase(text, part);
    match occurrence {
        Some(index) => positions.occurrence(index),
        None => positions,
    }
}

/// `last`, a number, or a range of numbers; each by itself, since that is how a sweep visits them.
fn numbered(item: &str, context: usize, also: &str) -> anyhow::Result<Vec<Positions>> {
    if item == "last" {
        return Ok(vec![Positions::Last]);
    }
    if let Ok(index) = item.parse() {
        return Ok(vec![Positions::index(index)]);
    }
    if let Some((start, end)) = item.split_once("..")
        && let (Ok(start), Ok(end)) = (start.parse::<usize>(), end.parse::<usize>())
    {
        ensure!(start < end, "`{item}` names no position: the range is empty");
        ensure!(
            end <= context,
            "`{item}`: the model reads at most {context} tokens, positions 0 to {}",
            context - 1
        );
        return Ok((start as i64..end as i64).map(Positions::index).collect());
    }
    match item {
        "all" | "aligned" => {
            bail!("`{item}` stands alone: it cannot be listed with other positions")
        }
        _ => bail!("`{item}` names no position: expected {also}{ITEMS}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_and_numbers_can_be_mixed() {
        let subject = Subject {
            base: Some("Spain".to_owned()),
            source: Some("Italy".to_owned()),
            ..Subject::default()
        };
        let named = |base, source| SweepPositions::Named(vec![(base, source)]);
        let sweep = |list| sweep_positions(list, &subject, 8).unwrap();
        assert_eq!(sweep("all"), SweepPositions::All);
        assert_eq!(sweep("-1"), named(Positions::index(-1), Positions::index(-1)));
        assert_eq!(
            sweep("subject_last"),
            named(Positions::last_of("Spain"), Positions::last_of("Italy"))
        );
        let SweepPositions::Named(pairs) = sweep("0..3, last,after_subject") else { panic!() };
        assert_eq!(pairs.len(), 5);
    }

    #[test]
    fn what_names_nothing_is_refused() {
        let refused =
            |list| format!("{:#}", sweep_positions(list, &Subject::default(), 8).unwrap_err());
        assert!(refused("subject_last").contains("--subject"));
        assert!(refused("all,3").contains("stands alone"));
        assert!(refused("middle").contains("expected all, aligned, last"));
        assert!(refused("0..9").contains("at most 8 tokens"));
        assert!(refused("3..3").contains("empty"));
        assert!(refused("").contains("names no position"));
    }

    #[test]
    fn one_prompt_has_no_pairs() {
        assert_eq!(positions("0..2,-1", 8).unwrap(), Positions::At(vec![0, 1, -1]));
        assert_eq!(positions("last", 8).unwrap(), Positions::At(vec![-1]));
        assert_eq!(positions("all", 8).unwrap(), Positions::All);
        assert!(positions("aligned", 8).is_err());
    }
}
