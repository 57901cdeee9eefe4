//! Positions that a prompt does not have, and those that a phrase names.

use vene::plan::Ends;
use vene::{Edit, Example, Part, Plan, PlanError, PositionError, Positions, Source};

use crate::plan_errors::{BLOCK, refused, subject};

#[test]
fn positions() {
    let subject = &subject();
    let text = subject.model.prompt("t1 t2 t1 t5").unwrap();
    let examples = [Example::new(text).source(subject.base.clone())];
    let refuse = |positions: Positions, message: &str| {
        let plan = Plan::new().edit(Edit::zero(BLOCK, 0).at(positions.clone()));
        let message = format!("the base of example 0: {message}");
        let error = refused(subject, &plan, &examples, &message);
        assert!(matches!(error, PlanError::Position { .. }));
        // The same words for what is read.
        refused(subject, &Plan::new().read(positions), &examples, &message);
    };
    refuse(Positions::index(4), "position 4: the prompt has 4 tokens, 0 to 3");
    refuse(Positions::index(-5), "position -5: the prompt has 4 tokens, 0 to 3");
    refuse(Positions::At(vec![3, -1]), "position 3 is named twice");
    refuse(
        Positions::Each(vec![]),
        "positions are given for 0 examples, there is none for example 0",
    );
    refuse(Positions::last_of("t7"), "`t7` is not in `t1 t2 t1 t5`");
    refuse(
        Positions::last_of("t1"),
        "`t1` is 2 times in `t1 t2 t1 t5`: say which occurrence is meant, 0 to 1",
    );
    refuse(Positions::last_of("t1").occurrence(2), "`t1` is only 2 times in `t1 t2 t1 t5`");
    refuse(Positions::last_of(" "), "an empty phrase is nowhere");
    refuse(
        Positions::Characters { range: 3..12, part: Part::All },
        "characters 3..12: the prompt has 11 characters",
    );
    refuse(
        Positions::Ends(Ends::both(1, 5)),
        "the first 1 and the last 5 tokens: the prompt has too few tokens, 4",
    );
    refuse(
        Positions::Ends(Ends::last(2).skip_last(3)),
        "the last 2 tokens before the last 3: the prompt has too few tokens, 4",
    );
    refuse(Positions::phrase("t5", Part::After), "no token follows t5: it ends the prompt");
    let of_source =
        Edit::interchange(BLOCK, 0).at(Positions::last_of("t5")).from(Positions::last_of("t5"));
    let error = refused(
        subject,
        &Plan::new().edit(of_source),
        &examples,
        "the source of example 0: the prompt was given as token ids: name positions by number",
    );
    assert!(matches!(error, PlanError::Position { error: PositionError::NoText, .. }));
}

#[test]
fn of_several_sources_the_one_is_named() {
    let subject = &subject();
    let source = |text: &str| subject.model.prompt(text).unwrap();
    let example = Example::new(source("t1 t5")).source(source("t5 t1")).source(source("t1 t2 t2"));
    let refuse = |from: Positions, message: &str| {
        let edit = Edit::new(BLOCK, 0, std::sync::Arc::new(vene::intervention::Mean));
        let edit = edit.at(Positions::last_of("t5")).from(from).source(Source::AllRuns);
        refused(subject, &Plan::new().edit(edit), std::slice::from_ref(&example), message);
    };
    refuse(Positions::last_of("t5"), "source 1 of example 0: `t5` is not in `t1 t2 t2`");
    refuse(
        Positions::All,
        "edit 0, example 0: 1 positions are written in the base (2 tokens), 2 are read in source 0 (2 tokens): \
         name as many on both sides, e.g. the last token of a phrase",
    );
}

#[test]
fn phrases_name_the_tokens_that_cover_them() {
    let subject = &subject();
    let prompt = subject.model.prompt("t1 t22 t1 t5").unwrap();
    let resolve = |positions: Positions| positions.resolve(&prompt, 0).unwrap();
    assert_eq!(resolve(Positions::phrase("t22 t1", Part::All)), [1, 2]);
    assert_eq!(resolve(Positions::phrase("t22 t1", Part::First)), [1]);
    assert_eq!(resolve(Positions::phrase("t22 t1", Part::After)), [3]);
    assert_eq!(resolve(Positions::last_of("t1").occurrence(1)), [2]);
    assert_eq!(resolve(Positions::Characters { range: 4..8, part: Part::All }), [1, 2]);
}
