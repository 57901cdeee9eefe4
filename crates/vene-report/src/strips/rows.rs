//! Two tables, sorted into strips.

use vene_table::Table;

use super::Strips;
use crate::FigureError;
use crate::color::DISTINCT;
use crate::error::MOST_DOTS;
use crate::interval::{Ends, ends_if_any};
use crate::label;
use crate::place::{self, Place};

/// What strips show, before it has any place on a page.
pub(super) struct Rows {
    /// The strips, the largest mean first.
    pub(super) strips: Vec<Strip>,
    /// How many cells the summary has.
    pub(super) cells: usize,
    /// How many examples the strips have between them.
    pub(super) examples: usize,
    /// Rows of the shown cells that have no finite effect.
    pub(super) lost: usize,
    /// The groups' names in the order in which they appear, where there are few enough for
    /// colours; a row without a group is in none of them.
    pub(super) groups: Vec<Option<String>>,
}

/// One cell.
pub(super) struct Strip {
    pub(super) place: Place,
    pub(super) mean: f64,
    pub(super) interval: Ends,
    /// By effect, then by example.
    pub(super) dots: Vec<Dot>,
}

/// One example in one cell.
pub(super) struct Dot {
    pub(super) effect: f64,
    pub(super) example: i64,
    /// Index in `groups`, where groups have colours.
    pub(super) group: Option<usize>,
}

impl Rows {
    pub(super) fn of(
        summary: &Table,
        examples: &Table,
        strips: &Strips,
    ) -> Result<Rows, FigureError> {
        let (mut shown, cells) = largest(summary, strips)?;
        // In order of place, so that each example's strip is found by its place.
        shown.sort_by(|one, other| one.place.cmp(&other.place));

        let places = place::of_rows(examples)?;
        let numbers = examples.integers("example")?;
        let effects = examples.optional_floats(&strips.effect)?;
        let groups = if examples.has("group") {
            label::of_column(examples, "group")?
        } else {
            vec![None; examples.rows()]
        };
        if examples.is_empty() {
            return Err(FigureError::Empty);
        }
        let (groups, group_of_row) = colored(&groups);

        let (mut lost, mut dots) = (0, 0);
        let rows = places.iter().zip(numbers).zip(effects).zip(group_of_row);
        for (((place, example), effect), group) in rows {
            let found = shown.binary_search_by(|strip| strip.place.cmp(place));
            let Some(strip) = found.ok().and_then(|index| shown.get_mut(index)) else { continue };
            match effect.filter(|effect| effect.is_finite()) {
                Some(effect) => strip.dots.push(Dot { effect, example: *example, group }),
                None => lost += 1,
            }
            dots += 1;
        }
        if dots > MOST_DOTS {
            return Err(FigureError::TooManyDots { dots });
        }
        for strip in &mut shown {
            check(strip, strips)?;
            let by_effect = |one: &Dot, other: &Dot| one.effect.total_cmp(&other.effect);
            strip.dots.sort_by(|one, other| {
                by_effect(one, other).then_with(|| one.example.cmp(&other.example))
            });
        }
        let mut seen: Vec<i64> =
            shown.iter().flat_map(|strip| &strip.dots).map(|dot| dot.example).collect();
        seen.sort_unstable();
        seen.dedup();
        shown.sort_by(by_size);
        Ok(Rows { strips: shown, cells, examples: seen.len(), lost, groups })
    }
}

/// The cells with the largest means, and how many cells there are.
fn largest(summary: &Table, strips: &Strips) -> Result<(Vec<Strip>, usize), FigureError> {
    let places = place::of_rows(summary)?;
    let means = summary.optional_floats(&strips.mean)?;
    let intervals = ends_if_any(strips.interval.as_ref(), summary)?;
    if summary.is_empty() {
        return Err(FigureError::Empty);
    }
    let mut sorted = places.clone();
    sorted.sort();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(FigureError::Duplicate { place: twice[0].text() });
    }
    let rows = places.into_iter().zip(means).zip(intervals);
    let mut all: Vec<Strip> = rows
        .filter_map(|((place, mean), interval)| {
            let mean = mean.filter(|mean| mean.is_finite())?;
            Some(Strip { place, mean, interval, dots: Vec::new() })
        })
        .collect();
    if all.is_empty() {
        return Err(FigureError::NoNumber { column: strips.mean.clone() });
    }
    all.sort_by(by_size);
    all.truncate(strips.most.max(1));
    Ok((all, sorted.len()))
}

fn by_size(one: &Strip, other: &Strip) -> std::cmp::Ordering {
    let by_mean = other.mean.abs().total_cmp(&one.mean.abs());
    by_mean.then_with(|| one.place.cmp(&other.place))
}

/// The groups, and for each row which of them it is in; none where they are too many to tell
/// apart, or only one.
fn colored(groups: &[Option<String>]) -> (Vec<Option<String>>, Vec<Option<usize>>) {
    let (names, of_rows) = label::distinct(groups, []);
    let named = names.iter().flatten().count();
    if named > DISTINCT || names.len() < 2 {
        return (Vec::new(), vec![None; groups.len()]);
    }
    (names, of_rows.into_iter().map(Some).collect())
}

/// A strip needs dots, and one of each example.
fn check(strip: &Strip, strips: &Strips) -> Result<(), FigureError> {
    if strip.dots.is_empty() {
        let (cell, column) = (strip.place.text(), strips.effect.clone());
        return Err(FigureError::NoExamples { cell, column });
    }
    let mut examples: Vec<i64> = strip.dots.iter().map(|dot| dot.example).collect();
    examples.sort_unstable();
    match examples.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => Err(FigureError::Duplicate {
            place: format!("{}, example {}", strip.place.text(), twice[0]),
        }),
        None => Ok(()),
    }
}
