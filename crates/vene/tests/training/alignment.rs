//! Distributed alignment search (Geiger et al. 2024): in which directions of the country's position does the
//! embedded model keep what the capital is read off?

use std::ops::ControlFlow;
use std::sync::Arc;

use vene::intervention::{RotatedSpace, Rotation, Subspace, orthogonal};
use vene::plan::ResolvedPlan;
use vene::training::{AdamW, Evaluation, Examples, Objective, Trainer};
use vene::{Component, Edit, Example, Model, Plan, Positions};
use vene_embedded::{FACTS, Relation};

/// Pairs of countries whose interchange should give the source's capital, and that capital's token.
fn pairs(model: &Model, from: usize, count: usize) -> (Vec<Example>, Vec<u32>) {
    let prompt = |index: usize| {
        let fact = &FACTS[index % FACTS.len()];
        let text = format!("The capital of {} is", fact.country_in_sentence());
        (model.prompt(&text).unwrap(), fact.answer(Relation::Capital))
    };
    let names: Vec<usize> = (0..FACTS.len()).filter(|&index| !FACTS[index].article).collect();
    (from..from + count)
        .map(|index| {
            let (base, _) = prompt(names[index % names.len()]);
            let (source, capital) = prompt(names[(index * 7 + 3) % names.len()]);
            let token = model.tokenizer().single_token(&format!(" {capital}")).unwrap();
            (Example::new(base).source(source), token)
        })
        .unzip()
}

fn plan(model: &Model, rotation: &RotatedSpace, examples: &[Example]) -> ResolvedPlan {
    // "The capital of Spain is": the country.
    let edit = Edit::new(Component::BlockOutput, 2, Arc::new(rotation.clone()))
        .at(Positions::index(3))
        .from(Positions::index(3));
    Plan::new().edit(edit).resolve(model, examples).unwrap()
}

#[test]
fn learned_directions_carry_the_capital_and_random_ones_do_not() {
    let model = Model::load("embedded").unwrap();
    let rank = 24;
    let random = || {
        let rotation = Rotation::random(model.config().d_model, rank, 5).unwrap();
        RotatedSpace::low_rank(rotation, Subspace::All)
    };
    let trainer = Trainer {
        epochs: 12,
        batch: 16,
        optimizer: AdamW { learning_rate: 0.02, ..AdamW::default() },
        ..Trainer::default()
    };
    let (seen, labels) = pairs(&model, 0, 96);
    let (held_out, held_out_labels) = pairs(&model, 96, 32);

    let evaluate = |space: &RotatedSpace| {
        let plan = plan(&model, space, &held_out);
        let objective = Objective::labels(&held_out_labels);
        trainer.evaluate(&model, Examples { plan: &plan, objective: &objective }).unwrap()
    };
    let control = evaluate(&random());

    let learned = random();
    let objective = Objective::labels(&labels);
    let plan_of_seen = plan(&model, &learned, &seen);
    let examples = Examples { plan: &plan_of_seen, objective: &objective };
    let on = &mut |_: vene::training::TrainingProgress<'_>| ControlFlow::Continue(());
    let trained = trainer.train(&model, examples, None, on).unwrap();
    assert!(trained.steps.last().unwrap().loss < 0.5 * trained.steps[0].loss);
    // The clone that the plan holds is tied to the original.
    let Evaluation { accuracy, loss } = evaluate(&learned);
    assert!(
        control.accuracy < 0.2 && accuracy > 0.7 && loss < control.loss,
        "random {control:?}, learned {accuracy}"
    );
    let drift = orthogonal::drift(learned.rotation().directions()).unwrap();
    assert!(drift < 1e-12, "{drift:e}");
}
