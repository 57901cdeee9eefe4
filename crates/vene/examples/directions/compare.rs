//! Directions compared: the same interchange along each of them, on sentences that had no part in
//! finding it.

use anyhow::Result;
use vene::intervention::Rotation;
use vene::statistics::{Bootstrap, Clusters, means, ratios_of_means};
use vene::training::Trainer;
use vene::{Component, Edit, Model};
use vene_table::{Table, TableError};

use crate::contrast::{Contrast, Pair, halves, positions};
use crate::find::{Activations, RANDOM, aligned, direction, interchange};
use crate::measure::answered;

/// Ways to a direction, in the tables' order; what bounds them stands at the ends.
pub const METHODS: [&str; 6] = [
    "whole activation",
    "aligned search (DAS)",
    "probe",
    "difference of means",
    "first principal component",
    "random",
];

/// One pair under one method at one place.
#[derive(Clone, Debug)]
pub struct Line {
    contrast: &'static str,
    role: &'static str,
    layer: usize,
    method: &'static str,
    example: usize,
    cluster: String,
    /// Log-odds of the base's answer against the source's: unedited, in the source's run, edited.
    base: f64,
    source: f64,
    value: f64,
    /// Whether the edited run prefers the source's answer; a share, where several directions are
    /// averaged.
    moved: f64,
}

/// Compares all methods for a contrast in some layers, each half of the sentences by what was found in
/// the other. `told` hears of each layer.
pub fn compare(
    model: &Model,
    contrast: &Contrast,
    pairs: &[Pair],
    layers: &[usize],
    trainer: &Trainer,
    told: &mut dyn FnMut(&str),
) -> Result<Vec<Line>> {
    let halves = halves(pairs);
    let mut lines = Vec::new();
    for held_out in 0..2 {
        let (shown, seen) = (&halves[held_out], &halves[1 - held_out]);
        let unedited = answered(model, shown, &[Vec::new()], false)?.remove(0);
        let sources = answered(model, shown, &[Vec::new()], true)?.remove(0);
        for (activations, &layer) in Activations::of(model, seen, layers)?.iter().zip(layers) {
            let (found, losses) = directions(model, activations, seen, layer, trainer)?;
            let [first, last] = losses;
            told(&format!("layer {layer}, half {}: loss {first:.2} to {last:.2}", held_out + 1));
            let mut edits = vec![vec![
                Edit::interchange(Component::BlockOutput, layer)
                    .at(positions(shown, 0))
                    .from(positions(shown, 1)),
            ]];
            let mut of_method = vec![METHODS[0]];
            for (method, rotation) in &found {
                edits.push(vec![interchange(rotation, layer, shown)]);
                of_method.push(method);
            }
            let edited = answered(model, shown, &edits, false)?;
            for method in METHODS {
                let runs: Vec<_> = edited
                    .iter()
                    .zip(&of_method)
                    .filter(|run| *run.1 == method)
                    .map(|run| run.0)
                    .collect();
                for (index, pair) in shown.iter().enumerate() {
                    let mean = |of: &dyn Fn(f64) -> f64| {
                        runs.iter().map(|run| of(run[index].difference)).sum::<f64>()
                            / runs.len() as f64
                    };
                    lines.push(Line {
                        contrast: contrast.name,
                        role: contrast.role,
                        layer,
                        method,
                        example: pair.index,
                        cluster: pair.cluster.clone(),
                        base: unedited[index].difference,
                        source: sources[index].difference,
                        value: mean(&|difference| difference),
                        moved: mean(&|difference| f64::from(u8::from(difference < 0.0))),
                    });
                }
            }
        }
    }
    Ok(lines)
}

/// Directions, each with the method that found it.
type Found = Vec<(&'static str, Rotation)>;

/// The directions that are found in some pairs, each with its method, of random ones several; and the
/// loss of the search's first and last epoch.
fn directions(
    model: &Model,
    activations: &Activations,
    pairs: &[&Pair],
    layer: usize,
    trainer: &Trainer,
) -> Result<(Found, [f64; 2])> {
    let (rotation, losses) = aligned(model, pairs, layer, trainer, 1)?;
    let mut found = vec![
        (METHODS[1], rotation),
        (METHODS[2], direction(&activations.probe()?)?),
        (METHODS[3], direction(&activations.difference_of_means()?)?),
        (METHODS[4], direction(&activations.principal()?)?),
    ];
    for seed in 0..RANDOM {
        found.push((METHODS[5], Rotation::random(model.config().d_model, 1, 1000 + seed)?));
    }
    Ok((found, losses))
}

/// A row for each pair, method and place.
pub fn examples_table(lines: &[Line]) -> Result<Table, TableError> {
    let text =
        |of: fn(&Line) -> &str| lines.iter().map(|line| of(line).to_owned()).collect::<Vec<_>>();
    let float = |of: fn(&Line) -> f64| lines.iter().map(of).collect::<Vec<f64>>();
    Table::builder()
        .column("contrast", text(|line| line.contrast))
        .column("role", text(|line| line.role))
        .column("layer", lines.iter().map(|line| line.layer as i64).collect::<Vec<_>>())
        .column("method", text(|line| line.method))
        .column("example", lines.iter().map(|line| line.example as i64).collect::<Vec<_>>())
        .column("cluster", text(|line| &line.cluster))
        .column("base_value", float(|line| line.base))
        .column("source_value", float(|line| line.source))
        .column("value", float(|line| line.value))
        .column("effect", float(|line| line.value - line.base))
        .column("moved", float(|line| line.moved))
        .build()
}

/// What is told of each method at each place, with intervals over sentences:
/// the interchange-intervention accuracy (share of pairs that are answered as their source), the effect
/// as a share of the whole effect, and by how much DAS is ahead in that.
pub fn summary_table(lines: &[Line]) -> Result<Table> {
    let mut places: Vec<(&str, &str, usize)> = Vec::new();
    for line in lines {
        let place = (line.contrast, line.role, line.layer);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let mut told: Vec<Told> = Vec::new();
    for (contrast, role, layer) in places {
        let mut of_methods: Vec<Vec<&Line>> = Vec::new();
        for method in METHODS {
            let here = |line: &&Line| {
                (line.contrast, line.role, line.layer, line.method)
                    == (contrast, role, layer, method)
            };
            let mut of_method: Vec<&Line> = lines.iter().filter(here).collect();
            of_method.sort_by_key(|line| line.example);
            of_methods.push(of_method);
        }
        let clusters = Clusters::of(of_methods[0].iter().map(|line| Some(&line.cluster)));
        let bootstrap = Bootstrap::default();
        let cells = |of: &dyn Fn(&Line) -> f64| -> Vec<Vec<f64>> {
            of_methods.iter().map(|lines| lines.iter().map(|line| of(line)).collect()).collect()
        };
        let effects = cells(&|line| line.value - line.base);
        let whole = cells(&|line| line.source - line.base);
        let ahead: Vec<Vec<f64>> = effects
            .iter()
            .map(|effects_of| {
                effects[1].iter().zip(effects_of).map(|(das, other)| das - other).collect()
            })
            .collect();
        let accuracies = means(&cells(&|line| line.moved), &clusters, &bootstrap)?;
        let before = cells(&|line| f64::from(u8::from(line.base < 0.0)));
        let before = means(&before, &clusters, &bootstrap)?;
        let shares = ratios_of_means(&effects, &whole, &clusters, &bootstrap)?;
        let ahead = ratios_of_means(&ahead, &whole, &clusters, &bootstrap)?;
        for (index, method) in METHODS.into_iter().enumerate() {
            let ratio = |ratio: &vene::statistics::Ratio| {
                ratio
                    .quotient
                    .ok()
                    .map(|found| [found.value, found.interval.low, found.interval.high])
            };
            let accuracy = &accuracies[index];
            let interval = accuracy.interval;
            told.push(Told {
                place: (contrast, role, layer),
                method,
                n: accuracy.n,
                clusters: accuracy.clusters,
                accuracy: accuracy.mean.zip(interval).map(|(mean, at)| [mean, at.low, at.high]),
                before: before[index].mean,
                share: ratio(&shares[index]),
                ahead: (index > 1).then(|| ratio(&ahead[index])).flatten(),
                whole: shares[index].denominator.mean,
            });
        }
    }
    Ok(Told::table(&told)?)
}

/// A row of the summary; triples are a number and its interval.
struct Told {
    place: (&'static str, &'static str, usize),
    method: &'static str,
    n: usize,
    clusters: usize,
    accuracy: Option<[f64; 3]>,
    /// The accuracy if nothing is done.
    before: Option<f64>,
    share: Option<[f64; 3]>,
    ahead: Option<[f64; 3]>,
    /// The whole effect: the sources' log-odds less the bases'.
    whole: Option<f64>,
}

impl Told {
    fn table(told: &[Self]) -> Result<Table, TableError> {
        let text = |of: &dyn Fn(&Told) -> String| told.iter().map(of).collect::<Vec<_>>();
        let count = |of: &dyn Fn(&Told) -> usize| {
            told.iter().map(|told| of(told) as i64).collect::<Vec<i64>>()
        };
        let float = |of: &dyn Fn(&Told) -> Option<f64>| told.iter().map(of).collect::<Vec<_>>();
        let mut table = Table::builder()
            .column("contrast", text(&|told| told.place.0.to_owned()))
            .column("role", text(&|told| told.place.1.to_owned()))
            .column("place", text(&|told| format!("{}, {}", told.place.0, told.place.1)))
            .column("layer", count(&|told| told.place.2))
            .column("method", text(&|told| told.method.to_owned()))
            .column("n", count(&|told| told.n))
            .column("clusters", count(&|told| told.clusters))
            .column("accuracy_before", float(&|told| told.before))
            .column("whole_effect", float(&|told| told.whole));
        /// An estimate with its interval.
        type Triple = fn(&Told) -> Option<[f64; 3]>;
        let triples: [(&str, Triple); 3] = [
            ("accuracy", |told| told.accuracy),
            ("share", |told| told.share),
            ("das_ahead", |told| told.ahead),
        ];
        for (name, of) in triples {
            for (index, ending) in ["", "_low", "_high"].into_iter().enumerate() {
                let column = float(&|told| of(told).map(|triple| triple[index]));
                table = table.column(format!("{name}{ending}"), column);
            }
        }
        table.build()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::contrast::{EUROPE, europe_and_asia};
    use vene::training::AdamW;

    /// On the embedded model, which knows on which continent a country is.
    #[test]
    fn the_learned_direction_is_ahead_of_a_random_one_on_held_out_sentences() {
        let model = Model::load("embedded").unwrap();
        let rows = europe_and_asia(&model, 400, 1, 48).unwrap();
        let pairs = EUROPE.pairs(&model, &rows).unwrap();
        let trainer = Trainer {
            epochs: 8,
            batch: 8,
            optimizer: AdamW { learning_rate: 5e-2, ..AdamW::default() },
            ..Trainer::default()
        };
        let lines = compare(&model, &EUROPE, &pairs, &[2], &trainer, &mut |_| ()).unwrap();
        assert_eq!(lines.len(), rows.len() * METHODS.len());
        let examples = examples_table(&lines).unwrap();
        assert_eq!(examples.rows(), lines.len());
        let table = summary_table(&lines).unwrap();
        assert_eq!(table.text("method").unwrap(), METHODS);
        let shares = table.optional_floats("share").unwrap();
        let [whole, das, .., random] = shares[..] else { panic!("{shares:?}") };
        assert!(whole.unwrap() > 0.7, "{shares:?}");
        assert!(das.unwrap() > 0.2 && random.unwrap().abs() < 0.1, "{shares:?}");
        // Ahead of itself is said of nobody; ahead of the random one is what the shares say.
        let ahead = table.optional_floats("das_ahead").unwrap();
        assert_eq!(ahead[..2], [None, None]);
        assert!((ahead[5].unwrap() - (das.unwrap() - random.unwrap())).abs() < 1e-9);
        assert!(table.optional_floats("das_ahead_low").unwrap()[5].unwrap() > 0.0);
        // Every row was held out once.
        assert_eq!(table.integers("n").unwrap()[0], rows.len() as i64);
    }
}
