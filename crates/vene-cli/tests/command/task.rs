//! `vene task`.

use std::fs;

use serde_json::Value;

use crate::support::{files, printed, refused};

#[test]
fn a_file_holds_as_many_rows_as_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capital.jsonl");
    let out = path.to_str().unwrap();
    let arguments = ["task", "capital", "-n", "40", "--seed", "9", "--out", out];
    let said = printed(&arguments);
    assert!(said.contains("40 rows") && said.contains("capital-24"), "{said}");
    let text = fs::read_to_string(&path).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 40);
    for row in &rows {
        let of = |key: &str| row[key].as_str().unwrap();
        assert!(of("base").contains(of("subject")) && of("source").contains(of("source_subject")));
        assert!(of("target").starts_with(' ') && of("group").starts_with("capital-"), "{row}");
    }
    assert_eq!(files(folder.path()), ["capital.jsonl"]);

    let sequences = folder.path().join("induction.jsonl");
    let said = printed(&["task", "induction", "-n", "4", "--out", sequences.to_str().unwrap()]);
    assert!(said.contains("no groups: rows are independent"), "{said}");
    assert!(!fs::read_to_string(&sequences).unwrap().contains("\"group\""));
    fs::remove_file(sequences).unwrap();

    // The same again, over the old file where that is asked for; and without a file, the same rows are printed.
    assert!(refused(&arguments).contains("is there already"));
    let data: Value =
        serde_json::from_str(&printed(&[&arguments[..], &["--json", "--force"]].concat())).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(data["rows"], 40);
    assert_eq!(data["example"], rows[0]);
    assert_eq!(data["groups"].as_array().unwrap().len(), 24);
    assert_eq!(printed(&arguments[..6]), text);
}

#[test]
fn the_list_has_every_task() {
    let list = printed(&["task"]);
    for name in ["capital", "ioi", "greater_than", "gendered_pronoun", "agreement", "induction"] {
        assert!(list.lines().any(|line| line.starts_with(name)), "{name} in {list}");
    }
    assert_eq!(printed(&["task", "--list"]), list);
    let data: Value = serde_json::from_str(&printed(&["task", "--json"])).unwrap();
    assert_eq!(data.as_array().unwrap().len(), list.lines().count());
    assert!(data[4]["paper"].as_str().unwrap().contains("2211.00593"));
}

#[test]
fn bad_input_is_refused_in_a_line() {
    let line = refused(&["task", "capitol"]);
    assert!(line.contains("`capitol`") && line.contains("capital, continent"), "{line}");
    let line = refused(&["task", "ioi"]);
    assert!(line.contains("first names") && line.contains("another model"), "{line}");
    assert!(refused(&["task", "capital", "-n", "0"]).contains("1..=1000000"));
    assert!(refused(&["task", "capital", "--json"]).contains("--out"));
    assert!(refused(&["task", "--out", "rows.jsonl"]).contains("NAME"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/rows.jsonl");
    let line = refused(&["task", "capital", "--out", path.to_str().unwrap()]);
    assert!(line.contains("--out") && line.contains("rows.jsonl"), "{line}");
}
