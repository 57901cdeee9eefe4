//! Summaries against means, shares and counts by hand.

use std::collections::BTreeMap;

use vene::sweep::Summary;
use vene::{Component, Control, Direction, Method, Table};

use crate::lines::{Line, lines};
use crate::subject::{Pair, Subject, mixed, rows};
use crate::total::{metrics, roles};

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-12 * expected.abs().max(1.0)
}

/// The lines of a summary's row, in the order in which cells first occur.
fn cells(all: &[Line]) -> Vec<Vec<Line>> {
    let key = |line: &Line| {
        let Line { direction, control, role, metric, .. } = line.clone();
        (direction, control, line.component, line.layer, role, line.head, metric)
    };
    let mut cells: Vec<Vec<Line>> = Vec::new();
    for line in all {
        match cells.iter_mut().find(|cell| key(&cell[0]) == key(line)) {
            Some(cell) => cell.push(line.clone()),
            None => cells.push(vec![line.clone()]),
        }
    }
    cells
}

fn float(table: &Table, name: &str, row: usize) -> Option<f64> {
    table.optional_floats(name).unwrap()[row]
}

#[track_caller]
fn check(summary: &Table, first: usize, cells: &[Vec<Line>], split: &str) {
    for (row, cell) in (first..).zip(cells) {
        let n = cell.len() as f64;
        let mean = |of: &dyn Fn(&Line) -> f64| cell.iter().map(of).sum::<f64>() / n;
        let text = |name: &str| summary.optional_text(name).unwrap()[row].map(str::to_owned);
        assert_eq!(text("component").unwrap(), cell[0].component.name());
        assert_eq!(text("role"), cell[0].role);
        assert_eq!(text("metric").unwrap(), cell[0].metric);
        assert_eq!(text("direction").unwrap(), cell[0].direction);
        assert_eq!(text("control").unwrap(), cell[0].control);
        assert_eq!(text("split").unwrap(), split);
        let effect = mean(&|line| line.effect);
        assert!(near(float(summary, "mean", row).unwrap(), effect), "{cell:#?}");
        assert!(near(float(summary, "base", row).unwrap(), mean(&|line| line.base_value)));
        assert!(near(float(summary, "change", row).unwrap(), mean(&|line| line.change)));
        assert_eq!(summary.integers("n").unwrap()[row], cell.len() as i64);
        let unchanged = cell.iter().filter(|line| line.note.is_some()).count();
        assert_eq!(summary.integers("unchanged").unwrap()[row], unchanged as i64);
        let agree = cell.iter().filter(|line| line.effect * effect > 0.0).count() as f64;
        let expected = (effect != 0.0).then_some(agree / n);
        assert_eq!(float(summary, "sign_agreement", row), expected, "{cell:#?}");
        // Rows of a group are one cluster; a row without one is its own.
        let mut groups: Vec<String> = cell
            .iter()
            .map(|line| line.group.clone().unwrap_or(format!("row {}", line.example)))
            .collect();
        groups.sort();
        groups.dedup();
        assert_eq!(summary.integers("clusters").unwrap()[row], groups.len() as i64);
        // Only rows that have a source have a share of its effect.
        let whole: Vec<(f64, f64)> = cell
            .iter()
            .filter_map(|line| Some((line.effect, line.source_value? - line.base_value)))
            .collect();
        let sums = whole.iter().fold((0.0, 0.0), |sums, (a, b)| (sums.0 + a, sums.1 + b));
        let denominator = float(summary, "denominator", row);
        assert_eq!(denominator.is_some(), !whole.is_empty());
        if let Some(found) = denominator {
            assert!(near(found, sums.1 / whole.len() as f64));
        }
        if let Some(found) = float(summary, "normalised", row) {
            assert!(near(found, sums.0 / sums.1), "{cell:#?}");
            let low = float(summary, "denominator_low", row).unwrap();
            let high = float(summary, "denominator_high", row).unwrap();
            assert!(low > 0.0 || high < 0.0);
        }
    }
}

/// Rows enough for denominators that are no accident.
fn pairs() -> Vec<Pair> {
    let mut pairs: Vec<Pair> = mixed();
    for shift in 1..4 {
        for pair in mixed() {
            let base = pair.base.iter().map(|token| 10 + (token + 7 * shift) % 50).collect();
            pairs.push(Pair { base, group: None, ..pair });
        }
    }
    // One whose prompts are the same up to its subject's end.
    pairs.push(mixed().remove(0).subject(1..2, 1..2));
    pairs
}

#[test]
fn a_summary_is_means_shares_and_counts() {
    let subject = Subject::new("gpt2-plain");
    let rows = rows(&pairs());
    let sweep = subject
        .sweep(&rows)
        .components([Component::BlockOutput, Component::Embedding])
        .roles(roles(&["subject", "last"]))
        .directions([Direction::Noising, Direction::Denoising])
        .controls([Control::SelfSwap])
        .metrics(metrics())
        .build()
        .unwrap();
    let examples = sweep.run(&subject.model).unwrap().into_examples();
    let all = lines(&examples);
    let cells_of_all = cells(&all);
    let summary = Summary::default().of(&examples).unwrap();
    assert_eq!(summary.rows(), cells_of_all.len());
    check(&summary, 0, &cells_of_all, "all");
    let normalised = summary.optional_floats("normalised").unwrap();
    assert!(normalised.iter().flatten().count() > 5);
    // Nothing is found where nothing is done.
    let notes = summary.optional_text("note").unwrap();
    let controls = summary.text("control").unwrap();
    let metric = summary.text("metric").unwrap();
    for row in 0..summary.rows() {
        let is_step = ["accuracy", "forced_choice"].contains(&metric[row]);
        if controls[row] == "self" && !is_step && float(&summary, "mean", row) != Some(0.0) {
            assert_eq!(notes[row], Some("unresolved"), "{row}");
        }
    }
    let resolved = (0..summary.rows()).filter(|&row| notes[row].is_none());
    assert!(resolved.filter(|&row| controls[row] == "none").count() > 10);

    // Halves: each row on one side.
    let discovery = vec![0, 3, 4, 7, 100];
    let halves =
        Summary { discovery: Some(discovery.clone()), ..Summary::default() }.of(&examples).unwrap();
    let (found, shown): (Vec<Line>, Vec<Line>) =
        all.into_iter().partition(|line| discovery.contains(&line.example));
    assert_eq!(halves.rows(), 2 * cells_of_all.len());
    check(&halves, 0, &cells(&found), "discovery");
    check(&halves, cells_of_all.len(), &cells(&shown), "evaluation");
}

#[test]
fn rows_without_a_source_count_for_the_mean_and_not_for_the_share() {
    let subject = Subject::new("llama-gqa");
    let mut pairs = pairs();
    for pair in pairs.iter_mut().step_by(3) {
        *pair = pair.without_source();
    }
    let rows = rows(&pairs);
    let sweep = subject
        .sweep(&rows)
        .components([Component::MlpOutput])
        .roles(roles(&["subject", "last"]))
        .method(Method::Zero)
        .metrics(metrics())
        .build()
        .unwrap();
    let examples = sweep.run(&subject.model).unwrap().into_examples();
    let all = lines(&examples);
    let without = all.iter().filter(|line| line.source_value.is_none()).count();
    assert!(0 < without && without < all.len());
    let summary = Summary::default().of(&examples).unwrap();
    check(&summary, 0, &cells(&all), "all");
    let mut by_note: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for note in summary.optional_text("note").unwrap() {
        *by_note.entry(note).or_default() += 1;
    }
    assert!(by_note[&None] > 0);
}
