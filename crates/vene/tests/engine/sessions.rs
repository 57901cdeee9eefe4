//! Sessions: kept runs, and forks of them.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use vene::plan_file::{Format, PlanFile};
use vene::{
    Component, Edit, Example, Executor, Forked, Plan, Positions, Precision, Prompt, Reference,
    RunError, Session,
};
use vene_test_support::{model_names, relative_error, values};

use crate::forked::{all_logits, cases, resolved, run};
use crate::random_plan::random_plans;
use crate::subject::Subject;

/// Every random model, in single and in double precision.
static MODELS: LazyLock<Vec<(Subject, Subject)>> = LazyLock::new(|| {
    let both = |name: String| {
        let name: &'static str = name.leak();
        (Subject::new(name, Precision::Single), Subject::new(name, Precision::Double))
    };
    model_names().into_iter().map(both).collect()
});

fn prompts(examples: &[Example]) -> Vec<&Prompt> {
    examples
        .iter()
        .flat_map(|example| [&example.base].into_iter().chain(&example.sources))
        .collect()
}

/// The least that a session of these prompts takes.
fn least(subject: &Subject, prompts: &[&Prompt]) -> usize {
    match Session::within(&subject.model, prompts.iter().copied(), 0) {
        Err(RunError::SessionMemory { least, .. }) => least,
        // A perceptron has no keys and values; of a recurrent network all states are kept.
        Ok(session) => session.bytes(),
        Err(error) => panic!("{error}"),
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// Whether everything is kept or as little as can be.
    #[test]
    fn forks_of_a_session_are_those_of_a_run(random in random_plans(MODELS.len())) {
        let (single, double) = &MODELS[random.subject];
        for subject in [single, double] {
            let plans = resolved(&random, subject);
            let Some(plan) = plans.first() else { return Ok(()) };
            let Ok(right) = run(&Forked::new(&subject.model), &plans) else { return Ok(()) };
            let prompts = prompts(plan.examples());
            let least = least(subject, &prompts);
            let sites = plans.iter().flat_map(|plan| plan.edits()).map(|edit| edit.site);
            // What plain operations compute rounds otherwise in another batch.
            let is_plain = subject.model.config().is_recurrent()
                || sites.clone().any(|site| site.component().is_pattern());
            for bytes in [usize::MAX, least, least + 2000] {
                let session = Session::within(&subject.model, prompts.iter().copied(), bytes).unwrap();
                prop_assert!(session.bytes() <= bytes);
                let of_session = run(&session, &plans).map_err(TestCaseError::fail)?;
                let (logits, right_logits) = (all_logits(&of_session), all_logits(&right));
                if subject.model.precision() == Precision::Double || is_plain {
                    let error = relative_error(&logits, &right_logits);
                    let allowed = if is_plain { 1e-5 } else { 1e-10 };
                    prop_assert!(error < allowed, "{}: {error:e}", subject.name);
                } else {
                    prop_assert!(logits == right_logits, "{}: other bits", subject.name);
                    for (own, right) in of_session.iter().zip(&right) {
                        prop_assert_eq!(&own.receipts, &right.receipts);
                    }
                }
                let again = run(&session, &plans).map_err(TestCaseError::fail)?;
                prop_assert!(all_logits(&again) == logits, "a second run has other bits");
            }
        }
    }
}

#[test]
fn collected_activations_are_those_of_the_reference_under_edits_of_all_kinds() {
    for subject in Subject::each() {
        let examples = [subject.example()];
        let session = Session::new(&subject.model, prompts(&examples)).unwrap();
        let layers = subject.model.config().layers.len();
        for edited in subject.sites() {
            if edited.component() == Component::Logits {
                continue;
            }
            let edit =
                Edit::scaling(edited.component(), edited.layer(), 0.5).at(Positions::index(2));
            let plan = Plan::new().edit(edit).read(Positions::All);
            let plan = subject
                .sites()
                .into_iter()
                .filter(|site| site.layer().is_none_or(|layer| layer + 1 == layers || layer == 0))
                .fold(plan, |plan, site| {
                    plan.collect(site.component(), site.layer(), Positions::All)
                });
            let plan = plan.resolve(&subject.model, &examples).unwrap();
            let right = Reference::new(&subject.model).run(&plan).unwrap();
            let forked = Forked::new(&subject.model);
            for executor in [&forked as &dyn Executor, &session] {
                let own = run(executor, std::slice::from_ref(&plan)).unwrap();
                for (index, site) in right.collected.iter().enumerate() {
                    let own = values(&own[0].examples[0].collected[index]);
                    let right = values(&right.examples[0].collected[index]);
                    let finite = |values: &[f64]| -> Vec<f64> {
                        values.iter().map(|value| value.max(-1e9)).collect()
                    };
                    let error = relative_error(&finite(&own), &finite(&right));
                    assert!(error < 1e-10, "{}, {edited}, {site}: {error:e}", subject.name);
                }
            }
        }
    }
}

#[test]
fn a_session_outlives_its_model_and_is_shared_between_threads() {
    let model = vene::Model::load("embedded").unwrap();
    let prompt = model.prompt("The capital of Spain is").unwrap();
    let examples = [Example::new(prompt.clone())];
    let plan = |layer: usize| {
        let edit = Edit::zero(Component::MlpOutput, layer);
        Plan::new().edit(edit).resolve(&model, &examples).unwrap()
    };
    let plans: Vec<_> = (0..model.config().layers.len()).map(plan).collect();
    let right = run(&Forked::new(&model), &plans).unwrap();
    let session = Arc::new(Session::new(&model, [&prompt]).unwrap());
    drop(model);
    let threads: Vec<_> = plans
        .into_iter()
        .map(|plan| {
            let session = session.clone();
            std::thread::spawn(move || session.run(&plan).unwrap())
        })
        .collect();
    for (thread, right) in threads.into_iter().zip(right) {
        let own = thread.join().unwrap();
        assert_eq!(own.distribution(0, 0).unwrap(), right.distribution(0, 0).unwrap());
    }
}

#[test]
fn a_second_run_costs_its_forks_alone() {
    let model = vene::Model::load("embedded").unwrap();
    let prompt = |text: &str| model.prompt(text).unwrap();
    let (base, source) = (prompt("The capital of Spain is"), prompt("The capital of Italy is"));
    let example = [Example::new(base.clone()).source(source.clone())];
    let config = model.config();
    let last = config.layers.len() - 1;
    let edit = Edit::interchange(Component::MlpOutput, last).at(Positions::index(4));
    let plan = Plan::new().edit(edit).resolve(&model, &example).unwrap();
    let session = Session::new(&model, [&base, &source]).unwrap();
    let work = session.work(std::slice::from_ref(&plan)).unwrap();
    // Base and source go through the last block at the edited position, and are the fork's stem and its source; the
    // unembedding is that of the fork.
    let mut rows = std::collections::BTreeSet::new();
    rows.extend(work.products.keys().map(|&(rows, _, _)| rows));
    assert_eq!(rows.into_iter().collect::<Vec<_>>(), [1, 2], "{:?}", work.products);
    let whole = Forked::new(&model).work(std::slice::from_ref(&plan)).unwrap();
    assert!(
        work.operations() * 10.0 < whole.operations(),
        "{} {}",
        work.operations(),
        whole.operations()
    );
    assert_eq!(session.work(std::slice::from_ref(&plan)).unwrap(), work);
}

#[test]
fn what_is_none_of_its_prompts_is_refused() {
    let model = vene::Model::load("embedded").unwrap();
    let [spain, italy] = ["The capital of Spain is", "The capital of Italy is"]
        .map(|text| model.prompt(text).unwrap());
    let session = Session::new(&model, [&spain]).unwrap();
    let plan = Plan::new().resolve(&model, &[Example::new(italy)]).unwrap();
    let error = session.run(&plan).unwrap_err().to_string();
    assert!(error.contains("\"The capital of Italy is\" is none of the prompts"), "{error}");
    let error = Session::within(&model, [&spain], 100).unwrap_err().to_string();
    assert!(error.contains("bytes, and the session may take 100"), "{error}");
}

#[test]
fn plans_that_were_made_apart_share_what_clones_share() {
    let model = vene::Model::load("embedded").unwrap();
    let example = [Example::new(model.prompt("The capital of Spain is").unwrap())];
    let layers = model.config().layers.len();
    // A noised run that plans repair, each at another place.
    let noise = || Edit::noise(Component::Embedding, None, 0.5, 7).at(Positions::index(3));
    let width = model.config().d_model;
    let steering = |layer| Edit::steering(Component::BlockOutput, layer, vec![0.25; width]);
    let plan = |shared: Edit, layer: usize| {
        Plan::new().edit(shared).edit(Edit::zero(Component::MlpOutput, layer)).edit(steering(layer))
    };
    let resolved = |plans: Vec<Plan>| -> Vec<_> {
        plans.iter().map(|plan| plan.resolve(&model, &example).unwrap()).collect()
    };
    let shared = noise();
    let together = resolved((0..layers).map(|layer| plan(shared.clone(), layer)).collect());
    let apart = resolved((0..layers).map(|layer| plan(noise(), layer)).collect());
    let forked = Forked::new(&model);
    assert_eq!(forked.work(&apart).unwrap(), forked.work(&together).unwrap());
    let alone: f64 = apart
        .iter()
        .map(|plan| forked.work(std::slice::from_ref(plan)).unwrap().operations())
        .sum();
    assert!(forked.work(&apart).unwrap().operations() < 0.8 * alone);
    assert!(
        all_logits(&run(&forked, &apart).unwrap()) == all_logits(&run(&forked, &together).unwrap())
    );
    // Other noise is another run.
    let other = |layer| {
        let seed = layer as u64;
        let noise = Edit::noise(Component::Embedding, None, 0.5, seed).at(Positions::index(3));
        plan(noise, layer)
    };
    let other = resolved((0..layers).map(other).collect());
    assert!(forked.work(&other).unwrap().operations() > forked.work(&apart).unwrap().operations());
}

proptest! {
    #![proptest_config(cases(60))]

    /// What is written to files and read back, one plan at a time, shares what the plans did.
    #[test]
    fn plans_of_files_share_what_plans_of_a_program_share(random in random_plans(MODELS.len())) {
        let (single, _) = &MODELS[random.subject];
        let plans = random.plans(single);
        let read_back = |plan: &Plan| {
            let text = PlanFile::of(plan).ok()?.text(Format::Toml);
            let file = PlanFile::parse(&text, Format::Toml, Path::new(".")).unwrap();
            Some(file.plan(&single.model).unwrap())
        };
        let Some(read): Option<Vec<Plan>> = plans.iter().map(read_back).collect() else { return Ok(()) };
        let examples: Arc<[Example]> = random.examples(single).into();
        let resolved = |plans: &[Plan]| -> Result<Vec<_>, _> {
            plans.iter().map(|plan| plan.resolve_shared(&single.model, &examples)).collect()
        };
        let (Ok(plans), Ok(read)) = (resolved(&plans), resolved(&read)) else { return Ok(()) };
        let forked = Forked::new(&single.model);
        prop_assert_eq!(forked.work(&read).unwrap(), forked.work(&plans).unwrap());
        let (Ok(read), Ok(plans)) = (run(&forked, &read), run(&forked, &plans)) else { return Ok(()) };
        prop_assert_eq!(all_logits(&read), all_logits(&plans));
    }
}
