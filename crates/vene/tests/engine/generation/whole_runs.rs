//! Going on from kept keys and values is running the whole text: on every random model, with and without
//! edits of the prompt, and with edits of new tokens.

use std::sync::LazyLock;

use proptest::prelude::*;
use vene::plan::ResolvedPlan;
use vene::{Example, Generation, Plan, PlanError, Precision, Reference, RunError, When};
use vene_test_support::{model_names, relative_error};

use super::{StepLogits, greedy, with_logits};
use crate::random_plan::{RandomPlan, random_plan, random_plan_of_rows};
use crate::subject::Subject;

/// Sums of f64 in another order.
const CLOSE: f64 = 1e-10;

/// Tokens behind each prompt: more than any window.
const TOKENS: usize = 7;

static MODELS: LazyLock<Vec<Subject>> = LazyLock::new(|| {
    let names = model_names().into_iter();
    let subjects = names.map(|name| Subject::new(name.leak(), Precision::Double));
    // Other networks write no text, and a text may not grow past a length at which its rows are turned otherwise.
    let writes = |subject: &Subject| {
        let config = subject.model.config();
        config.is_transformer() && config.longest_like(1) >= subject.long.len() + TOKENS
    };
    subjects.filter(writes).collect()
});

fn cases(otherwise: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(otherwise),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A plan resolved, or nothing where two of its edits contradict each other, or one cannot be made at a new
/// token.
fn resolved(subject: &Subject, plan: &Plan, examples: &[Example]) -> Option<ResolvedPlan> {
    match plan.resolve(&subject.model, examples) {
        Ok(plan) => Some(plan),
        Err(PlanError::Conflict { .. } | PlanError::OnSteps { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// The tokens of each text before a step.
fn before(generation: &Generation, step: usize) -> Vec<Vec<u32>> {
    let texts = generation.continuations.iter();
    texts.map(|text| text.tokens[..step].to_vec()).collect()
}

/// Compares each step with the reference's run of the whole text so far, under the plan for it.
fn check(
    subject: &Subject,
    random: &RandomPlan,
    found: Result<(Generation, StepLogits), RunError>,
    plan_of_whole: impl Fn(usize) -> Plan,
) -> Result<(), TestCaseError> {
    let run = |step: usize, more: &[Vec<u32>]| {
        let plan = plan_of_whole(step);
        let examples = random.continued(subject, more);
        let plan = plan.resolve(&subject.model, &examples).unwrap_or_else(|e| panic!("{e}"));
        Reference::new(&subject.model).run(&plan)
    };
    let (generation, [logits, _]) = match found {
        Ok(found) => found,
        Err(error) => {
            // An edit that no run survives; which step it is at is not told.
            prop_assert!(
                matches!(error, RunError::NothingToAttend { .. } | RunError::NotFinite { .. }),
                "{error}"
            );
            return Ok(());
        }
    };
    prop_assert!(logits.iter().all(|steps| steps.len() == TOKENS));
    let found = |prompt: usize, step: usize| &logits[prompt][step];
    for step in 0..TOKENS {
        let whole = run(step, &before(&generation, step)).map_err(|error| {
            TestCaseError::fail(format!("{}: only the whole run fails: {error}", subject.name))
        })?;
        for (prompt, outcome) in whole.examples.iter().enumerate() {
            let right = &outcome.distributions[0];
            let error = relative_error(found(prompt, step), right.logits());
            prop_assert!(error < CLOSE, "{}, step {step}: {error:e}", subject.name);
            let token = generation.continuations[prompt].tokens[step];
            prop_assert_eq!(token, right.top(1)[0]);
            let log_probability = generation.continuations[prompt].log_probabilities[step];
            prop_assert!((log_probability - right.log_probability(token).unwrap()).abs() < 1e-9);
        }
    }
    Ok(())
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        Just(When::EveryStep),
        Just(When::Generated),
        Just(When::Prompt),
        prop::collection::vec(0..TOKENS, 1..4).prop_map(When::Steps),
    ]
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn edits_of_the_prompt(random in random_plan(MODELS.len())) {
        let subject = &MODELS[random.subject];
        let plan = random.plan(subject);
        let Some(resolved) = resolved(subject, &plan, &random.examples(subject)) else {
            return Ok(());
        };
        let found = with_logits(&greedy(TOKENS), &subject.model, &resolved);
        check(subject, &random, found, |_| plan.clone().read(vene::Positions::Last))?;
    }

    #[test]
    fn edits_of_any_steps(
        random in random_plan_of_rows(MODELS.len()),
        when in prop::collection::vec(when(), 4),
    ) {
        let subject = &MODELS[random.subject];
        let plan = random.plan_at(subject, &when);
        let Some(resolved) = resolved(subject, &plan, &random.examples(subject)) else {
            return Ok(());
        };
        let found = with_logits(&greedy(TOKENS), &subject.model, &resolved);
        check(subject, &random, found, |step| random.plan_of_whole(subject, &when, step))?;
    }

    /// The original beside it is the plan without its edits.
    #[test]
    fn originals_are_unedited(random in random_plan(MODELS.len())) {
        let subject = &MODELS[random.subject];
        let examples = random.examples(subject);
        let both = random.plan(subject).with_original();
        let Some(both) = resolved(subject, &both, &examples) else { return Ok(()) };
        let Ok((generation, [_, beside])) = with_logits(&greedy(3), &subject.model, &both) else {
            return Ok(());
        };
        let plain = resolved(subject, &Plan::new(), &examples).unwrap();
        let (alone, [logits, _]) = with_logits(&greedy(3), &subject.model, &plain).unwrap();
        prop_assert_eq!(generation.continuations.len(), generation.originals.len());
        for (beside, alone) in generation.originals.iter().zip(&alone.continuations) {
            prop_assert_eq!(&beside.tokens, &alone.tokens);
        }
        let error = relative_error(&beside.concat().concat(), &logits.concat().concat());
        prop_assert!(error < CLOSE, "{error:e}");
    }
}

#[test]
fn random_plans_are_mostly_sound() {
    // Were most of them refused, the properties above would hold of little.
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (random_plan_of_rows(MODELS.len()), prop::collection::vec(when(), 4));
    let (mut sound, mut failing, mut at_new_tokens) = (0, 0, 0);
    for _ in 0..100 {
        let (random, when) = strategy.new_tree(&mut runner).unwrap().current();
        let subject = &MODELS[random.subject];
        let plan = random.plan_at(subject, &when);
        let Some(plan) = resolved(subject, &plan, &random.examples(subject)) else { continue };
        sound += 1;
        match with_logits(&greedy(TOKENS), &subject.model, &plan) {
            Ok((generation, _)) => {
                let is_new = generation.receipts.iter().any(|receipt| receipt.step > 0);
                at_new_tokens += usize::from(is_new);
            }
            Err(_) => failing += 1,
        }
    }
    println!("{sound} of 100 can be run, {failing} fail, {at_new_tokens} edit new tokens");
    assert!(sound > 60 && failing < 10 && at_new_tokens > 50);
}

/// Each model by itself, with nothing edited: no case is left to chance.
#[test]
fn nothing_edited() {
    for subject in MODELS.iter() {
        let prompts = [&subject.base, &subject.long, &subject.source];
        let examples: Vec<Example> =
            prompts.iter().map(|prompt| Example::new((*prompt).clone())).collect();
        let plan = Plan::new().resolve(&subject.model, &examples).unwrap();
        let (generation, [logits, _]) =
            with_logits(&greedy(TOKENS), &subject.model, &plan).unwrap();
        for (prompt, tokens) in prompts.iter().enumerate() {
            assert_eq!(logits[prompt].len(), TOKENS);
            for (step, logits) in logits[prompt].iter().enumerate() {
                let so_far = &generation.continuations[prompt].tokens[..step];
                let whole = subject.prompt(&[tokens.tokens(), so_far].concat());
                let whole = subject.logits([], &Example::new(whole));
                let error = relative_error(logits, whole.last().unwrap());
                assert!(error < CLOSE, "{}, step {step}: {error:e}", subject.name);
            }
        }
    }
}
