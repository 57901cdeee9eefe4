//! Every component of the table can be edited, in every layer of every family, by each unit.

use vene::plan::Outcome;
use vene::training::TrainRun;
use vene::{
    Component, Edit, Example, Forked, Generator, Gradients, Plan, PlanError, Positions, Precision,
    Receipt, Reference, Run, Session, Site, SiteError, Source,
};
use vene_test_support::values;

use crate::subject::{ALL, Subject, distance, logits_of};

/// The units of a site, and the first position that each edits.
fn units(subject: &Subject, site: Site) -> Vec<(Edit, usize)> {
    let edit = Edit::interchange(site.component(), site.layer());
    let mut units = vec![
        (edit.clone().at(Positions::All), 0),
        (edit.clone().at(Positions::index(2)), 2),
        (edit.clone().at(Positions::At(vec![4, 1])), 1),
    ];
    for head in 0..subject.heads(site).unwrap_or(0) {
        units.push((edit.clone().at(Positions::All).heads([head]), 0));
        units.push((edit.clone().at(Positions::index(-2)).heads([head]), 3));
    }
    units
}

#[test]
fn every_site_of_every_family_can_be_edited_by_each_unit() {
    let mut edits = 0;
    for subject in Subject::each() {
        let example = subject.example();
        let untouched = subject.logits([], &example);
        for site in subject.sites() {
            for (edit, first) in units(&subject, site) {
                let what = format!("{}: {site} from {first} on", subject.name);
                let plan = Plan::new().edit(edit).read(Positions::All);
                let outcome = subject.run(&plan, std::slice::from_ref(&example));
                let receipt: &Receipt = &outcome.receipts[0];
                assert_eq!((receipt.site, receipt.intervention), (site, "interchange"));
                let Outcome::Changed(change) = receipt.outcome else {
                    panic!("{what}: {receipt:?}")
                };
                assert!(
                    0 < change.changed && change.changed <= change.written,
                    "{what}: {change:?}"
                );
                assert!(
                    change.root_mean_square <= change.largest && change.largest > 0.0,
                    "{what}"
                );
                let edited = logits_of(&outcome, 0);
                assert_eq!(
                    edited[..first],
                    untouched[..first],
                    "{what}: an earlier position changed"
                );
                let effect = distance(&edited[first..], &untouched[first..]);
                assert!(effect > 1e-9, "{what}: no effect ({effect:e})");
                edits += 1;
            }
        }
    }
    println!("{edits} edits, each with an effect");
}

#[test]
fn components_that_a_family_lacks_are_refused_with_what_to_use() {
    use Component::*;
    let lacking = [
        ("gpt2-plain", vec![NormedQuery, NormedKey, RotatedQuery, RotatedKey, MlpGate]),
        ("llama-gqa", vec![NormedQuery, NormedKey]),
        ("gemma3-plain", vec![]),
    ];
    for (subject, (name, lacking)) in Subject::each().zip(lacking) {
        assert_eq!(subject.name, name);
        assert_eq!(Component::all(subject.model.config()).count(), 27 - lacking.len());
        for component in lacking {
            let plan = Plan::new().edit(Edit::zero(component, 0));
            let error = plan.resolve(&subject.model, &[subject.example()]).unwrap_err();
            let PlanError::Site(SiteError::Missing { .. }) = error else { panic!("{error}") };
            assert!(
                error.to_string().contains(": use") || error.to_string().contains("is mlp_up"),
                "{error}"
            );
        }
    }
}

#[test]
fn every_edit_of_every_example_leaves_a_receipt() {
    for subject in Subject::each() {
        let examples = [
            subject.example(),
            vene::Example::new(subject.long.clone()).source(subject.base.clone()),
            vene::Example::new(subject.base.clone()).source(subject.base.clone()),
        ];
        let plan = Plan::new()
            .edit(Edit::interchange(Component::BlockOutput, 1))
            .edit(Edit::scaling(Component::QueryOutput, 0, 3.0).heads([1]).at(Positions::index(0)))
            .edit(Edit::zero(Component::AttentionWeight, 2).keys(Positions::index(-2)))
            .edit(Edit::noise(Component::Embedding, None, 0.1, 7).at(Positions::At(vec![3, 1])));
        let receipts = subject.run(&plan, &examples).receipts;
        let whose: Vec<_> =
            receipts.iter().map(|receipt| (receipt.example, receipt.edit)).collect();
        let expected: Vec<_> =
            (0..3).flat_map(|example| (0..4).map(move |edit| (example, edit))).collect();
        assert_eq!(whose, expected);
        assert_eq!((&receipts[4].positions[..], &receipts[0].positions[..]), (&[8][..], &[4][..]));
        assert_eq!(receipts[4].read, [(Run::Source(0), vec![4])]);
        assert_eq!((&receipts[5].heads, &receipts[6].keys), (&Some(vec![1]), &Some(vec![7])));
        assert_eq!(receipts[7].positions, [3, 1]);
    }
}

/// Each component is a component in everything that runs plans: in a pass by itself, from a session, beside other examples, read by
/// edited sources, with gradients, at gradients' sites, and in a generation.
#[test]
fn every_component_goes_through_every_mode_of_the_engine() {
    let mut modes = 0;
    for subject in ALL.map(|name| Subject::new(name, Precision::Double)) {
        let (model, example) = (&subject.model, subject.example());
        let last = subject.base.len() - 1;
        let session = Session::new(model, [&subject.base, &subject.source]).unwrap();
        let other = Example::new(subject.long.clone()).source(subject.base.clone());
        for site in subject.sites() {
            let what = format!("{}: {site}", subject.name);
            let at = Positions::index(last as i64);
            let edit = Edit::interchange(site.component(), site.layer()).at(at.clone());
            let edited = Plan::new().edit(edit.clone()).read(Positions::Last);
            let plan = edited.clone().collect(site.component(), site.layer(), Positions::All);
            let resolve =
                |plan: &Plan, examples: &[Example]| plan.resolve(model, examples).unwrap();
            let one = resolve(&plan, std::slice::from_ref(&example));
            let without_collects = resolve(&edited, std::slice::from_ref(&example));
            let right = Reference::new(model).run(&one).unwrap();
            let same = |mode: &str, found: &[Vec<f64>]| {
                let error = distance(found, &logits_of(&right, 0));
                assert!(error < 1e-10, "{what}, {mode}: {error:e}");
            };
            let collected = values(&right.examples[0].collected[0]);

            let forked = Forked::new(model).run(&one).unwrap();
            same("a pass", &logits_of(&forked, 0));
            assert!(
                close(&values(&forked.examples[0].collected[0]), &collected),
                "{what}, collected"
            );
            same("a session", &logits_of(&session.run(&one).unwrap(), 0));
            if !site.component().is_pattern() {
                let both = resolve(&plan, &[example.clone(), other.clone()]);
                same("beside another", &logits_of(&Forked::new(model).run(&both).unwrap(), 0));
            }

            // A source that is edited where it is read, with what it was, is what it was.
            let again = edit.clone().within(Run::Source(0)).source(Source::Base);
            let edited = Plan::new().edit(again).edit(edit.clone()).read(Positions::Last);
            let edited = resolve(&edited, std::slice::from_ref(&example));
            let by_reference = Reference::new(model).run(&edited).unwrap();
            let by_forks = Forked::new(model).run(&edited).unwrap();
            let error = distance(&logits_of(&by_forks, 0), &logits_of(&by_reference, 0));
            assert!(error < 1e-10, "{what}, an edited source: {error:e}");

            let trained = TrainRun::new(model, without_collects.clone()).unwrap();
            same("a training", &trained.logits(&[0]).unwrap().to_vec2::<f64>().unwrap());
            let gradients = Gradients::new(model, without_collects.clone(), &[site]).unwrap();
            let found = gradients.of(&[0], &|logits| logits.narrow(1, 0, 1)).unwrap();
            assert!(
                (found.metric() - logits_of(&right, 0)[0][0]).abs() < 1e-10,
                "{what}, a gradient"
            );
            modes += 6;
            if !model.config().is_recurrent() && subject.name != "mlp-plain" {
                let generator =
                    Generator { max_new_tokens: 1, stop: Some(Vec::new()), ..Generator::default() };
                let written = generator
                    .run(model, &without_collects, &mut |_| std::ops::ControlFlow::Continue(()))
                    .unwrap();
                let likeliest = right.distribution(0, 0).unwrap().likeliest();
                assert_eq!(written.continuations[0].tokens, [likeliest], "{what}, generated");
                modes += 1;
            }
        }
    }
    println!("{modes} runs");
}

fn close(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a == b || (a - b).abs() < 1e-10 * (1.0 + a.abs()))
}
