//! Running the command.

use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::Value;

pub const BASE: &str = "The capital of Spain is";
pub const SOURCE: &str = "The capital of Italy is";

/// The variable that names the model that a user's data is run on, and the one that the tests run it on.
pub const MODEL: (&str, &str) = ("VENE_MODEL", "embedded");

/// The command, with the model that a user's data is run on.
pub fn command() -> Command {
    let mut command = Command::cargo_bin("vene").unwrap();
    command.env(MODEL.0, MODEL.1);
    command
}

/// The same, to run beside the test.
pub fn process() -> std::process::Command {
    let mut process = std::process::Command::new(assert_cmd::cargo::cargo_bin("vene"));
    process.env(MODEL.0, MODEL.1);
    process
}

pub fn vene(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

/// The one line that a run says which must be refused where no variable names a model.
pub fn refused_without_model(arguments: &[&str]) -> String {
    let output = command().env_remove(MODEL.0).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    said
}

/// What a run that must succeed prints.
pub fn printed(arguments: &[&str]) -> String {
    let output = vene(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The one line that a run that must be refused says.
pub fn refused(arguments: &[&str]) -> String {
    let output = vene(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(said.starts_with("error: "), "{arguments:?}: {said}");
    said
}

/// The arguments of the tutorial's sweep on the embedded model, and more.
pub fn sweep<'a>(out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["sweep", "--base", BASE, "--source", SOURCE];
    arguments.extend(["--token", " Madrid", "--token", " Rome", "--out", out.to_str().unwrap()]);
    arguments.extend(more);
    arguments
}

/// The names in a folder, sorted; none where there is no folder.
pub fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| {
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

/// The arguments of a sweep over a data set of capitals, and more.
pub fn data_sweep<'a>(data: &'a Path, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["sweep", "--data", data.to_str().unwrap()];
    arguments.extend(["--component", "block_output", "--positions", "subject_last,last"]);
    arguments.extend(["--out", out.to_str().unwrap()]);
    arguments.extend(more);
    arguments
}

/// Makes a data set of the embedded model's own facts.
pub fn task(file: &Path, rows: usize) {
    printed(&["task", "capital", "-n", &rows.to_string(), "--out", file.to_str().unwrap()]);
}

/// What a folder's run.json says; null while there is none.
pub fn record(out: &Path) -> Value {
    let text = std::fs::read_to_string(out.join("run.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// The command, running beside the test.
pub fn start(arguments: &[&str]) -> Child {
    let mut command = process();
    command.args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: `signal` may be called between fork and exec. Tests that run under nohup would hand on that SIGHUP is
    // ignored.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
            Ok(())
        });
    }
    command.spawn().unwrap()
}

/// Sends it a signal, such as INT.
pub fn signal(running: &Child, name: &str) {
    let sent = std::process::Command::new("kill")
        .args([&format!("-{name}"), &running.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[track_caller]
pub fn wait_until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(300), "in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What makes a sweep long enough to be caught in the middle.
pub const KILLED: [&str; 6] = ["--intervention", "noise", "--noise-sd", "0.1", "--draws", "12"];

/// A sweep that was killed after it had written so many parts: its arguments, and its folder.
pub fn killed_sweep(data: &Path, out: &Path, parts: usize) -> (Vec<String>, PathBuf) {
    let arguments = data_sweep(data, out, &KILLED);
    kill(&arguments, out, parts);
    (arguments.into_iter().map(str::to_owned).collect(), out.to_owned())
}

/// Runs a sweep and kills it after it has written so many parts.
pub fn kill(arguments: &[&str], out: &Path, parts: usize) {
    let mut running = start(arguments);
    let notes = || files(&out.join("parts")).iter().filter(|name| name.ends_with(".json")).count();
    wait_until(|| notes() >= parts);
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(record(out)["status"], "running", "it ended before it was killed");
}

/// The embedded model with a few weights of its own.
pub fn other_model(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let mut weights = vene_embedded::WEIGHTS.to_vec();
    let middle = (weights.len() / 2) & !1;
    weights[middle..middle + (1 << 16)].fill(0);
    std::fs::write(folder.join("model.safetensors"), weights).unwrap();
    std::fs::write(folder.join("config.json"), vene_embedded::CONFIG).unwrap();
    std::fs::write(folder.join("tokenizer.json"), vene_embedded::TOKENIZER).unwrap();
}

/// The most memory that a run of the command had at once, in bytes.
#[allow(clippy::zombie_processes)] // wait4 waits for it.
pub fn peak(arguments: &[&str]) -> u64 {
    let child =
        process().args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (mut status, mut usage) = (0, MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: the child is waited for once, here, and both are good to write to.
    let ended = unsafe { libc::wait4(child.id() as i32, &mut status, 0, usage.as_mut_ptr()) };
    assert_eq!((ended, status), (child.id() as i32, 0), "{arguments:?}");
    // SAFETY: zeroes are numbers, and it was written.
    (unsafe { usage.assume_init() }.ru_maxrss as u64) << 10
}
