//! The tutorial's sweep on the embedded model, by both executors: what a change costs or gains.

#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use vene::{Component, Executor, Forked, Model, Reference, Sweep};

fn sweeps(criterion: &mut Criterion) {
    let model = Model::load("embedded").expect("the embedded model loads");
    let sweep = Sweep::builder(&model)
        .base("The capital of Spain is")
        .source("The capital of Italy is")
        .components([Component::MlpOutput, Component::AttentionInput])
        .tokens([" Madrid", " Rome"])
        .build()
        .expect("the sweep is sound");
    let mut group = criterion.benchmark_group("tutorial");
    let executors: [&dyn Executor; 2] = [&Forked::new(&model), &Reference::new(&model)];
    for executor in executors {
        group.sample_size(if executor.name() == "reference" { 10 } else { 100 });
        group.bench_function(executor.name(), |bencher| {
            bencher.iter(|| sweep.run_with(&model, executor).expect("it runs"));
        });
    }
    group.finish();
    criterion.bench_function("declare", |bencher| {
        let builder = Sweep::builder(&model)
            .base("The capital of Spain is")
            .source("The capital of Italy is")
            .components([Component::MlpOutput, Component::AttentionInput])
            .tokens([" Madrid", " Rome"]);
        bencher.iter(|| builder.clone().build().expect("the sweep is sound"));
    });
}

criterion_group!(benches, sweeps);
criterion_main!(benches);
