//! Networks that are no transformers: what is edited at one time step is seen at those behind it.

use std::sync::Arc;

use vene::plan::Outcome;
use vene::{
    Component, Edit, Example, Executor, Forked, Module, Outline, Plan, PlanError, Positions,
    Precision, Reference, Run, SiteError, Source, Sweep,
};
use vene_test_support::{Fixture, values};

use crate::subject::{Subject, distance};

const CLOSE: f64 = 1e-12;

fn gru() -> Subject {
    Subject::new("gru-plain", Precision::Double)
}

fn perceptron() -> Subject {
    Subject::new("mlp-plain", Precision::Double)
}

/// The rows `[positions, width]` of a site under these edits.
fn rows(
    subject: &Subject,
    component: Component,
    layer: usize,
    edits: impl IntoIterator<Item = Edit>,
    example: &Example,
) -> Vec<Vec<f64>> {
    let site = vene::Site::new(component, Some(layer), subject.model.config()).unwrap();
    let collected = subject.collect(site, edits, example);
    let width = collected.dims()[1];
    values(&collected).chunks_exact(width).map(<[f64]>::to_vec).collect()
}

#[test]
fn with_the_sources_state_a_run_goes_on_as_the_source_does() {
    let subject = gru();
    let (base, source) = (subject.prompt(&[3, 4, 5, 6, 7]), subject.prompt(&[13, 14, 15, 6, 7]));
    let example = Example::new(base).source(source.clone());
    let state = |layer| Edit::interchange(Component::BlockOutput, layer).at(Positions::index(2));
    let edited = subject.logits([state(0), state(1)], &example);
    let of_source = subject.logits([], &Example::new(source));
    let untouched = subject.logits([], &example);
    assert_eq!(edited[..2], untouched[..2]);
    assert!(distance(&edited[2..], &of_source[2..]) < CLOSE);
    // One layer's state alone does not do it.
    let half = subject.logits([state(0)], &example);
    assert!(distance(&half[2..], &of_source[2..]) > 1e-3);
    assert!(distance(&half[2..], &untouched[2..]) > 1e-3);
}

#[test]
fn the_input_of_a_layer_is_not_the_state_of_the_one_below() {
    let subject = gru();
    let example = subject.example();
    let input = Edit::interchange(Component::BlockInput, 1).at(Positions::index(1));
    let below = |edits: Vec<Edit>| rows(&subject, Component::BlockOutput, 0, edits, &example);
    assert_eq!(below(vec![input.clone()]), below(vec![]));
    // So that both may be written, and the layer above reads what is written last.
    let state = Edit::zero(Component::BlockOutput, 0).at(Positions::index(1));
    let above = |edits: Vec<Edit>| rows(&subject, Component::BlockOutput, 1, edits, &example);
    let (both, only) = (above(vec![state, input.clone()]), above(vec![input]));
    assert_eq!(both[1], only[1]);
    assert_ne!(both[2], only[2]);
}

#[test]
fn gates_are_what_the_formula_says_however_they_are_edited() {
    let subject = gru();
    let example = subject.example();
    let edits = [
        Edit::scaling(Component::UpdateGate, 1, 0.5).at(Positions::At(vec![3, 1])),
        Edit::zero(Component::ResetGate, 1).at(Positions::index(2)),
        Edit::addition(Component::NewGate, 1).at(Positions::index(-2)),
        Edit::interchange(Component::BlockOutput, 1).at(Positions::index(0)),
    ];
    let of = |component| rows(&subject, component, 1, edits.clone(), &example);
    let (update, new, output) =
        (of(Component::UpdateGate), of(Component::NewGate), of(Component::BlockOutput));
    for position in 1..output.len() {
        for column in 0..output[0].len() {
            let (update, new) = (update[position][column], new[position][column]);
            let expected = (1.0 - update) * new + update * output[position - 1][column];
            assert!((output[position][column] - expected).abs() < CLOSE);
        }
    }
    let plain = |component| rows(&subject, component, 1, [], &example);
    assert!(of(Component::ResetGate)[2].iter().all(|&gate| gate == 0.0));
    // The state before it is another by then.
    assert_ne!(of(Component::UpdateGate)[1], plain(Component::UpdateGate)[1]);
}

#[test]
fn rows_go_to_their_own_positions_in_whatever_order_they_are_named() {
    let subject = gru();
    let example = subject.example();
    let width = subject.model.config().d_model;
    let given: Vec<f64> = (0..2 * width).map(|index| (index as f64).sin()).collect();
    for positions in [vec![1, 3], vec![3, 1]] {
        let edit = Edit::constant(Component::BlockOutput, 0, given.clone())
            .at(Positions::At(positions.clone()));
        let found = rows(&subject, Component::BlockOutput, 0, [edit], &example);
        for (place, &position) in positions.iter().enumerate() {
            assert_eq!(found[position as usize], given[place * width..(place + 1) * width]);
        }
        let crossed = Edit::interchange(Component::NewGate, 0)
            .at(Positions::At(positions))
            .from(Positions::At(vec![0, 4]));
        let source = Example::new(subject.source.clone());
        let source = rows(&subject, Component::NewGate, 0, [], &source);
        let found = rows(&subject, Component::NewGate, 0, [crossed.clone()], &example);
        let first = if found[1] == source[0] { [1, 3] } else { [3, 1] };
        assert_eq!([&found[first[0]], &found[first[1]]], [&source[0], &source[4]]);
    }
}

#[test]
fn an_edit_may_read_its_own_run_within_the_step() {
    let subject = gru();
    let example = subject.example();
    let skip = Edit::skip(Module::Block, 0).at(Positions::At(vec![3, 1]));
    let output = rows(&subject, Component::BlockOutput, 0, [skip.clone()], &example);
    let input = rows(&subject, Component::BlockInput, 0, [skip], &example);
    assert_eq!([&output[1], &output[3]], [&input[1], &input[3]]);
    assert_ne!(output[2], input[2]);
    let copied = Edit::interchange(Component::UpdateGate, 1)
        .source(Source::Current(Component::ResetGate))
        .at(Positions::All);
    let reset = rows(&subject, Component::ResetGate, 1, [copied.clone()], &example);
    assert_eq!(rows(&subject, Component::UpdateGate, 1, [copied], &example), reset);
}

#[test]
fn receipts_are_of_all_steps_together() {
    let subject = gru();
    let shared = subject.prompt(&[subject.base.tokens(), &[9]].concat());
    let examples =
        [subject.example(), Example::new(subject.base.clone()).source(shared), subject.example()];
    let width = subject.model.config().d_model;
    let edit = Edit::interchange(Component::BlockOutput, 0).at(Positions::Each(vec![
        vec![1, 3, 4],
        vec![0, 2],
        vec![],
    ]));
    let outcome = subject.run(&Plan::new().edit(edit), &examples);
    let Outcome::Changed(change) = outcome.receipts[0].outcome else { panic!() };
    assert_eq!((change.written, change.changed), (3 * width, 3 * width));
    assert_eq!(outcome.receipts[0].positions, [1, 3, 4]);
    assert_eq!(outcome.receipts[0].read, [(Run::Source(0), vec![1, 3, 4])]);
    assert_eq!(outcome.receipts[1].outcome, Outcome::SharedPrefix);
    assert_eq!(outcome.receipts[2].outcome, Outcome::NotEdited);
    // What is the source's already is changed where an earlier step was.
    let earlier = Edit::zero(Component::BlockOutput, 0).at(Positions::index(0));
    let later = Edit::interchange(Component::ResetGate, 0).at(Positions::index(1));
    let outcome = subject.run(&Plan::new().edit(earlier).edit(later), &examples[1..2]);
    assert!(matches!(outcome.receipts[1].outcome, Outcome::Changed(_)), "{:?}", outcome.receipts);
}

#[test]
fn the_layers_of_a_perceptron_have_one_place_behind_their_activation() {
    let subject = perceptron();
    let example = subject.example();
    let at = |component, layer| Edit::interchange(component, layer).at(Positions::All);
    let by = [
        at(Component::MlpActivation, 0),
        at(Component::BlockOutput, 0),
        at(Component::BlockInput, 1),
    ];
    let [first, second, third] = by.clone().map(|edit| subject.logits([edit], &example));
    assert!(first == second && second == third);
    // There is nothing but that place: all of it is the source's from there on.
    assert!(distance(&first, &subject.logits([], &Example::new(subject.source.clone()))) < CLOSE);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let plan = Plan::new().edit(by[a].clone()).edit(by[b].clone());
        let error = plan.resolve(&subject.model, std::slice::from_ref(&example)).unwrap_err();
        assert!(matches!(error, PlanError::Conflict { .. }), "{error}");
    }
}

#[test]
fn positions_of_a_perceptron_do_not_touch_each_other() {
    let subject = perceptron();
    let example = subject.example();
    let untouched = subject.logits([], &example);
    let edit = Edit::interchange(Component::MlpUp, 1).at(Positions::index(2));
    let edited = subject.logits([edit], &example);
    for position in 0..5 {
        assert_eq!(edited[position] == untouched[position], position != 2);
    }
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let refused = |subject: &Subject, edit: Edit| {
        Plan::new().edit(edit).resolve(&subject.model, &[subject.example()]).unwrap_err()
    };
    let (gru, perceptron) = (gru(), perceptron());
    for (subject, component, says) in [
        (&gru, Component::AttentionOutput, "a recurrent block has no attention: use block_input"),
        (&gru, Component::MlpActivation, "a recurrent block has no MLP: use reset_gate"),
        (&perceptron, Component::HeadResult, "a multilayer perceptron has no attention"),
        (&perceptron, Component::MlpOutput, "ends in its activation: use block_output"),
        (&perceptron, Component::NewGate, "carries no state: only gru networks do"),
    ] {
        let error = refused(subject, Edit::zero(component, 0));
        assert!(matches!(error, PlanError::Site(SiteError::Missing { .. })), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let error = refused(&gru, Edit::zero(Component::FinalNorm, None)).to_string();
    assert!(error.contains("use block_output of the last layer"), "{error}");
    let error = refused(&gru, Edit::zero(Component::BlockOutput, 0).heads([0])).to_string();
    assert!(error.contains("components with heads are not in this network"), "{error}");
    let several = Edit::interchange(Component::BlockOutput, 0).at(Positions::All).concatenated();
    let error = refused(&gru, several.clone()).to_string();
    assert!(error.contains("cannot be concatenated over positions"), "{error}");
    // Where it is one vector anyhow it may be.
    let one = several.at(Positions::index(1));
    assert!(Plan::new().edit(one).resolve(&gru.model, &[gru.example()]).is_ok());
}

/// The products of rows in time steps: three gates of the input, three of the state, logits.
#[test]
fn work_is_counted_without_weights() {
    let fixture = Fixture::new("gru-plain");
    let outline = fixture.outline().unwrap();
    let prompt = |tokens: &[u32]| outline.prompt_from_tokens(tokens).unwrap();
    let example = Example::new(prompt(&[1, 2, 3, 4])).source(prompt(&[5, 6, 7, 8]));
    let examples: Arc<[Example]> = [example].into();
    let edit = Edit::interchange(Component::BlockOutput, 0);
    let plan = Plan::new().edit(edit).resolve_shared(&outline, &examples).unwrap();
    let work = Forked::work_of(&outline, &[plan], None).unwrap();
    let (width, classes) = (12, 5);
    // The source's four rows through the first layer; the base's four and the fork's one; then the fork's and the three
    // that it goes on from. Of the fork alone logits are read.
    let rows = 4 + 5 + 4;
    let of_passes = rows * (3 + 3) * width * width + width * classes;
    assert_eq!((work.passes, work.operations()), (2, 2.0 * of_passes as f64));
}

#[test]
fn sweeps_run_on_numbers_and_are_forecast() {
    for name in ["mlp-plain", "gru-plain"] {
        let fixture = Fixture::new(name);
        let model = fixture.load(Precision::Single);
        let outline: &Outline = &model;
        let components: Vec<Component> =
            Component::all(outline.config()).filter(|component| component.per_layer()).collect();
        let sweep = Sweep::builder(outline)
            .base("3 4 5")
            .source("3 7 8")
            .components(components.clone())
            .tokens(["1", "2"])
            .build()
            .unwrap();
        for of in [vene::ForecastOf::Reference, vene::ForecastOf::Forked(None)] {
            let forecast = sweep.forecast(outline, of).unwrap();
            assert!(forecast.operations > 0.0 && forecast.memory > 0.0 && forecast.passes > 0);
        }
        let outcome = sweep.run(&model).unwrap();
        let table = outcome.tokens().unwrap();
        let layers = outline.config().layers.len();
        assert_eq!(table.rows(), 2 * 3 * layers * components.len(), "{name}");
    }
}

#[test]
fn both_executors_run_both_precisions() {
    for name in ["mlp-plain", "gru-plain"] {
        let fixture = Fixture::new(name);
        for precision in [Precision::Single, Precision::Double] {
            let model = fixture.load(precision);
            let prompt = model.prompt("5 6").unwrap();
            let own: [&dyn Executor; 2] = [&Reference::new(&model), &Forked::new(&model)];
            let [reference, forked] = own
                .map(|executor| executor.predict(&[&prompt]).unwrap().remove(0).logits().to_vec());
            assert!(distance(&[forked], &[reference]) < 1e-6, "{name}");
        }
    }
}
