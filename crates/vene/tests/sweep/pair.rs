//! A pair of prompts is a data set of one row: all that a sweep over rows can do, with the same numbers.

use std::sync::Arc;

use vene::data::{Role, Row};
use vene::metric::{self, Metric};
use vene::{
    BeginningOfSequence, Component, Control, Direction, Edit, EffectType, Example, Executor,
    Forked, Method, Plan, Positions, Precision, Reference, Sweep, SweepBuilder, SweepPositions,
    SweepUnit, Table,
};
use vene_test_support::Fixture;

use crate::subject::{Pair, Subject, mixed};
use crate::total::roles;

/// A pair as a sweep of its own, with its spans.
fn own<'a>(subject: &'a Subject, row: &Row) -> SweepBuilder<'a> {
    let phrase = |phrase: &vene::data::Phrase| match phrase {
        vene::data::Phrase::Text { text, .. } => text.clone(),
        vene::data::Phrase::Characters(_) => panic!("a phrase"),
    };
    let mut sweep = Sweep::builder(&subject.model)
        .base(row.base.clone())
        .source(row.source.clone().unwrap())
        .prompt_form(subject.bos);
    for target in &row.target {
        sweep = sweep.target(target);
    }
    for foil in &row.foil {
        sweep = sweep.foil(foil);
    }
    for (name, span) in row.spans.iter() {
        sweep = sweep.span(name, phrase(&span.base), phrase(span.source.as_ref().unwrap()));
    }
    sweep
}

fn measured() -> Vec<Arc<dyn Metric>> {
    ["logit_difference", "probability", "kl"].map(|name| metric::named(name).unwrap()).into()
}

/// A declared sweep with something more.
type With = fn(SweepBuilder<'_>) -> SweepBuilder<'_>;

const WITH: [With; 8] = [
    |sweep| sweep.directions(Direction::ALL.to_vec()),
    |sweep| sweep.window(2).directions([Direction::Denoising]),
    |sweep| sweep.effect(EffectType::Direct).directions(Direction::ALL.to_vec()),
    |sweep| sweep.controls([Control::SelfSwap, Control::RandomDirection]).seed(5),
    |sweep| sweep.method(Method::Noise { standard_deviation: 0.5, draws: 3 }).seed(7),
    |sweep| sweep.method(Method::Addition).controls([Control::RandomDirection]),
    |sweep| {
        let noise = vene::NoiseSize::OfEmbeddings(3.0);
        let corrupted = Role::Span { name: "subject".to_owned(), part: vene::Part::All };
        sweep.method(Method::Restore { noise, draws: 2, corrupted })
    },
    |sweep| sweep.method(Method::Zero).window(3),
];

/// A column's values as bits, or as text.
fn column(table: &Table, name: &str) -> Vec<Option<String>> {
    match table.optional_floats(name) {
        Ok(values) => {
            values.iter().map(|value| value.map(|value| value.to_bits().to_string())).collect()
        }
        Err(_) => match table.optional_integers(name) {
            Ok(values) => values.iter().map(|value| value.map(|value| value.to_string())).collect(),
            Err(_) => {
                let values = table.optional_text(name).unwrap();
                values.into_iter().map(|value| value.map(str::to_owned)).collect()
            }
        },
    }
}

#[test]
fn a_pair_is_a_data_set_of_one_row() {
    let model = Fixture::new("llama-gqa").load(Precision::Single);
    let subject = Subject { model, bos: BeginningOfSequence::Always };
    let executors: [&dyn Executor; 2] =
        [&Forked::new(&subject.model), &Reference::new(&subject.model)];
    let visited = || roles(&["subject", "subject_last", "last", "-2"]);
    // Equal and unequal lengths; single tokens, and a sequence.
    for pair in &mixed()[..2] {
        let row = pair.row();
        let rows = [row.clone()];
        for with in WITH {
            let declared = |sweep: SweepBuilder<'_>| {
                let sweep = sweep.components([Component::BlockOutput, Component::MlpOutput]);
                with(sweep.roles(visited()).metrics(measured())).build().unwrap()
            };
            let of_rows = declared(subject.sweep(&rows));
            let of_pair = declared(own(&subject, &row));
            assert!(of_pair.is_pair() && !of_rows.is_pair());
            for executor in executors {
                let run = |sweep: &Sweep| {
                    sweep.run_with(&subject.model, executor).unwrap().into_examples()
                };
                let (of_rows, of_pair) = (run(&of_rows), run(&of_pair));
                let names = |table: &Table| -> Vec<String> {
                    table.columns().map(|(name, _)| name.to_owned()).collect()
                };
                assert_eq!(names(&of_rows), names(&of_pair));
                assert!(of_rows.rows() > 0);
                for name in names(&of_rows)
                    .iter()
                    .filter(|name| !["note", "group"].contains(&name.as_str()))
                {
                    assert_eq!(column(&of_rows, name), column(&of_pair, name), "{name}");
                }
                // What is not above the noise is told of rows by their summary.
                let notes = column(&of_rows, "note").into_iter().zip(column(&of_pair, "note"));
                for (of_rows, of_pair) in notes {
                    let is_unresolved = of_pair.as_deref() == Some("unresolved");
                    assert!(of_rows == of_pair || of_rows.is_none() && is_unresolved);
                }
            }
        }
    }
}

#[test]
fn tokens_are_read_in_the_other_direction_as_in_the_pair_turned_round() {
    let subject = Subject::new("gpt2-plain");
    let pair = &mixed()[0];
    let tokens = |pair: &Pair, direction| {
        let row = pair.row();
        let sweep = Sweep::builder(&subject.model)
            .base(row.base)
            .source(row.source.unwrap())
            .components([Component::BlockOutput])
            .tokens([" t30", " t31"])
            .directions([direction]);
        let outcome = sweep.build().unwrap().run(&subject.model).unwrap();
        outcome.tokens().unwrap().clone()
    };
    let denoised = tokens(pair, Direction::Denoising);
    let turned = tokens(&pair.swapped(), Direction::Noising);
    for name in ["position", "probability", "logit", "base_probability", "source_probability"] {
        assert_eq!(column(&denoised, name), column(&turned, name), "{name}");
    }
    let added: Vec<&str> =
        denoised.columns().map(|(name, _)| name).filter(|name| !turned.has(name)).collect();
    assert_eq!(added, ["direction", "control", "window", "effect_type"]);
}

#[test]
fn a_table_says_which_tokens_were_edited_and_read() {
    let subject = Subject::new("gpt2-plain");
    // A source of another length.
    let pair = &mixed()[1];
    let sweep = own(&subject, &pair.row()).components([Component::BlockOutput]).layers([0]);
    let named = SweepPositions::named([(Positions::Last, Positions::Last.into())]);
    let aligned = || sweep.clone().metrics(measured());
    let table = |sweep: SweepBuilder<'_>| {
        sweep.build().unwrap().run(&subject.model).unwrap().into_examples()
    };
    let last = table(aligned().positions(named));
    let of = |name: &str| column(&last, name)[0].clone().unwrap();
    assert_eq!((of("position").as_str(), of("source_position").as_str()), ("3", "5"));
    assert_eq!((of("position_token").trim(), of("source_token").trim()), ("t18", "t25"));
    assert_eq!(of("role"), "last");
    // All tokens of a role at once are none by itself.
    let span = table(aligned().roles(roles(&["subject"])));
    for name in ["position", "position_token", "source_position", "source_token"] {
        assert!(column(&span, name).iter().all(Option::is_none), "{name}");
    }
    assert_eq!(column(&span, "role")[0].as_deref(), Some("subject"));
    // What nobody named has no name.
    let zero = aligned().method(Method::Zero);
    let all = table(zero.positions(SweepPositions::All));
    assert!(column(&all, "role").iter().all(Option::is_none));
    let numbers: Vec<_> = column(&all, "position").into_iter().step_by(3).flatten().collect();
    assert_eq!(numbers, ["0", "1", "2", "3"]);
    assert!(column(&all, "source_position").iter().all(Option::is_none));
}

#[test]
fn what_a_pair_has_not_is_refused() {
    let subject = Subject::new("gpt2-plain");
    let row = mixed()[0].row();
    let rows = [row.clone()];
    let refused = |sweep: SweepBuilder<'_>, expected: &str| {
        let error = sweep.build().map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let pair = || own(&subject, &row).components([Component::BlockOutput]).metrics(measured());
    assert!(pair().build().is_ok());
    let of_rows = |sweep: SweepBuilder<'_>, expected: &str| refused(sweep, expected);
    of_rows(pair().method(Method::Resample { draws: 1 }), "other rows, and a pair");
    of_rows(pair().method(Method::MeanAblation { per_position: true }), "other rows, and a pair");
    of_rows(pair().controls([Control::ShuffledSource]), "other rows, and a pair");
    of_rows(pair().distinct_roles(true), "other rows, and a pair");
    of_rows(pair().rows(&rows), "is of a pair of prompts, and rows are given");
    let two = pair().source(row.base.clone());
    refused(two.directions([Direction::Denoising]), "there are 2 sources");
    refused(pair().unit(SweepUnit::Head).roles(roles(&["last"])), "unit h edits all of them");
    refused(pair().layers([]), "the list is empty");
    refused(pair().window(0), "a window of 0 layers");
    let over_rows =
        || subject.sweep(&rows).components([Component::BlockOutput]).metrics(measured());
    assert!(over_rows().build().is_ok());
    refused(over_rows().positions(SweepPositions::All), "rows are visited by role");
    refused(over_rows().positions(SweepPositions::Aligned), "rows are visited by role");
    refused(over_rows().tokens([" t30"]), "is of a pair of prompts, and rows are given");
    refused(over_rows().method(Method::Mean), "a row has one source");
}

/// The numbers of tokens are those of a plan for each cell, bit for bit.
#[test]
fn tokens_are_read_as_a_plan_for_each_cell_reads_them() {
    use vene::intervention::Noise;
    let model = Fixture::new("llama-gqa").load(Precision::Single);
    let subject = Subject { model, bos: BeginningOfSequence::Always };
    let model = &subject.model;
    let row = mixed()[0].row();
    let ids = [" t30", " t31"].map(|token| model.tokenizer().single_token(token).unwrap());
    let noise = || {
        Edit::new(Component::BlockOutput, 0, Arc::new(Noise { standard_deviation: 0.5, seed: 3 }))
    };
    let methods: [(Method, fn() -> Edit); 3] = [
        (Method::Interchange, || Edit::interchange(Component::BlockOutput, 0)),
        (Method::Zero, || Edit::zero(Component::BlockOutput, 0)),
        (Method::Addition, || {
            Edit::new(Component::BlockOutput, 0, Arc::new(vene::intervention::Addition))
        }),
    ];
    let noisy = Method::Noise { standard_deviation: 0.5, draws: 1 };
    let methods = methods.map(|(method, edit)| (method, edit()));
    for (method, edit) in methods.into_iter().chain([(noisy, noise())]) {
        let sweep = Sweep::builder(model)
            .base(row.base.clone())
            .source(row.source.clone().unwrap())
            .prompt_form(subject.bos)
            .components([Component::BlockOutput])
            .layers([0])
            .method(method)
            .seed(3)
            .tokens([" t30", " t31"])
            .build()
            .unwrap();
        let outcome = sweep.run(model).unwrap();
        let example = Example::new(sweep.base().clone()).source(sweep.sources()[0].clone());
        let plans: Vec<_> = (0..sweep.base().len() as i64)
            .map(|position| {
                let edit = edit.clone().at(Positions::index(position));
                let edit = edit.from(Positions::index(position));
                let plan = Plan::new().edit(edit).probabilities_of(ids.to_vec());
                plan.resolve(model, std::slice::from_ref(&example)).unwrap()
            })
            .collect();
        let mut found = Vec::new();
        let run = Forked::new(model).run_all(&plans, &mut |_, outcome| {
            let reading = outcome.reading(0, 0).unwrap();
            found.push((reading.probabilities().unwrap(), reading.logits().to_vec()));
            std::ops::ControlFlow::Continue(())
        });
        run.unwrap();
        let cells: Vec<_> = outcome
            .cells()
            .map(|(_, cell)| (cell.probabilities.clone(), cell.logits.clone()))
            .collect();
        assert_eq!(cells, found);
        // One pass, as many forks as cells.
        let forecast = sweep.forecast(model, vene::ForecastOf::Forked(None)).unwrap();
        assert_eq!((forecast.passes, forecast.interventions), (1, plans.len()));
    }
}
