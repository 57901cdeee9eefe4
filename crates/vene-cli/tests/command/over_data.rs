//! Sweeps over data sets, from a task to tables and figures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use vene_table::Table;

use crate::support::{files, printed, refused, vene};

/// A folder with a data set of the embedded model's own facts.
fn data_set(rows: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("capital.jsonl");
    let count = rows.to_string();
    printed(&["task", "capital", "-n", &count, "--out", file.to_str().unwrap()]);
    (folder, file)
}

fn sweep<'a>(data: &'a Path, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["sweep", "--data", data.to_str().unwrap()];
    arguments.extend(["--component", "block_output", "--positions", "subject_last,last"]);
    arguments.extend(["--out", out.to_str().unwrap()]);
    arguments.extend(more);
    arguments
}

fn record(out: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(out.join("run.json")).unwrap()).unwrap()
}

#[test]
fn a_data_set_becomes_tables_and_figures() {
    let (folder, data) = data_set(24);
    let out = folder.path().join("out");
    let said = printed(&sweep(&data, &out, &["--metric", "logit_difference,probability"]));
    for part in ["24 of 24 rows", "model on base", "block_output", "95 % interval"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let examples = Table::read_parquet(out.join("examples.parquet")).unwrap();
    // Rows, metrics, layers and positions.
    assert_eq!(examples.rows(), 24 * 2 * 8 * 2);
    let names: Vec<&str> = examples.columns().map(|(name, _)| name).take(11).collect();
    let expected = [
        "example",
        "group",
        "component",
        "layer",
        "position",
        "head",
        "metric",
        "base_value",
        "source_value",
        "value",
        "effect",
    ];
    assert_eq!(names, expected);
    let summary = Table::read_parquet(out.join("summary.parquet")).unwrap();
    assert_eq!(summary.rows(), 2 * 8 * 2);
    // What the embedded model was trained for: the subject early, the last position late.
    let mean = |layer: i64, position: &str| {
        (0..summary.rows())
            .find(|&row| {
                summary.optional_integers("layer").unwrap()[row] == Some(layer)
                    && summary.optional_text("position").unwrap()[row] == Some(position)
                    && summary.text("metric").unwrap()[row] == "logit_difference"
            })
            .map(|row| summary.optional_floats("mean").unwrap()[row].unwrap())
            .unwrap()
    };
    assert!(mean(0, "subject_last") < -5.0 && mean(7, "last") < -5.0);
    assert!(mean(0, "last").abs() < 0.1 && mean(7, "subject_last").abs() < 0.1);
    for name in ["mean", "interval_width", "sign_agreement", "strips", "profile"] {
        for metric in ["logit_difference", "probability"] {
            assert!(out.join(format!("{name}-{metric}.png")).is_file(), "{name}");
        }
    }
    let record = record(&out);
    assert_eq!(record["status"], "complete");
    assert_eq!(record["receipts"].as_array().unwrap().len(), 8 * 2);
    assert!(record["noise_floor"]["probability"].is_number());
    assert!(!out.join("parts").exists());
}

#[test]
fn what_limits_a_sweep_is_told_before_it() {
    let (folder, data) = data_set(60);
    let out = folder.path().join("out");
    let dry = |more: &[&str]| {
        let mut arguments = vec!["sweep", "--data", data.to_str().unwrap(), "--dry-run"];
        arguments.extend(["--component", "block_output", "--layers", "0"]);
        arguments.extend(["--out", out.to_str().unwrap()]);
        arguments.extend(more);
        printed(&arguments)
    };
    let all = dry(&["--positions", "last"]);
    assert!(all.contains("at 1 place;") && !all.contains("few groups"), "{all}");
    let few = dry(&["--positions", "after_subject,last", "--limit", "8"]);
    assert!(few.contains("few groups      8:") && few.contains("at 2 places;"), "{few}");
    let coinciding = dry(&["--positions", "after_subject,last"]);
    assert!(coinciding.contains("after_subject and last are the same token in"), "{coinciding}");
    let distinct = dry(&["--positions", "after_subject,last", "--distinct-positions"]);
    assert!(!distinct.contains("positions    "), "{distinct}");
    assert!(distinct.contains("after_subject and last are the same token (row"), "{distinct}");
    let restored = dry(&[
        "--positions",
        "last",
        "--intervention",
        "restore",
        "--corrupt",
        "subject",
        "--noise-times",
        "3",
    ]);
    assert!(restored.contains("about 0 change nothing"), "{restored}");
}

/// Each test of this kind runs the same sweep, long enough to be caught in the middle.
const LONG: [&str; 6] = ["--intervention", "noise", "--noise-sd", "0.1", "--draws", "12"];

#[test]
fn a_killed_sweep_goes_on_and_no_row_is_lost_or_doubled() {
    let (folder, data) = data_set(120);
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    printed(&sweep(&data, &whole, &LONG));

    let mut running = Command::new(assert_cmd::cargo::cargo_bin("vene"))
        .args(sweep(&data, &killed, &LONG))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Killed, not interrupted, as soon as it has written something.
    let start = Instant::now();
    let parts = killed.join("parts");
    while files(&parts).iter().filter(|name| name.starts_with("batch")).count() < 2 {
        assert!(start.elapsed() < Duration::from_secs(120));
        std::thread::sleep(Duration::from_millis(5));
    }
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(record(&killed)["status"], "running");
    assert!(!killed.join("examples.parquet").exists());
    let before = files(&parts).len();

    // Not begun anew by mistake.
    let said = refused(&sweep(&data, &killed, &LONG));
    assert!(said.contains("--resume"), "{said}");

    // From another folder, with nothing but the sweep's.
    let resumed = Command::new(assert_cmd::cargo::cargo_bin("vene"))
        .args(["sweep", "--resume", killed.to_str().unwrap()])
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert!(before >= 2);
    for name in ["examples.parquet", "summary.parquet", "summary.csv", "mean.svg", "strips.svg"] {
        let read = |folder: &Path| fs::read(folder.join(name)).unwrap();
        assert!(read(&whole) == read(&killed), "{name} is other than without the interruption");
    }
    assert_eq!(record(&killed)["status"], "complete");
    assert!(printed(&["sweep", "--resume", killed.to_str().unwrap()]).contains("is complete"));
}

#[test]
fn what_would_not_be_the_same_is_not_gone_on_with() {
    let (folder, data) = data_set(12);
    let out = folder.path().join("out");
    printed(&sweep(&data, &out, &[]));
    // As if it had been stopped before anything was run.
    let mut text = record(&out);
    text["status"] = "running".into();
    fs::write(out.join("run.json"), text.to_string()).unwrap();
    let rows = fs::read_to_string(&data).unwrap();
    fs::write(&data, rows.lines().take(11).collect::<Vec<_>>().join("\n")).unwrap();
    let said = refused(&["sweep", "--resume", out.to_str().unwrap()]);
    assert!(said.contains("the data set is not what it was"), "{said}");

    let nothing = folder.path().join("nothing");
    fs::create_dir(&nothing).unwrap();
    let said = refused(&["sweep", "--resume", nothing.to_str().unwrap()]);
    assert!(said.contains("no sweep to go on with"), "{said}");
}

#[test]
fn a_dry_run_asks_the_model_and_writes_nothing() {
    let (folder, data) = data_set(12);
    let out = folder.path().join("out");
    let said = printed(&sweep(&data, &out, &["--dry-run"]));
    assert!(said.contains("nothing was swept"), "{said}");
    let said = printed(&sweep(&data, &out, &["--dry-run", "--json"]));
    let forecast: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(forecast["interventions"], 12 * 16);
    assert_eq!(forecast["preflight"]["used"], 12);
    assert!(forecast["preflight"]["base"]["preferred"].as_f64().unwrap() > 0.9);
    assert!(forecast["seconds"].as_f64().unwrap() > 0.0);
    let saved = forecast["floating_point_operations_one_by_one"].as_f64().unwrap();
    assert!(saved > 2.0 * forecast["floating_point_operations"].as_f64().unwrap());
    assert!(!out.exists());
}

#[test]
fn rows_that_cannot_be_used_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("rows.csv"), folder.path().join("out"));
    let rows = "base,source,target,foil,subject,source_subject,group\n\
         The capital of Spain is,The capital of Italy is, Madrid, Rome,Spain,Italy,a\n\
         The capital of Japan is,The capital of Peru is, Tokyo, Lima,Japan,Peru,a\n\
         The capital of Cuba is,,, Lima,Cuba,,a\n";
    fs::write(&data, rows).unwrap();
    let said = printed(&sweep(&data, &out, &["--dry-run"]));
    assert!(said.contains("2 of 3 rows") && said.contains("no source (row 2"), "{said}");
}

#[test]
fn a_split_shows_in_one_half_what_was_found_in_the_other() {
    let (folder, data) = data_set(40);
    let out = folder.path().join("out");
    let more = ["--discovery", "0.5", "--together", "groups", "--correction", "holm"];
    let said = printed(&sweep(&data, &out, &more));
    assert!(said.contains("on discovery") && said.contains("on evaluation"), "{said}");
    let summary = Table::read_parquet(out.join("summary.parquet")).unwrap();
    let (split, n) = (summary.text("split").unwrap(), summary.integers("n").unwrap());
    let of = |half: &str| (0..summary.rows()).find(|&row| split[row] == half).unwrap();
    assert_eq!(n[of("discovery")] + n[of("evaluation")], 40);
    let strips = fs::read_to_string(out.join("strips.svg")).unwrap();
    assert!(strips.contains(&format!("{} examples", n[of("evaluation")])));
    let (raw, adjusted) = (
        summary.optional_floats("p_value").unwrap(),
        summary.optional_floats("adjusted_p_value").unwrap(),
    );
    assert!(raw.iter().zip(&adjusted).any(|(raw, adjusted)| raw < adjusted));
}

#[test]
fn an_unusual_beginning_is_warned_of_and_drawn() {
    let (folder, data) = data_set(8);
    let drawn = |bos: &str| {
        let out = folder.path().join(bos);
        let output = vene(&sweep(&data, &out, &["--bos", bos]));
        let figure = fs::read_to_string(out.join("mean.svg")).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (said.contains("beginning-of-sequence"), figure.contains(">bos<"))
    };
    assert_eq!(drawn("always"), (true, true));
    assert_eq!(drawn("model"), (false, false));
}

#[test]
fn controls_are_maps_beside_the_first() {
    let (folder, data) = data_set(16);
    let out = folder.path().join("out");
    printed(&sweep(&data, &out, &["--control", "self,shuffled,random", "--direction", "both"]));
    let examples = Table::read_parquet(out.join("examples.parquet")).unwrap();
    assert_eq!(examples.rows(), 16 * 16 * 4 * 2);
    let (control, effect) = (examples.text("control").unwrap(), examples.floats("effect").unwrap());
    let largest = |name: &str| {
        let of = (0..examples.rows()).filter(|&row| control[row] == name);
        of.map(|row| effect[row].abs()).fold(0.0, f64::max)
    };
    assert!(largest("self") < 1e-4 && largest("none") > 5.0 && largest("shuffled") > 5.0);
    assert!(out.join("mean-noising.png").exists() && out.join("mean-denoising.png").exists());
}

const RESTORE_TWICE: &[&str] =
    &["--intervention", "restore", "--corrupt", "subject", "--noise-times", "3", "--noise-sd", "1"];

#[test]
fn bad_input_is_told_in_a_line() {
    let (folder, data) = data_set(4);
    let out = folder.path().join("out");
    let missing = folder.path().join("missing.jsonl");
    let cases: [(&[&str], &str); 15] = [
        (&["--metric", "surprise"], "logit_difference (the logit"),
        (&["--positions", "city_last"], "subject_last"),
        (&["--positions", "all"], "by their role"),
        (&["--positions", "-"], "expected last, a number"),
        (&["--window", "0"], "window of 0 layers"),
        (&["--draws", "3"], "resample, noise or restore"),
        (&["--intervention", "zero", "--direction", "denoising"], "noising"),
        (&["--intervention", "zero", "--control", "random"], "interchange"),
        (&["--intervention", "restore", "--noise-sd", "1"], "--corrupt"),
        (&["--intervention", "restore", "--corrupt", "subject"], "--noise-times"),
        (&["--intervention", "noise", "--noise-sd", "1", "--noise-times", "3"], "restore"),
        (RESTORE_TWICE, "without --noise-times"),
        (&["--intervention", "resample", "--draws", "9"], "9 other rows"),
        (&["--correction", "bonferroni"], "benjamini-hochberg"),
        (&["--token", " Madrid"], "--token"),
    ];
    for (more, expected) in cases {
        let mut arguments = sweep(&data, &out, &[]);
        if more.contains(&"--positions") {
            let place = arguments.iter().position(|argument| *argument == "--positions").unwrap();
            arguments.drain(place..place + 2);
        }
        arguments.extend(more);
        let said = refused(&arguments);
        assert!(said.contains(expected), "{more:?}: {said}");
    }
    let said = refused(&sweep(&missing, &out, &[]));
    assert!(said.contains("missing.jsonl"), "{said}");
    let said = refused(&[
        "sweep",
        "--base",
        "x",
        "--component",
        "mlp_output",
        "--token",
        " Madrid",
        "--intervention",
        "resample",
    ]);
    assert!(said.contains("--data"), "{said}");
    assert!(!out.exists());
}
