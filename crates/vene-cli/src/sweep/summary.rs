//! A sweep's result in a few lines: which places move each target most, and where the base's own
//! answer is overtaken.

use std::fmt::Write;

use vene::plan::Outcome;
use vene::sweep::{Cell, CellOutcome};
use vene::{Outline, SweepOutcome, ranking};

use crate::terminal::duration;

/// How many places are listed for each target.
const STRONGEST: usize = 5;

/// The summary, as text for a terminal.
pub fn summary(outcome: &SweepOutcome, outline: &Outline, seconds: f64) -> String {
    let sweep = outcome.sweep();
    let unchanged = outcome
        .cells()
        .filter(|(_, cell)| !matches!(cell.receipt.outcome, Outcome::Changed(_)))
        .count();
    let mut text = format!(
        "{}: {} interventions in {}, {unchanged} of them changed nothing\n",
        sweep.method().name(),
        sweep.cells().len(),
        duration(seconds),
    );
    for (index, target) in sweep.targets().iter().enumerate() {
        let base = outcome.base().probabilities[index];
        let shown = outline.tokenizer().display(target.id);
        let own = match outcome.source() {
            Some(source) => {
                format!("base {}, source {}", short(base), short(source.probabilities[index]))
            }
            None => format!("base {}", short(base)),
        };
        let _ = writeln!(text, "\nWhat moves {shown} most ({own}):");
        for (cell, found) in strongest(outcome, index, base) {
            let probability = short(found.probabilities[index]);
            let _ = writeln!(text, "  {probability:<8} {}", place(cell, outcome, outline));
        }
    }
    text + &overtaken(outcome, outline)
}

/// The places that change a target's probability most.
fn strongest(outcome: &SweepOutcome, target: usize, base: f64) -> Vec<(&Cell, &CellOutcome)> {
    let size = |cell: &CellOutcome| (cell.probabilities[target] - base).abs();
    let mut cells: Vec<_> = outcome.cells().filter(|(_, cell)| size(cell) > 0.0).collect();
    cells.sort_by(|(_, a), (_, b)| size(b).total_cmp(&size(a)));
    cells.truncate(STRONGEST);
    cells
}

/// The places at which the base's likeliest target no longer is the likeliest.
fn overtaken(outcome: &SweepOutcome, outline: &Outline) -> String {
    let targets = outcome.sweep().targets();
    // Of equally likely targets the one with the lowest id, as for all tokens.
    let mut by_id: Vec<usize> = (0..targets.len()).collect();
    by_id.sort_by_key(|&target| targets[target].id);
    let likeliest = |probabilities: &[f64]| {
        let sorted: Vec<f64> = by_id.iter().map(|&target| probabilities[target]).collect();
        by_id[ranking::likeliest(&sorted)]
    };
    if targets.len() < 2 {
        return String::new();
    }
    let first = likeliest(&outcome.base().probabilities);
    let shown = |target: usize| outline.tokenizer().display(targets[target].id);
    let mut groups: Vec<(usize, Cell, Vec<usize>)> = Vec::new();
    for (cell, found) in outcome.cells() {
        let winner = likeliest(&found.probabilities);
        // A tie is not overtaking.
        if found.probabilities[winner] <= found.probabilities[first] {
            continue;
        }
        let alike = groups.iter_mut().find(|(other, group, _)| {
            *other == winner && Cell { layer: cell.layer, ..*group } == *cell
        });
        match alike {
            Some((.., layers)) => layers.extend(cell.layer),
            None => groups.push((winner, *cell, cell.layer.into_iter().collect())),
        }
    }
    if groups.is_empty() {
        return format!("\n{} stays the likeliest of the targets everywhere.\n", shown(first));
    }
    groups.sort_by_key(|(winner, cell, _)| {
        (*winner, cell.component.rank(), cell.position, cell.head)
    });
    let mut text = String::new();
    let mut last = None;
    for (winner, cell, layers) in groups {
        if last != Some(winner) {
            let _ = writeln!(text, "\n{} overtakes {} at:", shown(winner), shown(first));
            last = Some(winner);
        }
        let everywhere = Cell { layer: None, ..cell };
        let _ = write!(text, "  {}", place(&everywhere, outcome, outline));
        let _ = if layers.is_empty() {
            writeln!(text)
        } else {
            writeln!(text, ", {}", ranges(&layers))
        };
    }
    text
}

/// A place in words.
fn place(cell: &Cell, outcome: &SweepOutcome, outline: &Outline) -> String {
    let mut text = cell.component.name().to_owned();
    if let Some(layer) = cell.layer {
        let _ = write!(text, ", layer {layer}");
    }
    if let Some(head) = cell.head {
        let _ = write!(text, ", head {head}");
    }
    if let Some(position) = cell.position {
        let token = outcome.sweep().base().tokens().get(position);
        let token = token.map_or_else(String::new, |&id| outline.tokenizer().display(id));
        let _ = write!(text, ", position {position} {token}");
    }
    text
}

/// A probability to three digits or so.
fn short(probability: f64) -> String {
    match probability {
        p if p >= 1e-4 => format!("{p:.5}"),
        p => format!("{p:.1e}"),
    }
}

/// `layers 0-2, 5`.
fn ranges(layers: &[usize]) -> String {
    let mut sorted = layers.to_vec();
    sorted.sort_unstable();
    let runs = sorted.chunk_by(|one, next| one + 1 == *next);
    let runs: Vec<String> = runs
        .map(|run| match run {
            [only] => only.to_string(),
            [first, .., last] => format!("{first}-{last}"),
            [] => String::new(),
        })
        .collect();
    let word = if sorted.len() == 1 { "layer" } else { "layers" };
    format!("{word} {}", runs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn layers_are_told_in_ranges() {
        assert_eq!(ranges(&[0, 1, 2, 5]), "layers 0-2, 5");
        assert_eq!(ranges(&[7]), "layer 7");
        assert_eq!(ranges(&[3, 1, 2]), "layers 1-3");
    }
}
