//! The same of a file's keys: every key of every section, in every kind of experiment, gives another result or is refused.
//!
//! The keys come from the library's own list, so that a new one cannot be forgotten here: it has no value to be tried with,
//! and the test says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use vene::plan_file::Sections;

use super::walk::{Outcome, UNREAD, run, shared};

/// What each key is given: another value than any file below says.
const VALUES: &[(&str, &[&str])] = &[
    ("model.id", &["'SHARED/other'"]),
    ("model.ignored_keys", &["['no_such_key']"]),
    ("model.bos", &["always"]),
    ("model.precision", &["double"]),
    ("model.identity", &["abc"]),
    ("model.shape", &["abc"]),
    ("model.tokenizer", &["abc"]),
    ("data.path", &["'SHARED/others.jsonl'"]),
    ("data.task", &["currency"]),
    ("data.rows", &["4"]),
    ("data.limit", &["3"]),
    ("data.seed", &["7"]),
    ("data.counterfactual", &["y"]),
    ("data.prompts", &["['The capital of Peru is']"]),
    ("data.lines", &["'SHARED/others.txt'"]),
    ("data.base", &["The capital of Japan is"]),
    ("data.sources", &["['The capital of France is']"]),
    ("data.target", &["[' Lima']"]),
    ("data.foil", &["[' Lima']"]),
    ("data.spans", &["{ subject = 'capital' }"]),
    ("data.source_spans", &["{ subject = 'capital' }"]),
    ("sweep.components", &["['mlp_output']"]),
    ("sweep.layers", &["1"]),
    ("sweep.heads", &["0"]),
    ("sweep.positions", &["3"]),
    ("sweep.subject", &["and"]),
    ("sweep.source_subject", &["['and']"]),
    ("sweep.subject_occurrence", &["1"]),
    ("sweep.source_subject_occurrence", &["[1]"]),
    ("sweep.unit", &["h"]),
    ("sweep.intervention", &["zero"]),
    ("sweep.factor", &["2.0"]),
    ("sweep.noise_sd", &["1.5"]),
    ("sweep.noise_times", &["2.0"]),
    ("sweep.corrupt", &["last"]),
    ("sweep.draws", &["2"]),
    ("sweep.mean_over", &["all"]),
    ("sweep.tokens", &["[' Lima']"]),
    ("sweep.directions", &["['denoising']"]),
    ("sweep.window", &["3"]),
    ("sweep.effect", &["direct"]),
    ("sweep.controls", &["['self']"]),
    ("sweep.distinct_positions", &["true"]),
    ("measure.metrics", &["['rank']"]),
    ("measure.answers", &["first"]),
    ("statistics.resamples", &["41"]),
    ("statistics.correction", &["holm"]),
    ("statistics.seed", &["5"]),
    ("statistics.discovery", &["0.4"]),
    ("statistics.together", &["groups"]),
    ("train.epochs", &["2"]),
    ("train.batch", &["3"]),
    ("train.learning_rate", &["0.1"]),
    ("train.weight_decay", &["0.3"]),
    ("train.beta1", &["0.2"]),
    ("train.beta2", &["0.3"]),
    ("train.epsilon", &["0.1"]),
    ("train.schedule", &["cosine"]),
    ("train.warmup", &["3"]),
    ("train.seed", &["9"]),
    ("train.shuffle", &["false"]),
    ("train.patience", &["1"]),
    ("train.labels", &["target"]),
    ("train.answers", &["whole"]),
    ("train.end_token", &["true"]),
    ("train.loss", &["logit_difference"]),
    ("train.annealing", &["[9.0, 0.1]"]),
    ("train.boundary_penalty", &["2.0"]),
    ("train.held_out", &["0.5"]),
    ("train.together", &["groups"]),
    ("generate.prompt", &["The capital of Japan is"]),
    ("generate.tokens", &["2"]),
    ("generate.temperature", &["9.0"]),
    ("generate.top_k", &["2"]),
    ("generate.top_p", &["0.1"]),
    ("generate.seed", &["9"]),
    ("generate.samples", &["2"]),
    ("generate.stop", &["[' is']"]),
    ("tensors.pad", &["true"]),
    ("circuit.method", &["eap"]),
    ("circuit.steps", &["3"]),
    ("circuit.graph", &["ungrouped"]),
    ("circuit.positions", &["last"]),
    ("circuit.ablation", &["zero"]),
    ("circuit.norm", &["frozen"]),
    ("circuit.senders", &["heads"]),
    ("circuit.receivers", &["m5"]),
];

/// Keys that rightly change no result, and why.
const APART: &[(&str, &str)] = &[
    ("model.another", "it lets a plan of another model through; run.rs tries it"),
    ("limits.memory", "the same bits in one pass or in many"),
    ("limits.executor", "both executors give the same numbers to rounding"),
    ("train.recomputes", "the same numbers, with less memory"),
];

/// Keys that change nothing in one of the files below, and why.
const NOTHING_THERE: &[(&str, &str, &str)] = &[
    ("train", "train.patience", "one epoch has nothing to wait for"),
    ("train, whole answers", "train.patience", "likewise"),
    ("train", "train.epsilon", "of a step's first digits"),
];

const EDIT: &str = "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = 1\n\
                    positions = { role = 'subject_last' }\n";
const ROWS: &str = "path = 'SHARED/rows.jsonl'\n";
const PAIR: &str = "base = 'The capital of Spain is'\nsources = ['The capital of Italy is']\n\
                    target = [' Madrid']\nfoil = [' Rome']\n";
const SPANS: &str = "spans = { subject = 'Spain' }\nsource_spans = { subject = 'Italy' }\n";

/// A file of each kind, and more of those that have several ways.
fn files() -> Vec<(&'static str, String)> {
    let low_rank = EDIT.replace("'interchange'", "{ name = 'low_rank_rotated_space', rank = 4 }");
    let sweep = "[sweep]\ncomponents = ['block_output']\nlayers = '2..4'\n";
    let collect = "[[collect]]\ncomponent = 'mlp_output'\nlayer = 1\n";
    let train = "[train]\nepochs = 1\n";
    let edges = "[circuit]\nsenders = 'm0,a1.h0'\nreceivers = 'm4,m5,logits'\n";
    let data = "path = 'SHARED/capital.jsonl'\nlimit = 30\n";
    let of = |kind: &str, data: &str, rest: &str| {
        let is_summarised =
            kind == "plan" || kind == "edges" || kind == "sweep" && !data.contains("base");
        let resamples = match (is_summarised, rest.contains("[statistics]")) {
            (true, true) => "resamples = 60\n",
            (true, false) => "[statistics]\nresamples = 60\n",
            (false, _) => "",
        };
        format!("kind = '{kind}'\n[model]\nid = 'embedded'\n[data]\n{data}{rest}{resamples}")
    };
    let drawn = "[generate]\ntokens = 12\ntemperature = 2.0\nseed = 1\n";
    vec![
        ("plan", of("plan", ROWS, EDIT)),
        ("plan, a pair", of("plan", &format!("{PAIR}{SPANS}"), EDIT)),
        ("plan, a task", of("plan", "task = 'capital'\nrows = 9\n", EDIT)),
        ("plan, a split", of("plan", ROWS, &format!("{EDIT}[statistics]\ndiscovery = 0.5\n"))),
        (
            "plan, counterfactuals",
            of("plan", "path = 'SHARED/mib.jsonl'\ncounterfactual = 'x'\n", EDIT)
                .replace("subject_last", "last"),
        ),
        ("train", of("train", data, &format!("{low_rank}{train}"))),
        (
            "train, whole answers",
            of("train", data, &format!("{low_rank}{train}answers = 'whole'\n")),
        ),
        (
            "train, a schedule",
            of("train", data, &format!("{low_rank}{train}schedule = 'linear'\nwarmup = 1\n")),
        ),
        (
            "train, boundless",
            of("train", data, &format!("{low_rank}{train}")).replace(
                "{ name = 'low_rank_rotated_space', rank = 4 }",
                "'boundless_rotated_space'",
            ),
        ),
        (
            "train, epochs",
            of("train", data, &format!("{low_rank}[train]\nepochs = 9\nlearning_rate = 0.3\n")),
        ),
        (
            "generate",
            of("generate", "base = 'The capital of Spain is'\n", "[generate]\ntokens = 3\n"),
        ),
        ("generate, drawn", of("generate", "base = 'The capital of Spain is'\n", drawn)),
        (
            "generate, a plan",
            of("generate", &format!("{}{SPANS}", PAIR.split("target").next().unwrap()), EDIT),
        ),
        ("collect", of("collect", ROWS, collect)),
        ("collect, prompts", of("collect", "prompts = ['The capital of Spain is']\n", collect)),
        ("collect, lines", of("collect", "lines = 'SHARED/prompts.txt'\n", collect)),
        ("edges", of("edges", ROWS, edges)),
        ("edges, integrated", of("edges", ROWS, "[circuit]\nmethod = 'eap-ig'\nsteps = 2\n")),
        ("sweep", of("sweep", ROWS, &format!("{sweep}positions = 'subject_last,last'\n"))),
        ("sweep, a split", of("sweep", ROWS, &format!("{sweep}[statistics]\ndiscovery = 0.5\n"))),
        (
            "sweep, restore",
            of(
                "sweep",
                ROWS,
                &format!("{sweep}intervention = 'restore'\nnoise_sd = 0.5\ncorrupt = 'subject'\n"),
            ),
        ),
        (
            "sweep, times",
            of(
                "sweep",
                ROWS,
                &format!(
                    "{sweep}intervention = 'restore'\nnoise_times = 3.0\ncorrupt = 'subject'\n"
                ),
            ),
        ),
        ("sweep, mean", of("sweep", ROWS, &format!("{sweep}intervention = 'mean'\n"))),
        (
            "sweep, scaling",
            of("sweep", ROWS, &format!("{sweep}intervention = 'scaling'\nfactor = 0.5\n")),
        ),
        (
            "sweep, heads",
            of(
                "sweep",
                ROWS,
                "[sweep]\ncomponents = ['attention_value_output']\nlayers = 2\nunit = 'h.pos'\n",
            ),
        ),
        (
            "sweep, a pair",
            of(
                "sweep",
                PAIR,
                &format!(
                    "{sweep}tokens = [' Madrid']\n[measure]\nmetrics = ['logit_difference']\n"
                ),
            ),
        ),
        (
            "sweep, phrases",
            of(
                "sweep",
                "base = 'Spain and Spain and'\nsources = ['Italy and Italy and']\n",
                &format!(
                    "{sweep}tokens = [' Madrid']\npositions = 'subject_last'\nsubject = 'Spain'\n\
                     subject_occurrence = 0\nsource_subject = ['Italy']\nsource_subject_occurrence = [0]\n"
                ),
            ),
        ),
    ]
}

/// The sections that a kind reads, or may refuse key by key.
fn sections(kind: &str) -> &'static [&'static str] {
    match kind {
        "plan" => &["model", "data", "measure", "statistics", "limits"],
        "evaluate" => &["model", "data", "measure", "statistics", "limits", "train"],
        "train" => &["model", "data", "train", "limits"],
        "generate" => &["model", "data", "generate", "limits"],
        "collect" => &["model", "data", "tensors", "limits"],
        "edges" => &["model", "data", "circuit", "measure", "statistics", "limits"],
        _ => &["model", "data", "sweep", "measure", "statistics", "limits"],
    }
}

/// What came of a file with more said; and that of an evaluation of a trained plan.
fn outcome(shared: &Path, command: &str, file: &str, more: &[String]) -> Outcome {
    let line = [file, "--out", "out"].map(str::to_owned);
    let texts = |text: &String| text.replace("SHARED", shared.to_str().unwrap());
    run(command, &line.iter().chain(more).map(texts).collect::<Vec<_>>())
}

/// The keys that are read in a mode; what is taken and ignored is added to `silent`.
fn walk(
    shared: &Path,
    mode: &str,
    line: (&str, &str, &[String]),
    silent: &mut Vec<String>,
) -> BTreeSet<String> {
    let (command, file, more) = line;
    let base = outcome(shared, command, file, more);
    assert!(matches!(base, Outcome::Done(..)), "{mode}: {base:?}");
    let mut read = BTreeSet::new();
    let kind = mode.split(',').next().unwrap();
    let mut passed_over = BTreeSet::new();
    for (key, values) in VALUES {
        let section = key.split('.').next().unwrap();
        // Of a section that is addressed to other kinds one key is like another.
        if !sections(kind).contains(&section) && !passed_over.insert(section) {
            continue;
        }
        for value in *values {
            let set = ["--set".to_owned(), format!("{key}={value}")];
            match outcome(shared, command, file, &[more, &set].concat()) {
                // It, or what it stands in place of.
                Outcome::Refused(said) if said.contains(UNREAD) => {}
                done if done == base => {
                    let is_known =
                        |(file, known, _): &&(&str, &str, &str)| *file == mode && known == key;
                    if !NOTHING_THERE.iter().any(|known| is_known(&known)) {
                        silent.push(format!("{mode}: {key} = {value}"));
                    }
                }
                _ => drop(read.insert((*key).to_owned())),
            }
        }
    }
    read
}

#[test]
fn every_key_of_every_kind_is_read_or_refused() {
    let shared = shared();
    let (path, root) = (|name: &str| shared.path().join(name), shared.path().to_str().unwrap());
    let mut lines: Vec<(String, &str, String, Vec<String>)> = Vec::new();
    for (number, (mode, text)) in files().into_iter().enumerate() {
        let file = path(&format!("kind-{number}.toml"));
        fs::write(&file, text.replace("SHARED", root)).unwrap();
        lines.push((mode.to_owned(), "run", file.to_str().unwrap().to_owned(), Vec::new()));
    }
    let rows = ["--data", "SHARED/capital.jsonl", "--resamples", "60"].map(str::to_owned);
    lines.push(("evaluate".to_owned(), "evaluate", "SHARED/das".to_owned(), rows.into()));
    // Several at once: most of the time is that of starting programs.
    let next = AtomicUsize::new(0);
    let walk_some = || {
        let (mut read, mut silent) = (BTreeSet::new(), Vec::new());
        while let Some((mode, command, file, more)) =
            lines.get(next.fetch_add(1, Ordering::Relaxed))
        {
            read.extend(walk(shared.path(), mode, (command, file, more), &mut silent));
        }
        (read, silent)
    };
    let (mut read, mut silent) = (BTreeSet::new(), Vec::new());
    std::thread::scope(|scope| {
        let walks = [(); 3].map(|()| scope.spawn(walk_some));
        for walk in walks {
            let (own, ignored) = walk.join().unwrap();
            read.extend(own);
            silent.extend(ignored);
        }
    });
    assert!(silent.is_empty(), "taken and ignored, and nothing says so: {silent:#?}");
    for (section, keys) in Sections::keys() {
        for key in keys {
            let key = format!("{section}.{key}");
            let is_apart = APART.iter().any(|(known, _)| *known == key);
            let has_value = VALUES.iter().any(|(known, _)| *known == key);
            assert!(is_apart || has_value, "{key}: say here which values to try, or why none");
            assert!(is_apart || read.contains(&key), "{key}: no kind of experiment reads it");
        }
    }
}
