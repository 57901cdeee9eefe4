//! Steering: a vector added to the residual stream, in doses.
//!
//! The vector is the difference of means between the two sides of a contrast, found in one half of the
//! sentences and added in the other. One of the same length in a random direction is the control: a
//! large enough push in any direction changes what a model says.

use anyhow::{Context, Result};
use vene::intervention::Rotation;
use vene::statistics::{Bootstrap, Clusters, Estimate, means};
use vene::{Component, Edit, Model};
use vene_table::{Table, TableError};

use crate::contrast::{Contrast, Pair, halves, positions};
use crate::find::Activations;
use crate::measure::{Answered, answered};

/// Multiples of the vector. 1 moves the mean of one side to that of the other; by −1 it goes back.
pub const DOSES: [f64; 13] =
    [-4.0, -3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0];

/// What is added.
pub const VECTORS: [&str; 2] = ["difference of means", "random, as long"];

/// Random vectors that are averaged.
const RANDOM: u64 = 3;

/// One prompt under one vector and dose.
#[derive(Clone, Debug)]
pub struct Line {
    contrast: &'static str,
    role: &'static str,
    layer: usize,
    vector: &'static str,
    dose: f64,
    example: usize,
    cluster: String,
    /// Log-odds of the positive side's answer against the other's, in nats: unedited and edited.
    before: f64,
    after: f64,
    /// Probability of either answer, unedited and edited.
    either_before: f64,
    either: f64,
}

/// Adds the vectors to the bases of held-out pairs, in all doses.
pub fn steer(
    model: &Model,
    contrast: &Contrast,
    pairs: &[Pair],
    layer: usize,
) -> Result<Vec<Line>> {
    let halves = halves(pairs);
    let mut lines = Vec::new();
    for held_out in 0..2 {
        let (shown, seen) = (&halves[held_out], &halves[1 - held_out]);
        let activations = Activations::of(model, seen, &[layer])?.pop().context("no layer")?;
        let vector = activations.difference_of_means()?;
        let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        let mut vectors = vec![(VECTORS[0], vector)];
        for seed in 0..RANDOM {
            let random = Rotation::random(model.config().d_model, 1, 2000 + seed)?;
            let random: Vec<f64> = random.directions().flatten_all()?.to_vec1()?;
            vectors.push((VECTORS[1], random.iter().map(|value| value * length).collect()));
        }
        let mut edits = Vec::new();
        for (_, vector) in &vectors {
            for dose in DOSES {
                let added = vector.iter().map(|value| value * dose).collect();
                let edit = Edit::steering(Component::BlockOutput, layer, added);
                edits.push(vec![edit.at(positions(shown, 0))]);
            }
        }
        let unedited = answered(model, shown, &[Vec::new()], false)?.remove(0);
        let edited = answered(model, shown, &edits, false)?;
        for name in VECTORS {
            for (at, dose) in DOSES.into_iter().enumerate() {
                let of_vector = vectors.iter().enumerate().filter(|(_, vector)| vector.0 == name);
                let runs: Vec<&Vec<Answered>> =
                    of_vector.map(|(index, _)| &edited[index * DOSES.len() + at]).collect();
                for (index, pair) in shown.iter().enumerate() {
                    let mean = |of: fn(&Answered) -> f64| {
                        runs.iter().map(|run| of(&run[index])).sum::<f64>() / runs.len() as f64
                    };
                    // Towards the positive side, whichever the base is on.
                    let sign = if pair.positive[0] { 1.0 } else { -1.0 };
                    lines.push(Line {
                        contrast: contrast.name,
                        role: contrast.role,
                        layer,
                        vector: name,
                        dose,
                        example: pair.index,
                        cluster: pair.cluster.clone(),
                        before: sign * unedited[index].difference,
                        after: sign * mean(|run| run.difference),
                        either_before: unedited[index].either,
                        either: mean(|run| run.either),
                    });
                }
            }
        }
    }
    Ok(lines)
}

/// A row for each prompt, vector and dose.
pub fn examples_table(lines: &[Line]) -> Result<Table, TableError> {
    let text =
        |of: fn(&Line) -> &str| lines.iter().map(|line| of(line).to_owned()).collect::<Vec<_>>();
    let float = |of: fn(&Line) -> f64| lines.iter().map(of).collect::<Vec<f64>>();
    Table::builder()
        .column("contrast", text(|line| line.contrast))
        .column("role", text(|line| line.role))
        .column("layer", lines.iter().map(|line| line.layer as i64).collect::<Vec<_>>())
        .column("vector", text(|line| line.vector))
        .column("dose", float(|line| line.dose))
        .column("example", lines.iter().map(|line| line.example as i64).collect::<Vec<_>>())
        .column("cluster", text(|line| &line.cluster))
        .column("base_value", float(|line| line.before))
        .column("value", float(|line| line.after))
        .column("effect", float(|line| line.after - line.before))
        .column("either_before", float(|line| line.either_before))
        .column("either", float(|line| line.either))
        .build()
}

/// For each place, vector and dose, with intervals over sentences: the mean log-odds and their change,
/// the share of prompts answered by the positive side, and the probability of either answer.
pub fn summary_table(lines: &[Line]) -> Result<Table> {
    let mut keys: Vec<(&str, &str, usize, &str, f64)> = Vec::new();
    for line in lines {
        let key = (line.contrast, line.role, line.layer, line.vector, line.dose);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    type Quantity = fn(&Line) -> f64;
    let quantities: [(&str, Quantity); 4] = [
        ("log_odds", |line| line.after),
        ("effect", |line| line.after - line.before),
        ("positive", |line| f64::from(u8::from(line.after > 0.0))),
        ("either", |line| line.either),
    ];
    let mut estimates: Vec<Vec<Estimate>> = vec![Vec::new(); quantities.len()];
    for key in &keys {
        let here =
            |line: &&Line| (line.contrast, line.role, line.layer, line.vector, line.dose) == *key;
        let here: Vec<&Line> = lines.iter().filter(here).collect();
        let clusters = Clusters::of(here.iter().map(|line| Some(&line.cluster)));
        for ((_, of), estimates) in quantities.iter().zip(&mut estimates) {
            let cell: Vec<f64> = here.iter().map(|line| of(line)).collect();
            estimates.extend(means(&[cell], &clusters, &Bootstrap::default())?);
        }
    }
    let text =
        |of: fn(&(&str, &str, usize, &str, f64)) -> String| keys.iter().map(of).collect::<Vec<_>>();
    let mut table = Table::builder()
        .column("contrast", text(|key| key.0.to_owned()))
        .column("role", text(|key| key.1.to_owned()))
        .column("place", text(|key| format!("{}, {} in layer {}", key.0, key.1, key.2)))
        .column("vector", text(|key| key.3.to_owned()))
        .column("dose", keys.iter().map(|key| key.4).collect::<Vec<_>>())
        .column("n", estimates[0].iter().map(|found| found.n as i64).collect::<Vec<_>>())
        .column(
            "clusters",
            estimates[0].iter().map(|found| found.clusters as i64).collect::<Vec<_>>(),
        );
    for ((name, _), estimates) in quantities.iter().zip(&estimates) {
        let column =
            |of: fn(&Estimate) -> Option<f64>| estimates.iter().map(of).collect::<Vec<_>>();
        table = table
            .column(*name, column(|found| found.mean))
            .column(format!("{name}_low"), column(|found| found.interval.map(|at| at.low)))
            .column(format!("{name}_high"), column(|found| found.interval.map(|at| at.high)));
    }
    Ok(table.build()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::contrast::{EUROPE, europe_and_asia};

    #[test]
    fn the_difference_of_means_moves_answers_and_a_random_vector_less() {
        let model = Model::load("embedded").unwrap();
        let rows = europe_and_asia(&model, 300, 2, 24).unwrap();
        let pairs = EUROPE.pairs(&model, &rows).unwrap();
        let lines = steer(&model, &EUROPE, &pairs, 2).unwrap();
        assert_eq!(lines.len(), rows.len() * VECTORS.len() * DOSES.len());
        let table = summary_table(&lines).unwrap();
        let at = |vector: &str, dose: f64, column: &str| -> f64 {
            let found = (0..table.rows()).find(|&row| {
                table.text("vector").unwrap()[row] == vector
                    && table.floats("dose").unwrap()[row] == dose
            });
            table.optional_floats(column).unwrap()[found.unwrap()].unwrap()
        };
        for vector in VECTORS {
            assert_eq!(at(vector, 0.0, "effect"), 0.0, "no dose, no effect");
        }
        let (up, down) = (at(VECTORS[0], 2.0, "effect"), at(VECTORS[0], -2.0, "effect"));
        assert!(up > 1.0 && down < -1.0, "{up}, {down}");
        assert!(at(VECTORS[1], 2.0, "effect").abs() < 0.5 * up);
        let either = at(VECTORS[0], 0.0, "either");
        assert!((0.0..=1.0).contains(&either));
        assert_eq!(examples_table(&lines).unwrap().rows(), lines.len());
    }
}
