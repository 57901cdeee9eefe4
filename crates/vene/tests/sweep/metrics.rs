//! Metrics that need single tokens, answers by their first token, and sets in which something is said
//! twice. (All others are held to their formulas in `total`, on sets and sequences.)

use std::sync::Arc;

use vene::metric::{self, Metric, Observed, Reads};
use vene::{Component, Executor, Forked, Method, Reference};

use crate::hand::check;
use crate::lines::lines;
use crate::subject::{Pair, Subject, mixed, rows};
use crate::total::{agree, all_metrics, interchange, metrics, roles, tables};

#[test]
fn ranks_of_tokens_and_of_sets() {
    let subject = Subject::new("gpt2-plain");
    let all = rows(&mixed());
    let sweep = subject
        .sweep(&all)
        .components([Component::BlockOutput])
        .metrics(all_metrics())
        .build()
        .unwrap();
    // Rows 0 and 4 have single tokens.
    let left_out: Vec<String> =
        sweep.left_out().iter().map(|row| format!("{}: {}", row.index, row.reason)).collect();
    assert_eq!(
        left_out,
        [
            "1: ` t32 t33` has 2 tokens; a metric is about single ones",
            "2: ` t36 t37 t38` has 3 tokens; a metric is about single ones",
            "3: ` t55 t56` has 2 tokens; a metric is about single ones",
        ]
    );
    let tables = tables(&subject, &sweep);
    agree(&tables);
    check(&subject, &tables[0], &mixed(), |line, pair| interchange(&subject, line, pair));
}

/// What leaves nothing of a model leaves every token equally likely: chance, the middle rank, no preference.
#[test]
fn ties_are_shared() {
    // Without biases, a residual stream of 0 ends as logits of 0.
    let subject = Subject::new("llama-gqa");
    let pairs = [
        Pair::new(&[10, 11, 12], &[10, 13, 12]).target(&[30]).foil(&[31]),
        Pair::new(&[14, 15], &[16, 15]).target(&[35]).target(&[36]).foil(&[37]),
    ];
    let rows = rows(&pairs);
    let (vocabulary, last) = (subject.model.config().vocabulary as f64, subject.layers() - 1);
    let sweep = subject
        .sweep(&rows)
        .components([Component::BlockOutput])
        .layers([last])
        .method(Method::Zero)
        .metrics(all_metrics())
        .build()
        .unwrap();
    for executor in [&Reference::new(&subject.model) as &dyn Executor, &Forked::new(&subject.model)]
    {
        let table = lines(&sweep.run_with(&subject.model, executor).unwrap().into_examples());
        let value = |example: usize, metric: &str| {
            let mut found =
                table.iter().filter(|line| (line.example, &*line.metric) == (example, metric));
            found.next().unwrap().value
        };
        for (example, answers) in [(0, 1.0), (1, 2.0)] {
            assert_eq!(value(example, "rank"), (vocabulary - 1.0) / 2.0);
            assert!((value(example, "accuracy") - answers / vocabulary).abs() < 1e-12);
        }
        assert_eq!(value(0, "forced_choice"), 0.5);
        // Either of two against one.
        assert_eq!(value(1, "forced_choice"), 1.0);
    }
}

#[test]
fn first_tokens_stand_for_answers() {
    let subject = Subject::new("llama-gqa");
    let pairs = vec![
        Pair::new(&[10, 11, 12], &[10, 13, 12]).target(&[30, 31]).target(&[30, 32]).foil(&[33, 34]),
        Pair::new(&[14, 15], &[16, 15]).target(&[35]).foil(&[36, 37]).foil(&[36]).foil(&[38]),
    ];
    // What is read is the first token, each once.
    let read = vec![
        Pair { target: vec![vec![30]], foil: vec![vec![33]], ..pairs[0].clone() },
        Pair { foil: vec![vec![36], vec![38]], ..pairs[1].clone() },
    ];
    let rows = rows(&pairs);
    let sweep = subject
        .sweep(&rows)
        .components([Component::BlockOutput])
        .metrics(all_metrics())
        .first_tokens(true)
        .build()
        .unwrap();
    assert_eq!(sweep.left_out().len(), 0);
    let tables = tables(&subject, &sweep);
    agree(&tables);
    check(&subject, &tables[0], &read, |line, pair| interchange(&subject, line, pair));
}

#[test]
fn an_answer_given_twice_is_no_likelier() {
    let subject = Subject::new("gpt2-plain");
    let once =
        Pair::new(&[10, 11, 12], &[10, 13, 12]).target(&[30]).target(&[31, 32]).foil(&[33, 34]);
    // " t30 t40" is one of the ways to go on with " t30".
    let twice = once.clone().target(&[30]).target(&[31, 32]).target(&[30, 40]).foil(&[33, 34, 35]);
    let table = |pair: &Pair| {
        let rows = rows(std::slice::from_ref(pair));
        let sweep = subject
            .sweep(&rows)
            .components([Component::BlockOutput])
            .metrics(metrics())
            .build()
            .unwrap();
        lines(
            &sweep
                .run_with(&subject.model, &Reference::new(&subject.model))
                .unwrap()
                .into_examples(),
        )
    };
    assert_eq!(table(&once), table(&twice));
}

/// Reads the likeliest token's log-probability and says so.
#[derive(Debug)]
struct Surprise(String);

impl Metric for Surprise {
    fn name(&self) -> &str {
        &self.0
    }

    fn reads(&self) -> Reads {
        Reads::distribution()
    }

    fn value(&self, observed: &Observed<'_>) -> Option<f64> {
        let distribution = observed.distribution?;
        Some(-distribution.log_probability(distribution.likeliest())?)
    }
}

#[test]
fn a_user_s_own_metric_reads_what_it_declares() {
    let subject = Subject::new("gpt2-plain");
    let rows = rows(&mixed());
    let sweep = |metrics: &[Arc<dyn Metric>]| {
        let sweep = subject.sweep(&rows).components([Component::BlockOutput]);
        let sweep = sweep.roles(roles(&["last"])).metrics(metrics.to_vec()).build().unwrap();
        sweep.run(&subject.model).map(vene::SweepOutcome::into_examples)
    };
    let root = metric::from_fn("root", Reads::distribution().with_unedited(), |observed| {
        Some(metric::KL.value(observed)?.sqrt())
    });
    let kl = metric::named("kl").unwrap();
    let own: Arc<dyn Metric> = Arc::new(Surprise("surprise".to_owned()));
    let table = lines(&sweep(&[root, kl.clone(), own]).unwrap());
    for cell in table.chunks(3) {
        assert!((cell[0].value.powi(2) - cell[1].value).abs() < 1e-9, "{cell:#?}");
        assert_eq!(cell[2].metric, "surprise");
    }
    assert!(table.iter().any(|line| line.metric == "kl" && line.value > 0.01));
    // It reads a rank and does not say so.
    let silent = metric::from_fn("silent", Reads::logits(), |observed| observed.target[0].rank);
    let error = sweep(&[kl, silent]).unwrap_err().to_string();
    assert!(error.contains("has to declare"), "{error}");
}
