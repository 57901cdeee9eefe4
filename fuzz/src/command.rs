//! The command itself: mutated arguments and files, limits by the system.
//!
//! It may end with 0 or 2 and nothing else, and whatever it says on standard error is no panic.

use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::campaign::{Fault, Finding, Settings, Tally};
use crate::mutate::{argument, mutated};
use crate::resumed::{MODEL, Stopped};
use crate::target::{self, Target};

/// What the command may have, in KiB of addresses.
const ADDRESSES: usize = 8 << 20;

/// How long it may take: more than an input of a reader, since it starts anew each time.
const LONGEST: Duration = Duration::from_secs(30);

/// Command lines that succeed, without the name of the program, words apart by `|`. `FILE:reader.extension` is an
/// input of a reader, `OUT` a place for output.
const LINES: [&str; 19] = [
    "top|The capital of Spain is|--count|5|--bos|never",
    "sites|--model|embedded|--json",
    "sites|--model|FILE:gguf.gguf",
    "top|--model|FILE:gguf.gguf|a b|--precision|double",
    "sweep|--base|The capital of Spain is|--source|The capital of Italy is|--component|mlp_output|--layers|0..2|\
     --positions|3,last|--token| Madrid|--token| Rome|--out|OUT",
    "sweep|--base|The capital of Spain is|--source|The capital of Italy is|--component|attention_value_output|\
     --layers|-1|--heads|0..2|--unit|h|--token| Madrid|--memory|100M|--executor|forked|--out|OUT",
    "sweep|--base|The capital of Spain is|--component|embedding|--positions|subject_last|--subject|Spain|\
     --intervention|noise|--noise-sd|0.5|--seed|3|--token| Madrid|--dry-run",
    "sweep|--data|FILE:data-csv.csv|--component|block_output|--layers|0,-1|--positions|last|--limit|4|\
     --resamples|50|--out|OUT",
    "sweep|--data|FILE:data-jsonl.jsonl|--component|mlp_output|--layers|1|--limit|2|--out|OUT",
    "sweep|--data|FILE:capitals.parquet|--component|mlp_output|--layers|1|--intervention|zero|--out|OUT",
    "generate|The capital of Spain is|--max-new-tokens|3|--temperature|0.7|--top-k|5|--num-samples|2",
    "generate|The capital of Spain is|--plan|FILE:plan-toml.toml|--source|The capital of Italy is",
    "generate|The capital of Spain is|--plan|FILE:plan-json.json|--max-new-tokens|2",
    "collect|The capital of Spain is|--component|mlp_output|--layers|0..2|--positions|0..3|--out|OUT.safetensors",
    "train|FILE:train.toml|--data|FILE:data-csv.csv|--limit|4|--out|OUT",
    "task|capital|--count|5|--seed|2|--out|OUT.jsonl",
    "task|--list",
    "models",
    "sweep|--data|FILE:data-json.json|--component|block_output|--layers|0|--positions|last|--limit|3|--direction|both|\
     --metric|logit_difference|--out|OUT",
];

/// A plan that can be trained in a moment.
const TRAIN: &str = "[[edit]]\nintervention = { name = 'low_rank_rotated_space', rank = 2, seed = 1 }\n\
    component = 'block_output'\nlayer = 1\npositions = 'last'\n\n[train]\nepochs = 1\nbatch = 2\n\
    learning_rate = 0.01\nschedule = 'linear'\nwarmup = 1\nseed = 3\npatience = 2\nloss = 'cross_entropy'\n";

/// Runs the command for so long.
pub fn run(vene: &Path, time: Duration, settings: &Settings) -> Result<Tally> {
    let vene = &vene.canonicalize().with_context(|| vene.display().to_string())?;
    let folder = tempfile::tempdir()?;
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(settings.seed ^ 0xc0ffee);
    let mut readers = Vec::new();
    let mut tally = Tally::default();
    let start = Instant::now();
    let mut number = 0;
    let stopped = Stopped::make(vene, folder.path())?;
    while start.elapsed() < time {
        let line: Vec<&str> = LINES[number % LINES.len()].split('|').collect();
        // Each as it is, first.
        let is_first = number < LINES.len();
        number += 1;
        let case = folder.path().join("case");
        let _ = std::fs::remove_dir_all(&case);
        std::fs::create_dir(&case)?;
        let mut arguments = Vec::new();
        let is_resumed = !is_first && dice.random_ratio(1, 4);
        if is_resumed {
            arguments = stopped.damaged(&mut dice, &case.join("out"))?;
        }
        for word in line.iter().filter(|_| !is_resumed) {
            let word = match word.strip_prefix("FILE:").and_then(|file| file.split_once('.')) {
                Some((reader, extension)) => {
                    if !readers.iter().any(|(name, _)| name == reader) {
                        let folder = folder.path().join(reader);
                        std::fs::create_dir_all(&folder)?;
                        readers.push((reader.to_owned(), reader_of(reader, &folder)?));
                    }
                    let Some((_, target)) = readers.iter().find(|(name, _)| name == reader) else {
                        continue;
                    };
                    let bytes = match is_first {
                        true => target.seeds[0].clone(),
                        false => mutated(&mut dice, &target.seeds, target.form, &target.words),
                    };
                    let path = case.join(format!("{reader}.{extension}"));
                    std::fs::write(&path, bytes)?;
                    path.to_string_lossy().into_owned()
                }
                None => match word.strip_prefix("OUT") {
                    Some(extension) => {
                        case.join(format!("out{extension}")).to_string_lossy().into_owned()
                    }
                    None => (*word).to_owned(),
                },
            };
            arguments.push(word);
        }
        if !is_first && !is_resumed {
            for _ in 0..dice.random_range(0..3) {
                change(&mut dice, &mut arguments);
            }
        }
        let (status, said) = limited(vene, &arguments, &case)?;
        tally.read += 1;
        let succeeded = status.is_some_and(|status| status.success());
        tally.accepted += u64::from(succeeded);
        if is_first && !succeeded {
            eprintln!("command: this line is meant to succeed: {arguments:?}: {said}");
        }
        if let Some(fault) = fault(status, &said) {
            let known = tally.findings.iter_mut().find(|finding| finding.fault == fault);
            if let Some(known) = known {
                known.times += 1;
            } else {
                let kept = keep(&settings.keep, &case, &arguments, &said)?;
                eprintln!("command: {}: {}", fault.0, kept.display());
                tally.findings.push(Finding { fault, input: kept, times: 1 });
            }
        }
    }
    Ok(tally)
}

/// A reader, or inputs that only the command reads.
fn reader_of(name: &str, folder: &Path) -> Result<Target> {
    match name {
        "train" => Ok(Target {
            seeds: vec![TRAIN.as_bytes().to_vec()],
            ..target::make("plan-toml", folder)?
        }),
        // One that has all that a sweep asks for.
        "capitals" => {
            let mut target = target::make("data-parquet", folder)?;
            target.seeds.drain(1..);
            Ok(target)
        }
        name => target::make(name, folder),
    }
}

/// Another value, one argument less, one of another place.
fn change(dice: &mut Xoshiro256PlusPlus, arguments: &mut Vec<String>) {
    if arguments.len() < 2 {
        return;
    }
    // The subcommand stays, mostly: others are refused at once. Paths stay as well.
    let first = usize::from(!dice.random_ratio(1, 50));
    let at = dice.random_range(first..arguments.len());
    match dice.random_range(0..8) {
        0 => drop(arguments.remove(at)),
        1 => {
            let other = dice.random_range(first..arguments.len());
            arguments.swap(at, other);
        }
        2 => {
            const OPTIONS: [&str; 24] = [
                "--json",
                "--limit",
                "--threads",
                "--window",
                "--effect",
                "--direction",
                "--metric",
                "--control",
                "--draws",
                "--answers",
                "--resume",
                "--dry-run",
                "--force",
                "--seed",
                "--precision",
                "--bos",
                "--resamples",
                "--top-p",
                "--intervention",
                "--factor",
                "--with-original",
                "--together",
                "--corrupt",
                "--noise-times",
            ];
            let value = argument(dice);
            arguments.insert(at, OPTIONS[dice.random_range(0..OPTIONS.len())].to_owned());
            if dice.random() {
                arguments.insert(at + 1, value);
            }
        }
        // Options keep their names and paths their places.
        _ if arguments[at].starts_with("--") || arguments[at].starts_with('/') => {}
        _ => arguments[at] = argument(dice),
    }
    // Texts with a NUL can't be handed over.
    arguments.iter_mut().for_each(|argument| argument.retain(|character| character != '\0'));
    arguments.iter_mut().for_each(|argument| {
        if argument.len() > 100_000 {
            *argument = argument.chars().take(100_000).collect();
        }
    });
}

/// Runs the command within its limits; no status where it took too long.
fn limited(vene: &Path, arguments: &[String], case: &Path) -> Result<(Option<ExitStatus>, String)> {
    let errors = case.join("stderr");
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -v {ADDRESSES}; exec \"$0\" \"$@\"")])
        .arg(vene)
        .args(arguments)
        .current_dir(case)
        .env(MODEL.0, MODEL.1)
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", case)
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&errors)?)
        .spawn()?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if start.elapsed() > LONGEST {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ok((status, String::from_utf8_lossy(&std::fs::read(errors)?).into_owned()))
}

fn fault(status: Option<ExitStatus>, said: &str) -> Option<Fault> {
    let panicked = said.lines().find(|line| line.contains("panicked at"));
    let text = match (status, panicked) {
        (None, _) => "hang".to_owned(),
        (_, Some(line)) => {
            format!("panic: {}", line.split("panicked at").nth(1).unwrap_or("").trim())
        }
        (Some(status), None) => match status.code() {
            Some(0 | 2) if said.lines().all(|line| line.len() < 10_000) => return None,
            Some(0 | 2) => "a line of more than 10,000 bytes on standard error".to_owned(),
            _ => format!("{status}"),
        },
    };
    Some(Fault(text))
}

/// Copies the files of a case, beside the command line.
fn keep(keep: &Path, case: &Path, arguments: &[String], said: &str) -> Result<std::path::PathBuf> {
    let mut number = 0;
    let folder = loop {
        let folder = keep.join(format!("command-{number}"));
        if !folder.exists() {
            break folder;
        }
        number += 1;
    };
    std::fs::create_dir_all(&folder)?;
    for entry in std::fs::read_dir(case)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            std::fs::copy(&path, folder.join(name))?;
        }
    }
    let mut line = String::new();
    let place = case.to_string_lossy().into_owned();
    for argument in arguments {
        let argument = argument.replace(&place, &folder.to_string_lossy());
        let _ = write!(line, " '{}'", argument.replace('\'', "'\\''"));
    }
    std::fs::write(folder.join("command"), format!("vene{line}\n\n{said}"))?;
    Ok(folder)
}
