//! Command lines that help and pages advise: each is one that the program understands.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use vene_test_support::command_lines;

use super::Arguments;

/// The pages, and what they say.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md")];
    for folder in ["docs", "docs/examples", "bench"] {
        let entries =
            std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path, text)
    };
    pages.into_iter().map(read).collect()
}

/// A line is understood, `...` standing for what a sweep needs.
fn assert_understood(words: &[String], place: &str) {
    let needed = ["--base", "x", "--source", "y", "--component", "mlp_output", "--token", " z"];
    let mut line = vec!["vene".to_owned()];
    for word in words {
        match word.as_str() {
            "..." => line.extend(needed.map(str::to_owned)),
            word => line.push(word.to_owned()),
        }
    }
    // What is written twice so is written once by who fills in the dots.
    if words.iter().any(|word| word == "...") {
        for option in ["--source", "--component"] {
            if line.iter().filter(|word| *word == option).count() > 1 {
                let place = line.iter().position(|word| word == option).unwrap();
                line.drain(place..place + 2);
            }
        }
    }
    if let Err(error) = Arguments::of(&line) {
        panic!("{place}: vene {}: {error}", words.join(" "));
    }
}

#[test]
fn lines_on_pages_are_understood() {
    let mut count = 0;
    for (path, text) in pages() {
        for words in command_lines(&text) {
            // A sentence that begins with the program's name.
            if words
                .first()
                .is_some_and(|word| Arguments::command().find_subcommand(word).is_none())
            {
                continue;
            }
            assert_understood(&words, &path.display().to_string());
            count += 1;
        }
    }
    assert!(count > 30, "{count} lines");
}

#[test]
fn lines_in_help_are_understood() {
    let command = Arguments::command();
    let mut count = 0;
    for command in std::iter::once(&command).chain(command.get_subcommands()) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for words in command_lines(&help) {
            assert_understood(&words, command.get_name());
            count += 1;
        }
    }
    assert!(count > 20, "{count} lines");
}

/// `-h` fits a screen; `--help` shows all there is, so that whoever derives something from it sees it.
#[test]
fn short_help_is_short_and_long_help_is_whole() {
    let mut line = Arguments::line().term_width(100);
    line.build();
    let mut commands = vec![line];
    while let Some(mut command) = commands.pop() {
        let name = command.get_bin_name().unwrap_or("vene").to_owned();
        let lines = command.render_help().to_string().lines().count();
        assert!(lines <= 60, "{name} -h has {lines} lines");
        let whole = command.render_long_help().to_string();
        assert!(!command.is_hide_set(), "{name}");
        for argument in command.get_arguments() {
            let is_named = match argument.get_long() {
                Some(long) => whole.lines().any(|line| {
                    line.trim_start().starts_with('-')
                        && line.split([' ', ',']).any(|word| word == format!("--{long}"))
                }),
                None => whole.contains("Arguments:"),
            };
            assert!(is_named, "{name} --help does not name {}", argument.get_id());
        }
        commands.extend(command.get_subcommands().cloned());
    }
}

/// An option that `-h` shows is in a section that says what it belongs to.
#[test]
fn options_of_large_commands_are_in_sections() {
    let line = Arguments::command();
    for name in ["sweep", "run", "generate", "collect", "train", "lens", "attribute", "attention"] {
        let command = line.find_subcommand(name).unwrap();
        for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
            assert!(argument.get_help_heading().is_some(), "{name} --{}", argument.get_id());
        }
    }
}
