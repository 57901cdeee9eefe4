//! Windows: several adjacent layers at once, around a cell's, cut at the model's ends; an even one has one layer
//! more before the cell's than after it.

use vene::{Component, Control, Edit, Method};

use crate::draws::{direction, noise};
use crate::hand::{Done, at, check, close, of_base, written};
use crate::lines::lines;
use crate::subject::{Subject, mixed, rows};
use crate::total::{agree, interchange, metrics, roles, tables};

/// The layers of a window of 3 in a model of four layers, and of one of 2.
const LAYERS: [(usize, [&[usize]; 4]); 2] =
    [(3, [&[0, 1], &[0, 1, 2], &[1, 2, 3], &[2, 3]]), (2, [&[0], &[0, 1], &[1, 2], &[2, 3]])];

#[test]
fn all_layers_of_a_window_are_edited_at_once() {
    let subject = Subject::new("gemma3-plain");
    assert_eq!(subject.layers(), 4);
    let (pairs, rows) = (mixed(), rows(&mixed()));
    for (window, layers) in LAYERS {
        let sweep = subject
            .sweep(&rows)
            .components([Component::MlpOutput])
            .roles(roles(&["subject_last", "last"]))
            .window(window)
            .metrics(metrics())
            .controls([Control::SelfSwap])
            .build()
            .unwrap();
        let tables = tables(&subject, &sweep);
        agree(&tables);
        let main = tables[0].filter(|row| tables[0].text("control").unwrap()[row] == "none");
        let mut changes = Vec::new();
        check(&subject, &main, &pairs, |line, pair| {
            let mut hand = interchange(&subject, line, pair);
            let role = line.role.as_ref().unwrap();
            let written = at(&subject.positions(pair, role, false));
            let read = at(&subject.positions(pair, role, true));
            let edits: Vec<Edit> = layers[line.layer.unwrap()]
                .iter()
                .map(|&layer| Edit::interchange(line.component, layer))
                .map(|edit| edit.at(written.clone()).from(read.clone()))
                .collect();
            let source = subject.prompt(pair.source.as_ref().unwrap());
            let edit = move |_| edits.clone();
            hand.after = vec![Done::new(subject.prompt(&pair.base), vec![source], edit)];
            hand
        });
        for line in lines(&main).iter().filter(|line| line.metric == "logit_difference") {
            // The change is the mean over the window's layers of what a receipt says.
            let pair = &pairs[line.example];
            let role = line.role.as_ref().unwrap();
            let edits: Vec<Edit> = layers[line.layer.unwrap()]
                .iter()
                .map(|&layer| {
                    Edit::interchange(line.component, layer)
                        .at(at(&subject.positions(pair, role, false)))
                        .from(at(&subject.positions(pair, role, true)))
                })
                .collect();
            let count = edits.len() as f64;
            let source = subject.prompt(pair.source.as_ref().unwrap());
            let edit = move |_| edits.clone();
            let done = Done::new(subject.prompt(&pair.base), vec![source], edit);
            let expected = done.change(&subject.model).iter().sum::<f64>() / count;
            assert!(close(line.change, expected), "{expected} {line:#?}");
            changes.push(expected);
        }
        assert!(changes.iter().any(|&change| change > 0.01));
    }
}

/// SplitMix64 (Steele et al. 2014): the next state and its output.
fn split_mix(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut output = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    output = (output ^ (output >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (state, output ^ (output >> 31))
}

/// The seed of a layer's noise: in the cell's own layer that of the sweep, elsewhere one that is drawn from
/// it and from the distance.
fn seed_at(seed: u64, distance: i64) -> u64 {
    if distance == 0 {
        return seed;
    }
    let state =
        [seed, distance as u64].into_iter().fold(0, |state, part| split_mix(state ^ part).1);
    split_mix(state).1
}

#[test]
fn each_layer_of_a_window_has_noise_of_its_own() {
    let subject = Subject::new("gemma3-plain");
    let (pairs, rows) = (mixed(), rows(&mixed()));
    let layers = LAYERS[0].1;
    let treatments = [
        (Method::Noise { standard_deviation: 0.3, draws: 2 }, 2),
        (Method::Noise { standard_deviation: 0.3, draws: 1 }, 1),
    ];
    for (treatment, draws) in treatments {
        let sweep = subject
            .sweep(&rows)
            .components([Component::MlpOutput])
            .roles(roles(&["last"]))
            .window(3)
            .method(treatment)
            .seed(7)
            .metrics(metrics())
            .build()
            .unwrap();
        let tables = tables(&subject, &sweep);
        agree(&tables);
        check(&subject, &tables[0], &pairs, |line, pair| {
            let mut hand = of_base(&subject, line, pair, Vec::new());
            let place = at(&written(&subject, line, pair));
            let (own, row) = (line.layer.unwrap(), line.example);
            let of_draw = |draw: u64| {
                let edit = |&layer: &usize| {
                    let seed = seed_at(7 ^ (draw << 32), layer as i64 - own as i64);
                    let noise = noise(row, 0.3, seed, 0);
                    Edit::new(line.component, layer, noise).at(place.clone())
                };
                let edits: Vec<Edit> = layers[own].iter().map(edit).collect();
                Done::new(subject.prompt(&pair.base), Vec::new(), move |_| edits.clone())
            };
            hand.after = (0..draws).map(of_draw).collect();
            hand
        });
    }
    // What is drawn in two layers has nothing in common.
    let draws = |seed: u64| {
        let noise = noise(3, 1.0, seed, 0);
        let zeros = candle_core::Tensor::zeros(
            (4, 500),
            candle_core::DType::F64,
            &candle_core::Device::Cpu,
        );
        let context = vene::intervention::UnitContext::at(&[0, 1, 2, 3]);
        let drawn = noise.apply(&zeros.unwrap(), &[], context).unwrap();
        drawn.flatten_all().unwrap().to_vec1::<f64>().unwrap()
    };
    let all: Vec<Vec<f64>> = (-2..=2).map(|distance| draws(seed_at(7, distance))).collect();
    for (index, one) in all.iter().enumerate() {
        for other in &all[..index] {
            let product: f64 = one.iter().zip(other).map(|(a, b)| a * b).sum();
            // A correlation of 2,000 pairs has a standard deviation of 0.022.
            assert!((product / 2000.0).abs() < 0.1, "{product}");
        }
    }
}

#[test]
fn random_directions_of_a_window_are_independent() {
    let subject = Subject::new("gemma3-plain");
    let (pairs, rows) = (mixed(), rows(&mixed()));
    let layers = LAYERS[0].1;
    let sweep = subject
        .sweep(&rows)
        .components([Component::MlpOutput])
        .roles(roles(&["last"]))
        .window(3)
        .controls([Control::RandomDirection])
        .seed(5)
        .build()
        .unwrap();
    let tables = tables(&subject, &sweep);
    agree(&tables);
    let random = tables[0].filter(|row| tables[0].text("control").unwrap()[row] == "random");
    check(&subject, &random, &pairs, |line, pair| {
        let mut hand = interchange(&subject, line, pair);
        let role = line.role.as_ref().unwrap();
        let written = at(&subject.positions(pair, role, false));
        let read = at(&subject.positions(pair, role, true));
        let (own, row) = (line.layer.unwrap(), line.example);
        let edit = |&layer: &usize| {
            let seed = seed_at(5, layer as i64 - own as i64);
            Edit::new(line.component, layer, direction(row, seed))
                .at(written.clone())
                .from(read.clone())
        };
        let edits: Vec<Edit> = layers[own].iter().map(edit).collect();
        let source = subject.prompt(pair.source.as_ref().unwrap());
        hand.after =
            vec![Done::new(subject.prompt(&pair.base), vec![source], move |_| edits.clone())];
        hand
    });
}
