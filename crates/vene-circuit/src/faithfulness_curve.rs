//! Faithfulness over examples: a curve over the sizes of circuits, and the areas that MIB sums it up by.
//!
//! Both sides of a ratio are means over the same examples, resampled together. CPR is the area under the curve, CMD that between the curve and 1
//! (Mueller et al. 2025), by trapezoids over shares from the first on: 0.999 and 0 are the best where shares are MIB's.

use vene_statistics::{Bootstrap, Clusters, Interval, RatioSums, distance_from_one, ratios};
use vene_table::{Table, TableSource};

use crate::error::CircuitError;
use crate::ratio_columns::{high, low, note, sums, value};
use crate::table::Examples;

/// What says of a table which circuits may stand beside each other in it.
pub const CIRCUIT_SETTINGS: [&str; 4] = ["ablation", "graph", "ranked_by", "loose_ends"];

/// The curve, and its areas.
#[derive(Clone, Debug)]
pub struct FaithfulnessCurve {
    /// A line for each circuit and metric: its `faithfulness` with an interval, beside the means that it is made of.
    pub curve: Table,
    /// A line for each curve: `cpr` and `cmd` with intervals. Empty where there are fewer than two shares.
    pub areas: Table,
}

/// Which curve: role, draw, metric.
type CurveKey = (String, i64, String);

/// The circuits of one curve.
struct Curve {
    key: CurveKey,
    /// By share, ascending once all are known.
    points: Vec<Point>,
}

struct Point {
    share: f64,
    edges: i64,
    /// Of each example: (m(C) − m(∅), m(M) − m(∅)); NaN where it has none.
    values: Vec<(f64, f64)>,
    /// The sums of m(C), m(M) and m(∅).
    totals: [f64; 3],
    n: usize,
}

impl FaithfulnessCurve {
    /// Of the examples of a table.
    ///
    /// # Errors
    /// A table that is no such one, or of several settings; intervals that cannot be drawn.
    pub fn of(examples: &impl TableSource, bootstrap: &Bootstrap) -> Result<Self, CircuitError> {
        let known = Examples::of(examples)?;
        let mut curves: Vec<Curve> = Vec::new();
        let mut settings: Vec<Option<String>> = vec![None; CIRCUIT_SETTINGS.len()];
        for chunk in examples.chunks(None)? {
            let chunk = chunk?;
            for (name, setting) in CIRCUIT_SETTINGS.into_iter().zip(&mut settings) {
                for word in chunk.text(name)? {
                    if setting.get_or_insert_with(|| word.to_owned()) != word {
                        return Err(CircuitError::UnlikeEdges { column: name });
                    }
                }
            }
            add(&mut curves, &chunk, &known)?;
        }
        for curve in &mut curves {
            curve.points.sort_by(|one, other| one.share.total_cmp(&other.share));
        }
        let settings: Vec<String> = settings.into_iter().map(Option::unwrap_or_default).collect();
        Ok(Self {
            curve: curve(&curves, &known.clusters, bootstrap, &settings)?,
            areas: areas(&curves, &known.clusters, bootstrap)?,
        })
    }
}

fn add(curves: &mut Vec<Curve>, chunk: &Table, examples: &Examples) -> Result<(), CircuitError> {
    let (roles, metrics) = (chunk.text("role")?, chunk.text("metric")?);
    let (draws, shares) = (chunk.integers("draw")?, chunk.floats("share")?);
    let (edges, numbers) = (chunk.integers("edges")?, chunk.integers("example")?);
    let base = chunk.floats("base_value")?;
    let (empty, value) = (chunk.floats("empty_value")?, chunk.floats("value")?);
    for row in 0..chunk.rows() {
        let is_here = |curve: &Curve| {
            let (role, draw, metric) = &curve.key;
            role == roles[row] && *draw == draws[row] && metric == metrics[row]
        };
        let place = match curves.iter().position(is_here) {
            Some(place) => place,
            None => {
                let key = (roles[row].to_owned(), draws[row], metrics[row].to_owned());
                curves.push(Curve { key, points: Vec::new() });
                curves.len() - 1
            }
        };
        let points = &mut curves[place].points;
        let place =
            points.iter().position(|point| point.share == shares[row]).unwrap_or_else(|| {
                points.push(Point {
                    share: shares[row],
                    edges: edges[row],
                    values: vec![(f64::NAN, f64::NAN); examples.clusters.observations()],
                    totals: [0.0; 3],
                    n: 0,
                });
                points.len() - 1
            });
        let point = &mut points[place];
        let observation = examples.number(numbers[row])?;
        point.values[observation] = (value[row] - empty[row], base[row] - empty[row]);
        for (total, value) in point.totals.iter_mut().zip([value[row], base[row], empty[row]]) {
            *total += value;
        }
        point.n += 1;
    }
    Ok(())
}

fn curve(
    curves: &[Curve],
    clusters: &Clusters,
    bootstrap: &Bootstrap,
    settings: &[String],
) -> Result<Table, CircuitError> {
    let lines: Vec<(&CurveKey, &Point)> = curves
        .iter()
        .flat_map(|curve| curve.points.iter().map(move |point| (&curve.key, point)))
        .collect();
    let cells: Vec<RatioSums> =
        lines.iter().map(|(_, point)| sums(point.values.iter().copied(), clusters)).collect();
    let found = ratios(&cells, clusters, bootstrap)?;
    let mean = |which: usize| -> Vec<f64> {
        lines.iter().map(|(_, point)| point.totals[which] / point.n as f64).collect()
    };
    let mut table = Table::builder()
        .column("role", lines.iter().map(|((role, ..), _)| role.clone()).collect::<Vec<_>>())
        .column("draw", lines.iter().map(|((_, draw, _), _)| *draw).collect::<Vec<_>>())
        .column("share", lines.iter().map(|(_, point)| point.share).collect::<Vec<_>>())
        .column("edges", lines.iter().map(|(_, point)| point.edges).collect::<Vec<_>>())
        .column("metric", lines.iter().map(|((.., metric), _)| metric.clone()).collect::<Vec<_>>())
        .column("faithfulness", found.iter().map(value).collect::<Vec<_>>())
        .column("low", low(&found))
        .column("high", high(&found))
        .column("mean_value", mean(0))
        .column("mean_base_value", mean(1))
        .column("mean_empty_value", mean(2))
        .column("n", lines.iter().map(|(_, point)| point.n as i64).collect::<Vec<_>>())
        .column("note", found.iter().map(note).collect::<Vec<_>>());
    for (name, value) in CIRCUIT_SETTINGS.into_iter().zip(settings) {
        table = table.column(name, vec![value.clone(); lines.len()]);
    }
    Ok(table.build()?)
}

fn areas(
    curves: &[Curve],
    clusters: &Clusters,
    bootstrap: &Bootstrap,
) -> Result<Table, CircuitError> {
    let curves: Vec<&Curve> = curves.iter().filter(|curve| curve.points.len() > 1).collect();
    let mut under = Vec::with_capacity(curves.len());
    let mut distances = Vec::with_capacity(curves.len());
    for curve in &curves {
        let weights = trapezoids(&curve.points.iter().map(|point| point.share).collect::<Vec<_>>());
        let area = |observation: usize| {
            let above = curve.points.iter().zip(&weights);
            let above = above.map(|(point, weight)| weight * point.values[observation].0).sum();
            (above, curve.points[0].values[observation].1)
        };
        under.push(sums((0..clusters.observations()).map(area), clusters));
        let cells: Vec<RatioSums> =
            curve.points.iter().map(|point| sums(point.values.iter().copied(), clusters)).collect();
        distances.push(distance_from_one(&cells, &weights, clusters, bootstrap)?);
    }
    let under = ratios(&under, clusters, bootstrap)?;
    let end = |of: fn(Interval) -> f64| -> Vec<Option<f64>> {
        distances.iter().map(|found| found.as_ref().ok().map(|found| of(found.interval))).collect()
    };
    let table = Table::builder()
        .column("role", curves.iter().map(|curve| curve.key.0.clone()).collect::<Vec<_>>())
        .column("draw", curves.iter().map(|curve| curve.key.1).collect::<Vec<_>>())
        .column("metric", curves.iter().map(|curve| curve.key.2.clone()).collect::<Vec<_>>())
        .column("cpr", under.iter().map(value).collect::<Vec<_>>())
        .column("cpr_low", low(&under))
        .column("cpr_high", high(&under))
        .column(
            "cmd",
            distances
                .iter()
                .map(|found| found.as_ref().ok().map(|found| found.value))
                .collect::<Vec<_>>(),
        )
        .column("cmd_low", end(|interval| interval.low))
        .column("cmd_high", end(|interval| interval.high))
        .column("note", under.iter().map(note).collect::<Vec<_>>());
    Ok(table.build()?)
}

/// What each share counts in the area over all of them.
fn trapezoids(shares: &[f64]) -> Vec<f64> {
    let mut weights = vec![0.0; shares.len()];
    for (index, pair) in shares.windows(2).enumerate() {
        let half = (pair[1] - pair[0]) / 2.0;
        weights[index] += half;
        weights[index + 1] += half;
    }
    weights
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Circuits that do nothing, a half, all of what the model does, in each of so many examples.
    fn examples(count: i64, values: &[(f64, f64)]) -> Table {
        let lines: Vec<(i64, f64, f64)> = (0..count)
            .flat_map(|example| values.iter().map(move |(share, value)| (example, *share, *value)))
            .collect();
        let whole = |example: i64| 2.0 + example as f64 / 10.0;
        let text = |word: &str| vec![word.to_owned(); lines.len()];
        Table::builder()
            .column("example", lines.iter().map(|(example, ..)| *example).collect::<Vec<_>>())
            .column("group", vec![None::<String>; lines.len()])
            .column("role", text("circuit"))
            .column("draw", vec![0_i64; lines.len()])
            .column("share", lines.iter().map(|(_, share, _)| *share).collect::<Vec<_>>())
            .column(
                "edges",
                lines.iter().map(|(_, share, _)| (share * 100.0) as i64).collect::<Vec<_>>(),
            )
            .column("metric", text("logit_difference"))
            .column(
                "base_value",
                lines.iter().map(|(example, ..)| whole(*example)).collect::<Vec<_>>(),
            )
            .column("empty_value", vec![-1.0; lines.len()])
            .column(
                "value",
                lines
                    .iter()
                    .map(|(example, _, value)| -1.0 + value * (whole(*example) + 1.0))
                    .collect::<Vec<_>>(),
            )
            .column("ablation", text("resample"))
            .column("graph", text("grouped"))
            .column("ranked_by", text("absolute"))
            .column("loose_ends", text("pruned"))
            .build()
            .unwrap()
    }

    #[test]
    fn areas_are_those_of_trapezoids() {
        let table = examples(12, &[(0.1, 0.0), (0.3, 0.5), (1.0, 1.0)]);
        let found = FaithfulnessCurve::of(&table, &Bootstrap::default()).unwrap();
        let close = |found: Option<f64>, expected: f64| {
            let found = found.unwrap();
            assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
        };
        let faithfulness = found.curve.optional_floats("faithfulness").unwrap();
        for (found, expected) in faithfulness.into_iter().zip([0.0, 0.5, 1.0]) {
            close(found, expected);
        }
        let cpr = 0.2 * 0.25 + 0.7 * 0.75;
        close(found.areas.optional_floats("cpr").unwrap()[0], cpr);
        close(found.areas.optional_floats("cmd").unwrap()[0], 0.9 - cpr);
        // Every example does the same share: resampling changes nothing.
        close(found.areas.optional_floats("cmd_low").unwrap()[0], 0.9 - cpr);
        close(found.areas.optional_floats("cpr_high").unwrap()[0], cpr);
    }

    #[test]
    fn what_goes_beyond_the_model_is_as_far_from_it() {
        let found =
            FaithfulnessCurve::of(&examples(9, &[(0.5, 1.5), (1.0, 1.0)]), &Bootstrap::default());
        let areas = found.unwrap().areas;
        assert!((areas.optional_floats("cpr").unwrap()[0].unwrap() - 0.625).abs() < 1e-12);
        assert!((areas.optional_floats("cmd").unwrap()[0].unwrap() - 0.125).abs() < 1e-12);
    }

    #[test]
    fn a_model_that_does_nothing_has_no_faithfulness() {
        // All edges patched change nothing on average.
        let table = examples(6, &[(0.5, 0.5), (1.0, 1.0)]);
        let base = table.floats("base_value").unwrap().to_vec();
        let by = |row: usize| if row % 4 < 2 { 0.1 } else { -0.1 };
        let empty: Vec<f64> = base.iter().enumerate().map(|(row, value)| value + by(row)).collect();
        let names: Vec<&str> =
            table.columns().map(|(name, _)| name).filter(|name| *name != "empty_value").collect();
        let table = table.select(&names).unwrap().with_column("empty_value", empty).unwrap();
        let found = FaithfulnessCurve::of(&table, &Bootstrap::default()).unwrap();
        assert_eq!(found.curve.optional_floats("faithfulness").unwrap()[0], None);
        assert!(found.curve.optional_text("note").unwrap()[0].unwrap().contains("contains 0"));
    }
}
