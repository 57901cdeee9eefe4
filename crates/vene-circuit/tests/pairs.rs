//! Pairs of heads held to whole runs of the reference executor; Shapley values to what they must sum to.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::sync::Arc;

use vene::data::{PreparedRow, Role, Row};
use vene::metric::LOGIT_DIFFERENCE;
use vene::{Component, Edit, Example, Executor, Model, Plan, Positions, Reference};
use vene_circuit::{CircuitRows, HeadPairs, PairTerm, PatchPlace, RowPairs, Sender, pair_means};
use vene_data::Answers;
use vene_model::Precision;
use vene_statistics::Bootstrap;
use vene_table::Table;
use vene_test_support::Fixture;

fn row(model: &Model, index: usize, base: &[u32]) -> PreparedRow {
    let vocabulary = model.config().vocabulary as u32;
    let other =
        |(place, token): (usize, &u32)| (token * 7 + 3 + (place + index) as u32) % vocabulary;
    let source: Vec<u32> = base.iter().enumerate().map(other).collect();
    let last = vec![vec![base.len() - 1]];
    PreparedRow {
        index,
        row: Row::new("base", "source"),
        base: model.prompt_from_tokens(base).unwrap(),
        source: Some(model.prompt_from_tokens(&source).unwrap()),
        answers: Answers::new(&[vec![5]], &[vec![11]]),
        base_positions: last.clone(),
        source_positions: last,
        base_read: Vec::new(),
        source_read: Vec::new(),
        further: Vec::new(),
    }
}

/// By how much the difference of logits rises where these heads are patched at the last position, by whole runs.
fn by_reference(model: &Model, row: &PreparedRow, heads: &[(usize, usize)]) -> f64 {
    let example = Example::new(row.base.clone()).source(row.source.clone().unwrap());
    let edit = |&(layer, head): &(usize, usize)| {
        Edit::interchange(Component::AttentionValueOutput, Some(layer))
            .heads([head])
            .at(Positions::At(vec![-1]))
            .from(Positions::At(vec![-1]))
    };
    let of = |heads: &[(usize, usize)]| {
        let plan = heads.iter().map(edit).fold(Plan::new().logits_of(vec![5, 11]), Plan::edit);
        let plan = plan.resolve(model, std::slice::from_ref(&example)).unwrap();
        let mut found = 0.0;
        let run = Reference::new(model).run_all(&[plan], &mut |_, outcome| {
            let logits = outcome.examples[0].readings[0].logits();
            found = logits[0] - logits[1];
            ControlFlow::Continue(())
        });
        run.unwrap();
        found
    };
    of(heads) - of(&[])
}

fn found(model: &Model, rows: Vec<PreparedRow>, orders: usize) -> (HeadPairs, Vec<RowPairs>) {
    let count = rows.len();
    let rows = CircuitRows::of_tokens(model, rows)
        .places([PatchPlace::Role(Role::Last)])
        .metrics([Arc::new(LOGIT_DIFFERENCE) as _])
        .build()
        .unwrap();
    let is_head = |sender: &Sender| matches!(sender, Sender::Head { .. });
    let heads: Vec<Sender> = rows.graph().senders().filter(is_head).collect();
    let pairs = HeadPairs::new(rows, &heads).unwrap().shapley(orders);
    let mut done = 0;
    let found = (0..count)
        .map(|row| {
            let count = &mut |more| {
                done += more;
                ControlFlow::Continue(())
            };
            pairs.run_row(model, row, count).unwrap()
        })
        .collect();
    assert_eq!(done, count * pairs.runs_per_row());
    (pairs, found)
}

#[test]
fn pairs_are_what_whole_runs_give() {
    for name in ["gpt2-plain", "llama-gqa", "gemma3-plain", "gpt_neox-parallel"] {
        let fixture = Fixture::new(name);
        let model = fixture.load(Precision::Double);
        let base = fixture.prompts()[1].clone();
        let (pairs, rows) = found(&model, vec![row(&model, 0, &base)], 3);
        let heads: Vec<(usize, usize)> = (0..model.config().layers.len())
            .flat_map(|layer| (0..model.config().heads).map(move |head| (layer, head)))
            .collect();
        assert_eq!(pairs.head_count(), heads.len());
        let prepared = &pairs.rows().prepared()[0];
        let close = |found: f64, expected: f64, what: &str| {
            assert!((found - expected).abs() < 1e-9, "{name}, {what}: {found} {expected}");
        };
        let mut interacting = 0;
        for line in rows[0].lines.iter().filter(|line| line.term != PairTerm::Shapley).step_by(5) {
            let of: Vec<(usize, usize)> = [Some(line.first), line.second]
                .into_iter()
                .flatten()
                .map(|head| heads[head])
                .collect();
            let expected = by_reference(&model, prepared, &of);
            close(line.effects[0], expected, &format!("{of:?}"));
            if let Some(interactions) = &line.interactions {
                let alone: f64 =
                    of.iter().map(|&head| by_reference(&model, prepared, &[head])).sum();
                close(interactions[0], expected - alone, &format!("the interaction of {of:?}"));
                interacting += usize::from(interactions[0].abs() > 1e-6);
            }
        }
        assert!(interacting > 0, "{name}");
        let shares = rows[0].lines.iter().filter(|line| line.term == PairTerm::Shapley);
        let sum: f64 = shares.map(|line| line.effects[0]).sum();
        close(sum, by_reference(&model, prepared, &heads), "all heads");
    }
}

#[test]
fn means_are_over_the_rows() {
    let fixture = Fixture::new("llama-gqa");
    let model = fixture.load(Precision::Double);
    let rows: Vec<PreparedRow> =
        (0..3).map(|index| row(&model, index, &fixture.prompts()[1])).collect();
    let (pairs, found) = found(&model, rows, 2);
    let tables: Vec<Table> =
        found.iter().enumerate().map(|(row, found)| pairs.table(row, found).unwrap()).collect();
    let table = Table::concatenate(&tables, &["ablation"]).unwrap();
    let [heads, means] = pair_means(&table, &Bootstrap::default()).unwrap();
    let count = pairs.head_count();
    assert_eq!((heads.rows(), means.rows()), (count, count * (count - 1) / 2));
    // The largest interaction is the first, and its mean that of the rows.
    let interaction = means.optional_floats("interaction").unwrap();
    assert!(interaction[0].unwrap().abs() >= interaction[1].unwrap().abs());
    let (first, second) = (means.text("first").unwrap()[0], means.text("second").unwrap()[0]);
    let (of_first, of_second) =
        (table.text("first").unwrap(), table.optional_text("second").unwrap());
    let each = table.optional_floats("interaction").unwrap();
    let of: Vec<f64> = (0..table.rows())
        .filter(|&row| of_first[row] == first && of_second[row] == Some(second))
        .map(|row| each[row].unwrap())
        .collect();
    assert_eq!(of.len(), 3);
    assert!((interaction[0].unwrap() - of.iter().sum::<f64>() / 3.0).abs() < 1e-12);
    assert!(heads.optional_floats("shapley").unwrap().iter().all(Option::is_some));
}
