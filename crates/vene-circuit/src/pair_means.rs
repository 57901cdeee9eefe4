//! Heads and their pairs over examples: means with intervals.

use std::collections::HashMap;

use vene_statistics::{Bootstrap, ClusterSums, Estimate, estimates};
use vene_table::{Table, TableSource};

use crate::error::CircuitError;
use crate::pairs::PairTerm;
use crate::table::Examples;

/// Term, first and second head, position, metric.
type Key = [String; 5];

/// The sums of a cell: of effects, and of interactions.
struct Cell {
    key: Key,
    effect: ClusterSums,
    interaction: ClusterSums,
}

/// Of the examples of a table of [`crate::HeadPairs`]: a line for each head with its mean effect and its Shapley value, where there are any; and a line for each pair with its
/// mean interaction, the largest first. Intervals are over clusters of examples.
///
/// # Errors
/// A table that is no such one; intervals that cannot be drawn.
pub fn pair_means(
    examples: &impl TableSource,
    bootstrap: &Bootstrap,
) -> Result<[Table; 2], CircuitError> {
    let known = Examples::of(examples)?;
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut cells: Vec<Cell> = Vec::new();
    for chunk in examples.chunks(None)? {
        let chunk = chunk?;
        let (terms, first) = (chunk.text("term")?, chunk.text("first")?);
        let (second, positions) = (chunk.optional_text("second")?, chunk.text("position")?);
        let (metrics, numbers) = (chunk.text("metric")?, chunk.integers("example")?);
        let (effects, interactions) =
            (chunk.floats("effect")?, chunk.optional_floats("interaction")?);
        for row in 0..chunk.rows() {
            let second = second[row].unwrap_or_default();
            let key = [terms[row], first[row], second, positions[row], metrics[row]];
            let key = key.map(str::to_owned);
            let place = *places.entry(key.clone()).or_insert_with(|| {
                let sums = || ClusterSums::new(&known.clusters);
                cells.push(Cell { key, effect: sums(), interaction: sums() });
                cells.len() - 1
            });
            let observation = known.number(numbers[row])?;
            cells[place].effect.add(&known.clusters, observation, effects[row]);
            let interaction = interactions[row].unwrap_or(f64::NAN);
            cells[place].interaction.add(&known.clusters, observation, interaction);
        }
    }
    let of = |sums: fn(&Cell) -> &ClusterSums| {
        estimates(&cells.iter().map(sums).collect::<Vec<_>>(), &known.clusters, bootstrap)
    };
    let (effects, interactions) = (of(|cell| &cell.effect)?, of(|cell| &cell.interaction)?);
    Ok([heads(&cells, &places, &effects)?, pairs(&cells, (&effects, &interactions))?])
}

fn is(cell: &Cell, term: PairTerm) -> bool {
    cell.key[0] == term.name()
}

fn texts(cells: &[Cell], order: &[usize], part: usize) -> Vec<String> {
    order.iter().map(|&cell| cells[cell].key[part].clone()).collect()
}

/// `NAME`, `NAME_low`, `NAME_high`.
fn columns(found: &[Option<&Estimate>]) -> [Vec<Option<f64>>; 3] {
    [
        found.iter().map(|found| found.and_then(|found| found.mean)).collect(),
        found.iter().map(|found| Some(found.as_ref()?.interval.as_ref()?.low)).collect(),
        found.iter().map(|found| Some(found.as_ref()?.interval.as_ref()?.high)).collect(),
    ]
}

fn heads(
    cells: &[Cell],
    places: &HashMap<Key, usize>,
    effects: &[Estimate],
) -> Result<Table, CircuitError> {
    let order: Vec<usize> =
        (0..cells.len()).filter(|&cell| is(&cells[cell], PairTerm::Single)).collect();
    let shapley = |&cell: &usize| {
        let mut key = cells[cell].key.clone();
        key[0] = PairTerm::Shapley.name().to_owned();
        places.get(&key).map(|&cell| &effects[cell])
    };
    let alone: Vec<Option<&Estimate>> = order.iter().map(|&cell| Some(&effects[cell])).collect();
    let [effect, low, high] = columns(&alone);
    let [share, share_low, share_high] = columns(&order.iter().map(shapley).collect::<Vec<_>>());
    let table = Table::builder()
        .column("sender", texts(cells, &order, 1))
        .column("position", texts(cells, &order, 3))
        .column("metric", texts(cells, &order, 4))
        .column("effect", effect)
        .column("low", low)
        .column("high", high)
        .column("shapley", share)
        .column("shapley_low", share_low)
        .column("shapley_high", share_high)
        .column("n", order.iter().map(|&cell| effects[cell].n as i64).collect::<Vec<_>>());
    Ok(table.build()?)
}

fn pairs(
    cells: &[Cell],
    (effects, interactions): (&[Estimate], &[Estimate]),
) -> Result<Table, CircuitError> {
    let mut order: Vec<usize> =
        (0..cells.len()).filter(|&cell| is(&cells[cell], PairTerm::Pair)).collect();
    let size = |cell: usize| interactions[cell].mean.unwrap_or(f64::NAN).abs();
    // Metrics one after the other; within each the largest interaction first.
    order.sort_by(|&a, &b| cells[a].key[4].cmp(&cells[b].key[4]).then(size(b).total_cmp(&size(a))));
    let found: Vec<Option<&Estimate>> =
        order.iter().map(|&cell| Some(&interactions[cell])).collect();
    let [mean, low, high] = columns(&found);
    let table = Table::builder()
        .column("first", texts(cells, &order, 1))
        .column("second", texts(cells, &order, 2))
        .column("position", texts(cells, &order, 3))
        .column("metric", texts(cells, &order, 4))
        .column("interaction", mean)
        .column("low", low)
        .column("high", high)
        .column("effect", order.iter().map(|&cell| effects[cell].mean).collect::<Vec<_>>())
        .column("n", order.iter().map(|&cell| interactions[cell].n as i64).collect::<Vec<_>>())
        .column(
            "p_value",
            order.iter().map(|&cell| interactions[cell].p_value).collect::<Vec<_>>(),
        );
    Ok(table.build()?)
}
