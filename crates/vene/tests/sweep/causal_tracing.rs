//! Noise and windows of causal tracing, held to plain PyTorch after the paper (`fixtures/make_causal_tracing.py`).

use serde::Deserialize;
use vene::{Component, Executor, Forked, Method, NoiseSize, Reference, metric};
use vene_test_support::json;

use crate::lines::lines;
use crate::subject::{Pair, Subject, rows};
use crate::total::roles;

#[derive(Deserialize)]
struct Found {
    times: f64,
    noise: f64,
    rows: Vec<FixtureRow>,
    cells: Vec<Cell>,
}

#[derive(Deserialize)]
struct FixtureRow {
    base: Vec<u32>,
    source: Vec<u32>,
    subject: (usize, usize),
    target: u32,
    foil: u32,
}

#[derive(Deserialize)]
struct Cell {
    row: usize,
    window: usize,
    layer: usize,
    logit_difference: f64,
}

fn found() -> (Found, Vec<Pair>) {
    let found: Found = json("causal_tracing/gpt2-plain.json");
    let pair = |row: &FixtureRow| {
        let subject = row.subject.0..row.subject.1;
        Pair::new(&row.base, &row.source)
            .target(&[row.target])
            .foil(&[row.foil])
            .subject(subject.clone(), subject)
    };
    let pairs = found.rows.iter().map(pair).collect();
    (found, pairs)
}

/// GPT-2 adds learned position embeddings to the residual stream; the noise is measured without them.
#[test]
fn noise_is_measured_by_token_embeddings_alone() {
    let (found, pairs) = found();
    let (subject, rows) = (Subject::new("gpt2-plain"), rows(&pairs));
    let corrupted = "subject".parse().unwrap();
    let noise = NoiseSize::OfEmbeddings(found.times);
    let sweep = subject
        .sweep(&rows)
        .components([Component::MlpOutput])
        .method(Method::Restore { noise, draws: 1, corrupted })
        .build()
        .unwrap();
    let executors: [&dyn Executor; 2] =
        [&Reference::new(&subject.model), &Forked::new(&subject.model)];
    for executor in executors {
        let means = sweep.means(&subject.model, executor).unwrap();
        let deviation = means.noise_deviation().unwrap();
        assert!((deviation / found.noise - 1.0).abs() < 1e-9, "{deviation}, not {}", found.noise);
    }
}

/// `range(max(0, l - K // 2), min(layers, l - (-K // 2)))`, for K odd and even.
#[test]
fn windows_hold_the_paper_s_layers() {
    let (found, pairs) = found();
    let (subject, rows) = (Subject::new("gpt2-plain"), rows(&pairs));
    let last = found.cells.iter().map(|cell| cell.window).max().unwrap();
    let mut compared = 0;
    for window in 1..=last {
        let sweep = subject
            .sweep(&rows)
            .components([Component::MlpOutput])
            .roles(roles(&["last"]))
            .window(window)
            .metrics([metric::named("logit_difference").unwrap()])
            .build()
            .unwrap();
        let table = sweep
            .run_with(&subject.model, &Reference::new(&subject.model))
            .unwrap()
            .into_examples();
        for line in lines(&table) {
            let cell = found.cells.iter().find(|cell| {
                (cell.row, cell.window, cell.layer) == (line.example, window, line.layer.unwrap())
            });
            let expected = cell.unwrap().logit_difference;
            assert!((line.value - expected).abs() < 1e-9, "{line:?}, not {expected}");
            compared += 1;
        }
    }
    assert_eq!(compared, found.cells.len());
}
