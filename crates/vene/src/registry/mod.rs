//! The registry: a row for each intervention of the library.
//!
//! A row says how an intervention is called here and in pyvene, what it reads, which settings it has, and how it is made
//! of them. Names and keys of plans' files ([`plan_file`](crate::plan_file)), the import of folders that pyvene saved, the
//! methods that a sweep takes by name ([`Method::named`](crate::Method::named)), `vene interventions` and the table in
//! `docs/plans.md` are derived from it. The reverse of a row's settings, what an intervention says of itself, is
//! [`Intervention::settings`]; tests hold the two together.

mod autoencoder;
mod plain;
mod reft;
mod rotated;

use std::sync::Arc;

use vene_intervention::{Intervention, SourceCount};
use vene_named::UnknownName;

use crate::plan_file::making::{Made, Making, Stored, Table};
use crate::plan_file::pyvene::Import;
use crate::sweep::Method;

/// An intervention of the library.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    /// Its name in files, tables and receipts.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// How many sources it reads; `None` if this is up to the intervention that it is around.
    pub reads: Option<SourceCount>,
    /// The keys of its settings, each with its default in words; `None` if it must be given.
    pub settings: &'static [(&'static str, Option<&'static str>)],
    /// Whether it has parameters, or may have: a plan's file reads them by the key `parameters`.
    pub learns: bool,
    classes: &'static [Class],
    make: Make,
    sweep: Option<fn() -> Method>,
}

/// Makes an intervention of a plan's file.
type Make = fn(&Making<'_>, &Table<'_>, Option<&mut Stored<'_>>) -> Made;

/// What pyvene, or pyreft, calls an intervention.
#[derive(Clone, Copy, Debug)]
struct Class {
    name: &'static str,
    /// How it is made of what pyvene saved; `None` if pyvene saves none of these.
    import: Option<Import>,
}

/// A name for an intervention and what it reads together.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// The name, in plans' files.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// The intervention's own name.
    pub of: &'static str,
    /// What it reads.
    pub source: AliasSource,
    /// The keys of its settings, each with its default in words.
    pub settings: &'static [(&'static str, Option<&'static str>)],
    classes: &'static [Class],
    sweep: Option<fn() -> Method>,
}

/// What an alias reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasSource {
    /// Values that the plan gives.
    Given,
    /// The base's own run, without any edit.
    Base,
    /// What the edited module is given in this very run.
    OwnInput,
}

/// All interventions, in the order in which messages and documents list them.
pub fn all() -> impl Iterator<Item = &'static Registered> {
    plain::ROWS.iter().chain(&rotated::ROWS).chain(&autoencoder::ROWS).chain(&reft::ROWS)
}

/// The intervention of this name.
pub fn find(name: &str) -> Option<&'static Registered> {
    all().find(|row| row.name == name)
}

/// The intervention of this name.
///
/// # Errors
/// A name that none has, with the nearest that one does.
pub fn named(name: &str) -> Result<&'static Registered, UnknownName> {
    find(name).ok_or_else(|| {
        let known: Vec<&str> = all().map(|row| row.name).collect();
        UnknownName::new("intervention", name, &known)
    })
}

/// The aliases.
pub static ALIASES: [Alias; 4] = [
    Alias {
        name: "constant",
        summary: "given values, the `source`, replace the base's",
        of: "interchange",
        source: AliasSource::Given,
        settings: &[],
        classes: &[],
        sweep: None,
    },
    Alias {
        name: "steering",
        summary: "given values, the `source`, are added to the base's",
        of: "addition",
        source: AliasSource::Given,
        settings: &[("scale", Some("1"))],
        classes: &[],
        sweep: None,
    },
    Alias {
        name: "freeze",
        summary: "the base's values as they are without any edit",
        of: "interchange",
        source: AliasSource::Base,
        settings: &[],
        classes: &[],
        sweep: None,
    },
    Alias {
        name: "skip",
        summary: "a module's output becomes its input; `component` is the output",
        of: "interchange",
        source: AliasSource::OwnInput,
        settings: &[],
        classes: &[Class::imported("SkipIntervention", |saved| saved.skip())],
        sweep: Some(|| Method::Skip),
    },
];

/// The alias of this name.
pub fn alias(name: &str) -> Option<&'static Alias> {
    ALIASES.iter().find(|alias| alias.name == name)
}

/// The classes of pyvene and pyreft, each with what it is called here.
fn classes() -> impl Iterator<Item = (&'static Class, &'static str)> {
    let of = |classes: &'static [Class], name| classes.iter().map(move |class| (class, name));
    let rows = all().flat_map(move |row| of(row.classes, row.name));
    rows.chain(ALIASES.iter().flat_map(move |alias| of(alias.classes, alias.name)))
}

/// What a class of pyvene's or pyreft's is called here.
pub(crate) fn name_of_class(class: &str) -> Option<&'static str> {
    classes().find(|(known, _)| known.name == class).map(|(_, name)| name)
}

/// How an intervention is made of what pyvene saved of its class.
pub(crate) fn import_of_class(class: &str) -> Option<Import> {
    classes().find(|(known, _)| known.name == class)?.0.import
}

/// The methods that a sweep takes by name.
pub(crate) fn methods() -> impl Iterator<Item = (&'static str, fn() -> Method)> {
    let rows = all().map(|row| (row.name, row.sweep));
    let named = rows.chain(ALIASES.iter().map(|alias| (alias.name, alias.sweep)));
    named.filter_map(|(name, method)| Some((name, method?)))
}

impl Alias {
    /// Its class in pyvene.
    pub fn pyvene(&self) -> impl Iterator<Item = &'static str> {
        self.classes.iter().map(|class| class.name)
    }
}

impl Registered {
    /// Its classes in pyvene, or pyreft.
    pub fn pyvene(&self) -> impl Iterator<Item = &'static str> {
        self.classes.iter().map(|class| class.name)
    }

    /// Makes one of a plan's file.
    pub(crate) fn make(
        &self,
        making: &Making<'_>,
        table: &Table<'_>,
        stored: Option<&mut Stored<'_>>,
    ) -> Made {
        (self.make)(making, table, stored)
    }

    /// One without settings, classes and parameters.
    const fn new(
        name: &'static str,
        summary: &'static str,
        reads: Option<SourceCount>,
        make: Make,
    ) -> Self {
        Self { name, summary, reads, settings: &[], learns: false, classes: &[], make, sweep: None }
    }

    const fn settings(self, settings: &'static [(&'static str, Option<&'static str>)]) -> Self {
        Self { settings, ..self }
    }

    const fn learns(self) -> Self {
        Self { learns: true, ..self }
    }

    const fn classes(self, classes: &'static [Class]) -> Self {
        Self { classes, ..self }
    }

    const fn sweep(self, method: fn() -> Method) -> Self {
        Self { sweep: Some(method), ..self }
    }
}

impl Class {
    const fn imported(name: &'static str, import: Import) -> Self {
        Self { name, import: Some(import) }
    }

    const fn named(name: &'static str) -> Self {
        Self { name, import: None }
    }
}

const NONE: Option<SourceCount> = Some(SourceCount::None);
const ONE: Option<SourceCount> = Some(SourceCount::One);
const SEVERAL: Option<SourceCount> = Some(SourceCount::Several);

/// A setting that must be given.
const fn needed(key: &'static str) -> (&'static str, Option<&'static str>) {
    (key, None)
}

const OF: (&str, Option<&str>) = needed("of");
const RANK: (&str, Option<&str>) = needed("rank");
const SUBSPACE: (&str, Option<&str>) = ("subspace", Some("all"));
const PARTITION: (&str, Option<&str>) = ("partition", Some("none"));
const SEED: (&str, Option<&str>) = ("seed", Some("0"));
const ERROR_TERM: (&str, Option<&str>) = needed("error_term");

/// An intervention, shared.
fn shared(intervention: impl Intervention + 'static) -> Arc<dyn Intervention> {
    Arc::new(intervention)
}
