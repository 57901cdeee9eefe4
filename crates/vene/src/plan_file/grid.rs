//! Grids in plans: what makes of one file many edits, or many runs.
//!
//! A list of layers (`layer = "all"`, `"0..30"`, `[3, 5]`) edits them all together: one edit in the file is one in each
//! layer. What makes runs is a placeholder, a text such as `"$dose"` that stands for each value of `dose` in `[grid]`,
//! and `heads = "each"`; several of them make the product. Both are put in place in the document, before anything else
//! of it is read: so they may stand wherever a value may.

use std::collections::BTreeMap;

use vene_engine::plan::Plan;
use vene_model::{DecoderConfig, alias};
use vene_named::{listed, shown};

use super::document::{Node, Value};
use super::error::{PlanFileError, nearest};
use super::table::Item;
use crate::indices::indices;

type Result<T> = std::result::Result<T, PlanFileError>;

/// A grid has no more runs.
const MOST_RUNS: usize = 1 << 16;

/// The plans of a file, one for each run of its grid; without a grid there is one.
#[derive(Clone, Debug)]
pub struct PlanGrid {
    /// What runs differ in, in the order of their values.
    pub variables: Vec<String>,
    /// The runs; the last variable changes first.
    pub runs: Vec<GridRun>,
    /// The files that were read for them, by the names that the plan's file calls them, with their SHA-256.
    pub files: BTreeMap<String, String>,
}

/// A run of a grid.
#[derive(Clone, Debug)]
pub struct GridRun {
    /// The value of each variable.
    pub values: Vec<GridValue>,
    /// What is done there.
    pub plan: Plan,
}

/// A value of a grid's variable.
#[derive(Clone, Debug, PartialEq)]
pub enum GridValue {
    /// A layer, a head, a position.
    Integer(i64),
    /// Such as a dose.
    Number(f64),
    /// Such as a component.
    Text(String),
}

impl std::fmt::Display for GridValue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Text(text) => write!(formatter, "{text}"),
        }
    }
}

impl PlanGrid {
    /// What a run is called: `layer 3, dose 0.5`; nothing without a grid.
    pub fn name(&self, run: &GridRun) -> String {
        let each = self.variables.iter().zip(&run.values);
        each.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    }
}

impl From<Plan> for PlanGrid {
    fn from(plan: Plan) -> Self {
        let runs = vec![GridRun { values: Vec::new(), plan }];
        Self { variables: Vec::new(), runs, files: BTreeMap::new() }
    }
}

/// A document without placeholders and lists of layers.
pub(super) struct Expanded {
    pub(super) document: Node,
    /// For each edit which one it is in the file.
    pub(super) edits: Vec<usize>,
    /// For each collect likewise.
    pub(super) collects: Vec<usize>,
    pub(super) values: Vec<GridValue>,
}

/// A document's grid: the names of its variables, and a document for each run.
pub(super) fn expand(
    document: &Item<'_>,
    config: &DecoderConfig,
) -> Result<(Vec<String>, Vec<Expanded>)> {
    let mut variables = match document.get("grid") {
        Some(grid) => variables(&grid, config)?,
        None => Vec::new(),
    };
    for (name, _) in &variables {
        if !mentions(document.node, name) {
            let grid = document.get("grid").unwrap_or_else(|| document.clone());
            return Err(grid.contradiction(format!(
                "no value in the plan is \"${}\", so that it would change nothing: leave it out",
                shown(name)
            )));
        }
    }
    let mut runs = vec![(document.node.clone(), Vec::new())];
    for (name, values) in &variables {
        runs = product(document, runs, values.len(), |node, values_so_far, index| {
            let mut node = node.clone();
            substitute(&mut node, name, &values[index]);
            values_so_far.push(value_of(&values[index]));
            Ok(node)
        })?;
    }
    // Heads each by itself: which there are depends on the component, which may be a placeholder.
    let edits = document.get("edit").map(|item| item.tables("edit")).transpose()?;
    let edits = edits.unwrap_or_default();
    let each: Vec<usize> = (0..edits.len()).filter(|&edit| is_each(edits[edit].node)).collect();
    for (number, &edit) in each.iter().enumerate() {
        let name = if number == 0 { "head".to_owned() } else { format!("head_{}", number + 1) };
        if variables.iter().any(|(known, _)| *known == name) {
            return Err(edits[edit].contradiction(format!(
                "`{name}` in [grid] is what `heads = \"each\"` is called: give it another name"
            )));
        }
        let mut next = Vec::new();
        for (node, values) in runs {
            let heads = heads_of(&edits[edit], &node, edit, config)?;
            for head in 0..heads {
                let mut node = node.clone();
                if let Some(heads) =
                    edit_mut(&mut node, edit).and_then(|edit| edit.get_mut("heads"))
                {
                    heads.value = Value::Integer(head as i128);
                }
                let mut values: Vec<GridValue> = values.clone();
                values.push(GridValue::Integer(head as i64));
                next.push((node, values));
            }
        }
        runs = within(document, next)?;
        variables.push((name, Vec::new()));
    }
    let names: Vec<String> = variables.into_iter().map(|(name, _)| name).collect();
    for (node, _) in &runs {
        let document = Item { node, place: document.place.clone() };
        for section in ["edit", "collect"] {
            let items = document.get(section).map(|item| item.tables(section)).transpose()?;
            let mut items = items.into_iter().flatten();
            items.try_for_each(|item| refuse_unnamed(&item, &names))?;
        }
        document.get("read").map_or(Ok(()), |read| refuse_unnamed(&read, &names))?;
    }
    let runs = runs.into_iter().map(|(node, values)| layers(document, node, values, config));
    Ok((names, runs.collect::<Result<_>>()?))
}

type Runs = Vec<(Node, Vec<GridValue>)>;

/// Refuses more runs than a grid has.
fn within(document: &Item<'_>, runs: Runs) -> Result<Runs> {
    if runs.len() > MOST_RUNS {
        return Err(document.contradiction(format!(
            "the grid has more than {MOST_RUNS} runs: give it fewer values, or split it"
        )));
    }
    Ok(runs)
}

/// So many runs in place of each.
fn product(
    document: &Item<'_>,
    runs: Runs,
    count: usize,
    make: impl Fn(&Node, &mut Vec<GridValue>, usize) -> Result<Node>,
) -> Result<Runs> {
    if runs.len().saturating_mul(count) > MOST_RUNS {
        return within(document, vec![(document.node.clone(), Vec::new()); MOST_RUNS + 1]);
    }
    let mut next = Vec::with_capacity(runs.len() * count);
    for (node, values) in runs {
        for index in 0..count {
            let mut values = values.clone();
            let node = make(&node, &mut values, index)?;
            next.push((node, values));
        }
    }
    Ok(next)
}

/// The variables of `[grid]`, each with its values.
fn variables(grid: &Item<'_>, config: &DecoderConfig) -> Result<Vec<(String, Vec<Node>)>> {
    const EXPECTED: &str = "a list of values, or a range such as \"0..12\"; \"all\" is every layer";
    let entries = grid.entries("a table of names and their values")?;
    let mut variables = Vec::with_capacity(entries.len());
    for (name, item) in entries {
        if !is_name(name) {
            return Err(item.contradiction(
                "a placeholder's name is of letters, digits and `_`, and begins with a letter",
            ));
        }
        let values = match &item.node.value {
            Value::Text(text) => numbers(&item, text, config)?,
            Value::List(_) => {
                let mut values = Vec::new();
                for item in item.list(EXPECTED)? {
                    match &item.node.value {
                        Value::Text(text) if text.contains("..") => {
                            values.extend(numbers(&item, text, config)?);
                        }
                        Value::Text(_) | Value::Integer(_) | Value::Number(_) => {
                            values.push(item.node.clone());
                        }
                        _ => return Err(item.expected("a number or a text")),
                    }
                }
                values
            }
            _ => return Err(item.expected(EXPECTED)),
        };
        if values.is_empty() {
            return Err(item.expected(EXPECTED));
        }
        if let Some(twice) = (0..values.len()).find(|&at| values[..at].contains(&values[at])) {
            let value = value_of(&values[twice]);
            return Err(item.contradiction(format!("{} is there twice", shown(&value.to_string()))));
        }
        variables.push((name.to_owned(), values));
    }
    Ok(variables)
}

/// A range of whole numbers as values. Where an end is left out or counts from the end it is of layers.
fn numbers(item: &Item<'_>, text: &str, config: &DecoderConfig) -> Result<Vec<Node>> {
    let plain = text.split_once("..").and_then(|(start, end)| {
        let (start, end) = (start.trim().parse::<i64>().ok()?, end.trim().parse::<i64>().ok()?);
        (0 <= start && start < end && end - start <= MOST_RUNS as i64).then_some(start..end)
    });
    let values: Vec<i64> = match plain {
        Some(range) => range.collect(),
        None => {
            let layers = indices(text, "layer", config.layers.len());
            let layers = layers.map_err(|error| item.contradiction(error.to_string()))?;
            layers.into_iter().map(|layer| layer as i64).collect()
        }
    };
    let node = |value: i64| Node { at: item.node.at, ..value.into() };
    Ok(values.into_iter().map(node).collect())
}

fn value_of(node: &Node) -> GridValue {
    match &node.value {
        Value::Integer(number) => GridValue::Integer(i64::try_from(*number).unwrap_or(i64::MAX)),
        Value::Number(number) => GridValue::Number(*number),
        Value::Text(text) => GridValue::Text(text.clone()),
        _ => GridValue::Text(node.kind().to_owned()),
    }
}

/// The name of a text that is a placeholder.
fn placeholder(text: &str) -> Option<&str> {
    text.strip_prefix('$').filter(|name| is_name(name))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// Whether a placeholder of this name stands somewhere in the plan.
fn mentions(node: &Node, name: &str) -> bool {
    match &node.value {
        Value::Text(text) => placeholder(text) == Some(name),
        Value::List(items) => items.iter().any(|item| mentions(item, name)),
        Value::Table(entries) => entries.iter().any(|(_, item)| mentions(item, name)),
        _ => false,
    }
}

fn substitute(node: &mut Node, name: &str, value: &Node) {
    match &mut node.value {
        Value::Text(text) if placeholder(text) == Some(name) => node.value = value.value.clone(),
        Value::List(items) => items.iter_mut().for_each(|item| substitute(item, name, value)),
        Value::Table(entries) => {
            entries.iter_mut().for_each(|(_, item)| substitute(item, name, value));
        }
        _ => {}
    }
}

/// Refuses a placeholder that `[grid]` does not name. Without a grid a text with a `$` is one like any other.
fn refuse_unnamed(item: &Item<'_>, known: &[String]) -> Result<()> {
    match &item.node.value {
        Value::Text(text) => match placeholder(text) {
            Some(name) if !known.is_empty() => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let nearest = nearest(name, &known).map(|name| format!(", perhaps ${name}"));
                Err(item.contradiction(format!(
                    "`${}` is no placeholder: [grid] names {}{}",
                    shown(name),
                    listed(known.iter().copied()),
                    nearest.unwrap_or_default()
                )))
            }
            _ => Ok(()),
        },
        Value::List(_) => {
            item.list("a list")?.iter().try_for_each(|item| refuse_unnamed(item, known))
        }
        Value::Table(_) => {
            let entries = item.entries("a table")?;
            entries.iter().try_for_each(|(_, item)| refuse_unnamed(item, known))
        }
        _ => Ok(()),
    }
}

fn is_each(edit: &Node) -> bool {
    edit.get("heads").is_some_and(|heads| heads.value == Value::Text("each".to_owned()))
}

fn edit_mut(document: &mut Node, edit: usize) -> Option<&mut Node> {
    match &mut document.get_mut("edit")?.value {
        Value::List(items) => items.get_mut(edit),
        _ => None,
    }
}

/// How many heads an edit's component has.
fn heads_of(
    item: &Item<'_>,
    document: &Node,
    edit: usize,
    config: &DecoderConfig,
) -> Result<usize> {
    let node = document.get("edit").and_then(|edits| match &edits.value {
        Value::List(items) => items.get(edit),
        _ => None,
    });
    let component = node.and_then(|node| node.get("component"));
    let component = match component.map(|component| &component.value) {
        Some(Value::Text(name)) => alias::resolve(name, config).map(|named| named.component),
        _ => Ok(vene_model::Component::AttentionScore),
    };
    let component = component.map_err(|error| super::edit::plan_error(item, error.into()))?;
    component.heads(config).ok_or_else(|| {
        item.contradiction(format!("{component} has no heads: leave `heads = \"each\"` out"))
    })
}

/// The document with an edit, and a collect, in each layer of a list.
fn layers(
    document: &Item<'_>,
    mut node: Node,
    values: Vec<GridValue>,
    config: &DecoderConfig,
) -> Result<Expanded> {
    let mut numbers = [Vec::new(), Vec::new()];
    for (name, numbers) in ["edit", "collect"].into_iter().zip(&mut numbers) {
        let place = Item { node: &node, place: document.place.clone() };
        let Some(list) = place.get(name) else { continue };
        let mut all = Vec::new();
        for (number, item) in list.tables(name)?.iter().enumerate() {
            match item
                .get("layer")
                .map(|layer| listed_layers(&layer, config))
                .transpose()?
                .flatten()
            {
                None => {
                    all.push(item.node.clone());
                    numbers.push(number);
                }
                Some(layers) => {
                    for layer in layers {
                        let mut edit = item.node.clone();
                        if let Some(node) = edit.get_mut("layer") {
                            node.value = layer.into();
                        }
                        all.push(edit);
                        numbers.push(number);
                    }
                }
            }
        }
        if let Some(list) = node.get_mut(name) {
            list.value = Value::List(all);
        }
    }
    let [edits, collects] = numbers;
    Ok(Expanded { document: node, edits, collects, values })
}

/// The layers of a list; `None` where it is a number from 0 on.
fn listed_layers(item: &Item<'_>, config: &DecoderConfig) -> Result<Option<Vec<usize>>> {
    let count = config.layers.len();
    let of = |text: &str| {
        indices(text, "layer", count).map_err(|error| item.contradiction(error.to_string()))
    };
    match &item.node.value {
        Value::Text(text) => of(text).map(Some),
        Value::Integer(number) if *number < 0 => of(&number.to_string()).map(Some),
        Value::List(_) => {
            let mut texts = Vec::new();
            for item in item.list("a list of layers")? {
                texts.push(match &item.node.value {
                    Value::Integer(number) => number.to_string(),
                    Value::Text(text) => text.clone(),
                    _ => return Err(item.expected("a layer, or a range such as \"0..4\"")),
                });
            }
            of(&texts.join(",")).map(Some)
        }
        _ => Ok(None),
    }
}
