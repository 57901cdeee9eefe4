//! Which figures show a sweep.
//!
//! By position: a heat map with the base's tokens along x, and bars at the last swept position. By
//! head: both with heads instead. By head and position a page would need three axes, so each
//! position has a pair of figures of its own.

use anyhow::Context;
use vene::{Outline, Sweep, SweepOutcome, SweepUnit, Table};
use vene_report::{Axis, Bars, Caption, ColorScale, Facets, Figure, HeatMap, Reference};

use crate::model;

/// The figures' file names, without their extensions.
pub fn names(sweep: &Sweep) -> Vec<String> {
    let each = |kind: &str| match sweep.unit() {
        SweepUnit::Position | SweepUnit::Head => vec![kind.to_owned()],
        SweepUnit::HeadPosition => positions(sweep)
            .into_iter()
            .map(|position| format!("{kind}-position-{position}"))
            .collect(),
    };
    ["heatmap", "effects", "bars"].into_iter().flat_map(each).collect()
}

/// Draws the figure of this name.
pub fn draw(
    name: &str,
    table: &Table,
    outcome: &SweepOutcome,
    outline: &Outline,
) -> anyhow::Result<Figure> {
    let sweep = outcome.sweep();
    let (kind, position) = match name.split_once("-position-") {
        Some((kind, position)) => (kind, Some(position.parse::<i64>().context("a position")?)),
        None => (name, None),
    };
    let table = match position {
        Some(position) => {
            let positions = table.optional_integers("position")?;
            &table.filter(|row| positions.get(row) == Some(&Some(position)))
        }
        None => table,
    };
    let tokens: Vec<String> =
        sweep.base().tokens().iter().map(|&id| outline.tokenizer().display(id)).collect();
    let what = match kind {
        "effects" => "change of the next token's probability",
        _ => "probability of the next token",
    };
    let caption = caption(
        what,
        outcome,
        outline,
        position.and_then(|at| Some((at, tokens.get(usize::try_from(at).ok()?)?))),
    );
    let facets = sweep.targets().iter().fold(Facets::default(), |facets, target| {
        facets.titled(&target.text, outline.tokenizer().display(target.id))
    });
    let x = |tokens| match sweep.unit() {
        SweepUnit::Position => Axis::Position(tokens),
        SweepUnit::Head | SweepUnit::HeadPosition => Axis::Head,
    };
    let figure = if kind == "heatmap" {
        HeatMap { caption, x: x(tokens), facets, ..HeatMap::default() }.draw(table)?
    } else if kind == "effects" {
        let pairs = table.floats("probability")?.iter().zip(table.floats("base_probability")?);
        let effects: Vec<f64> = pairs.map(|(patched, base)| patched - base).collect();
        HeatMap {
            caption,
            value: "effect".to_owned(),
            value_title: Some("patched - base".to_owned()),
            x: x(tokens),
            facets,
            scale: ColorScale::Diverging { limit: None },
            ..HeatMap::default()
        }
        .draw(&table.clone().with_column("effect", effects)?)?
    } else {
        let mut references = vec![Reference::new("base_probability", "base")];
        if outcome.source().is_some() {
            references.push(Reference::new("source_probability", "source"));
        }
        Bars { caption, tokens, facets, references, ..Bars::default() }.draw(table)?
    };
    Ok(figure)
}

/// The positions that a sweep visits, ascending.
fn positions(sweep: &Sweep) -> Vec<usize> {
    let mut positions: Vec<usize> = sweep.cells().iter().filter_map(|cell| cell.position).collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

fn caption(
    what: &str,
    outcome: &SweepOutcome,
    outline: &Outline,
    position: Option<(i64, &String)>,
) -> Caption {
    let sweep = outcome.sweep();
    let unit = sweep.unit().in_words();
    let title =
        format!("{}: {} of {unit}, {what}", model::short_name(outline), sweep.method().name());
    let mut caption = Caption::new(title).note("base", sweep.base().text().unwrap_or_default());
    for source in sweep.read_sources() {
        caption = caption.note("source", source.text().unwrap_or_default());
    }
    match position {
        Some((position, token)) => caption.note("position", format!("{position} {token}")),
        None => caption,
    }
}
