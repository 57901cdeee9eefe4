//! Interventions made of what a plan's file says of them, by the rows of the registry
//! ([`registry`](crate::registry)).

mod place;
mod stored;

use std::sync::Arc;

use super::budget::Budget;
use super::dimensions;
use super::document::{Node, Value, table};
use super::error::PlanFileError;
use super::files::{Files, parameters};
pub(crate) use super::table::{Item, Table};
use crate::registry::{self, Registered};
pub(super) use place::Acting;
pub(crate) use stored::Stored;
use vene_engine::plan::Width;
use vene_intervention::{ErrorTerm, Intervention, ParameterError, Setting, Settings, Subspace};

pub(crate) type Result<T> = std::result::Result<T, PlanFileError>;
pub(crate) type Made = Result<Arc<dyn Intervention>>;

/// What an intervention is made for.
pub(crate) struct Making<'a> {
    /// How many values it is handed at once.
    pub width: Width,
    /// The component's name, for messages.
    pub component: &'static str,
    pub files: &'a Files,
    pub budget: &'a Budget,
}

/// The name of the intervention that an item asks for.
pub(crate) fn name<'a>(item: &Item<'a>) -> Result<&'a str> {
    const EXPECTED: &str = "the name of an intervention, or a table of its `name` and its settings";
    match (&item.node.value, item.node.get("name")) {
        (Value::Table(_), Some(Node { value: Value::Text(name), .. })) => Ok(name),
        (Value::Table(_), _) => Err(item.expected("a table with the `name` of an intervention")),
        _ => item.text(EXPECTED),
    }
}

/// Makes the intervention of an edit.
pub(super) fn make(item: &Item<'_>, making: &Making<'_>) -> Made {
    let learns = registered(item)?.learns;
    match item.get("parameters").filter(|_| learns) {
        None => one(item, making, None),
        Some(parameters) => {
            let mut stored = Stored::read(parameters, making)?;
            let made = one(item, making, Some(&mut stored))?;
            stored.finish(made.name())?;
            Ok(made)
        }
    }
}

/// What an item asks for.
fn registered(item: &Item<'_>) -> Result<&'static Registered> {
    let name = name(item)?;
    registry::find(name).ok_or_else(|| item.unknown("intervention", name, &known(name)))
}

/// An intervention, or one within another, whose parameters are among the outer one's.
fn one(item: &Item<'_>, making: &Making<'_>, stored: Option<&mut Stored<'_>>) -> Made {
    let row = registered(item)?;
    let node;
    let short;
    let item = if item.is_table() {
        item
    } else {
        // Only a name: a table without settings.
        node = table([("name", row.name.into())]);
        short = Item { node: &node, place: item.place.clone() };
        &short
    };
    let settings = row.settings.iter().map(|(key, _)| *key);
    let parameters = row.learns.then_some("parameters");
    let keys: Vec<_> = std::iter::once("name").chain(settings).chain(parameters).collect();
    row.make(making, &item.table("a table of settings", &keys)?, stored)
}

/// What a message lists where there is no such name: for a name of pyvene's, first of all what it is
/// called here.
fn known(name: &str) -> Vec<&'static str> {
    if let Some(here) = registry::name_of_class(name) {
        return vec![here];
    }
    let aliases = registry::ALIASES.iter().map(|alias| alias.name);
    aliases.chain(registry::all().map(|row| row.name)).collect()
}

impl Making<'_> {
    /// The width of the edited values, for an intervention that has to know it.
    pub(crate) fn width(&self, item: &Item<'_>, what: &str) -> Result<usize> {
        match self.width {
            Width::Known(width) => Ok(width),
            Width::Pattern => Err(item.contradiction(format!(
                "{what} is for values of a fixed width, and {} is an attention pattern",
                self.component
            ))),
            Width::Unknown => Err(item.contradiction(format!(
                "{what} is as wide as the edited values, and how many positions or heads stand side \
                 by side is not said: name them by numbers, as many in each example"
            ))),
        }
    }

    /// The width, where it is known; an attention pattern is refused.
    pub(crate) fn known_width(&self, item: &Item<'_>) -> Result<Option<usize>> {
        match self.width {
            Width::Unknown => Ok(None),
            _ => self.width(item, "a subspace").map(Some),
        }
    }

    /// The same for one that brings its own width along.
    pub(crate) fn width_or(
        &self,
        item: &Item<'_>,
        what: &str,
        own: Option<usize>,
    ) -> Result<usize> {
        match (self.width, own) {
            (Width::Unknown, Some(own)) => Ok(own),
            _ => self.width(item, what),
        }
    }

    /// What an intervention was refused for when it was made.
    pub(crate) fn made<T>(
        &self,
        item: &Item<'_>,
        made: std::result::Result<T, ParameterError>,
    ) -> Result<T> {
        made.map_err(|error| parameters(item, error))
    }

    /// The intervention inside.
    pub(crate) fn inner(&self, table: &Table<'_>, stored: Option<&mut Stored<'_>>) -> Made {
        let of = table.need("of", "the intervention inside, by its name or as a table")?;
        if of.node.get("parameters").is_some() {
            return Err(of.contradiction(
                "`parameters` are given to the outermost intervention, for all within it",
            ));
        }
        one(&of, self, stored)
    }
}

/// `subspace`, of this many coordinates, where that is known; a `partition` gives names to parts.
pub(crate) fn subspace(
    making: &Making<'_>,
    table: &Table<'_>,
    coordinates: impl Into<Option<usize>>,
) -> Result<Subspace> {
    let coordinates = coordinates.into();
    let partition = match (table.get("partition"), coordinates) {
        (None, _) => None,
        (Some(item), Some(coordinates)) => {
            Some(dimensions::partition(&item, coordinates, making.budget)?)
        }
        (Some(item), None) => {
            return Err(item.contradiction(
                "how many dimensions are edited is not said: name positions and heads by numbers, as \
                 many in each example",
            ));
        }
    };
    let Some(item) = table.get("subspace") else { return Ok(Subspace::All) };
    let subspace = dimensions::subspace(&item, coordinates, partition.as_ref(), making.budget)?;
    match coordinates.map(|coordinates| subspace.check(coordinates)) {
        Some(Err(error)) => Err(item.contradiction(format!("a subspace that cannot be: {error}"))),
        _ => Ok(subspace),
    }
}

pub(crate) fn seed(table: &Table<'_>) -> Result<u64> {
    Ok(table.read("seed", |item| item.whole("a whole number from 0 on"))?.unwrap_or(0))
}

pub(crate) fn error_term(table: &Table<'_>) -> Result<ErrorTerm> {
    let terms = [ErrorTerm::Kept, ErrorTerm::Dropped];
    let names = terms.map(ErrorTerm::name);
    let item = table.need(
        "error_term",
        "\"kept\" (what is not reconstructed is put back) or \"dropped\" (it is lost, as in pyvene)",
    )?;
    let name = item.text("\"kept\" or \"dropped\"")?;
    let found = terms.into_iter().find(|term| term.name() == name);
    found.ok_or_else(|| item.unknown("error term", name, &names))
}

/// An intervention's settings as a plan's file tells them.
pub(super) fn write(settings: &Settings) -> Node {
    if settings.values.is_empty() {
        return settings.name.into();
    }
    let name = ("name", settings.name.into());
    let values = settings.values.iter().map(|(key, value)| (*key, setting(value)));
    table([name].into_iter().chain(values))
}

fn setting(setting: &Setting) -> Node {
    match setting {
        Setting::Flag(flag) => (*flag).into(),
        Setting::Whole(number) => (*number).into(),
        Setting::Number(number) => (*number).into(),
        Setting::Name(name) => (*name).into(),
        Setting::Subspace(subspace) => dimensions::write_subspace(subspace),
        Setting::Inner(inner) => write(inner),
        Setting::Tables(tables) => {
            let entries = |entries: &Vec<(&'static str, Setting)>| {
                table(entries.iter().map(|(key, value)| (*key, self::setting(value))))
            };
            tables.iter().map(entries).collect::<Vec<Node>>().into()
        }
    }
}
