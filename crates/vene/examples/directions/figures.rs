//! The two programs' figures.

use vene::Model;
use vene_report::{Along, Caption, Facets, Figure, FigureError, Interval, Profile};
use vene_table::Table;

/// Effects along the layers, a line for each method, at the token that the contrast is about.
pub fn compared(summary: &Table, model: &Model, rows: usize) -> Result<Figure, FigureError> {
    let title = format!("{}: interchange along one direction of the residual stream", name(model));
    let caption = Caption::new(title)
        .note("rows", format!("{rows} for each contrast, all held out once"))
        .note("effect", "share of the whole effect on the log-odds of the two answers");
    let profile = Profile {
        caption,
        value: "share".to_owned(),
        value_title: Some("share of the whole effect".to_owned()),
        interval: Some(interval("share")),
        // Not every layer was looked at.
        along: Along::Numbers { column: "layer".to_owned(), title: "layer".to_owned() },
        lines: "method".to_owned(),
        facets: Facets::by("place"),
        ..Profile::default()
    };
    let roles = summary.text("role")?;
    profile.draw(&summary.filter(|row| roles[row] != "last"))
}

/// Log-odds and the answers' probability by dose, where the word is and where the answer is said: apart, since
/// the same dose does far more in the last layers.
pub fn steered(
    summary: &Table,
    model: &Model,
    rows: usize,
) -> Result<Vec<(&'static str, Figure)>, FigureError> {
    let log_odds = ("log_odds", "log-odds of the positive side (nats)");
    let either = ("either", "probability of either answer");
    let figures = [
        ("log-odds-at-word", log_odds, false),
        ("log-odds-at-last", log_odds, true),
        ("either-at-word", either, false),
        ("either-at-last", either, true),
    ];
    let roles = summary.text("role")?;
    let draw = |(file, (column, title), last): (&'static str, (&str, &str), bool)| {
        let caption = Caption::new(format!("{}: a vector added, by dose", name(model)))
            .note("rows", format!("{rows} for each contrast, all held out once"));
        let profile = Profile {
            caption,
            value: column.to_owned(),
            value_title: Some(title.to_owned()),
            interval: Some(interval(column)),
            along: Along::Numbers {
                column: "dose".to_owned(),
                title: "multiples of the difference of means".to_owned(),
            },
            lines: "vector".to_owned(),
            facets: Facets::by("place"),
            ..Profile::default()
        };
        Ok((file, profile.draw(&summary.filter(|row| (roles[row] == "last") == last))?))
    };
    figures.into_iter().map(draw).collect()
}

fn interval(column: &str) -> Interval {
    Interval::new(format!("{column}_low"), format!("{column}_high")).named("95 % interval")
}

/// The model's name without its folder.
fn name(model: &Model) -> String {
    let name = model.provenance().name.as_str();
    name.rsplit('/').next().unwrap_or(name).to_owned()
}
