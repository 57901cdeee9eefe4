//! The walk: each mode's line once more with each of the command's options, as its help offers them. What comes of it
//! must be another result, or an error.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::support::{other_model, printed};

/// A command as it is tried out.
pub(super) struct Tried {
    pub name: &'static str,
    /// Lines that run, each the way to another mode.
    pub modes: Vec<(&'static str, String)>,
    /// What options are given: other values than those of the lines and the defaults.
    pub values: &'static [(&'static str, &'static [&'static str])],
    /// Options that rightly change no result, or are tried elsewhere, and why.
    pub apart: &'static [(&'static str, &'static str)],
}

/// What a run did.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Refused(String),
    /// What it printed, and the files that it wrote: those that people read, whole.
    Done(String, BTreeMap<String, Vec<u8>>),
}

/// An option as the help has it.
#[derive(Debug)]
struct Offered {
    name: String,
    takes_value: bool,
    default: Option<String>,
}

/// What all commands take.
const EVERYWHERE: [(&str, &str); 6] = [
    ("--threads", "a result does not depend on the number of threads"),
    ("--quiet", "it leaves out what is said beside the result; help.rs has it"),
    ("--chat", "an error unless the model has a chat template; chat.rs has it"),
    ("--system", "read only with --chat; chat.rs has it"),
    ("--ids", "an error unless prompts are numbers; chat.rs has it"),
    ("--verbose", "what it adds goes to standard error; help.rs has it"),
];
pub(super) const IGNORE_KEY: (&str, &str) =
    ("--ignore-key", "an error unless the model has such a key; ignored_keys.rs has it");
pub(super) const FORCE: (&str, &str) =
    ("--force", "there is nothing to replace here; owner.rs has it");
pub(super) const MODEL: &[&str] = &["SHARED/other"];

/// What lines and values name as `SHARED/...`.
pub(super) fn shared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let row = |base: &str, source: &str, target: &str, foil: &str, rest: &str| {
        format!(
            r#"{{"base": "{base}", "source": "{source}", "target": " {target}", "foil": " {foil}"{rest}}}"#
        )
    };
    let of = |country: &str, other: &str, target: &str, foil: &str, group: &str| {
        let rest =
            format!(r#", "subject": "{country}", "source_subject": "{other}", "group": "{group}""#);
        let text = |country: &str| match group {
            // Here the subject is the last token.
            "c" => format!("Rome is to Italy as Madrid is to {country}"),
            _ => format!("The capital of {country} is"),
        };
        row(&text(country), &text(other), target, foil, &rest)
    };
    let rows = [
        of("Spain", "Italy", "Madrid", "Rome", "a"),
        of("Italy", "Spain", "Rome", "Madrid", "a"),
        of("France", "Japan", "Paris", "Tokyo", "b"),
        of("Japan", "France", "Tokyo", "Paris", "b"),
        of("Spain", "Japan", "Madrid", "Tokyo", "b"),
        of("Peru", "Spain", "Lima", "Madrid", "c"),
        of("Italy", "France", "Rome", "Paris", "d"),
    ];
    fs::write(path("rows.jsonl"), rows.join("\n")).unwrap();
    fs::write(path("others.jsonl"), rows[1..].join("\n")).unwrap();
    let mib = |[country, capital, x, of_x, y, of_y]: [&str; 6]| {
        let prompt = |country: &str| format!(r#""prompt": "The capital of {country} is""#);
        format!(
            r#"{{{}, "label": " {capital}", "x_counterfactual": {{{}, "label": " {of_x}"}}, "y_counterfactual": {{{}, "label": " {of_y}"}}}}"#,
            prompt(country),
            prompt(x),
            prompt(y)
        )
    };
    let mib = [
        mib(["Spain", "Madrid", "Italy", "Rome", "Japan", "Tokyo"]),
        mib(["France", "Paris", "Spain", "Madrid", "Peru", "Lima"]),
        mib(["Peru", "Lima", "Japan", "Tokyo", "France", "Paris"]),
        mib(["Italy", "Rome", "Japan", "Tokyo", "Spain", "Madrid"]),
        mib(["Japan", "Tokyo", "France", "Paris", "Italy", "Rome"]),
        mib(["Italy", "Rome", "Peru", "Lima", "France", "Paris"]),
        mib(["Spain", "Madrid", "Japan", "Tokyo", "Peru", "Lima"]),
        mib(["France", "Paris", "Italy", "Rome", "Spain", "Madrid"]),
    ];
    fs::write(path("mib.jsonl"), mib.join("\n")).unwrap();
    let plan = |layer: usize| {
        format!(
            "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = {layer}\n\
             positions = {{ phrase = 'Spain' }}\nfrom = {{ characters = [15, 20] }}\n"
        )
    };
    fs::write(path("plan.toml"), plan(0)).unwrap();
    fs::write(path("later.toml"), plan(6)).unwrap();
    let train = "[[edit]]\ncomponent = 'block_output'\nlayer = 2\npositions = { role = 'subject_last' }\n\
                 intervention = { name = 'low_rank_rotated_space', rank = 4 }\n[train]\nepochs = 1\n";
    fs::write(path("das.toml"), train).unwrap();
    let roles = plan(0).replace("{ phrase = 'Spain' }", "{ role = 'subject_last' }");
    let roles = roles.replace("from = { characters = [15, 20] }\n", "");
    fs::write(path("roles.toml"), roles).unwrap();
    fs::write(path("prompts.txt"), "The capital of Spain is\nThe capital of Peru is\n").unwrap();
    fs::write(path("others.txt"), "The capital of Japan is\n").unwrap();
    let collected = "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = 0\n\
                     positions = { role = 'subject_last' }\n\
                     [[collect]]\ncomponent = 'mlp_output'\nlayer = 1\npositions = { role = 'subject_last' }\n";
    fs::write(path("collected.toml"), collected).unwrap();
    let scaled = "[[edit]]\nintervention = { name = 'scaling', factor = 2.0 }\ncomponent = 'mlp_output'\n\
                  layer = 1\n";
    fs::write(path("scaled.toml"), scaled).unwrap();
    let grid = "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = '$l'\n\
                positions = { role = 'subject_last' }\n[grid]\nl = '0..2'\n";
    fs::write(path("grid.toml"), grid).unwrap();
    fs::write(path("last.toml"), grid.replace("subject_last", "last")).unwrap();
    let data = |seed: &str, name: &str| {
        let file = path(name);
        printed(&["task", "capital", "-n", "60", "--seed", seed, "--out", file.to_str().unwrap()]);
    };
    data("1", "capital.jsonl");
    data("2", "capital-2.jsonl");
    let [das, rows, trained] =
        ["das.toml", "capital.jsonl", "das"].map(|name| path(name).to_str().unwrap().to_owned());
    printed(&["train", &das, "--data", &rows, "--limit", "30", "--out", &trained]);
    for shard in ["1", "2"] {
        let part = path(&format!("part-{shard}"));
        let rows = path("rows.jsonl");
        let line = ["sweep", "--component", "block_output", "--layers", "2", "--data"];
        let more = [rows.to_str().unwrap(), "--shard", &format!("{shard}/2"), "--out"];
        printed(&[&line[..], &more, &[part.to_str().unwrap()]].concat());
    }
    other_model(&path("other"));
    folder
}

/// The names under `Commands:` in the help.
pub(super) fn commands() -> BTreeSet<String> {
    let help = printed(&["--help"]);
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The options in a command's help, with the defaults that it tells.
fn offered(command: &str) -> Vec<Offered> {
    let help = printed(&[command, "--help"]);
    let mut found: Vec<Offered> = Vec::new();
    // All sections, up to the examples.
    let sections = help.split("Options:\n").nth(1).unwrap();
    for line in sections.split("\nExamples:\n").next().unwrap().lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text.starts_with('-') && (2..=6).contains(&indent) {
            let name = text.split_whitespace().find(|word| word.starts_with("--")).unwrap();
            let takes_value = text.contains('<');
            found.push(Offered { name: name.to_owned(), takes_value, default: None });
        }
        let default = line.split("[default: ").nth(1).and_then(|rest| rest.split(']').next());
        if let (Some(default), Some(last)) = (default, found.last_mut())
            && !default.contains([' ', ';'])
        {
            last.default = Some(default.to_owned());
        }
    }
    found.retain(|option| !["--help", "--version"].contains(&option.name.as_str()));
    assert!(!found.is_empty(), "{help}");
    found
}

/// A line cut into words at spaces; `~` stands for a space within one.
fn words(line: &str, shared: &Path) -> Vec<String> {
    let word = |word: &str| word.replace('~', " ").replace("SHARED", shared.to_str().unwrap());
    line.split_whitespace().map(word).collect()
}

fn run(command: &str, arguments: &[String]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let output = crate::support::command()
        .current_dir(folder.path())
        .arg(command)
        .args(arguments)
        .output()
        .unwrap();
    if !output.status.success() {
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command} {arguments:?}: {said}");
        assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{said}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{command} {arguments:?}");
        return Outcome::Refused(said);
    }
    let mut files = BTreeMap::new();
    collect(folder.path(), folder.path(), &mut files);
    Outcome::Done(without_times(&String::from_utf8(output.stdout).unwrap()), files)
}

/// Files by name; of records and drawn figures the name only: they have times, or show what the tables have.
fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
            continue;
        }
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let is_table =
            [".csv", ".jsonl", ".safetensors", ".npz"].iter().any(|ending| name.ends_with(ending));
        let bytes = if is_table { fs::read(&path).unwrap() } else { Vec::new() };
        files.insert(name, bytes);
    }
}

/// A text without the numbers before `s`.
fn without_times(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let is_time = |index: usize| {
        words.get(index + 1).is_some_and(|next| next.starts_with("s\n") || next.starts_with("s,"))
            && words[index].parse::<f64>().is_ok()
    };
    let shown = (0..words.len()).map(|index| if is_time(index) { "T" } else { words[index] });
    shown.collect::<Vec<_>>().join(" ")
}

/// The line with an option more, or with another value of one that it has, or without a flag that it has.
fn with_option(line: &[String], name: &str, value: Option<&str>) -> Vec<String> {
    let mut line = line.to_vec();
    match (line.iter().position(|word| word == name), value) {
        (Some(place), Some(value)) => line[place + 1] = value.to_owned(),
        (Some(place), None) => drop(line.remove(place)),
        (None, _) => {
            line.push(name.to_owned());
            line.extend(value.map(str::to_owned));
        }
    }
    line
}

pub(super) const UNREAD: &str = "would change nothing in";

pub(super) fn walk(tried: &Tried) {
    let shared = shared();
    let options = offered(tried.name);
    let known = |option: &Offered| {
        let name = option.name.as_str();
        let has_value = tried.values.iter().any(|(known, _)| *known == name);
        assert!(
            has_value || tried.apart.iter().chain(&EVERYWHERE).any(|(known, _)| *known == name),
            "vene {} {name}: say here which values to try, or why none",
            tried.name
        );
        has_value
    };
    let options: Vec<Offered> = options.into_iter().filter(known).collect();
    let mut effective: BTreeSet<&str> = BTreeSet::new();
    let mut silent: Vec<String> = Vec::new();
    for (mode, line) in &tried.modes {
        let line = words(line, shared.path());
        let base = run(tried.name, &line);
        assert!(matches!(base, Outcome::Done(..)), "{mode}: {base:?}");
        for option in &options {
            let name = option.name.as_str();
            let with = |value: Option<&str>| with_option(&line, name, value);
            let (_, values) = tried.values.iter().find(|(known, _)| *known == name).unwrap();
            let mut unread = true;
            for value in *values {
                let value = value.replace("SHARED", shared.path().to_str().unwrap());
                let what = || format!("vene {} in mode {mode}, {name} {value}", tried.name);
                let given = with(option.takes_value.then_some(value.as_str()));
                if given == line {
                    unread = false;
                    continue;
                }
                match run(tried.name, &given) {
                    Outcome::Refused(said) if said.contains(UNREAD) => {
                        assert!(said.contains(name), "{}: {said}", what());
                        assert!(said.contains("it is read only"), "{}: {said}", what());
                    }
                    Outcome::Refused(_) => unread = false,
                    done => {
                        if done == base {
                            silent.push(what());
                        }
                        unread = false;
                        effective.insert(name);
                    }
                }
            }
            // What is not read is refused at its default value too.
            if let (true, Some(default)) = (unread, &option.default) {
                match run(tried.name, &with(Some(default))) {
                    Outcome::Refused(_) => {}
                    Outcome::Done(..) => silent.push(format!("{mode}: {name} {default}")),
                }
            }
        }
    }
    assert!(silent.is_empty(), "taken and ignored, and nothing says so: {silent:#?}");
    let idle = options.iter().filter(|option| !effective.contains(option.name.as_str()));
    let idle: Vec<&str> = idle.map(|option| option.name.as_str()).collect();
    assert!(
        idle.is_empty(),
        "vene {}: no mode in which these change something: {idle:?}",
        tried.name
    );
}
