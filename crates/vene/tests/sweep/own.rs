//! Metrics of one's own: closures over what they declare to read, in sweeps over data sets and over one pair.

use std::sync::Arc;

use vene::data::{Role, Row};
use vene::metric::{self, Metric, Observed, Reads};
use vene::sweep::Summary;
use vene::{
    BeginningOfSequence, Component, Edit, Example, Executor, Forked, Plan, Positions, Precision,
    Reference, Sweep, SweepOutcome, SweepPositions, SweepUnit, Table,
};

use vene_test_support::Fixture;

use crate::hand::{Done, at, close};
use crate::lines::lines;
use crate::subject::{Pair, Subject, mixed, rows};
use crate::total::{all_metrics, interchange, metrics, roles, tables};

fn entropy() -> Arc<dyn Metric> {
    metric::from_fn("entropy", Reads::distribution(), |observed| {
        Some(observed.log_probabilities()?.iter().map(|log_p| -log_p.exp() * log_p).sum())
    })
}

/// -Σ p log p, by a loop over the logits of a run of its own.
fn entropy_by_hand(subject: &Subject, done: &Done) -> f64 {
    let read = done.distribution(&subject.model, &[]);
    let total: f64 = read.logits().iter().map(|logit| logit.exp()).sum();
    let mut entropy = 0.0;
    for logit in read.logits() {
        let p = logit.exp() / total;
        entropy -= p * p.ln();
    }
    entropy
}

#[test]
fn the_entropy_of_the_next_token_with_intervals() {
    for name in ["gpt2-plain", "llama-gqa"] {
        let subject = Subject::new(name);
        let (pairs, rows) = (mixed(), rows(&mixed()));
        let sweep = subject.sweep(&rows).components([Component::BlockOutput, Component::MlpOutput]);
        let sweep = sweep.roles(roles(&["subject_last", "last"])).metrics([entropy()]);
        let sweep = sweep.build().unwrap();
        for table in tables(&subject, &sweep) {
            for line in lines(&table) {
                let pair = &pairs[line.example];
                let hand = interchange(&subject, &line, pair);
                let by_hand = |done: &Done| entropy_by_hand(&subject, done);
                assert!(close(line.base_value, by_hand(&hand.before[0])), "{line:#?}");
                assert!(close(line.value, by_hand(&hand.after[0])), "{line:#?}");
                let source = by_hand(&hand.other.unwrap());
                assert!(close(line.source_value.unwrap(), source), "{line:#?}");
            }
            let summary = Summary::default().of(&table).unwrap();
            assert_eq!(summary.text("metric").unwrap()[0], "entropy");
            let [low, mean, high] =
                ["low", "mean", "high"].map(|name| summary.optional_floats(name).unwrap());
            for row in 0..summary.rows() {
                let (low, mean, high) = (low[row].unwrap(), mean[row].unwrap(), high[row].unwrap());
                assert!(low <= mean && mean <= high, "{low} {mean} {high}");
            }
        }
    }
}

/// Metrics equal to built-in ones; the second ones read more, so that the distribution is kept for them.
fn twins() -> Vec<Arc<dyn Metric>> {
    let more = || Role::Last;
    vec![
        metric::from_fn("own_kl", Reads::distribution().with_unedited(), |observed| {
            let (p, q) = (observed.unedited?, observed.distribution?);
            let shift = q.log_normaliser() - p.log_normaliser();
            let terms = p.logits().iter().zip(q.logits());
            let terms = terms.map(|(a, b)| (a - p.log_normaliser()).exp() * (a - b + shift));
            Some(terms.sum::<f64>().max(0.0))
        }),
        metric::from_fn(
            "kept_kl",
            Reads::logits().and(Reads::distribution().with_unedited()).activation(
                Component::MlpOutput,
                0,
                more(),
            ),
            |observed| {
                let [activation] = observed.activations else { return None };
                assert_eq!((activation.dims()[0], observed.target.is_empty()), (1, false));
                metric::KL.value(observed)
            },
        ),
        metric::from_fn("own_difference", Reads::logits().with_foil(), |observed| {
            assert!(observed.distribution.is_none() && observed.activations.is_empty());
            metric::LOGIT_DIFFERENCE.value(observed)
        }),
        metric::from_fn("own_probability", Reads::log_probabilities(), |observed| {
            metric::PROBABILITY.value(observed)
        }),
    ]
}

const TWINS: [(&str, &str); 4] = [
    ("own_kl", "kl"),
    ("kept_kl", "kl"),
    ("own_difference", "logit_difference"),
    ("own_probability", "probability"),
];

/// The table's values by metric: base, source, value, effect.
fn numbers(table: &Table, name: &str) -> Vec<[u64; 4]> {
    let metric = table.text("metric").unwrap();
    let columns = ["base_value", "source_value", "value", "effect"]
        .map(|column| table.optional_floats(column).unwrap());
    let of_row = |row: usize| columns.each_ref().map(|values| values[row].unwrap().to_bits());
    (0..table.rows()).filter(|&row| metric[row] == name).map(of_row).collect()
}

/// The same pair as a sweep of its own.
fn one_pair(
    subject: &Subject,
    pair: &Pair,
    metrics: &[Arc<dyn Metric>],
    components: &[Component],
    unit: SweepUnit,
) -> Sweep {
    let row: Row = pair.row();
    let mut sweep = Sweep::builder(&subject.model)
        .base(row.base)
        .source(row.source.unwrap())
        .prompt_form(subject.bos)
        .components(components.iter().copied())
        .unit(unit)
        .metrics(metrics.iter().cloned());
    for target in row.target {
        sweep = sweep.target(target);
    }
    for foil in row.foil {
        sweep = sweep.foil(foil);
    }
    sweep.build().unwrap()
}

#[test]
fn a_closure_equal_to_a_built_in_metric_gives_its_bits_in_both_sweeps() {
    // On plain operations, as in double precision, rows that are run together may be rounded otherwise.
    let model = Fixture::new("gpt2-plain").load(Precision::Single);
    let fused = Subject { model, bos: BeginningOfSequence::Model };
    let plain = Subject::new("gpt2-plain");
    let (fused_model, plain_model) = (&fused.model, &plain.model);
    let executors: [(&Subject, &dyn Executor); 2] =
        [(&plain, &Reference::new(plain_model)), (&fused, &Forked::new(fused_model))];
    // Single tokens, sets, sequences; the first three have sources as long as their bases.
    let pairs: Vec<Pair> = mixed().into_iter().filter(is_equally_long).collect();
    assert_eq!(pairs.len(), 3);
    let all: Vec<Arc<dyn Metric>> = twins().into_iter().chain(metrics()).collect();
    let cases: [(&[Component], SweepUnit); 4] = [
        (&[Component::BlockOutput, Component::AttentionOutput], SweepUnit::Position),
        (&[Component::AttentionValueOutput], SweepUnit::HeadPosition),
        (&[Component::AttentionValueOutput], SweepUnit::Head),
        (&[Component::AttentionWeight], SweepUnit::Head),
    ];
    for pair in &pairs {
        for (components, unit) in cases {
            let every: Vec<Role> = (0..pair.base.len() as i64).map(Role::Index).collect();
            let rows = rows(std::slice::from_ref(pair));
            for (subject, executor) in executors {
                let sweep = subject.sweep(&rows).components(components.iter().copied()).unit(unit);
                let sweep = sweep.roles(every.iter().cloned()).metrics(all.iter().cloned());
                let set = sweep
                    .build()
                    .unwrap()
                    .run_with(&subject.model, executor)
                    .unwrap()
                    .into_examples();
                let own = one_pair(subject, pair, &all, components, unit);
                let pair = run(&own, subject, executor).into_examples();
                // Edited patterns are left to plain operations.
                let is_exact = executor.name() == "reference" || !components[0].is_pattern();
                for metric in all.iter().filter(|_| is_exact) {
                    let (of_set, of_pair) =
                        (numbers(&set, metric.name()), numbers(&pair, metric.name()));
                    let name = metric.name();
                    assert_eq!(of_set, of_pair, "{name} {components:?} {}", executor.name());
                    assert!(!of_set.is_empty());
                }
                for (own, built_in) in TWINS {
                    assert_eq!(numbers(&set, own), numbers(&set, built_in), "{own}");
                    assert_eq!(numbers(&pair, own), numbers(&pair, built_in), "{own}");
                }
            }
        }
    }
}

fn is_equally_long(pair: &Pair) -> bool {
    pair.source.as_ref().is_some_and(|source| source.len() == pair.base.len())
}

fn run(sweep: &Sweep, subject: &Subject, executor: &dyn Executor) -> SweepOutcome {
    sweep.run_with(&subject.model, executor).unwrap()
}

#[test]
fn metrics_change_nothing_of_the_tokens_table() {
    let subject = Subject::new("llama-gqa");
    let row = mixed()[0].row();
    let builder = Sweep::builder(&subject.model)
        .base(row.base)
        .source(row.source.unwrap())
        .components([Component::BlockOutput])
        .tokens([" t30", " t31"]);
    let plain = builder.clone().build().unwrap();
    let measured = builder.metrics(all_metrics()).target(" t30").foil(" t31").build().unwrap();
    let executor = Forked::new(&subject.model);
    let (plain, measured) = (run(&plain, &subject, &executor), run(&measured, &subject, &executor));
    assert!(plain.tokens().is_some());
    assert_eq!(plain.tokens(), measured.tokens());
    let metrics = measured.examples();
    let cells = measured.cells().count();
    assert_eq!(metrics.rows(), cells * all_metrics().len());
    // What the table of tokens says too.
    let probability = numbers(metrics, "probability");
    for (cell, (_, outcome)) in measured.cells().enumerate() {
        let found = f64::from_bits(probability[cell][2]);
        assert!(close(found, outcome.probabilities[0]), "{found}");
    }
    assert_eq!(plain.examples().rows(), 0);
}

#[test]
fn a_sweep_over_one_pair_needs_answers_only_for_metrics_that_read_some() {
    let subject = Subject::new("gpt2-plain");
    let row = mixed()[0].row();
    let sweep = || {
        Sweep::builder(&subject.model)
            .base(row.base.clone())
            .source(row.source.clone().unwrap())
            .components([Component::BlockOutput])
            .positions(SweepPositions::named([(Positions::Last, Positions::Last.into())]))
    };
    let named = |name| metric::named(name).unwrap();
    let activation = metric::from_fn(
        "activation",
        Reads::nothing().activation(Component::BlockOutput, 0, Role::Index(2)),
        |observed| {
            let values = observed.activations.first()?.flatten_all().ok()?.to_vec1::<f64>().ok()?;
            Some(values.iter().sum())
        },
    );
    for metrics in [vec![named("kl")], vec![named("kl"), entropy()], vec![activation]] {
        let sweep = sweep().metrics(metrics.clone()).build().unwrap();
        let table = run(&sweep, &subject, &Forked::new(&subject.model)).into_examples();
        assert_eq!(table.rows(), subject.layers() * metrics.len());
        assert!(sweep.forecast(&subject.model, vene::ForecastOf::Reference).unwrap().passes > 0);
    }
    let refused = |sweep: vene::sweep::SweepBuilder<'_>, expected: &str| {
        let error = sweep.build().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    refused(sweep(), "at least one target token");
    refused(
        sweep().metrics([named("log_probability")]),
        "log_probability reads answers: give a target",
    );
    refused(
        sweep().metrics([named("kl"), named("logit_difference")]).target(" t30"),
        "logit_difference compares answers: give a target and a foil",
    );
    refused(sweep().metrics([named("kl")]).target(" t30"), "no metric reads answers");
    refused(sweep().metrics([named("kl"), named("kl_divergence")]), "kl is named twice");
    refused(
        sweep().metrics([named("rank")]).target(" t30 t31"),
        "the answers: ` t30 t31` has 2 tokens",
    );
    let span =
        Reads::nothing().activation(Component::Embedding, None, "subject_last".parse().unwrap());
    refused(sweep().metrics([metric::from_fn("span", span, |_| Some(0.0))]), "no span `subject`");
}

/// The sum of an activation's values, each weighted by its place.
fn weighted(values: impl Iterator<Item = f64>) -> f64 {
    values.enumerate().map(|(index, value)| value * (index as f64 + 1.0).sqrt()).sum()
}

fn values_of(tensor: &candle_core::Tensor) -> Vec<f64> {
    let values = tensor.to_dtype(candle_core::DType::F64).unwrap();
    values.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn activations_are_what_a_plan_collects() {
    let plain = Subject::new("gpt2-plain");
    activations(&plain, &Reference::new(&plain.model), false);
    let model = Fixture::new("gpt2-plain").load(Precision::Single);
    let fused = Subject { model, bos: BeginningOfSequence::Model };
    // Rows are not rounded otherwise beside others.
    activations(&fused, &Forked::new(&fused.model), true);
}

fn activations(subject: &Subject, executor: &dyn Executor, is_exact: bool) {
    let pairs = mixed();
    let rows = rows(&pairs);
    let role: Role = "subject_first".parse().unwrap();
    let reads = || {
        Reads::nothing().activation(Component::MlpOutput, 1, role.clone()).activation(
            Component::AttentionWeight,
            1,
            Role::Last,
        )
    };
    let own = |index: usize| {
        metric::from_fn(format!("activation_{index}"), reads(), move |observed| {
            Some(weighted(values_of(observed.activations.get(index)?).into_iter()))
        })
    };
    let sweep = subject.sweep(&rows).components([Component::BlockOutput]).layers([0]);
    let sweep = sweep.roles(roles(&["subject_first"])).metrics([own(0), own(1), entropy()]);
    let sweep = sweep.build().unwrap();
    let collected = |pair: &Pair, edited: bool, in_source: bool| -> [f64; 2] {
        let tokens = if in_source { pair.source.as_ref().unwrap() } else { &pair.base };
        let (base, source) =
            (subject.prompt(tokens), subject.prompt(pair.source.as_ref().unwrap()));
        let position = subject.positions(pair, "subject_first", in_source)[0];
        let mut plan = Plan::new().collect(Component::MlpOutput, 1, at(&[position])).collect(
            Component::AttentionWeight,
            1,
            Positions::All,
        );
        if edited {
            let read = at(&subject.positions(pair, "subject_first", true));
            plan = plan
                .edit(Edit::interchange(Component::BlockOutput, 0).at(at(&[position])).from(read));
        }
        let example = Example::new(base.clone()).source(source);
        let plan = plan.resolve(&subject.model, &[example]).unwrap();
        let mut showed = Vec::new();
        let run = executor.run_all(&[plan], &mut |_, mut outcome| {
            showed = outcome.examples.remove(0).collected;
            std::ops::ControlFlow::Continue(())
        });
        run.unwrap();
        let last = showed[1].narrow(1, base.len() - 1, 1).unwrap();
        [&showed[0], &last].map(|values| weighted(values_of(values).into_iter()))
    };
    let table = lines(&sweep.run_with(&subject.model, executor).unwrap().into_examples());
    for cell in table.chunks(3) {
        let pair = &pairs[cell[0].example];
        let [before, after, other] =
            [(false, false), (true, false), (false, true)].map(|(e, s)| collected(pair, e, s));
        for (index, line) in cell[..2].iter().enumerate() {
            let found = [line.base_value, line.value, line.source_value.unwrap()];
            let expected = [before[index], after[index], other[index]];
            // Patterns are plain.
            if is_exact && index == 0 {
                assert_eq!(found, expected, "{line:#?}");
            }
            let rounding = if is_exact { 1e-5 } else { 1e-9 };
            for (found, expected) in found.into_iter().zip(expected) {
                assert!(
                    (found - expected).abs() <= rounding * expected.abs().max(1.0),
                    "{line:#?}"
                );
            }
        }
    }
    assert!(table.iter().any(|line| line.metric == "activation_0" && line.effect != 0.0));
}

/// What a metric gives where it gives no number.
type Wrong = fn() -> Option<f64>;

#[test]
fn what_gives_no_number_is_an_error_that_says_where() {
    let subject = Subject::new("gpt2-plain");
    let rows = rows(&mixed());
    let compares = || Reads::distribution().with_unedited();
    // Wrong wherever an edit changed something.
    fn changed(observed: &Observed<'_>) -> bool {
        observed.distribution.unwrap().logits() != observed.unedited.unwrap().logits()
    }
    let odd = |reads: Reads, wrong: Wrong| {
        metric::from_fn(
            "odd",
            reads,
            move |observed| {
                if changed(observed) { wrong() } else { Some(1.0) }
            },
        )
    };
    // In passing, and kept.
    for reads in [compares(), compares().and(Reads::logits())] {
        let cases: [(Wrong, &str); 3] = [
            (|| Some(f64::NAN), "it gave NaN: a metric's value is a finite number"),
            (|| panic!("of its own"), "it panicked: of its own"),
            (|| None, "it has to declare"),
        ];
        for (wrong, problem) in cases {
            let sweep = subject.sweep(&rows[..1]).components([Component::BlockOutput]).layers([1]);
            let sweep =
                sweep.roles(roles(&["last"])).metrics([entropy(), odd(reads.clone(), wrong)]);
            let error = sweep.build().unwrap().run(&subject.model).unwrap_err().to_string();
            // The other run differs from the base's, too, and may be the first that is read.
            let places = ["the other run", "block_output of layer 1 at last, noising"];
            let expected = places
                .map(|place| format!("the metric odd, row 0 (counted from 0), {place}: {problem}"));
            let says =
                |expected: &String| error.starts_with(expected.split(": it").next().unwrap());
            assert!(expected.iter().any(says) && error.contains(problem), "{error}");

            let own = Sweep::builder(&subject.model)
                .base(rows[0].base.clone())
                .components([Component::BlockOutput])
                .layers([1])
                .positions(SweepPositions::named([(Positions::Last, Positions::Last.into())]))
                .method(vene::Method::Zero);
            let own = match reads.needs_answers() {
                true => own.target(" t30"),
                false => own,
            };
            let own = own.metrics([odd(reads.clone(), wrong)]).build().unwrap();
            let error = own.run(&subject.model).unwrap_err().to_string();
            let expected = "the metric odd, the base, block_output of layer 1 at position 4: ";
            assert!(error.starts_with(expected) && error.contains(problem), "{error}");
        }
    }
}

#[test]
fn roles_that_only_a_metric_reads_are_looked_for() {
    let subject = Subject::new("gpt2-plain");
    let pairs = [mixed()[0].clone(), Pair { subject: (0..0, 0..0), ..mixed()[4].clone() }];
    let rows = rows(&pairs);
    let reads = Reads::nothing().activation(Component::MlpOutput, 0, "subject".parse().unwrap());
    let width =
        metric::from_fn("rows", reads, |observed| Some(observed.activations[0].dims()[0] as f64));
    let sweep = subject.sweep(&rows).components([Component::BlockOutput]).metrics([width]);
    let sweep = sweep.build().unwrap();
    assert_eq!(sweep.left_out().len(), 1);
    assert!(sweep.left_out()[0].reason.to_string().contains("`subject`"));
    assert!(
        lines(&sweep.run(&subject.model).unwrap().into_examples())
            .iter()
            .all(|line| line.value == 1.0)
    );
}
