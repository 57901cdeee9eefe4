//! Rows of our own layout that would give wrong numbers, and what is said of them.

use super::*;

/// Refuses one JSON object; what is said behind the file's name.
fn row(object: &str) -> String {
    refused("rows.jsonl", &format!("{{\"base\": \"fine\"}}\n{object}\n"))
}

#[test]
fn files_that_are_no_data_sets() {
    let nothing = read("capitals.xlsx").unwrap_err().to_string();
    assert!(nothing.contains("expected .csv, .jsonl or .ndjson"), "{nothing}");
    assert!(read("capitals").unwrap_err().to_string().contains("the extension says no format"));
    assert!(read("no/such/file.csv").unwrap_err().to_string().starts_with("no/such/file.csv: "));
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("folder.csv");
    std::fs::create_dir(&inner).unwrap();
    assert!(read(&inner).unwrap_err().to_string().contains("give a regular file"));
    for name in ["empty.csv", "empty.jsonl", "empty.json"] {
        for text in ["", "\n\n", "\u{feff}"] {
            assert_eq!(refused(name, text), ": the file holds no row", "{name} {text:?}");
        }
    }
    assert_eq!(refused("header.csv", "base,target\n"), ": the file holds no row");
    assert_eq!(refused("array.json", "[]"), ": the file holds no row");
    assert!(refused("empty.parquet", "").starts_with(": "));
}

#[test]
fn formats_that_are_broken() {
    let message = refused("a.jsonl", "{\"base\": \"x\"}\n\n{\"base\": oops}\n");
    assert_eq!(message, ", line 3, column 10: expected value");
    let message = refused("a.json", "[{\"base\": \"x\"},\n {\"base\": NaN}]");
    assert!(message.starts_with(", line 2, column 11: "), "{message}");
    assert!(refused("a.jsonl", "[1]").contains("line 1: an array; expected an object"));
    assert!(refused("a.json", "[7]").contains("row 0 (counted from 0): a number; expected"));
    assert!(refused("a.json", "{\"data\": []}").contains("one object (with the keys data)"));
    assert!(refused("a.json", "{\"prompts\": 3}").contains("`prompts` that are a number"));
    assert!(refused("a.json", "\"text\"").contains("the file holds a text"));
    assert!(refused("a.csv", "base,target\nx\n").contains("line: 2"));
    assert!(refused("a.csv", "base,target,base\nx,y,z\n").contains("two columns are named `base`"));
    let latin = refused_with("a.csv", b"base\n\xe9t\xe9\n", &ReadOptions::default());
    assert!(latin.contains("UTF-8"), "{latin}");
    let latin = refused_with("a.jsonl", b"{\"base\": \"\xe9\"}", &ReadOptions::default());
    assert!(latin.starts_with(", line 1, column "), "{latin}");
    let text = refused("a.parquet", "base,target\n");
    assert!(text.starts_with(": "), "{text}");
}

#[test]
fn keys_that_stand_twice() {
    let message = row(r#"{"base": "x", "target": " a", "target": " b"}"#);
    assert!(message.starts_with(", line 2, column "), "{message}");
    assert!(message.ends_with("the key `target` stands twice"), "{message}");
}

#[test]
fn layouts_that_nobody_knows() {
    let message = refused("a.csv", "clean,corrupted,correct_idx\na,b,3\n");
    assert!(
        message.starts_with(
            ": the first row has `clean`, `corrupted`, `correct_idx`; expected `base`"
        ),
        "{message}"
    );
    assert!(refused("a.csv", "base;target\na; b\n").contains("has `base;target`"));
    assert!(refused("a.jsonl", "{}").contains("has no keys"));
}

#[test]
fn bases_answers_and_groups() {
    assert_eq!(
        row(r#"{"target": " a"}"#),
        ", line 2: `base` is missing; expected a prompt, as a text"
    );
    assert!(row(r#"{"base": null}"#).contains("`base` is missing"));
    assert!(row(r#"{"base": 3}"#).contains("`base` is a number; expected a prompt"));
    assert!(
        row(r#"{"base": "x", "source": ""}"#).contains("`source` is an empty text; leave it out")
    );
    let number = row(r#"{"base": "x", "target": 12}"#);
    assert!(
        number.contains("`target` is a number; expected a text with its leading space"),
        "{number}"
    );
    assert!(row(r#"{"base": "x", "foil": [" a", 3]}"#).contains("`foil` is a number"));
    assert!(row(r#"{"base": "x", "foil": [" a", ""]}"#).contains("`foil` is an empty text"));
    assert!(row(r#"{"base": "x", "target": {"text": " a"}}"#).contains("`target` is an object"));
    assert!(row(r#"{"base": "x", "group": 1.5}"#).contains("`group` is a number; expected a name"));
    let csv = refused("a.csv", "base,target\nx, a\n,\" b\n c\"\n");
    assert!(csv.starts_with(", line 3: `base` is missing"), "{csv}");
}

#[test]
fn phrases_that_are_not_there() {
    let message = row(r#"{"base": "The capital of Spain is", "topic": "geography"}"#);
    assert_eq!(
        message,
        ", line 2: `topic` is `geography`, which does not occur in the base `The capital of Spain \
         is`; a text column names a phrase of its prompt: correct it, or rename it `meta_topic` if \
         it is none"
    );
    let source = row(r#"{"base": "a b", "source": "c d", "x": "b", "source_x": "e"}"#);
    assert!(
        source.contains("`source_x` is `e`, which does not occur in the source `c d`"),
        "{source}"
    );
    let counterpart = row(r#"{"base": "of Spain", "source": "of Italy", "country": "Spain"}"#);
    assert!(counterpart.contains("say in `source_country` which phrase"), "{counterpart}");
    assert!(row(r#"{"base": "a b", "x": "  "}"#).contains("`x` is an empty text"));
}

#[test]
fn phrases_that_are_there_several_times() {
    let message = row(r#"{"base": "a b a", "x": "a"}"#);
    assert!(message.contains("`a` (`x`) occurs 2 times in the base `a b a`"), "{message}");
    assert!(message.ends_with("say in `x_occurrence` which is meant, 0 to 1"), "{message}");
    let source = row(r#"{"base": "b", "source": "a b a", "x": "b", "source_x": "a"}"#);
    assert!(source.ends_with("say in `source_x_occurrence` which is meant, 0 to 1"), "{source}");
    let same = row(r#"{"base": "a b", "source": "a a b", "x": "a"}"#);
    assert!(same.ends_with("say in `source_x_occurrence` which is meant, 0 to 1"), "{same}");
    let past = row(r#"{"base": "a b a", "x": "a", "x_occurrence": 2}"#);
    assert!(past.contains("`x_occurrence`: occurrence 2 of `a` is asked for"), "{past}");
    // The base's index holds for the same phrase in the source, where nothing else is said.
    let shorter = row(r#"{"base": "a b a", "source": "a b", "x": "a", "x_occurrence": 1}"#);
    assert!(shorter.contains("but the source `a b` has 1"), "{shorter}");
    let negative = row(r#"{"base": "a a", "x": "a", "x_occurrence": -1}"#);
    assert!(negative.contains("`x_occurrence` is a number; expected a whole number"), "{negative}");
    let word = refused("a.csv", "base,x,x_occurrence\na a,a,second\n");
    assert!(word.contains("`x_occurrence` is a text; expected a whole number"), "{word}");
}

#[test]
fn characters_that_are_not_there() {
    assert!(
        row(r#"{"base": "abc", "x": [1, 1]}"#).contains("expected [start, end] with start < end")
    );
    assert!(row(r#"{"base": "abc", "x": [1, 4]}"#).contains("of the base, which has 3"));
    assert!(
        row(r#"{"base": "abc", "source": "ab", "x": [1, 3]}"#)
            .contains("of the source, which has 2")
    );
    let both = row(r#"{"base": "abc", "x": [1, 2], "x_occurrence": 0}"#);
    assert!(both.contains("`x` is a range of characters; leave it out"), "{both}");
    assert!(
        row(r#"{"base": "abc", "x": [1, 2, 3]}"#).contains("`x` is an array; expected a phrase")
    );
    assert!(row(r#"{"base": "abc", "x": [-1, 2]}"#).contains("`x` is an array; expected a phrase"));
}

#[test]
fn keys_of_unknown_meaning() {
    let number = row(r#"{"base": "abc", "score": 0.5}"#);
    assert!(number.contains("`score` is a number; expected a phrase of the base"), "{number}");
    assert!(number.ends_with("rename it `meta_score`, which is ignored"), "{number}");
    assert!(row(r#"{"base": "abc", "info": {}}"#).contains("`info` is an object"));
    let alone = row(r#"{"base": "a b", "source": "a c", "source_x": "c"}"#);
    assert!(alone.contains("`source_x` belongs to `x`, which the row lacks"), "{alone}");
    assert!(row(r#"{"base": "a", "x_occurrence": 0}"#).contains("belongs to `x`"));
    let sourceless = row(r#"{"base": "a b", "x": "a", "source_x": "c"}"#);
    assert!(
        sourceless.contains("`source_x` belongs to `source`, which the row lacks"),
        "{sourceless}"
    );
}

#[test]
fn names_that_positions_understand_otherwise() {
    for name in [
        "all",
        "aligned",
        "last",
        "first",
        "after_x",
        "x_after",
        "x_first",
        "x_last",
        "3",
        "-1",
        "0..3",
        "a,b",
        " x",
        "source_target",
        "source_occurrence",
        "source_last",
    ] {
        let message = row(&format!(r#"{{"base": "a b", "{name}": "b"}}"#));
        assert!(message.contains(&format!("`{name}`: no span can be named ")), "{name}: {message}");
    }
}

#[test]
fn columns_that_are_ignored() {
    let object = r#"{"base": "a", "id": 1, "_x": {}, "meta_y": 2.5, "metadata": {"z": [1]},
                     "source_id": 7, "last": null, "template": "{}", "": 0}"#
        .replace('\n', "");
    let rows = read_bytes("a.jsonl", object.as_bytes(), &ReadOptions::default());
    assert!(rows.is_err_and(|error| error.to_string().contains("named `last`")));
    let object = object.replace("\"last\": null, ", "");
    let file = read_bytes("a.jsonl", object.as_bytes(), &ReadOptions::default()).unwrap();
    assert_eq!(file.rows, [crate::data::Row::of_base("a")]);
}
