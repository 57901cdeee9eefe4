//! Every way in which a plan can be wrong is reachable, and told in one line that says what is
//! wrong, what was expected and what to do.

use vene::plan::Source;
use vene::{
    Component, Edit, Example, Module, Plan, PlanError, Positions, Precision, Run, SiteError,
};

use crate::subject::{PLAIN, Subject};

pub fn subject() -> Subject {
    Subject::new(PLAIN[1], Precision::Single)
}

/// The error of a wrong plan, which must read so.
#[track_caller]
pub fn refused(subject: &Subject, plan: &Plan, examples: &[Example], message: &str) -> PlanError {
    let error = plan.resolve(&subject.model, examples).expect_err("the plan is wrong");
    assert_eq!(error.to_string(), message);
    assert!(!message.contains('\n'));
    error
}

/// An edit that is wrong in the subject's example.
macro_rules! refused_edit {
    ($subject:expr, $edit:expr, $message:expr, $pattern:pat) => {
        let error = refused($subject, &Plan::new().edit($edit), &[$subject.example()], $message);
        assert!(matches!(error, $pattern), "{error:?}");
    };
}

pub const BLOCK: Component = Component::BlockOutput;

#[test]
fn sites() {
    let subject = &subject();
    refused_edit!(
        subject,
        Edit::zero(BLOCK, 3),
        "block_output of layer 3: the model has 3 layers, 0 to 2",
        PlanError::Site(SiteError::LayerPastEnd { .. })
    );
    refused_edit!(
        subject,
        Edit::zero(BLOCK, None),
        "block_output is in every layer: say which layer is meant",
        PlanError::Site(SiteError::LayerNeeded { .. })
    );
    refused_edit!(
        subject,
        Edit::zero(Component::Logits, 1),
        "logits is not in a layer (layer 1 was given): a model has it once",
        PlanError::Site(SiteError::NoLayers { .. })
    );
    refused_edit!(
        subject,
        Edit::zero(Component::NormedKey, 1),
        "there is no normed_key here: this model has no query/key norm: use query_output or key_output",
        PlanError::Site(SiteError::Missing { .. })
    );
    refused_edit!(
        subject,
        Edit::interchange(BLOCK, 1).from_layer(7),
        "block_output of layer 7: the model has 3 layers, 0 to 2",
        PlanError::Site(SiteError::LayerPastEnd { .. })
    );
}

#[test]
fn heads() {
    let subject = &subject();
    refused_edit!(
        subject,
        Edit::zero(BLOCK, 0).heads([0]),
        "block_output has no heads; components with heads are query_output, key_output, value_output, \
         rotated_query, rotated_key, attention_score, attention_weight, attention_value_output, head_result",
        PlanError::NoHeads { .. }
    );
    refused_edit!(
        subject,
        Edit::zero(Component::QueryOutput, 0).heads([4]),
        "head 4 of query_output: it has 4 heads, 0 to 3",
        PlanError::HeadPastEnd { .. }
    );
    refused_edit!(
        subject,
        Edit::zero(Component::KeyOutput, 0).heads([2]),
        "head 2 of key_output: it has 2 heads, 0 to 1 (key and value heads, each shared by 2 query heads)",
        PlanError::HeadPastEnd { .. }
    );
    refused_edit!(
        subject,
        Edit::interchange(Component::KeyOutput, 0).heads([1]).from_heads([3]),
        "head 3 of key_output: it has 2 heads, 0 to 1 (key and value heads, each shared by 2 query heads)",
        PlanError::HeadPastEnd { .. }
    );
    refused_edit!(
        subject,
        Edit::zero(Component::QueryOutput, 0).heads([1, 1]),
        "head 1 of query_output is named twice",
        PlanError::HeadTwice { .. }
    );
    refused_edit!(
        subject,
        Edit::zero(Component::QueryOutput, 0).keys(Positions::All),
        "query_output has no keys: only attention_score and attention_weight are [head, query, key]",
        PlanError::NoKeys { .. }
    );
}

#[test]
fn edits_that_land_nowhere() {
    let subject = &subject();
    refused_edit!(
        subject,
        Edit::zero(BLOCK, 0).at(Positions::At(vec![])),
        "edit 0 (block_output of layer 0) lands nowhere in example 0: it names no position",
        PlanError::LandsNowhere { .. }
    );
    refused_edit!(
        subject,
        Edit::zero(Component::QueryOutput, 0).heads([]),
        "edit 0 (query_output of layer 0) lands nowhere in example 0: it names no head",
        PlanError::LandsNowhere { .. }
    );
    refused_edit!(
        subject,
        Edit::knockout(1).at(Positions::index(1)).keys(Positions::At(vec![3, 4])),
        "edit 0 (attention_score of layer 1) lands nowhere in example 0: no query at [1] sees a key at \
         [3, 4], since attention looks back only",
        PlanError::LandsNowhere { .. }
    );
    // Within a sliding window a query sees no key that lies too far back.
    let gemma = &Subject::new(PLAIN[2], Precision::Single);
    let windowed =
        gemma.model.config().layers.iter().position(|layer| layer.window == Some(4)).unwrap();
    let edit = Edit::knockout(windowed).keys(Positions::index(0));
    let error = Plan::new().edit(edit).resolve(&gemma.model, &[gemma.example()]).unwrap_err();
    assert!(
        error.to_string().contains("looks back only, in this layer over 4 positions"),
        "{error}"
    );
}

#[test]
fn sources() {
    let subject = &subject();
    let alone = [subject.example(), Example::new(subject.base.clone())];
    let error = refused(
        subject,
        &Plan::new().edit(Edit::interchange(BLOCK, 0)),
        &alone,
        "edit 0 (interchange, block_output of layer 0) needs source 0 of example 1, counted from 0, which has 0: give its prompts as sources",
    );
    assert!(matches!(error, PlanError::NoSource { example: 1, .. }));
    let error = Plan::new().edit(Edit::mean(BLOCK, 0)).resolve(&subject.model, &alone).unwrap_err();
    assert!(matches!(error, PlanError::NoSource { example: 1, .. }), "{error}");
    refused_edit!(
        subject,
        Edit::zero(BLOCK, 0).source(Source::Run(0)),
        "edit 0: zero reads no source, and one is given",
        PlanError::SourceCount { .. }
    );
    refused_edit!(
        subject,
        Edit::interchange(BLOCK, 0).source(Source::AllRuns),
        "edit 0: interchange reads one source, and all of them is given",
        PlanError::SourceCount { .. }
    );
    refused_edit!(
        subject,
        Edit::interchange(BLOCK, 0).source(Source::Current(Component::BlockOutput)),
        "edit 0 reads block_output of its own run and writes block_output of layer 0: within one run \
         only what lies before the written site can be read, of the same width",
        PlanError::ReadBehindWrite { .. }
    );
}

#[test]
fn an_edit_of_a_source_of_which_nothing_is_read() {
    let subject = &subject();
    let edit = Edit::zero(BLOCK, 1).within(Run::Source(0));
    let message = "edit 0 (block_output of layer 1) is made in the run of source 0, of which no edit of another run \
                   reads anything there or after it: it would change nothing; leave it out, or let an edit read what \
                   it changes";
    let examples = [subject.example()];
    let alone = Plan::new().edit(edit.clone());
    // What is read before it is as it was.
    let before = alone.clone().edit(Edit::interchange(BLOCK, 0));
    for plan in [&alone, &before] {
        let error = refused(subject, plan, &examples, message);
        assert!(matches!(error, PlanError::EditUnread { edit: 0, run: 0, .. }));
    }
    for read in [Edit::interchange(BLOCK, 1), Edit::mean(Component::FinalNorm, None)] {
        assert!(alone.clone().edit(read).resolve(&subject.model, &examples).is_ok());
    }
}

#[test]
fn whether_sources_are_read() {
    let subject = &subject();
    let reads = |edits: Vec<Edit>| {
        let plan = edits.into_iter().fold(Plan::new(), Plan::edit);
        plan.resolve(&subject.model, &[subject.example()]).unwrap().reads_sources()
    };
    let of_source = Edit::interchange(Component::MlpOutput, 1);
    let given = Source::Given(std::sync::Arc::new(vec![0.5; subject.model.config().d_model]));
    for edit in [
        Edit::zero(BLOCK, 0),
        Edit::interchange(BLOCK, 1).source(Source::Base),
        Edit::interchange(BLOCK, 1).source(given),
        Edit::skip(Module::Mlp, 0),
    ] {
        assert!(!reads(vec![edit.clone()]), "{edit:?}");
        assert!(reads(vec![edit, of_source.clone()]));
    }
    assert!(reads(vec![Edit::zero(BLOCK, 0).within(Run::Source(0)), of_source]));
}

#[test]
fn base_and_source_that_do_not_match() {
    let subject = &subject();
    let long = [Example::new(subject.base.clone()).source(subject.long.clone())];
    let advice = "name as many on both sides, e.g. the last token of a phrase";
    let cases = [
        (
            Edit::interchange(BLOCK, 0).at(Positions::All),
            "5 positions are written in the base (5 tokens), 9 are read in the source (9 tokens)",
        ),
        (
            Edit::interchange(Component::QueryOutput, 0).heads([0]).from_heads([1, 2]),
            "1 heads are written in the base (5 tokens), 2 are read in the source (9 tokens)",
        ),
        (
            Edit::interchange(Component::AttentionScore, 0),
            "5 keys are written in the base (5 tokens), 9 are read in the source (9 tokens)",
        ),
    ];
    for (edit, what) in cases {
        let message = format!("edit 0, example 0: {what}: {advice}");
        let error = refused(subject, &Plan::new().edit(edit), &long, &message);
        assert!(matches!(error, PlanError::Unequal { .. }));
    }
}

#[test]
fn given_values() {
    let subject = &subject();
    let width = subject.model.config().d_model;
    let two = Positions::At(vec![0, 1]);
    let message = format!(
        "edit 0 (block_output of layer 0): 3 values are given; expected {width} (one row for all \
         positions) or {} (a row for each)",
        2 * width
    );
    refused_edit!(
        subject,
        Edit::constant(BLOCK, 0, vec![0.0; 3]).at(two),
        &message,
        PlanError::GivenLength { .. }
    );
    refused_edit!(
        subject,
        Edit::steering(BLOCK, 0, vec![f64::NAN; width]),
        "edit 0 (block_output of layer 0): the given values hold NaN; expected finite numbers",
        PlanError::NotFinite { .. }
    );
}

#[test]
fn edits_that_contradict_each_other() {
    let subject = &subject();
    let advice =
        "the second would undo the first; leave one out or edit different positions or heads";
    let refuse = |first: Edit, second: Edit, what: &str| {
        let message = format!("edits 0 and 1 both replace {what}: {advice}");
        let plan = Plan::new().edit(first).edit(second);
        let error = refused(subject, &plan, &[subject.example()], &message);
        assert!(matches!(error, PlanError::Conflict { first: 0, second: 1, .. }));
    };
    // One place under two names.
    refuse(
        Edit::interchange(BLOCK, 1),
        Edit::zero(Component::BlockInput, 2),
        "block_input of layer 2 in example 0 (position 4)",
    );
    refuse(
        Edit::zero(Component::Embedding, None).at(Positions::All),
        Edit::zero(Component::BlockInput, 0).at(Positions::index(2)),
        "block_input of layer 0 in example 0 (position 2)",
    );
    refuse(
        Edit::zero(Component::MlpOutput, 0),
        Edit::zero(Component::MlpContribution, 0),
        "mlp_contribution of layer 0 in example 0 (position 4)",
    );
    refuse(
        Edit::zero(Component::QueryOutput, 0).heads([1, 2]),
        Edit::interchange(Component::QueryOutput, 0).heads([2, 3]),
        "query_output of layer 0 in example 0 (position 4, head 2)",
    );
    refuse(
        Edit::knockout(0).keys(Positions::At(vec![1, 2])),
        Edit::zero(Component::AttentionScore, 0).keys(Positions::At(vec![0, 1])),
        "attention_score of layer 0 in example 0 (position 4)",
    );

    let accepted = |first: Edit, second: Edit| {
        Plan::new().edit(first).edit(second).resolve(&subject.model, &[subject.example()]).unwrap();
    };
    accepted(Edit::zero(BLOCK, 1), Edit::zero(BLOCK, 1).at(Positions::index(0)));
    accepted(Edit::zero(BLOCK, 1), Edit::scaling(BLOCK, 1, 2.0));
    accepted(
        Edit::zero(Component::QueryOutput, 0).heads([1]),
        Edit::zero(Component::QueryOutput, 0).heads([2]),
    );
    accepted(
        Edit::knockout(0).keys(Positions::index(1)),
        Edit::knockout(0).keys(Positions::index(2)),
    );
    // Under post-norms a module's output and its contribution are two places.
    let gemma = Subject::new(PLAIN[2], Precision::Single);
    let plan = Plan::new()
        .edit(Edit::zero(Component::MlpOutput, 0))
        .edit(Edit::zero(Component::MlpContribution, 0));
    plan.resolve(&gemma.model, &[gemma.example()]).unwrap();
}

#[test]
fn no_examples_and_parts_of_patterns() {
    let subject = &subject();
    refused(subject, &Plan::new(), &[], "there is no example to run the plan on");
    refused(
        subject,
        &Plan::new().collect(Component::AttentionWeight, 0, Positions::Last),
        &[subject.example()],
        "attention_weight is collected for all positions at once: it is [head, query, key]",
    );
}

#[test]
fn lists_for_examples_that_are_not_there() {
    let subject = &subject();
    let two = || Positions::Each(vec![vec![0], vec![1]]);
    let message = |whose: &str| {
        format!(
            "{whose} of example 1: positions are given for 2 examples, and there are 1: give a list for each"
        )
    };
    for (whose, edit) in [
        ("the base", Edit::zero(BLOCK, 0).at(two())),
        ("the source", Edit::interchange(BLOCK, 0).at(Positions::At(vec![0])).from(two())),
        ("the base", Edit::zero(Component::AttentionScore, 0).at(Positions::Last).keys(two())),
    ] {
        refused(subject, &Plan::new().edit(edit), &[subject.example()], &message(whose));
    }
    refused(subject, &Plan::new().read(two()), &[subject.example()], &message("the base"));
    let collected = Plan::new().collect(BLOCK, 0, two());
    refused(subject, &collected, &[subject.example()], &message("the base"));
    refused_edit!(
        subject,
        Edit::zero(Component::QueryOutput, 0).heads(vene::Heads::Each(vec![vec![0], vec![1]])),
        "2 lists of heads of query_output are given for 1 examples: give one for each, empty where nothing is to be edited",
        PlanError::HeadLists { .. }
    );
}
