//! Rows that cannot be used, each with its reason, and odd ones that can.

use vene::data::{Phrase, Row, Span};
use vene::{Component, SweepUnit};

use crate::lines::lines;
use crate::subject::{Subject, mixed};
use crate::total::{metrics, roles};

fn row() -> Row {
    mixed().remove(0).row()
}

fn spans(base: impl Into<Phrase>, source: impl Into<Phrase>) -> Row {
    let mut row = row();
    std::sync::Arc::make_mut(&mut row.spans)
        .insert("subject".to_owned(), Span { base: base.into(), source: Some(source.into()) });
    row
}

#[test]
fn each_says_why() {
    let subject = Subject::new("gpt2-plain");
    let long = vec!["t10"; 21].join(" ");
    let many = vec!["t10"; 18].join(" ");
    let cases = [
        (Row { base: String::new(), ..row() }, "the base is missing, or an empty text"),
        (Row { base: "  ".to_owned(), ..row() }, "base: "),
        (Row { base: long.clone(), ..row() }, "base: "),
        (Row { source: Some(long), ..row() }, "source: "),
        (Row { source: Some(String::new()), ..row() }, "the source is an empty text"),
        (Row { source: None, ..row() }, "no source"),
        (Row { target: vec![], ..row() }, "no target"),
        (Row { foil: vec![], ..row() }, "no foil"),
        (Row { target: vec![String::new()], ..row() }, "the target is an empty text"),
        (Row { foil: vec![" ".to_owned()], ..row() }, "` `: it is empty"),
        (row().target(" t31"), "` t31` is right for both base and source"),
        (row().target(" t31 t32"), "in tokens one of ` t31 t32` and ` t31` begins the other"),
        (row().foil(" t30 t32"), "in tokens one of ` t30` and ` t30 t32` begins the other"),
        (Row { spans: Default::default(), ..row() }, "subject, base: "),
        (spans("t99", "t22"), "subject, base: "),
        (spans("t12", "t99"), "subject, source: "),
        (spans("", "t22"), "subject, base: "),
        (spans("t12", ""), "subject, source: "),
        (spans(Phrase::Characters(3..3), "t22"), "subject, base: "),
        (spans(Phrase::Characters(3..300), "t22"), "subject, base: "),
        (spans(Phrase::occurrence("t12", 1), "t22"), "subject, base: "),
        (spans("t12 t13", "t22"), "subject has 2 tokens in the base and 1 in the source"),
        (Row { base: format!("{many} t12"), ..row() }.target(" t40 t41 t42"), "` t40 t41 t42`: "),
    ];
    for (case, expected) in cases {
        let rows = [row(), case.clone()];
        let sweep = subject
            .sweep(&rows)
            .components([Component::BlockOutput])
            .roles(roles(&["subject"]))
            .build()
            .unwrap();
        let left_out: Vec<_> =
            sweep.left_out().iter().map(|row| (row.index, row.reason.to_string())).collect();
        assert_eq!(left_out.len(), 1, "{case:?}");
        assert!(left_out[0].0 == 1 && left_out[0].1.starts_with(expected), "{left_out:?}");
        assert!(!sweep.left_out()[0].reason.kind().is_empty());
        let error = subject.sweep(&rows[1..]).components([Component::BlockOutput]);
        let error = error.roles(roles(&["subject"])).build().unwrap_err().to_string();
        let start = format!("none of the 1 rows can be used; row 0 (counted from 0): {expected}");
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn lengths_must_be_equal_where_all_positions_are_edited_and_in_patterns() {
    let subject = Subject::new("gpt2-plain");
    let rows: Vec<Row> = mixed().iter().map(|pair| pair.row()).collect();
    for (component, unit) in [
        (Component::ValueOutput, SweepUnit::Head),
        (Component::AttentionWeight, SweepUnit::Position),
        (Component::AttentionScore, SweepUnit::HeadPosition),
    ] {
        let sweep = subject.sweep(&rows).components([component]).unit(unit).build().unwrap();
        let left_out: Vec<_> =
            sweep.left_out().iter().map(|row| (row.index, row.reason.to_string())).collect();
        assert_eq!(
            left_out,
            [
                (1, "the base has 4 tokens and the source 6".to_owned()),
                (4, "the base has 3 tokens and the source 4".to_owned()),
            ]
        );
        sweep.run(&subject.model).unwrap().into_examples();
    }
}

#[test]
fn prompts_of_one_token_and_spans_at_either_end() {
    let subject = Subject::new("llama-gqa");
    let rows = [
        Row::new("t10", "t11").target(" t30").foil(" t31 t32").span("subject", "t10", "t11"),
        // The same prompt on both sides.
        Row::new("t12 t13", "t12 t13").target(" t30").foil(" t31").span("subject", "t13", "t13"),
        // A phrase with spaces around it, and one that occurs twice.
        Row::new("t14 t15 t14", "t16 t15 t16").target(" t30").foil(" t31").span(
            "subject",
            Phrase::occurrence(" t14 ", 0),
            Phrase::occurrence("t16", 1),
        ),
    ];
    let sweep = subject
        .sweep(&rows)
        .components([Component::Embedding, Component::BlockOutput, Component::Logits])
        .roles(roles(&["subject", "last", "0", "-1"]))
        .metrics(metrics())
        .build()
        .unwrap();
    assert_eq!(sweep.left_out().len(), 0);
    let table = lines(&sweep.run(&subject.model).unwrap().into_examples());
    for line in &table {
        for value in [line.value, line.base_value, line.effect, line.change] {
            assert!(value.is_finite(), "{line:#?}");
        }
        if line.example == 1 {
            assert_eq!(line.note.as_deref(), Some("unchanged: shared prefix"));
            assert!(line.effect.abs() < 1e-12, "{line:#?}");
        } else {
            assert_eq!(line.note, None, "{line:#?}");
        }
        // The answer follows: what is done to a prompt's only token is the other prompt's run.
        if line.example == 0 && line.layer == Some(2) && line.metric == "kl" {
            assert!((line.value - line.source_value.unwrap()).abs() < 1e-9, "{line:#?}");
        }
    }
}
