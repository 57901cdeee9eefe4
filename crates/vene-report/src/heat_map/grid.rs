//! A table's rows, sorted into the cells of panels.

use vene_table::Table;

use super::HeatMap;
use super::columns::Column;
use crate::FigureError;
use crate::depth::{self, DepthLabel};
use crate::error::count_cells;
use crate::interval::{Ends, ends_if_any};

/// What a heat map shows, before it has any place on a page.
pub(super) struct Grid {
    /// The panels' titles.
    pub(super) panels: Vec<String>,
    /// The rows, shallowest first.
    pub(super) rows: Vec<DepthLabel>,
    /// Whether rows are layers of whatever component the panel is of.
    pub(super) by_layer: bool,
    /// The columns, in order.
    pub(super) columns: Vec<Column>,
    /// `[panel][row][column]`.
    cells: Vec<Cell>,
    /// What is written into them: likewise, or empty.
    texts: Vec<String>,
    /// Whether the shallowest row is on top.
    downwards: bool,
}

/// What was measured in a place.
#[derive(Clone, Copy, Default)]
pub(super) struct Cell {
    /// `None` where nothing was measured, or no number came of it.
    pub(super) value: Option<f64>,
    /// The interval around the value, if it has one.
    pub(super) interval: Ends,
}

impl Cell {
    /// Whether it can't be told from 0, as far as the table knows.
    pub(super) fn is_open(&self) -> bool {
        self.value.is_some() && self.interval.is_none_or(|(low, high)| low <= 0.0 && high >= 0.0)
    }
}

impl Grid {
    pub(super) fn of(table: &Table, map: &HeatMap) -> Result<Grid, FigureError> {
        let (columns, column_of_row) = map.x.columns(table)?;
        let axis = map.x.column();
        table.optional_floats(&map.value)?;
        if table.is_empty() {
            return Err(FigureError::Empty);
        }
        if columns.is_empty() {
            return Err(FigureError::NoAxis { column: axis.to_owned() });
        }
        // A panel is of rows that are on the axis: others must not make one that stays empty.
        let table = table.filter(|row| column_of_row.get(row).is_some_and(Option::is_some));
        let (panels, panel_of_row) = map.facets.split(&table)?;
        let by_layer = map.facets.is_by("component");
        let mut depths = depth::of_rows(&table)?;
        if by_layer {
            depths.iter_mut().for_each(|depth| depth.component.clear());
        }
        let mut rows = depths.clone();
        rows.sort();
        rows.dedup();

        let mut filled = vec![false; count_cells(panels.len(), rows.len(), columns.len())?];
        let downwards = map.downwards;
        let mut grid =
            Grid { panels, rows, by_layer, columns, cells: vec![], texts: vec![], downwards };
        grid.cells = vec![Cell::default(); filled.len()];
        let texts = map.texts.as_ref().map(|column| table.optional_text(column)).transpose()?;
        if texts.is_some() {
            grid.texts = vec![String::new(); filled.len()];
        }
        let values = table.optional_floats(&map.value)?;
        let intervals = ends_if_any(map.interval.as_ref(), &table)?;
        let places = column_of_row.into_iter().flatten().zip(&depths).zip(panel_of_row);
        for (at, (((column, depth), panel), (value, interval))) in
            places.zip(values.into_iter().zip(intervals)).enumerate()
        {
            let Ok(row) = grid.rows.binary_search(depth) else { continue };
            let index = grid.index(panel, row, column);
            if filled[index] {
                let column = &grid.columns[column];
                let place = column.number.map_or(column.text.clone(), |number| number.to_string());
                let (row, panel) = (grid.row(row), &grid.panels[panel]);
                return Err(FigureError::Duplicate {
                    place: format!("{row}, {axis} {place}, panel `{panel}`"),
                });
            }
            filled[index] = true;
            let value = value.filter(|value| value.is_finite());
            grid.cells[index] = Cell { value, interval };
            if let Some(texts) = &texts {
                grid.texts[index] = texts[at].unwrap_or_default().to_owned();
            }
        }
        if grid.range().is_none() {
            return Err(FigureError::NoNumber { column: map.value.clone() });
        }
        Ok(grid)
    }

    fn index(&self, panel: usize, row: usize, column: usize) -> usize {
        (panel * self.rows.len() + row) * self.columns.len() + column
    }

    /// What was measured in a place.
    pub(super) fn cell(&self, panel: usize, row: usize, column: usize) -> Cell {
        self.cells.get(self.index(panel, row, column)).copied().unwrap_or_default()
    }

    /// What is written in a place.
    pub(super) fn text(&self, panel: usize, row: usize, column: usize) -> &str {
        self.texts.get(self.index(panel, row, column)).map_or("", String::as_str)
    }

    /// All that is written.
    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// How many rows are above a row on the page.
    pub(super) fn above(&self, row: usize) -> usize {
        if self.downwards { row } else { self.rows.len() - 1 - row }
    }

    /// All cells.
    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The label of a row.
    pub(super) fn row(&self, row: usize) -> String {
        match self.rows.get(row) {
            Some(depth) if self.by_layer => {
                depth.layer.map_or("none".to_owned(), |layer| layer.to_string())
            }
            Some(depth) => depth.text(),
            None => String::new(),
        }
    }

    /// The lowest and the highest number.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        range(&self.cells)
    }

    /// The lowest and the highest number in a panel.
    pub(super) fn range_of(&self, panel: usize) -> Option<(f64, f64)> {
        let (from, to) = (self.index(panel, 0, 0), self.index(panel + 1, 0, 0));
        range(self.cells.get(from..to).unwrap_or_default())
    }
}

fn range(cells: &[Cell]) -> Option<(f64, f64)> {
    cells.iter().filter_map(|cell| cell.value).fold(None, |ends, value| {
        let (lowest, highest) = ends.unwrap_or((value, value));
        Some((value.min(lowest), value.max(highest)))
    })
}
