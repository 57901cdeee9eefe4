//! Means with intervals over the rows of a data set, of tables that come chunk by chunk.

use std::collections::HashMap;

use vene_statistics::{Bootstrap, ClusterSums, Clusters, Estimate, estimates};
use vene_table::{Column, Kind, Table, Value};

use crate::{InspectError, Subject};

/// Gathers the numbers of a data set's rows by cell (a place, such as a head at a role), whatever the number of rows.
///
/// Where a row has several numbers in a cell (a role may cover several tokens), their mean is the row's. Memory: 12 bytes
/// for each cell and group of rows.
#[derive(Debug)]
pub struct Summary {
    keys: Vec<&'static str>,
    metrics: Vec<&'static str>,
    /// The observation that each row of the data set is.
    observations: HashMap<i64, usize>,
    clusters: Clusters,
    /// The place of each cell, in order of appearance.
    places: HashMap<Vec<Key>, usize>,
    cells: Vec<Cell>,
}

#[derive(Debug)]
struct Cell {
    key: Vec<Key>,
    /// One for each metric.
    sums: Vec<ClusterSums>,
}

/// A value of a column that tells cells apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Missing,
    Text(String),
    Integer(i64),
}

impl Key {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Integer(number) => Self::Integer(number),
            Value::Missing | Value::Float(_) => Self::Missing,
        }
    }
}

impl Summary {
    /// Of these subjects' tables: `keys` are the columns that tell cells apart, `metrics` those that are summarised.
    pub fn new(
        subjects: &[Subject],
        keys: impl Into<Vec<&'static str>>,
        metrics: impl Into<Vec<&'static str>>,
    ) -> Self {
        let rows = subjects.iter().enumerate();
        let row =
            |(index, subject): (usize, &Subject)| (subject.row.unwrap_or(index) as i64, index);
        Self {
            keys: keys.into(),
            metrics: metrics.into(),
            observations: rows.map(row).collect(),
            clusters: Clusters::of(subjects.iter().map(|subject| subject.group.as_deref())),
            places: HashMap::new(),
            cells: Vec::new(),
        }
    }

    /// Takes a table of some of the subjects, each of which must be in one table only. The column `row` says which they are.
    ///
    /// # Errors
    /// A table that lacks a column.
    pub fn add(&mut self, table: &Table) -> Result<(), InspectError> {
        let rows = table.integers("row")?;
        let keys = self.keys.iter().map(|key| table.column(key)).collect::<Result<Vec<_>, _>>()?;
        let metrics = self.metrics.iter().map(|metric| table.optional_floats(metric));
        let metrics = metrics.collect::<Result<Vec<_>, _>>()?;
        // Sums and counts of each row's numbers in each cell, in order of appearance.
        let mut found: HashMap<(usize, usize), Vec<(f64, usize)>> = HashMap::new();
        let mut order = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let Some(&observation) = self.observations.get(row) else { continue };
            let key: Vec<Key> = keys.iter().map(|column| Key::of(column.value(at))).collect();
            let cell = self.cell(key);
            let means = found.entry((cell, observation)).or_insert_with(|| {
                order.push((cell, observation));
                vec![(0.0, 0); metrics.len()]
            });
            for (mean, metric) in means.iter_mut().zip(&metrics) {
                if let Some(value) = metric[at].filter(|value| !value.is_nan()) {
                    *mean = (mean.0 + value, mean.1 + 1);
                }
            }
        }
        for (cell, observation) in order {
            for (metric, (sum, count)) in found[&(cell, observation)].iter().enumerate() {
                let mean = if *count > 0 { sum / *count as f64 } else { f64::NAN };
                self.cells[cell].sums[metric].add(&self.clusters, observation, mean);
            }
        }
        Ok(())
    }

    fn cell(&mut self, key: Vec<Key>) -> usize {
        if let Some(&place) = self.places.get(&key) {
            return place;
        }
        let sums = self.metrics.iter().map(|_| ClusterSums::new(&self.clusters)).collect();
        self.cells.push(Cell { key: key.clone(), sums });
        self.places.insert(key, self.cells.len() - 1);
        self.cells.len() - 1
    }

    /// A row for each cell and metric: the columns that tell cells apart, `metric`, `mean`, `low` and `high` (the interval of
    /// the mean), `n` (rows), `clusters` (groups of rows), `standard_error`.
    ///
    /// # Errors
    /// A bootstrap that cannot be drawn, a value that is infinite.
    pub fn table(&self, bootstrap: &Bootstrap) -> Result<Table, InspectError> {
        let lines: Vec<(&Cell, usize)> = (0..self.metrics.len())
            .flat_map(|metric| self.cells.iter().map(move |cell| (cell, metric)))
            .collect();
        let sums: Vec<&ClusterSums> =
            lines.iter().map(|(cell, metric)| &cell.sums[*metric]).collect();
        let found = estimates(&sums, &self.clusters, bootstrap)?;
        let mut table = Table::builder();
        for (place, name) in self.keys.iter().enumerate() {
            table = table.column(*name, column(lines.iter().map(|(cell, _)| &cell.key[place])));
        }
        let float = |of: fn(&Estimate) -> Option<f64>| found.iter().map(of).collect::<Vec<_>>();
        let metrics: Vec<&str> = lines.iter().map(|(_, metric)| self.metrics[*metric]).collect();
        Ok(table
            .column("metric", metrics)
            .column("mean", float(|estimate| estimate.mean))
            .column("low", float(|estimate| Some(estimate.interval?.low)))
            .column("high", float(|estimate| Some(estimate.interval?.high)))
            .column("standard_error", float(|estimate| estimate.standard_error))
            .column("n", found.iter().map(|estimate| estimate.n).collect::<Vec<_>>())
            .column("clusters", found.iter().map(|estimate| estimate.clusters).collect::<Vec<_>>())
            .metadata(
                "bootstrap",
                format!(
                    "{} resamples, level {}, seed {}",
                    bootstrap.resamples, bootstrap.level, bootstrap.seed
                ),
            )
            .build()?)
    }
}

/// A column of keys: of the kind that those have that are there.
fn column<'k>(keys: impl Iterator<Item = &'k Key> + Clone) -> Column {
    let is_text = keys.clone().any(|key| matches!(key, Key::Text(_)));
    let has_gaps = keys.clone().any(|key| matches!(key, Key::Missing));
    let kind = if is_text { Kind::Text } else { Kind::Integer };
    let texts = keys.clone().map(|key| match key {
        Key::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let numbers = keys.map(|key| match key {
        Key::Integer(number) => Some(*number),
        _ => None,
    });
    match (kind, has_gaps) {
        (Kind::Text, true) => texts.collect::<Vec<_>>().into(),
        (Kind::Text, false) => texts.flatten().collect::<Vec<_>>().into(),
        (_, true) => numbers.collect::<Vec<_>>().into(),
        (_, false) => numbers.flatten().collect::<Vec<_>>().into(),
    }
}
