//! `vene train`, on the embedded model.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{files, printed, refused};

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
    assert_eq!(files(&out), ["run.json", "trained", "training.csv"]);
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
    let mut running = Command::new(assert_cmd::cargo::cargo_bin("vene"))
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
    assert!(said.contains("go on with --resume"), "{said}");
    let said = setting.refused("stopped", &["--resume", "--precision", "double"]);
    assert!(said.contains("its options was other"), "{said}");

    setting.train("stopped", &["--resume"]);
    let bytes = |out: &str, file: &str| fs::read(setting.path(out).join(file)).unwrap();
    for file in ["trained/interventions.safetensors", "trained/plan.json", "training.csv"] {
        assert_eq!(bytes("whole", file), bytes("stopped", file), "{file}");
    }
    let said = setting.refused("stopped", &["--resume"]);
    assert!(said.contains("is complete"), "{said}");
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
    assert!(setting.refused("out", &[]).contains("expected `target`"));
    let setting = Setting::new(PLAN);
    assert!(setting.refused("none", &["--resume"]).contains("no training to go on with"));
    let plan = setting.path("das.toml");
    assert!(refused(&["train", plan.to_str().unwrap()]).contains("give rows with --data"));
    assert!(!setting.path("none").exists());
}
