//! Batches, and the two precisions.

use vene::{Component, Edit, Example, Plan, Positions, Precision, Run};
use vene_test_support::{relative_error, values};

use crate::subject::{PLAIN, Subject, distance, logits_of};

/// Edits of every sort, none of which depends on the example's index.
fn plan(subject: &Subject) -> Plan {
    let width = subject.model.config().d_model;
    Plan::new()
        .edit(Edit::interchange(Component::BlockOutput, 0).at(Positions::index(1)))
        .edit(Edit::interchange(Component::ValueOutput, 1).heads([0]).at(Positions::index(-2)))
        .edit(Edit::scaling(Component::MlpNeuron, 1, 0.5).at(Positions::All))
        .edit(Edit::knockout(2).keys(Positions::index(-2)))
        .edit(Edit::steering(Component::FinalNorm, None, vec![0.5; width]))
        .edit(Edit::scaling(Component::Logits, None, 1.5).at(Positions::index(0)))
        .collect(Component::BlockOutput, 1, Positions::At(vec![0, -1]))
        .collect(Component::AttentionWeight, 2, Positions::All)
        .collect(Component::Logits, None, Positions::At(vec![-1, 0]))
        .read(Positions::At(vec![2, -1]))
}

fn ragged(subject: &Subject) -> Vec<Example> {
    vec![
        subject.example(),
        Example::new(subject.long.clone()).source(subject.source.clone()),
        Example::new(subject.prompt(&subject.long.tokens()[..4])).source(subject.long.clone()),
    ]
}

#[test]
fn ragged_examples_together_are_the_same_as_one_by_one() {
    for (precision, tolerance) in [(Precision::Single, 1e-5), (Precision::Double, 1e-12)] {
        for name in PLAIN {
            let subject = Subject::new(name, precision);
            let examples = ragged(&subject);
            let together = subject.run(&plan(&subject), &examples);
            for (index, example) in examples.iter().enumerate() {
                let alone = subject.run(&plan(&subject), std::slice::from_ref(example));
                assert!(
                    distance(&logits_of(&together, index), &logits_of(&alone, 0)) < tolerance,
                    "{name}"
                );
                let pairs =
                    together.examples[index].collected.iter().zip(&alone.examples[0].collected);
                for (a, b) in pairs {
                    assert_eq!(a.dims(), b.dims());
                    assert!(relative_error(&values(a), &values(b)) < tolerance, "{name}");
                }
            }
        }
    }
}

#[test]
fn positions_may_be_given_for_each_example() {
    for subject in Subject::each() {
        let examples = ragged(&subject);
        let each = |positions: [i64; 3]| {
            Positions::Each(positions.map(|position| vec![position]).to_vec())
        };
        let edit = Edit::interchange(Component::BlockOutput, 0);
        let plan = Plan::new().edit(edit.clone().at(each([0, 5, -1])).from(each([4, 0, 7])));
        let together = subject.run(&plan, &examples);
        for (index, (at, from)) in [(0, 4), (5, 0), (3, 7)].into_iter().enumerate() {
            let edit = edit.clone().at(Positions::index(at)).from(Positions::index(from));
            let alone =
                subject.run(&Plan::new().edit(edit), std::slice::from_ref(&examples[index]));
            assert!(distance(&logits_of(&together, index), &logits_of(&alone, 0)) < 1e-12);
            assert_eq!(together.receipts[index].positions, [at as usize]);
            assert_eq!(together.receipts[index].read, [(Run::Source(0), vec![from as usize])]);
        }
    }
}

#[test]
fn single_and_double_precision_agree() {
    let mut worst: f64 = 0.0;
    for name in PLAIN {
        let [single, double] =
            [Precision::Single, Precision::Double].map(|precision| Subject::new(name, precision));
        for site in double.sites() {
            let edit =
                || Edit::interchange(site.component(), site.layer()).at(Positions::At(vec![1, 3]));
            let logits = |subject: &Subject| subject.logits([edit()], &subject.example());
            worst = worst.max(distance(&logits(&single), &logits(&double)));
        }
        let plans = [&single, &double].map(|subject| subject.run(&plan(subject), &ragged(subject)));
        for example in 0..3 {
            let [single, double] = [0, 1].map(|index: usize| logits_of(&plans[index], example));
            worst = worst.max(distance(&single, &double));
        }
    }
    println!("f32 against f64: {worst:.1e}");
    assert!(worst < 1e-4, "{worst:e}");
}

#[test]
fn a_plan_may_collect_without_reading() {
    for subject in Subject::each() {
        let plan = Plan::new()
            .collect(Component::BlockOutput, 1, Positions::Last)
            .read(Positions::At(Vec::new()));
        let outcome = subject.run(&plan, &[subject.example()]);
        assert!(outcome.examples[0].distributions.is_empty());
        assert_eq!(outcome.examples[0].collected[0].dims(), [1, subject.model.config().d_model]);
    }
}
