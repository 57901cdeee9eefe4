//! Two tables, sorted into strips.

use std::borrow::Cow;

use vene_table::{Distinct, Kind, Table, Value};

use super::Strips;
use crate::FigureError;
use crate::color::DISTINCT;
use crate::interval::{Ends, ends_if_any};
use crate::place::{self, Place, Places};

/// Dots that are drawn one by one, in all strips together.
const MOST_DOTS: usize = 20_000;

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
    /// Its group's number: an index into `groups`, where groups have colours.
    group: u32,
}

/// Reads the examples, chunk by chunk.
pub(super) struct Reader<'s> {
    strips: &'s Strips,
    /// In order of place, so that each example's strip is found by its place.
    shown: Vec<Strip>,
    cells: usize,
    /// The examples' places, and which strip each is of.
    places: Places,
    strip_of_place: Vec<Option<usize>>,
    /// The examples' groups, until they are too many to be told apart.
    groups: Distinct,
    /// Metrics that are not drawn, in the order in which they occur.
    others: Distinct,
    rows: usize,
    lost: usize,
}

impl<'s> Reader<'s> {
    pub(super) fn new(summary: &Table, strips: &'s Strips) -> Result<Self, FigureError> {
        let (mut shown, cells) = largest(summary, strips)?;
        shown.sort_by(|one, other| one.place.cmp(&other.place));
        Ok(Self {
            strips,
            shown,
            cells,
            places: Places::default(),
            strip_of_place: Vec::new(),
            groups: Distinct::default(),
            others: Distinct::default(),
            rows: 0,
            lost: 0,
        })
    }

    /// Takes the dots of a chunk.
    pub(super) fn read(&mut self, chunk: &Table) -> Result<(), FigureError> {
        let chunk = match &self.strips.metric {
            None => Cow::Borrowed(chunk),
            Some(metric) => {
                let metrics = chunk.text("metric")?;
                let ours = chunk.filter(|row| metrics.get(row) == Some(&metric.as_str()));
                if ours.is_empty() {
                    self.others.number(chunk.column("metric")?);
                }
                Cow::Owned(ours)
            }
        };
        let places = self.places.number(&chunk)?;
        let known = self.strip_of_place.len();
        for place in &self.places.places()[known..] {
            let found = self.shown.binary_search_by(|strip| strip.place.cmp(place));
            self.strip_of_place.push(found.ok());
        }
        let numbers = chunk.integers("example")?;
        let effects = chunk.optional_floats(&self.strips.effect)?;
        let groups = if chunk.has("group") {
            if chunk.column("group")?.kind().complete() == Kind::Float {
                chunk.words("group")?;
            }
            // One more may be missing: then they are too many.
            let may_be_told_apart = self.groups.len() <= DISTINCT + 1;
            may_be_told_apart
                .then(|| chunk.column("group").map(|groups| self.groups.number(groups)))
        } else {
            None
        };
        let groups = groups.transpose()?.unwrap_or_else(|| vec![u32::MAX; chunk.rows()]);
        let rows = places.into_iter().zip(numbers).zip(effects).zip(groups);
        for (((place, &example), effect), group) in rows {
            let strip = self.strip_of_place[place].and_then(|strip| self.shown.get_mut(strip));
            let Some(strip) = strip else { continue };
            match effect.filter(|effect| effect.is_finite()) {
                Some(effect) => strip.dots.push(Dot { effect, example, group }),
                None => self.lost += 1,
            }
        }
        self.rows += chunk.rows();
        Ok(())
    }

    /// The strips, once all chunks were read.
    pub(super) fn finish(self) -> Result<Rows, FigureError> {
        let Self { strips, mut shown, cells, groups, others, rows, lost, .. } = self;
        if rows == 0 {
            let metric = strips.metric.clone().filter(|_| !others.is_empty());
            return Err(metric.map_or(FigureError::Empty, |metric| {
                let available =
                    (0..others.len() as u32).map(|other| others.value(other).to_string());
                let available = available.collect::<Vec<_>>().join("`, `");
                FigureError::NoMetric { metric, available }
            }));
        }
        for strip in &mut shown {
            check(strip, strips)?;
            strip.dots.sort_unstable_by(|one, other| {
                let by_effect = one.effect.total_cmp(&other.effect);
                by_effect.then_with(|| one.example.cmp(&other.example))
            });
        }
        let mut seen: Vec<i64> =
            shown.iter().flat_map(|strip| &strip.dots).map(|dot| dot.example).collect();
        seen.sort_unstable();
        seen.dedup();
        shown.sort_by(by_size);
        Ok(Rows { strips: shown, cells, examples: seen.len(), lost, groups: colored(&groups) })
    }
}

impl Rows {
    /// The group whose colour a dot has; `None` where groups have no colours.
    pub(super) fn group(&self, dot: &Dot) -> Option<usize> {
        usize::try_from(dot.group).ok().filter(|group| *group < self.groups.len())
    }

    /// Whether there are so many dots that they would cover each other.
    pub(super) fn is_dense(&self) -> bool {
        self.strips.iter().map(|strip| strip.dots.len()).sum::<usize>() > MOST_DOTS
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

/// The groups by their numbers; none where they are too many to tell apart, or only one.
fn colored(groups: &Distinct) -> Vec<Option<String>> {
    let name = |value: Value<'_>| match value {
        Value::Missing => None,
        value => Some(value.to_string()),
    };
    let names: Vec<_> = (0..groups.len() as u32).map(|group| name(groups.value(group))).collect();
    if names.iter().flatten().count() > DISTINCT || names.len() < 2 { Vec::new() } else { names }
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
