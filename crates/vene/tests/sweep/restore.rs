//! Causal tracing: noise on the embeddings, repaired at one place.

use vene::data::Role;
use vene::{Component, Edit, Example, Method, NoiseSize, Plan, Reference};

use crate::draws::noise;
use crate::hand::{Done, Hand, at, check, written};
use crate::subject::{Pair, Subject, mixed, rows};
use crate::total::{agree, metrics, roles, tables};

#[test]
fn values_are_put_back_into_a_run_with_noise() {
    for subject in [Subject::new("gpt2-plain"), Subject::with_bos("llama-gqa")] {
        let mut pairs: Vec<Pair> = mixed();
        pairs[1] = pairs[1].without_source();
        let rows = rows(&pairs);
        let corrupted: Role = "subject".parse().unwrap();
        let sweep = subject
            .sweep(&rows)
            .components([Component::BlockOutput, Component::Embedding])
            .roles(roles(&["subject", "last"]))
            .window(2)
            .method(Method::Restore { noise: NoiseSize::Absolute(0.5), draws: 2, corrupted })
            .seed(3)
            .metrics(metrics())
            .build()
            .unwrap();
        let tables = tables(&subject, &sweep);
        agree(&tables);
        check(&subject, &tables[0], &pairs, |line, pair| {
            let base = subject.prompt(&pair.base);
            let subjects = at(&subject.positions(pair, "subject", false));
            let spoilt = |draw| {
                let noise = noise(line.example, 0.5, 3, draw);
                Edit::new(Component::Embedding, None, noise).at(subjects.clone())
            };
            let place = at(&written(&subject, line, pair));
            let layers = match line.layer {
                Some(layer) => (layer.saturating_sub(1)..=layer).map(Some).collect::<Vec<_>>(),
                None => vec![None],
            };
            let run =
                |edits: Vec<Edit>| Done::new(base.clone(), Vec::new(), move |_| edits.clone());
            let repaired = |draw| {
                let freeze =
                    |&layer: &Option<usize>| Edit::freeze(line.component, layer).at(place.clone());
                run(std::iter::once(spoilt(draw)).chain(layers.iter().map(freeze)).collect())
            };
            Hand {
                before: (0..2).map(|draw| run(vec![spoilt(draw)])).collect(),
                after: (0..2).map(repaired).collect(),
                other: Some(Done::unedited(base.clone())),
            }
        });
    }
}

#[test]
fn noise_can_be_measured_by_the_embeddings_that_get_it() {
    let subject = Subject::with_bos("gemma3-plain");
    let pairs = mixed();
    let rows = rows(&pairs);
    let executor = Reference::new(&subject.model);
    let sweep = |noise| {
        let corrupted: Role = "subject".parse().unwrap();
        subject
            .sweep(&rows)
            .components([Component::MlpOutput])
            .roles(roles(&["last"]))
            .method(Method::Restore { noise, draws: 1, corrupted })
            .build()
            .unwrap()
    };
    let relative = sweep(NoiseSize::OfEmbeddings(3.0));
    let found = relative.means(&subject.model, &executor).unwrap().noise_deviation().unwrap();

    let mut values: Vec<f64> = Vec::new();
    for pair in &pairs {
        let example = Example::new(subject.prompt(&pair.base));
        let at = at(&subject.positions(pair, "subject", false));
        let plan = Plan::new().collect(Component::Embedding, None, at);
        let plan = plan.resolve(&subject.model, &[example]).unwrap();
        let showed = executor.run(&plan).unwrap();
        let rows = showed.examples[0].collected[0].to_vec2::<f64>().unwrap();
        values.extend(rows.into_iter().flatten());
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let expected = 3.0 * (squares / (values.len() as f64 - 1.0)).sqrt();
    assert!(found > 0.0 && (found / expected - 1.0).abs() < 1e-9, "{found}, not {expected}");

    let run =
        |sweep: &vene::Sweep| sweep.run_with(&subject.model, &executor).unwrap().into_examples();
    let (relative, absolute) = (run(&relative), run(&sweep(NoiseSize::Absolute(found))));
    assert_eq!(relative.floats("value").unwrap(), absolute.floats("value").unwrap());
    // Tables say in what they differ, and are not joined.
    assert!(vene::sweep::join(&[relative, absolute]).is_err());
}
