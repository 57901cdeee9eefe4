//! Edits of new tokens: where they land, what they read, and what they leave as receipts.

use std::ops::ControlFlow;
use std::sync::Arc;

use vene::intervention::{Collect, Subspace};
use vene::plan::Outcome;
use vene::{Component, Edit, Example, Module, Plan, Positions, Precision, Reference, When};
use vene_test_support::{relative_error, values};

use super::{generate, greedy, with_logits};
use crate::subject::{PLAIN, Subject};

fn steering(subject: &Subject) -> Edit {
    let width = subject.model.config().d_model;
    let vector = (0..width).map(|column| (column as f64).sin()).collect();
    Edit::steering(Component::BlockOutput, 0, vector)
}

#[test]
fn every_edit_of_every_step_leaves_a_receipt() {
    let subject = Subject::new(PLAIN[0], Precision::Single);
    let plan = Plan::new()
        .edit(steering(&subject).when(When::Generated))
        .edit(Edit::zero(Component::MlpOutput, 1).at(Positions::At(vec![0, 3])))
        .edit(Edit::zero(Component::AttentionOutput, 2).when(When::Steps(vec![0, 2])))
        .edit(
            Edit::scaling(Component::AttentionWeight, 1, 0.5)
                .heads([2])
                .keys(Positions::At(vec![1]))
                .when(When::EveryStep),
        )
        .resolve(&subject.model, &[subject.example(), Example::new(subject.long.clone())])
        .unwrap();
    let generation = generate(&greedy(4), &subject.model, &plan);
    let made: Vec<_> = generation
        .receipts
        .iter()
        .filter(|made| made.receipt.example == 1)
        .map(|made| (made.step, made.receipt.edit, made.receipt.positions.clone()))
        .collect();
    let last = subject.long.len() - 1;
    let expected = [
        (0, 1, vec![0, 3]),
        (0, 2, vec![last]),
        (0, 3, vec![last]),
        (1, 0, vec![last + 1]),
        (1, 3, vec![last + 1]),
        (2, 0, vec![last + 2]),
        (2, 2, vec![last + 2]),
        (2, 3, vec![last + 2]),
        (3, 0, vec![last + 3]),
        (3, 3, vec![last + 3]),
    ];
    assert_eq!(made, expected);
    assert_eq!(generation.receipts.len(), 2 * expected.len());
    for made in &generation.receipts {
        assert!(matches!(made.receipt.outcome, Outcome::Changed(_)), "{made:?}");
        assert_eq!(made.receipt.site, plan.edits()[made.receipt.edit].site);
    }
}

/// A steered text is what the reference gives for the whole of it, steered everywhere.
#[test]
fn steering_everywhere() {
    for subject in Subject::each() {
        let everywhere = steering(&subject).at(Positions::All);
        let plan = Plan::new().edit(everywhere.clone().when(When::EveryStep));
        let plan = plan.resolve(&subject.model, &[Example::new(subject.long.clone())]).unwrap();
        let (generation, [logits, _]) = with_logits(&greedy(6), &subject.model, &plan).unwrap();
        let tokens = &generation.continuations[0].tokens;
        let whole = subject.prompt(&[subject.long.tokens(), &tokens[..5]].concat());
        let right = subject.logits([everywhere], &Example::new(whole));
        let error = relative_error(&logits[0].concat(), &right[subject.long.len() - 1..].concat());
        assert!(error < 1e-10, "{}: {error:e}", subject.name);
    }
}

/// What an edit reads of its own run, at a new token as well.
#[test]
fn skipped_modules_stay_skipped() {
    for subject in Subject::each() {
        for module in [Module::Attention, Module::Mlp, Module::Block] {
            let skip = Edit::skip(module, 1).at(Positions::All);
            let plan = Plan::new().edit(skip.clone().when(When::EveryStep));
            let plan = plan.resolve(&subject.model, &[Example::new(subject.base.clone())]).unwrap();
            let (generation, [logits, _]) = with_logits(&greedy(5), &subject.model, &plan).unwrap();
            let tokens = &generation.continuations[0].tokens;
            let whole = subject.prompt(&[subject.base.tokens(), &tokens[..4]].concat());
            let right = subject.logits([skip], &Example::new(whole));
            let right = right[subject.base.len() - 1..].concat();
            let error = relative_error(&logits[0].concat(), &right);
            assert!(error < 1e-10, "{}: {module:?}: {error:e}", subject.name);
        }
    }
}

/// New tokens that may not look at a position of the prompt.
#[test]
fn a_position_that_no_new_token_sees() {
    let subject = Subject::new(PLAIN[1], Precision::Double);
    let layers = 0..subject.model.config().layers.len();
    let knockouts = |at: Positions, when: When| {
        layers.clone().map(move |layer| {
            Edit::knockout(layer).at(at.clone()).keys(Positions::index(2)).when(when.clone())
        })
    };
    let last = knockouts(Positions::Last, When::EveryStep).fold(Plan::new(), Plan::edit);
    let plan = last.resolve(&subject.model, &[Example::new(subject.base.clone())]).unwrap();
    let (generation, [logits, _]) = with_logits(&greedy(5), &subject.model, &plan).unwrap();
    let tokens = &generation.continuations[0].tokens;
    let whole = subject.prompt(&[subject.base.tokens(), &tokens[..4]].concat());
    let from_last = (subject.base.len() - 1..whole.len()).map(|position| position as i64).collect();
    let right =
        subject.logits(knockouts(Positions::At(from_last), When::Prompt), &Example::new(whole));
    let error = relative_error(&logits[0].concat(), &right[subject.base.len() - 1..].concat());
    assert!(error < 1e-10, "{error:e}");
}

/// Values of new tokens are collected by an edit that changes nothing.
#[test]
fn values_of_new_tokens_can_be_kept() {
    let subject = Subject::new(PLAIN[2], Precision::Double);
    let collect = Collect::new(Subspace::All);
    let edit = Edit::new(Component::MlpOutput, 1, Arc::new(collect.clone()));
    let plan = Plan::new().edit(edit.when(When::EveryStep));
    let example = Example::new(subject.base.clone());
    let plan = plan.resolve(&subject.model, std::slice::from_ref(&example)).unwrap();
    let generation = generate(&greedy(4), &subject.model, &plan);
    let tokens = &generation.continuations[0].tokens;
    let whole = Example::new(subject.prompt(&[subject.base.tokens(), &tokens[..3]].concat()));
    let plan = Plan::new().collect(Component::MlpOutput, 1, Positions::All);
    let plan = plan.resolve(&subject.model, &[whole]).unwrap();
    let right =
        Reference::new(&subject.model).run(&plan).unwrap().examples.remove(0).collected.remove(0);
    let seen = collect.take();
    assert_eq!(seen.len(), 4);
    for kept in seen {
        let row = values(&right.get(kept.positions[0]).unwrap());
        assert!(relative_error(&values(&kept.values), &row) < 1e-10);
    }
}

/// What a plan collects comes with each token: of the prompt where the plan says, then of every token that was read, as
/// the reference has it of the whole text, steered.
#[test]
fn what_a_plan_collects_comes_with_each_token() {
    for subject in Subject::each() {
        let everywhere = steering(&subject).at(Positions::All);
        let prompt = subject.base.len();
        let plan = Plan::new()
            .edit(everywhere.clone().when(When::EveryStep))
            .collect(Component::MlpOutput, 1, Positions::Last)
            .collect(Component::FinalNorm, None, Positions::At(vec![0, -1]))
            .with_original();
        let plan = plan.resolve(&subject.model, &[Example::new(subject.base.clone())]).unwrap();
        let mut kept = [Vec::new(), Vec::new()];
        let generation = greedy(4).run(&subject.model, &plan, &mut |token| {
            let steps = &mut kept[usize::from(token.is_original)];
            assert_eq!((steps.len(), token.collected.len()), (token.step, 2));
            steps.push(token.collected.to_vec());
            ControlFlow::Continue(())
        });
        let generation = generation.unwrap();
        let texts = [
            (&generation.continuations[0].tokens, vec![everywhere]),
            (&generation.originals[0].tokens, Vec::new()),
        ];
        for (kept, (tokens, edits)) in kept.iter().zip(texts) {
            let whole = subject.prompt(&[subject.base.tokens(), &tokens[..3]].concat());
            let plan = edits.into_iter().fold(Plan::new(), Plan::edit);
            let plan = plan
                .collect(Component::MlpOutput, 1, Positions::All)
                .collect(Component::FinalNorm, None, Positions::All)
                .resolve(&subject.model, &[Example::new(whole)])
                .unwrap();
            let right = Reference::new(&subject.model).run(&plan).unwrap().examples.remove(0);
            let row = |site: usize, position: usize| {
                values(&right.collected[site].get(position).unwrap())
            };
            for (step, collected) in kept.iter().enumerate() {
                let mut expected = vec![row(0, prompt - 1 + step), row(1, prompt - 1 + step)];
                if step == 0 {
                    expected[1] = [row(1, 0), row(1, prompt - 1)].concat();
                }
                for (found, expected) in collected.iter().zip(&expected) {
                    let error = relative_error(&values(found), expected);
                    assert!(error < 1e-10, "{}, step {step}: {error:e}", subject.name);
                }
            }
        }
    }
}
