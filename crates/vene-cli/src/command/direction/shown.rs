//! What was found of directions, for people: lines, and a figure along the layers.

use std::fmt::Write;

use anyhow::Context;
use vene::inspect::Subject;
use vene::inspect::direction::{Direction, Directions};
use vene::{Model, Table};
use vene_report::{Caption, Facets, Interval, Profile};

use crate::{look, model, terminal};

/// The lengths of directions and activations beside what was measured of them.
pub(super) fn with_lengths(summary: Table, directions: &[Direction]) -> anyhow::Result<Table> {
    let of = |of: fn(&Direction) -> f64| -> anyhow::Result<Vec<f64>> {
        let layers = summary.integers("layer")?;
        let direction = |layer: &i64| directions.iter().find(|one| one.layer as i64 == *layer);
        Ok(layers.iter().map(|layer| direction(layer).map_or(f64::NAN, of)).collect())
    };
    let length =
        of(|direction| direction.vector.iter().map(|value| value * value).sum::<f64>().sqrt())?;
    let norm = of(|direction| direction.activation_norm)?;
    Ok(summary.with_column("length", length)?.with_column("activation_norm", norm)?)
}

/// The direction that tells most apart; of several the first.
pub(super) fn best(summary: &Table, directions: &[Direction]) -> anyhow::Result<usize> {
    let (metrics, layers) = (summary.text("metric")?, summary.integers("layer")?);
    let means = summary.optional_floats("mean")?;
    let auc = |direction: &Direction| {
        let line = (0..summary.rows())
            .find(|&row| metrics[row] == "auc" && layers[row] == direction.layer as i64);
        line.and_then(|row| means[row]).unwrap_or(f64::NEG_INFINITY)
    };
    let aucs: Vec<f64> = directions.iter().map(auc).collect();
    let most = aucs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Ok(aucs.iter().position(|&auc| auc == most).unwrap_or(0))
}

pub(super) fn text(
    summary: &Table,
    directions: &[Direction],
    best: usize,
    positive: &[Subject],
) -> anyhow::Result<String> {
    let (metrics, layers) = (summary.text("metric")?, summary.integers("layer")?);
    let mut lines =
        vec![["layer", "auc", "accuracy", "length", "activation norm"].map(str::to_owned).to_vec()];
    for direction in directions {
        let of = |metric: &str| -> anyhow::Result<(String, usize)> {
            let line = (0..summary.rows())
                .find(|&row| metrics[row] == metric && layers[row] == direction.layer as i64)
                .context("a layer without a separation")?;
            Ok((look::with_interval(summary, line)?, line))
        };
        let (auc, line) = of("auc")?;
        lines.push(vec![
            direction.layer.to_string(),
            auc,
            of("accuracy")?.0,
            terminal::number(look::number(summary, "length", line)?),
            terminal::number(direction.activation_norm),
        ]);
    }
    let mut text = format!(
        "{} pairs; of groups held out, how well each layer's direction tells bases from sources\n",
        positive.len()
    );
    text += &look::aligned(&lines);
    let _ = writeln!(text, "\nBest: layer {}", directions[best].layer);
    Ok(text)
}

pub(super) fn draw(
    model: &Model,
    what: &(&'static str, String),
    summary: &Table,
    directions: &Directions,
) -> anyhow::Result<vene_report::Figure> {
    let title = format!("separation along directions by {}", directions.method);
    let profile = Profile {
        caption: Caption::new(format!("{}: {title}", model::short_name(model)))
            .note(what.0, &what.1),
        metric: Some("auc".to_owned()),
        value_title: Some("held-out area under ROC".to_owned()),
        lines: "component".to_owned(),
        facets: Facets::none(),
        interval: Some(Interval::default().named("95 % interval")),
        ..Profile::default()
    };
    Ok(profile.draw(summary)?)
}
