//! The table of tokens' probabilities in a sweep over a pair: that of the tutorial.

use vene_table::{Table, TableError};

use super::outcome::{CellOutcome, DirectionOutcome, Numbers, note};
use super::{Cell, Control, Direction, EffectType, Sweep};

/// One row of the table on its way there.
struct Line<'a> {
    of: &'a DirectionOutcome,
    control: Option<Control>,
    cell: &'a Cell,
    found: &'a CellOutcome,
    token: usize,
}

/// The table: a row for each cell and token.
pub(super) fn table(
    sweep: &Sweep,
    directions: &[DirectionOutcome],
    noise: Option<&Numbers>,
) -> Result<Table, TableError> {
    let mut lines = Vec::new();
    for of in directions {
        for (control, cells) in &of.maps {
            for (cell, found) in sweep.cells.iter().zip(cells) {
                for token in 0..sweep.targets.len() {
                    lines.push(Line { of, control: *control, cell, found, token });
                }
            }
        }
    }
    let position = |line: &Line<'_>| {
        let row = sweep.rows.first()?;
        let place = line.cell.position?;
        let positions = match line.of.direction {
            Direction::Noising => &row.base_positions,
            Direction::Denoising => &row.source_positions,
        };
        one(positions.get(place)?)
    };
    let note = |line: &Line<'_>| {
        let (value, base) =
            (line.found.probabilities[line.token], line.of.base.probabilities[line.token]);
        let floor = noise.map_or(0.0, |noise| noise.probabilities[line.token]);
        note(line.found.unchanged, (value, base), floor)
    };
    let target = |line: &Line<'_>| &sweep.targets[line.token];
    fn all<'l, 'a, T>(lines: &'l [Line<'a>], of: impl Fn(&'l Line<'a>) -> T) -> Vec<T> {
        lines.iter().map(of).collect()
    }
    let mut table = Table::builder()
        .column("component", all(&lines, |line| line.cell.component.name()))
        .column("layer", all(&lines, |line| line.cell.layer))
        .column("position", all(&lines, position))
        .column("head", all(&lines, |line| line.cell.head))
        .column("token", all(&lines, |line| target(line).text.clone()))
        .column("token_id", all(&lines, |line| i64::from(target(line).id)))
        .column("probability", all(&lines, |line| line.found.probabilities[line.token]))
        .column("logit", all(&lines, |line| line.found.logits[line.token]))
        .column("base_probability", all(&lines, |line| line.of.base.probabilities[line.token]))
        .column(
            "source_probability",
            all(&lines, |line| Some(line.of.source.as_ref()?.probabilities[line.token])),
        )
        .column("note", all(&lines, note));
    let is_usual = sweep.directions == [Direction::Noising]
        && sweep.controls.is_empty()
        && sweep.window == 1
        && sweep.effect == EffectType::Total;
    if !is_usual {
        table = table
            .column("direction", all(&lines, |line| line.of.direction.name()))
            .column("control", all(&lines, |line| control_name(line.control)))
            .column("window", vec![sweep.window as i64; lines.len()])
            .column("effect_type", vec![sweep.effect.name(); lines.len()]);
    }
    table.metadata("intervention", sweep.method.name()).build()
}

/// A map's name in tables.
pub(super) fn control_name(control: Option<Control>) -> &'static str {
    control.map_or("none", Control::name)
}

/// The one position that there is.
pub(super) fn one(positions: &[usize]) -> Option<usize> {
    match positions {
        [one] => Some(*one),
        _ => None,
    }
}
