//! The noise floor of a sweep: what effects differ in between two ways of computing them.

use vene::{Component, Executor, Forked, Method, Model, Precision, Reference, Sweep, SweepOutcome};

fn sweep(model: &Model) -> Sweep {
    Sweep::builder(model)
        .base("The capital of Spain is")
        .source("The capital of Italy is")
        .components([Component::MlpOutput, Component::BlockOutput, Component::AttentionWeight])
        .tokens([" Madrid", " Rome"])
        .build()
        .unwrap()
}

fn run(sweep: &Sweep, executor: &dyn Executor) -> SweepOutcome {
    sweep.run_with(executor, &mut |_| std::ops::ControlFlow::Continue(())).unwrap()
}

/// Effects of the measured places by an executor that reads weights of its own.
fn effects(model: &Model, sweep: &Sweep, executor: &dyn Executor) -> Vec<[f64; 2]> {
    let base = executor.predict(&[sweep.base()]).unwrap();
    let mut found = Vec::new();
    for &place in sweep.noise_places() {
        executor
            .run_all(std::slice::from_ref(&sweep.plans()[place]), &mut |_, outcome| {
                let probabilities = outcome.reading(0, 0).unwrap().probabilities().unwrap();
                let own = [0, 1].map(|target: usize| {
                    let id = sweep.targets()[target].id;
                    probabilities[target] - base[0].probability(id).unwrap()
                });
                found.push(own);
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
    }
    let _ = model;
    found
}

#[test]
fn the_floor_is_measured_in_the_precision_in_use() {
    for (precision, range) in [(Precision::Single, 1e-9..1e-5), (Precision::Double, 0.0..1e-13)] {
        let model = Model::load_with("embedded", precision, &mut |_| ()).unwrap();
        let sweep = sweep(&model);
        assert_eq!(sweep.noise_places().len(), 4);
        let outcome = run(&sweep, &Forked::new(&model));
        let floor = outcome.noise_floor().unwrap().to_vec();
        assert!(floor.iter().all(|floor| range.contains(floor)), "{precision:?} {floor:?}");
        // The same for equal inputs.
        assert_eq!(run(&sweep, &Forked::new(&model)).noise_floor().unwrap(), floor);
        // It is about what the forked and the reference executor differ in, who share nothing.
        let forked = effects(&model, &sweep, &Forked::new(&model));
        let reference = effects(&model, &sweep, &Reference::new(&model));
        for (target, &floor) in floor.iter().enumerate() {
            let squares =
                forked.iter().zip(&reference).map(|(a, b)| (a[target] - b[target]).powi(2));
            let own = (squares.sum::<f64>() / forked.len() as f64).sqrt();
            let both = [own, floor];
            let alike = own < 30.0 * floor && floor < 30.0 * own;
            assert!(alike || both.iter().all(|noise| *noise < 1e-15), "{both:?}");
        }
    }
}

#[test]
fn the_reference_executor_has_a_floor_too() {
    let model = Model::load("embedded").unwrap();
    let sweep = sweep(&model);
    let floor = run(&sweep, &Reference::new(&model)).noise_floor().unwrap().to_vec();
    assert!(floor.iter().all(|floor| (1e-9..1e-5).contains(floor)), "{floor:?}");
}

#[test]
fn no_second_copy_of_the_weights_is_read() {
    // A model that is loaded for forked runs has fused weights alone; reading plain ones would fail, since
    // the files are gone.
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("config.json"), vene_embedded::CONFIG).unwrap();
    std::fs::write(path("tokenizer.json"), vene_embedded::TOKENIZER).unwrap();
    std::fs::write(path("model.safetensors"), vene_embedded::WEIGHTS).unwrap();
    let outline = vene::Outline::open(&folder.path().display().to_string(), &mut |_| ()).unwrap();
    let mut layers = 0;
    let model = Model::from_outline(outline, Precision::Single, &mut |step| {
        if let vene::Loading::Layers { .. } = step {
            layers += 1;
        }
    })
    .unwrap();
    assert_eq!(layers, model.config().layers.len());
    let sweep = sweep(&model);
    assert!(!model.has_plain());
    assert!(run(&sweep, &Forked::new(&model)).noise_floor().is_some());
    assert!(!model.has_plain());
}

#[test]
fn a_sweep_that_can_change_nothing_has_no_floor() {
    let model = Model::load("embedded").unwrap();
    let sweep = Sweep::builder(&model)
        .base("The capital of Spain is")
        .source("The capital of Spain is")
        .components([Component::MlpOutput])
        .method(Method::Interchange)
        .tokens([" Madrid"])
        .build()
        .unwrap();
    assert!(sweep.noise_places().is_empty());
    assert_eq!(run(&sweep, &Forked::new(&model)).noise_floor(), None);
}
