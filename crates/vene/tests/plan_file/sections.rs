//! Sections of a file: whatever they say is read again from TOML and from JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use vene::plan_file::{
    DataSection, ExperimentKind, Format, GenerateSection, LimitsSection, List, MeasureSection,
    ModelSection, PlanFile, ScheduleName, Sections, StatisticsSection, SweepSection,
    TensorsSection, TrainSection,
};
use vene::{Named, Plan};

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

fn phrases() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map("[a-z_ ]{1,8}", text(), 0..3)
}

prop_compose! {
    fn model()(
        (id, ignored_keys, another) in (of(text()), vec(text(), 0..3), of(any::<bool>())),
        (bos, precision) in (of(named()), of(named())),
    ) -> ModelSection {
        ModelSection { id, ignored_keys, another, bos, precision, ..ModelSection::default() }
    }
}

prop_compose! {
    fn data()(
        (path, task, rows, limit, seed, counterfactual) in
            (of(path()), of(text()), of(count()), of(count()), of(seed()), of(text())),
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
        (corrupt, draws, mean_over, tokens) in (of(text()), of(count()), of(named()), vec(text(), 0..3)),
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
        (rises, seed, shuffle, patience, labels) in
            (any::<bool>(), of(seed()), of(any::<bool>()), of(count()), of(text())),
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
            epochs, batch, learning_rate, weight_decay, seed, shuffle, patience, labels, loss, annealing,
            boundary_penalty, held_out, together, recomputes,
            schedule: rises.then_some(ScheduleName::Cosine),
            warmup: warmup.filter(|_| rises),
            ..TrainSection::default()
        }
    }
}

prop_compose! {
    fn generate()(
        (prompt, tokens, temperature, top_k) in (of(text()), of(count()), of(number()), of(count())),
        (top_p, seed, samples, stop) in (of(number()), of(seed()), of(count()), vec(text(), 0..3)),
    ) -> GenerateSection {
        GenerateSection { prompt, tokens, temperature, top_k, top_p, seed, samples, stop }
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
    ) -> Sections {
        Sections { model, data, sweep, measure, statistics, limits, train, generate, tensors }
    }
}

/// A section that says nothing is none, once it was written.
fn said(sections: Sections) -> Sections {
    fn filled<T: Default + PartialEq>(section: Option<T>) -> Option<T> {
        section.filter(|section| *section != T::default())
    }
    let Sections { model, data, sweep, measure, statistics, limits, train, generate, tensors } =
        sections;
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
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(kind in of(named::<ExperimentKind>()), sections in sections()) {
        let mut file = PlanFile::of(&Plan::new()).unwrap();
        file.kind = kind;
        file.sections = sections.clone();
        for format in [Format::Toml, Format::Json] {
            let text = file.text(format);
            let read = PlanFile::parse(&text, format, Path::new("")).unwrap();
            prop_assert_eq!(read.kind, kind);
            prop_assert_eq!(said(read.sections.clone()), said(sections.clone()), "{}", &text);
            prop_assert_eq!(read.text(format), text);
        }
    }
}
