//! A plan as a document again.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use vene_engine::plan::{Edit, Plan, Positions, Run, When};
use vene_intervention::{Intervention, SourceCount};
use vene_model::Component;

use super::document::{Node, Value, table};
use super::error::PlanFileError;
use super::{dimensions, heads, making, positions, read, source, when};

type Result<T> = std::result::Result<T, PlanFileError>;

/// Where long lists of numbers go.
pub(super) struct Sink {
    /// The file beside the plan, and what is to be in it; `None` keeps all values in the plan itself.
    file: Option<&'static str>,
    pub tensors: BTreeMap<String, Tensor>,
}

impl Sink {
    /// Values stay in the plan; parameters are refused.
    pub fn inline() -> Self {
        Self { file: None, tensors: BTreeMap::new() }
    }

    /// Values and parameters go into this file.
    pub fn into(file: &'static str) -> Self {
        Self { file: Some(file), tensors: BTreeMap::new() }
    }

    /// Values of a source.
    pub fn values(&mut self, name: &str, values: &[f64]) -> Result<Node> {
        match self.file {
            None => Ok(table([("values", values.to_vec().into())])),
            Some(file) => {
                let tensor = Tensor::new(values, &Device::Cpu).map_err(|error| {
                    not_writable(name, format!("its values make no tensor: {error}"))
                })?;
                self.tensors.insert(name.to_owned(), tensor);
                Ok(table([("file", file.into()), ("tensor", name.into())]))
            }
        }
    }

    /// The parameters of an intervention, under names that begin so.
    fn parameters(&mut self, prefix: &str, intervention: &dyn Intervention) -> Result<Node> {
        let Some(file) = self.file else {
            return Err(not_writable(
                prefix,
                format!(
                    "{} has parameters, which a plan's file does not hold: save the plan into a folder \
                     (plan_file::save)",
                    intervention.name()
                ),
            ));
        };
        for parameter in intervention.parameters() {
            let tensor = parameter.variable.as_tensor().clone();
            self.tensors.insert(format!("{prefix}.{}", parameter.name), tensor);
        }
        Ok(table([("file", file.into()), ("prefix", format!("{prefix}.").into())]))
    }
}

fn not_writable(entry: &str, problem: String) -> PlanFileError {
    PlanFileError::NotWritable { entry: entry.to_owned(), problem }
}

/// A plan's edits, collects and what it reads, as entries of a document.
pub(super) fn plan(plan: &Plan, sink: &mut Sink) -> Result<Vec<(String, Node)>> {
    let mut entries = Vec::new();
    let mut edits = Vec::new();
    for (index, edit) in plan.edits.iter().enumerate() {
        let link = Link::of(&plan.edits, index)?;
        edits.push(self::edit(index, edit, link, sink)?);
    }
    if !edits.is_empty() {
        entries.push(("edit".to_owned(), edits.into()));
    }
    let collect = |collect: &vene_engine::plan::Collect| {
        table(
            site(collect.component, collect.layer)
                .into_iter()
                .chain([("positions", positions::write(&collect.positions))]),
        )
    };
    let collects: Vec<Node> = plan.collects.iter().map(collect).collect();
    if !collects.is_empty() {
        entries.push(("collect".to_owned(), collects.into()));
    }
    if let Some(node) = read::write(plan)? {
        entries.push(("read".to_owned(), node));
    }
    Ok(entries)
}

fn site(component: Component, layer: Option<usize>) -> Vec<(&'static str, Node)> {
    let mut entries = vec![("component", component.name().into())];
    entries.extend(layer.map(|layer| ("layer", layer.into())));
    entries
}

/// How an edit's intervention stands to those of the others.
enum Link {
    /// It is its own.
    None,
    /// The first of several with this name.
    First(String),
    /// One more of those.
    Another(String),
}

impl Link {
    fn of(edits: &[Edit], index: usize) -> Result<Self> {
        let name = |first: usize| format!("edit {first}");
        let own = edits[index].intervention.as_ref();
        let mut link = Self::None;
        for (other, edit) in edits.iter().enumerate().filter(|(other, _)| *other != index) {
            match shared(own, edit.intervention.as_ref()) {
                Shared::Nothing => {}
                Shared::All if other > index => {
                    if matches!(link, Self::None) {
                        link = Self::First(name(index));
                    }
                }
                Shared::All => return Ok(Self::Another(name(other))),
                Shared::Some(parameter) => {
                    return Err(not_writable(
                        &format!("edit {index}"),
                        format!(
                            "it shares `{parameter}` with edit {other}, and not everything else: give both \
                             edits one intervention, and what differs by Edit::subspaces"
                        ),
                    ));
                }
            }
        }
        Ok(link)
    }
}

/// What two interventions share of their parameters.
enum Shared {
    Nothing,
    All,
    /// Something that is trained, and not all.
    Some(String),
}

fn shared(one: &dyn Intervention, other: &dyn Intervention) -> Shared {
    let (own, others) = (one.parameters(), other.parameters());
    let is_same = |a: &vene_intervention::Parameter, b: &vene_intervention::Parameter| {
        a.name == b.name && a.variable.id() == b.variable.id()
    };
    let all = !own.is_empty()
        && own.len() == others.len()
        && own.iter().zip(&others).all(|(a, b)| is_same(a, b));
    if all && one.settings() == other.settings() {
        return Shared::All;
    }
    // Of what no training changes a copy is as good.
    let trained = own.iter().filter(|parameter| parameter.is_trained());
    let found = trained.into_iter().find(|parameter| {
        others.iter().any(|other| other.variable.id() == parameter.variable.id())
    });
    found.map_or(Shared::Nothing, |parameter| Shared::Some(parameter.name.clone()))
}

fn edit(index: usize, edit: &Edit, link: Link, sink: &mut Sink) -> Result<Node> {
    let name = format!("edit {index}");
    let mut entries: Vec<(&str, Node)> = Vec::new();
    match &link {
        Link::None => {}
        Link::First(link) | Link::Another(link) => entries.push(("link", link.as_str().into())),
    }
    if !matches!(link, Link::Another(_)) {
        entries.push(("intervention", intervention(&name, edit.intervention.as_ref(), sink)?));
    }
    entries.extend(site(edit.component, edit.layer));
    if edit.positions != Positions::Last {
        entries.push(("positions", positions::write(&edit.positions)));
    }
    entries.extend(edit.heads.as_ref().map(|heads| ("heads", heads::write(heads))));
    entries.extend(edit.keys.as_ref().map(|keys| ("keys", positions::write(keys))));
    entries.extend(edit.concatenated.then(|| ("concatenated", true.into())));
    if let Run::Source(source) = edit.run {
        entries.push(("within", source.into()));
    }
    if let Some(source) = &edit.source {
        let several = edit.intervention.traits().sources == SourceCount::Several;
        let source = source::write(source, several, &format!("{name}.source"), sink)?;
        entries.extend(source.map(|source| ("source", source)));
    }
    // Where a run is read; reading refuses it of an edit that reads none.
    if edit.reads_runs() {
        entries.extend(
            edit.source_positions.as_ref().map(|from| ("from", positions::write_source(from))),
        );
        entries.extend(edit.source_heads.as_ref().map(|heads| ("from_heads", heads::write(heads))));
        entries.extend(edit.source_layer.map(|layer| ("from_layer", layer.into())));
    }
    entries.extend(edit.subspaces.as_ref().map(|subspaces| {
        let each: Vec<Node> = subspaces.iter().map(dimensions::write_subspace).collect();
        ("subspaces", each.into())
    }));
    if edit.when != When::Prompt {
        entries.push(("when", when::write(&edit.when)));
    }
    entries.extend(edit.control.then(|| ("control", true.into())));
    Ok(table(entries))
}

fn intervention(name: &str, intervention: &dyn Intervention, sink: &mut Sink) -> Result<Node> {
    let settings = intervention.settings().ok_or_else(|| {
        not_writable(
            name,
            format!(
                "no file can describe `{}`, an intervention of one's own: write the plan in code",
                intervention.name()
            ),
        )
    })?;
    let node = making::write(&settings);
    if intervention.parameters().is_empty() {
        return Ok(node);
    }
    let parameters = ("parameters".to_owned(), sink.parameters(name, intervention)?);
    let mut entries = match node.value {
        Value::Table(entries) => entries,
        other => vec![("name".to_owned(), other.into())],
    };
    entries.push(parameters);
    Ok(Value::Table(entries).into())
}
