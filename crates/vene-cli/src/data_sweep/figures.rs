//! Which figures show a sweep over a data set.
//!
//! For each metric and direction: the mean effect, the width of its interval and how far the examples
//! agree in sign, each as a map; the strongest places with every example in them; and, by position,
//! the mean along the layers. What one figure would need three axes for is drawn once for each
//! component.

use std::collections::BTreeSet;

use anyhow::Context;
use vene::{Direction, Outline, Sweep, SweepUnit};
use vene_report::{Axis, Caption, Facets, Figure, HeatMap, Interval, Profile, Strips};
use vene_table::Table;

use super::Settings;
use crate::model::{self, UnusualBos};
use crate::terminal;

/// The kinds of figures.
const KINDS: [&str; 5] = ["mean", "interval_width", "sign_agreement", "strips", "profile"];

/// What one set of figures shows.
struct Shown<'a> {
    metric: &'a str,
    direction: Direction,
    /// One component, where each has figures of its own.
    component: Option<&'static str>,
    /// What its files' names end in.
    suffix: String,
}

/// What is drawn of it.
struct View<'a> {
    summary: Table,
    examples: Table,
    metric: &'a str,
    caption: Caption,
    sweep: &'a Sweep,
}

/// All figures: their file names and contents. One that cannot be drawn (there may be too much for
/// it) is left out with a warning, rather than the whole run lost.
pub fn draw(
    examples: &Table,
    summary: &Table,
    sweep: &Sweep,
    outline: &Outline,
    settings: &Settings,
) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (suffix, view) in views(examples, summary, sweep, outline, settings) {
        let drawn: [Option<anyhow::Result<Figure>>; KINDS.len()] = [
            Some(view.mean()),
            Some(view.interval_width()),
            Some(view.sign_agreement()),
            Some(view.strips()),
            view.profile(),
        ];
        for (kind, figure) in KINDS.into_iter().zip(drawn) {
            let Some(figure) = figure else { continue };
            let name = format!("{kind}{suffix}");
            match figure.and_then(|figure| Ok((figure.png()?, figure))) {
                Ok((png, figure)) => {
                    files.push((format!("{name}.svg"), figure.svg().as_bytes().to_vec()));
                    files.push((format!("{name}.png"), png));
                }
                Err(error) => terminal::warn(format!("{name} is left out: {error:#}")),
            }
        }
    }
    files
}

/// The names of all files that figures of a sweep may have.
pub fn names(sweep: &Sweep) -> Vec<String> {
    let files = |shown: &Shown<'_>| {
        KINDS
            .into_iter()
            .flat_map(|kind| {
                ["svg", "png"].map(|extension| format!("{kind}{}.{extension}", shown.suffix))
            })
            .collect::<Vec<_>>()
    };
    shown(sweep).iter().flat_map(files).collect()
}

/// What the figures of a sweep show.
fn shown(sweep: &Sweep) -> Vec<Shown<'_>> {
    // Heads at several positions, or several components by head: one figure each.
    let mut components: Vec<Option<&'static str>> = vec![None];
    if sweep.unit() == SweepUnit::HeadPosition {
        let names: BTreeSet<_> = sweep.cells().iter().map(|cell| cell.component.name()).collect();
        components = names.into_iter().map(Some).collect();
    }
    let metrics: Vec<&str> = sweep.metrics().iter().map(|metric| metric.name()).collect();
    let directions = sweep.directions();
    let part = |count: usize, name: &str| {
        if count == 1 { String::new() } else { format!("-{name}") }
    };
    let mut all = Vec::new();
    for &metric in &metrics {
        for &direction in directions {
            for &component in &components {
                let suffix = part(metrics.len(), metric)
                    + &part(directions.len(), direction.name())
                    + &part(components.len(), component.unwrap_or_default());
                all.push(Shown { metric, direction, component, suffix });
            }
        }
    }
    all
}

/// Views of what the figures show, each with what its files' names end in.
fn views<'a>(
    examples: &Table,
    summary: &Table,
    sweep: &'a Sweep,
    outline: &Outline,
    settings: &Settings,
) -> Vec<(String, View<'a>)> {
    // With a split, what was found in one half is shown by the other.
    let discovery = settings.summary.discovery.as_deref().unwrap_or_default();
    let split = settings.summary.discovery.as_ref().map_or("all", |_| "evaluation");
    let mut views = Vec::new();
    for Shown { metric, direction, component, suffix } in shown(sweep) {
        let wanted = |table: &Table, split: Option<&str>, less: &[usize]| {
            only(
                table,
                less,
                &[
                    ("metric", Some(metric)),
                    ("direction", Some(direction.name())),
                    ("control", Some("none")),
                    ("component", component),
                    ("split", split),
                ],
            )
        };
        let title = format!(
            "{}: {} of {}, effect on {}",
            model::short_name(outline),
            sweep.method().name(),
            sweep.unit().in_words(),
            metric,
        );
        let mut caption = Caption::new(title)
            .note("data", format!("{}, {} rows", settings.data.name(), sweep.rows().len()))
            .note("direction", direction.name())
            .note("effect", sweep.effect().name());
        if sweep.window() > 1 {
            caption = caption.note("window", format!("{} layers", sweep.window()));
        }
        if let Some(bos) = unusual_bos(sweep, outline) {
            caption = caption.note("bos", bos);
        }
        if split != "all" {
            caption = caption.note("rows", split);
        }
        let tables = wanted(summary, Some(split), &[])
            .and_then(|summary| Ok((summary, wanted(examples, None, discovery)?)));
        match tables {
            Ok((summary, examples)) => {
                views.push((suffix, View { summary, examples, metric, caption, sweep }))
            }
            Err(error) => terminal::warn(format!("figures are left out: {error:#}")),
        }
    }
    views
}

/// The rows in which columns have these values, `None` being any, and that are of none of these examples.
fn only(table: &Table, less: &[usize], wanted: &[(&str, Option<&str>)]) -> anyhow::Result<Table> {
    let mut keep = vec![true; table.rows()];
    for (column, value) in wanted {
        let Some(value) = value else { continue };
        for (keep, found) in keep.iter_mut().zip(table.optional_text(column)?) {
            *keep &= found == Some(*value);
        }
    }
    if !less.is_empty() {
        for (keep, example) in keep.iter_mut().zip(table.integers("example")?) {
            *keep &= !less.iter().any(|&less| less as i64 == *example);
        }
    }
    Ok(table.filter(|row| keep[row]))
}

/// What is unusual about the beginning of the prompts: it can turn a result around.
fn unusual_bos(sweep: &Sweep, outline: &Outline) -> Option<&'static str> {
    Some(match UnusualBos::of(outline, &sweep.rows().first()?.base)? {
        UnusualBos::LeftOut => "left out, though the model's files ask for it",
        UnusualBos::Added => "added, though the model's files do not ask for it",
    })
}

impl View<'_> {
    fn interval() -> Option<Interval> {
        Some(Interval::default().named("95 % interval"))
    }

    fn metric(&self) -> Option<String> {
        Some(self.metric.to_owned())
    }

    fn roles(&self) -> Vec<String> {
        self.sweep.roles().iter().map(ToString::to_string).collect()
    }

    fn axis(&self) -> (Axis, Facets) {
        match self.sweep.unit() {
            SweepUnit::Position => (Axis::Role(self.roles()), Facets::by("component")),
            SweepUnit::Head => (Axis::Head, Facets::by("component")),
            SweepUnit::HeadPosition => (Axis::Head, Facets::by("role").ordered(self.roles())),
        }
    }

    fn mean(&self) -> anyhow::Result<Figure> {
        let (x, facets) = self.axis();
        let map = HeatMap {
            caption: self.caption.clone(),
            metric: self.metric(),
            interval: Self::interval(),
            ..HeatMap::means(x, facets)
        };
        map.draw(&self.summary).context("the map of means")
    }

    fn interval_width(&self) -> anyhow::Result<Figure> {
        let (x, facets) = self.axis();
        let table = Interval::default().with_width(&self.summary)?;
        let map = HeatMap {
            caption: self.caption.clone(),
            metric: self.metric(),
            ..HeatMap::interval_widths(x, facets)
        };
        map.draw(&table).context("the map of interval widths")
    }

    fn sign_agreement(&self) -> anyhow::Result<Figure> {
        let (x, facets) = self.axis();
        let map = HeatMap {
            caption: self.caption.clone(),
            metric: self.metric(),
            ..HeatMap::sign_agreements(x, facets)
        };
        map.draw(&self.summary).context("the map of signs")
    }

    fn strips(&self) -> anyhow::Result<Figure> {
        let strips = Strips {
            caption: self.caption.clone(),
            metric: self.metric(),
            interval: Self::interval(),
            ..Strips::default()
        };
        strips.draw(&self.summary, &self.examples).context("the strips of examples")
    }

    /// Along the layers; heads have none of their own.
    fn profile(&self) -> Option<anyhow::Result<Figure>> {
        if self.sweep.unit() != SweepUnit::Position {
            return None;
        }
        let profile = Profile {
            caption: self.caption.clone(),
            metric: self.metric(),
            interval: Self::interval(),
            facets: Facets::by("role").ordered(self.roles()),
            ..Profile::default()
        };
        Some(profile.draw(&self.summary).context("the profile along the layers"))
    }
}
