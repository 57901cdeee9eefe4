//! Nothing is taken and ignored: every option of every command, in every mode, gives another result or an error.
//!
//! Commands and options come from the command's own help, so that a new one cannot be forgotten here: it has no value
//! to be tried with, and the test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use assert_cmd::Command;

use crate::support::{BASE, SOURCE, other_model, printed};

/// A command as it is tried out.
struct Tried {
    name: &'static str,
    /// Lines that run, each the way to another mode.
    modes: Vec<(&'static str, String)>,
    /// What options are given: other values than those of the lines and the defaults.
    values: &'static [(&'static str, &'static [&'static str])],
    /// Options that rightly change no result, or are tried elsewhere, and why.
    apart: &'static [(&'static str, &'static str)],
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

const THREADS: (&str, &str) = ("--threads", "a result does not depend on the number of threads");
const IGNORE_KEY: (&str, &str) =
    ("--ignore-key", "an error unless the model has such a key; ignored_keys.rs has it");
const FORCE: (&str, &str) = ("--force", "there is nothing to replace here; owner.rs has it");
const MODEL: &[&str] = &["SHARED/other"];

/// What lines and values name as `SHARED/...`.
fn shared() -> tempfile::TempDir {
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
    let data = |seed: &str, name: &str| {
        let file = path(name);
        printed(&["task", "capital", "-n", "60", "--seed", seed, "--out", file.to_str().unwrap()]);
    };
    data("1", "capital.jsonl");
    data("2", "capital-2.jsonl");
    other_model(&path("other"));
    folder
}

/// The names under `Commands:` in the help.
fn commands() -> BTreeSet<String> {
    let help = printed(&["--help"]);
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The options in a command's help, with the defaults that it tells.
fn offered(command: &str) -> Vec<Offered> {
    let help = printed(&[command, "--help"]);
    let mut found: Vec<Offered> = Vec::new();
    for line in help.split("Options:\n").nth(1).unwrap().lines() {
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
        if indent == 0 && !text.is_empty() {
            break;
        }
    }
    found.retain(|option| option.name != "--help" && option.name != "--version");
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
    let output = Command::cargo_bin("vene")
        .unwrap()
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
            [".csv", ".jsonl", ".safetensors"].iter().any(|ending| name.ends_with(ending));
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

const UNREAD: &str = "would change nothing in";

fn walk(tried: &Tried) {
    let shared = shared();
    let options = offered(tried.name);
    let known = |option: &Offered| {
        let name = option.name.as_str();
        let has_value = tried.values.iter().any(|(known, _)| *known == name);
        assert!(
            has_value || tried.apart.iter().any(|(known, _)| *known == name),
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

const PROMPT: &str = "The~capital~of~Spain~is";
const PAIR: &str =
    "--base The~capital~of~Spain~is --source The~capital~of~Italy~is --token ~Madrid";
const DATA: &str = "--data SHARED/rows.jsonl --resamples 60";

const SWEEP_VALUES: &[(&str, &[&str])] = &[
    ("--model", MODEL),
    ("--base", &["The capital of Peru is"]),
    ("--source", &["The capital of Japan is"]),
    ("--component", &["mlp_output"]),
    ("--layers", &["1"]),
    ("--heads", &["0"]),
    ("--positions", &["3", "after_subject"]),
    ("--subject", &["and"]),
    ("--source-subject", &["and"]),
    ("--subject-occurrence", &["1"]),
    ("--source-subject-occurrence", &["1"]),
    ("--unit", &["h.pos", "h"]),
    ("--intervention", &["addition"]),
    ("--factor", &["2"]),
    ("--noise-sd", &["1.5"]),
    ("--seed", &["1"]),
    ("--token", &[" Rome"]),
    ("--data", &["SHARED/others.jsonl"]),
    ("--limit", &["3"]),
    ("--counterfactual", &["y"]),
    ("--metric", &["kl", "rank"]),
    ("--answers", &["first"]),
    ("--distinct-positions", &[""]),
    ("--direction", &["denoising", "both"]),
    ("--window", &["2", "3"]),
    ("--effect", &["direct"]),
    ("--draws", &["2"]),
    ("--mean-over", &["all"]),
    ("--noise-times", &["2"]),
    ("--corrupt", &["last"]),
    ("--control", &["self", "shuffled"]),
    ("--resamples", &["41"]),
    ("--correction", &["holm"]),
    ("--discovery", &["0.5"]),
    ("--together", &["groups"]),
    ("--bos", &["always"]),
    ("--precision", &["double"]),
    ("--dry-run", &[""]),
    ("--json", &[""]),
    ("--out", &["elsewhere"]),
];

const SWEEP_APART: &[(&str, &str)] = &[
    THREADS,
    IGNORE_KEY,
    FORCE,
    (
        "--executor",
        "both executors give the same numbers to rounding; that it is read is tried below",
    ),
    ("--memory", "the same bits in one pass or in many; that it is read or refused is tried below"),
    ("--resume", "a mode of its own, which is tried below"),
];

fn sweep(modes: &[(&'static str, String)]) -> Tried {
    Tried { name: "sweep", modes: modes.to_vec(), values: SWEEP_VALUES, apart: SWEEP_APART }
}

#[test]
fn of_sweeps() {
    let streams = "--component block_output --layers 2,3";
    let heads = "--component attention_value_output --layers 2,3";
    let phrases = "--base Spain~and~Spain~and --source Italy~and~Italy~and --token ~Madrid \
                   --positions subject_last --subject Spain --subject-occurrence 0 \
                   --source-subject Italy --source-subject-occurrence 0";
    let two = "--positions subject_last,last";
    walk(&sweep(&[
        ("interchange", format!("{PAIR} {streams}")),
        ("zero", format!("{PAIR} {streams} --intervention zero")),
        ("scaling", format!("{PAIR} {streams} --intervention scaling --factor 0.5")),
        ("noise", format!("{PAIR} {streams} --intervention noise --noise-sd 0.5")),
        ("heads", format!("{PAIR} {heads} --unit h")),
        ("heads at positions", format!("{PAIR} {heads} --unit h.pos --positions last")),
        ("phrases", format!("{phrases} {streams}")),
        ("over data", format!("{DATA} {streams} {two}")),
        ("mean", format!("{DATA} {streams} {two} --intervention mean")),
        ("resample", format!("{DATA} {streams} {two} --intervention resample")),
        ("noise over data", format!("{DATA} {streams} --intervention noise --noise-sd 0.5")),
        (
            "restore",
            format!("{DATA} {streams} --intervention restore --noise-sd 0.5 --corrupt subject"),
        ),
        (
            "times",
            format!("{DATA} {streams} --intervention restore --noise-times 3 --corrupt subject"),
        ),
        ("scaling over data", format!("{DATA} {streams} --intervention scaling --factor 0.5")),
        ("heads over data", format!("{DATA} {heads} --unit h --intervention mean")),
        ("without layers", format!("{DATA} --component logits")),
        ("discovery", format!("{DATA} {streams} --discovery 0.4")),
        ("counterfactuals", format!("--data SHARED/mib.jsonl {streams} --counterfactual x")),
    ]));
}

#[test]
fn of_generate() {
    walk(&Tried {
        name: "generate",
        modes: vec![
            ("likeliest", format!("--json {PROMPT}")),
            ("drawn", format!("--json --max-new-tokens 12 --temperature 2 --seed 1 {PROMPT}")),
            (
                "plan",
                format!("--json --plan SHARED/plan.toml --source The~capital~of~Italy~is {PROMPT}"),
            ),
        ],
        values: &[
            ("--model", MODEL),
            ("--max-new-tokens", &["2"]),
            ("--temperature", &["3"]),
            ("--top-k", &["3"]),
            ("--top-p", &["0.9"]),
            ("--seed", &["3"]),
            ("--num-samples", &["2"]),
            ("--plan", &["SHARED/later.toml"]),
            ("--source", &["The capital of Japan is"]),
            ("--with-original", &[""]),
            ("--bos", &["always"]),
            ("--precision", &["double"]),
            ("--json", &[""]),
        ],
        apart: &[
            THREADS,
            IGNORE_KEY,
            (
                "--another-model",
                "without it such a plan is refused, which leaves nothing to compare with: generate.rs tries it",
            ),
        ],
    });
}

#[test]
fn of_train() {
    walk(&Tried {
        name: "train",
        modes: vec![("data", "SHARED/das.toml --data SHARED/capital.jsonl".to_owned())],
        values: &[
            ("--model", MODEL),
            ("--data", &["SHARED/capital-2.jsonl"]),
            ("--limit", &["10"]),
            ("--together", &["groups"]),
            ("--out", &["elsewhere"]),
            ("--json", &[""]),
            ("--bos", &["always"]),
            ("--precision", &["double"]),
        ],
        apart: &[
            THREADS,
            FORCE,
            IGNORE_KEY,
            ("--resume", "train.rs has it: there must be a training to go on with"),
            (
                "--another-model",
                "without it such a plan is refused, which leaves nothing to compare with: train.rs tries it",
            ),
        ],
    });
}

#[test]
fn of_the_others() {
    walk(&Tried {
        name: "top",
        modes: vec![("text", PROMPT.to_owned())],
        values: &[
            ("--model", MODEL),
            ("--count", &["3"]),
            ("--bos", &["always"]),
            ("--precision", &["double"]),
            ("--json", &[""]),
        ],
        apart: &[THREADS, IGNORE_KEY],
    });
    walk(&Tried {
        name: "collect",
        modes: vec![(
            "file",
            format!("--component mlp_output --layers 0,1 --out x.safetensors {PROMPT}"),
        )],
        values: &[
            ("--model", MODEL),
            ("--component", &["block_output"]),
            ("--layers", &["1"]),
            ("--positions", &["last"]),
            ("--bos", &["always"]),
            ("--precision", &["double"]),
            ("--out", &["y.safetensors", "y.npz"]),
        ],
        apart: &[THREADS, FORCE, IGNORE_KEY],
    });
    walk(&Tried {
        name: "task",
        modes: vec![
            ("list", String::new()),
            ("rows", "capital --count 4".to_owned()),
            ("file", "capital --count 4 --out x.jsonl".to_owned()),
        ],
        values: &[
            ("--count", &["5"]),
            ("--seed", &["2"]),
            ("--out", &["y.jsonl", "y.csv"]),
            ("--json", &[""]),
        ],
        apart: &[
            THREADS,
            IGNORE_KEY,
            FORCE,
            ("--list", "what is done without NAME anyway; with one it is tried below"),
            (
                "--model",
                "rows depend on the tokenizer alone; that it is refused in the list is tried below",
            ),
        ],
    });
    walk(&Tried {
        name: "sites",
        modes: vec![("text", String::new()), ("Markdown", "--markdown".to_owned())],
        values: &[("--model", MODEL), ("--json", &[""]), ("--markdown", &[""])],
        apart: &[THREADS, IGNORE_KEY],
    });
    walk(&Tried {
        name: "models",
        modes: vec![("text", String::new())],
        values: &[("--json", &[""])],
        apart: &[THREADS],
    });
    walk(&Tried {
        name: "demo",
        modes: vec![("demo", String::new())],
        values: &[("--out", &["elsewhere"])],
        apart: &[THREADS, FORCE],
    });
}

#[test]
fn no_command_is_forgotten_here() {
    let here = ["collect", "demo", "generate", "models", "sites", "sweep", "task", "top", "train"];
    assert_eq!(commands(), here.map(str::to_owned).into());
}

fn refused(arguments: &[&str]) -> String {
    crate::support::refused(arguments)
}

#[test]
fn what_the_walk_leaves_apart() {
    let pair = ["sweep", "--base", BASE, "--source", SOURCE, "--component", "block_output"];
    let with = |more: &[&'static str]| {
        refused(&[&pair[..], &["--token", " Madrid", "--dry-run"], more].concat())
    };
    let said = with(&["--executor", "reference", "--memory", "1G"]);
    assert!(said.contains("--memory would change nothing"), "{said}");
    assert!(said.contains("it is read only with --executor forked"), "{said}");
    let said = with(&["--force"]);
    assert!(said.contains("--force would change nothing") && said.contains("read only"), "{said}");
    let said = with(&["--source", "The capital of Peru is"]);
    assert!(said.contains("--source is given 2 times, and 1 would be read"), "{said}");
    let said = with(&["--resume", "folder"]);
    assert!(said.contains("would change nothing in a sweep that is resumed"), "{said}");
    let said = refused(&["sweep", "--resume", "folder", "--json"]);
    assert!(said.contains("--json would change nothing in a sweep that is resumed"), "{said}");
    let said = refused(&["generate", "--another-model", BASE]);
    assert!(said.contains("--another-model would change nothing in a generation"), "{said}");
    let said = refused(&["task", "capital", "--list"]);
    assert!(said.contains("NAME would change nothing in the list of tasks"), "{said}");
    let said = refused(&["task", "--model", "embedded"]);
    assert!(said.contains("--model would change nothing in the list of tasks"), "{said}");
}

/// Sources past the last that the plan's edits read, and sources for a plan that reads none.
#[test]
fn surplus_sources_of_a_plan() {
    let shared = shared();
    let plan = shared.path().join("plan.toml");
    let plan = plan.to_str().unwrap();
    let said = refused(&["generate", "--plan", plan, "--source", SOURCE, "--source", BASE, BASE]);
    assert!(said.contains("--source is given 2 times, and 1 would be read"), "{said}");
    let scaled = "[[edit]]\nintervention = { name = 'scaling', factor = 2.0 }\ncomponent = 'mlp_output'\nlayer = 1\n";
    let file = shared.path().join("scaled.toml");
    let with = |text: &str| fs::write(&file, format!("{text}\n{scaled}")).unwrap();
    let file = file.to_str().unwrap();
    with("");
    let said = refused(&["generate", "--plan", file, "--source", SOURCE, BASE]);
    assert!(
        said.contains("--source would change nothing") && said.contains("read sources"),
        "{said}"
    );
    with(&format!("[data]\nsources = ['{SOURCE}']"));
    let said = refused(&["generate", "--plan", file, BASE]);
    assert!(said.contains("`sources` in [data] of the plan would change nothing"), "{said}");
}

/// What a plan's sections say and the command does not read.
#[test]
fn sections_of_plans() {
    let shared = shared();
    let file = shared.path().join("sections.toml");
    let data = shared.path().join("capital.jsonl");
    let (plan, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    let out = shared.path().join("out");
    let out = out.to_str().unwrap();
    let write = |text: &str, rest: &str| fs::write(&file, format!("{text}\n{rest}")).unwrap();
    let scaled = "[[edit]]\nintervention = { name = 'scaling', factor = 2.0 }\ncomponent = 'mlp_output'\nlayer = 1\n";
    for (section, key) in [
        ("[read]\npositions = 'last'", "`positions` in [read]"),
        ("[read]\nlogits_of = [1]", "`logits_of` in [read]"),
        ("[read]\nprobabilities_of = [1]", "`probabilities_of` in [read]"),
        ("[data]\npath = 'x.jsonl'", "`path` in [data]"),
        ("[data]\ntask = 'capital'", "`task` in [data]"),
        ("[data]\nrows = 3", "`rows` in [data]"),
        ("[data]\nseed = 3", "`seed` in [data]"),
    ] {
        write(section, scaled);
        let said = refused(&["generate", "--plan", plan, BASE]);
        assert!(
            said.contains(key) && said.contains(UNREAD) && said.contains("read only"),
            "{said}"
        );
    }
    // With [train] beside them they are what the plan is trained on.
    write("[train]\nepochs = 1\n[data]\npath = 'x.jsonl'\n[read]\noriginal = true", scaled);
    let both = printed(&["generate", "--plan", plan, "--max-new-tokens", "1", BASE]);
    assert!(both.contains("# original"), "{both}");
    write("[[collect]]\ncomponent = 'mlp_output'\nlayer = 0", scaled);
    assert!(refused(&["generate", "--plan", plan, BASE]).contains("collects"));

    let das = "[[edit]]\ncomponent = 'block_output'\nlayer = 2\npositions = { role = 'subject_last' }\n\
               intervention = { name = 'low_rank_rotated_space', rank = 4 }\n";
    for (section, key) in [
        ("[data]\nbase = 'x'", "`base` in [data]"),
        ("[data]\nsources = ['x']", "`sources` in [data]"),
        ("[read]\nlogits_of = [1]", "`logits_of` in [read]"),
        ("[read]\noriginal = true", "`original` in [read]"),
        ("[[collect]]\ncomponent = 'mlp_output'\nlayer = 0", "[[collect]] of the plan"),
    ] {
        write(section, das);
        let said = refused(&["train", plan, "--data", data, "--out", out]);
        assert!(
            said.contains(key) && said.contains(UNREAD) && said.contains("read only"),
            "{said}"
        );
    }
    for (section, key) in [
        ("[data]\npath = 'capital.jsonl'\ntask = 'capital'", "`task` in [data]"),
        ("[data]\npath = 'capital.jsonl'\nseed = 3", "`seed` in [data]"),
        ("[data]\ntask = 'capital'\ncounterfactual = 'x'", "`counterfactual` in [data]"),
    ] {
        write(section, das);
        let said = refused(&["train", plan, "--out", out]);
        assert!(
            said.contains(key) && said.contains(UNREAD) && said.contains("read only"),
            "{said}"
        );
    }
    for key in ["boundary_penalty = 0.5", "annealing = [50.0, 0.1]"] {
        write(&format!("[train]\n{key}"), das);
        let said = refused(&["train", plan, "--data", data, "--out", out]);
        assert!(said.contains("in [train]") && said.contains(UNREAD), "{said}");
    }
    assert!(!Path::new(out).exists());
}

/// The order of examples may be left as it is; which rows are held out still follows the seed.
#[test]
fn a_seed_of_training_counts_without_shuffling() {
    let shared = shared();
    let trained = |seed: &str| {
        let plan = fs::read_to_string(shared.path().join("das.toml")).unwrap();
        let file = shared.path().join(format!("seed-{seed}.toml"));
        fs::write(&file, format!("{plan}shuffle = false\nseed = {seed}\n")).unwrap();
        let (data, out) = (shared.path().join("capital.jsonl"), shared.path().join(seed));
        let line = [&file, &data, &out].map(|path| path.to_str().unwrap().to_owned());
        printed(&["train", &line[0], "--data", &line[1], "--out", &line[2]]);
        fs::read(out.join("training.csv")).unwrap()
    };
    assert!(trained("1") != trained("2"));
}

/// `@FILE`, `-` and `@@`, wherever a prompt is given.
#[test]
fn prompts_from_files_and_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("base.txt"), format!("{BASE}\n")).unwrap();
    fs::write(folder.path().join("source.txt"), format!("{SOURCE}\r\n")).unwrap();
    let run = |arguments: &[&str], input: &str| {
        let mut command = Command::cargo_bin("vene").unwrap();
        let command = command.current_dir(folder.path()).args(arguments).write_stdin(input);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), output.stderr)
    };
    let ok = |arguments: &[&str], input: &str| {
        let (code, printed, said) = run(arguments, input);
        assert_eq!(code, Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&said));
        printed
    };
    assert_eq!(ok(&["top", "@base.txt"], ""), ok(&["top", BASE], ""));
    assert_eq!(
        ok(&["top", "-", "@source.txt"], &format!("{BASE}\n")),
        ok(&["top", BASE, SOURCE], "")
    );
    assert_eq!(ok(&["generate", "@base.txt"], ""), ok(&["generate", BASE], ""));
    assert!(ok(&["top", "-n", "1", "@@base.txt"], "").starts_with("@base.txt\n"));
    let sweep = |base: &str, source: &str| {
        let line = ["sweep", "--base", base, "--source", source, "--component", "mlp_output"];
        let _ = fs::remove_dir_all(folder.path().join("vene-out"));
        ok(&[&line[..], &["--layers", "0", "--token", " Madrid"]].concat(), "");
        fs::read(folder.path().join("vene-out/sweep.csv")).unwrap()
    };
    assert_eq!(sweep("@base.txt", "@source.txt"), sweep(BASE, SOURCE));
    let collect = ["collect", "--component", "mlp_output", "--out", "a.safetensors", "@base.txt"];
    ok(&collect, "");
    for (line, phrase) in [
        (vec!["top", "@none.txt"], "written with @@"),
        (vec!["top", "-", "-"], "standard input is read once"),
        (vec!["generate", "@"], "@@"),
    ] {
        let (code, printed, said) = run(&line, "x");
        let said = String::from_utf8(said).unwrap();
        assert_eq!((code, printed.as_str()), (Some(2), ""), "{line:?}");
        assert!(said.contains(phrase) && said.lines().count() == 1, "{said}");
    }
}
