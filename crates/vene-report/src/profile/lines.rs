//! A table's rows, sorted into the lines of panels.

use vene_table::{Kind, Table};

use super::{Along, Profile};
use crate::depth::{self, DepthLabel};
use crate::error::count_cells;
use crate::interval::{Ends, ends_if_any};
use crate::{FigureError, label, tick};

/// What a profile shows, before it has any place on a page.
pub(super) struct Lines {
    /// The panels' titles.
    pub(super) panels: Vec<String>,
    /// What each line is about.
    pub(super) names: Vec<String>,
    /// The first and the last x.
    pub(super) ends: (f64, f64),
    /// `[panel][name]`: its points from left to right.
    lines: Vec<Vec<Point>>,
}

/// A number at an x: a layer, or whatever the profile runs along.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) value: f64,
    pub(super) interval: Ends,
}

impl Lines {
    pub(super) fn of(table: &Table, profile: &Profile) -> Result<Lines, FigureError> {
        let column = profile.along.column();
        let integers = || -> Result<Vec<Option<f64>>, FigureError> {
            let numbers = table.optional_integers(column)?.into_iter();
            Ok(numbers.map(|number| number.map(|number| number as f64)).collect())
        };
        let places = match (&profile.along, table.column(column)?.kind().complete()) {
            (Along::Layers, _) | (_, Kind::Integer) => integers()?,
            (Along::Numbers { .. }, _) => {
                let numbers = table.optional_floats(column)?.into_iter();
                numbers.map(|number| number.filter(|number| number.is_finite())).collect()
            }
        };
        if table.is_empty() {
            return Err(FigureError::Empty);
        }
        let table = table.filter(|row| places.get(row).is_some_and(Option::is_some));
        let places: Vec<f64> = places.into_iter().flatten().collect();
        let first = places.iter().copied().reduce(f64::min);
        let last = places.iter().copied().reduce(f64::max);
        let Some(ends) = first.zip(last) else {
            return Err(FigureError::NoAxis { column: column.to_owned() });
        };
        let (panels, panel_of_row) = profile.facets.split(&table)?;
        let values = table.optional_floats(&profile.value)?;
        let intervals = ends_if_any(profile.interval.as_ref(), &table)?;
        let of_rows = table.text(&profile.lines)?;
        let names = names(&of_rows, profile);

        let span = match profile.along {
            // What stands between the layers has its place too.
            Along::Layers => (ends.1 - ends.0).min(1e9) as usize,
            Along::Numbers { .. } => 0,
        };
        count_cells(panels.len(), names.len(), span.max(places.len()))?;
        let mut lines: Vec<Vec<Point>> = vec![Vec::new(); panels.len() * names.len()];
        let rows =
            places.iter().zip(&of_rows).zip(&panel_of_row).zip(values.into_iter().zip(intervals));
        for (((&x, name), panel), (value, interval)) in rows {
            let name = names.iter().position(|other| other == name).unwrap_or_default();
            let line = &mut lines[panel * names.len() + name];
            // No number is NaN until duplicates have been looked for.
            line.push(Point { x, value: value.unwrap_or(f64::NAN), interval });
        }
        for (index, line) in lines.iter_mut().enumerate() {
            line.sort_by(|one, other| one.x.total_cmp(&other.x));
            if let Some(twice) = line.windows(2).find(|pair| pair[0].x == pair[1].x) {
                let (panel, name) = (index / names.len(), index % names.len());
                let at = profile.along.words(twice[0].x);
                return Err(FigureError::Duplicate {
                    place: format!("{}, {at}, panel `{}`", names[name], panels[panel]),
                });
            }
            line.retain(|point| point.value.is_finite());
        }
        if lines.iter().all(Vec::is_empty) {
            return Err(FigureError::NoNumber { column: profile.value.clone() });
        }
        Ok(Lines { panels, names, ends, lines })
    }

    /// The points of a name in a panel.
    pub(super) fn line(&self, panel: usize, name: usize) -> &[Point] {
        let line = self.lines.get(panel * self.names.len() + name);
        line.map(Vec::as_slice).unwrap_or_default()
    }

    /// All points.
    pub(super) fn points(&self) -> impl Iterator<Item = &Point> {
        self.lines.iter().flatten()
    }
}

/// The lines' names in the key's order.
fn names(of_rows: &[&str], profile: &Profile) -> Vec<String> {
    if profile.lines != "component" {
        return label::distinct(of_rows, []).0.into_iter().map(str::to_owned).collect();
    }
    let labels: Vec<DepthLabel> = of_rows
        .iter()
        .map(|name| DepthLabel { component: (*name).to_owned(), layer: None })
        .collect();
    depth::key(&labels).into_iter().map(|(_, name)| name).collect()
}

impl Along {
    /// The column with the x.
    fn column(&self) -> &str {
        match self {
            Self::Layers => "layer",
            Self::Numbers { column, .. } => column,
        }
    }

    /// The axis' title.
    pub(super) fn title(&self) -> &str {
        match self {
            Self::Layers => "layer",
            Self::Numbers { title, .. } => title,
        }
    }

    /// An x in words.
    pub(super) fn words(&self, x: f64) -> String {
        match self {
            Self::Layers => format!("layer {x}"),
            Self::Numbers { column, .. } => format!("{column} {}", tick::brief(x)),
        }
    }
}
