//! The depth axis: where in the network something was measured, in the order in which a token
//! passes through it, with labels short enough for an axis.

use std::cmp::Ordering;

use vene_table::{Table, TableError};

use crate::drawing::every;

/// Components in the order in which a block computes them, with the letters that label them on
/// an axis. `a` and `f` (feed-forward) are the tutorial's; the others follow their usual symbols.
const COMPONENTS: [(&str, &str); 26] = [
    ("block_input", "in"),
    ("attention_input", "a"),
    ("query_output", "q"),
    ("key_output", "k"),
    ("value_output", "v"),
    ("normed_query", "nq"),
    ("normed_key", "nk"),
    ("rotated_query", "rq"),
    ("rotated_key", "rk"),
    ("attention_score", "s"),
    ("attention_weight", "w"),
    ("attention_value_output", "z"),
    ("head_result", "h"),
    ("attention_output", "ao"),
    ("attention_contribution", "ac"),
    ("residual_middle", "mid"),
    ("mlp_input", "fi"),
    ("mlp_gate", "fg"),
    ("mlp_up", "fu"),
    ("mlp_activation", "fa"),
    ("mlp_neuron", "fn"),
    ("router_score", "r"),
    ("expert_output", "x"),
    ("mlp_output", "f"),
    ("mlp_contribution", "fc"),
    ("block_output", "out"),
];

/// Components outside the blocks: before the first, and after the last.
const BEFORE: [&str; 1] = ["embedding"];
const AFTER: [&str; 2] = ["final_norm", "logits"];

/// The letters that label a component on an axis, before its layer's number (`f` in `f3`);
/// `None` for one that is labelled by its whole name. The per-head form of a component
/// (`head_value_output`) has the letters of the component itself.
pub fn short_label(component: &str) -> Option<&'static str> {
    rank(component).map(|rank| COMPONENTS[rank].1)
}

fn rank(component: &str) -> Option<usize> {
    let find = |name: &str| COMPONENTS.iter().position(|(other, _)| *other == name);
    find(component).or_else(|| component.strip_prefix("head_").and_then(find))
}

/// A place on the depth axis: a component, in a layer if it belongs to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepthLabel {
    /// The component's name.
    pub component: String,
    /// Its layer, counted from 0.
    pub layer: Option<i64>,
}

impl DepthLabel {
    /// The label on the axis: `a0`, `f11`, `embedding`.
    pub fn text(&self) -> String {
        match (self.layer, short_label(&self.component)) {
            (Some(layer), Some(short)) => format!("{short}{layer}"),
            (Some(layer), None) => format!("{}.{layer}", self.component),
            (None, _) => self.component.clone(),
        }
    }

    /// Before, in, or after the blocks; then by layer; then by the order within a block.
    /// Components that are not known here come after those that are.
    fn place(&self) -> (i64, i64, usize) {
        let outside = |names: &[&str]| names.iter().position(|name| *name == self.component);
        if let Some(order) = outside(&BEFORE) {
            (0, 0, order)
        } else if let Some(order) = outside(&AFTER) {
            (2, 0, order)
        } else {
            let rank = rank(&self.component).unwrap_or(COMPONENTS.len());
            (1, self.layer.unwrap_or(i64::MIN), rank)
        }
    }
}

impl Ord for DepthLabel {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_depth = self.place().cmp(&other.place());
        by_depth.then_with(|| self.component.cmp(&other.component))
    }
}

impl PartialOrd for DepthLabel {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Where each row of a table was measured, from its columns `component` and `layer`.
pub(crate) fn of_rows(table: &Table) -> Result<Vec<DepthLabel>, TableError> {
    let layers = table.optional_integers("layer")?;
    let rows = table.text("component")?.into_iter().zip(layers);
    Ok(rows
        .map(|(component, layer)| DepthLabel { component: component.to_owned(), layer })
        .collect())
}

/// The letters that occur, with what they stand for, in order of depth: `[("a",
/// "attention_input"), …]`.
pub(crate) fn key(labels: &[DepthLabel]) -> Vec<(String, String)> {
    let mut used: Vec<&DepthLabel> = Vec::new();
    for label in labels {
        if !used.iter().any(|other| other.component == label.component) {
            used.push(label);
        }
    }
    used.sort_by_key(|label| rank(&label.component).unwrap_or(COMPONENTS.len()));
    used.iter()
        .map(|label| {
            let letters = label.layer.and(short_label(&label.component)).unwrap_or_default();
            (letters.to_owned(), label.component.clone())
        })
        .collect()
}

/// The same in words, as far as there are letters: `a = attention_input,  f = mlp_output`.
pub(crate) fn letters(labels: &[DepthLabel]) -> String {
    let key = key(labels).into_iter().filter(|(letters, _)| !letters.is_empty());
    key.map(|(letters, name)| format!("{letters} = {name}")).collect::<Vec<_>>().join(",  ")
}

/// Every how many rows a label may stand, where each needs `need` and a row gives `step`.
///
/// Labels thin out with the rhythm of the rows: `layers` says which layer each is in. Where every
/// layer has as many rows, the same ones of each layer keep their labels (`a0`, `a1`, `a2`, not
/// `a0`, `f2`, `a5`).
pub(crate) fn stride(layers: &[Option<i64>], need: f64, step: f64) -> usize {
    let least = (need / step).ceil().max(1.0) as usize;
    let runs: Vec<usize> = layers.chunk_by(|one, next| one == next).map(<[_]>::len).collect();
    let rhythm = runs.first().copied().unwrap_or(1);
    if runs.iter().any(|run| *run != rhythm) {
        return every(need, step);
    }
    let divisor = (least..=rhythm).find(|stride| rhythm.is_multiple_of(*stride));
    divisor.unwrap_or_else(|| rhythm * every(least as f64, rhythm as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(component: &str, layer: Option<i64>) -> DepthLabel {
        DepthLabel { component: component.to_owned(), layer }
    }

    #[test]
    fn rows_stand_in_the_order_of_computation() {
        let mut labels = [
            label("logits", None),
            label("mlp_output", Some(0)),
            label("attention_input", Some(10)),
            label("attention_input", Some(2)),
            label("attention_input", Some(0)),
            label("probe", Some(0)),
            label("mlp_output", Some(2)),
            label("embedding", None),
        ];
        labels.sort();
        let texts: Vec<String> = labels.iter().map(DepthLabel::text).collect();
        assert_eq!(texts, ["embedding", "a0", "f0", "probe.0", "a2", "f2", "a10", "logits"]);
    }

    #[test]
    fn every_label_is_its_own() {
        for (index, (name, short)) in COMPONENTS.iter().enumerate() {
            assert_eq!(short_label(name), Some(*short));
            assert!(COMPONENTS[..index].iter().all(|(_, other)| other != short), "{short}");
        }
        assert_eq!(short_label("head_value_output"), Some("v"));
        assert_eq!(short_label("probe"), None);
    }

    #[test]
    fn labels_thin_out_with_the_layers() {
        let rows = |layers: i64, each: usize| -> Vec<Option<i64>> {
            (0..layers).flat_map(|layer| vec![Some(layer); each]).collect()
        };
        assert_eq!(stride(&rows(12, 2), 12.0, 20.0), 1);
        assert_eq!(stride(&rows(12, 2), 12.0, 11.0), 2);
        assert_eq!(stride(&rows(90, 2), 12.0, 3.0), 4);
        assert_eq!(stride(&rows(12, 12), 12.0, 6.0), 2);
        assert_eq!(stride(&rows(12, 12), 12.0, 2.4), 6);
        assert_eq!(stride(&[None, Some(0), Some(0)], 12.0, 6.0), 2);
        assert_eq!(stride(&[], 12.0, 6.0), 2);
    }
}
