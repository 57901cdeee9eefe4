//! Random sweeps over random rows: the forked executor's table is the reference's.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use vene::data::Row;
use vene::{
    Component, Control, Direction, EffectType, Forked, Method, Model, NoiseSize, Outline,
    Precision, Reference, Sweep, SweepBuilder, SweepUnit,
};
use vene_embedded::{FACTS, PHRASINGS};

use crate::lines::{Line, lines};
use crate::subject::{MODELS, Pair, Subject, rows};
use crate::total::{metrics, roles};

static SUBJECTS: LazyLock<Vec<Subject>> =
    LazyLock::new(|| MODELS.into_iter().map(Subject::new).collect());

/// The model that ships inside, in both precisions.
static EMBEDDED: LazyLock<[Model; 2]> = LazyLock::new(|| {
    [Precision::Single, Precision::Double].map(|precision| {
        let outline = Outline::open("embedded", &mut |_| ()).unwrap();
        Model::from_outline(outline, precision, &mut |_| ()).unwrap()
    })
});

/// What is swept, in numbers that fit any model.
#[derive(Clone, Debug)]
struct Settings {
    component: prop::sample::Index,
    layers: Vec<usize>,
    roles: Vec<&'static str>,
    unit: SweepUnit,
    treatment: Method,
    both: bool,
    window: usize,
    direct: bool,
    controls: Vec<Control>,
    seed: u64,
}

impl Settings {
    fn of<'a>(&self, sweep: SweepBuilder<'a>, model: &Model) -> SweepBuilder<'a> {
        let all: Vec<Component> = Component::all(model.config()).collect();
        let reads = self.treatment.reads_source();
        let directions = [Direction::Noising, Direction::Denoising];
        let effect = if self.direct { EffectType::Direct } else { EffectType::Total };
        sweep
            .components([all[self.component.index(all.len())]])
            .layers(self.layers.iter().map(|layer| layer % model.config().layers.len()))
            .roles(roles(&self.roles))
            .unit(self.unit)
            .method(self.treatment.clone())
            .directions(directions.into_iter().take(1 + usize::from(self.both && reads)))
            .window(self.window)
            .effect(effect)
            .metrics(metrics())
            .controls(self.controls.iter().copied().take(if reads { 3 } else { 0 }))
            .seed(self.seed)
    }
}

fn treatment() -> impl Strategy<Value = Method> {
    let corrupted = || "subject".parse().unwrap();
    prop_oneof![
        4 => Just(Method::Interchange),
        1 => Just(Method::Zero),
        1 => any::<bool>().prop_map(|per_position| Method::MeanAblation { per_position }),
        1 => Just(Method::Resample { draws: 1 }),
        1 => Just(Method::Noise { standard_deviation: 0.2, draws: 2 }),
        1 => any::<bool>().prop_map(move |relative| {
            let noise = match relative {
                true => NoiseSize::OfEmbeddings(0.5),
                false => NoiseSize::Absolute(0.2),
            };
            Method::Restore { noise, draws: 2, corrupted: corrupted() }
        }),
        1 => Just(Method::Addition),
        1 => Just(Method::Scaling { factor: 1.5 }),
        1 => Just(Method::Noise { standard_deviation: 0.2, draws: 1 }),
    ]
}

prop_compose! {
    fn settings()(
        component in any::<prop::sample::Index>(),
        layers in prop::sample::subsequence(vec![0_usize, 1], 1..=2),
        roles in prop::sample::subsequence(
            vec!["subject_first", "subject_last", "subject", "last", "0"],
            1..=2,
        ),
        unit in prop::sample::select(vec![
            SweepUnit::Position, SweepUnit::Position, SweepUnit::HeadPosition, SweepUnit::Head,
        ]),
        treatment in treatment(),
        both in any::<bool>(),
        window in 1_usize..=3,
        direct in prop::bool::weighted(0.25),
        controls in prop::sample::subsequence(Control::ALL.to_vec(), 0..=1),
        seed in any::<u64>(),
    ) -> Settings {
        Settings {
            component, layers, roles, unit, treatment, both, window, direct, controls, seed,
        }
    }
}

prop_compose! {
    /// A base of up to seven tokens, and a source that may begin alike and be longer or shorter.
    fn pair()(
        base in prop::collection::vec(10_u32..60, 2..=7),
        tail in prop::collection::vec(10_u32..60, 0..=5),
        shared in 0_usize..=7,
        subject in 0_usize..6,
        length in 1_usize..=2,
        in_source in 0_usize..6,
        target in prop::collection::vec(prop::collection::vec(60_u32..67, 1..=3), 1..=2),
        foil in prop::collection::vec(prop::collection::vec(60_u32..67, 1..=3), 1..=2),
        group in prop::option::of(Just("group")),
    ) -> Pair {
        let mut source = base[..shared.min(base.len())].to_vec();
        source.extend(tail);
        source.resize(source.len().max(2), 10);
        let span = |prompt: &[u32], start: usize| {
            let length = length.min(prompt.len());
            let start = start.min(prompt.len() - length);
            start..start + length
        };
        let subject = (span(&base, subject), span(&source, in_source));
        Pair { base, source: Some(source), target, foil, subject, group }
    }
}

/// The sweep, or nothing where it is refused: settings are drawn whether they go together or not.
fn sweep<'a>(subject: &'a Subject, rows: &'a [Row], settings: &Settings) -> Option<Sweep> {
    settings.of(subject.sweep(rows), &subject.model).build().ok()
}

/// Whether a metric is a step, that rounding may take.
fn is_step(line: &Line) -> bool {
    ["accuracy", "forced_choice"].contains(&line.metric.as_str())
}

/// The largest difference, relative to the larger of a value and 1.
fn distance(a: &[Line], b: &[Line]) -> f64 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b).filter(|(a, _)| !is_step(a));
    let differences = pairs.flat_map(|(a, b)| {
        let values = |line: &Line| {
            [line.base_value, line.source_value.unwrap_or(0.0), line.value, line.effect]
        };
        values(a).into_iter().zip(values(b))
    });
    let relative = |(a, b): (f64, f64)| match (a - b).abs() / b.abs().max(1.0) {
        distance if distance.is_nan() => f64::INFINITY,
        distance => distance,
    };
    differences.map(relative).fold(0.0, f64::max)
}

/// A few dozen cases, or `PROPTEST_CASES`.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(40),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn facts() -> impl Strategy<Value = Vec<(usize, usize, usize)>> {
    prop::collection::vec((0..PHRASINGS.len(), 0..FACTS.len(), 0..FACTS.len()), 2..=4)
}

/// A question about two countries; `None` where the answer is the same.
fn question((phrasing, base, source): (usize, usize, usize)) -> Option<Row> {
    let (phrasing, base, source) = (&PHRASINGS[phrasing], &FACTS[base], &FACTS[source]);
    let answer = |fact: &vene_embedded::Fact| fact.answer(phrasing.relation);
    (answer(base) != answer(source)).then(|| {
        Row::new(phrasing.prompt(base), phrasing.prompt(source))
            .target(format!(" {}", answer(base)))
            .foil(format!(" {}", answer(source)))
            .span("subject", base.country, source.country)
            .group(phrasing.text)
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn executors_agree_on_random_models(
        model in 0..MODELS.len(),
        pairs in prop::collection::vec(pair(), 1..=4),
        settings in settings(),
    ) {
        let (subject, rows) = (&SUBJECTS[model], rows(&pairs));
        let Some(sweep) = sweep(subject, &rows, &settings) else { return Ok(()) };
        let model = &subject.model;
        let reference = sweep.run_with(model, &Reference::new(model)).unwrap().into_examples();
        let forked = sweep.run_with(model, &Forked::new(model)).unwrap().into_examples();
        let distance = distance(&lines(&forked), &lines(&reference));
        prop_assert!(distance < 1e-8, "{}", distance);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: config().cases.div_ceil(8), ..config() })]

    #[test]
    fn single_precision_agrees_with_double_on_the_embedded_model(
        facts in facts(),
        settings in settings(),
    ) {
        let rows: Vec<Row> = facts.into_iter().filter_map(question).collect();
        let [single, double] = &*EMBEDDED;
        let sweep = settings.of(Sweep::builder(single).rows(&rows), single);
        let Ok(sweep) = sweep.build() else { return Ok(()) };
        let forked = sweep.run_with(single, &Forked::new(single)).unwrap().into_examples();
        let reference = sweep.run_with(double, &Reference::new(double)).unwrap().into_examples();
        let distance = distance(&lines(&forked), &lines(&reference));
        prop_assert!(distance < 1e-4, "{}", distance);
    }
}

#[test]
fn random_sweeps_are_mostly_sound() {
    // Were most of them refused, the property above would hold of little.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (prop::collection::vec(pair(), 1..=4), settings());
    let sound = (0..200)
        .filter(|_| {
            let (pairs, settings) = strategy.new_tree(&mut runner).unwrap().current();
            sweep(&SUBJECTS[0], &rows(&pairs), &settings).is_some()
        })
        .count();
    println!("{sound} of 200 random sweeps can be run");
    assert!(sound > 80);
}
