//! An experiment in a file: whatever its sections, its plan and its grid say is read again from TOML and from JSON.
//!
//! Sections are made with all of their fields, so that the compiler names a key that is forgotten here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proptest::collection::{btree_map, vec};
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use vene::circuit::{Claim, Hypothesis};
use vene::data::Role;
use vene::plan_file::{
    CircuitSection, DataSection, ExperimentKind, Format, GenerateSection, LimitsSection, List,
    MeasureSection, ModelSection, PlanFile, ScheduleName, Sections, StatisticsSection,
    SweepSection, TensorsSection, TrainSection,
};
use vene::{Named, Plan};

use crate::random_plan::random_plan;
use crate::subject::{PLAIN, Subject};

fn named<T: Named>() -> impl Strategy<Value = T> {
    select(T::ALL)
}

/// Texts with what quoting has to deal with.
fn text() -> impl Strategy<Value = String> {
    "[ -~\n\t\"'\\\\äΩ]{0,12}"
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![(-1e9..1e9), Just(0.1), Just(-0.0), Just(3.0), Just(f64::MIN_POSITIVE)]
}

fn seed() -> impl Strategy<Value = u64> {
    0..u64::MAX
}

fn count() -> impl Strategy<Value = usize> {
    1..1_000_000_usize
}

fn share() -> impl Strategy<Value = f64> {
    0.001..0.999
}

fn path() -> impl Strategy<Value = PathBuf> {
    "[a-z /.]{1,12}".prop_map(PathBuf::from)
}

fn role() -> impl Strategy<Value = Role> {
    select(vec!["last", "0", "-2", "first:3+last:1", "subject", "subject_last", "after_x"])
        .prop_map(|role| role.parse().unwrap())
}

fn phrases() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map("[a-z_ ]{1,8}", text(), 0..3)
}

prop_compose! {
    fn model()(
        (id, ignored_keys, another) in (of(text()), vec(text(), 0..3), of(any::<bool>())),
        (bos, precision, form, system) in (of(named()), of(named()), 0..3, of(text())),
        // What it says of another model than the plan is read for is refused.
        (identity, shape, tokenizer) in
            (weighted(0.1, text()), weighted(0.1, text()), weighted(0.1, text())),
    ) -> ModelSection {
        // Prompts are texts, conversations or token ids; each of these reads other keys.
        let (chat, ids) = (form == 1, form == 2);
        ModelSection {
            id,
            ignored_keys,
            another,
            bos: bos.filter(|_| !ids),
            chat: chat.then_some(true),
            system: system.filter(|_| chat),
            ids: ids.then_some(true),
            precision,
            identity,
            shape,
            tokenizer,
        }
    }
}

prop_compose! {
    fn data()(
        (path, task, rows, limit, seed, counterfactual) in
            (of(path()), of(named()), of(count()), of(count()), of(seed()), of(text())),
        (prompts, lines, base, sources) in
            (vec(text(), 0..3), of(path()), of(text()), vec(text(), 0..3)),
        (target, foil, spans, source_spans) in
            (vec(text(), 0..3), vec(text(), 0..3), phrases(), phrases()),
    ) -> DataSection {
        DataSection {
            path, task, rows, limit, seed, counterfactual, prompts, lines, base, sources, target, foil, spans,
            source_spans,
        }
    }
}

prop_compose! {
    fn sweep()(
        (components, layers, heads, positions) in (
            vec(text(), 0..3),
            of(text().prop_map(List)),
            of(text().prop_map(List)),
            of(text().prop_map(List)),
        ),
        (subject, source_subject, subject_occurrence, source_subject_occurrence) in
            (of(text()), vec(text(), 0..3), of(count()), vec(count(), 0..3)),
        (unit, intervention, factor, noise_sd, noise_times) in
            (of(named()), of(named()), of(number()), of(number()), of(number())),
        (corrupt, draws, mean_over, tokens) in (of(role()), of(count()), of(named()), vec(text(), 0..3)),
        (directions, window, effect, controls, distinct_positions) in (
            vec(named(), 0..3),
            of(count()),
            of(named()),
            vec(named(), 0..3),
            of(any::<bool>()),
        ),
    ) -> SweepSection {
        SweepSection {
            components, layers, heads, positions, subject, source_subject, subject_occurrence,
            source_subject_occurrence, unit, intervention, factor, noise_sd, noise_times, corrupt, draws,
            mean_over, tokens, directions, window, effect, controls, distinct_positions,
        }
    }
}

prop_compose! {
    fn statistics()(
        resamples in of(count()),
        correction in of(named()),
        seed in of(seed()),
        discovery in of(share()),
        together in of(named()),
    ) -> StatisticsSection {
        StatisticsSection { resamples, correction, seed, discovery, together }
    }
}

prop_compose! {
    fn train()(
        (epochs, batch, learning_rate, weight_decay, warmup) in
            (of(count()), of(count()), of(number()), of(number()), of(count())),
        (beta1, beta2, epsilon, answers, end_token) in
            (of(number()), of(number()), of(number()), of(named()), of(any::<bool>())),
        (rises, seed, shuffle, patience, labels) in
            (any::<bool>(), of(seed()), of(any::<bool>()), of(count()), of(named())),
        (loss, annealing, boundary_penalty, held_out, together, recomputes) in (
            of(named()),
            of([0.01..9.0, 0.01..9.0]),
            of(number()),
            of(share()),
            of(named()),
            of(any::<bool>()),
        ),
    ) -> TrainSection {
        TrainSection {
            epochs, batch, learning_rate, weight_decay, beta1, beta2, epsilon, answers, end_token, seed, shuffle, patience, labels, loss, annealing,
            boundary_penalty, held_out, together, recomputes,
            schedule: rises.then_some(ScheduleName::Cosine),
            warmup: warmup.filter(|_| rises),
        }
    }
}

prop_compose! {
    fn generate()(
        (prompt, tokens, temperature, top_k) in (of(text()), of(count()), of(number()), of(count())),
        (top_p, seed, samples, stop) in (of(number()), of(seed()), of(count()), vec(text(), 0..3)),
        (min_p, repetition_penalty, as_configured, top_logprobs) in
            (of(number()), of(number()), of(any::<bool>()), of(count())),
    ) -> GenerateSection {
        GenerateSection {
            prompt, tokens, as_configured, temperature, top_k, top_p, min_p, repetition_penalty, seed, samples, stop,
            top_logprobs,
        }
    }
}

prop_compose! {
    fn claim()(
        (senders, agrees) in (vec(text(), 0..3), vec(text(), 0..3)),
        (reads, query) in (of(vec(text(), 0..2)), of(vec(text(), 0..2))),
        (key, value) in (of(vec(text(), 0..2)), of(vec(text(), 0..2))),
    ) -> Claim {
        Claim { senders, agrees, reads, query, key, value }
    }
}

prop_compose! {
    fn hypothesis()(
        (name, logits, baseline) in (text(), vec(text(), 0..3), vec(text(), 0..3)),
        nodes in btree_map(text(), claim(), 0..3),
    ) -> Hypothesis {
        Hypothesis { name, logits, baseline, nodes }
    }
}

prop_compose! {
    fn circuit()(
        (method, steps, graph) in (of(named()), of(count()), of(named())),
        (positions, ablation, norm) in (of(text().prop_map(List)), of(named()), of(named())),
        (senders, receivers) in (of(text().prop_map(List)), of(text().prop_map(List))),
        (check, check_largest, through, together) in
            (of(share()), of(count()), of(named()), of(any::<bool>())),
        (edges, by_metric, rank, shares) in
            (of(path()), of(text()), of(named()), of(text().prop_map(List))),
        (prune, random) in (of(any::<bool>()), of(count())),
        (draws, shapley) in (of(count()), of(count())),
        hypotheses in of(vec(hypothesis(), 1..3)),
    ) -> CircuitSection {
        CircuitSection {
            method, steps, graph, positions, ablation, norm, senders, receivers, check, check_largest, through, together, edges, by_metric,
            rank, shares, prune, random, draws, shapley, hypotheses,
        }
    }
}

prop_compose! {
    fn sections()(
        (model, data, sweep) in (of(model()), of(data()), of(sweep())),
        measure in of((of(vec(text(), 1..3)), of(named())).prop_map(|(metrics, answers)| MeasureSection {
            metrics,
            answers,
        })),
        limits in of((of(count()), of(named())).prop_map(|(memory, executor)| LimitsSection {
            memory,
            executor,
        })),
        tensors in of(of(any::<bool>()).prop_map(|pad| TensorsSection { pad })),
        (statistics, train, generate) in (of(statistics()), of(train()), of(generate())),
        circuit in of(circuit()),
    ) -> Sections {
        Sections { model, data, sweep, measure, statistics, limits, train, generate, tensors, circuit }
    }
}

/// A section that says nothing is none, once it was written.
fn said(sections: Sections) -> Sections {
    fn filled<T: Default + PartialEq>(section: Option<T>) -> Option<T> {
        section.filter(|section| *section != T::default())
    }
    let Sections {
        model,
        data,
        sweep,
        measure,
        statistics,
        limits,
        train,
        generate,
        tensors,
        circuit,
    } = sections;
    Sections {
        model: filled(model),
        data: filled(data),
        sweep: filled(sweep),
        measure: filled(measure),
        statistics: filled(statistics),
        limits: filled(limits),
        train: filled(train),
        generate: filled(generate),
        tensors: filled(tensors),
        circuit: filled(circuit),
    }
}

/// A grid: the layers of the first edit under a placeholder, and doses of nothing.
fn grid() -> impl Strategy<Value = String> {
    select(vec!["\"all\"", "\"0..2\"", "[0]", "[1, 0]"]).prop_map(str::to_owned)
}

/// The models that plans are for.
fn subjects() -> &'static [Subject] {
    static SUBJECTS: OnceLock<Vec<Subject>> = OnceLock::new();
    SUBJECTS.get_or_init(|| Subject::each().collect())
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        kind in of(named::<ExperimentKind>()),
        sections in sections(),
        plan in random_plan(PLAIN.len()),
        grid in of(grid()),
    ) {
        let subject = &subjects()[plan.subject];
        let plan = plan.plan(subject);
        let mut file = PlanFile::of(&plan).unwrap();
        let is_in_layer = file.text(Format::Toml).contains("\nlayer = ");
        let grid = grid.filter(|_| is_in_layer);
        if let Some(layers) = &grid {
            let edited = file.set("edit.0.layer=\"$l\"").and_then(|file| file.set(&format!("grid.l={layers}")));
            file = edited.unwrap();
        }
        file.kind = kind;
        file.sections = sections.clone();
        let expected = file.grid(&subject.model).ok();
        for format in [Format::Toml, Format::Json] {
            let text = file.text(format);
            let read = PlanFile::parse(&text, format, Path::new("")).unwrap();
            prop_assert_eq!(read.kind, kind);
            prop_assert_eq!(said(read.sections.clone()), said(sections.clone()), "{}", &text);
            let found = read.grid(&subject.model).ok();
            prop_assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{}", &text);
            prop_assert_eq!(read.text(format), text);
        }
        // A plan of no other model is read, whatever stands beside it.
        let is_for_this = sections.model.as_ref().is_none_or(|model| {
            model.identity.is_none() && model.shape.is_none() && model.tokenizer.is_none()
        });
        prop_assert!(expected.is_some() || grid.is_some() || !is_for_this);
    }
}

/// Every key of every section is written where it is said, and read again; a struct's own list of fields is what a file may
/// say.
#[test]
fn every_key_can_be_said() {
    let mut all = BTreeSet::new();
    for (section, keys) in Sections::keys() {
        assert!(!keys.is_empty(), "{section}");
        all.extend(keys.iter().map(|key| format!("{section}.{key}")));
    }
    let mut runner = TestRunner::deterministic();
    let mut written = BTreeSet::new();
    for _ in 0..200 {
        let mut file = PlanFile::of(&Plan::new()).unwrap();
        file.sections = sections().new_tree(&mut runner).unwrap().current();
        let text = file.text(Format::Json);
        let read = PlanFile::parse(&text, Format::Json, Path::new("")).unwrap();
        let keys = read.keys();
        written.extend(
            keys.iter().filter_map(|(section, key)| Some(format!("{section}.{}", (*key)?))),
        );
    }
    assert_eq!(written, all);
}
