//! Stopped in the middle: nothing half-written.
#![cfg(unix)]

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{files, sweep};

#[test]
fn ctrl_c_leaves_no_half_written_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    // All heads at all positions, a full pass for each: several seconds.
    let components = ["--component", "query_output,key_output,value_output,attention_value_output"];
    let more = [&components[..], &["--unit", "h.pos", "--executor", "reference"]].concat();
    let mut running = Command::new(assert_cmd::cargo::cargo_bin("vene"))
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
