//! Every command line that the program itself advises is run, on the embedded model; and what its messages name is
//! there. (Pages are run by `tests/pages`.)

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use vene_test_support::{RealModel, command_lines};

use crate::support::printed;

/// What `...` stands for in the help of `vene sweep`.
const DOTS: [(&str, &[&str]); 4] = [
    ("--base", &["The capital of Spain is"]),
    ("--source", &["The capital of Italy is"]),
    ("--component", &["mlp_output"]),
    ("--token", &[" Madrid", " Rome"]),
];

/// Lines that the embedded model cannot run, and why.
const NOT_RUN: [(&str, &str); 2] = [
    ("task ioi", "the embedded model knows no first names as single tokens"),
    (
        "generate --model smollm2-135m-instruct.gguf --chat",
        "the embedded model has no chat template",
    ),
];

fn commands() -> BTreeSet<String> {
    let help = printed(&["--help"]);
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    list.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// A line as it is run: on the embedded model, with the dots filled in.
fn runnable(words: &[String]) -> Vec<String> {
    let mut line: Vec<String> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--model" {
            words.next();
        } else if word == "..." {
            let rest: Vec<&String> = words.clone().collect();
            for (option, values) in DOTS {
                if !rest.iter().any(|word| *word == option) {
                    line.extend(
                        values.iter().flat_map(|value| [option.to_owned(), (*value).to_owned()]),
                    );
                }
            }
        } else {
            line.push(word.clone());
        }
    }
    line
}

/// Runs lines one after the other in a folder.
fn run_all(lines: &[Vec<String>], folder: &Path) -> usize {
    let mut count = 0;
    for words in lines {
        if NOT_RUN.iter().any(|(start, _)| words.join(" ").starts_with(start)) {
            continue;
        }
        let line = runnable(words);
        // A line that writes where another one did is about another folder.
        let _ = fs::remove_dir_all(folder.join("vene-out"));
        let output = crate::support::command()
            .current_dir(folder)
            .env("VENE_MODEL", "embedded")
            .args(&line)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "vene {}: {said}", words.join(" "));
        count += 1;
    }
    count
}

/// The files that the lines name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "plan.toml",
        "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = 0\n\
         positions = { phrase = 'Spain' }\nfrom = { phrase = 'Italy' }\n",
    );
    write(
        "steer.toml",
        "[[edit]]\nintervention = { name = 'scaling', factor = 1.5 }\ncomponent = 'mlp_output'\nlayer = 3\n\
         when = 'every_step'\n",
    );
    folder
}

/// The first plan that a text shows, its lines told by what they are indented by.
fn plan_in(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines = lines.skip_while(|line| *line != "[[edit]]");
    let is_plan = |line: &&str| line.is_empty() || line.starts_with('[') || line.contains(" = ");
    lines.take_while(is_plan).collect::<Vec<_>>().join("\n")
}

#[test]
fn lines_in_help_run() {
    for command in commands().iter().filter(|command| *command != "help") {
        let folder = folder();
        let help = printed(&[command, "--help"]);
        let plan = |name: &str, help: &str| {
            fs::write(folder.path().join(name), plan_in(help)).unwrap();
        };
        match command.as_str() {
            "train" => plan("das.toml", &help),
            "evaluate" => plan("das.toml", &printed(&["train", "--help"])),
            "run" => plan("patch.toml", &help),
            _ => {}
        }
        let mut lines = command_lines(help.split("Examples:").nth(1).unwrap_or_default());
        // It goes on with a training that was stopped, and here none was.
        lines.retain(|line| !line.iter().any(|word| word == "--resume"));
        let count = run_all(&lines, folder.path());
        assert!(count > 0 || ["demo", "models"].contains(&command.as_str()), "{command}");
    }
    let lines = command_lines(&printed(&["--help"]));
    assert!(run_all(&lines, folder().path()) >= 5);
}

#[test]
fn lines_that_the_demo_advises_run() {
    let folder = folder();
    let output = crate::support::command().current_dir(&folder).arg("demo").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let lines = command_lines(said.split("To go on:").nth(1).unwrap());
    assert_eq!(run_all(&lines, folder.path()), 3);
}

/// The data sets and sweeps of the worked examples, on the models that they name: data sets of fewer rows, and of sweeps
/// what is checked and told before they run.
#[test]
fn lines_of_worked_examples_are_accepted() {
    let (Some(smollm2), Some(gemma)) = (RealModel::SmolLm2.path(), RealModel::Gemma3.path()) else {
        return;
    };
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples");
    let mut count = 0;
    for name in ["country-capital", "indirect-object", "induction", "causal-tracing"] {
        let folder = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(pages.join(name).with_extension("md")).unwrap();
        // The same sweep on another model or data set is not checked twice.
        let mut seen: BTreeSet<Vec<String>> = BTreeSet::new();
        for mut words in command_lines(&text) {
            let value_of = |words: &[String], option: &str| {
                words.iter().position(|word| word == option).map(|place| place + 1)
            };
            let Some(model) = value_of(&words, "--model") else { continue };
            if !["task", "sweep"].contains(&words[0].as_str()) {
                continue;
            }
            words[model] = match words[model].contains("gemma") {
                true => gemma.canonicalize().unwrap().to_str().unwrap().to_owned(),
                false => smollm2.canonicalize().unwrap().to_str().unwrap().to_owned(),
            };
            if words[0] == "task" {
                let (rows, out) =
                    (value_of(&words, "-n").unwrap(), value_of(&words, "--out").unwrap());
                words[rows] = "60".to_owned();
                let out = folder.path().join(&words[out]);
                fs::create_dir_all(out.parent().unwrap()).unwrap();
            } else {
                let data = value_of(&words, "--data").unwrap();
                // Some are made by other programs.
                if !folder.path().join(&words[data]).exists() {
                    continue;
                }
                let own = ["--model", "--data", "--out"].map(|option| value_of(&words, option));
                let rest =
                    words.iter().enumerate().filter(|(place, _)| !own.contains(&Some(*place)));
                if !seen.insert(rest.map(|(_, word)| word.clone()).collect()) {
                    continue;
                }
                words.retain(|word| word != "--dry-run");
                words.push("--dry-run".to_owned());
            }
            let mut command = crate::support::command();
            let output = command.current_dir(folder.path()).args(&words).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: vene {}: {said}", words.join(" "));
            count += 1;
        }
    }
    assert!(count >= 15, "{count} lines");
}

/// All Rust files of the crates that users see.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for name in ["vene-cli", "vene", "vene-model", "vene-checkpoint", "vene-table", "vene-report"] {
        walk(&crates.join(name).join("src"), &mut found);
    }
    let read = |path: PathBuf| (path.clone(), fs::read_to_string(path).unwrap());
    found.into_iter().map(read).collect()
}

/// The text that a literal in Rust stands for, its beginning at a quote.
fn literal(source: &str) -> Option<String> {
    let mut characters = source.strip_prefix('"')?.chars().peekable();
    let mut text = String::new();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => match characters.next()? {
                '\n' => while characters.next_if(|next| next.is_whitespace()).is_some() {},
                'n' => text.push('\n'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

/// Messages are sentences: no break of a line in the source shows in them, and no path of Rust.
#[test]
fn messages_are_sentences() {
    let makers = ["#[error(", "bail!(", "anyhow!(", "context(", "warn(", "format!("];
    let mut count = 0;
    for (path, source) in sources() {
        // Tests stand at the end.
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for maker in makers {
            for (at, _) in source.match_indices(maker) {
                let Some(text) = literal(source[at + maker.len()..].trim_start()) else { continue };
                let is_table = text.starts_with("  ") || text.contains('\n');
                let broken = text
                    .match_indices("  ")
                    .any(|(at, _)| text[..at].ends_with(|before: char| before.is_ascii()));
                assert!(is_table || !broken, "{}: {text}", path.display());
                // A braced name of a value is none of the message.
                let said: String = text.split(['{', '}']).step_by(2).collect();
                // Only a program can make the plans of which this file speaks.
                let is_for_programs = path.ends_with("vene/src/plan_file/write.rs");
                assert!(is_for_programs || !said.contains("::"), "{}: {text}", path.display());
                count += 1;
            }
        }
    }
    assert!(count > 700, "{count} messages");
}

/// Options and commands that messages and documentation name exist.
#[test]
fn what_messages_name_is_there() {
    let commands = commands();
    let helps: Vec<String> = commands
        .iter()
        .filter(|command| *command != "help")
        .map(|command| printed(&[command, "--help"]))
        .chain(
            ["edges", "graph", "paths", "faithfulness", "pairs", "scrub", "save", "compare"]
                .map(|command| printed(&["circuit", command, "--help"])),
        )
        .collect();
    let known = |option: &str| {
        let option = option.trim_end_matches('-');
        helps.iter().any(|help| {
            help.lines().any(|line| {
                line.trim_start().starts_with('-')
                    && line.split([' ', ',']).any(|word| word == option)
            })
        })
    };
    // Of other programs, or wrong on purpose.
    let others = [
        "--release",
        "--example",
        "--merge",
        "--modle",
        "--help",
        "--version",
        "--standard-deviation",
    ];
    for (path, text) in sources() {
        for (place, _) in text.match_indices("--") {
            let before = text[..place].chars().next_back();
            let rest = &text[place + 2..];
            let length =
                rest.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(rest.len());
            let (name, after) = (&rest[..length], rest[length..].chars().next());
            let is_option = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.len() > 2
                && matches!(before, Some(' ' | '`' | '"' | '(' | '[' | '\'' | '/'))
                && !matches!(after, Some('{'));
            let option = format!("--{name}");
            assert!(
                !is_option || others.contains(&option.as_str()) || known(&option),
                "{}: {option}",
                path.display()
            );
        }
        for part in text.split("`vene ").skip(1) {
            let word: String = part.chars().take_while(|c| c.is_ascii_lowercase()).collect();
            assert!(
                word.is_empty() || commands.contains(&word),
                "{}: `vene {word}`",
                path.display()
            );
        }
    }
}
