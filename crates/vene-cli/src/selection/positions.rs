//! Positions by number and by name.

use anyhow::{bail, ensure};
use vene::data::Role;
use vene::plan::Ends;
use vene::sweep::NamedPositions;
use vene::{Part, Positions, SourcePositions, SweepPositions};

/// What is accepted, for messages.
const ITEMS: &str = "last, a number (negative from the end), a range such as 0..3, first:3, last:3, first:3+last:3, subject, subject_first, \
                     subject_last, after_subject";

/// The phrase that positions are named after, in the base and in the sources.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// In the base.
    pub base: Option<String>,
    /// In the sources: one for all of them, or one for each that is read; the base's phrase if empty.
    pub source: Vec<String>,
    /// Which occurrence in the base, where there are several.
    pub occurrence: Option<usize>,
    /// Which occurrence in the sources, where there are several: one for all, or one for each.
    pub source_occurrence: Vec<usize>,
}

impl Subject {
    /// The positions of a part of the phrase in the sources.
    fn in_sources(&self, base: &str, part: Part) -> anyhow::Result<SourcePositions> {
        let (phrases, occurrences) = (self.source.len(), self.source_occurrence.len());
        let count = phrases.max(occurrences);
        ensure!(
            phrases <= 1 || occurrences <= 1 || phrases == occurrences,
            "--source-subject is given {phrases} times and --source-subject-occurrence {occurrences} times: give each \
             once, or once for each source"
        );
        // What is given once is for all.
        let of = |source: usize| {
            let text = self.source.get(source).or(self.source.first()).map_or(base, String::as_str);
            let index = self.source_occurrence.get(source).or(self.source_occurrence.first());
            phrase(text, part, index.copied())
        };
        Ok(if count > 1 { (0..count).map(of).collect::<Vec<_>>().into() } else { of(0).into() })
    }
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
    let mut named = Vec::new();
    for item in list.split(',').map(str::trim) {
        if let Some(part) = part_of(item) {
            let Some(base) = &subject.base else {
                bail!(
                    "--positions {item} needs a phrase of the base: say which with --subject, e.g. --subject Spain"
                );
            };
            named.push(NamedPositions {
                role: Some(item.to_owned()),
                base: phrase(base, part, subject.occurrence),
                source: subject.in_sources(base, part)?,
            });
        } else {
            let numbers = numbered(item, context, "all, aligned, ")?;
            let pairs = numbers.into_iter().map(|number| (number.clone(), number.into()));
            if let SweepPositions::Named(numbers) = SweepPositions::named(pairs) {
                named.extend(numbers);
            }
        }
    }
    Ok(SweepPositions::Named(named))
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
                ends @ Positions::Ends(_) if item == list.trim() => return Ok(ends),
                Positions::Ends(_) => bail!(
                    "`{item}` stands alone: it cannot be listed with other positions of a prompt"
                ),
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

/// `last`, a number, the ends, or a range of numbers; each by itself, since that is how a sweep visits them.
fn numbered(item: &str, context: usize, also: &str) -> anyhow::Result<Vec<Positions>> {
    if item == "last" {
        return Ok(vec![Positions::Last]);
    }
    if let Ok(index) = item.parse() {
        return Ok(vec![Positions::index(index)]);
    }
    if let Ok(Role::Ends { first, last }) = item.parse() {
        return Ok(vec![Positions::Ends(Ends::both(first, last))]);
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
            source: vec!["Italy".to_owned()],
            ..Subject::default()
        };
        let named = |base, source: Positions| SweepPositions::named([(base, source.into())]);
        let sweep = |list| sweep_positions(list, &subject, 8).unwrap();
        assert_eq!(sweep("all"), SweepPositions::All);
        assert_eq!(sweep("-1"), named(Positions::index(-1), Positions::index(-1)));
        let subject_last = NamedPositions {
            role: Some("subject_last".to_owned()),
            base: Positions::last_of("Spain"),
            source: Positions::last_of("Italy").into(),
        };
        assert_eq!(sweep("subject_last"), SweepPositions::Named(vec![subject_last]));
        let SweepPositions::Named(pairs) = sweep("0..3, last,after_subject") else { panic!() };
        assert_eq!(pairs.len(), 5);
        let ends = Positions::Ends(Ends::both(2, 1));
        assert_eq!(sweep("first:2+last:1"), named(ends.clone(), ends));
    }

    #[test]
    fn each_source_may_have_its_own_phrase() {
        let subject = |source: &[&str], source_occurrence: &[usize]| Subject {
            base: Some("Spain".to_owned()),
            source: source.iter().map(|&phrase| phrase.to_owned()).collect(),
            source_occurrence: source_occurrence.to_vec(),
            ..Subject::default()
        };
        let read = |subject: &Subject| {
            let SweepPositions::Named(mut pairs) =
                sweep_positions("subject_last", subject, 8).unwrap()
            else {
                panic!()
            };
            pairs.remove(0).source
        };
        let last = Positions::last_of;
        assert_eq!(read(&subject(&[], &[])), last("Spain").into());
        assert_eq!(read(&subject(&["Italy", "Peru"], &[])), [last("Italy"), last("Peru")].into());
        assert_eq!(
            read(&subject(&["Italy", "Peru"], &[1])),
            [last("Italy").occurrence(1), last("Peru").occurrence(1)].into()
        );
        assert_eq!(
            read(&subject(&["Italy"], &[0, 1])),
            [last("Italy").occurrence(0), last("Italy").occurrence(1)].into()
        );
        let unequal = subject(&["Italy", "Peru"], &[0, 1, 2]);
        let error = sweep_positions("subject", &unequal, 8).unwrap_err().to_string();
        assert!(error.contains("once for each source"), "{error}");
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
        assert_eq!(positions("last:3", 8).unwrap(), Positions::Ends(Ends::last(3)));
        assert!(positions("last:3,0", 8).unwrap_err().to_string().contains("stands alone"));
    }
}
