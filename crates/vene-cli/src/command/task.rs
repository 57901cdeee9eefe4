//! `vene task`: data sets for the common tasks of causal interpretability.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use vene::data::{Row, write_jsonl};
use vene::task::{Generated, Task};

use crate::arguments::{Given, ReadBy, must_end_with, read};
use crate::folder::OutputFile;
use crate::model::{self, ModelArgument};
use crate::terminal;

/// Make a data set for a common task, fitted to a model's tokenizer
#[derive(Args)]
#[command(after_help = "\
Examples:
  vene task
  vene task capital -n 200 --out capital.jsonl
  vene task ioi --model HuggingFaceTB/SmolLM2-135M -n 500 --seed 7 --out ioi.jsonl
  vene task induction -n 3

A row is a JSON object on a line of its own: base, source, target (what the base should be continued
with), foil (what the source should be, or what is wrong), phrases by their role, and the template
(group) it was made from. The same tokenizer, seed and count give the same rows everywhere; without
--out they are printed.")]
pub struct Arguments {
    /// The task; all are listed where none is named
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// List the tasks
    #[arg(long)]
    list: bool,

    #[command(flatten)]
    model: ModelArgument,

    /// How many rows to make
    #[arg(short = 'n', long = "count", value_name = "COUNT", default_value = "100",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,

    /// Which rows: another seed draws others
    #[arg(long, value_name = "SEED", default_value = "1")]
    seed: u64,

    /// The file to write, NAME.jsonl
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Overwrite the file if it is there already
    #[arg(long)]
    force: bool,

    /// Print the list, or what was written to the file, as JSON
    #[arg(long)]
    json: bool,
}

const READ_BY: &ReadBy = &[
    ("name", "without --list"),
    ("model", "where a task is named (NAME)"),
    ("ignore_key", "where a task is named (NAME)"),
    ("count", "where a task is named (NAME)"),
    ("seed", "where a task is named (NAME)"),
    ("out", "where a task is named (NAME)"),
    ("force", "with --out"),
    ("json", "in the list, or with --out (printed rows are JSON anyway)"),
];

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let is_list = *read!(given, self => list) || self.name.is_none();
        if is_list {
            let json = *read!(given, self => json);
            given.check("the list of tasks", READ_BY)?;
            return print_list(json);
        }
        let task: Task = read!(given, self => name).as_deref().unwrap_or_default().parse()?;
        let (count, seed) = (*read!(given, self => count), *read!(given, self => seed));
        let out = read!(given, self => out);
        let force = out.is_some() && *read!(given, self => force);
        let json = out.is_some() && *read!(given, self => json);
        let (name, ignored) = self.model.read(given);
        given.check("rows that are printed", READ_BY)?;
        let out = match out {
            Some(path) => {
                must_end_with(path, &["jsonl", "ndjson"])?;
                Some((OutputFile::claim(path, force)?, path))
            }
            None => None,
        };
        let name = model::named_or_embedded(name);
        let outline = model::open(&name, ignored)?;
        let made = task.rows(&outline, count as usize, seed)?;
        let Some((file, path)) = out else { return terminal::print(&lines(&made.rows)?) };
        file.write(|file| Ok(write_jsonl(&made.rows, file)?))?;
        let summary =
            Summary { task, made: &made, model: name, seed, path: path.display().to_string() };
        if json { terminal::print_json(&summary.json()?) } else { terminal::print(&summary.text()) }
    }
}

fn print_list(json: bool) -> anyhow::Result<()> {
    if json {
        let tasks = Task::ALL.iter().map(|task| {
            json!({
                "name": task.name(),
                "description": task.description(),
                "paper": task.paper(),
            })
        });
        return terminal::print_json(&tasks.collect::<Vec<_>>());
    }
    let mut text = String::new();
    for task in Task::ALL {
        let (name, description, paper) = (task.name(), task.description(), task.paper());
        let _ = writeln!(text, "{name:<17} {description} ({paper})");
    }
    terminal::print(&text)
}

fn lines<'a>(rows: impl IntoIterator<Item = &'a Row>) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    write_jsonl(rows, &mut bytes)?;
    Ok(String::from_utf8(bytes)?)
}

/// What was written.
struct Summary<'a> {
    task: Task,
    made: &'a Generated,
    model: String,
    seed: u64,
    path: String,
}

impl Summary<'_> {
    fn json(&self) -> anyhow::Result<Value> {
        let example: Value = serde_json::from_str(&lines(self.made.rows.first())?)?;
        let groups = self.made.groups();
        Ok(json!({
            "task": self.task.name(),
            "paper": self.task.paper(),
            "model": self.model,
            "seed": self.seed,
            "file": self.path,
            "rows": self.made.rows.len(),
            "groups": groups.iter()
                .map(|(name, rows)| json!({ "name": name, "rows": rows }))
                .collect::<Vec<_>>(),
            "left_out": self.made.left_out.iter()
                .map(|left_out| json!({ "what": left_out.what, "count": left_out.count }))
                .collect::<Vec<_>>(),
            "example": example,
        }))
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}: {} rows in {} (model {}, seed {})\n",
            self.task,
            self.made.rows.len(),
            self.path,
            self.model,
            self.seed,
        );
        let _ = writeln!(text, "{}", groups_of(self.made));
        for left_out in self.made.left_out.iter().filter(|left_out| left_out.count > 0) {
            let _ = writeln!(text, "left out: {} {}", left_out.count, left_out.what);
        }
        if let Some(row) = self.made.rows.first() {
            let source = row.source.as_deref().unwrap_or_default();
            let _ = writeln!(text, "for example");
            for (key, value) in [
                ("base", row.base.as_str()),
                ("source", source),
                ("target", &answers(&row.target)),
                ("foil", &answers(&row.foil)),
            ] {
                let _ = writeln!(text, "  {key:<7} {value:?}");
            }
        }
        text
    }
}

/// How many groups of which size, and what they are called.
fn groups_of(made: &Generated) -> String {
    let groups = made.groups();
    if groups.is_empty() {
        return "no groups: rows are independent of each other".to_owned();
    }
    let sizes = || groups.iter().map(|(_, rows)| *rows);
    let size = match (sizes().min(), sizes().max()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most} rows each"),
        (least, _) => format!("{} rows each", least.unwrap_or(0)),
    };
    let names = match groups.as_slice() {
        [first, _, _, .., last] => format!("{} … {}", first.0, last.0),
        few => few.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "),
    };
    format!("{} groups, {size}: {names}", groups.len())
}

/// Answers, or where there are many, the first and the last.
fn answers(answers: &[String]) -> String {
    match answers {
        [first, _, _, .., last] => format!("{first} … {last}"),
        few => few.join(" or "),
    }
}
