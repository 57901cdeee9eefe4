//! Interchanges of which the result is known beforehand.

use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::Tensor;
use vene::intervention::{
    Dependence, Granularity, Intervention, SourceCount, Traits, UnitContext, from_fn,
    from_fn_with_source,
};
use vene::plan::Outcome;
use vene::{
    Component, Edit, Example, Executor, Forked, Plan, PlanError, Positions, Precision, Reference,
};

use crate::subject::{ALL, Subject, distance, logits_of};

fn subjects() -> impl Iterator<Item = Subject> {
    let precisions = [Precision::Single, Precision::Double];
    ALL.into_iter().flat_map(move |name| precisions.map(|precision| Subject::new(name, precision)))
}

#[test]
fn a_source_that_is_the_base_changes_no_bit() {
    for subject in subjects() {
        let example = Example::new(subject.base.clone()).source(subject.base.clone());
        let untouched = subject.logits([], &example);
        for site in subject.sites() {
            let whole = Edit::interchange(site.component(), site.layer()).at(Positions::All);
            let mut edits = vec![whole.clone()];
            if let Some(heads) = subject.heads(site) {
                edits.push(whole.clone().heads([heads - 1]));
                edits.push(whole.at(Positions::index(2)).heads([0]));
            }
            for edit in edits {
                let plan = Plan::new().edit(edit).read(Positions::All);
                let outcome = subject.run(&plan, std::slice::from_ref(&example));
                assert_eq!(
                    outcome.receipts[0].outcome,
                    Outcome::SharedPrefix,
                    "{}: {site}",
                    subject.name
                );
                assert_eq!(logits_of(&outcome, 0), untouched, "{}: {site}", subject.name);
            }
        }
    }
}

#[test]
fn a_shared_prefix_is_told_and_changes_no_bit() {
    for subject in subjects() {
        // Sources that begin as the base does, as long as it, shorter and longer.
        let tail = subject.long.tokens();
        for tail in [&tail[..2], &tail[..1], tail] {
            let source = subject.prompt(&[&subject.base.tokens()[..3], tail].concat());
            let example = Example::new(subject.base.clone()).source(source.clone());
            let untouched = subject.logits([], &example);
            for site in subject.sites() {
                let is_pattern = site.component().is_pattern();
                if is_pattern && source.len() != subject.base.len() {
                    continue;
                }
                let at = |positions: &[i64]| {
                    Edit::interchange(site.component(), site.layer())
                        .at(Positions::At(positions.to_vec()))
                };
                let plan = Plan::new().edit(at(&[0, 1, 2])).read(Positions::All);
                let outcome = subject.run(&plan, std::slice::from_ref(&example));
                let what = format!("{}: {site}, source of {}", subject.name, source.len());
                assert_eq!(outcome.receipts[0].outcome, Outcome::SharedPrefix, "{what}");
                assert_eq!(logits_of(&outcome, 0), untouched, "{what}");

                // One position further the prompts differ.
                let outcome =
                    subject.run(&Plan::new().edit(at(&[2, 3])), std::slice::from_ref(&example));
                assert!(matches!(outcome.receipts[0].outcome, Outcome::Changed(_)), "{what}");
            }
        }
    }
}

/// What an intervention does is told by its traits: one of a user's own may have any name.
#[test]
fn an_edit_that_does_not_copy_is_made_within_a_shared_prefix_too() {
    for subject in Subject::each() {
        let tail = &subject.long.tokens()[..2];
        let source = subject.prompt(&[&subject.base.tokens()[..3], tail].concat());
        let example = Example::new(subject.base.clone()).source(source);
        let twice = |name| {
            let own = from_fn_with_source(name, |base, source| base + source);
            Edit::new(Component::BlockOutput, 0, Arc::new(own)).at(Positions::index(1))
        };
        for executor in
            [&Reference::new(&subject.model) as &dyn Executor, &Forked::new(&subject.model)]
        {
            let logits = |edit: Edit| {
                let plan = Plan::new().edit(edit).read(Positions::All);
                let plan = plan.resolve(&subject.model, std::slice::from_ref(&example)).unwrap();
                let mut logits = Vec::new();
                executor
                    .run_all(std::slice::from_ref(&plan), &mut |_, outcome| {
                        assert!(matches!(outcome.receipts[0].outcome, Outcome::Changed(_)));
                        logits = logits_of(&outcome, 0);
                        ControlFlow::Continue(())
                    })
                    .unwrap();
                logits
            };
            assert_eq!(logits(twice("interchange")), logits(twice("own")), "{}", subject.name);
        }
    }
}

/// A type of a user's own that bears the name of one of the library's.
#[derive(Debug)]
struct Named(Traits);

impl Intervention for Named {
    fn name(&self) -> &'static str {
        "interchange"
    }

    fn traits(&self) -> Traits {
        self.0
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        base + &sources[0]
    }
}

/// What is declared is believed, of a type and of a closure alike.
#[test]
fn what_is_skipped_and_refused_is_told_by_declared_traits() {
    for subject in Subject::each() {
        let tail = &subject.long.tokens()[..2];
        let source = subject.prompt(&[&subject.base.tokens()[..3], tail].concat());
        let example = Example::new(subject.base.clone()).source(source);
        let edit = |intervention: Arc<dyn Intervention>| {
            Edit::new(Component::BlockOutput, 0, intervention).at(Positions::index(1))
        };
        let outcomes = |edit: Edit| {
            let plan = Plan::new().edit(edit).read(Positions::All);
            let plan = plan.resolve(&subject.model, std::slice::from_ref(&example)).unwrap();
            let executors: [&dyn Executor; 2] =
                [&Reference::new(&subject.model), &Forked::new(&subject.model)];
            executors.map(|executor| {
                let mut outcome = None;
                let mut keep = |_: usize, found: vene::PlanOutcome| {
                    outcome = Some(found.receipts[0].outcome.clone());
                    ControlFlow::Continue(())
                };
                executor.run_all(std::slice::from_ref(&plan), &mut keep).unwrap();
                outcome.unwrap()
            })
        };
        for granularity in [Granularity::Row, Granularity::Whole] {
            let traits = |result| Traits::of(SourceCount::One).result(result);
            let named = |result| {
                let traits = traits(result).granularity(granularity);
                outcomes(edit(Arc::new(Named(traits))))
            };
            let closure = |result| {
                let own = from_fn_with_source("own", |base, source| base + source);
                outcomes(edit(Arc::new(own.with(result, granularity))))
            };
            for outcomes in [named(Dependence::Copies), closure(Dependence::Copies)] {
                assert_eq!(outcomes, [Outcome::SharedPrefix, Outcome::SharedPrefix]);
            }
            for outcomes in [named(Dependence::Relative), closure(Dependence::Relative)] {
                assert!(outcomes.iter().all(|found| matches!(found, Outcome::Changed(_))));
            }
        }
        // Two that write over each other.
        let zero = |result| {
            let own = from_fn("own", Tensor::zeros_like).with(result, Granularity::Row);
            edit(Arc::new(own))
        };
        let twice = |result| {
            let plan = Plan::new().edit(zero(result)).edit(zero(result));
            plan.resolve(&subject.model, std::slice::from_ref(&example))
        };
        assert!(matches!(twice(Dependence::Absolute), Err(PlanError::Conflict { .. })));
        assert!(twice(Dependence::Relative).is_ok());
    }
}

#[test]
fn a_shared_prefix_no_longer_holds_behind_another_edit() {
    for subject in Subject::each() {
        let source =
            subject.prompt(&[&subject.base.tokens()[..3], &subject.long.tokens()[..2]].concat());
        let example = Example::new(subject.base.clone()).source(source);
        let at = |edit: Edit| edit.at(Positions::index(1));
        let scaled = at(Edit::scaling(Component::MlpOutput, 0, 2.0));
        let restored = at(Edit::interchange(Component::BlockOutput, 0));
        let plan = Plan::new().edit(scaled.clone()).edit(restored.clone()).read(Positions::All);
        let outcome = subject.run(&plan, std::slice::from_ref(&example));
        assert!(
            matches!(outcome.receipts[1].outcome, Outcome::Changed(_)),
            "{:?}",
            outcome.receipts[1]
        );
        // The interchange undoes what the scaling did.
        assert!(distance(&logits_of(&outcome, 0), &subject.logits([], &example)) < 1e-12);
        // Before the scaling it has nothing to undo.
        let before = at(Edit::interchange(Component::BlockInput, 0));
        let plan = Plan::new().edit(scaled).edit(before);
        let outcome = subject.run(&plan, std::slice::from_ref(&example));
        assert_eq!(outcome.receipts[1].outcome, Outcome::SharedPrefix);
    }
}

#[test]
fn the_last_residual_stream_is_the_whole_answer() {
    for subject in subjects() {
        let last = subject.model.config().layers.len() - 1;
        let edit = Edit::interchange(Component::BlockOutput, last).at(Positions::All);
        let of_source = subject.logits([], &Example::new(subject.source.clone()));
        assert_eq!(subject.logits([edit], &subject.example()), of_source, "{}", subject.name);
    }
}

#[test]
fn values_that_are_already_there_are_told_from_a_shared_prefix() {
    for subject in Subject::each() {
        let edit = Edit::scaling(Component::MlpOutput, 1, 1.0);
        let outcome = subject.run(&Plan::new().edit(edit), &[subject.example()]);
        assert_eq!(outcome.receipts[0].outcome, Outcome::SameValues);
    }
}
