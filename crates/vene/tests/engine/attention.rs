//! Attention patterns: knockout, and causality whatever is written.

use vene::plan::Outcome;
use vene::{Component, Edit, Example, Plan, Positions, Reference, RunError, Site};
use vene_test_support::{relative_error, values};

use crate::subject::{Subject, distance, logits_of};

/// The weighted values `[positions, heads * head_dim]` that follow from scores by hand.
fn by_hand(subject: &Subject, scores: &[f64], all_values: &[f64], tokens: usize) -> Vec<f64> {
    let config = subject.model.config();
    let (width, value_width) =
        (config.heads * config.head_dim, config.key_value_heads * config.head_dim);
    let mut mixed = vec![0.0; tokens * width];
    for head in 0..config.heads {
        let value_head = head / (config.heads / config.key_value_heads);
        for query in 0..tokens {
            let row = &scores[(head * tokens + query) * tokens..][..tokens];
            let total: f64 = row.iter().map(|score| score.exp()).sum();
            for (key, score) in row.iter().enumerate() {
                for column in 0..config.head_dim {
                    mixed[query * width + head * config.head_dim + column] += score.exp() / total
                        * all_values[key * value_width + value_head * config.head_dim + column];
                }
            }
        }
    }
    mixed
}

#[test]
fn a_knockout_is_a_score_of_minus_infinity() {
    for subject in Subject::each() {
        let example = Example::new(subject.long.clone());
        let tokens = subject.long.len();
        for layer in 0..subject.model.config().layers.len() {
            let site =
                |component| Site::new(component, Some(layer), subject.model.config()).unwrap();
            let mut scores = subject.values(site(Component::AttentionScore), [], &example);
            let all_values = subject.values(site(Component::ValueOutput), [], &example);
            let mixed = |edits: Vec<Edit>| {
                subject.values(site(Component::AttentionValueOutput), edits, &example)
            };
            assert!(
                relative_error(&mixed(vec![]), &by_hand(&subject, &scores, &all_values, tokens))
                    < 1e-12
            );

            // Queries 5 and 8 of heads 1 and 3 lose keys 4 to 6, of which 6 is hidden from query 5.
            let knockout = Edit::knockout(layer)
                .at(Positions::At(vec![5, 8]))
                .keys(Positions::At(vec![4, 5, 6]))
                .heads([1, 3]);
            let mut knocked_out = 0;
            for (index, score) in scores.iter_mut().enumerate() {
                let (head, query, key) =
                    (index / tokens / tokens, index / tokens % tokens, index % tokens);
                if [1, 3].contains(&head) && [5, 8].contains(&query) && (4..=6).contains(&key) {
                    knocked_out += usize::from(score.is_finite());
                    *score = f64::NEG_INFINITY;
                }
            }
            let expected = by_hand(&subject, &scores, &all_values, tokens);
            let plan = Plan::new().edit(knockout.clone());
            let outcome = subject.run(&plan, std::slice::from_ref(&example));
            let Outcome::Changed(change) = outcome.receipts[0].outcome else {
                panic!("nothing changed")
            };
            assert_eq!((change.written, change.changed), (12, knocked_out), "{}", subject.name);
            assert!(relative_error(&mixed(vec![knockout]), &expected) < 1e-12, "{}", subject.name);
        }
    }
}

#[test]
fn a_query_without_a_key_is_an_error_that_says_which() {
    for subject in Subject::each() {
        let knockout = Edit::knockout(1).at(Positions::index(3)).heads([2]);
        let example = subject.example();
        for keys in [Positions::All, Positions::At(vec![3, 2, 1, 0])] {
            let plan = Plan::new().edit(knockout.clone().keys(keys));
            let examples = [Example::new(subject.long.clone()), example.clone()];
            let plan = plan.resolve(&subject.model, &examples).unwrap();
            let error = Reference::new(&subject.model).run(&plan).unwrap_err();
            let RunError::NothingToAttend { layer, head, query, example } = error else {
                panic!("{error}")
            };
            assert_eq!((layer, head, query, example), (1, 2, 3, 0));
            assert!(error.to_string().contains("leave it at least one"), "{error}");
        }
    }
}

/// Every query may be made to attend elsewhere, but never ahead.
#[test]
fn nothing_written_to_a_pattern_lets_a_query_look_ahead() {
    for subject in Subject::each() {
        let (config, tokens) = (subject.model.config(), subject.base.len());
        let mut other = subject.base.tokens().to_vec();
        other[3] = (other[3] + 1) % config.vocabulary as u32;
        let other = Example::new(subject.prompt(&other));
        let example = Example::new(subject.base.clone());
        for component in [Component::AttentionScore, Component::AttentionWeight] {
            for layer in 0..config.layers.len() {
                let site = Site::new(component, Some(layer), config).unwrap();
                let hidden = match component {
                    Component::AttentionScore => f64::NEG_INFINITY,
                    _ => 0.0,
                };
                let row = vec![3.0; config.heads * tokens];
                let edits = [
                    Edit::constant(component, layer, row.clone()),
                    Edit::steering(component, layer, row),
                    Edit::scaling(component, layer, -2.0),
                    Edit::zero(component, layer),
                    Edit::noise(component, layer, 1.0, 3),
                ];
                for edit in edits {
                    let edit = edit.at(Positions::All);
                    let collected = subject.values(site, [edit.clone()], &example);
                    for (index, value) in collected.iter().enumerate() {
                        let (query, key) = (index / tokens % tokens, index % tokens);
                        let is_visible = config.visible(layer, query, key);
                        assert!(
                            is_visible || *value == hidden,
                            "{site}: query {query} sees key {key}"
                        );
                    }
                    // The token at position 3 changes nothing before it.
                    let (a, b) =
                        (subject.logits([edit.clone()], &example), subject.logits([edit], &other));
                    assert!(distance(&a[..3], &b[..3]) < 1e-12, "{}: {site}", subject.name);
                    assert!(distance(&a[3..], &b[3..]) > 1e-6);
                }
            }
        }
    }
}

#[test]
fn receipts_count_only_what_a_query_may_see() {
    for subject in Subject::each() {
        let config = subject.model.config();
        let edit = Edit::scaling(Component::AttentionScore, 0, 2.0).at(Positions::At(vec![0, 2]));
        let outcome = subject.run(&Plan::new().edit(edit), &[subject.example()]);
        let Outcome::Changed(change) = outcome.receipts[0].outcome else {
            panic!("nothing changed")
        };
        assert_eq!(change.written, config.heads * 2 * 5);
        assert_eq!(change.changed, config.heads * (1 + 3));
        assert!(change.largest.is_finite() && change.before > 0.0);
    }
}

#[test]
fn an_edited_weight_row_is_not_renormalised() {
    for subject in Subject::each() {
        let mixed =
            Site::new(Component::AttentionValueOutput, Some(1), subject.model.config()).unwrap();
        let edit = Edit::scaling(Component::AttentionWeight, 1, 0.5).at(Positions::All);
        let (before, after) = (
            subject.collect(mixed, [], &subject.example()),
            subject.collect(mixed, [edit], &subject.example()),
        );
        let half: Vec<f64> = values(&before).iter().map(|value| value / 2.0).collect();
        assert!(relative_error(&values(&after), &half) < 1e-12);
    }
}

#[test]
fn given_patterns_are_read_as_they_are_collected() {
    for subject in Subject::each() {
        let example = subject.example();
        for component in [Component::AttentionScore, Component::AttentionWeight] {
            let site = Site::new(component, Some(1), subject.model.config()).unwrap();
            let of_source = subject.values(site, [], &Example::new(subject.source.clone()));
            // −∞ cannot be given; what is hidden stays so, whatever stands there.
            let given = of_source
                .iter()
                .map(|value| if value.is_finite() { *value } else { 0.0 })
                .collect();
            let constant = Edit::constant(component, 1, given).at(Positions::All);
            let interchange = Edit::interchange(component, 1).at(Positions::All);
            let run = |edit| subject.run(&Plan::new().edit(edit), std::slice::from_ref(&example));
            let (constant, interchange) = (run(constant), run(interchange));
            assert!(distance(&logits_of(&constant, 0), &logits_of(&interchange, 0)) < 1e-12);
        }
    }
}
