//! Which figures show a sweep over a data set.
//!
//! For each metric and direction: the mean effect, the width of its interval and how far the examples
//! agree in sign, each as a map; the strongest places with every example in them; and, by position,
//! the mean along the layers. What one figure would need three axes for is drawn once for each
//! component.

use std::collections::{BTreeSet, HashSet};

use anyhow::Context;
use vene::{Direction, Outline, Sweep, SweepUnit};
use vene_report::{Axis, Caption, Facets, Figure, HeatMap, Interval, Profile, Strips};
use vene_table::{Table, TableError, TableSource};

use crate::data_set::DataSource;
use crate::drawn::Drawn;
use crate::model;
use crate::prompts::UnusualBos;
use crate::terminal;

/// The kinds of figures.
const KINDS: [&str; 5] = ["mean", "interval_width", "sign_agreement", "strips", "profile"];

/// The columns of the examples' table that are drawn, and those by which rows are chosen.
const EXAMPLES: [&str; 10] = [
    "example",
    "group",
    "component",
    "layer",
    "role",
    "head",
    "metric",
    "effect",
    "direction",
    "control",
];

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
struct View<'a, E> {
    summary: Table,
    examples: &'a E,
    /// The rows of the examples that are shown.
    chosen: Chosen<'a>,
    caption: Caption,
    sweep: &'a Sweep,
}

/// Which rows of a table are shown.
#[derive(Clone, Copy)]
struct Chosen<'a> {
    metric: &'a str,
    direction: Direction,
    component: Option<&'static str>,
    /// The half of the rows, of a table that tells.
    split: Option<&'static str>,
    /// The examples that are not shown.
    less: &'a HashSet<i64>,
}

/// All figures, by the names of their files. `discovery` has the rows in which effects were looked for, where others show
/// them. A figure that cannot be drawn (there may be too much for it) is left out with a warning, rather than the whole
/// run lost.
pub fn draw(
    examples: &impl TableSource,
    summary: &Table,
    sweep: &Sweep,
    outline: &Outline,
    (data, discovery): (&DataSource, Option<&[usize]>),
) -> Drawn {
    // With a split, what was found in one half is shown by the other.
    let split = if discovery.is_some() { "evaluation" } else { "all" };
    let less = discovery.unwrap_or_default().iter().map(|&row| row as i64).collect();
    let mut figures = Drawn::default();
    for (suffix, view) in views(examples, summary, sweep, &less, outline, (data, split)) {
        let drawn: [Option<anyhow::Result<Figure>>; KINDS.len()] = [
            Some(view.mean()),
            Some(view.interval_width()),
            Some(view.sign_agreement()),
            Some(view.strips()),
            view.profile(),
        ];
        for (kind, figure) in KINDS.into_iter().zip(drawn) {
            if let Some(figure) = figure {
                figures.take(format!("{kind}{suffix}"), figure);
            }
        }
    }
    figures
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
fn views<'a, E: TableSource>(
    examples: &'a E,
    summary: &Table,
    sweep: &'a Sweep,
    less: &'a HashSet<i64>,
    outline: &Outline,
    (data, split): (&DataSource, &'static str),
) -> Vec<(String, View<'a, E>)> {
    let mut views = Vec::new();
    for Shown { metric, direction, component, suffix } in shown(sweep) {
        let title = format!(
            "{}: {} of {}, effect on {}",
            model::short_name(outline),
            sweep.method().name(),
            sweep.unit().in_words(),
            metric,
        );
        let mut caption = Caption::new(title)
            .note("data", format!("{}, {} rows", data.name(), sweep.rows().len()))
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
        let chosen = Chosen { metric, direction, component, split: None, less };
        // A summary's rows are of whole halves.
        let none = HashSet::new();
        match (Chosen { split: Some(split), less: &none, ..chosen }).of(summary) {
            Ok(summary) => views.push((suffix, View { summary, examples, chosen, caption, sweep })),
            Err(error) => terminal::warn(format!("figures are left out: {error:#}")),
        }
    }
    views
}

impl Chosen<'_> {
    /// Those rows of a table.
    fn of(&self, table: &Table) -> Result<Table, TableError> {
        let mut keep = vec![true; table.rows()];
        let wanted = [
            ("metric", Some(self.metric)),
            ("direction", Some(self.direction.name())),
            ("control", Some("none")),
            ("component", self.component),
            ("split", self.split),
        ];
        for (column, value) in wanted {
            let Some(value) = value else { continue };
            let words = table.words(column)?;
            let key = words.key_of(value);
            for (row, keep) in keep.iter_mut().enumerate() {
                *keep &= key.is_some() && words.key(row) == key;
            }
        }
        if !self.less.is_empty() {
            for (keep, example) in keep.iter_mut().zip(table.integers("example")?) {
                *keep &= !self.less.contains(example);
            }
        }
        Ok(table.filter(|row| keep[row]))
    }
}

/// What is unusual about the beginning of the prompts: it can turn a result around.
fn unusual_bos(sweep: &Sweep, outline: &Outline) -> Option<&'static str> {
    Some(match UnusualBos::of(outline, &sweep.rows().first()?.base)? {
        UnusualBos::LeftOut => "left out, though the model's files ask for it",
        UnusualBos::Added => "added, though the model's files do not ask for it",
    })
}

impl<E: TableSource> View<'_, E> {
    fn interval() -> Option<Interval> {
        Some(Interval::default().named("95 % interval"))
    }

    fn metric(&self) -> Option<String> {
        Some(self.chosen.metric.to_owned())
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
        let chunks = self.examples.chunks(Some(&EXAMPLES)).context("the strips of examples")?;
        let chunks = chunks.map(|chunk| self.chosen.of(&chunk?));
        strips.draw_chunks(&self.summary, chunks).context("the strips of examples")
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
