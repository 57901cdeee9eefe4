//! `docs/sweep.schema.json`, and what `vene sweep --json` prints, held to it.
//!
//! The validator knows the part of JSON Schema (draft 2020-12) that the file uses, and refuses all else in it, so that
//! no word of the schema is passed over.

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::support::{BASE, SOURCE, printed, sweep, task};

const SCHEMA: &str = include_str!("../../../../docs/sweep.schema.json");

/// A schema, with the document in which its references are looked up.
struct Schema<'a> {
    root: &'a Value,
}

impl Schema<'_> {
    /// What is wrong with a value, if anything, and where.
    fn check(&self, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
        let words = schema.as_object().ok_or("a schema is an object")?;
        for (word, said) in words {
            match word.as_str() {
                "$schema" | "$defs" | "title" | "description" => {}
                // With `properties`.
                "additionalProperties" => {}
                "$ref" => {
                    let name = said.as_str().and_then(|said| said.strip_prefix("#/$defs/"));
                    self.check(&self.root["$defs"][name.ok_or("a reference")?], value, place)?;
                }
                "oneOf" => {
                    let all = said.as_array().ok_or("oneOf is a list")?;
                    let found: Vec<_> =
                        all.iter().map(|schema| self.check(schema, value, place)).collect();
                    let fits = found.iter().filter(|found| found.is_ok()).count();
                    let reasons: Vec<_> = found.into_iter().filter_map(Result::err).collect();
                    expect(fits == 1, place, || format!("{fits} of oneOf fit: {reasons:?}"))?;
                }
                "type" => {
                    let is_one = match said {
                        Value::Array(types) => types.iter().any(|word| is_of(value, word)),
                        word => is_of(value, word),
                    };
                    expect(is_one, place, || format!("{value} is not {said}"))?;
                }
                "const" => expect(value == said, place, || format!("{value} is not {said}"))?,
                "enum" => {
                    let is_one = said.as_array().is_some_and(|all| all.contains(value));
                    expect(is_one, place, || format!("{value} is none of {said}"))?;
                }
                "minimum" => {
                    let is_less = value.as_f64() < said.as_f64() && value.is_number();
                    expect(!is_less, place, || format!("{value} is less than {said}"))?;
                }
                "pattern" => {
                    let pattern = Regex::new(said.as_str().ok_or("a pattern")?).unwrap();
                    let fits = value.as_str().is_none_or(|text| pattern.is_match(text));
                    expect(fits, place, || format!("{value} is not like {said}"))?;
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(said, item, &format!("{place}[{index}]"))?;
                    }
                }
                "required" => {
                    let (Some(object), Some(names)) = (value.as_object(), said.as_array()) else {
                        continue;
                    };
                    for name in names.iter().filter_map(Value::as_str) {
                        expect(object.contains_key(name), place, || format!("no `{name}`"))?;
                    }
                }
                "properties" => {}
                word => return Err(format!("the validator does not know `{word}`")),
            }
        }
        match value.as_object() {
            Some(object) => self.check_object(words, object, place),
            None => Ok(()),
        }
    }

    fn check_object(
        &self,
        words: &Map<String, Value>,
        object: &Map<String, Value>,
        place: &str,
    ) -> Result<(), String> {
        for (key, value) in object {
            let place = format!("{place}.{key}");
            let known = words.get("properties").and_then(|known| known.get(key));
            match (known, words.get("additionalProperties")) {
                (Some(schema), _) => self.check(schema, value, &place)?,
                (None, Some(Value::Bool(false))) => return Err(format!("{place} is not told of")),
                (None, None | Some(Value::Bool(true))) => {}
                (None, Some(schema)) => self.check(schema, value, &place)?,
            }
        }
        Ok(())
    }
}

fn expect(holds: bool, place: &str, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{place}: {}", what())) }
}

fn is_of(value: &Value, word: &Value) -> bool {
    match word.as_str().unwrap_or_default() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

/// What a sweep prints, if it is as the schema says: by the definition of this name and no other.
#[track_caller]
fn valid(line: &[&str], definition: &str) -> Value {
    let root: Value = serde_json::from_str(SCHEMA).unwrap();
    let schema = Schema { root: &root };
    let value: Value = serde_json::from_str(&printed(line)).unwrap();
    let own = &root["$defs"][definition];
    assert!(own.is_object(), "{definition}");
    schema.check(own, &value, definition).unwrap_or_else(|error| panic!("{line:?}: {error}"));
    schema.check(&root, &value, "").unwrap_or_else(|error| panic!("{line:?}: {error}"));
    value
}

/// The rows of a CSV table, as many as there are.
fn lines(path: &std::path::Path) -> usize {
    std::fs::read_to_string(path).unwrap().lines().count() - 1
}

#[test]
fn sweeps_of_one_pair_are_as_the_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let with = |more: &[&'static str]| {
        let more = [&["--json", "--force", "--layers", "0,2"], more].concat();
        valid(&sweep(&out, &more), "pair")
    };
    let value = with(&["--component", "mlp_output,attention_input"]);
    let rows = value["results"]["sweep"].as_array().unwrap();
    assert_eq!(rows.len(), lines(&out.join("sweep.csv")));
    // All digits, as in the table.
    let first = std::fs::read_to_string(out.join("sweep.csv")).unwrap();
    let first: Vec<&str> = first.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(rows[0]["probability"].as_f64().unwrap(), first[6].parse::<f64>().unwrap());
    assert_eq!(value["results"]["metrics"], Value::Null);

    let value = with(&["--component", "block_output", "--metric", "kl", "--direction", "both"]);
    let rows = value["results"]["metrics"].as_array().unwrap();
    assert_eq!(rows.len(), lines(&out.join("metrics.csv")));

    with(&["--component", "block_output", "--metric", "kl", "--control", "self,random"]);
    with(&["--component", "attention_value_output", "--unit", "h.pos", "--positions", "last"]);
    with(&["--component", "attention_weight", "--unit", "h", "--intervention", "zero"]);
    with(&["--component", "mlp_output", "--intervention", "noise", "--noise-sd", "0.5"]);
    with(&["--component", "mlp_output", "--intervention", "scaling", "--factor", "0.5"]);
    let third = "The capital of Peru is";
    with(&["--component", "mlp_output", "--intervention", "mean", "--source", third]);
    let forecast = ["--component", "mlp_output", "--json", "--dry-run"];
    valid(&sweep(&out, &forecast), "pair_forecast");
    let alone = ["sweep", "--base", BASE, "--component", "logits", "--intervention", "zero"];
    let out = out.to_str().unwrap();
    let more = ["--metric", "kl", "--json", "--force", "--out", out];
    valid(&[&alone[..], &more].concat(), "pair");
    valid(&[&alone[..], &more, &["--dry-run"]].concat(), "pair_forecast");
}

#[test]
fn sweeps_of_data_sets_are_as_the_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("rows.jsonl"), folder.path().join("out"));
    task(&data, 24);
    let unusable = json!({ "base": BASE, "source": SOURCE, "target": "", "foil": " Rome", "subject": "Spain" });
    let rows = std::fs::read_to_string(&data).unwrap();
    std::fs::write(&data, format!("{rows}{unusable}\n")).unwrap();
    let with = |more: &[&'static str], definition: &str| {
        let line = ["sweep", "--data", data.to_str().unwrap(), "--json"];
        let out = ["--resamples", "60", "--force", "--out", out.to_str().unwrap()];
        valid(&[&line[..], &out, more].concat(), definition)
    };
    let streams =
        ["--component", "block_output", "--layers", "0,2", "--positions", "subject_last,last"];
    let value = with(&streams, "data");
    let rows = value["results"]["summary"].as_array().unwrap();
    assert_eq!(rows.len(), lines(&out.join("summary.csv")));
    assert!(rows.iter().any(|row| row["mean"].as_f64().is_some_and(|mean| mean != 0.0)));
    let both = ["--direction", "both", "--control", "self,shuffled,random", "--discovery", "0.5"];
    with(&[&streams[..], &both].concat(), "data");
    with(&[&streams[..], &["--shard", "1/2"]].concat(), "data");
    with(&["--component", "logits", "--intervention", "mean", "--metric", "kl,rank"], "data");
    let restore = ["--intervention", "restore", "--noise-times", "3", "--corrupt", "subject"];
    with(&[&streams[..], &restore].concat(), "data");
    with(&[&streams[..], &["--dry-run"]].concat(), "data_forecast");
}

#[test]
fn what_is_not_as_the_schema_says_is_found() {
    let root = json!({ "$defs": { "n": { "type": "integer", "minimum": 0 } } });
    let check =
        |schema: Value, value: Value| Schema { root: &root }.check(&schema, &value, "").is_ok();
    let object = json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/n" } }, "required": ["a"],
        "additionalProperties": false });
    assert!(check(object.clone(), json!({ "a": 1 })));
    for wrong in
        [json!({}), json!({ "a": 0.5 }), json!({ "a": -1 }), json!({ "a": 1, "b": 2 }), json!(1)]
    {
        assert!(!check(object.clone(), wrong.clone()), "{wrong}");
    }
    let either = json!({ "oneOf": [{ "type": "string", "pattern": "^a" }, { "enum": ["ab", 1] }] });
    assert!(check(either.clone(), json!(1)) && check(either.clone(), json!("a")));
    assert!(!check(either.clone(), json!("ab")) && !check(either, json!(2)));
    assert!(!check(json!({ "maximum": 1 }), json!(0)), "a word that is not known");
}
