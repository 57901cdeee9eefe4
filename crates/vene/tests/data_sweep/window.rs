//! Windows: several adjacent layers at once, around a cell's, cut at the model's ends; an even one has one layer
//! more before the cell's than after it.

use vene::{Component, Control, Edit};

use crate::hand::{Done, at, check, close};
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
            let role = line.position.as_ref().unwrap();
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
            let role = line.position.as_ref().unwrap();
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
