//! How much of what a model does is left when it is scrubbed.

use vene_statistics::{Bootstrap, ratios};
use vene_table::{Table, TableSource};

use crate::error::CircuitError;
use crate::ratio_columns::{high, low, note, sums, value};
use crate::table::Examples;

/// The examples of a hypothesis and metric.
struct Cell {
    hypothesis: String,
    metric: String,
    /// Of each example the sums over draws: scrubbed − baseline, and unscrubbed − baseline.
    values: Vec<(f64, f64)>,
    /// Of each example, how many draws it has.
    draws: Vec<usize>,
    /// The sums of scrubbed, unscrubbed and baseline values.
    totals: [f64; 3],
    n: usize,
}

/// The share of a metric that each hypothesis recovers: (scrubbed − baseline) / (unscrubbed − baseline), of means over examples and draws, with intervals
/// over examples. The order of the hypotheses is that of the table.
///
/// # Errors
/// A table that is no examples' table of scrubbed runs; intervals that cannot be drawn.
pub fn recovered(
    examples: &impl TableSource,
    bootstrap: &Bootstrap,
) -> Result<Table, CircuitError> {
    let known = Examples::of(examples)?;
    let observations = known.clusters.observations();
    let mut cells: Vec<Cell> = Vec::new();
    for chunk in examples.chunks(None)? {
        let chunk = chunk?;
        let (hypotheses, metrics) = (chunk.text("hypothesis")?, chunk.text("metric")?);
        let (base, baseline) = (chunk.floats("base_value")?, chunk.floats("baseline_value")?);
        let (found, numbers) = (chunk.floats("value")?, chunk.integers("example")?);
        for row in 0..chunk.rows() {
            let is_here =
                |cell: &Cell| cell.hypothesis == hypotheses[row] && cell.metric == metrics[row];
            let place = cells.iter().position(is_here).unwrap_or_else(|| {
                cells.push(Cell {
                    hypothesis: hypotheses[row].to_owned(),
                    metric: metrics[row].to_owned(),
                    values: vec![(0.0, 0.0); observations],
                    draws: vec![0; observations],
                    totals: [0.0; 3],
                    n: 0,
                });
                cells.len() - 1
            });
            let cell = &mut cells[place];
            let observation = known.number(numbers[row])?;
            let (above, below) = &mut cell.values[observation];
            *above += found[row] - baseline[row];
            *below += base[row] - baseline[row];
            cell.draws[observation] += 1;
            for (total, value) in cell.totals.iter_mut().zip([found[row], base[row], baseline[row]])
            {
                *total += value;
            }
            cell.n += 1;
        }
    }
    let mean = |cell: &Cell| {
        let each = cell.values.clone().into_iter().zip(cell.draws.clone());
        // An example that has no draw here has no value either.
        let mean = |((above, below), draws): ((f64, f64), usize)| {
            (above / draws as f64, below / draws as f64)
        };
        sums(each.map(mean), &known.clusters)
    };
    let found = ratios(&cells.iter().map(mean).collect::<Vec<_>>(), &known.clusters, bootstrap)?;
    let total = |which: usize| -> Vec<f64> {
        cells.iter().map(|cell| cell.totals[which] / cell.n as f64).collect()
    };
    let examples =
        cells.iter().map(|cell| cell.draws.iter().filter(|&&draws| draws > 0).count() as i64);
    let table = Table::builder()
        .column("hypothesis", cells.iter().map(|cell| cell.hypothesis.clone()).collect::<Vec<_>>())
        .column("metric", cells.iter().map(|cell| cell.metric.clone()).collect::<Vec<_>>())
        .column("recovered", found.iter().map(value).collect::<Vec<_>>())
        .column("low", low(&found))
        .column("high", high(&found))
        .column("mean_value", total(0))
        .column("mean_base_value", total(1))
        .column("mean_baseline_value", total(2))
        .column("n", examples.collect::<Vec<_>>())
        .column("runs", cells.iter().map(|cell| cell.n as i64).collect::<Vec<_>>())
        .column("note", found.iter().map(note).collect::<Vec<_>>());
    Ok(table.build()?)
}
