//! Made-up tables of sweeps over one pair of prompts.

use std::error::Error;

use vene_table::Table;

/// Made-up numbers in the shape of the literature's: the subject counts early, the last position
/// late, and the first target token falls as the second rises.
pub fn sweep(layers: usize, positions: usize, tokens: &[&str]) -> Table {
    let (mut component, mut layer, mut position) = (vec![], vec![], vec![]);
    let (mut token, mut probability) = (vec![], vec![]);
    let (mut base, mut source) = (vec![], vec![]);
    for depth in 0..layers {
        for name in ["mlp_output", "attention_input"] {
            for at in 0..positions {
                let along = (depth as f64 + 0.5) / layers as f64;
                let near =
                    |x: f64, center: f64, width: f64| (-((x - center) / width).powi(2)).exp();
                let moved = if at + 2 == positions && name == "mlp_output" {
                    near(along, 0.0, 0.3)
                } else if at + 1 == positions {
                    near(along, 0.75, 0.2) * if name == "mlp_output" { 0.5 } else { 0.9 }
                } else {
                    0.01 * (at as f64 * 1.7 + depth as f64).sin().abs()
                };
                for (index, text) in tokens.iter().enumerate() {
                    let (from, to) = match index {
                        0 => (0.37, 0.004),
                        1 => (0.002, 0.38),
                        _ => (3e-6, 2e-5),
                    };
                    component.push(name);
                    layer.push(depth);
                    position.push(at);
                    token.push((*text).to_owned());
                    probability.push(from * (1.0 - moved) + to * moved);
                    base.push(from);
                    source.push(to);
                }
            }
        }
    }
    let head: Vec<Option<i64>> = vec![None; layer.len()];
    let table = Table::builder()
        .column("component", component)
        .column("layer", layer)
        .column("position", position)
        .column("head", head)
        .column("token", token)
        .column("probability", probability)
        .column("base_probability", base)
        .column("source_probability", source);
    table.build().unwrap_or_default()
}

pub fn heads(layers: usize, heads: usize) -> Table {
    let places = (0..layers).flat_map(|layer| (0..heads).map(move |head| (layer, head)));
    let effect = |(layer, head): (usize, usize)| match (layer, head) {
        (9, 6) | (9, 9) | (10, 0) => 0.31 - 0.1 * (head % 3) as f64,
        (10, 7) | (11, 10) => -0.22,
        _ => 0.03 * ((layer * 7 + head * 13) as f64).sin(),
    };
    let count = layers * heads;
    let table = Table::builder()
        .column("component", vec!["head_attention_value_output"; count])
        .column("layer", places.clone().map(|(layer, _)| layer).collect::<Vec<_>>())
        .column("head", places.clone().map(|(_, head)| head).collect::<Vec<_>>())
        .column("token", vec![" Madrid"; count])
        .column("effect", places.map(effect).collect::<Vec<_>>());
    table.build().unwrap_or_default()
}

/// The same with some numbers lost, underflown or never measured.
pub fn gaps(table: Table) -> Result<Table, Box<dyn Error>> {
    let lost = |row: usize, value: f64| match row % 40 {
        3 | 19 => None,
        8 => Some(0.0),
        39 => Some(1e-41),
        _ => Some(value),
    };
    let values = table.floats("probability")?.iter().enumerate();
    let values: Vec<Option<f64>> = values.map(|(row, value)| lost(row, *value)).collect();
    let columns = table.columns().filter(|(name, _)| *name != "probability");
    let built =
        columns.fold(Table::builder(), |built, (name, column)| built.column(name, column.clone()));
    Ok(built.column("probability", values).build()?.filter(|row| row % 33 != 5))
}
