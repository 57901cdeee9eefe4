//! Edges of rows as a table, and what they come to over all rows.

use std::collections::HashMap;

use vene_statistics::{Bootstrap, ClusterSums, Clusters, estimates};
use vene_table::{Distinct, Kind, Table, TableSource};

use crate::edges::{EdgeValues, RowEdges};
use crate::error::CircuitError;
use crate::options::CircuitRows;
use crate::place::PatchPlace;
use crate::score::EdgeScores;
use crate::sent::Through;

/// What says of a table which edges may stand beside each other in it.
pub const SETTINGS: [&str; 6] = ["method", "effect_type", "through", "norm", "ablation", "graph"];

/// What cells are told apart by.
const CELL: [&str; 4] = ["sender", "receiver", "position", "metric"];

impl EdgeScores {
    /// The edges of a row, by its place among the rows, as a table: a line for each edge, place and metric. Effects are `value` − `base_value`; gradients
    /// estimate them to first order, and `exact_effect` is that of edges that were [checked](crate::EdgeAttribution::checked).
    ///
    /// # Errors
    /// A row that there is not.
    pub fn table(&self, row: usize, found: &RowEdges) -> Result<Table, CircuitError> {
        let line = |of: &EdgeValues| Line {
            sender: of.edge.sender.to_string(),
            receiver: of.edge.receiver.to_string(),
            place: of.place,
            effects: of.effects.clone(),
        };
        let lines: Vec<Line> = found.edges.iter().map(line).collect();
        let values = (found.base.as_slice(), found.source.as_deref());
        let table = of_lines(self.rows(), row, values, &lines, self.settings())?;
        let is_checked =
            matches!(self, Self::Gradient(attribution) if attribution.check().is_some());
        if !is_checked {
            return Ok(table);
        }
        let metrics = self.rows().metrics().len();
        let each =
            || found.edges.iter().flat_map(|of| (0..metrics).map(move |metric| (of, metric)));
        let why = each().map(|(of, _)| Some(of.exact.as_ref()?.0.name().to_owned()));
        let exact = each().map(|(of, metric)| Some(of.exact.as_ref()?.1[metric]));
        let table = table.with_column("checked", why.collect::<Vec<_>>())?;
        Ok(table.with_column("exact_effect", exact.collect::<Vec<_>>())?)
    }

    /// The value of each of [`SETTINGS`].
    fn settings(&self) -> [&'static str; 6] {
        let (ablation, norm) = match self {
            Self::Exact(effects) => (effects.ablation.name(), effects.norm.name()),
            Self::Gradient(attribution) => (attribution.ablation.name(), "first order"),
        };
        let through = Through::Direct.name();
        [self.method().name(), "path", through, norm, ablation, self.rows().graph().keys().name()]
    }
}

/// What was patched in a row.
pub(crate) struct Line {
    pub(crate) sender: String,
    pub(crate) receiver: String,
    /// Which of the places.
    pub(crate) place: usize,
    /// Of each metric.
    pub(crate) effects: Vec<f64>,
}

/// The table of a row, by its place among the rows: a line for each of `lines` and metric. `base` and `source` are what each metric is in the unedited runs.
pub(crate) fn of_lines(
    rows: &CircuitRows,
    row: usize,
    (base, source): (&[f64], Option<&[f64]>),
    lines: &[Line],
    settings: [&'static str; 6],
) -> Result<Table, CircuitError> {
    let all = rows.prepared();
    let prepared = all.get(row).ok_or(CircuitError::NoRow { row, rows: all.len() })?;
    let metrics: Vec<&str> = rows.metrics().iter().map(|metric| metric.name()).collect();
    let places: Vec<String> = rows.places().iter().map(PatchPlace::name).collect();
    let each =
        || lines.iter().flat_map(|line| (0..metrics.len()).map(move |metric| (line, metric)));
    let count = lines.len() * metrics.len();
    let table = Table::builder()
        .column("example", vec![prepared.index as i64; count])
        .column("group", vec![prepared.row.group.clone(); count])
        .column("sender", each().map(|(line, _)| line.sender.clone()).collect::<Vec<_>>())
        .column("receiver", each().map(|(line, _)| line.receiver.clone()).collect::<Vec<_>>())
        .column("position", each().map(|(line, _)| places[line.place].clone()).collect::<Vec<_>>())
        .column("metric", each().map(|(_, at)| metrics[at].to_owned()).collect::<Vec<_>>())
        .column("base_value", each().map(|(_, at)| base[at]).collect::<Vec<_>>())
        .column("source_value", each().map(|(_, at)| Some(source?[at])).collect::<Vec<_>>())
        .column("value", each().map(|(line, at)| base[at] + line.effects[at]).collect::<Vec<_>>())
        .column("effect", each().map(|(line, at)| line.effects[at]).collect::<Vec<_>>());
    let table = SETTINGS
        .into_iter()
        .zip(settings)
        .fold(table, |table, (name, value)| table.column(name, vec![value.to_owned(); count]));
    Ok(table.build()?)
}

/// The mean effect of every edge over the examples of a table, with intervals: a line for each edge, place and metric, the largest mean first. Examples of one
/// group are no independent ones.
///
/// # Errors
/// A table that is no examples' table of edges; intervals that cannot be drawn.
pub fn summary(examples: &impl TableSource, bootstrap: &Bootstrap) -> Result<Table, CircuitError> {
    let clusters = Examples::of(examples)?;
    let mut cells = Cells::default();
    let columns: Vec<&str> =
        CELL.into_iter().chain(SETTINGS).chain(["example", "base_value", "effect"]).collect();
    for chunk in examples.chunks(Some(&columns))? {
        cells.add(&chunk?, &clusters)?;
    }
    let sums: Vec<&ClusterSums> = cells.sums.iter().collect();
    let found = estimates(&sums, &clusters.clusters, bootstrap)?;
    let mean = |cell: usize| found[cell].mean.unwrap_or(f64::NAN);
    let mut order: Vec<usize> = (0..found.len()).collect();
    // Metrics one after the other; within each the largest effect first.
    order.sort_by(|&a, &b| {
        let metric = cells.keys[a][3].cmp(&cells.keys[b][3]);
        metric.then(mean(b).abs().total_cmp(&mean(a).abs()))
    });
    let mut table = Table::builder();
    for (column, name) in CELL.into_iter().enumerate() {
        let numbers = order.iter().map(|&cell| cells.keys[cell][column]);
        table = table.column(name, cells.names[column].column(Kind::Text, numbers));
    }
    let interval = |&cell: &usize| found[cell].interval.as_ref();
    table = table
        .column("mean", order.iter().map(|&cell| found[cell].mean).collect::<Vec<_>>())
        .column("low", order.iter().map(|cell| Some(interval(cell)?.low)).collect::<Vec<_>>())
        .column("high", order.iter().map(|cell| Some(interval(cell)?.high)).collect::<Vec<_>>())
        .column("n", order.iter().map(|&cell| found[cell].n as i64).collect::<Vec<_>>())
        .column("groups", order.iter().map(|&cell| found[cell].clusters as i64).collect::<Vec<_>>())
        .column("p_value", order.iter().map(|&cell| found[cell].p_value).collect::<Vec<_>>())
        .column(
            "sign_agreement",
            order.iter().map(|&cell| found[cell].sign_agreement).collect::<Vec<_>>(),
        );
    for (name, values) in SETTINGS.into_iter().zip(&cells.settings) {
        table = table.column(name, values.column(Kind::Text, order.iter().map(|_| 0)));
    }
    Ok(table.build()?)
}

/// The examples of a table, and which of them belong together.
pub(crate) struct Examples {
    numbers: HashMap<i64, usize>,
    pub(crate) clusters: Clusters,
}

impl Examples {
    pub(crate) fn of(table: &impl TableSource) -> Result<Self, CircuitError> {
        let (mut numbers, mut groups) = (HashMap::new(), Vec::new());
        for chunk in table.chunks(Some(&["example", "group"]))? {
            let chunk = chunk?;
            let of_row = chunk.optional_text("group")?;
            for (&example, group) in chunk.integers("example")?.iter().zip(of_row) {
                numbers.entry(example).or_insert_with(|| {
                    groups.push(group.map(str::to_owned));
                    groups.len() - 1
                });
            }
        }
        Ok(Self { numbers, clusters: Clusters::of(groups) })
    }

    /// An example's number among the observations; all were read in the pass before.
    pub(crate) fn number(&self, example: i64) -> Result<usize, CircuitError> {
        self.numbers.get(&example).copied().ok_or(CircuitError::Changed)
    }
}

/// Every edge, place and metric of a table.
#[derive(Default)]
struct Cells {
    known: HashMap<[u32; 4], usize>,
    keys: Vec<[u32; 4]>,
    names: [Distinct; 4],
    sums: Vec<ClusterSums>,
    settings: [Distinct; 6],
}

impl Cells {
    fn add(&mut self, chunk: &Table, examples: &Examples) -> Result<(), CircuitError> {
        for (name, values) in SETTINGS.into_iter().zip(&mut self.settings) {
            values.number(chunk.column(name)?);
            if values.len() > 1 {
                return Err(CircuitError::UnlikeEdges { column: name });
            }
        }
        let mut columns = Vec::with_capacity(CELL.len());
        for (name, names) in CELL.into_iter().zip(&mut self.names) {
            chunk.words(name)?;
            columns.push(names.number(chunk.column(name)?));
        }
        let effects = chunk.floats("effect")?;
        for (row, (example, &effect)) in chunk.integers("example")?.iter().zip(effects).enumerate()
        {
            let key = [columns[0][row], columns[1][row], columns[2][row], columns[3][row]];
            let cell = *self.known.entry(key).or_insert_with(|| {
                self.keys.push(key);
                self.sums.push(ClusterSums::new(&examples.clusters));
                self.keys.len() - 1
            });
            self.sums[cell].add(&examples.clusters, examples.number(*example)?, effect);
        }
        Ok(())
    }
}
