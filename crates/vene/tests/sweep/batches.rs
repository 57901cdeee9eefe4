//! Batches: the same numbers whichever rows ride together, and a table in its order.

use std::ops::ControlFlow;

use vene::data::Row;
use vene::sweep::{Summary, join, noise_floor};
use vene::{Component, Control, Direction, Forked, Method, NoiseSize, Sweep};

use crate::hand::close;
use crate::lines::{Line, lines};
use crate::subject::{Pair, Subject, mixed, rows};
use crate::total::{metrics, roles};

/// More rows than a batch holds where whole distributions are read.
fn many() -> Vec<Pair> {
    let pair = |index: u32| {
        let shift = |token: u32| 10 + (token + index) % 50;
        let length = 3 + index % 4;
        let base: Vec<u32> = (0..length).map(|at| shift(at * 7)).collect();
        let source: Vec<u32> = (0..length + index % 2).map(|at| shift(at * 5 + 3)).collect();
        Pair::new(&base, &source).target(&[60]).foil(&[61]).subject(1..2, 1..2)
    };
    (0..40).map(pair).collect()
}

#[test]
fn parts_add_up_to_the_whole() {
    let subject = Subject::new("gpt2-plain");
    let rows = rows(&many());
    let sweep = subject
        .sweep(&rows)
        .components([Component::BlockOutput])
        .layers([0, 1])
        .roles(roles(&["subject"]))
        .controls([Control::ShuffledSource])
        .metrics(metrics())
        .build()
        .unwrap();
    let batches = sweep.batches();
    assert!(batches.len() > 1, "{batches:?}");
    assert_eq!(batches.iter().map(ExactSizeIterator::len).sum::<usize>(), rows.len());
    let (model, executor) = (&subject.model, Forked::new(&subject.model));
    let means = sweep.means(model, &executor).unwrap();
    let mut done = Vec::new();
    let mut part = |batch| {
        let mut progress = |count| {
            done.push(count);
            ControlFlow::Continue(())
        };
        sweep.run_batch(model, &executor, &means, batch, &mut progress).unwrap().into_examples()
    };
    let parts: Vec<_> = batches.iter().cloned().map(&mut part).collect();
    let whole = sweep.run(model).unwrap().into_examples();
    assert_eq!(lines(&whole), lines(&join(&parts).unwrap().table().unwrap()));
    // Row by row: sums in another order, no more.
    let single_parts: Vec<_> = (0..rows.len()).map(|row| part(row..row + 1)).collect();
    let single = lines(&join(&single_parts).unwrap().table().unwrap());
    for (alone, together) in single.iter().zip(lines(&whole)) {
        assert!(close(alone.value, together.value), "{alone:#?} {together:#?}");
        assert!(close(alone.base_value, together.base_value), "{alone:#?} {together:#?}");
        assert!(close(alone.change, together.change), "{alone:#?} {together:#?}");
    }
    // A summary is the same of a table and of its parts, and takes each example once.
    let of_parts = Summary::default().of(&join(&parts).unwrap()).unwrap();
    let table = join(&parts).unwrap().table().unwrap();
    assert_eq!(of_parts, Summary::default().of(&table).unwrap());
    let twice = Summary::default().of(&join(&[whole.clone(), whole.clone()]).unwrap()).unwrap_err();
    assert!(twice.to_string().contains("is there twice (component "), "{twice}");
    // Progress begins anew in each batch, and counts its interventions.
    let last = batches.last().unwrap().len() * sweep.interventions_per_row();
    assert!(
        done.contains(&last) && done.iter().max() <= Some(&(32 * sweep.interventions_per_row()))
    );
    // What was measured of noise is added up, and does not depend on how rows are cut into batches.
    let floor = |table: &vene::Table| noise_floor(table)["logit_difference"];
    let count = |table: &vene::Table| {
        let places = &table.metadata()["noise_squares.logit_difference"];
        places.split(' ').filter(|place| !place.is_empty()).count() as f64
    };
    let measured = parts.iter().filter(|part| count(part) > 0.0);
    let squares: f64 = measured.map(|part| floor(part).powi(2) * count(part)).sum::<f64>();
    let counts: f64 = parts.iter().map(count).sum();
    assert!((floor(&whole) - (squares / counts).sqrt()).abs() <= 1e-20);
    assert!((1.0..=8.0).contains(&counts) && counts == count(&whole), "{counts}");
    assert!(floor(&whole) < 1e-12, "{}", floor(&whole));
    assert_eq!(floor(&join(&single_parts).unwrap().table().unwrap()), floor(&whole));
}

fn of(sweep: &Sweep, subject: &Subject) -> Vec<Line> {
    lines(&sweep.run(&subject.model).unwrap().into_examples())
}

#[test]
fn a_row_s_numbers_depend_on_no_other_row() {
    let subject = Subject::with_bos("llama-gqa");
    let treatments = [
        Method::Interchange,
        Method::Zero,
        Method::Noise { standard_deviation: 0.2, draws: 2 },
        Method::Restore {
            noise: NoiseSize::Absolute(0.2),
            draws: 2,
            corrupted: "subject".parse().unwrap(),
        },
    ];
    let all = rows(&mixed());
    for treatment in treatments {
        let sweep = |rows: &[Row]| {
            let controls = match treatment {
                Method::Interchange => vec![Control::RandomDirection, Control::SelfSwap],
                _ => Vec::new(),
            };
            let sweep = subject
                .sweep(rows)
                .components([Component::BlockOutput, Component::MlpOutput])
                .roles(roles(&["subject", "last"]))
                .method(treatment.clone())
                .controls(controls)
                .metrics(metrics())
                .build()
                .unwrap();
            of(&sweep, &subject)
        };
        let whole = sweep(&all);
        for example in 0..all.len() {
            // All others cannot be used; the row keeps its number.
            let mut rows = all.clone();
            for (index, row) in rows.iter_mut().enumerate() {
                if index != example {
                    row.target.clear();
                }
            }
            let of_example = whole.iter().filter(|line| line.example == example);
            let alone = sweep(&rows);
            assert_eq!(alone.len(), of_example.clone().count());
            for (alone, together) in alone.iter().zip(of_example) {
                assert_eq!(alone.note, together.note);
                for (a, b) in [(alone.value, together.value), (alone.change, together.change)] {
                    assert!(close(a, b), "{alone:#?} {together:#?}");
                }
            }
        }
    }
}

#[test]
fn rows_and_columns_stand_in_the_documented_order() {
    let subject = Subject::new("gpt2-plain");
    let rows = rows(&mixed()[..2]);
    let sweep = subject
        .sweep(&rows)
        .components([Component::MlpOutput, Component::Embedding, Component::FinalNorm])
        .layers([2, 0])
        .roles(roles(&["last", "subject"]))
        .directions([Direction::Denoising, Direction::Noising])
        .controls([Control::SelfSwap])
        .metrics(metrics())
        .build()
        .unwrap();
    let mut expected = Vec::new();
    for example in 0..2 {
        for direction in ["denoising", "noising"] {
            for control in ["none", "self"] {
                for (component, layer) in [
                    (Component::Embedding, None),
                    (Component::MlpOutput, Some(2)),
                    (Component::MlpOutput, Some(0)),
                    (Component::FinalNorm, None),
                ] {
                    for position in ["last", "subject"] {
                        for metric in metrics() {
                            expected.push((
                                (example, direction.to_owned(), control.to_owned()),
                                (component, layer, Some(position.to_owned())),
                                metric.name().to_owned(),
                            ));
                        }
                    }
                }
            }
        }
    }
    let table = sweep.run(&subject.model).unwrap().into_examples();
    let found: Vec<_> = lines(&table)
        .into_iter()
        .map(|line| {
            (
                (line.example, line.direction, line.control),
                (line.component, line.layer, line.role),
                line.metric,
            )
        })
        .collect();
    assert_eq!(found, expected);
    let columns: Vec<&str> = table.columns().map(|(name, _)| name).collect();
    assert_eq!(
        columns,
        [
            "example",
            "group",
            "component",
            "layer",
            "position",
            "role",
            "position_token",
            "source_position",
            "source_token",
            "head",
            "metric",
            "base_value",
            "source_value",
            "value",
            "effect",
            "change",
            "note",
            "direction",
            "control",
            "intervention",
            "window",
            "effect_type",
            "draws",
        ]
    );
}

#[test]
fn what_was_done_otherwise_is_not_joined() {
    let subject = Subject::new("gpt2-plain");
    let rows = rows(&mixed());
    let table = |treatment: Method, window, first| {
        let sweep = subject.sweep(&rows).components([Component::MlpOutput]).layers([0]);
        let sweep = sweep.method(treatment).window(window).first_tokens(first);
        sweep.build().unwrap().run(&subject.model).unwrap().into_examples()
    };
    let noise = |standard_deviation| Method::Noise { standard_deviation, draws: 1 };
    let scaled = |factor| Method::Scaling { factor };
    for (one, other, named) in [
        (table(noise(0.1), 1, false), table(noise(0.2), 1, false), "standard deviation 0.2"),
        (table(scaled(2.0), 1, false), table(scaled(0.5), 1, false), "factor 0.5"),
        (table(Method::Zero, 1, false), table(Method::Zero, 2, false), "window"),
        (table(Method::Zero, 1, false), table(Method::Interchange, 1, false), "intervention"),
        (table(Method::Zero, 1, false), table(Method::Zero, 1, true), "first token"),
    ] {
        assert!(join(&[one.clone(), one.clone()]).is_ok());
        let error = join(&[one, other]).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn batches_that_are_none_are_refused() {
    let subject = Subject::new("gpt2-plain");
    let rows = rows(&mixed());
    let sweep = subject.sweep(&rows).components([Component::MlpOutput]).build().unwrap();
    let executor = Forked::new(&subject.model);
    let means = sweep.means(&subject.model, &executor).unwrap();
    for batch in [2..2, 0..rows.len() + 1, 9..12] {
        let text =
            format!("rows {}..{} are no batch of a sweep over 5 rows", batch.start, batch.end);
        let mut go_on = |_| ControlFlow::Continue(());
        let error = sweep.run_batch(&subject.model, &executor, &means, batch, &mut go_on);
        assert_eq!(error.unwrap_err().to_string(), text);
    }
    let mut stop = |_| ControlFlow::Break(());
    let stopped = sweep.run_batch(&subject.model, &executor, &means, 0..1, &mut stop);
    assert_eq!(stopped.unwrap_err().to_string(), "stopped");
}
