//! The lens' figures: of a prompt the likeliest token at each depth and position, of a data set lines along the layers.

use vene::inspect::{Subject, lens};
use vene::{Model, Table};
use vene_report::{Axis, Caption, ColorScale, Facets, HeatMap, Interval, Profile};

use crate::drawn::Drawn;
use crate::model;

/// The figures' names.
pub fn names(of_rows: bool) -> Vec<String> {
    let names: &[&str] =
        if of_rows { &["probability", "rank", "kl"] } else { &["lens", "asked", "kl"] };
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn caption(model: &Model, what: &(&'static str, String), title: &str) -> Caption {
    Caption::new(format!("{}: {title}", model::short_name(model))).note(what.0, &what.1)
}

/// Of one prompt.
pub fn of_prompt(
    drawn: &mut Drawn,
    model: &Model,
    what: &(&'static str, String),
    subjects: &[Subject],
    numbers: &Table,
) {
    let tokens = subjects.iter().flat_map(|subject| subject.prompt().tokens());
    let tokens: Vec<String> = tokens.map(|&token| model.tokenizer().display(token)).collect();
    // Of several tokens that are asked about the likeliest token would be drawn several times.
    let once = || -> anyhow::Result<Table> {
        let asked = numbers.text("asked")?;
        let first = asked.first().copied().unwrap_or_default();
        Ok(numbers.filter(|row| asked[row] == first))
    };
    let map = |value: &str, title: &str, caption: Caption| HeatMap {
        caption,
        value: value.to_owned(),
        value_title: Some(title.to_owned()),
        x: Axis::Position(tokens.clone()),
        facets: Facets::none(),
        rows: "residual stream".to_owned(),
        ..HeatMap::default()
    };
    let shares = ColorScale::Sequential { range: Some((0.0, 1.0)) };
    let likeliest = || {
        let caption = caption(model, what, "logit lens, the likeliest token at each depth");
        let map = HeatMap {
            texts: Some("top".to_owned()),
            scale: shares,
            ..map("top_probability", "its probability", caption)
        };
        Ok(map.draw(&once()?)?)
    };
    drawn.take("lens", likeliest());
    let asked = || {
        let is_default = numbers.text("asked")?.first() == Some(&lens::PREDICTION);
        let title = if is_default {
            "logit lens, probability of what the model says in the end"
        } else {
            "logit lens, probability of tokens"
        };
        let map = map("probability", "probability", caption(model, what, title));
        let map = if is_default {
            HeatMap { texts: Some("token".to_owned()), ..map }
        } else {
            HeatMap { facets: Facets::by("asked"), ..map }
        };
        Ok(HeatMap { scale: shares, ..map }.draw(numbers)?)
    };
    drawn.take("asked", asked());
    let divergence = || {
        let caption =
            caption(model, what, "logit lens, divergence from what the model says in the end");
        Ok(map("kl", "KL divergence (nats)", caption).draw(&once()?)?)
    };
    drawn.take("kl", divergence());
}

/// Of a data set.
pub fn of_rows(drawn: &mut Drawn, model: &Model, what: &(&'static str, String), summary: &Table) {
    for (metric, title, axis) in [
        ("probability", "logit lens, probability", "mean probability"),
        ("rank", "logit lens, rank", "mean rank (0: the likeliest)"),
        (
            "kl",
            "logit lens, divergence from what the model says in the end",
            "mean KL divergence (nats)",
        ),
    ] {
        let profile = Profile {
            caption: caption(model, what, title),
            metric: Some(metric.to_owned()),
            value_title: Some(axis.to_owned()),
            lines: "asked".to_owned(),
            interval: Some(Interval::default().named("95 % interval")),
            ..Profile::default()
        };
        drawn.take(metric, profile.draw(summary).map_err(Into::into));
    }
}
