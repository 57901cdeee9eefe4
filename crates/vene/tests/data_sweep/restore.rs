//! Causal tracing: noise on the embeddings, repaired at one place.

use vene::data::Role;
use vene::{Component, Edit, Treatment};

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
            .treatment(Treatment::Restore { standard_deviation: 0.5, draws: 2, corrupted })
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
                Some(layer) => {
                    (layer..(layer + 2).min(subject.layers())).map(Some).collect::<Vec<_>>()
                }
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
