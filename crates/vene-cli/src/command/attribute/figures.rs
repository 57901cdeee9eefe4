//! The figures of an attribution: the heads of each layer, and what attention and MLP of each layer write together.

use std::collections::BTreeMap;

use vene::inspect::Subject;
use vene::{Model, Table};
use vene_report::{Axis, Caption, ColorScale, Facets, HeatMap, Interval, Profile};

use super::question;
use crate::drawn::Drawn;
use crate::look::distinct;
use crate::model;

/// Positions that have panels of their own.
const PANELS: usize = 6;

/// The figures' names.
pub fn names(direct: bool) -> Vec<String> {
    let mut names = vec!["heads".to_owned(), "layers".to_owned()];
    if direct {
        names.push("heads-direct".to_owned());
    }
    names
}

fn caption(model: &Model, what: &(&'static str, String), title: &str) -> Caption {
    Caption::new(format!("{}: {title}", model::short_name(model))).note(what.0, &what.1)
}

/// Of one prompt, at its last positions.
pub fn of_prompt(
    drawn: &mut Drawn,
    model: &Model,
    what: &(&'static str, String),
    subjects: &[Subject],
    terms: &Table,
    direct: bool,
) -> anyhow::Result<()> {
    let at = terms.integers("position")?;
    let mut positions = distinct(at);
    positions.drain(..positions.len().saturating_sub(PANELS));
    let terms = terms.filter(|row| positions.contains(&at[row]));
    let inputs = terms.text("input")?;
    let at = terms.integers("position")?;
    let mut facets = Facets::by("position");
    for &position in &positions {
        let input = at.iter().position(|other| *other == position).map_or("", |row| inputs[row]);
        facets = facets.titled(position.to_string(), format!("after {position} {input}"));
    }
    let question = question(model, subjects.first());
    let heads = heads_of(&terms)?;
    let map = |value: &str, title: String, axis: &str| HeatMap {
        value: value.to_owned(),
        value_title: Some(axis.to_owned()),
        interval: None,
        caption: caption(model, what, &title),
        ..HeatMap::means(Axis::Head, facets.clone())
    };
    let title = format!("share of each head in the {question}");
    drawn
        .take("heads", map("contribution", title, "contribution").draw(&heads).map_err(Into::into));
    let layers = layers_of(&terms, "position", "contribution")?;
    let profile = Profile {
        caption: caption(model, what, &format!("share of each layer in the {question}")),
        value: "contribution".to_owned(),
        value_title: Some("contribution".to_owned()),
        interval: None,
        facets: facets.clone(),
        ..Profile::default()
    };
    drawn.take("layers", profile.draw(&layers).map_err(Into::into));
    if direct {
        let title = format!("direct effect of each head on the {question}");
        let figure = map("direct_effect", title, "direct effect").draw(&heads);
        drawn.take("heads-direct", figure.map_err(Into::into));
    }
    Ok(())
}

/// Of a data set.
pub fn of_rows(
    drawn: &mut Drawn,
    model: &Model,
    what: &(&'static str, String),
    summary: &Table,
    direct: bool,
) -> anyhow::Result<()> {
    let heads = heads_of(summary)?;
    for (name, metric, title) in [
        ("heads", "contribution", "mean share of each head in the answer"),
        ("heads-direct", "direct_effect", "mean direct effect of each head on the answer"),
    ] {
        if metric == "direct_effect" && !direct {
            continue;
        }
        let map = HeatMap {
            metric: Some(metric.to_owned()),
            value_title: Some(metric.replace('_', " ")),
            interval: Some(Interval::default().named("95 % interval")),
            scale: ColorScale::Diverging { limit: None },
            caption: caption(model, what, title),
            ..HeatMap::means(Axis::Head, Facets::by("role"))
        };
        drawn.take(name, map.draw(&heads).map_err(Into::into));
    }
    let metrics = summary.text("metric")?;
    let shares = summary.filter(|row| metrics[row] == "contribution");
    let layers = layers_of(&shares, "role", "mean")?;
    let profile = Profile {
        caption: caption(model, what, "mean share of each layer in the answer"),
        value_title: Some("contribution".to_owned()),
        interval: None,
        ..Profile::default()
    };
    drawn.take("layers", profile.draw(&layers).map_err(Into::into));
    Ok(())
}

/// The rows of heads, as the component that a heat map's rows are of.
fn heads_of(table: &Table) -> anyhow::Result<Table> {
    let components = table.text("component")?;
    let heads = table.filter(|row| components[row] == "head");
    let names = vec!["head_result"; heads.rows()];
    let kept: Vec<&str> =
        heads.columns().map(|(name, _)| name).filter(|name| *name != "component").collect();
    Ok(heads.select(&kept)?.with_column("component", names)?)
}

/// What attention (all heads and the bias) and the MLP of each layer write, at each place of a column.
fn layers_of(table: &Table, place: &str, value: &str) -> anyhow::Result<Table> {
    let (components, layers) = (table.text("component")?, table.optional_integers("layer")?);
    let values = table.optional_floats(value)?;
    let column = table.column(place)?;
    let mut sums: BTreeMap<(usize, i64, bool), f64> = BTreeMap::new();
    let mut places = Vec::new();
    for row in 0..table.rows() {
        let Some(layer) = layers[row] else { continue };
        let here = column.value(row).to_string();
        let at = places.iter().position(|place| *place == here).unwrap_or_else(|| {
            places.push(here);
            places.len() - 1
        });
        let is_mlp = components[row].starts_with("mlp");
        *sums.entry((at, layer, is_mlp)).or_default() += values[row].unwrap_or(0.0);
    }
    let name = |is_mlp: &bool| if *is_mlp { "mlp_contribution" } else { "attention_contribution" };
    let keys = sums.keys();
    Ok(Table::builder()
        .column("component", keys.clone().map(|(.., is_mlp)| name(is_mlp)).collect::<Vec<_>>())
        .column("layer", keys.clone().map(|(_, layer, _)| *layer).collect::<Vec<_>>())
        .column(place, keys.map(|(at, ..)| places[*at].as_str()).collect::<Vec<_>>())
        .column(value, sums.values().copied().collect::<Vec<f64>>())
        .build()?)
}
