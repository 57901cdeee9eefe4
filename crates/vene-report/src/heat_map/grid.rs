//! A table's rows, sorted into the cells of panels.

use vene_table::Table;

use super::HeatMap;
use crate::depth::{self, DepthLabel};
use crate::error::count_cells;
use crate::{Axis, FigureError};

/// What a heat map shows, before it has any place on a page.
pub(super) struct Grid {
    /// The panels' titles.
    pub(super) panels: Vec<String>,
    /// The rows, shallowest first.
    pub(super) rows: Vec<DepthLabel>,
    /// The columns: positions or heads, in order.
    pub(super) columns: Vec<Column>,
    /// `[panel][row][column]`; `None` where nothing was measured, or no number came of it.
    pub(super) cells: Vec<Option<f64>>,
    /// The lowest and the highest number.
    pub(super) range: (f64, f64),
}

pub(super) struct Column {
    /// Position or head, counted from 0.
    pub(super) index: i64,
    /// The token there; empty for heads.
    pub(super) text: String,
}

impl Grid {
    pub(super) fn of(table: &Table, map: &HeatMap) -> Result<Grid, FigureError> {
        let depths = depth::of_rows(table)?;
        let places = table.optional_integers(map.x.column())?;
        let values = table.optional_floats(&map.value)?;
        let (panels, panel_of_row) = map.facets.split(table)?;
        if table.is_empty() {
            return Err(FigureError::Empty);
        }

        let measured = || places.iter().zip(&depths).filter_map(|(x, depth)| x.map(|x| (x, depth)));
        let mut indices: Vec<i64> = measured().map(|(index, _)| index).collect();
        indices.sort_unstable();
        indices.dedup();
        if indices.is_empty() {
            return Err(FigureError::NoAxis { column: map.x.column().to_owned() });
        }
        let mut rows: Vec<DepthLabel> = measured().map(|(_, depth)| depth.clone()).collect();
        rows.sort();
        rows.dedup();

        let mut filled = vec![false; count_cells(panels.len(), rows.len(), indices.len())?];
        let mut cells = vec![None; filled.len()];
        let table_rows = places.iter().zip(&depths).zip(&panel_of_row).zip(&values);
        for (((place, depth), panel), value) in table_rows {
            let Some(place) = place else { continue };
            let (Ok(row), Ok(column)) = (rows.binary_search(depth), indices.binary_search(place))
            else {
                continue;
            };
            let cell = (panel * rows.len() + row) * indices.len() + column;
            if filled[cell] {
                let axis = map.x.column();
                let panel = &panels[*panel];
                return Err(FigureError::Duplicate {
                    place: format!("{}, {axis} {place}, panel `{panel}`", depth.text()),
                });
            }
            filled[cell] = true;
            cells[cell] = value.filter(|value| value.is_finite());
        }

        let range = cells
            .iter()
            .flatten()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lowest, highest), value| {
                (lowest.min(*value), highest.max(*value))
            });
        if range.0 > range.1 {
            return Err(FigureError::NoNumber { column: map.value.clone() });
        }
        let columns = indices.into_iter().map(|index| Column { index, text: text(&map.x, index) });
        Ok(Grid { panels, rows, columns: columns.collect(), cells, range })
    }

    /// The number in a cell.
    pub(super) fn cell(&self, panel: usize, row: usize, column: usize) -> Option<f64> {
        let index = (panel * self.rows.len() + row) * self.columns.len() + column;
        self.cells.get(index).copied().flatten()
    }
}

/// The token at a position, as the caller shows it.
fn text(axis: &Axis, index: i64) -> String {
    let Axis::Position(texts) = axis else { return String::new() };
    let token = usize::try_from(index).ok().and_then(|index| texts.get(index));
    token.cloned().unwrap_or_default()
}
