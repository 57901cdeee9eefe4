//! The forked executor, held to the reference: on every random model, on both sets of operations.

use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use vene::plan::ResolvedPlan;
use vene::{
    Component, Example, Executor, Forked, Plan, PlanError, PlanOutcome, Positions, Precision,
    Reference, RunError,
};
use vene_test_support::{model_names, relative_error, values};

use crate::random_plan::{RandomPlans, random_plans};
use crate::subject::{Subject, logits_of};

/// Every random model, in single and in double precision.
static MODELS: LazyLock<Vec<(Subject, Subject)>> = LazyLock::new(|| {
    let names = model_names().into_iter();
    let both = |name: String| {
        let name: &'static str = name.leak();
        (Subject::new(name, Precision::Single), Subject::new(name, Precision::Double))
    };
    names.map(both).collect()
});

/// The plans resolved; those whose edits contradict each other are left out.
pub fn resolved(random: &RandomPlans, subject: &Subject) -> Vec<ResolvedPlan> {
    let examples: Arc<[Example]> = random.examples(subject).into();
    let mut plans = Vec::new();
    for plan in random.plans(subject) {
        match plan.resolve_shared(&subject.model, &examples) {
            Ok(plan) => plans.push(plan),
            Err(PlanError::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    plans
}

pub fn run(executor: &dyn Executor, plans: &[ResolvedPlan]) -> Result<Vec<PlanOutcome>, String> {
    let mut outcomes = vec![None; plans.len()];
    executor
        .run_all(plans, &mut |index, outcome| {
            outcomes[index] = Some(outcome);
            ControlFlow::Continue(())
        })
        .map_err(|error| error.to_string())?;
    Ok(outcomes.into_iter().map(Option::unwrap).collect())
}

/// The logits of every plan, example and position, one after the other.
pub fn all_logits(outcomes: &[PlanOutcome]) -> Vec<f64> {
    let of = |outcome: &PlanOutcome| {
        (0..outcome.examples.len())
            .flat_map(|example| logits_of(outcome, example).concat())
            .collect()
    };
    outcomes.iter().map(of).collect::<Vec<Vec<f64>>>().concat()
}

/// Patched minus base, where the first plan is the base.
fn all_effects(outcomes: &[PlanOutcome]) -> Vec<f64> {
    let base = all_logits(&outcomes[..1]);
    let patched = all_logits(&outcomes[1..]);
    patched.iter().zip(base.iter().cycle()).map(|(patched, base)| patched - base).collect()
}

/// The outcomes of each round of examples that were repeated.
fn rounds(outcomes: &[PlanOutcome], times: usize) -> Vec<Vec<PlanOutcome>> {
    let of_round = |round: usize| {
        let part = |outcome: &PlanOutcome| {
            let length = outcome.examples.len() / times;
            let examples = outcome.examples[round * length..][..length].to_vec();
            PlanOutcome { examples, ..PlanOutcome::default() }
        };
        outcomes.iter().map(part).collect()
    };
    (0..times).map(of_round).collect()
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.map(f64::abs).fold(0.0, f64::max)
}

fn error(values: &[f64], right: &[f64]) -> f64 {
    assert_eq!(values.len(), right.len());
    largest(values.iter().zip(right).map(|(value, right)| value - right))
}

pub fn cases(otherwise: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(otherwise),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(300))]

    /// In f32 its error may be a few times that of the reference in f32; the yardstick for
    /// both is the reference in f64. How a run rounds depends on what it is packed with, so
    /// the reference's own error is the largest one of several batches and places in them.
    #[test]
    fn as_exact_as_the_reference(random in random_plans(MODELS.len())) {
        let (single, double) = &MODELS[random.subject];
        let right = run(&Reference::new(&double.model), &resolved(&random, double));
        let plans = resolved(&random, single);
        let reference = run(&Reference::new(&single.model), &plans);
        let (Ok(right), Ok(reference)) = (right, reference) else { return Ok(()) };
        let mut references = vec![reference];
        for times in [2, 3, 5] {
            let plans = resolved(&random.repeated(times), single);
            match run(&Reference::new(&single.model), &plans) {
                Ok(outcomes) => references.extend(rounds(&outcomes, times)),
                Err(_) => return Ok(()),
            }
        }
        let scale = largest(all_logits(&right).into_iter());
        let fused = Forked::new(&single.model);
        for (on, forked) in [("fused", fused), ("plain", fused.plain())] {
            let forked = run(&forked, &plans).map_err(TestCaseError::fail)?;
            for (what, values) in
                [("logits", all_logits as fn(&[PlanOutcome]) -> _), ("effects", all_effects)]
            {
                let right = values(&right);
                let own = error(&values(&forked), &right);
                let reference = references.iter().map(|outcomes| error(&values(outcomes), &right));
                let allowed = 4.0 * largest(reference) + 1e-6 * scale;
                prop_assert!(own <= allowed, "{}, {on}, {what}: {own:e} > {allowed:e}", single.name);
            }
        }
    }

    /// In f64 nothing is left of rounding, so that a wrong row would show.
    #[test]
    fn the_same_as_the_reference_in_double_precision(random in random_plans(MODELS.len())) {
        let (_, double) = &MODELS[random.subject];
        let plans = resolved(&random, double);
        let right = run(&Reference::new(&double.model), &plans);
        let forked = run(&Forked::new(&double.model), &plans);
        prop_assert_eq!(right.is_ok(), forked.is_ok());
        let (Ok(right), Ok(forked)) = (right, forked) else { return Ok(()) };
        let error = relative_error(&all_logits(&forked), &all_logits(&right));
        prop_assert!(error < 1e-10, "{}: {error:e}", double.name);
        for (forked, right) in forked.iter().zip(&right) {
            prop_assert_eq!(forked.receipts.len(), right.receipts.len());
            for (forked, right) in forked.receipts.iter().zip(&right.receipts) {
                prop_assert_eq!(
                    (forked.example, forked.edit, forked.site, &forked.positions),
                    (right.example, right.edit, right.site, &right.positions)
                );
            }
        }
    }

    /// A plan by itself of which one position is read: rows that nobody needs are not computed, and those that somebody
    /// does are.
    #[test]
    fn the_same_bits_whatever_else_is_read(random in random_plans(MODELS.len())) {
        let (single, double) = &MODELS[random.subject];
        let is_plain = single.model.config().is_recurrent();
        let subject = if is_plain { double } else { single };
        let whole = resolved(&random, subject);
        let Ok(whole_outcomes) = run(&Forked::new(&subject.model), &whole) else { return Ok(()) };
        for (place, (plan, whole_outcome)) in whole.iter().zip(&whole_outcomes).enumerate() {
            let is_pattern = |edit: &vene::plan::ResolvedEdit| edit.site.component().is_pattern();
            let is_plain = is_plain || plan.edits().iter().any(is_pattern);
            for read in [Positions::index(0), Positions::Last] {
                let plans = random.plans_reading(subject, &read);
                let examples: Arc<[Example]> = plan.examples().into();
                let Some(Ok(one)) = plans.iter().map(|plan| plan.resolve_shared(&subject.model, &examples))
                    .filter(|plan| !matches!(plan, Err(PlanError::Conflict { .. }))).nth(place)
                else {
                    continue;
                };
                let own = run(&Forked::new(&subject.model), &[one]).map_err(TestCaseError::fail)?;
                for example in 0..examples.len() {
                    let all = logits_of(whole_outcome, example);
                    let right = if read == Positions::Last { all.last() } else { all.first() }.unwrap();
                    let own = &logits_of(&own[0], example)[0];
                    let is_same =
                        if is_plain { relative_error(own, right) < 1e-5 } else { own == right };
                    prop_assert!(is_same, "{}, {read:?}, plan {place}", subject.name);
                }
            }
        }
    }

    /// Whatever rides along and however many threads compute. (Edited attention patterns and
    /// recurrent networks are left to plain operations, whose products round otherwise in another batch: what holds for
    /// those is that a run repeats itself.)
    #[test]
    fn the_same_bits_in_any_chunks_and_on_any_threads(random in random_plans(MODELS.len())) {
        let (single, _) = &MODELS[random.subject];
        let plans = resolved(&random, single);
        let Ok(whole) = run(&Forked::new(&single.model), &plans) else { return Ok(()) };
        let whole = all_logits(&whole);
        let sites = plans.iter().flat_map(|plan| plan.edits()).map(|edit| edit.site);
        let edits_patterns =
            sites.map(|site| site.component()).any(|component| component.is_pattern());
        if edits_patterns || single.model.config().is_recurrent() {
            let again = all_logits(&run(&Forked::new(&single.model), &plans).unwrap());
            prop_assert!(again == whole);
            return Ok(());
        }
        let least = match Forked::new(&single.model).memory(1).work(&plans) {
            Err(RunError::Memory { budget: 1, least }) => least,
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        for memory in [least, 10 * least] {
            let chunked = run(&Forked::new(&single.model).memory(memory), &plans).unwrap();
            prop_assert!(all_logits(&chunked) == whole, "{memory} bytes");
        }
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let outcomes = pool.install(|| run(&Forked::new(&single.model), &plans)).unwrap();
            prop_assert!(all_logits(&outcomes) == whole, "{threads} threads");
        }
    }
}

#[test]
fn every_site_shows_what_the_reference_shows() {
    for (single, double) in MODELS.iter() {
        let collect = |subject: &Subject| {
            let site = |plan: Plan, site: &vene::Site| {
                plan.collect(site.component(), site.layer(), Positions::All)
            };
            let plan = subject.sites().iter().fold(Plan::new(), site);
            plan.resolve(&subject.model, &[subject.example()]).unwrap()
        };
        let right = Reference::new(&double.model).run(&collect(double)).unwrap();
        let shown = Forked::new(&single.model).run(&collect(single)).unwrap();
        for (index, site) in single.sites().into_iter().enumerate() {
            // A hidden score is -inf in both.
            let finite = |tensor| values(tensor).into_iter().filter(|value| value.is_finite());
            let right: Vec<f64> = finite(&right.examples[0].collected[index]).collect();
            let shown: Vec<f64> = finite(&shown.examples[0].collected[index]).collect();
            let error = relative_error(&shown, &right);
            assert!(error < 1e-5, "{}: {site}: {error:e}", single.name);
        }
    }
}

/// Tokens that a plan names are read as they stand in the whole distribution.
#[test]
fn chosen_logits_are_those_of_the_whole_distribution() {
    for (single, _) in MODELS.iter() {
        let vocabulary = single.model.config().vocabulary as u32;
        let tokens = [3, 1, 17].map(|token| token % vocabulary).to_vec();
        let resolve = |plan: Plan| plan.resolve(&single.model, &[single.example()]).unwrap();
        let plan = Plan::new().edit(vene::Edit::scaling(Component::BlockOutput, 0, 0.5));
        let whole = Forked::new(&single.model).run(&resolve(plan.clone())).unwrap();
        let logits = Forked::new(&single.model)
            .run(&resolve(plan.clone().logits_of(tokens.clone())))
            .unwrap();
        let chosen = Forked::new(&single.model)
            .run(&resolve(plan.probabilities_of(tokens.clone())))
            .unwrap();
        let (whole, chosen) =
            (&whole.examples[0].distributions[0], &chosen.examples[0].readings[0]);
        assert_eq!(logits.examples[0].readings[0].logits(), chosen.logits());
        assert_eq!(logits.examples[0].readings[0].probabilities(), None);
        for (index, &token) in tokens.iter().enumerate() {
            assert_eq!(Some(chosen.logits()[index]), whole.logit(token), "{}", single.name);
            let probability = chosen.probabilities().unwrap()[index];
            let error = (probability / whole.probability(token).unwrap() - 1.0).abs();
            assert!(error < 1e-6, "{}: {error:e}", single.name);
        }
    }
}
