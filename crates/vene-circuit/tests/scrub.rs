//! Hypotheses of induction on a trained two-layer attention-only model: a naive one, and what its refinement recovers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use vene::data::Row;
use vene::metric::LOG_PROBABILITY;
use vene_circuit::{CircuitRows, Claim, Feature, Hypothesis, Scrubbing, recovered};
use vene_model::Model;
use vene_statistics::Bootstrap;
use vene_table::Table;
use vene_test_support::fixture_folder;

/// Rows that are scrubbed; all others may be drawn.
const SCRUBBED: usize = 60;

/// A row as the file has it.
#[derive(serde::Deserialize)]
struct Line {
    base: String,
    target: String,
    group: String,
}

fn folder() -> std::path::PathBuf {
    fixture_folder().join("circuits/induction")
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(folder().join("rows.jsonl")).unwrap();
    let row = |line: &str| {
        let Line { base, target, group } = serde_json::from_str(line).unwrap();
        Row::of_base(base).target(target).group(group)
    };
    text.lines().map(row).collect()
}

/// Induction heads in layer 1, of which each input reads some senders of layer 0 in rows that agree on some words.
fn induction(name: &str, key: (&[&str], &[&str]), rest: (&[&str], &[&str])) -> Hypothesis {
    let heads = ["a1.h0", "a1.h1", "a1.h2", "a1.h3"];
    let claim = |(senders, agrees): (&[&str], &[&str])| {
        Claim::new(senders.iter().copied(), agrees.iter().copied())
    };
    let nodes = [
        ("induction", Claim::new(heads, ["tokens"]).reads(["rest"]).key(["key"])),
        ("key", claim(key)),
        ("rest", claim(rest)),
    ];
    Hypothesis {
        name: name.to_owned(),
        logits: vec!["induction".to_owned()],
        nodes: nodes.map(|(name, claim)| (name.to_owned(), claim)).into(),
        ..Hypothesis::default()
    }
}

/// What some hypotheses recover, by name.
fn recover(hypotheses: Vec<Hypothesis>, features: &[Feature]) -> BTreeMap<String, f64> {
    let model = Model::load(folder().to_str().unwrap()).unwrap();
    let rows = CircuitRows::builder(&model, &rows())
        .metrics([Arc::new(LOG_PROBABILITY) as _])
        .reads_source(false)
        .build()
        .unwrap();
    let scrubbing = Scrubbing::with_features(rows, hypotheses, features).unwrap().draws(3);
    let mut tables = Vec::new();
    for row in 0..SCRUBBED {
        let found = scrubbing.run_row(&model, row, &mut |_| ControlFlow::Continue(())).unwrap();
        tables.push(scrubbing.table(row, &found).unwrap());
    }
    let table =
        recovered(&Table::concatenate(&tables, &[]).unwrap(), &Bootstrap::default()).unwrap();
    let names = table.text("hypothesis").unwrap().into_iter().map(str::to_owned);
    names.zip(table.optional_floats("recovered").unwrap().into_iter().flatten()).collect()
}

#[test]
fn a_refined_hypothesis_recovers_twice_what_a_naive_one_does() {
    let words: &[&str] = &["input", "a0.h0", "a0.h1", "a0.h2", "a0.h3"];
    let three: &[&str] = &["token", "token-1", "token-2"];
    let found = recover(
        vec![
            // The word whose predecessor is the last word.
            induction("naive", (&["a0.h1", "a0.h3"], &["token-1"]), (&["input"], &["token"])),
            // Two words before count, and the heads that tell of them.
            induction("two", (words, &three[..2]), (words, &three[..2])),
            induction("three", (words, three), (words, three)),
            induction("false", (words, &["token-4"]), (words, &["token-4"])),
            // Whatever layer 0 adds at a position depends on the words up to it.
            induction("causal", (words, &["prefix"]), (words, &["prefix"])),
        ],
        &[],
    );
    assert!(found["three"] > 2.0 * found["naive"], "{found:?}");
    assert!(found["three"] > 0.7 && found["two"] > found["naive"] + 0.1, "{found:?}");
    assert!(found["false"] < 0.4, "{found:?}");
    assert!((found["causal"] - 1.0).abs() < 0.02, "{found:?}");
}

#[test]
fn a_feature_of_ones_own_is_agreed_on() {
    let words: &[&str] = &["input", "a0.h0", "a0.h1", "a0.h2", "a0.h3"];
    let pair = Feature::of_position("pair", |row, position| {
        let tokens = &row.base.tokens()[position.saturating_sub(1)..=position];
        tokens.iter().flat_map(|token| token.to_le_bytes()).collect()
    });
    let found = recover(
        vec![
            induction("named", (words, &["token", "token-1"]), (words, &["token", "token-1"])),
            induction("own", (words, &["pair"]), (words, &["pair"])),
        ],
        &[pair],
    );
    // The same rows agree, and the same are drawn.
    assert!((found["named"] - found["own"]).abs() < 1e-9, "{found:?}");
}
