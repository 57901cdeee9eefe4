//! Running the command.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;

pub const BASE: &str = "The capital of Spain is";
pub const SOURCE: &str = "The capital of Italy is";

pub fn vene(arguments: &[&str]) -> Output {
    Command::cargo_bin("vene").unwrap().args(arguments).output().unwrap()
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
