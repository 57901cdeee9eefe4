//! Which figures show a sweep.
//!
//! Of the tokens' probabilities by position: a heat map with the base's tokens along x, one of the changes, and bars at
//! the last swept position. By head: the same with heads instead. Of each metric and direction: a heat map of the effects.
//! By head and position a page would need three axes, so each position has figures of its own.

use anyhow::Context;
use vene::{Direction, Outline, Sweep, SweepOutcome, SweepUnit, Table};
use vene_report::{Axis, Bars, Caption, ColorScale, Facets, Figure, HeatMap, Reference};

use crate::model;
use crate::prompts;

/// What a figure shows.
struct Shown<'a> {
    /// Its file's name, without the extension.
    name: String,
    what: What<'a>,
    direction: Direction,
    /// The one position, where each has figures of its own.
    position: Option<usize>,
}

#[derive(Clone, Copy)]
enum What<'a> {
    /// The tokens' probabilities.
    Probabilities,
    /// How they change.
    Changes,
    /// The probabilities at one position.
    Bars,
    /// The effects on a metric.
    Metric(&'a str),
}

/// The figures' file names, without their extensions.
pub fn names(sweep: &Sweep) -> Vec<String> {
    shown(sweep).into_iter().map(|shown| shown.name).collect()
}

/// What the figures of a sweep show.
fn shown(sweep: &Sweep) -> Vec<Shown<'_>> {
    let mut kinds: Vec<(String, What<'_>)> = Vec::new();
    if !sweep.targets().is_empty() {
        let kind = |(name, what): (&str, _)| (name.to_owned(), what);
        let of_tokens =
            [("heatmap", What::Probabilities), ("effects", What::Changes), ("bars", What::Bars)];
        kinds.extend(of_tokens.map(kind));
    }
    for metric in sweep.metrics() {
        kinds.push((format!("effects-{}", metric.name()), What::Metric(metric.name())));
    }
    let mut all = Vec::new();
    for (kind, what) in kinds {
        for &direction in sweep.directions() {
            let name = match sweep.directions() {
                [_] => kind.clone(),
                _ => format!("{kind}-{}", direction.name()),
            };
            match sweep.unit() {
                SweepUnit::Position | SweepUnit::Head => {
                    all.push(Shown { name, what, direction, position: None });
                }
                SweepUnit::HeadPosition => {
                    for position in positions(sweep, direction) {
                        let name = format!("{name}-position-{position}");
                        all.push(Shown { name, what, direction, position: Some(position) });
                    }
                }
            }
        }
    }
    all
}

/// The positions that a sweep visits in the prompt that is edited, ascending.
fn positions(sweep: &Sweep, direction: Direction) -> Vec<usize> {
    let Some(row) = sweep.rows().first() else { return Vec::new() };
    let of_cell = |cell| match direction {
        Direction::Noising => sweep.positions_of(cell, row).first().copied(),
        Direction::Denoising => sweep.source_positions_of(cell, row).first()?.first().copied(),
    };
    let mut positions: Vec<usize> = sweep.cells().iter().filter_map(of_cell).collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// Draws the figure of this name.
pub fn draw(
    name: &str,
    sweep: &Sweep,
    outline: &Outline,
    outcome: &SweepOutcome,
) -> anyhow::Result<Figure> {
    let shown = shown(sweep).into_iter().find(|shown| shown.name == name);
    let shown = shown.with_context(|| format!("no figure is called {name}"))?;
    let table = match shown.what {
        What::Metric(_) => outcome.examples(),
        _ => outcome.tokens().context("no token is read")?,
    };
    let table = &shown.rows_of(table)?;
    let edited = match shown.direction {
        Direction::Noising => Some(sweep.base()),
        Direction::Denoising => sweep.sources().first().copied(),
    };
    let tokens = edited.map_or(&[][..], |prompt| prompt.tokens());
    let tokens: Vec<String> = tokens.iter().map(|&id| outline.tokenizer().display(id)).collect();
    let caption = shown.caption(sweep, outline, &tokens);
    let x = match sweep.unit() {
        SweepUnit::Position => Axis::Position(tokens.clone()),
        SweepUnit::Head | SweepUnit::HeadPosition => Axis::Head,
    };
    let facets = sweep.targets().iter().fold(Facets::default(), |facets, target| {
        facets.titled(&target.text, outline.tokenizer().display(target.id))
    });
    let changes = |facets: Facets, title: &str| HeatMap {
        caption: caption.clone(),
        value: "effect".to_owned(),
        value_title: Some(title.to_owned()),
        x: x.clone(),
        facets,
        scale: ColorScale::Diverging { limit: None },
        ..HeatMap::default()
    };
    Ok(match shown.what {
        What::Probabilities => HeatMap { caption, x, facets, ..HeatMap::default() }.draw(table)?,
        What::Changes => {
            let pairs = table.floats("probability")?.iter().zip(table.floats("base_probability")?);
            let effects: Vec<f64> = pairs.map(|(patched, base)| patched - base).collect();
            let table = table.clone().with_column("effect", effects)?;
            changes(facets, "patched - base").draw(&table)?
        }
        What::Bars => {
            let mut references = vec![Reference::new("base_probability", "base")];
            if outcome.source().is_some() {
                references.push(Reference::new("source_probability", "source"));
            }
            Bars { caption, tokens, facets, references, ..Bars::default() }.draw(table)?
        }
        What::Metric(_) => changes(Facets::by("component"), "patched - base").draw(table)?,
    })
}

impl Shown<'_> {
    /// The rows of a table that it shows: those of its metric, direction and position, and of no control.
    fn rows_of(&self, table: &Table) -> anyhow::Result<Table> {
        let mut keep = vec![true; table.rows()];
        let metric = match self.what {
            What::Metric(metric) => Some(metric),
            _ => None,
        };
        let wanted = [
            ("metric", metric),
            ("direction", Some(self.direction.name())),
            ("control", Some("none")),
        ];
        for (column, value) in wanted {
            if let (Some(value), true) = (value, table.has(column)) {
                for (keep, found) in keep.iter_mut().zip(table.optional_text(column)?) {
                    *keep &= found == Some(value);
                }
            }
        }
        if let Some(position) = self.position {
            for (keep, found) in keep.iter_mut().zip(table.optional_integers("position")?) {
                *keep &= found == Some(position as i64);
            }
        }
        Ok(table.filter(|row| keep[row]))
    }

    fn caption(&self, sweep: &Sweep, outline: &Outline, tokens: &[String]) -> Caption {
        let what = match self.what {
            What::Metric(metric) => format!("effect on {metric}"),
            What::Changes => "change of the next token's probability".to_owned(),
            What::Probabilities | What::Bars => "probability of the next token".to_owned(),
        };
        let unit = sweep.unit().in_words();
        let title =
            format!("{}: {} of {unit}, {what}", model::short_name(outline), sweep.method().name());
        let mut caption = Caption::new(title).note("base", prompts::shown(outline, sweep.base()));
        for source in sweep.read_sources() {
            caption = caption.note("source", prompts::shown(outline, source));
        }
        if sweep.directions() != [Direction::Noising] {
            caption = caption.note("direction", self.direction.name());
        }
        if sweep.effect() != vene::EffectType::Total {
            caption = caption.note("effect", sweep.effect().name());
        }
        if sweep.window() > 1 {
            caption = caption.note("window", format!("{} layers", sweep.window()));
        }
        match self.position {
            Some(position) => {
                let token = tokens.get(position).map_or("", String::as_str);
                caption.note("position", format!("{position} {token}"))
            }
            None => caption,
        }
    }
}
