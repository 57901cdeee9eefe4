//! Stopped in the middle: nothing half-written.
#![cfg(unix)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use vene_test_support::RealModel;

use crate::support::{files, sweep};

#[test]
fn ctrl_c_leaves_no_half_written_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    // All heads at all positions, a full pass for each: several seconds.
    let components = ["--component", "query_output,key_output,value_output,attention_value_output"];
    let more = [&components[..], &["--unit", "h.pos", "--executor", "reference"]].concat();
    let mut running = crate::support::process()
        .args(sweep(&out, &more))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let interrupt =
        Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert_eq!(files(&out), [] as [String; 0]);
}

/// A file that is cut short is a signal, at which nothing can be computed any more.
#[test]
fn a_run_whose_model_is_cut_short_has_failed() {
    let Some(model) = RealModel::SmolLm2.path() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (own, out) = (folder.path().join("model.gguf"), folder.path().join("out"));
    std::fs::copy(model, &own).unwrap();
    let more = ["--component", "block_output", "--model", own.to_str().unwrap()];
    let running = crate::support::process()
        .args(sweep(&out, &more))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let record = out.join("run.json");
    let started = Instant::now();
    while !record.exists() && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::fs::File::options().write(true).open(&own).unwrap().set_len(5000).unwrap();
    let ended = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(matches!(ended.status.code(), Some(1 | 2)), "{said}");
    assert!(said.contains("model.gguf"), "{said}");
    let text = std::fs::read_to_string(&record).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(record["status"], "failed", "{said}");
    assert_eq!(files(&out), ["run.json"]);
    // A next run finds it as it finds any that failed.
    let again = crate::support::process()
        .args(sweep(&out, &["--component", "block_output", "--positions", "last"]))
        .output()
        .unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
}
