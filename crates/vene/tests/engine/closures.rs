//! Interventions of one's own that do something else than they say: an error that names them and their
//! site, whoever runs them.

use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::{DType, Tensor};
use vene::intervention::{
    Granularity, Intervention, SourceCount, Traits, UnitContext, from_fn, from_fn_with_source,
    from_fn_with_sources,
};
use vene::training::{Examples, FromLogits, Objective, TrainRun, Trainer};
use vene::{
    Component, Distribution, Edit, Example, Executor, Forked, Generator, Gradients, Plan,
    Positions, Precision, Reduce, Reference, Site, Source, When,
};

use crate::subject::{PLAIN, Subject};

/// What every way of running an edit says.
#[track_caller]
fn said(subject: &Subject, edit: &Edit) -> Vec<String> {
    let plan = |edit: Edit| Plan::new().edit(edit).resolve(&subject.model, &[subject.example()]);
    let resolved = plan(edit.clone()).unwrap();
    let model = &subject.model;
    let executors: [&dyn Executor; 3] =
        [&Reference::new(model), &Forked::new(model), &Forked::new(model).plain()];
    let mut said: Vec<String> = executors
        .iter()
        .map(|executor| {
            let mut go_on = |_: usize, _| ControlFlow::Continue(());
            let error = executor.run_all(std::slice::from_ref(&resolved), &mut go_on);
            error.unwrap_err().to_string()
        })
        .collect();
    let objective = Objective::labels(&[3]);
    let examples = Examples { plan: &resolved, objective: &objective };
    said.push(Trainer::default().evaluate(model, examples).unwrap_err().to_string());
    let mut go_on = |_: &vene::generation::NewToken<'_>| ControlFlow::Continue(());
    for when in [When::EveryStep, When::Generated] {
        let resolved = plan(edit.clone().when(when)).unwrap();
        let error = Generator::default().run(model, &resolved, &mut go_on);
        said.push(error.unwrap_err().to_string());
    }
    said
}

#[track_caller]
fn all_say(subject: &Subject, edit: &Edit, expected: &[&str]) {
    for said in said(subject, edit) {
        assert!(expected.iter().all(|expected| said.contains(expected)), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
}

fn subjects() -> impl Iterator<Item = Subject> {
    [Precision::Single, Precision::Double]
        .into_iter()
        .map(|precision| Subject::new(PLAIN[1], precision))
}

const SITE: &str = "own at mlp_output of layer 1";

#[test]
fn a_closure_that_reads_a_source_which_is_not_there() {
    for subject in subjects() {
        // It reads several, and takes it that there are more than one.
        let own = from_fn_with_sources("own", |_, sources| Ok(sources[1].clone()));
        let edit = Edit::new(Component::MlpOutput, 1, Arc::new(own));
        all_say(&subject, &edit, &[SITE, "index out of bounds", "given 1 sources"]);
    }
}

#[test]
fn a_closure_that_returns_another_type_or_shape() {
    for subject in subjects() {
        let other = if subject.model.precision() == Precision::Single { "f64" } else { "f32" };
        let own = from_fn("own", |base| {
            base.to_dtype(if base.dtype() == DType::F32 { DType::F64 } else { DType::F32 })
        });
        let edit = Edit::new(Component::MlpOutput, 1, Arc::new(own));
        all_say(&subject, &edit, &[SITE, "of type", other]);
        let own = from_fn("own", |base| base.to_dtype(DType::U32));
        let edit = Edit::new(Component::MlpOutput, 1, Arc::new(own));
        all_say(&subject, &edit, &[SITE, "of type u32"]);
        let shapes: [fn(&Tensor) -> candle_core::Result<Tensor>; 3] =
            [|base| base.t(), |base| base.unsqueeze(0), |base| base.narrow(1, 0, 3)];
        for shape in shapes {
            let own = from_fn("own", shape);
            let edit = Edit::new(Component::MlpOutput, 1, Arc::new(own));
            all_say(&subject, &edit, &[SITE, "of shape"]);
        }
    }
}

/// One that edits in place, as fast ones do, and panics there.
#[derive(Debug)]
struct InPlace;

impl Intervention for InPlace {
    fn name(&self) -> &'static str {
        "own"
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None).granularity(Granularity::Element)
    }

    fn apply(
        &self,
        _: &Tensor,
        sources: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        Ok(sources[0].clone())
    }

    fn apply_in_place(&self, base: &mut [f32], sources: &[&[f32]]) {
        base.copy_from_slice(sources[0]);
    }
}

#[test]
fn an_intervention_that_panics_in_place() {
    for subject in subjects() {
        let edit = Edit::new(Component::MlpOutput, 1, Arc::new(InPlace));
        all_say(&subject, &edit, &[SITE, "index out of bounds"]);
    }
}

#[test]
fn an_intervention_that_is_called_by_itself_with_other_sources() {
    let base = Tensor::zeros((1, 4), DType::F64, &candle_core::Device::Cpu).unwrap();
    let context = UnitContext::at(&[0]);
    use vene::intervention::*;
    let rotation = || Rotation::random(4, 4, 1).unwrap();
    let all: Vec<Box<dyn Intervention>> = vec![
        Box::new(Interchange),
        Box::new(Addition),
        Box::new(Subtraction),
        Box::new(RandomDirection { seed: 1 }),
        Box::new(RotatedSpace::new(rotation(), Subspace::All).unwrap()),
        Box::new(RotatedSpace::low_rank(rotation(), Subspace::All)),
        Box::new(RotatedSpace::with_boundaries(rotation(), &[0.5], 1.0).unwrap()),
        Box::new(SigmoidMask::new(4).unwrap()),
    ];
    for intervention in all {
        for sources in [vec![], vec![base.clone(), base.clone()]] {
            let error = intervention.apply(&base, &sources, context).unwrap_err().to_string();
            let expected = format!("it reads one source, and {} are given", sources.len());
            assert!(error.contains(&expected), "{}: {error}", intervention.name());
        }
        assert!(intervention.apply(&base, std::slice::from_ref(&base), context).is_ok());
    }
    assert!(Mean.apply(&base, &[], context).is_err());
}

#[test]
fn surplus_sources_are_refused_when_the_plan_is_resolved() {
    let subject = Subject::new(PLAIN[0], Precision::Single);
    let edit = |count, source: Option<Source>| {
        let own = match count {
            SourceCount::None => from_fn("own", |base| Ok(base.clone())),
            SourceCount::One => from_fn_with_source("own", |base, _| Ok(base.clone())),
            SourceCount::Several => from_fn_with_sources("own", |base, _| Ok(base.clone())),
        };
        let edit = Edit::new(Component::MlpOutput, 1, Arc::new(own));
        let edit = match source {
            Some(source) => edit.source(source),
            None => edit,
        };
        Plan::new().edit(edit).resolve(&subject.model, &[subject.example()])
    };
    let error = edit(SourceCount::None, Some(Source::Run(0))).unwrap_err().to_string();
    assert!(error.contains("own reads no source"), "{error}");
    let error = edit(SourceCount::One, Some(Source::AllRuns)).unwrap_err().to_string();
    assert!(error.contains("own reads one source"), "{error}");
    let error = edit(SourceCount::One, Some(Source::Run(1))).unwrap_err().to_string();
    assert!(error.contains("needs source 1 of example 0, counted from 0, which has 1"), "{error}");
    assert!(edit(SourceCount::Several, None).is_ok());
}

/// A reduction that panics.
#[derive(Debug)]
struct Panics;

impl Reduce for Panics {
    fn reduce(&self, _: usize, read: usize, distribution: &Distribution) -> Vec<f64> {
        vec![distribution.logits()[distribution.logits().len() + read]]
    }
}

#[test]
fn other_functions_of_one_s_own_that_panic() {
    let subject = Subject::new(PLAIN[0], Precision::Single);
    let model = &subject.model;
    let resolve = |plan: Plan| plan.resolve(model, &[subject.example()]).unwrap();
    let plan = resolve(Plan::new().reduced(Arc::new(Panics)));
    for error in [Reference::new(model).run(&plan), Forked::new(model).run(&plan)] {
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("a reduction panicked: index out of bounds"), "{error}");
    }
    let plan = resolve(Plan::new());
    let nothing: Vec<u32> = Vec::new();
    let loss = FromLogits::new(move |_, _| {
        let reads = nothing[1] as usize;
        Err(candle_core::Error::Msg(reads.to_string()))
    });
    let objective = Objective::new(loss);
    let examples = Examples { plan: &plan, objective: &objective };
    let error = Trainer::default().evaluate(model, examples).unwrap_err().to_string();
    assert!(error.starts_with("a loss panicked: index out of bounds"), "{error}");
    let site = Site::new(Component::BlockOutput, Some(0), model.config()).unwrap();
    let gradients = Gradients::new(model, plan.clone(), &[site]).unwrap();
    let error = gradients.of(&[0], &|_| panic!("of its own")).unwrap_err().to_string();
    assert_eq!(error, "a metric panicked: of its own");
    // Examples that are not there, and none.
    let first = |logits: &Tensor| logits.narrow(1, 0, 1);
    let error = gradients.of(&[0, 1], &first).unwrap_err().to_string();
    assert!(error.contains("example 1 is asked for, and the plan has 1"), "{error}");
    assert!(gradients.of(&[], &first).unwrap_err().to_string().contains("no example is chosen"));
    assert!(gradients.of(&[0], &first).unwrap().gradient(1, site).is_none());
    // A site of a deeper model.
    let deeper = Subject::new("gemma3-plain", Precision::Single);
    let last = deeper.model.config().layers.len() - 1;
    let site = Site::new(Component::BlockOutput, Some(last), deeper.model.config()).unwrap();
    let error = Gradients::new(model, plan, &[site]).err().unwrap().to_string();
    assert!(error.contains(&format!("block_output of layer {last}: the model has")), "{error}");
}

/// Examples of which each edits its own heads are not handed over as one.
#[test]
fn a_training_edits_each_example_s_own_heads() {
    for precision in [Precision::Single, Precision::Double] {
        let subject = Subject::new(PLAIN[0], precision);
        let model = &subject.model;
        let example = |base: &[u32], source: &[u32]| {
            Example::new(subject.prompt(base)).source(subject.prompt(source))
        };
        let examples = [
            example(&[5, 6, 7, 8], &[15, 16, 17, 18]),
            example(&[9, 10, 11, 12, 13], &[25, 26, 27, 28, 29]),
            example(&[1, 2, 3], &[4, 5, 6]),
        ];
        let edit = Edit::interchange(Component::AttentionValueOutput, 0)
            .at(Positions::Last)
            .heads(vec![vec![0], vec![2], vec![]]);
        let plan = Plan::new().edit(edit).resolve(model, &examples).unwrap();
        let suffix = TrainRun::new(model, plan.clone()).unwrap();
        let found = suffix.logits(&[0, 1, 2]).unwrap().to_dtype(DType::F64).unwrap();
        let found = found.to_vec2::<f64>().unwrap();
        let expected = Reference::new(model).run(&plan).unwrap();
        for (example, found) in found.iter().enumerate() {
            let expected = expected.distribution(example, 0).unwrap().logits();
            let error = vene_test_support::relative_error(found, expected);
            let bound = if precision == Precision::Double { 1e-12 } else { 1e-4 };
            assert!(error < bound, "example {example}: {error}");
        }
        let error = suffix.logits(&[3]).unwrap_err().to_string();
        assert!(error.contains("example 3 is asked for, and the plan has 3"), "{error}");
    }
}
