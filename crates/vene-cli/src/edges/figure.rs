//! The figure of edges: the model as a graph, with the largest.

use vene::Outline;
use vene::circuit::EdgeScores;
use vene_report::{Caption, CircuitGraph};
use vene_table::Table;

use super::Settings;
use crate::drawn::Drawn;
use crate::model;

/// The names of all figures.
pub fn names(scores: &EdgeScores) -> Vec<String> {
    let metrics = 0..scores.rows().metrics().len();
    metrics
        .flat_map(|metric| {
            ["svg", "png"].map(|ending| format!("{}.{ending}", stem(scores, metric)))
        })
        .collect()
}

/// Draws the figures of a summary, one for each metric.
pub fn draw(edges: &Table, scores: &EdgeScores, settings: &Settings, outline: &Outline) -> Drawn {
    let rows = scores.rows();
    let mut drawn = Drawn::default();
    for (index, metric) in rows.metrics().iter().enumerate() {
        let caption = Caption::new(format!(
            "{}: effects of edges on {}",
            model::short_name(outline),
            metric.name()
        ))
        .note("data", format!("{}, {} rows", settings.data.name(), rows.prepared().len()))
        .note("by", scores.method().name());
        let metric = Some(metric.name().to_owned());
        let figure = CircuitGraph { caption, metric, ..CircuitGraph::default() }.draw(edges);
        drawn.take(stem(scores, index), figure.map_err(Into::into));
    }
    drawn
}

/// A figure's name without its ending.
fn stem(scores: &EdgeScores, metric: usize) -> String {
    let metrics = scores.rows().metrics();
    if metrics.len() == 1 {
        "edges".to_owned()
    } else {
        format!("edges-{}", metrics[metric].name())
    }
}
