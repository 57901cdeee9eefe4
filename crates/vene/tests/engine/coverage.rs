//! Every component of the table can be edited, in every layer of every family, by each unit.

use vene::plan::Outcome;
use vene::{Component, Edit, Plan, PlanError, Positions, Receipt, Run, Site, SiteError};

use crate::subject::{Subject, distance, logits_of};

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
