//! What an edit reads, in a file: `0`, `"base"`, `"all"`, `{ component = "mlp_input" }`,
//! `{ values = [0.5, 1.0] }`, `{ file = "vectors.safetensors", tensor = "name" }`, and
//! `{ each = [...] }` with values for each example.

use vene_engine::plan::{Edit, Source, Width};
use vene_model::{DecoderConfig, alias};

use super::document::{Node, table};
use super::error::PlanFileError;
use super::files::Files;
use super::table::Item;
use super::write::Sink;

const EXPECTED: &str = "the index of a source, \"base\", \"all\", { component = \"...\" }, \
                        { values = [...] }, or { file = \"...\", tensor = \"...\" }";

pub(super) fn read(
    item: &Item<'_>,
    config: &DecoderConfig,
    files: &Files,
) -> Result<Source, PlanFileError> {
    if let Ok(name) = item.text("") {
        return match name {
            "base" => Ok(Source::Base),
            "all" => Ok(Source::AllRuns),
            _ => Err(item.expected(EXPECTED)),
        };
    }
    if !item.is_table() {
        return item.whole(EXPECTED).map(Source::Run);
    }
    let table = item.table(EXPECTED, &["component", "values", "file", "tensor", "each"])?;
    match (table.get("component"), table.get("values"), table.get("file")) {
        (None, None, None) if table.get("each").is_some() => {
            let each = table.need("each", "values for each example")?;
            let each = each.list("a list with values for each example")?;
            let values = each.iter().map(|item| files.values(item));
            Ok(Source::GivenEach(values.collect::<Result<_, _>>()?))
        }
        (Some(component), None, None) => {
            let name = component.text("the name of a component")?;
            let named = alias::resolve(name, config)
                .map_err(|error| super::edit::plan_error(&component, error.into()))?;
            Ok(Source::Current(named.component))
        }
        (None, Some(values), None) => Ok(Source::Given(files.values(&values)?)),
        (None, None, Some(_)) => Ok(Source::Given(files.values(item)?)),
        _ => Err(item.contradiction("give one of `component`, `values`, and `file` with `tensor`")),
    }
}

/// Nothing where it is what an edit reads anyway.
pub(super) fn write(
    source: &Source,
    several: bool,
    name: &str,
    sink: &mut Sink,
) -> Result<Option<Node>, PlanFileError> {
    Ok(match source {
        Source::Run(0) if !several => None,
        Source::AllRuns if several => None,
        Source::Run(index) => Some((*index).into()),
        Source::Base => Some("base".into()),
        Source::AllRuns => Some("all".into()),
        Source::Current(component) => Some(table([("component", component.name().into())])),
        Source::Given(values) => Some(sink.values(name, values)?),
        Source::GivenEach(lists) => {
            let each = lists.iter().enumerate();
            let each = each.map(|(example, values)| {
                let node = sink.values(&format!("{name}.{example}"), values)?;
                // Within a list the values stand by themselves.
                Ok(node.get("values").cloned().unwrap_or(node))
            });
            let each = each.collect::<Result<Vec<Node>, PlanFileError>>()?;
            Some(table([("each", each.into())]))
        }
    })
}

/// Refuses given values that make no whole rows.
pub(super) fn expect_width(
    item: &Item<'_>,
    source: &Source,
    edit: &Edit,
    config: &DecoderConfig,
) -> Result<(), PlanFileError> {
    // An example that is not edited is given nothing.
    let (lists, may_be_empty) = match source {
        Source::Given(values) => (std::slice::from_ref(values), false),
        Source::GivenEach(lists) => (lists.as_slice(), true),
        _ => return Ok(()),
    };
    let one = Edit { concatenated: false, ..edit.clone() };
    let Width::Known(width) = one.width(config) else { return Ok(()) };
    let fits = |values: &Vec<f64>| {
        values.len().is_multiple_of(width) && (may_be_empty || !values.is_empty())
    };
    match lists.iter().find(|values| !fits(values)) {
        None => Ok(()),
        Some(values) => Err(item.contradiction(format!(
            "{} values are given, and a row of {} has {width} here: give {width}, for all positions, \
             or a row for each",
            values.len(),
            edit.component
        ))),
    }
}
