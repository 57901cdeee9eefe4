//! Where nodes and edges stand on the page.

use std::collections::BTreeMap;

use super::CircuitGraph;
use super::nodes::{Node, Shown};
use crate::drawing::{Anchor, Drawing, FAINT, INK, middle};
use crate::page::{CAPTION, LABEL, MARGIN, SMALL};
use crate::{ColorScale, Figure, FigureError, font, key, tick};

/// From a row to the next.
const ROW: f64 = 46.0;
/// From a node's middle to that of the next one in its row, at least.
const STEP: f64 = 64.0;
const NODE: (f64, f64) = (50.0, 20.0);
/// The thickest edge.
const THICK: f64 = 7.0;

pub(super) fn draw(shown: &Shown, graph: &CircuitGraph) -> Result<Figure, FigureError> {
    let mut rows: BTreeMap<(usize, u8), Vec<&Node>> = BTreeMap::new();
    for node in &shown.nodes {
        rows.entry(node.row()).or_default().push(node);
    }
    let most = rows.values().map(Vec::len).max().unwrap_or(1);
    // MLPs stand right of the heads, in turn further out, so that an edge between two does not run through a third.
    let (heads, mlps) = (STEP * most as f64, 3.0 * NODE.0 * 1.3);
    let content = MARGIN + heads + mlps;
    let width = content.max((MARGIN + graph.caption.width()).min(CAPTION)) + MARGIN;
    let mut drawing = Drawing::default();
    let top = graph.caption.draw(&mut drawing, MARGIN, MARGIN, width - 2.0 * MARGIN) + 12.0;
    let largest = shown.edges.last().map_or(0.0, |edge| edge.value.abs());
    let scale = ColorScale::Diverging { limit: Some(largest) }.fit(-largest, largest);
    let texts = [
        format!("effect +{}", tick::brief(largest)),
        format!("effect −{}", tick::brief(largest)),
        format!("the {} largest of all edges", shown.edges.len()),
    ];
    let top = key::draw(&mut drawing, &texts, top, width, |drawing, index, at| {
        let y = at.1 + key::MARK / 2.0;
        let color = match index {
            0 => scale.fill(largest),
            1 => scale.fill(-largest),
            _ => return,
        };
        drawing.line((at.0, y), (at.0 + key::MARK, y), &color, THICK, "");
    }) + 18.0;

    let mut places: BTreeMap<&Node, (f64, f64)> = BTreeMap::new();
    let mut mlp_number = 0;
    for (number, nodes) in rows.values().rev().enumerate() {
        let y = top + NODE.1 / 2.0 + ROW * number as f64;
        let room = heads / nodes.len() as f64;
        for (index, node) in nodes.iter().enumerate() {
            let x = match node {
                Node::Mlp { .. } => {
                    mlp_number += 1;
                    MARGIN + heads + NODE.0 * (0.6 + 1.3 * (mlp_number % 3) as f64)
                }
                _ => MARGIN + room * (index as f64 + 0.5),
            };
            places.insert(node, (x, y));
        }
    }
    for edge in &shown.edges {
        let (Some(&from), Some(&to)) = (places.get(&edge.from), places.get(&edge.to)) else {
            continue;
        };
        let share = edge.value.abs() / largest.max(f64::MIN_POSITIVE);
        // Faint enough to be seen through, and never white.
        let color = scale.fill(edge.value.signum() * largest * (0.35 + 0.65 * share));
        let ends = ((from.0, from.1 - NODE.1 / 2.0), (to.0, to.1 + NODE.1 / 2.0));
        let hint = format!("{}: {}", edge.name, tick::brief(edge.value));
        drawing.hinted_line(ends, &color, (THICK * share).max(0.6), &hint);
    }
    for (node, (x, y)) in &places {
        let fill = if matches!(node, Node::Mlp { .. }) { "#eef2e6" } else { "#f2f2f2" };
        let corner = (x - NODE.0 / 2.0, y - NODE.1 / 2.0);
        drawing.rectangle(corner, NODE, fill, "");
        let name = font::elide(&node.name(), LABEL, NODE.0 - 2.0);
        drawing.text((*x, y + middle(LABEL)), &name, LABEL, Anchor::Middle, INK);
    }
    let bottom = top + ROW * rows.len() as f64;
    let note = "each row reads from the rows below it";
    drawing.text((MARGIN, bottom), note, SMALL, Anchor::Start, FAINT);
    drawing.finish(graph.caption.title(), (width, bottom + MARGIN))
}
