//! One edit of a plan, read from a file.

use std::sync::Arc;

use vene_engine::PlanError;
use vene_engine::plan::{Edit, Positions, Run, Source, Width};
use vene_intervention::{Intervention, Subspace};
use vene_model::{Component, DecoderConfig, Outline, alias};

use super::budget::Budget;
use super::document::Node;
use super::error::PlanFileError;
use super::files::Files;
use super::link::Links;
use super::table::{Item, Table};
use super::{dimensions, heads, making, positions, source, when};
use crate::registry::{self, Alias, AliasSource};

type Result<T> = std::result::Result<T, PlanFileError>;

/// The keys of an edit.
const KEYS: [&str; 16] = [
    "intervention",
    "link",
    "component",
    "layer",
    "positions",
    "heads",
    "keys",
    "concatenated",
    "within",
    "source",
    "from",
    "from_heads",
    "from_layer",
    "subspaces",
    "when",
    "control",
];

/// What a module's output becomes where it is skipped.
const SKIPPED: [(Component, Component); 3] = [
    (Component::AttentionOutput, Component::AttentionInput),
    (Component::MlpOutput, Component::MlpInput),
    (Component::BlockOutput, Component::BlockInput),
];

/// What edits are read with.
pub(super) struct Reader<'a> {
    outline: &'a Outline,
    config: &'a DecoderConfig,
    files: &'a Files,
    links: Links<'a>,
    budget: Budget,
}

impl<'a> Reader<'a> {
    pub fn new(outline: &'a Outline, files: &'a Files) -> Self {
        let config = outline.config();
        Self { outline, config, files, links: Links::default(), budget: Budget::default() }
    }

    /// The edit of this index.
    pub fn edit(&mut self, index: usize, item: &Item<'a>) -> Result<Edit> {
        let table = item.table("a table: one edit", &KEYS)?;
        let link = table.read("link", |item| item.text("a name that edits share"))?;
        // What an earlier edit of the link has said need not be said again.
        let earlier = link.and_then(|name| self.links.get(name)).map(|link| link.described.clone());
        let described = match (table.get("intervention"), earlier) {
            (Some(described), _) | (None, Some(described)) => described,
            (None, None) => table.need("intervention", "its name, such as \"interchange\"")?,
        };
        let name = making::name(&described)?;
        // The intervention is made for what is edited, so it comes last.
        let mut edit = self.written(&table, name)?;
        let width = edit.width(self.config);
        let intervention = self.intervention(&described, name, edit.component, width, link)?;
        let acting = making::Acting {
            outline: self.outline,
            component: edit.component,
            layer: edit.layer,
            files: self.files,
        };
        acting.expect(&described)?;
        edit = edit.by(intervention);
        let subspaces = table.get("subspaces");
        edit.subspaces = subspaces
            .as_ref()
            .map(|item| {
                subspaces_of(item, &described, edit.intervention.as_ref(), width, &self.budget)
            })
            .transpose()?;
        if link.is_none() {
            refuse_unread_partition(&described, subspaces.as_ref())?;
        }
        let given = table.read("source", |item| source::read(item, self.config, self.files))?;
        let source = match registry::alias(name) {
            Some(alias) => Some(implied(&described, alias, edit.component, given)?),
            None => given,
        };
        if let Some(source) = source {
            let item = table.get("source").unwrap_or_else(|| item.clone());
            source::expect_width(&item, &source, &edit, self.config)?;
            edit.source = Some(source);
        }
        refuse_unread(&table, name, &edit)?;
        edit.source_positions = table.read("from", positions::read_source)?;
        edit.source_heads = table.read("from_heads", heads::read)?;
        edit.source_layer = table.read("from_layer", Item::count)?;
        edit.when = table.read("when", when::read)?.unwrap_or_default();
        refuse_unread_positions(&table, &edit)?;
        edit.control = table.read("control", Item::flag)?.unwrap_or(false);
        edit.check(index, self.config).map_err(|error| plan_error(item, error))?;
        Ok(edit)
    }

    /// What is edited: the component, by any name that means it here, and what is named of it.
    fn written(&self, table: &Table<'a>, intervention: &str) -> Result<Edit> {
        let heads = table.read("heads", heads::read)?;
        let mut layer = table.read("layer", Item::count)?;
        let component = match table.get("component") {
            None if intervention == "knockout" => Component::AttentionScore,
            None => {
                let expected = "what is edited, such as \"block_output\"; `vene sites` lists all";
                return Err(table.missing("component", expected));
            }
            Some(item) => {
                let name = item.text("the name of a component")?;
                let named = alias::resolve(name, self.config)
                    .map_err(|error| plan_error(&item, error.into()))?;
                if named.per_head && heads.is_none() {
                    return Err(item.contradiction(format!(
                        "{name} is edited by head: give `heads`, or name {} for all of them",
                        named.component
                    )));
                }
                match (named.layer, layer) {
                    (Some(named), Some(layer)) if named != layer => {
                        return Err(item.contradiction(format!(
                            "{name} is of layer {named}, and `layer` says {layer}: leave one out"
                        )));
                    }
                    (named, _) => layer = named.or(layer),
                }
                named.component
            }
        };
        // Of no consequence: it is not the intervention that is made.
        let mut edit = Edit::zero(component, layer);
        edit.heads = heads;
        edit.keys = table.read("keys", positions::read)?;
        edit.positions = table.read("positions", positions::read)?.unwrap_or_default();
        edit.concatenated = table.read("concatenated", Item::flag)?.unwrap_or(false);
        edit.run = table.read("within", run)?.unwrap_or(Run::Base);
        Ok(edit)
    }

    /// The intervention: that of its link, if an earlier edit has made it.
    fn intervention(
        &mut self,
        described: &Item<'a>,
        name: &str,
        component: Component,
        width: Width,
        link: Option<&'a str>,
    ) -> Result<Arc<dyn Intervention>> {
        let component = component.name();
        if let Some((name, known)) = link.and_then(|name| Some((name, self.links.get(name)?))) {
            known.expect(name, described, component, width)?;
            return Ok(known.intervention.clone());
        }
        if let (Some(own), false) = (self.files.own(name), described.is_table()) {
            return Ok(own.clone());
        }
        let making = making::Making { width, component, files: self.files, budget: &self.budget };
        let intervention = match registry::alias(name) {
            None => making::make(described, &making)?,
            Some(alias) => {
                if described.is_table() {
                    let settings = alias.settings.iter().map(|(key, _)| *key);
                    let known: Vec<&str> = ["name"].into_iter().chain(settings).collect();
                    described.table("a name, and its settings", &known)?;
                }
                let node = Node::from(alias.of);
                making::make(&Item { node: &node, place: described.place.clone() }, &making)?
            }
        };
        if let Some(link) = link {
            let what = (component, width);
            self.links.insert(link, described.clone(), what, intervention.clone());
        }
        Ok(intervention)
    }
}

/// Refuses what says where a run is read, where none is.
fn refuse_unread(table: &Table<'_>, name: &str, edit: &Edit) -> Result<()> {
    if edit.reads_runs() {
        return Ok(());
    }
    let given = ["from", "from_heads", "from_layer"]
        .into_iter()
        .find_map(|key| Some((key, table.get(key)?)));
    match given {
        None => Ok(()),
        Some((key, item)) => Err(item.contradiction(format!(
            "{name} reads no run here, so `{key}` would change nothing: leave it out"
        ))),
    }
}

/// Refuses positions of a prompt on which the edit is not made. What it reads of other runs it reads at them.
fn refuse_unread_positions(table: &Table<'_>, edit: &Edit) -> Result<()> {
    let is_read =
        edit.when.covers(0) || edit.reads_runs() || matches!(edit.positions, Positions::Last);
    match table.get("positions").filter(|_| !is_read) {
        None => Ok(()),
        Some(item) => Err(item.contradiction(
            "the edit is made on new tokens only, each at its own position, so that `positions` would change nothing: \
             leave it out, or make the edit on the prompt too (`when`)",
        )),
    }
}

/// The source that an alias stands for, or goes with.
fn implied(
    described: &Item<'_>,
    alias: &Alias,
    component: Component,
    given: Option<Source>,
) -> Result<Source> {
    let name = alias.name;
    let alone = |source| match &given {
        None => Ok(source),
        Some(_) => Err(described.contradiction(format!(
            "{name} says by itself what is read: leave `source` out, or use interchange"
        ))),
    };
    match alias.source {
        AliasSource::Base => alone(Source::Base),
        AliasSource::OwnInput => {
            let module = SKIPPED.iter().find(|(output, _)| *output == component);
            let (_, input) = module.ok_or_else(|| {
                described.contradiction(format!(
                    "{component} is no module's output; attention_output, mlp_output and \
                     block_output can be skipped"
                ))
            })?;
            alone(Source::Current(*input))
        }
        AliasSource::Given => match given {
            Some(source @ (Source::Given(_) | Source::GivenEach(_))) => {
                match described.get("scale") {
                    Some(scale) => Ok(scaled(source, scale.number()?)),
                    None => Ok(source),
                }
            }
            _ => Err(described.contradiction(format!(
                "{name} writes given values: give them by source = {{ values = [0.5, 1.0] }}, \
                 source = {{ each = [...] }} or source = {{ file = \"vectors.safetensors\", tensor = \"name\" }}"
            ))),
        },
    }
}

/// Given values times a number.
fn scaled(source: Source, scale: f64) -> Source {
    let times =
        |values: &Arc<Vec<f64>>| Arc::new(values.iter().map(|value| value * scale).collect());
    match source {
        Source::Given(values) => Source::Given(times(&values)),
        Source::GivenEach(each) => Source::GivenEach(each.iter().map(times).collect()),
        other => other,
    }
}

/// A list with a subspace for each example, or one for all.
fn subspaces_of(
    item: &Item<'_>,
    described: &Item<'_>,
    intervention: &dyn Intervention,
    width: Width,
    budget: &Budget,
) -> Result<Vec<Subspace>> {
    let width = if let Width::Known(width) = width { Some(width) } else { None };
    let coordinates = intervention.coordinates(width);
    let partition = match (described.get("partition"), coordinates) {
        (Some(partition), Some(coordinates)) => {
            Some(dimensions::partition(&partition, coordinates, budget)?)
        }
        _ => None,
    };
    let each = item.list("a list with a subspace for each example, or one for all")?;
    let subspace = |item| dimensions::subspace(item, coordinates, partition.as_ref(), budget);
    each.iter().map(subspace).collect()
}

/// Refuses a partition of which no subspace names a part. Where edits share an intervention, another one may.
fn refuse_unread_partition(described: &Item<'_>, subspaces: Option<&Item<'_>>) -> Result<()> {
    let Some(partition) = described.get("partition") else { return Ok(()) };
    let each = subspaces.map(|item| item.list("a list of subspaces")).transpose()?;
    let mut all = described.get("subspace").into_iter().chain(each.unwrap_or_default());
    if all.any(|subspace| dimensions::names(&subspace).is_some()) {
        return Ok(());
    }
    Err(partition.contradiction(
        "no subspace names one of its parts, so that it would change nothing: leave it out",
    ))
}

/// The run that is edited.
fn run(item: &Item<'_>) -> Result<Run> {
    const EXPECTED: &str = "\"base\", or the index of a source that is edited before it is read";
    match item.text("") {
        Ok("base") => Ok(Run::Base),
        Ok(_) => Err(item.expected(EXPECTED)),
        Err(_) => item.whole(EXPECTED).map(Run::Source),
    }
}

/// An error of a plan, in its place.
pub(super) fn plan_error(item: &Item<'_>, error: PlanError) -> PlanFileError {
    PlanFileError::Plan { place: item.place.clone(), error: Box::new(error) }
}
