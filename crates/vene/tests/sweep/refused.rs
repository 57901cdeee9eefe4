//! What is refused when a sweep is declared, before a weight is read.

use std::sync::Arc;
use vene::data::Row;

use vene::metric::LOG_PROBABILITY;
use vene::{Component, Control, Direction, EffectType, Method, NoiseSize, SweepBuilder, SweepUnit};

use crate::subject::{Pair, Subject, mixed, rows};
use crate::total::roles;

#[track_caller]
fn refused<'a>(
    (subject, rows): &'a (Subject, Vec<Row>),
    told: &str,
    change: impl FnOnce(SweepBuilder<'a>) -> SweepBuilder<'a>,
) {
    let sweep = subject.sweep(rows).components([Component::BlockOutput]);
    let error = change(sweep.roles(roles(&["subject"]))).build().unwrap_err().to_string();
    assert!(error.contains(told), "{error}");
}

fn restore() -> Method {
    let corrupted = "subject".parse().unwrap();
    Method::Restore { noise: NoiseSize::Absolute(0.1), draws: 1, corrupted }
}

#[test]
fn what_cannot_be_swept_is_refused() {
    let all = (Subject::new("gpt2-plain"), rows(&mixed()));
    refused(&all, "needs rows", |sweep| sweep.rows(&[]));
    refused(&all, "component", |sweep| sweep.components([]));
    refused(&all, "needs positions by role", |sweep| sweep.roles([]));
    refused(&all, "needs a metric", |sweep| sweep.metrics([]));
    refused(&all, "a window of 0 layers", |sweep| sweep.window(0));
    refused(&all, "needs layers, and the list is empty", |sweep| sweep.layers([]));
    refused(&all, "needs heads, and the list is empty", |sweep| {
        sweep.heads([]).unit(SweepUnit::HeadPosition)
    });
    refused(&all, "needs a direction, and the list is empty", |sweep| sweep.directions([]));
    refused(&all, "resample with 0 draws", |sweep| sweep.method(Method::Resample { draws: 0 }));
    refused(&all, "layer 17", |sweep| sweep.layers([17]));
    refused(&all, "head", |sweep| {
        sweep.components([Component::ValueOutput]).heads([17]).unit(SweepUnit::HeadPosition)
    });
    refused(&all, "mean", |sweep| sweep.method(Method::Mean));
    refused(&all, "have no mean", |sweep| {
        let mean = Method::MeanAblation { per_position: true };
        sweep.components([Component::AttentionWeight]).method(mean)
    });
    refused(&all, "standard deviation", |sweep| {
        sweep.method(Method::Noise { standard_deviation: f64::NAN, draws: 1 })
    });
}

#[test]
fn what_would_stand_in_the_table_twice_is_refused() {
    let all = (Subject::new("gpt2-plain"), rows(&mixed()));
    refused(&all, "the component block_output is named twice", |sweep| {
        sweep.components([Component::BlockOutput, Component::BlockOutput])
    });
    refused(&all, "the layer 1 is named twice", |sweep| sweep.layers([1, 0, 1]));
    refused(&all, "the head 0 is named twice", |sweep| {
        sweep.components([Component::ValueOutput]).heads([0, 0]).unit(SweepUnit::Head)
    });
    refused(&all, "the direction noising is named twice", |sweep| {
        sweep.directions([Direction::Noising, Direction::Noising])
    });
    refused(&all, "the metric log_probability is named twice", |sweep| {
        sweep.metrics([Arc::new(LOG_PROBABILITY) as _, Arc::new(LOG_PROBABILITY) as _])
    });
    refused(&all, "the control self is named twice", |sweep| {
        sweep.controls([Control::SelfSwap, Control::SelfSwap])
    });
    refused(&all, "the position last is named twice", |sweep| {
        sweep.roles(roles(&["last", "last"]))
    });
}

#[test]
fn what_means_nothing_together_is_refused() {
    let all = (Subject::new("gpt2-plain"), rows(&mixed()));
    refused(&all, "zero has one direction only", |sweep| {
        sweep.method(Method::Zero).directions([Direction::Denoising])
    });
    refused(&all, "the control `shuffled` is for methods that read another prompt", |sweep| {
        sweep.method(Method::Zero).controls([Control::ShuffledSource])
    });
    refused(&all, "restore does", |sweep| sweep.method(restore()).controls([Control::SelfSwap]));
    refused(&all, "restore has a total effect only", |sweep| {
        sweep.method(restore()).effect(EffectType::Direct)
    });
    refused(&all, "the direct effect of attention_output has no window", |sweep| {
        let sweep = sweep.components([Component::AttentionOutput]).window(2);
        sweep.effect(EffectType::Direct)
    });
    refused(&all, "is no pattern", |sweep| {
        let sweep = sweep.components([Component::AttentionWeight]);
        sweep.controls([Control::RandomDirection])
    });
}

#[test]
fn knockouts_of_nothing_and_of_everything_leave_out_their_rows() {
    let knockout = |sweep: SweepBuilder<'_>| {
        let sweep = sweep.components([Component::AttentionScore]);
        let sweep = sweep.method(Method::Knockout).layers([0]);
        let sweep = sweep.build().unwrap();
        let left_out = sweep.left_out().iter().map(|row| format!("{}: {}", row.name(), row.reason));
        (sweep.rows().len(), left_out.collect::<Vec<_>>())
    };
    let mut pairs = mixed();
    // A prompt of one token.
    pairs.push(Pair::new(&[20], &[21]).target(&[30]).foil(&[31]).subject(0..1, 0..1));
    let (subject, all) = (Subject::new("llama-gqa"), rows(&pairs));
    let (used, left_out) = knockout(subject.sweep(&all).roles(roles(&["last"])));
    assert_eq!(used, 5);
    assert_eq!(
        left_out,
        [
            "row 5 (counted from 0): in layer 0 the last position sees all that it sees at last; a knockout \
          there would leave it nothing to attend to"
        ]
    );
    // Where that is every row, there is nothing to sweep over.
    let none = subject.sweep(&all[5..]).components([Component::AttentionScore]).layers([0]);
    let none = none.method(Method::Knockout).roles(roles(&["last"]));
    let none = none.build().unwrap_err().to_string();
    assert!(none.starts_with("none of the 1 rows can be used; row 0 (counted from 0): "), "{none}");
    // A window of four positions.
    let far = Pair::new(&[20, 21, 22, 23, 24, 25], &[20]).target(&[30]).foil(&[31]);
    pairs = vec![mixed().remove(3), far.subject(1..2, 0..1)];
    let (subject, all) = (Subject::new("gemma3-plain"), rows(&pairs));
    let (used, left_out) = knockout(subject.sweep(&all).roles(roles(&["subject"])));
    assert_eq!(used, 1);
    assert_eq!(
        left_out,
        [
            "row 1 (counted from 0): in layer 0 the last position sees nothing at subject; a knockout there \
          would change nothing"
        ]
    );
}
