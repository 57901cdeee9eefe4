//! The noise floor of a sweep: what effects differ in between two ways of computing them.

use vene::training::TrainRun;
use vene::{
    Component, Edit, Example, Executor, Forked, Generator, Gradients, Method, Model, Plan,
    Positions, Precision, Reference, Run, Session, Site, Sweep, SweepOutcome,
};

fn sweep(model: &Model) -> Sweep {
    Sweep::builder(model)
        .base("The capital of Spain is")
        .source("The capital of Italy is")
        .components([Component::MlpOutput, Component::BlockOutput, Component::AttentionWeight])
        .tokens([" Madrid", " Rome"])
        .build()
        .unwrap()
}

fn run(model: &Model, sweep: &Sweep, executor: &dyn Executor) -> SweepOutcome {
    sweep.run_with(model, executor).unwrap()
}

/// Effects of the measured places by an executor that reads weights of its own.
fn effects(model: &Model, sweep: &Sweep, executor: &dyn Executor) -> Vec<[f64; 2]> {
    let base = executor.predict(&[sweep.base()]).unwrap();
    let mut found = Vec::new();
    // The base and the source stand before the cells.
    let plans = sweep.plans(model).unwrap();
    for &place in sweep.noise_places() {
        executor
            .run_all(std::slice::from_ref(&plans[2 + place]), &mut |_, outcome| {
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
    found
}

#[test]
fn the_floor_is_measured_in_the_precision_in_use() {
    for (precision, range) in [(Precision::Single, 1e-9..1e-5), (Precision::Double, 0.0..1e-13)] {
        let model = Model::load_with("embedded", precision, &mut |_| ()).unwrap();
        let sweep = sweep(&model);
        assert_eq!(sweep.noise_places().len(), 4);
        let outcome = run(&model, &sweep, &Forked::new(&model));
        let floor = outcome.noise_floor().unwrap().to_vec();
        assert!(floor.iter().all(|floor| range.contains(floor)), "{precision:?} {floor:?}");
        // The same for equal inputs.
        assert_eq!(run(&model, &sweep, &Forked::new(&model)).noise_floor().unwrap(), floor);
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
    let floor = run(&model, &sweep, &Reference::new(&model)).noise_floor().unwrap().to_vec();
    assert!(floor.iter().all(|floor| (1e-9..1e-5).contains(floor)), "{floor:?}");
}

/// A model that was loaded for forked runs, which has fused weights alone; reading plain ones would fail, since the files are gone.
fn model_without_files() -> Model {
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
    model
}

#[test]
fn no_second_copy_of_the_weights_is_read() {
    let model = model_without_files();
    let sweep = sweep(&model);
    assert!(!model.has_plain());
    assert!(run(&model, &sweep, &Forked::new(&model)).noise_floor().is_some());
    assert!(!model.has_plain());
}

/// Every plan runs on the engine, in every mode, with the weights that are there.
#[test]
fn patterns_that_are_edited_and_read_make_no_second_copy_of_the_weights() {
    let model = model_without_files();
    let [base, source] = ["The capital of Spain is", "The capital of Italy is"]
        .map(|text| model.prompt(text).unwrap());
    let session = Session::new(&model, [&base, &source]).unwrap();
    let example = [Example::new(base).source(source)];
    for component in [Component::AttentionScore, Component::AttentionWeight] {
        let edit = Edit::interchange(component, 1);
        let in_source = Edit::zero(component, 0).at(Positions::All).within(Run::Source(0));
        let plan = Plan::new().edit(edit).edit(in_source);
        let collecting = plan.clone().collect(component, 2, Positions::All);
        let [plan, collecting] =
            [plan, collecting].map(|plan| plan.resolve(&model, &example).unwrap());
        Forked::new(&model).run(&collecting).unwrap();
        session.run(&collecting).unwrap();
        TrainRun::new(&model, plan.clone()).unwrap().logits(&[0]).unwrap();
        let site = Site::new(component, Some(1), model.config()).unwrap();
        let gradients = Gradients::new(&model, plan.clone(), &[site]).unwrap();
        gradients.of(&[0], &|logits| logits.narrow(1, 0, 1)).unwrap();
        let generator = Generator { max_new_tokens: 3, ..Generator::default() };
        generator.run(&model, &plan, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
        assert!(!model.has_plain(), "{component}");
    }
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
    assert_eq!(run(&model, &sweep, &Forked::new(&model)).noise_floor(), None);
}
