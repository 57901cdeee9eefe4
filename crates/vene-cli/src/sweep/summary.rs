//! A sweep's result in a few lines: which places move each target most, and where the base's own
//! answer is overtaken.

use std::fmt::Write;

use vene::sweep::{Cell, CellOutcome};
use vene::{Direction, Outline, SweepOutcome, ranking};

use super::Finished;
use crate::terminal::{duration, number};

/// How many places are listed for each target.
const STRONGEST: usize = 5;

/// The summary, as text for a terminal.
pub fn summary(run: &Finished) -> String {
    let (outcome, sweep, outline): (_, _, &Outline) = (&run.outcome, &run.sweep, &run.model);
    let unchanged = outcome.interventions().filter(|(.., cell)| cell.unchanged.is_some()).count();
    let mut text = format!(
        "{}: {} interventions in {}, {unchanged} of them changed nothing\n",
        sweep.method().name(),
        sweep.interventions(),
        duration(run.sweep_seconds),
    );
    let Some(own) = outcome.base() else { return text };
    for (index, target) in sweep.targets().iter().enumerate() {
        let base = own.probabilities[index];
        let shown = outline.tokenizer().display(target.id);
        let own = match outcome.source() {
            Some(source) => {
                format!("base {}, source {}", number(base), number(source.probabilities[index]))
            }
            None => format!("base {}", number(base)),
        };
        let _ = writeln!(text, "\nWhat moves {shown} most ({own}):");
        let of = |cell: &CellOutcome| cell.probabilities[index];
        for (cell, found) in strongest(outcome, of, base) {
            let probability = number(of(found));
            let _ = writeln!(text, "  {probability:<10} {}", place(cell, run));
        }
    }
    for (index, metric) in sweep.metrics().iter().enumerate() {
        let base = own.metrics[index];
        let source = outcome.source().map(|source| source.metrics[index]);
        let source =
            source.map_or_else(String::new, |source| format!(", source {}", number(source)));
        let direction = match sweep.directions() {
            [Direction::Noising] => String::new(),
            [direction, ..] => format!(", {}", direction.name()),
            [] => String::new(),
        };
        let name = metric.name();
        let _ =
            writeln!(text, "\nWhat moves {name} most (base {}{source}{direction}):", number(base));
        let of = |cell: &CellOutcome| cell.metrics[index];
        for (cell, found) in strongest(outcome, of, base) {
            let _ = writeln!(text, "  {:<10} {}", number(of(found)), place(cell, run));
        }
    }
    text + &overtaken(run)
}

/// The places that change a number most.
fn strongest(
    outcome: &SweepOutcome,
    of: impl Fn(&CellOutcome) -> f64,
    base: f64,
) -> Vec<(&Cell, &CellOutcome)> {
    let size = |cell: &CellOutcome| (of(cell) - base).abs();
    let mut cells: Vec<_> = outcome.cells().filter(|(_, cell)| size(cell) > 0.0).collect();
    cells.sort_by(|(_, a), (_, b)| size(b).total_cmp(&size(a)));
    cells.truncate(STRONGEST);
    cells
}

/// The places at which the base's likeliest target no longer is the likeliest.
fn overtaken(run: &Finished) -> String {
    let (outcome, outline): (_, &Outline) = (&run.outcome, &run.model);
    let targets = run.sweep.targets();
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
    let Some(base) = outcome.base() else { return String::new() };
    let first = likeliest(&base.probabilities);
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
        (*winner, cell.component.rank(), position(cell, run), cell.head)
    });
    let mut text = String::new();
    let mut last = None;
    for (winner, cell, layers) in groups {
        if last != Some(winner) {
            let _ = writeln!(text, "\n{} overtakes {} at:", shown(winner), shown(first));
            last = Some(winner);
        }
        let everywhere = Cell { layer: None, ..cell };
        let _ = write!(text, "  {}", place(&everywhere, run));
        let _ = if layers.is_empty() {
            writeln!(text)
        } else {
            writeln!(text, ", {}", ranges(&layers))
        };
    }
    text
}

/// A place in words.
fn place(cell: &Cell, run: &Finished) -> String {
    let mut text = cell.component.name().to_owned();
    if let Some(layer) = cell.layer {
        let _ = write!(text, ", layer {layer}");
    }
    if let Some(head) = cell.head {
        let _ = write!(text, ", head {head}");
    }
    if let Some(position) = position(cell, run) {
        let edited = match run.sweep.directions().first() {
            Some(Direction::Denoising) => run.sweep.sources().first().copied(),
            _ => Some(run.sweep.base()),
        };
        let token = edited.and_then(|prompt| prompt.tokens().get(position));
        let token = token.map_or_else(String::new, |&id| run.model.tokenizer().display(id));
        let _ = write!(text, ", position {position} {token}");
    }
    text
}

/// The position of a cell in the prompt that is edited in the first direction.
fn position(cell: &Cell, run: &Finished) -> Option<usize> {
    let row = run.sweep.rows().first()?;
    match run.sweep.directions().first() {
        Some(Direction::Denoising) => {
            run.sweep.source_positions_of(cell, row).first()?.first().copied()
        }
        _ => run.sweep.positions_of(cell, row).first().copied(),
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
