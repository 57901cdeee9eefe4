//! The examples' table, line by line.

use vene::{Component, Table};

/// One row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub example: usize,
    pub group: Option<String>,
    pub component: Component,
    pub layer: Option<usize>,
    pub position: Option<usize>,
    pub role: Option<String>,
    pub head: Option<usize>,
    pub metric: String,
    pub base_value: f64,
    pub source_value: Option<f64>,
    pub value: f64,
    pub effect: f64,
    pub change: f64,
    pub note: Option<String>,
    pub direction: String,
    pub control: String,
}

/// All of a table's rows.
pub fn lines(table: &Table) -> Vec<Line> {
    let text = |name: &str| -> Vec<String> {
        table.text(name).unwrap().into_iter().map(str::to_owned).collect()
    };
    let optional = |name: &str| -> Vec<Option<String>> {
        let values = table.optional_text(name).unwrap().into_iter();
        values.map(|value| value.map(str::to_owned)).collect()
    };
    let number = |name: &str| -> Vec<Option<usize>> {
        let values = table.optional_integers(name).unwrap().into_iter();
        values.map(|value| value.map(|value| value as usize)).collect()
    };
    let float = |name: &str| table.floats(name).unwrap().to_vec();
    let (example, group, component) = (number("example"), optional("group"), text("component"));
    let (layer, head) = (number("layer"), number("head"));
    let (position, role) = (number("position"), optional("role"));
    let (metric, base_value, value) = (text("metric"), float("base_value"), float("value"));
    let source_value = table.optional_floats("source_value").unwrap();
    let (effect, change, note) = (float("effect"), float("change"), optional("note"));
    let (direction, control) = (text("direction"), text("control"));
    let line = |row: usize| Line {
        example: example[row].unwrap(),
        group: group[row].clone(),
        component: component[row].parse().unwrap(),
        layer: layer[row],
        position: position[row],
        role: role[row].clone(),
        head: head[row],
        metric: metric[row].clone(),
        base_value: base_value[row],
        source_value: source_value[row],
        value: value[row],
        effect: effect[row],
        change: change[row],
        note: note[row].clone(),
        direction: direction[row].clone(),
        control: control[row].clone(),
    };
    (0..table.rows()).map(line).collect()
}
