//! One edit of a plan, read from a file.

use std::sync::Arc;

use vene_model::{Component, DecoderConfig, alias};

use super::document::Node;
use super::error::PlanFileError;
use super::files::Files;
use super::link::Links;
use super::table::{Item, Table};
use super::{dimensions, kinds, positions, source};
use crate::error::PlanError;
use crate::intervention::{Intervention, Subspace};
use crate::plan::{Edit, Source};

type Result<T> = std::result::Result<T, PlanFileError>;

/// The keys of an edit.
const KEYS: [&str; 13] = [
    "intervention",
    "link",
    "component",
    "layer",
    "positions",
    "heads",
    "keys",
    "source",
    "from",
    "from_heads",
    "from_layer",
    "subspaces",
    "control",
];

/// Names for an intervention and a source together.
pub(super) const SHORTHANDS: [&str; 4] = ["constant", "steering", "freeze", "skip"];

/// What a module's output becomes where it is skipped.
const SKIPPED: [(Component, Component); 3] = [
    (Component::AttentionOutput, Component::AttentionInput),
    (Component::MlpOutput, Component::MlpInput),
    (Component::BlockOutput, Component::BlockInput),
];

/// What edits are read with.
pub(super) struct Reader<'a> {
    config: &'a DecoderConfig,
    files: &'a Files,
    links: Links<'a>,
}

/// What is edited.
struct Written {
    component: Component,
    layer: Option<usize>,
    heads: Option<Vec<usize>>,
    /// Values of a row; `None` of attention patterns.
    width: Option<usize>,
}

impl<'a> Reader<'a> {
    pub fn new(config: &'a DecoderConfig, files: &'a Files) -> Self {
        Self { config, files, links: Links::default() }
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
        let written = self.written(&table, &described)?;
        let name = kinds::name(&described)?;
        let intervention = self.intervention(&described, name, &written, link)?;
        let subspaces = table.get("subspaces");
        let subspaces = subspaces
            .map(|item| subspaces_of(&item, &described, intervention.as_ref(), written.width))
            .transpose()?;

        let mut edit = Edit::new(written.component, written.layer, intervention);
        edit.heads = written.heads;
        edit.subspaces = subspaces;
        let given = table.read("source", |item| source::read(item, self.config, self.files))?;
        let source = match SHORTHANDS.contains(&name) {
            true => Some(implied(&described, name, written.component, given)?),
            false => given,
        };
        if let (Some(Source::Given(values)), Some(width)) = (&source, written.width) {
            if values.is_empty() || values.len() % width != 0 {
                let item = table.get("source").unwrap_or_else(|| item.clone());
                return Err(item.contradiction(format!(
                    "{} values are given; {} has {width} in a row here: give {width}, for all \
                     positions, or a row for each",
                    values.len(),
                    written.component
                )));
            }
        }
        if let Some(source) = source {
            edit.source = Some(source);
        }
        if let Some(positions) = table.read("positions", positions::read)? {
            edit.positions = positions;
        }
        edit.keys = table.read("keys", positions::read)?;
        edit.source_positions = table.read("from", positions::read)?;
        edit.source_heads = table.read("from_heads", Item::counts)?;
        edit.source_layer = table.read("from_layer", Item::count)?;
        edit.control = table.read("control", Item::flag)?.unwrap_or(false);
        edit.check(index, self.config).map_err(|error| plan_error(item, error))?;
        Ok(edit)
    }

    /// The component, by any name that means it here, its layer and heads.
    fn written(&self, table: &Table<'a>, described: &Item<'a>) -> Result<Written> {
        let heads = table.read("heads", Item::counts)?;
        let mut layer = table.read("layer", Item::count)?;
        let component = match table.get("component") {
            None if matches!(kinds::name(described), Ok("knockout")) => Component::AttentionScore,
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
        let width = component.width(self.config).map(|width| {
            match (&heads, component.heads(self.config)) {
                (Some(heads), Some(all)) => width / all * heads.len(),
                _ => width,
            }
        });
        Ok(Written { component, layer, heads, width })
    }

    /// The intervention: that of its link, if an earlier edit has made it.
    fn intervention(
        &mut self,
        described: &Item<'a>,
        name: &str,
        written: &Written,
        link: Option<&'a str>,
    ) -> Result<Arc<dyn Intervention>> {
        let (component, width) = (written.component.name(), written.width);
        if let Some((name, known)) = link.and_then(|name| Some((name, self.links.get(name)?))) {
            known.expect(name, described, component, width)?;
            return Ok(known.intervention.clone());
        }
        let making = kinds::Making { width, component, files: self.files };
        let meant = match name {
            "steering" => Some("addition"),
            "constant" | "freeze" | "skip" => Some("interchange"),
            _ => None,
        };
        let intervention = match meant {
            None => kinds::make(described, &making)?,
            Some(meant) => {
                if described.is_table() {
                    described.table("a name", &["name"])?;
                }
                let node = Node::from(meant);
                kinds::make(&Item { node: &node, place: described.place.clone() }, &making)?
            }
        };
        if let Some(link) = link {
            let what = (component, width);
            self.links.insert(link, described.clone(), what, intervention.clone());
        }
        Ok(intervention)
    }
}

/// The source that a shorthand stands for, or goes with.
fn implied(
    described: &Item<'_>,
    name: &str,
    component: Component,
    given: Option<Source>,
) -> Result<Source> {
    let alone = |source| match &given {
        None => Ok(source),
        Some(_) => Err(described.contradiction(format!(
            "{name} says by itself what is read: leave `source` out, or use interchange"
        ))),
    };
    match name {
        "freeze" => alone(Source::Base),
        "skip" => {
            let module = SKIPPED.iter().find(|(output, _)| *output == component);
            let (_, input) = module.ok_or_else(|| {
                described.contradiction(format!(
                    "{component} is no module's output; attention_output, mlp_output and \
                     block_output can be skipped"
                ))
            })?;
            alone(Source::Current(*input))
        }
        _ => match given {
            Some(source @ Source::Given(_)) => Ok(source),
            _ => Err(described.contradiction(format!(
                "{name} writes given values: give them by source = {{ values = [0.5, 1.0] }} or \
                 source = {{ file = \"vectors.safetensors\", tensor = \"name\" }}"
            ))),
        },
    }
}

/// A list with a subspace for each example, or one for all.
fn subspaces_of(
    item: &Item<'_>,
    described: &Item<'_>,
    intervention: &dyn Intervention,
    width: Option<usize>,
) -> Result<Vec<Subspace>> {
    let partition = match (described.get("partition"), intervention.coordinates(width)) {
        (Some(partition), Some(coordinates)) => {
            Some(dimensions::partition(&partition, coordinates)?)
        }
        _ => None,
    };
    let each = item.list("a list with a subspace for each example, or one for all")?;
    each.iter().map(|item| dimensions::subspace(item, partition.as_ref())).collect()
}

/// An error of a plan, in its place.
pub(super) fn plan_error(item: &Item<'_>, error: PlanError) -> PlanFileError {
    PlanFileError::Plan { place: item.place.clone(), error: Box::new(error) }
}
