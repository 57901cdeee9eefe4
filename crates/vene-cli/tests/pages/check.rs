//! What can be said of a page without running it: that what it names is there.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;

use super::page::{Block, Kind, Page};
use super::root;

/// The page of the crate, which includes those whose Rust is tested.
const CRATE: &str = include_str!("../../../vene/src/lib.rs");

pub fn page(page: &Page) -> Result<(), String> {
    for block in &page.blocks {
        check(block, page).map_err(|error| format!("line {}: {error}", block.line))?;
    }
    inline(&page.text)
}

fn check(block: &Block, page: &Page) -> Result<(), String> {
    match &block.kind {
        Kind::Rust if !CRATE.contains(&format!("include_str!(\"../../../{}\")", page.name)) => {
            Err("rustdoc does not test this Rust: crates/vene/src/lib.rs includes no such page"
                .to_owned())
        }
        Kind::Setup(text) => commands(text).iter().try_for_each(|line| setup(line)),
        Kind::Commands(text) => commands(text).iter().try_for_each(|line| programs(line)),
        _ => Ok(()),
    }
}

/// The lines of a block as commands: continued lines joined, comments left out, `&&` taken apart.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(|line| line.split(" #").next().unwrap_or_default());
    let lines = lines.flat_map(|line| line.split("&&")).map(|line| line.trim().to_owned());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// A line that is done once: a script of the repository, cargo, or the path.
fn setup(line: &str) -> Result<(), String> {
    if line.starts_with("export PATH=") || line.starts_with("cargo build ") {
        return programs(line);
    }
    if line.starts_with("scripts/") {
        return programs(line);
    }
    Err(format!("is this done once? {line}"))
}

/// What a line names: scripts and packages' examples that must be there.
fn programs(line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if let Some(script) = words.iter().find(|word| word.starts_with("scripts/")) {
        let there = root().join(script).is_file();
        return there.then_some(()).ok_or(format!("there is no {script}"));
    }
    if words.first() != Some(&"cargo") {
        return Ok(());
    }
    let value = |names: &[&str]| {
        let place = words.iter().position(|word| names.contains(word))?;
        words.get(place + 1).copied()
    };
    let package = value(&["-p", "--package"]);
    let folder = package.map(|package| root().join("crates").join(package));
    if let Some(folder) = &folder
        && !folder.is_dir()
    {
        return Err(format!("there is no package {}: {line}", folder.display()));
    }
    if let Some(example) = value(&["--example"]) {
        let Some(folder) = folder else {
            return Err(format!(
                "cargo looks for an example in one package only: -p PACKAGE is missing in {line}"
            ));
        };
        let there = |path: &str| Path::new(&folder).join("examples").join(path).is_file();
        if !there(&format!("{example}.rs")) && !there(&format!("{example}/main.rs")) {
            return Err(format!("{} has no example {example}", folder.display()));
        }
    }
    Ok(())
}

/// Commands in the running text (`` `vene run --resume DIR` ``): subcommand and options must be there.
fn inline(text: &str) -> Result<(), String> {
    static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new("`vene ([a-z]+)([^`]*)`").unwrap());
    static OPTION: LazyLock<Regex> = LazyLock::new(|| Regex::new("--[a-z][a-z-]*").unwrap());
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    for code in CODE.captures_iter(text) {
        let (all, command, rest) = (&code[0], &code[1], &code[2]);
        if !helps.contains_key(command) {
            helps.insert(
                command.to_owned(),
                help(command).ok_or(format!("vene has no {command}: {all}"))?,
            );
        }
        for option in OPTION.find_iter(rest) {
            let name = Regex::new(&format!("{}[^a-z-]", option.as_str())).unwrap();
            if !name.is_match(&helps[command]) {
                return Err(format!("vene {command} has no {}: {all}", option.as_str()));
            }
        }
    }
    Ok(())
}

fn help(command: &str) -> Option<String> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_vene")).args([command, "--help"]).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_is_named_must_be_there() {
    assert_eq!(programs("cargo run --release -p vene --example running_sum -- x"), Ok(()));
    assert!(programs("cargo run --release --example running_sum -- x").is_err());
    assert!(programs("cargo run --release -p vene --example nothing -- x").is_err());
    assert!(programs("scripts/nothing").is_err());
    assert!(setup("vene sites").is_err());
    assert_eq!(inline("`vene run --resume DIR` goes on"), Ok(()));
    assert!(inline("`vene run --resum DIR` goes on").is_err());
    assert!(inline("`vene walk` is no command").is_err());
}
