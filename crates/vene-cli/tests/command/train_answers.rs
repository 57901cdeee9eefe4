//! `vene train` on whole answers, and at the ends of prompts.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vene::Table;

use crate::support::{printed, record, refused, task, vene};

const PLAN: &str = "[[edit]]\ncomponent = 'block_output'\nlayer = 2\npositions = { role = 'subject_last' }\n\
                    intervention = { name = 'low_rank_rotated_space', rank = 8 }\n\
                    [train]\nepochs = 3\nlearning_rate = 0.01\nanswers = 'whole'\n";

/// A folder with a plan and rows whose answers have two tokens each.
struct Setting(tempfile::TempDir);

impl Setting {
    fn new(plan: &str) -> Self {
        let setting = Self(tempfile::tempdir().unwrap());
        setting.write("das.toml", plan);
        task(&setting.path("one.jsonl"), 60);
        let longer = |line: &str| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            for answer in ["target", "foil"] {
                let text = match &row[answer] {
                    Value::Array(answers) => answers[0].as_str().unwrap().to_owned(),
                    answer => answer.as_str().unwrap().to_owned(),
                };
                row[answer] = format!("{text} is").into();
            }
            row.to_string()
        };
        let rows = fs::read_to_string(setting.path("one.jsonl")).unwrap();
        let rows: Vec<String> = rows.lines().map(longer).collect();
        setting.write("rows.jsonl", &(rows.join("\n") + "\n"));
        setting
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Words that begin with `@` are paths here.
    fn line(&self, line: &str) -> Vec<String> {
        let word = |word: &str| match word.strip_prefix('@') {
            Some(name) => self.path(name).to_str().unwrap().to_owned(),
            None => word.to_owned(),
        };
        line.split_whitespace().map(word).collect()
    }

    fn printed(&self, line: &str) -> String {
        printed(&self.line(line).iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn refused(&self, line: &str) -> String {
        refused(&self.line(line).iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn loss(&self, out: &str) -> f64 {
        first_loss(&self.path(out))
    }
}

/// The loss of the first batch.
fn first_loss(out: &Path) -> f64 {
    let steps = fs::read_to_string(out.join("training.csv")).unwrap();
    steps.lines().nth(1).unwrap().split(',').nth(2).unwrap().parse().unwrap()
}

#[test]
fn whole_answers_are_learned_and_evaluated() {
    let setting = Setting::new(PLAN);
    setting.printed("train @das.toml --data @rows.jsonl --out @das");
    let trained = record(&setting.path("das"))["result"].clone();
    // The first tokens of the same answers are another training; so is one on answers of one token.
    setting.write("first.toml", &PLAN.replace("'whole'", "'first'"));
    setting.printed("train @first.toml --data @rows.jsonl --out @first");
    setting.printed("train @first.toml --data @one.jsonl --out @first-of-one");
    setting.printed("train @das.toml --data @one.jsonl --out @whole-of-one");
    assert!((setting.loss("das") - setting.loss("first")).abs() > 1e-3);
    assert_eq!(setting.loss("first"), setting.loss("first-of-one"));
    assert!((setting.loss("first-of-one") - setting.loss("whole-of-one")).abs() < 1e-5);

    // Evaluated on the same rows, it is what the training told.
    let held_out: Vec<usize> = serde_json::from_value(trained["held_out_rows"].clone()).unwrap();
    let rows = fs::read_to_string(setting.path("rows.jsonl")).unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    let chosen: Vec<&str> = held_out.iter().map(|&row| rows[row]).collect();
    setting.write("held-out.jsonl", &(chosen.join("\n") + "\n"));
    setting.printed("evaluate @das/trained --data @held-out.jsonl --out @evaluated");
    let evaluation = record(&setting.path("evaluated"))["evaluation"].clone();
    let close = |one: &Value, other: &Value| {
        let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
        assert!((one - other).abs() < 1e-6, "{one}, not {other}");
    };
    for key in ["loss", "accuracy"] {
        close(&evaluation["trained"][key], &trained["held_out"][key]);
        close(&evaluation["random directions"][key], &trained["control"][key]);
    }
    let summary = Table::read_parquet(setting.path("evaluated/summary.parquet")).unwrap();
    let (variant, metric) = (summary.text("variant").unwrap(), summary.text("metric").unwrap());
    let row = (0..summary.rows())
        .find(|&row| variant[row] == "trained" && metric[row] == "accuracy")
        .unwrap();
    let mean = summary.optional_floats("mean").unwrap()[row].unwrap();
    close(&(summary.floats("base").unwrap()[row] + mean).into(), &trained["held_out"]["accuracy"]);
}

#[test]
fn the_end_of_a_text_is_learned_where_it_is_wanted() {
    let setting = Setting::new(&format!("{PLAN}end_token = true\n"));
    setting.printed("train @das.toml --data @one.jsonl --out @with");
    setting.write("without.toml", PLAN);
    setting.printed("train @without.toml --data @one.jsonl --out @without");
    assert!((setting.loss("with") - setting.loss("without")).abs() > 1e-3);
}

#[test]
fn what_whole_answers_do_not_go_with_is_refused() {
    let setting = Setting::new(&format!("{PLAN}loss = 'logit_difference'\n"));
    let said = setting.refused("train @das.toml --data @rows.jsonl --out @out");
    assert!(said.contains("answers = \"whole\" goes with the loss `cross_entropy`"), "{said}");
    setting.write("das.toml", &format!("{PLAN}[read]\npositions = [0]\n"));
    let said = setting.refused("train @das.toml --data @rows.jsonl --out @out");
    assert!(said.contains("says itself which positions it reads"), "{said}");
    setting.write("das.toml", &PLAN.replace("answers = 'whole'", "end_token = true"));
    let said = setting.refused("train @das.toml --data @rows.jsonl --out @out");
    assert!(said.contains("`end_token` in [train] of the plan would change nothing"), "{said}");
    assert!(!setting.path("out").exists());
}

/// A row that has not the positions is left out with its reason; where short ones are halved it is not.
#[test]
fn a_row_that_is_too_short_for_the_ends_is_left_out() {
    let ends = PLAN.replace("{ role = 'subject_last' }", "{ first = 4, last = 4 }");
    let setting = Setting::new(&ends);
    let row = |country: &str, base: &str| {
        format!(
            "{{\"base\": \"{base}\", \"source\": \"The capital of Italy is\", \"target\": \" {country}\", \
             \"foil\": \" Rome\", \"foil_is\": \"source_answer\"}}\n"
        )
    };
    let rows: String = [
        row("Madrid", "The capital of Spain is"),
        row("Lima", "The capital of Peru is"),
        row("Havana", "The capital of Cuba is"),
        row("Tokyo", "Japan is"),
    ]
    .concat();
    setting.write("rows.jsonl", &rows);
    let train = |out: &str| {
        let line = setting.line(&format!("train @das.toml --data @rows.jsonl --out @{out}"));
        let output = vene(&line.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let result = record(&setting.path(out))["result"].clone();
        (String::from_utf8(output.stderr).unwrap(), result["rows"]["left_out"].as_u64().unwrap())
    };
    let (said, left_out) = train("refused");
    assert_eq!(left_out, 1, "{said}");
    let expected = "(line 4 (row 3): the base: the first 4 and the last 4 tokens: the prompt has too few tokens";
    assert!(said.contains(expected), "{said}");
    let halved = ends.replace("last = 4 }", "last = 4, short = 'halved' }");
    // Without a source, which would have to be cut to as many positions.
    setting.write("das.toml", &halved.replace("'low_rank_rotated_space'", "'loreft'"));
    assert_eq!(train("halved").1, 0);
}
