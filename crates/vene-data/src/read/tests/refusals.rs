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
    assert!(refused("a.jsonl", "[1]").contains("line 1 (row 0): an array; expected an object"));
    assert!(refused("a.json", "\n[7]").contains("line 2 (row 0): a number; expected"));
    assert!(refused("a.json", "{\"data\": []}").contains("one object (with the keys data)"));
    assert!(refused("a.json", "{\"prompts\": 3}").contains("`prompts` that are a number"));
    assert!(refused("a.json", "\"text\"").contains("the file holds a text"));
    let short = refused("a.csv", "base,target\r\n\r\ny, a\r\n\r\nx\r\n");
    assert!(short.starts_with(", line 5 (row 1): 1 cells, and the first line names 2"), "{short}");
    assert!(refused("a.csv", "base,target,base\nx,y,z\n").contains("two columns are named `base`"));
    let latin = refused_with("a.csv", b"base\n\xe9t\xe9\n", &ReadOptions::default());
    assert!(latin.contains("UTF-8"), "{latin}");
    let latin = refused_with("a.jsonl", b"{\"base\": \"\xe9\"}", &ReadOptions::default());
    assert!(latin.starts_with(", line 1, column "), "{latin}");
    let wide = format!("base{}\nx\n", ",y".repeat(5000));
    assert!(refused("a.csv", &wide).contains("line 1 (row 0): more than 4096 columns"));
    let keys: Vec<String> = (0..5000).map(|key| format!("\"_{key}\": 1")).collect();
    let wide = format!("{{\"base\": \"x\", {}}}", keys.join(","));
    assert!(refused("a.jsonl", &wide).contains("line 1 (row 0): more than 4096 columns"));
    let text = refused("a.parquet", "base,target\n");
    assert!(text.starts_with(": "), "{text}");
}

/// What git-lfs leaves in the place of a file that it did not fetch.
#[test]
fn files_that_are_not_there_themselves() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    for name in ["a.csv", "a.jsonl", "a.json", "a.parquet"] {
        let message = refused(name, pointer);
        assert!(
            message.starts_with(": is only git-lfs's pointer to the file of 12345 bytes, not the file: run `git lfs pull`"),
            "{message}"
        );
        let page = refused(name, "<!DOCTYPE html><html></html>");
        assert!(page.starts_with(": is a page of the web (HTML)"), "{page}");
    }
}

#[test]
fn an_object_over_two_lines_is_named_by_its_own() {
    let message =
        refused("a.jsonl", "{\"base\": \"x\"}\n{\"base\": \"y\",\n \"target\": \" a\"}\n");
    assert!(message.starts_with(", line 2, column 13: EOF while parsing"), "{message}");
    assert!(
        message.contains("not complete on its line; write each object on one line"),
        "{message}"
    );
    // In an array rows may stand over as many lines as they like.
    let array = "[\n {\"base\": \"x\",\n  \"target\": \" a\"},\n {\"target\":\n \" b\"}]";
    let message = refused("a.json", array);
    assert!(message.starts_with(", line 4 (row 1): `base` is missing"), "{message}");
    let prompts = "{\"words\": [1, 2],\n \"prompts\": [\n {\"clean\": \"a\", \"corrupt\": \"b\"},\n {\"clean\": 3}]}";
    let message = refused("a.json", prompts);
    assert!(message.starts_with(", line 4 (row 1): `clean` holds numbers"), "{message}");
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
        ", line 2 (row 1): `base` is missing; expected a prompt, as a text"
    );
    assert!(row(r#"{"base": 3}"#).contains("`base` is a number; expected a prompt"));
    let number = row(r#"{"base": "x", "target": 12}"#);
    assert!(
        number.contains("`target` is a number; expected a text with its leading space"),
        "{number}"
    );
    assert!(row(r#"{"base": "x", "foil": [" a", 3]}"#).contains("`foil` is a number"));
    assert!(row(r#"{"base": "x", "target": {"text": " a"}}"#).contains("`target` is an object"));
    assert!(row(r#"{"base": "x", "group": 1.5}"#).contains("`group` is a number; expected a name"));
    let foil = row(r#"{"base": "x", "foil": " a", "foil_is": "wrong"}"#);
    assert!(
        foil.contains("`foil_is`")
            && foil.ends_with("There are source_answer, wrong_answer, unknown"),
        "{foil}"
    );
}

#[test]
fn phrases_that_are_not_there() {
    let message = row(r#"{"base": "The capital of Spain is", "topic": "geography"}"#);
    assert_eq!(
        message,
        ", line 2 (row 1): `topic` is `geography`, which does not occur in the base `The capital of Spain \
         is`; a text column names a phrase of its prompt: correct it, or rename it `meta_topic` if \
         it is none"
    );
    let source = row(r#"{"base": "a b", "source": "c d", "x": "b", "source_x": "e"}"#);
    assert!(
        source.contains("`source_x` is `e`, which does not occur in the source `c d`"),
        "{source}"
    );
    assert!(row(r#"{"base": "a b", "x": "  "}"#).contains("`x` is an empty text"));
}

#[test]
fn phrases_that_are_there_several_times() {
    let message = row(r#"{"base": "a b a", "x": "a"}"#);
    assert!(message.contains("`a` (`x`) occurs 2 times in the base `a b a`"), "{message}");
    assert!(message.ends_with("say in `x_occurrence` which is meant, 0 to 1"), "{message}");
    let source = row(r#"{"base": "b", "source": "a b a", "x": "b", "source_x": "a"}"#);
    assert!(source.ends_with("say in `source_x_occurrence` which is meant, 0 to 1"), "{source}");
    let past = row(r#"{"base": "a b a", "x": "a", "x_occurrence": 2}"#);
    assert!(past.contains("`x_occurrence`: occurrence 2 of `a` is asked for"), "{past}");
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
    let source = row(r#"{"base": "abc", "source": "ab", "x": [1, 3], "source_x": [1, 3]}"#);
    assert!(source.contains("of the source, which has 2"), "{source}");
    let both = row(r#"{"base": "abc", "x": [1, 2], "x_occurrence": 0}"#);
    assert!(both.contains("`x` is a range of characters; leave it out"), "{both}");
    let mixed = |value: &str| {
        refused(
            "a.jsonl",
            &format!(
                "{{\"base\": \"abc\", \"x\": [0, 1]}}\n{{\"base\": \"abc\", \"x\": {value}}}\n"
            ),
        )
    };
    assert!(mixed("[1, 2, 3]").contains("`x` is an array; expected a phrase"));
    assert!(mixed("[-1, 2]").contains("`x` is an array; expected a phrase"));
}

#[test]
fn keys_of_unknown_meaning() {
    // A column is a span or it is none, never sometimes.
    let mixed = |object: &str| {
        refused(
            "a.jsonl",
            &format!("{{\"base\": \"abc\", \"score\": \"b\", \"info\": \"c\"}}\n{object}\n"),
        )
    };
    let number = mixed(r#"{"base": "abc", "score": 0.5}"#);
    assert!(number.contains("`score` is a number; expected a phrase of the base"), "{number}");
    assert!(number.starts_with(", line 2 (row 1): "), "{number}");
    assert!(number.ends_with("rename it `meta_score`, which is ignored"), "{number}");
    assert!(mixed(r#"{"base": "abc", "info": {}}"#).contains("`info` is an object"));
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
fn columns_that_hold_no_phrase_are_named_once() {
    let lines = r#"{"base": "a b", "x": "a", "score": 0.5, "info": {"k": [1]}, "meta_y": 1, "id": {}}
{"base": "c d", "x": "d", "score": 2, "info": null, "ok": true, "ids": [1, 2, 3]}"#;
    let file = read_bytes("a.jsonl", lines.as_bytes(), &ReadOptions::default()).unwrap();
    let named: Vec<String> = file.unused.iter().map(ToString::to_string).collect();
    assert_eq!(
        named,
        [
            "column `ids` holds arrays, which is no phrase of a prompt: it is not read (rename it \
             `meta_ids` to say so)",
            "column `info` holds objects, which is no phrase of a prompt: it is not read (rename it \
             `meta_info` to say so)",
            "column `ok` holds true or false, which is no phrase of a prompt: it is not read (rename it \
             `meta_ok` to say so)",
            "column `score` holds numbers, which is no phrase of a prompt: it is not read (rename it \
             `meta_score` to say so)",
        ]
    );
    assert_eq!(file.rows[1].spans.keys().collect::<Vec<_>>(), ["x"]);
}

#[test]
fn a_phrase_that_one_row_lacks_is_that_rows_fault() {
    let lines = r#"{"base": "of Spain", "source": "of Italy", "x": "Spain", "source_x": "Italy"}
{"base": "of Peru", "source": "of Italy", "x": "Chile", "source_x": "Italy"}
{"base": "of Peru", "source": "of Italy", "x": "Peru"}
{"base": "a a", "source": "a", "x": "a", "source_x": "a"}
{"base": "a a", "source": "a", "x": [0, 9], "source_x": [0, 1]}"#;
    let file = read_bytes("a.jsonl", lines.as_bytes(), &ReadOptions::default()).unwrap();
    assert_eq!(file.rows.len(), 5);
    // Whoever asks for the position leaves these rows out.
    assert_eq!(file.rows[1].spans["x"].base, crate::Phrase::from("Chile"));
    assert_eq!(file.rows[2].spans["x"].source, None);
    let csv = "base,x\nof Spain,Spain\nof Peru,Chile\n";
    assert_eq!(read_bytes("a.csv", csv.as_bytes(), &ReadOptions::default()).unwrap().rows.len(), 2);
    // Where no row has its phrase, the column is something else.
    let lost: Vec<&str> =
        lines.lines().skip(1).filter(|line| !line.contains("\"x\": \"Peru\"")).collect();
    let message = refused("a.jsonl", &lost.join("\n"));
    assert!(
        message.starts_with(", line 1 (row 0): `x` is `Chile`, which does not occur"),
        "{message}"
    );
}

/// Whether a source is read is not known here.
#[test]
fn a_phrase_of_the_base_that_no_source_has_is_no_fault_of_the_file() {
    for row in [
        r#"{"base": "of Spain", "source": "of Italy", "x": "Spain"}"#,
        r#"{"base": "a b", "source": "a a b", "x": "a"}"#,
        // The base's index holds for the same phrase in the source.
        r#"{"base": "a b a", "source": "a b", "x": "a", "x_occurrence": 1}"#,
        r#"{"base": "abc", "source": "ab", "x": [1, 3]}"#,
    ] {
        let file = read_bytes("a.jsonl", row.as_bytes(), &ReadOptions::default()).unwrap();
        assert_eq!(file.rows[0].spans["x"].source, None, "{row}");
    }
}

/// Which rows can be used is not known here.
#[test]
fn what_one_row_lacks_is_no_fault_of_the_file() {
    let good = r#"{"base": "of Spain", "source": "of Italy", "x": "Spain", "source_x": "Italy", "x_occurrence": 0}"#;
    for row in [
        r#"{"base": "of Peru", "source": null, "x": "Peru", "source_x": "Italy"}"#,
        r#"{"base": "of Peru", "source": "of Italy", "x": null, "source_x": "Italy"}"#,
        r#"{"base": "of Peru", "source": "of Italy", "x_occurrence": 0}"#,
        r#"{"base": "of Peru", "source": "of Italy", "x": "", "source_x": "Italy"}"#,
        r#"{"base": "of Peru", "source": "of Italy", "x": "Peru", "source_x": ""}"#,
        r#"{"base": ""}"#,
        r#"{"base": null, "x": "Peru"}"#,
        r#"{"base": "of Peru", "source": ""}"#,
        r#"{"base": "of Peru", "target": "", "foil": [" a", ""]}"#,
    ] {
        for lines in [[row, good], [good, row]] {
            let file = read_bytes("a.jsonl", lines.join("\n").as_bytes(), &ReadOptions::default())
                .unwrap();
            assert_eq!(file.rows.len(), 2, "{row}");
        }
    }
    let csv = "base,source,x,source_x\nof Spain,of Italy,Spain,Italy\nof Peru,,Peru,Italy\n,of Italy,,Italy\n";
    let rows = read_bytes("a.csv", csv.as_bytes(), &ReadOptions::default()).unwrap().rows;
    assert_eq!((rows.len(), rows[1].spans["x"].source.as_ref()), (3, None));
    // Where no row has a source, none may be meant to replace a phrase in it.
    let sourceless = refused("a.csv", "base,source,x,source_x\nof Peru,,Peru,Italy\n");
    assert!(
        sourceless
            .starts_with(", line 2 (row 0): `source_x` belongs to `source`, which the row lacks"),
        "{sourceless}"
    );
    let empty = r#"{"clean": "a", "corrupt": "b", "answers": "c"}
{"clean": "", "corrupt": null, "answers": [""]}"#;
    assert_eq!(
        read_bytes("a.jsonl", empty.as_bytes(), &ReadOptions::default()).unwrap().rows.len(),
        2
    );
}

#[test]
fn cells_that_look_like_lists() {
    let cell = |column: &str, cell: &str| {
        refused("a.csv", &format!("base,{column}\na b,\"{}\"\n", cell.replace('"', "\"\"")))
    };
    for list in ["[1,2", "[\"a\", \"b\"", "['a', 'b']", "[MASK]", "["] {
        for column in ["target", "foil"] {
            let message = cell(column, list);
            assert!(message.starts_with(", line 2 (row 0): "), "{message}");
            let expected = format!("`{column}` is `{list}`, which looks like a list and is none");
            assert!(message.contains(&expected), "{message}");
        }
        let message = cell("x", list);
        assert!(message.contains("`x` is") && message.contains("looks like a list"), "{message}");
    }
    assert!(cell("target", "[1,2]").contains("`target` is a number"));
    assert!(cell("target", "[[\" a\"]]").contains("`target` is an array"));
    assert!(cell("x", "[0,1.5]").contains("`x` is `[0,1.5]`, which looks like a list"));
    let fine = "base,target,x\na [MASK],\"[\"\"[MASK]\"\"]\",[MASK]\n";
    let rows = read_bytes("a.csv", fine.as_bytes(), &ReadOptions::default()).unwrap().rows;
    assert_eq!(rows[0].target, ["[MASK]"]);
    assert_eq!(rows[0].spans["x"].base, crate::Phrase::from("[MASK]"));
    let text = row(r#"{"base": "f", "target": "[\"a\"]"}"#);
    assert!(text.contains("`target` is the text `[\"a\"]`, which looks like a list"), "{text}");
    // In JSON, too, a text that only looks like a list is more likely one of another language.
    for list in ["[' a']", "[MASK]", "[1,2"] {
        let text = row(&format!(r#"{{"base": "f", "target": "{list}"}}"#));
        let expected = format!("`target` is `{list}`, which looks like a list and is none");
        assert!(text.starts_with(", line 2 (row 1): ") && text.contains(&expected), "{text}");
    }
    let fine = br#"{"base": "f", "target": ["[MASK]"], "foil": " [x]"}"#;
    let rows = read_bytes("a.jsonl", fine, &ReadOptions::default()).unwrap().rows;
    assert_eq!((rows[0].target[0].as_str(), rows[0].foil[0].as_str()), ("[MASK]", " [x]"));
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
    assert_eq!(file.rows, [crate::Row::of_base("a")]);
}
