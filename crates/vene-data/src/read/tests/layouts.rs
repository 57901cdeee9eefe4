//! Others' layouts.

use super::*;
use crate::{FoilIs, Layout, Place, Row};

fn counterfactual(name: &str) -> ReadOptions {
    ReadOptions { counterfactual: Some(name.to_owned()), ..ReadOptions::default() }
}

#[test]
fn auto_circuit() {
    let file = read_with(sample("auto_circuit.json"), &ReadOptions::default()).unwrap();
    assert_eq!(file.layout, Layout::AutoCircuit);
    let animals = Row::new("A dog barks and a cat", "A dog barks and a hen")
        .target(" meows")
        .target(" purrs")
        .foil(" clucks")
        .foil_is(FoilIs::Unknown);
    assert_eq!(file.rows[0], animals);
    assert_eq!(file.rows[1].foil, [" bleats", " baas"]);
    // Some of its files have no answers.
    let bare = br#"{"prompts": [{"clean": "I like", "corrupt": "I hate"}]}"#;
    let rows = read_bytes("mini.json", bare, &ReadOptions::default()).unwrap().rows;
    assert_eq!(rows, [Row::new("I like", "I hate").foil_is(FoilIs::Unknown)]);
}

#[test]
fn auto_circuit_of_token_ids_is_refused() {
    let prompts = r#"{"prompts": [{"clean": [3, 0], "corrupt": [3, 1], "answers": [[0]]}]}"#;
    let message = refused("tokens.json", prompts);
    assert!(message.starts_with(", line 1 (row 0): `clean` holds numbers"), "{message}");
    assert!(message.contains("decode them to texts"), "{message}");
    let answers = r#"{"prompts": [{"clean": "a", "corrupt": "b", "answers": [1]}]}"#;
    assert!(refused("tokens.json", answers).contains("`answers` holds numbers"));
}

#[test]
fn indirect_objects() {
    let file = read_with(sample("mib_ioi.jsonl"), &counterfactual("s2_io_flip")).unwrap();
    assert_eq!(file.layout, Layout::Mib);
    let expected = Row::new(
        "After Piet and Olga sang, Piet threw a hat to",
        "After Piet and Olga sang, Olga threw a hat to",
    )
    .target(" Olga")
    .foil(" Piet")
    .group("After {name_A} and {name_B} sang, {name_C} threw a {object} to");
    assert_eq!(file.rows[0], expected);
    assert_eq!(file.rows.len(), 2);
}

#[test]
fn which_counterfactual_is_asked_for() {
    let error = read(sample("mib_ioi.jsonl")).unwrap_err().to_string();
    let both = "name one of `abc_counterfactual`, `s2_io_flip_counterfactual`";
    assert!(error.ends_with(both), "{error}");
    let unknown = read_with(sample("mib_ioi.jsonl"), &counterfactual("s3")).unwrap_err();
    assert!(unknown.to_string().contains("no counterfactual `s3`; it has `abc_counterfactual`"));
    let ours = read_with(sample("capitals.jsonl"), &counterfactual("abc")).unwrap_err();
    assert!(ours.to_string().contains("the file is in our own layout"), "{ours}");
}

#[test]
fn rows_without_the_counterfactual_are_left_out_only_if_asked() {
    let mut options = counterfactual("abc_counterfactual");
    let error = read_with(sample("mib_ioi.jsonl"), &options).unwrap_err().to_string();
    assert!(error.contains("line 2 (row 1): the row has no `abc_counterfactual`"), "{error}");
    options.leave_out = true;
    let file = read_with(sample("mib_ioi.jsonl"), &options).unwrap();
    assert_eq!((file.rows.len(), file.left_out), (1, vec![Place { row: 1, line: Some(2) }]));
    // What the counterfactual itself says of its answer.
    assert_eq!(file.rows[0].foil_is, FoilIs::WrongAnswer);
    // A struct of nulls is what Parquet makes of a missing one.
    options.counterfactual = Some("ones_carry".to_owned());
    let file = read_with(sample("mib_arithmetic.jsonl"), &options).unwrap();
    assert_eq!(file.left_out, [Place { row: 0, line: Some(1) }]);
    // The other keeps its number.
    assert_eq!(file.rows[0].place, Some(Place { row: 1, line: Some(2) }));
    assert_eq!(file.rows[0].foil, ["31"]);
}

#[test]
fn multiple_choice() {
    let options = ReadOptions::default();
    let rows = read_with(sample("mib_mcqa.jsonl"), &options).unwrap().rows;
    assert_eq!((&rows[0].target, &rows[0].foil), (&vec![" B".into()], &vec![" 2".into()]));
    assert!(rows[0].source.as_ref().unwrap().contains("2. teal"));
    let bare = ReadOptions { bare_labels: true, ..options };
    let rows = read_with(sample("mib_mcqa.jsonl"), &bare).unwrap().rows;
    assert_eq!((&rows[0].target, &rows[0].foil), (&vec!["B".into()], &vec!["2".into()]));
}

#[test]
fn arithmetic() {
    let rows = read_with(sample("mib_arithmetic.jsonl"), &counterfactual("random")).unwrap().rows;
    assert_eq!(rows[0].base, "31 plus 14 makes ");
    assert_eq!(rows[0].source.as_deref(), Some("53 plus 27 makes "));
    assert_eq!((&rows[0].target, &rows[0].foil), (&vec!["45".into()], &vec!["80".into()]));
}

#[test]
fn what_mib_does_not_say_is_refused() {
    let with = |rest: &str| {
        let row = format!(r#"{{"prompt": "p", "x_counterfactual": {{"prompt": "q"}}, {rest}}}"#);
        refused("mib.jsonl", &row)
    };
    assert!(with(r#""entity": "Rome", "attribute": "Country""#).contains("RAVEL"));
    assert!(
        with(r#""choices": ["a", "b"], "answerKey": 0"#).contains("are no object with `label`")
    );
    assert!(with(r#""other": 1"#).contains("nothing says its answers"));
    assert!(
        with(r#""label": 1.5"#).contains("line 1 (row 0): `label` is a number; expected a label")
    );
    assert!(with(r#""label": "5""#).contains("`x_counterfactual.label` is missing"));
    let past = with(r#""choices": {"label": ["A"]}, "answerKey": 1"#);
    assert!(past.contains("`answerKey` is 1, but there are 1 choices"), "{past}");
    let keyless = with(r#""choices": {"label": ["A"]}, "answerKey": "A""#);
    assert!(keyless.contains("`answerKey` is a text; expected the index"), "{keyless}");
    let nameless = with(r#""metadata": {"indirect_object": "Olga"}"#);
    assert!(nameless.contains("`metadata.subject` is missing"), "{nameless}");
    let csv = "prompt,label,x_counterfactual\np,1,\"{'prompt': 'q'}\"\n";
    assert!(refused("mib.csv", csv).contains("`x_counterfactual` is a text; expected an object"));
}
