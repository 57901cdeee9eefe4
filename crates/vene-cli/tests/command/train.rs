//! `vene train`, on the embedded model.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{BASE, SOURCE, files, other_model, printed, refused, vene};

/// Where the embedded model keeps what a country's capital is read off.
const PLAN: &str = r#"
[[edit]]
component = "block_output"
layer = 2
positions = { role = "subject_last" }
intervention = { name = "low_rank_rotated_space", rank = 24, seed = 5 }

[train]
epochs = 10
batch = 16
learning_rate = 0.02
held_out = 0.25
"#;

struct Setting {
    folder: tempfile::TempDir,
}

impl Setting {
    fn new(plan: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("das.toml"), plan).unwrap();
        let data = folder.path().join("capital.jsonl");
        printed(&["task", "capital", "-n", "128", "--out", data.to_str().unwrap()]);
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments(&self, out: &str, more: &[&str]) -> Vec<String> {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let mut arguments = vec!["train".to_owned(), text(self.path("das.toml"))];
        arguments.extend(["--data".to_owned(), text(self.path("capital.jsonl"))]);
        arguments.extend(["--out".to_owned(), text(self.path(out))]);
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        arguments
    }

    fn train(&self, out: &str, more: &[&str]) -> String {
        let arguments = self.arguments(out, more);
        printed(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn refused(&self, out: &str, more: &[&str]) -> String {
        let arguments = self.arguments(out, more);
        refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// A short training's.
fn short() -> String {
    PLAN.replace("epochs = 10", "epochs = 1")
}

fn record(out: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(out.join("run.json")).unwrap()).unwrap()
}

#[test]
fn learned_directions_are_written_and_beat_random_ones() {
    let setting = Setting::new(PLAN);
    let said = setting.train("out", &[]);
    assert!(
        said.contains("low_rank_rotated_space, trained on 96 rows in 60 steps of 10 epochs"),
        "{said}"
    );
    assert!(said.contains("random directions"), "{said}");
    let out = setting.path("out");
    let written = ["curves.png", "curves.svg", "run.json", "trained", "training.csv"];
    assert_eq!(files(&out), written);
    let curves = fs::read_to_string(out.join("curves.svg")).unwrap();
    assert!(curves.contains("held-out rows, after each epoch"));
    assert_eq!(files(&out.join("trained")), ["interventions.safetensors", "plan.json"]);
    let record = record(&out);
    assert_eq!(record["status"], "complete");
    let result = &record["result"];
    let accuracy = |whose: &str| result[whose]["accuracy"].as_f64().unwrap();
    assert_eq!(result["control"]["kind"], "random directions");
    assert!(accuracy("held_out") > 0.5, "{result}");
    assert!(accuracy("held_out") > accuracy("control") + 0.3, "{result}");
    let steps = fs::read_to_string(out.join("training.csv")).unwrap();
    let mut lines = steps.lines();
    assert_eq!(lines.next().unwrap(), "step,epoch,loss,accuracy");
    assert_eq!(lines.count(), 60);

    // What was saved is a plan of its own, which begins where the training ended.
    let saved = fs::read_to_string(out.join("trained/plan.json")).unwrap();
    let still = saved.replace("\"epochs\": 10", "\"epochs\": 1").replace("0.02", "1e-9");
    assert_ne!(saved, still);
    fs::write(out.join("trained/again.json"), still).unwrap();
    let (plan, data) = (out.join("trained/again.json"), setting.path("capital.jsonl"));
    let again = setting.path("again");
    printed(&[
        "train",
        plan.to_str().unwrap(),
        "--data",
        data.to_str().unwrap(),
        "--out",
        again.to_str().unwrap(),
    ]);
    let again = crate::train::record(&again)["result"]["held_out"]["loss"].as_f64().unwrap();
    let loss = result["held_out"]["loss"].as_f64().unwrap();
    assert!((again - loss).abs() < 1e-3 * loss, "{again} and {loss}");
}

/// Stopped in the middle, a training goes on to the same bits.
#[cfg(unix)]
#[test]
fn what_was_stopped_ends_where_it_would_have() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let setting = Setting::new(PLAN);
    setting.train("whole", &[]);
    let checkpoint = setting.path("stopped/checkpoint.safetensors");
    let mut running = crate::support::process()
        .args(setting.arguments("stopped", &[]))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !checkpoint.exists() && start.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let interrupt =
        Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert!(checkpoint.exists());
    let said = setting.refused("stopped", &[]);
    assert!(said.contains("go on with it (vene train --resume"), "{said}");
    let stopped = setting.path("stopped");
    let resume = ["train", "--resume", stopped.to_str().unwrap()];
    let said = refused(&[&resume[..], &["--precision", "double"]].concat());
    assert!(
        said.contains("--precision would change nothing in a training that is resumed"),
        "{said}"
    );
    // Its rows must still be those that it was begun with.
    let rows = fs::read_to_string(setting.path("capital.jsonl")).unwrap();
    let fewer: String = rows.lines().take(100).map(|line| format!("{line}\n")).collect();
    fs::write(setting.path("capital.jsonl"), fewer).unwrap();
    let said = refused(&resume);
    assert!(said.contains("the data set is not what it was: SHA-256 ("), "{said}");
    assert!(said.len() < 500 && !said.contains('{'), "{said}");
    fs::write(setting.path("capital.jsonl"), rows).unwrap();
    // The plan stands in the record.
    fs::remove_file(setting.path("das.toml")).unwrap();

    printed(&resume);
    let bytes = |out: &str, file: &str| fs::read(setting.path(out).join(file)).unwrap();
    for file in ["trained/interventions.safetensors", "trained/plan.json", "training.csv"] {
        assert_eq!(bytes("whole", file), bytes("stopped", file), "{file}");
    }
    assert!(printed(&resume).contains("is complete"));
}

#[test]
fn what_cannot_be_trained_is_refused_before_a_weight_is_read() {
    let setting = Setting::new(
        "[[edit]]\nintervention = \"interchange\"\ncomponent = \"block_output\"\nlayer = 2\n",
    );
    assert!(setting.refused("out", &[]).contains("no trainable intervention"));
    let setting = Setting::new(&PLAN.replace("subject_last", "city_last"));
    let said = setting.refused("out", &[]);
    assert!(said.contains("city"), "{said}");
    let setting = Setting::new(&PLAN.replace("held_out = 0.25", "labels = \"middle\""));
    assert!(setting.refused("out", &[]).contains("There are target, foil"));
    let setting = Setting::new(PLAN);
    let none = setting.path("none");
    let said = refused(&["train", "--resume", none.to_str().unwrap()]);
    assert!(said.contains("--resume"), "{said}");
    let plan = setting.path("das.toml");
    assert!(refused(&["train", plan.to_str().unwrap()]).contains("give a file with --data"));
    // One row, or one pair of prompts, cannot be trained on and held out.
    let rows = fs::read_to_string(setting.path("capital.jsonl")).unwrap();
    let first = rows.lines().next().unwrap();
    fs::write(setting.path("capital.jsonl"), first).unwrap();
    let said = setting.refused("none", &[]);
    assert!(said.contains("rows to be trained on and rows that are held out"), "{said}");
    assert!(said.contains("one row can be used: give a data set of two rows or more"), "{said}");
    fs::write(setting.path("capital.jsonl"), format!("{first}\n{first}\n")).unwrap();
    let said = setting.refused("none", &[]);
    assert!(
        said.contains("2 rows cannot be split into two: they are all of the same prompts"),
        "{said}"
    );
    let wrong = rows.replace("{\"base\"", "{\"foil_is\": \"wrong_answer\", \"base\"");
    fs::write(setting.path("capital.jsonl"), wrong).unwrap();
    let said = setting.refused("none", &[]);
    assert!(said.contains("line 1 (row 0): the foil is not the source's answer"), "{said}");
    assert!(said.contains("labels = \"target\""), "{said}");
    assert!(!setting.path("none").exists());
}

#[test]
fn a_row_that_cannot_be_used_does_not_end_a_training() {
    let short = "[[edit]]\ncomponent = \"block_output\"\nlayer = 2\npositions = 3\n\
                 intervention = { name = \"low_rank_rotated_space\", rank = 4 }\n\
                 [train]\nepochs = 1\n";
    let setting = Setting::new(short);
    let row = |base: &str, source: &str, target: &str| {
        format!(
            "{{\"base\": \"{base}\", \"source\": \"{source}\", \"target\": \"{target}\", \"foil\": \" Rome\"}}\n"
        )
    };
    let pair = |country: &str, target: &str| {
        row(&format!("The capital of {country} is"), "The capital of Italy is", target)
    };
    let rows = [
        pair("Spain", " Madrid"),
        row("Spain", "Italy", " Madrid"),
        pair("Spain", " Madrid"),
        pair("Japan", "Tokyo"),
        pair("Peru", " Rome"),
        pair("Cuba", " Havana"),
    ];
    fs::write(setting.path("capital.jsonl"), rows.concat()).unwrap();
    let arguments = setting.arguments("out", &[]);
    let output = vene(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("1 of 6 rows left out: the plan does not fit the row (line 2 (row 1): "),
        "{said}"
    );
    assert!(said.contains("(line 5 (row 4): ` Rome` is right for both"), "{said}");
    assert!(said.contains("line 4 (row 3): the answer `Tokyo` has no leading space"), "{said}");
    let result = &record(&setting.path("out"))["result"];
    assert_eq!(result["left_out_rows"][0]["line"], 2);
    assert_eq!(result["left_out_rows"][1]["row"], 4);
    // Rows 0 and 2 are of the same prompts.
    let held_out = result["held_out_rows"].as_array().unwrap();
    assert!(!held_out.is_empty());
    assert_eq!(
        held_out.contains(&Value::from(0)),
        held_out.contains(&Value::from(2)),
        "{held_out:?}"
    );
}

/// What is wrong with every row names the first by its line.
#[test]
fn a_plan_that_fits_no_row_names_one() {
    let setting = Setting::new(&short().replace("{ role = \"subject_last\" }", "[99]"));
    let said = setting.refused("out", &[]);
    assert!(said.contains("none of the 128 rows can be used; line 1 (row 0): the base"), "{said}");
    assert!(said.contains("position 99") && !said.contains("example"), "{said}");
}

#[test]
fn a_share_that_clusters_do_not_allow_is_told() {
    let setting = Setting::new(&short().replace("held_out = 0.25", "held_out = 0.1"));
    let rows = fs::read_to_string(setting.path("capital.jsonl")).unwrap();
    let grouped = |(index, line): (usize, &str)| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        row["group"] = if index % 12 < 6 { "one" } else { "two" }.into();
        row.to_string()
    };
    let rows: Vec<String> = rows.lines().take(24).enumerate().map(grouped).collect();
    fs::write(setting.path("capital.jsonl"), rows.join("\n")).unwrap();
    let arguments = setting.arguments("out", &["--together", "groups"]);
    let output = vene(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("warning: held_out = 0.1: it came to 12 of 24 rows (0.50)"), "{said}");
}

#[test]
fn a_plan_is_found_in_its_training_s_folder() {
    let setting =
        Setting::new(&short().replace("{ role = \"subject_last\" }", "{ phrase = \"capital\" }"));
    setting.train("out", &[]);
    let (out, trained) = (setting.path("out"), setting.path("out/trained"));
    let [out, trained] = [&out, &trained].map(|path| path.to_str().unwrap());
    let generate = |plan: &str| {
        printed(&["generate", "--plan", plan, "--source", SOURCE, "--max-new-tokens", "1", BASE])
    };
    assert_eq!(generate(out), generate(trained));
    for model in [out, trained] {
        let said = refused(&["top", "--model", model, BASE]);
        let expected = format!("it holds a trained plan, not a model: give {trained} with --plan");
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn groups_stay_together_in_training() {
    let setting = Setting::new(&PLAN.replace("epochs = 10", "epochs = 1"));
    setting.train("out", &["--together", "groups"]);
    let rows = fs::read_to_string(setting.path("capital.jsonl")).unwrap();
    let group = |line: &str| serde_json::from_str::<Value>(line).unwrap()["group"].to_string();
    let groups: Vec<String> = rows.lines().map(group).collect();
    let record = record(&setting.path("out"));
    assert_eq!(record["experiment"]["train"]["together"], "groups");
    let held_out = record["result"]["held_out_rows"].as_array().unwrap().iter();
    let held_out: Vec<usize> = held_out.map(|row| row.as_u64().unwrap() as usize).collect();
    let is_held = |row: usize| held_out.contains(&row);
    for (row, group) in groups.iter().enumerate() {
        assert!(
            (0..groups.len())
                .all(|other| groups[other] != *group || is_held(other) == is_held(row))
        );
    }
    let one: Vec<String> = rows
        .lines()
        .map(|line| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            row["group"] = "one".into();
            row.to_string()
        })
        .collect();
    fs::write(setting.path("capital.jsonl"), one.join("\n")).unwrap();
    let said = setting.refused("none", &["--together", "groups"]);
    assert!(said.contains("all belong to one group"), "{said}");
}

#[test]
fn what_was_learned_on_one_model_is_for_another_only_where_that_is_said() {
    let setting = Setting::new(&short());
    setting.train("out", &[]);
    let other = setting.path("other");
    other_model(&other);
    let other = other.to_str().unwrap();
    let (plan, data) = (setting.path("out/trained/plan.json"), setting.path("capital.jsonl"));
    let again = setting.path("again");
    let mut line = vec!["train", plan.to_str().unwrap(), "--data", data.to_str().unwrap()];
    line.extend(["--out", again.to_str().unwrap()]);
    let said = refused(&[&line[..], &["--another-model"]].concat());
    assert!(said.contains("--another-model would change nothing in this training"), "{said}");
    line.extend(["--model", other]);
    let said = refused(&line);
    assert!(said.contains("is another model") && said.contains("(--another-model)"), "{said}");
    printed(&[&line[..], &["--another-model"]].concat());
    // A plan of one's own that names the parameters, as the page on training has it.
    let text = "[[edit]]\ncomponent = 'block_output'\nlayer = 2\npositions = { phrase = 'Spain' }\n\
                from = { phrase = 'Italy' }\nintervention = { name = 'low_rank_rotated_space', rank = 24, \
                parameters = { file = 'out/trained/interventions.safetensors', prefix = 'edit 0.' } }\n";
    let own = setting.path("own.toml");
    fs::write(&own, text).unwrap();
    let generate = ["generate", "--max-new-tokens", "1", "--plan", own.to_str().unwrap()];
    let generate = [&generate[..], &["--source", SOURCE, BASE]].concat();
    printed(&generate);
    let on_other = [&generate[..], &["--model", other]].concat();
    let said = refused(&on_other);
    assert!(said.contains("which has other weights than"), "{said}");
    assert!(said.contains("(--another-model)"), "{said}");
    printed(&[&on_other[..], &["--another-model"]].concat());
    // A prompt is no row: which of its phrases is the subject has to be said.
    let trained = setting.path("out/trained");
    let generate = ["generate", "--plan", trained.to_str().unwrap(), "--source", SOURCE, BASE];
    let said = refused(&generate);
    assert!(said.contains("`subject`") && said.contains("--span subject="), "{said}");
    let spans = ["--span", "subject=Spain", "--source-span", "subject=Italy"];
    printed(&[&generate[..], &spans].concat());
}

#[test]
fn rows_of_the_plan_are_its_own() {
    let setting =
        Setting::new(&format!("[data]\ntask = \"capital\"\nrows = 30\nseed = 3\n{}", short()));
    let arguments = setting.arguments("out", &[]);
    let output = vene(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("`rows = 30` in the plan's [data] is for its own rows"), "{said}");
    assert_eq!(record(&setting.path("out"))["data"]["rows"], 128);
    setting.train("limited", &["--limit", "40"]);
    assert_eq!(record(&setting.path("limited"))["data"]["rows"], 40);
    let (plan, out) = (setting.path("das.toml"), setting.path("own"));
    printed(&["train", plan.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(record(&out)["data"]["rows"], 30);
}

#[test]
fn a_role_of_a_column_that_holds_no_phrase_is_refused() {
    let setting = Setting::new(&PLAN.replace("subject_last", "year_last"));
    let rows = fs::read_to_string(setting.path("capital.jsonl")).unwrap();
    let rows = rows.replace("{\"base\"", "{\"year\": 1999, \"base\"");
    fs::write(setting.path("capital.jsonl"), rows).unwrap();
    let arguments = setting.arguments("out", &[]);
    let output = vene(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let expected = "the plan's role `year_last`: the column `year` holds numbers, which is no phrase of a prompt";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn of_two_limits_the_smaller_counts() {
    let setting =
        Setting::new(&format!("[data]\npath = \"capital.jsonl\"\nrows = 10\n{}", short()));
    let plan = setting.path("das.toml");
    for (name, limit, expected) in [("more", "70", 10), ("fewer", "8", 8)] {
        let out = setting.path(name);
        let paths = [&plan, &out].map(|path| path.to_str().unwrap());
        printed(&["train", paths[0], "--out", paths[1], "--limit", limit]);
        assert_eq!(record(&out)["data"]["rows"], expected);
    }
}
