//! Several sources: each is read at its own positions, and none stands for the others.

use candle_core::Tensor;
use proptest::prelude::*;
use vene::plan::SourcePositions;
use vene::{
    Component, Edit, Example, Executor, Forked, Method, Model, Part, Plan, Positions, Precision,
    Prompt, Reference, Site, Sweep, SweepPositions, SweepUnit,
};
use vene_test_support::{relative_error, values};

const BASE: &str = "The capital of Spain is";

/// Sources of unequal length, each with its country.
const SOURCES: [(&str, &str); 5] = [
    ("The capital of Italy is", "Italy"),
    ("They say that the capital of Peru is", "Peru"),
    ("Peru is the country whose capital is", "Peru"),
    ("In Japan the capital is", "Japan"),
    ("We know that the name of the capital of Egypt is", "Egypt"),
];

fn model() -> Model {
    Model::load_with("embedded", Precision::Double, &mut |_| ()).unwrap()
}

/// Ways to name a position, each meant in any source.
fn names(kind: usize, country: &str, text: &str) -> Positions {
    let from = text.find(country).unwrap();
    match kind {
        0 => Positions::Last,
        1 => Positions::index(-2),
        2 => Positions::index(1),
        3 => Positions::last_of(country),
        4 => Positions::phrase(country, Part::First),
        5 => Positions::phrase(country, Part::After),
        6 => Positions::Characters { range: from..from + country.len(), part: Part::Last },
        _ => Positions::phrase("capital", Part::Last).occurrence(0),
    }
}

/// The mean over sources by hand: what each shows at its own position.
fn mean_by_hand(model: &Model, site: Site, sources: &[(Prompt, usize)]) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = sources
        .iter()
        .map(|(prompt, position)| {
            let at = Positions::index(*position as i64);
            let plan = Plan::new().collect(site.component(), site.layer(), at);
            let plan = plan.resolve(model, &[Example::new(prompt.clone())]).unwrap();
            let outcome = Reference::new(model).run(&plan).unwrap();
            values(outcome.activation(0, site).unwrap())
        })
        .collect();
    (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column]).sum::<f64>() / rows.len() as f64)
        .collect()
}

fn logits(executor: &dyn Executor, model: &Model, plan: &Plan, example: &Example) -> Vec<f64> {
    let plan = plan.resolve(model, std::slice::from_ref(example)).unwrap();
    let mut found = Vec::new();
    executor
        .run_all(&[plan], &mut |_, outcome| {
            found = outcome.distribution(0, 0).unwrap().logits().to_vec();
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    found
}

proptest! {
    #[test]
    fn sources_in_any_order_give_the_same_mean(
        order in Just((0..SOURCES.len()).collect::<Vec<_>>()).prop_shuffle(),
        count in 2..=SOURCES.len(),
        kinds in prop::collection::vec(0..8usize, SOURCES.len()),
        layer in 0..4usize,
        component in prop::sample::select(vec![Component::BlockOutput, Component::MlpOutput, Component::AttentionInput]),
    ) {
        let model = model();
        let chosen: Vec<usize> = order[..count].to_vec();
        let mut sorted = chosen.clone();
        sorted.sort_unstable();
        let site = Site::new(component, Some(layer), model.config()).unwrap();
        let plan_of = |order: &[usize]| {
            let mut example = Example::new(model.prompt(BASE).unwrap());
            let (mut read, mut places) = (Vec::new(), Vec::new());
            for &source in order {
                let (text, country) = SOURCES[source];
                let prompt = model.prompt(text).unwrap();
                let positions = names(kinds[source], country, text);
                places.push((prompt.clone(), positions.resolve(&prompt, 0).unwrap()[0]));
                read.push(positions);
                example = example.source(prompt);
            }
            let edit = Edit::mean(component, layer).at(Positions::last_of("Spain")).from(read);
            (Plan::new().edit(edit), example, places)
        };
        let (plan, example, places) = plan_of(&sorted);
        let (shuffled, other, _) = plan_of(&chosen);
        let by_hand = Edit::constant(component, layer, mean_by_hand(&model, site, &places))
            .at(Positions::last_of("Spain"));
        let by_hand = Plan::new().edit(by_hand);
        let reference = Reference::new(&model);
        let expected = logits(&reference, &model, &by_hand, &Example::new(example.base.clone()));
        for executor in [&reference as &dyn Executor, &Forked::new(&model)] {
            let found = logits(executor, &model, &plan, &example);
            prop_assert!(relative_error(&found, &expected) < 1e-12);
            let found = logits(executor, &model, &shuffled, &other);
            prop_assert!(relative_error(&found, &expected) < 1e-12);
        }
    }
}

/// Words are looked up in each source: the same words for all of them.
#[test]
fn the_same_words_are_looked_up_in_each_source() {
    let model = model();
    let words = [
        Positions::Last,
        Positions::index(-3),
        Positions::last_of("capital"),
        Positions::phrase("capital", Part::After),
    ];
    for words in words {
        let mut example = Example::new(model.prompt(BASE).unwrap());
        for (text, _) in SOURCES {
            example = example.source(model.prompt(text).unwrap());
        }
        let resolved: Vec<usize> =
            example.sources.iter().map(|source| words.resolve(source, 0).unwrap()[0]).collect();
        assert!(resolved.windows(2).any(|pair| pair[0] != pair[1]), "{words:?} {resolved:?}");
        let edit = Edit::mean(Component::BlockOutput, 1).at(Positions::Last).from(words.clone());
        let plan = Plan::new().edit(edit);
        let plan = plan.resolve(&model, std::slice::from_ref(&example)).unwrap();
        let outcome = Reference::new(&model).run(&plan).unwrap();
        let read: Vec<usize> =
            outcome.receipts[0].read.iter().map(|(_, positions)| positions[0]).collect();
        assert_eq!(read, resolved);
    }
}

#[test]
fn positions_for_another_number_of_sources_are_refused() {
    let model = model();
    let example = Example::new(model.prompt(BASE).unwrap())
        .source(model.prompt(SOURCES[0].0).unwrap())
        .source(model.prompt(SOURCES[1].0).unwrap());
    let plan = |edit: Edit| Plan::new().edit(edit).resolve(&model, std::slice::from_ref(&example));
    let mean = Edit::mean(Component::BlockOutput, 0);
    let error = plan(mean.clone().from([Positions::Last])).unwrap_err().to_string();
    assert!(error.contains("positions are given for 1 sources, and example 0 has 2"), "{error}");
    let each = [Positions::Last, Positions::index(-2)];
    assert!(plan(mean.from(each.clone())).is_ok());
    let error = plan(Edit::freeze(Component::BlockOutput, 0).from(each)).unwrap_err().to_string();
    assert!(error.contains("the edit reads the base"), "{error}");
}

/// A sweep of means: the table of any order of the sources is the same.
fn table(
    model: &Model,
    order: &[usize],
    positions: &dyn Fn(&[usize]) -> SweepPositions,
) -> Vec<f64> {
    let mut builder = Sweep::builder(model)
        .base(BASE)
        .components([Component::BlockOutput, Component::AttentionInput])
        .layers([0, 2])
        .method(Method::Mean)
        .positions(positions(order))
        .tokens([" Madrid", " Rome"]);
    for &source in order {
        builder = builder.source(SOURCES[source].0);
    }
    let outcome = builder.build().unwrap().run(model).unwrap();
    let own = [outcome.base().unwrap(), outcome.source().unwrap()];
    let own = own.into_iter().flat_map(|own| [&own.probabilities, &own.logits]);
    let cells = outcome.cells().flat_map(|(_, cell)| [&cell.probabilities, &cell.logits]);
    own.chain(cells).flatten().copied().collect()
}

/// Positions for an order of the sources, and such an order.
type Way<'a> = (&'a dyn Fn(&[usize]) -> SweepPositions, &'a [usize]);

#[test]
fn a_sweep_of_means_does_not_depend_on_the_order_of_its_sources() {
    let model = model();
    let by_phrase = |order: &[usize]| {
        let each: Vec<Positions> =
            order.iter().map(|&source| Positions::last_of(SOURCES[source].1)).collect();
        SweepPositions::named([
            (Positions::last_of("Spain"), each.into()),
            (Positions::Last, Positions::Last.into()),
            (Positions::index(1), Positions::index(1).into()),
        ])
    };
    let by_place = |_: &[usize]| {
        SweepPositions::named([
            (Positions::index(-2), Positions::index(-2).into()),
            (Positions::last_of("capital"), Positions::last_of("capital").into()),
        ])
    };
    let aligned = |_: &[usize]| SweepPositions::Aligned;
    let ways: [Way<'_>; 3] =
        [(&by_phrase, &[0, 1, 2, 4]), (&by_place, &[0, 1, 2, 4]), (&aligned, &[0, 1, 4])];
    for (positions, order) in ways {
        let found = table(&model, order, positions);
        let reversed: Vec<usize> = order.iter().rev().copied().collect();
        assert!(relative_error(&table(&model, &reversed, positions), &found) < 1e-13);
        let mut turned = order.to_vec();
        turned.rotate_left(1);
        assert!(relative_error(&table(&model, &turned, positions), &found) < 1e-13);
    }
}

#[test]
fn the_cells_of_a_sweep_of_means_are_those_of_plans_by_hand() {
    let model = model();
    let sources = [&SOURCES[1], &SOURCES[0], &SOURCES[4]];
    let mut builder = Sweep::builder(&model)
        .base(BASE)
        .components([Component::BlockOutput])
        .layers([1])
        .method(Method::Mean)
        .positions(SweepPositions::named([(Positions::Last, Positions::Last.into())]))
        .tokens([" Madrid"]);
    for (text, _) in sources {
        builder = builder.source(*text);
    }
    let outcome = builder.build().unwrap().run(&model).unwrap();
    let site = Site::new(Component::BlockOutput, Some(1), model.config()).unwrap();
    let places: Vec<(Prompt, usize)> = sources
        .iter()
        .map(|(text, _)| model.prompt(text).unwrap())
        .map(|prompt| (prompt.clone(), prompt.len() - 1))
        .collect();
    let edit = Edit::constant(Component::BlockOutput, 1, mean_by_hand(&model, site, &places));
    let example = Example::new(model.prompt(BASE).unwrap());
    let expected = logits(&Reference::new(&model), &model, &Plan::new().edit(edit), &example);
    let madrid = model.tokenizer().single_token(" Madrid").unwrap();
    let (_, cell) = outcome.cells().next().unwrap();
    assert!((cell.logits[0] - expected[madrid as usize]).abs() < 1e-11);
    // What the sources say by themselves is the mean of what each says.
    let own: Vec<f64> = outcome.sources().iter().map(|source| source.probabilities[0]).collect();
    let mean = own.iter().sum::<f64>() / own.len() as f64;
    assert!((outcome.source().unwrap().probabilities[0] - mean).abs() < 1e-15);
}

#[test]
fn each_source_must_have_what_is_read() {
    let model = model();
    let build = |positions: SweepPositions, unit: SweepUnit, sources: &[&str]| {
        let mut builder = Sweep::builder(&model)
            .base(BASE)
            .components([Component::AttentionValueOutput])
            .method(Method::Mean)
            .positions(positions)
            .unit(unit)
            .tokens([" Madrid"]);
        for source in sources {
            builder = builder.source(*source);
        }
        builder.build().map(|_| ()).map_err(|error| error.to_string())
    };
    let (equal, longer) = ("The capital of Italy is", "They say that the capital of Peru is");
    let all = || SweepPositions::All;
    assert!(build(all(), SweepUnit::Position, &[equal, equal]).is_ok());
    for unit in [SweepUnit::Position, SweepUnit::Head] {
        // Whichever it is.
        for sources in [[equal, longer], [longer, equal]] {
            let error = build(all(), unit, &sources).unwrap_err();
            assert!(error.contains("the base has 5 tokens and the source 9"), "{error}");
            assert_eq!(error.contains("(source 1)"), sources[1] == longer, "{error}");
        }
    }
    let spain = Positions::last_of("Spain");
    let italy = Positions::last_of("Italy");
    let named = SweepPositions::named([(spain.clone(), italy.clone().into())]);
    let error = build(named, SweepUnit::Position, &[equal, longer]).unwrap_err();
    assert!(error.starts_with("source 1: `Italy` is not in `They say"), "{error}");
    let peru = Positions::last_of("Peru");
    let each: SourcePositions = [italy, peru].into();
    let named = || SweepPositions::named([(spain.clone(), each.clone())]);
    assert!(build(named(), SweepUnit::Position, &[equal, longer]).is_ok());
    let error = build(named(), SweepUnit::Position, &[equal, longer, equal]).unwrap_err();
    assert!(error.contains("positions are given for 2 sources, and 3 are read"), "{error}");
}

/// A closure that is symmetric in its sources is treated as the mean is.
#[test]
fn a_symmetric_closure_does_not_see_the_order() {
    use std::sync::Arc;
    use vene::intervention::from_fn_with_sources;
    let model = model();
    let largest = || {
        from_fn_with_sources("largest", |_, sources: &[Tensor]| {
            sources[1..].iter().try_fold(sources[0].clone(), |a, b| a.maximum(b))
        })
    };
    let found = [[0, 1, 4], [4, 0, 1]].map(|order| {
        let mut example = Example::new(model.prompt(BASE).unwrap());
        let mut read = Vec::new();
        for source in order {
            let (text, country) = SOURCES[source];
            example = example.source(model.prompt(text).unwrap());
            read.push(Positions::last_of(country));
        }
        let edit = Edit::new(Component::BlockOutput, 2, Arc::new(largest()));
        let edit = edit.at(Positions::last_of("Spain")).from(read);
        logits(&Forked::new(&model), &model, &Plan::new().edit(edit), &example)
    });
    // A maximum is exact in any order.
    assert_eq!(found[0], found[1]);
}
