//! Dimensions and subspaces in a file: `[0, 3, 5]`, `"0..64"`, parts of a partition by their names.

use vene_intervention::{Partition, Subspace};

use super::budget::Budget;
use super::document::{Node, Value};
use super::error::PlanFileError;
use super::table::Item;

/// The shortest run of dimensions that is written as a range.
const RANGE: usize = 5;

/// A subspace: the names of parts where there is a partition and texts are given, else dimensions.
///
/// `coordinates` is how many there are, where that is known.
pub(super) fn subspace(
    item: &Item<'_>,
    coordinates: Option<usize>,
    partition: Option<&Partition>,
    budget: &Budget,
) -> Result<Subspace, PlanFileError> {
    if matches!(&item.node.value, Value::Text(text) if text == "all") {
        // A plan that is resolved has them as numbers.
        budget.dimensions(item, coordinates.unwrap_or(1))?;
        return Ok(Subspace::All);
    }
    match (names(item), partition) {
        (None, _) => dimensions(item, coordinates, budget).map(Subspace::Dimensions),
        (Some(names), Some(partition)) => {
            let subspace =
                partition.subspace(names).map_err(|error| item.contradiction(error.to_string()))?;
            if let Subspace::Dimensions(dimensions) = &subspace {
                budget.dimensions(item, dimensions.len())?;
            }
            Ok(subspace)
        }
        (Some(names), None) => Err(item.contradiction(format!(
            "the part `{}` is named, and the intervention has no `partition`: give it one, or \
             dimensions as [0, 1] or \"0..2\"",
            names.first().unwrap_or(&"")
        ))),
    }
}

/// The parts of a partition that a subspace names, if it is told by names.
pub(super) fn names<'a>(item: &Item<'a>) -> Option<Vec<&'a str>> {
    let name = |node: &'a Node| match &node.value {
        Value::Text(name) if range(name).is_none() => Some(name.as_str()),
        _ => None,
    };
    match &item.node.value {
        Value::Text(all) if all == "all" => None,
        Value::List(items) if !items.is_empty() => items.iter().map(name).collect(),
        _ => name(item.node).map(|name| vec![name]),
    }
}

/// `[0, 3, 5]`, `"0..64"`, or both in one list. Of more than there are coordinates, one more is enough to
/// be refused.
fn dimensions(
    item: &Item<'_>,
    coordinates: Option<usize>,
    budget: &Budget,
) -> Result<Vec<usize>, PlanFileError> {
    const EXPECTED: &str = "dimensions, as [0, 3, 5] or \"0..64\" (the end excluded)";
    let wrong = || item.expected(EXPECTED);
    let one = |node: &Node| match &node.value {
        Value::Integer(number) => {
            let number = usize::try_from(*number).ok().filter(|number| *number < usize::MAX);
            number.map(|number| number..number + 1).ok_or_else(wrong)
        }
        Value::Text(text) => range(text).ok_or_else(wrong),
        _ => Err(wrong()),
    };
    let ranges = match &item.node.value {
        Value::List(items) => items.iter().map(one).collect::<Result<Vec<_>, _>>()?,
        _ => vec![one(item.node)?],
    };
    let lengths = ranges.iter().map(ExactSizeIterator::len);
    let count = lengths.fold(0, usize::saturating_add);
    let count = coordinates.map_or(count, |coordinates| count.min(coordinates.saturating_add(1)));
    if count == 0 {
        return Err(wrong());
    }
    budget.dimensions(item, count)?;
    Ok(ranges.into_iter().flatten().take(count).collect())
}

/// A partition: a table of parts by name, or a list of parts that are named by their numbers.
pub(super) fn partition(
    item: &Item<'_>,
    coordinates: usize,
    budget: &Budget,
) -> Result<Partition, PlanFileError> {
    const EXPECTED: &str =
        "a table of parts, as { country = [0, 1], language = \"2..8\" }, or a list";
    let parts: Vec<(String, Item<'_>)> = match item.is_table() {
        true => {
            let parts = item.entries(EXPECTED)?.into_iter();
            parts.map(|(name, part)| (name.to_owned(), part)).collect()
        }
        false => {
            let parts = item.list(EXPECTED)?.into_iter().enumerate();
            parts.map(|(index, part)| (index.to_string(), part)).collect()
        }
    };
    let parts = parts
        .into_iter()
        .map(|(name, part)| Ok((name, dimensions(&part, Some(coordinates), budget)?)))
        .collect::<Result<Vec<_>, PlanFileError>>()?;
    made(item, coordinates, parts)
}

fn made(
    item: &Item<'_>,
    coordinates: usize,
    parts: Vec<(String, Vec<usize>)>,
) -> Result<Partition, PlanFileError> {
    if let Some((name, _)) = parts.iter().find(|(name, _)| range(name).is_some() || name == "all") {
        return Err(item.contradiction(format!(
            "a part is named `{name}`, which means dimensions: give it another name"
        )));
    }
    Partition::new(coordinates, parts)
        .map_err(|error| item.contradiction(format!("a partition that cannot be: {error}")))
}

/// `"0..64"`, the end excluded.
fn range(text: &str) -> Option<std::ops::Range<usize>> {
    let (start, end) = text.split_once("..")?;
    let (start, end) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
    (start < end).then_some(start..end)
}

/// Dimensions in a file: long runs as ranges.
pub(super) fn write(dimensions: &[usize]) -> Node {
    let mut items: Vec<Node> = Vec::new();
    let mut rest = dimensions;
    while let Some(&start) = rest.first() {
        let run = rest.iter().zip(start..).take_while(|(dimension, next)| **dimension == *next);
        let (run, taken) = match run.count() {
            run if run >= RANGE => (Node::from(format!("{start}..{}", start + run)), run),
            _ => (start.into(), 1),
        };
        items.push(run);
        rest = &rest[taken..];
    }
    match items.as_slice() {
        [only] if matches!(only.value, Value::Text(_)) => only.clone(),
        _ => items.into(),
    }
}

pub(super) fn write_subspace(subspace: &Subspace) -> Node {
    match subspace {
        Subspace::All => "all".into(),
        Subspace::Dimensions(dimensions) => write(dimensions),
    }
}
