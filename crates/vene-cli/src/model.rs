//! `--model` and what goes with it: opening, loading with progress, what prompts begin with.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use vene::{Loading, Model, ModelError, Outline, Precision};
use vene_model::{CheckpointError, EMBEDDED, Opening, Progress};

use crate::arguments::{Given, by_name, heading, read};
use crate::experiment::{Experiment, put};
use crate::prompts::PromptArguments;
use crate::terminal;

/// Which model.
#[derive(Args)]
pub struct ModelArgument {
    /// The model: `embedded`, a folder, a .gguf file, or a Hugging Face id
    ///
    /// `embedded`: the small model that ships inside vene. A folder with config.json,
    /// model.safetensors (or shards and their index) and tokenizer.json (or vocab.json and
    /// merges.txt). A .gguf file (of a model in parts the first). A Hugging Face id such as
    /// HuggingFaceTB/SmolLM2-135M; of a repository of GGUF files ORG/NAME:Q8_0 or
    /// ORG/NAME/FILE.gguf; each with @REVISION if wanted, or the address that a browser shows. It
    /// is fetched unless it is in the cache. Where a plan is given it must be named, here, in the plan's file (`id` in
    /// `[model]`) or by the variable VENE_MODEL; by default prompts are run on `embedded`.
    #[arg(help_heading = heading::MODEL, long, short, value_name = "MODEL")]
    pub model: Option<String>,

    #[command(flatten)]
    pub ignored: IgnoredKeys,
}

impl ModelArgument {
    /// Enters both options in the account, and gives what they say.
    pub fn read(&self, given: &Given) -> (Option<String>, &[String]) {
        let ignored = self.ignored.read(given);
        (read!(given, self => model).clone(), ignored)
    }
}

/// Which model an experiment is of, and how it is run: in place of what its file says.
#[derive(Args)]
pub struct ExperimentModel {
    /// The model: `embedded`, a folder, a .gguf file, or a Hugging Face id
    ///
    /// It is taken in place of the file's. `embedded`: the small model that ships inside vene. A folder with config.json,
    /// model.safetensors (or shards and their index) and tokenizer.json (or vocab.json and
    /// merges.txt). A .gguf file (of a model in parts the first). A Hugging Face id such as
    /// HuggingFaceTB/SmolLM2-135M; of a repository of GGUF files ORG/NAME:Q8_0 or
    /// ORG/NAME/FILE.gguf; each with @REVISION if wanted, or the address that a browser shows. It
    /// is fetched unless it is in the cache. Where a data set or a plan is given it must be named, here, in the file
    /// (`id` in `[model]`) or by the variable VENE_MODEL; prompts that are typed are run on `embedded` by default.
    #[arg(help_heading = heading::MODEL, long, short, value_name = "MODEL")]
    model: Option<String>,

    #[command(flatten)]
    ignored: IgnoredKeys,

    #[command(flatten)]
    prompts: PromptArguments,

    /// Precision of weights and activations [default: single]
    #[arg(help_heading = heading::MODEL, hide_short_help = true, long, value_name = "PRECISION", value_parser = by_name::<Precision>())]
    precision: Option<Precision>,
}

impl ExperimentModel {
    /// Puts what is said here in the place of what the experiment's file says.
    pub fn put(&self, experiment: &mut Experiment) {
        if let (Some(name), Some(id)) = (&self.model, experiment.meant_for())
            && name != id
        {
            terminal::warn(format!(
                "the plan is for the model `{id}`, and `{name}` runs it (--model)"
            ));
        }
        put!(experiment, self => model => model.id);
        put!(experiment, self.ignored => ignore_key => model.ignored_keys);
        self.prompts.put(experiment);
        put!(experiment, self => precision => model.precision);
    }
}

/// What goes with a plan that may be another model's.
#[derive(Args)]
pub struct AnotherModel {
    /// Take a plan that was made for another model of the same shape and tokenizer, such as the one that
    /// this was fine-tuned from
    #[arg(help_heading = heading::EDITS, hide_short_help = true, long)]
    another_model: bool,
}

impl AnotherModel {
    /// Puts what is said here in the place of what the experiment's file says.
    pub fn put(&self, experiment: &mut Experiment) {
        put!(experiment, self => another_model => model.another);
    }
}

/// What goes with `--model`, wherever that is.
#[derive(Args)]
pub struct IgnoredKeys {
    /// A key of the model's configuration to leave out, though it may change what the model computes
    ///
    /// A model is refused if its config.json (or a GGUF file's metadata) has a key that vene does not know: the
    /// message names it. Give it here if you know that it changes nothing; the record of the run says so. A
    /// key inside another is written with a dot: rope_scaling.note. May be repeated.
    #[arg(help_heading = heading::MODEL, hide_short_help = true, long, value_name = "KEY")]
    pub ignore_key: Vec<String>,
}

impl IgnoredKeys {
    /// Enters the option in the account, and gives what it says.
    pub fn read(&self, given: &Given) -> &[String] {
        read!(given, self => ignore_key)
    }
}

/// How prompts are read and numbers computed.
#[derive(Args)]
pub struct RunArguments {
    #[command(flatten)]
    pub prompts: PromptArguments,

    /// Precision of weights and activations
    #[arg(help_heading = heading::MODEL, hide_short_help = true, long, value_name = "PRECISION", default_value = "single", value_parser = by_name::<Precision>())]
    pub precision: Precision,
}

/// The variable that names the model where nothing else does.
const VARIABLE: &str = "VENE_MODEL";

/// The model that a user's own data or plan is run on: it must be named.
///
/// # Errors
/// No name, with how to give one.
pub fn named(name: Option<String>) -> anyhow::Result<String> {
    match name.or_else(of_variable) {
        Some(name) => Ok(name),
        None => anyhow::bail!(
            "no model is named: give --model (`embedded` is the small one inside vene), set {VARIABLE}, or name it in \
             the plan's file ([model], id)"
        ),
    }
}

/// The model that typed prompts are run on: by default the small one inside vene, which is then said.
pub fn named_or_embedded(name: Option<String>) -> String {
    name.or_else(of_variable).unwrap_or_else(|| {
        terminal::inform(format!(
            "model: {EMBEDDED}, the small one inside vene; --model or {VARIABLE} name another"
        ));
        EMBEDDED.to_owned()
    })
}

fn of_variable() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|name| !name.is_empty())
}

/// Opens a model without reading its weights.
pub fn open(name: &str, ignored: &[String]) -> anyhow::Result<Outline> {
    let mut steps = Steps::new();
    let opening = Opening { ignored_keys: ignored.to_vec() };
    let opened = Outline::open_with(name, &opening, &mut |step| steps.show(step));
    let outline = opened.map_err(|error| of_model(name, error))?;
    warn_of_notices(&outline);
    terminal::detail(|| opened_words(&outline));
    Ok(outline)
}

/// Which model was opened, in words.
fn opened_words(outline: &Outline) -> String {
    let (config, provenance) = (outline.config(), outline.provenance());
    let revision = provenance.revision.as_ref();
    let bytes: u64 = provenance.files.iter().map(|file| file.bytes).sum();
    format!(
        "opened {}{}: {}, {} layers of width {}, context {}, {:.1} MB in {} files",
        provenance.name,
        revision.map_or_else(String::new, |revision| format!("@{revision}")),
        config.family,
        config.layers.len(),
        config.d_model,
        config.context,
        bytes as f64 / 1e6,
        provenance.files.len(),
    )
}

/// Prints what a user should know about the model and what is done with it, each sentence once.
fn warn_of_notices(outline: &Outline) {
    static PRINTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut printed = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    for notice in outline.notices() {
        if printed.insert(notice.clone()) {
            terminal::warn(notice);
        }
    }
}

/// Reads the weights.
pub fn load(outline: Outline, precision: Precision) -> anyhow::Result<Model> {
    let (name, start) = (outline.provenance().name.clone(), Instant::now());
    let mut steps = Steps::new();
    let model = Model::from_outline(outline, precision, &mut |step| steps.show(step));
    loaded(model, &name, precision, start)
}

/// Reads the weights for the reference executor alone.
pub fn load_plain(outline: Outline, precision: Precision) -> anyhow::Result<Model> {
    let (name, start) = (outline.provenance().name.clone(), Instant::now());
    let mut steps = Steps::new();
    let model = Model::plain_from_outline(outline, precision, &mut |step| steps.show(step));
    loaded(model, &name, precision, start)
}

/// A model that was read, or why it was not; prints the notices that were not printed yet.
fn loaded(
    model: Result<Model, ModelError>,
    name: &str,
    precision: Precision,
    start: Instant,
) -> anyhow::Result<Model> {
    let model = model.map_err(|error| of_model(name, error))?;
    warn_of_notices(&model);
    terminal::detail(|| {
        let seconds = terminal::duration(start.elapsed().as_secs_f64());
        format!("read the weights of {name} for {precision} precision in {seconds}")
    });
    Ok(model)
}

/// An error that names the model, and says what else the name might have been meant for.
fn of_model(name: &str, error: ModelError) -> anyhow::Error {
    let context = match error.to_string().contains(name) {
        true => "--model".to_owned(),
        false => format!("--model {name}"),
    };
    let fetched = matches!(&error, ModelError::Checkpoint(CheckpointError::Hub { .. }));
    let context = match fetched && !name.contains('/') {
        true => {
            format!("{context} (taken for a Hugging Face id; the built-in model is `{EMBEDDED}`)")
        }
        false => context,
    };
    anyhow::Error::new(error).context(context)
}

/// What records say of a model: what the user called it, and what it is.
///
/// # Errors
/// The model's files were changed since they were opened.
pub fn record(outline: &Outline, given: &str) -> anyhow::Result<Value> {
    let provenance = outline.provenance();
    // Also where the hash is known since the run began.
    provenance.check_unchanged()?;
    Ok(json!({
        "given": given,
        "name": provenance.name,
        "revision": provenance.revision,
        "family": outline.config().family,
        "sha256": provenance.sha256()?,
        "identity": outline.identity(),
        "shape": outline.key().shape(),
        "tokenizer": outline.key().tokenizer(),
        "files": provenance.files.iter()
            .map(|file| json!({ "name": file.name, "bytes": file.bytes }))
            .collect::<Vec<_>>(),
        "bos": bos_record(outline),
        "notices": outline.notices(),
    }))
}

/// What the model's own files say about the beginning of a text, and which of them decided.
fn bos_record(outline: &Outline) -> Value {
    let tokenizer = outline.tokenizer();
    let id = tokenizer.bos();
    json!({
        "added": tokenizer.adds_bos(),
        "id": id,
        "token": id.map(|id| token_text(outline, id)),
        "why": tokenizer.bos_decided_by(),
    })
}

/// A model's name for titles: the last part of a path, without `.gguf`.
pub fn short_name(outline: &Outline) -> &str {
    let name = outline.provenance().name.trim_end_matches('/');
    let name = name.rsplit('/').next().unwrap_or(name);
    name.strip_suffix(".gguf").unwrap_or(name)
}

/// A token's text; tokens that only the embedding knows have none but their number.
pub fn token_text(outline: &Outline, id: u32) -> String {
    outline.tokenizer().token_text(id).unwrap_or_else(|_| outline.tokenizer().display(id))
}

/// The progress of loading: bytes while files come over the network, then layers. A bar on a
/// terminal; elsewhere a line now and then while files come, which can take hours.
struct Steps {
    bar: indicatif::ProgressBar,
    lines: Option<DownloadLines>,
}

/// What was said last of a download, and when.
#[derive(Default)]
struct DownloadLines {
    last: Option<(String, Instant)>,
}

/// The time between two lines about the same file.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

impl DownloadLines {
    fn show(&mut self, step: Progress<'_>) {
        let (Progress::Downloading { file, .. } | Progress::Waiting { file }) = step else {
            return;
        };
        let is_new = self
            .last
            .as_ref()
            .is_none_or(|(name, when)| name != file || when.elapsed() >= BETWEEN_LINES);
        if is_new {
            self.last = Some((file.to_owned(), Instant::now()));
            terminal::inform(step);
        }
    }
}

impl Steps {
    fn new() -> Self {
        let lines = (!std::io::stderr().is_terminal()).then(DownloadLines::default);
        Self { bar: terminal::steps(), lines }
    }

    fn show(&mut self, step: Loading<'_>) {
        match step {
            Loading::Checkpoint(step) => {
                self.bar.set_message(terminal::message(&step.to_string()));
                if let Some(lines) = &mut self.lines {
                    lines.show(step);
                }
            }
            Loading::Layers { done, total } => {
                self.bar.set_message("loading layers");
                self.bar.set_length(total as u64);
                self.bar.set_position(done as u64);
            }
            _ => {}
        }
        self.bar.tick();
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
