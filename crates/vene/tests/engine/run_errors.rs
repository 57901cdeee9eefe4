//! What can go wrong in a run says where and why; nothing is passed over in silence.

use std::sync::Arc;

use candle_core::Tensor;
use vene::intervention::{Intervention, SourceCount, Traits, UnitContext};
use vene::{Component, Edit, Plan, Positions, Precision, Reference, RunError};

use crate::subject::{PLAIN, Subject};

#[track_caller]
fn fails(subject: &Subject, edit: Edit, message: &str) -> RunError {
    let plan = Plan::new().edit(edit).resolve(&subject.model, &[subject.example()]).unwrap();
    let error = Reference::new(&subject.model).run(&plan).expect_err("the run cannot go on");
    assert!(error.to_string().contains(message), "{error}");
    assert!(!error.to_string().contains('\n'));
    error
}

/// A user's own intervention, and a wrong one.
#[derive(Debug)]
struct Wrong(fn(&Tensor) -> candle_core::Result<Tensor>);

impl Intervention for Wrong {
    fn name(&self) -> &'static str {
        "wrong"
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None)
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        (self.0)(base)
    }
}

fn wrong(component: Component, wrong: fn(&Tensor) -> candle_core::Result<Tensor>) -> Edit {
    Edit::new(component, 1, Arc::new(Wrong(wrong)))
}

#[test]
fn an_intervention_that_fails_or_returns_something_else() {
    let subject = Subject::new(PLAIN[0], Precision::Single);
    let error = fails(
        &subject,
        wrong(Component::MlpOutput, |base| base.narrow(0, 0, 9)),
        "wrong at mlp_output of layer 1: ",
    );
    assert!(matches!(error, RunError::Intervention { .. }));
    let error = fails(
        &subject,
        wrong(Component::MlpOutput, |base| base.narrow(1, 0, 2)),
        "wrong at mlp_output of layer 1 returned values of shape [1, 2]; expected the base's, [1, 20]",
    );
    assert!(matches!(error, RunError::InterventionShape { .. }));
}

#[test]
fn values_that_are_no_numbers() {
    let subject = Subject::new(PLAIN[0], Precision::Single);
    let message = "wrong at mlp_output of layer 1 produced NaN in example 0";
    fails(&subject, wrong(Component::MlpOutput, |base| base.affine(f64::NAN, 0.0)), message);
    // What the queries see of a pattern is checked, what they do not is hidden.
    for component in [Component::AttentionScore, Component::AttentionWeight] {
        let edit = wrong(component, |base| base.affine(f64::NAN, 0.0)).at(Positions::index(1));
        fails(
            &subject,
            edit,
            &format!("wrong at {component} of layer 1 produced NaN in example 0"),
        );
    }
    let edit = Edit::scaling(Component::MlpOutput, 1, 1e39);
    let error = fails(&subject, edit, "scaling at mlp_output of layer 1 produced");
    assert!(matches!(error, RunError::NotFinite { .. }));
}

#[test]
fn a_run_that_overflows_behind_its_edit() {
    let subject = Subject::new(PLAIN[0], Precision::Single);
    let edit = Edit::scaling(Component::FinalNorm, None, 1e38);
    let error = fails(&subject, edit, "load the model in double precision");
    assert!(matches!(error, RunError::LogitsNotFinite { example: 0, .. }));
}
