//! A table's rows, sorted into the lines of panels.

use vene_table::Table;

use super::Profile;
use crate::FigureError;
use crate::depth::{self, DepthLabel};
use crate::error::count_cells;
use crate::interval::{Ends, ends_if_any};

/// What a profile shows, before it has any place on a page.
pub(super) struct Lines {
    /// The panels' titles.
    pub(super) panels: Vec<String>,
    /// The components, in the order in which a block computes them: each a line.
    pub(super) components: Vec<String>,
    /// The first and the last layer.
    pub(super) layers: (i64, i64),
    /// `[panel][component]`: its points by layer.
    lines: Vec<Vec<Point>>,
}

/// A number in a layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) layer: i64,
    pub(super) value: f64,
    pub(super) interval: Ends,
}

impl Lines {
    pub(super) fn of(table: &Table, profile: &Profile) -> Result<Lines, FigureError> {
        let layers = table.optional_integers("layer")?;
        if table.is_empty() {
            return Err(FigureError::Empty);
        }
        let table = table.filter(|row| layers.get(row).is_some_and(Option::is_some));
        let layers: Vec<i64> = layers.into_iter().flatten().collect();
        let (Some(first), Some(last)) = (layers.iter().min(), layers.iter().max()) else {
            return Err(FigureError::NoAxis { column: "layer".to_owned() });
        };
        let (panels, panel_of_row) = profile.facets.split(&table)?;
        let values = table.optional_floats(&profile.value)?;
        let intervals = ends_if_any(profile.interval.as_ref(), &table)?;
        let names = table.text("component")?;
        let labels: Vec<DepthLabel> =
            names.iter().map(|name| DepthLabel { component: name.clone(), layer: None }).collect();
        let components: Vec<String> =
            depth::key(&labels).into_iter().map(|(_, name)| name).collect();

        let span = last.checked_sub(*first).and_then(|span| usize::try_from(span).ok());
        count_cells(panels.len(), components.len(), span.unwrap_or(usize::MAX).max(layers.len()))?;
        let mut lines: Vec<Vec<Point>> = vec![Vec::new(); panels.len() * components.len()];
        let rows =
            layers.iter().zip(names).zip(&panel_of_row).zip(values.into_iter().zip(intervals));
        for (((layer, name), panel), (value, interval)) in rows {
            let component = components.iter().position(|other| other == name).unwrap_or_default();
            let line = &mut lines[panel * components.len() + component];
            // No number is NaN until duplicates have been looked for.
            let value = value.unwrap_or(f64::NAN);
            line.push(Point { layer: *layer, value, interval });
        }
        for (index, line) in lines.iter_mut().enumerate() {
            line.sort_by_key(|point| point.layer);
            if let Some(twice) = line.windows(2).find(|pair| pair[0].layer == pair[1].layer) {
                let (panel, component) = (index / components.len(), index % components.len());
                return Err(FigureError::Duplicate {
                    place: format!(
                        "{}, layer {}, panel `{}`",
                        components[component], twice[0].layer, panels[panel]
                    ),
                });
            }
            line.retain(|point| point.value.is_finite());
        }
        if lines.iter().all(Vec::is_empty) {
            return Err(FigureError::NoNumber { column: profile.value.clone() });
        }
        Ok(Lines { panels, components, layers: (*first, *last), lines })
    }

    /// The points of a component in a panel.
    pub(super) fn line(&self, panel: usize, component: usize) -> &[Point] {
        let line = self.lines.get(panel * self.components.len() + component);
        line.map(Vec::as_slice).unwrap_or_default()
    }

    /// All points.
    pub(super) fn points(&self) -> impl Iterator<Item = &Point> {
        self.lines.iter().flatten()
    }
}
