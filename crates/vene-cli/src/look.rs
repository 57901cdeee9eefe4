//! What the commands that look inside a model share: what is looked at, chunks of rows, and what becomes of what was seen.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use tempfile::TempDir;
use vene::PromptForm;
use vene::data::{LeftOut, Role, Row};
use vene::inspect::{RowsAsked, Subject, Summary, chunks};
use vene::statistics::Bootstrap;
use vene::{Outline, Plan, Prompt, Table};
use vene_table::{Joined, TableFile, Value as Cell};

use crate::arguments::{Given, heading, prompt_text, read};
use crate::data_set::{DataSet, DataSource};
use crate::drawn::Drawn;
use crate::folder::{Files, Folder, Purpose};
use crate::model::{self, ModelArgument, RunArguments};
use crate::prompts;
use crate::record::{Kind, RECORD, Record};
use crate::{rows, selection, terminal};

/// What is looked at, and where what was seen goes.
#[derive(Args)]
pub struct LookArguments {
    /// A file of rows to look at in place of a prompt: base, target, foil, spans (CSV, JSONL, JSON, Parquet)
    #[arg(help_heading = heading::DATA, long, value_name = "FILE", conflicts_with = "prompt")]
    pub data: Option<PathBuf>,

    /// Only the first so many rows
    #[arg(help_heading = heading::DATA, long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// How often rows are drawn again for the intervals of means [default: 2000]
    #[arg(help_heading = heading::DATA, hide_short_help = true, long, value_name = "COUNT")]
    resamples: Option<usize>,

    #[command(flatten)]
    pub model: ModelArgument,

    #[command(flatten)]
    pub run: RunArguments,

    /// The folder for tables, figures and record
    #[arg(help_heading = heading::OUTPUT, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace what is in the folder
    #[arg(help_heading = heading::OUTPUT, long)]
    force: bool,

    /// Print the tables as JSON
    #[arg(help_heading = heading::OUTPUT, long)]
    json: bool,

    /// The text that is looked at
    #[arg(required_unless_present = "data", value_name = "PROMPT", value_parser = prompt_text)]
    pub prompt: Option<String>,
}

/// What options are read by, for those that all of these commands have.
pub const READ_BY: [(&str, &str); 3] =
    [("limit", "with --data"), ("resamples", "with --data"), ("force", "with --out")];

/// What is looked at, before a weight is read.
pub struct Look {
    pub name: String,
    /// How prompts were read.
    pub form: PromptForm,
    pub outline: Outline,
    pub subjects: Vec<Subject>,
    /// The rows that they come from, where they do.
    pub data: Option<DataSource>,
    pub left_out: Vec<LeftOut>,
    pub bootstrap: Bootstrap,
    out: Option<PathBuf>,
    force: bool,
    json: bool,
}

impl LookArguments {
    /// Opens the model: the one that is named here, or `otherwise`.
    pub fn open(
        &self,
        given: &Given,
        otherwise: Option<String>,
    ) -> anyhow::Result<(String, Outline)> {
        let (named, ignored) = self.model.read(given);
        let named = named.or(otherwise);
        let name = if read!(given, self => data).is_some() {
            model::named(named)?
        } else {
            model::named_or_embedded(named)
        };
        let outline = model::open(&name, ignored)?;
        Ok((name, outline))
    }

    /// What is looked at. `positions` is a list as the user wrote it, or the default; `edits` are those of a prompt, with their
    /// sources, or of all rows; `needs` says whether each row must have a target and a foil.
    pub fn look(
        &self,
        given: &Given,
        (name, outline): (String, Outline),
        positions: &str,
        edits: Option<(Plan, Vec<Prompt>)>,
        needs: impl Fn(&[Row]) -> [bool; 2],
    ) -> anyhow::Result<Look> {
        let form = self.run.prompts.read(given);
        let out = read!(given, self => out).clone();
        let force = out.is_some() && *read!(given, self => force);
        let json = *read!(given, self => json);
        let mut bootstrap = Bootstrap::default();
        let (mut data, mut left_out) = (None, Vec::new());
        let subjects = if let Some(path) = read!(given, self => data) {
            bootstrap.resamples = read!(given, self => resamples).unwrap_or(bootstrap.resamples);
            bootstrap.check().context("--resamples")?;
            let limit = read!(given, self => limit).map(|limit| limit as usize);
            let set = DataSet::of_file(path, None)?.limited(limit);
            let roles = roles(positions)?;
            for role in &roles {
                rows::check_role(role, &set.rows, &set.unused).context("--positions")?;
            }
            let plan = edits.map(|(plan, _)| plan).unwrap_or_default();
            rows::check_roles(&plan, &set)?;
            let [needs_target, needs_foil] = needs(&set.rows);
            let asked = RowsAsked {
                roles: &roles,
                plan: &plan,
                form: form.clone(),
                needs_target,
                needs_foil,
            };
            let found = asked.of(&outline, &set.rows)?;
            rows::warn_of_left_out(&found.left_out, set.rows.len());
            left_out = found.left_out;
            data = Some(set.into_source());
            found.subjects
        } else {
            let text = read!(given, self => prompt).as_deref().unwrap_or_default();
            let prompt = outline.prompt_with(text, &form).context("PROMPT")?;
            let positions = selection::positions(positions, outline.config().context)?;
            let subject = Subject::new(prompt).at(&positions).context("--positions")?;
            vec![match edits {
                Some((plan, sources)) => subject.edited(plan, sources),
                None => subject,
            }]
        };
        if let Some(subject) = subjects.first() {
            prompts::warn_about_bos(&outline, subject.prompt());
        }
        Ok(Look { name, form, outline, subjects, data, left_out, bootstrap, out, force, json })
    }
}

/// Positions of a data set's rows, as they are listed.
fn roles(list: &str) -> anyhow::Result<Vec<Role>> {
    list.split(',').map(|item| item.trim().parse::<Role>().context("--positions")).collect()
}

/// A token that is asked about, as it is written.
pub fn token(outline: &Outline, text: &str, option: &str) -> anyhow::Result<u32> {
    outline.tokenizer().single_token(text).with_context(|| format!("{option} {text:?}"))
}

/// What was seen, and how it is shown.
pub struct Seen {
    /// For people.
    pub text: String,
    /// By name.
    pub tables: Vec<(&'static str, Table)>,
    /// What each row of a data set showed, where it is kept.
    pub examples: Option<Examples>,
    pub drawn: Drawn,
    /// Files beside tables and figures.
    pub more: Vec<(String, Vec<u8>)>,
}

/// The tables of chunks of rows on their way into one file.
pub struct Examples {
    folder: TempDir,
    parts: Vec<PathBuf>,
}

impl Examples {
    fn write(&self, written: &Files) -> anyhow::Result<()> {
        let files = self.parts.iter().map(TableFile::open).collect::<Result<Vec<_>, _>>()?;
        written.parquet(EXAMPLES, Joined::of(&files, &[])?)
    }
}

/// Goes through the rows of a data set chunk by chunk: `look` gives a chunk's table, which the summary takes, and which is kept
/// where there is a folder for it.
pub fn over_rows(
    subjects: &[Subject],
    bytes: impl Fn(&Subject) -> usize,
    mut summary: Summary,
    folder: Option<&Path>,
    look: impl Fn(&[Subject]) -> anyhow::Result<Table>,
) -> anyhow::Result<(Summary, Option<Examples>)> {
    let temporary = folder.map(vene_files::temporary_folder).transpose()?;
    let mut parts = Vec::new();
    let bar = terminal::Bar::new(subjects.len(), "rows");
    for Range { start, end } in chunks(subjects, bytes) {
        let table = look(&subjects[start..end])?;
        summary.add(&table)?;
        if let Some(folder) = &temporary {
            let path = folder.path().join(format!("{start}.parquet"));
            table.write_parquet(&path)?;
            parts.push(path);
        }
        bar.set(end);
    }
    bar.finish();
    Ok((summary, temporary.map(|folder| Examples { folder, parts })))
}

/// A look that is to be written, or printed: its kind, its options as a record has them, and its files beside the record.
pub struct Task {
    pub kind: Kind,
    pub options: Value,
    /// Names of tables, each of which becomes a CSV and a Parquet file.
    pub tables: Vec<&'static str>,
    /// Names of figures.
    pub figures: Vec<String>,
    pub more: Vec<String>,
}

/// The file with what each row of a data set showed.
const EXAMPLES: &str = "examples.parquet";

impl Look {
    /// At the rows of a data set, which were prepared for it.
    pub fn of_rows(
        (name, form, outline): (String, PromptForm, Outline),
        (subjects, data, left_out): (Vec<Subject>, DataSource, Vec<LeftOut>),
        bootstrap: Bootstrap,
        (out, force, json): (Option<PathBuf>, bool, bool),
    ) -> Self {
        Self {
            name,
            form,
            outline,
            subjects,
            data: Some(data),
            left_out,
            bootstrap,
            out,
            force,
            json,
        }
    }

    /// Does the work, which is given the model's outline and a folder for what is kept of rows, and delivers what it sees.
    pub fn deliver(
        self,
        task: Task,
        work: impl FnOnce(Outline, &[Subject], &Bootstrap, Option<&Path>) -> anyhow::Result<Seen>,
    ) -> anyhow::Result<()> {
        let Some(out) = &self.out else {
            let seen = work(self.outline, &self.subjects, &self.bootstrap, None)?;
            return print(&seen, self.json, "");
        };
        let folder = Folder::claim(out, Purpose::New { kind: task.kind, force: self.force })?;
        let files = task.files(self.data.is_some());
        folder.check_files(&files)?;
        let data = self.data.as_ref();
        let mut record = Record::begin(
            task.kind,
            json!({
                "model": model::record(&self.outline, &self.name)?,
                "options": task.options,
                "data": data.map(|data| json!({
                    "from": data.from, "sha256": data.sha256, "rows": data.rows,
                    "left_out": rows::record_of(&self.left_out),
                })),
                "base": data.is_none().then(|| self.subjects.first().map(|subject| json!({
                    "text": subject.prompt().text(), "token_ids": subject.prompt().tokens(),
                }))),
            }),
            &["model", "options", "data", "base"],
        )?;
        folder.begin(&mut record, &files)?;
        folder.run(|| {
            let seen = work(self.outline, &self.subjects, &self.bootstrap, Some(folder.path()))?;
            let listing = write(&folder, record, &seen)?;
            print(&seen, self.json, &listing)
        })
    }

    /// The prompt's text, or the data set's name: for captions.
    pub fn what(&self) -> (&'static str, String) {
        match (&self.data, self.subjects.first()) {
            (Some(data), _) => ("data", format!("{}, {} rows", data.name(), self.subjects.len())),
            (None, Some(subject)) => ("prompt", prompts::shown(&self.outline, subject.prompt())),
            (None, None) => ("prompt", String::new()),
        }
    }
}

impl Task {
    fn files(&self, of_rows: bool) -> Vec<String> {
        let tables =
            self.tables.iter().flat_map(|name| [format!("{name}.csv"), format!("{name}.parquet")]);
        let figures =
            self.figures.iter().flat_map(|name| [format!("{name}.svg"), format!("{name}.png")]);
        let mut files: Vec<String> =
            tables.chain(figures).chain(self.more.iter().cloned()).collect();
        if of_rows {
            files.push(EXAMPLES.to_owned());
        }
        files.push(RECORD.to_owned());
        files
    }
}

fn write(folder: &Folder, mut record: Record, seen: &Seen) -> anyhow::Result<String> {
    let mut files = Vec::new();
    for (name, _) in &seen.tables {
        files.extend([format!("{name}.csv"), format!("{name}.parquet")]);
    }
    if seen.examples.is_some() {
        files.push(EXAMPLES.to_owned());
    }
    let others: Vec<(String, Vec<u8>)> =
        seen.more.iter().cloned().chain(seen.drawn.clone().files()).collect();
    files.extend(others.iter().map(|(name, _)| name.clone()));
    files.push(RECORD.to_owned());
    record.set_files(&files);
    folder.fill(&mut record, |written| {
        for (name, table) in &seen.tables {
            written.csv(&format!("{name}.csv"), table)?;
            written.parquet(&format!("{name}.parquet"), table.clone())?;
        }
        if let Some(examples) = &seen.examples {
            examples.write(written)?;
        }
        written.made(&others)
    })?;
    if let Some(examples) = &seen.examples {
        // Nothing of it is left behind, also where it is not dropped.
        let _ = std::fs::remove_dir_all(examples.folder.path());
    }
    folder.complete(&mut record)?;
    Ok(terminal::written(folder.path().display(), &files))
}

fn print(seen: &Seen, as_json: bool, listing: &str) -> anyhow::Result<()> {
    if as_json {
        let tables = seen.tables.iter().map(|(name, table)| ((*name).to_owned(), records(table)));
        return terminal::print_json(&Value::Object(tables.collect()));
    }
    terminal::print(&format!("{}\n{listing}", seen.text.trim_end()))
}

/// A table's rows as JSON objects; what is missing or NaN is null.
pub fn records(table: &Table) -> Value {
    let value = |cell: Cell<'_>| match cell {
        Cell::Missing => Value::Null,
        Cell::Text(text) => json!(text),
        Cell::Integer(number) => json!(number),
        Cell::Float(number) => json!(number),
    };
    let row = |row: usize| {
        let cells =
            table.columns().map(|(name, column)| (name.to_owned(), value(column.value(row))));
        Value::Object(cells.collect())
    };
    (0..table.rows()).map(row).collect()
}

/// Columns of texts, the first to the left and the others to the right, with two spaces between them.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |text: &str| unicode_width::UnicodeWidthStr::width(text);
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            rows.iter().filter_map(|row| row.get(at)).map(|text| width(text)).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let room = " ".repeat(widths[at] - width(cell));
            match at {
                0 => line.push_str(&format!("{cell}{room}")),
                _ => line.push_str(&format!("  {room}{cell}")),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Refuses layers or heads that are listed and not there; `None` for all of them.
pub fn numbers(
    list: Option<&str>,
    what: &'static str,
    count: usize,
) -> anyhow::Result<Option<Vec<usize>>> {
    let Some(list) = list.filter(|list| list.trim() != "all") else { return Ok(None) };
    let found = vene::indices(list, what, count).with_context(|| format!("--{what}s"))?;
    ensure!(!found.is_empty(), "--{what}s names none");
    Ok(Some(found))
}

/// A single number of a table's row, for lines that people read.
pub fn number(table: &Table, column: &str, row: usize) -> anyhow::Result<f64> {
    match table.column(column)?.value(row) {
        Cell::Float(number) => Ok(number),
        Cell::Integer(number) => Ok(number as f64),
        Cell::Missing => Ok(f64::NAN),
        Cell::Text(text) => bail!("`{text}` in {column} is not a number"),
    }
}

/// A mean with its interval: `0.12 [0.1, 0.15]`.
pub fn with_interval(table: &Table, row: usize) -> anyhow::Result<String> {
    let mean = number(table, "mean", row)?;
    let (low, high) = (number(table, "low", row)?, number(table, "high", row)?);
    if !mean.is_finite() {
        return Ok("-".to_owned());
    }
    if !low.is_finite() {
        return Ok(terminal::number(mean));
    }
    Ok(format!(
        "{} [{}, {}]",
        terminal::number(mean),
        terminal::number(low),
        terminal::number(high)
    ))
}

/// Each once, in order of appearance.
pub fn distinct<T: Clone + PartialEq>(values: &[T]) -> Vec<T> {
    let mut found: Vec<T> = Vec::new();
    for value in values {
        if !found.contains(value) {
            found.push(value.clone());
        }
    }
    found
}
