//! Values in place of what a file says, as a command line gives them.

use std::sync::Arc;

use super::document::{self, Format, Node, Value};
use super::error::{FilePlace, PlanFileError};

type Result<T> = std::result::Result<T, PlanFileError>;

/// The document with a value in its place: `grid.dose=[0.5, 1.0]`.
pub(super) fn set(document: &Node, assignment: &str) -> Result<Node> {
    let refused = |problem: String| PlanFileError::Contradiction {
        place: FilePlace { entry: Arc::from(assignment), ..FilePlace::default() },
        problem,
    };
    let Some((path, value)) = assignment.split_once('=') else {
        return Err(refused("expected a key, `=` and a value, such as grid.dose=2.0".to_owned()));
    };
    let value = value_of(value.trim());
    let mut document = document.clone();
    let mut node = &mut document;
    let mut keys = path.trim().split('.').peekable();
    while let Some(key) = keys.next() {
        let is_last = keys.peek().is_none();
        node = match &mut node.value {
            Value::Table(entries) => {
                let place = entries.iter().position(|(name, _)| name == key);
                let place = place.unwrap_or_else(|| {
                    entries.push((key.to_owned(), document::table([])));
                    entries.len() - 1
                });
                &mut entries[place].1
            }
            Value::List(items) => {
                let count = items.len();
                let item = key.parse::<usize>().ok().and_then(|index| items.get_mut(index));
                item.ok_or_else(|| {
                    refused(format!("`{key}` is none of the {count} of the list, counted from 0"))
                })?
            }
            _ => return Err(refused(format!("`{key}` stands in something that has no keys"))),
        };
        if is_last {
            *node = value.clone();
        }
    }
    Ok(document)
}

/// A value in TOML, or else the text itself.
fn value_of(text: &str) -> Node {
    let parsed = document::parse(&format!("value = {text}"), Format::Toml);
    let value = parsed.ok().and_then(|document| document.get("value").cloned());
    value.map_or_else(|| text.into(), |value| value.unplaced())
}
