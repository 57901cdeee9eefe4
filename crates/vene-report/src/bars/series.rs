//! A table's rows, sorted into the bars of panels.

use vene_table::{Table, TableError};

use super::{BarPosition, BarScale, Bars};
use crate::FigureError;
use crate::depth::{self, DepthLabel};
use crate::error::count_cells;

/// What a bar chart shows, before it has any place on a page.
pub(super) struct Series {
    /// The panels' titles.
    pub(super) panels: Vec<String>,
    /// The bars' places on the axis, shallowest first.
    pub(super) places: Vec<Place>,
    /// `[panel][place]`; `None` where nothing was measured, or no number came of it.
    pub(super) values: Vec<Option<f64>>,
    /// `[panel][reference]`.
    pub(super) references: Vec<Option<f64>>,
    /// The position shown, where the table has positions.
    pub(super) position: Option<i64>,
}

/// A place on the axis: a component in a layer, or one head of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) depth: DepthLabel,
    pub(super) head: Option<i64>,
}

impl Place {
    pub(super) fn text(&self) -> String {
        match self.head {
            Some(head) => format!("{}.{head}", self.depth.text()),
            None => self.depth.text(),
        }
    }
}

impl Series {
    pub(super) fn of(table: &Table, bars: &Bars) -> Result<Series, FigureError> {
        let (table, position) = at_position(table, bars.position)?;
        let heads = integers_if_any(&table, "head")?;
        let values = table.optional_floats(&bars.value)?;
        let (panels, panel_of_row) = bars.facets.split(&table)?;
        let rows = depth::of_rows(&table)?.into_iter().zip(heads);
        let places_of_rows: Vec<Place> = rows.map(|(depth, head)| Place { depth, head }).collect();
        if table.is_empty() {
            return Err(FigureError::Empty);
        }
        let mut places = places_of_rows.clone();
        places.sort();
        places.dedup();

        let mut filled = vec![false; count_cells(panels.len(), 1, places.len())?];
        let mut bar_values = vec![None; filled.len()];
        for ((place, panel), value) in places_of_rows.iter().zip(&panel_of_row).zip(&values) {
            let Ok(index) = places.binary_search(place) else { continue };
            let bar = panel * places.len() + index;
            if filled[bar] {
                let panel = &panels[*panel];
                return Err(FigureError::Duplicate {
                    place: format!("{}, panel `{panel}`", place.text()),
                });
            }
            filled[bar] = true;
            bar_values[bar] = value.filter(|value| value.is_finite());
        }
        if bar_values.iter().all(Option::is_none) {
            return Err(FigureError::NoNumber { column: bars.value.clone() });
        }
        let references = references(&table, bars, &panels, &panel_of_row)?;
        if matches!(bars.scale, BarScale::Log { .. })
            && let Some(value) = bar_values.iter().flatten().find(|value| **value < 0.0)
        {
            return Err(FigureError::Negative { column: bars.value.clone(), value: *value });
        }
        Ok(Series { panels, places, values: bar_values, references, position })
    }

    /// The bars of a panel.
    pub(super) fn panel(&self, panel: usize) -> impl Iterator<Item = (&Place, Option<f64>)> {
        let values = self.values.iter().skip(panel * self.places.len());
        self.places.iter().zip(values.copied())
    }
}

fn integers_if_any(table: &Table, column: &str) -> Result<Vec<Option<i64>>, TableError> {
    if table.has(column) { table.optional_integers(column) } else { Ok(vec![None; table.rows()]) }
}

/// The rows at one position and those that have none.
fn at_position(table: &Table, wanted: BarPosition) -> Result<(Table, Option<i64>), FigureError> {
    let positions = integers_if_any(table, "position")?;
    let position = match wanted {
        BarPosition::Last => positions.iter().flatten().max().copied(),
        BarPosition::At(position) if positions.contains(&Some(position)) => Some(position),
        BarPosition::At(position) => {
            let mut available: Vec<i64> = positions.into_iter().flatten().collect();
            available.sort_unstable();
            available.dedup();
            let available: Vec<String> = available.iter().map(i64::to_string).collect();
            let available = if available.is_empty() { "none".into() } else { available.join(", ") };
            return Err(FigureError::NoPosition { position, available });
        }
    };
    let kept = |row: usize| positions.get(row).is_some_and(|p| p.is_none() || *p == position);
    Ok((table.filter(kept), position))
}

/// The one value that each reference has in each panel.
fn references(
    table: &Table,
    bars: &Bars,
    panels: &[String],
    panel_of_row: &[usize],
) -> Result<Vec<Option<f64>>, FigureError> {
    let mut found = vec![None; panels.len() * bars.references.len()];
    for (index, reference) in bars.references.iter().enumerate() {
        let values = table.optional_floats(&reference.column)?;
        for (panel, value) in panel_of_row.iter().zip(values) {
            let Some(value) = value.filter(|value| value.is_finite()) else { continue };
            let slot = &mut found[panel * bars.references.len() + index];
            if slot.is_some_and(|other| other != value) {
                return Err(FigureError::UnevenReference {
                    column: reference.column.clone(),
                    panel: panels[*panel].clone(),
                });
            }
            *slot = Some(value);
        }
    }
    Ok(found)
}
