//! `run.json`: what a run was asked for, on what, and what came of it.
//!
//! It is in the folder from the run's first moment to its end, so that it says whose the folder is. `status` says how
//! far the run came: `running` (or killed, where no process is at it), `complete`, `failed`, `stopped`. Two keys make
//! it possible to trust what is read again: `spec` is the SHA-256 of what determines the run's numbers, and
//! `record_sha256`, the last key, is that of the file's other text.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;
use std::time::SystemTime;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use crate::threads;

mod difference;

/// The file's name.
pub const RECORD: &str = "run.json";

/// More bytes than a record has.
const LARGEST: u64 = 1 << 30;

/// The key of the file's own digest.
const DIGEST: &str = "record_sha256";

/// What writes into a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Demo,
    /// A sweep over one pair of prompts.
    Sweep,
    /// A sweep over a data set.
    DataSweep,
    /// A plan over a data set.
    PlanSweep,
    Training,
    /// Activations of prompts or rows.
    Collection,
    /// Texts that were written behind a prompt.
    Generation,
    /// The edges of a model's graph over a data set.
    Edges,
    /// Path patching over a data set.
    Paths,
    /// Circuits of growing size over a data set.
    Faithfulness,
    /// Causal scrubbing over a data set.
    Scrubbing,
    /// Pairs of heads over a data set.
    Pairs,
    /// A look through the logit lens.
    Lens,
    /// A direct logit attribution.
    Attribution,
    /// Attention patterns, or scores of heads.
    Attention,
    /// Directions that tell the sides of a data set apart.
    Directions,
}

impl Kind {
    const ALL: [Self; 16] = [
        Self::Demo,
        Self::Sweep,
        Self::DataSweep,
        Self::PlanSweep,
        Self::Training,
        Self::Collection,
        Self::Generation,
        Self::Edges,
        Self::Paths,
        Self::Faithfulness,
        Self::Scrubbing,
        Self::Pairs,
        Self::Lens,
        Self::Attribution,
        Self::Attention,
        Self::Directions,
    ];

    /// Whether it is run in one go: where it is stopped it leaves nothing to go on with.
    pub fn is_in_one_go(self) -> bool {
        matches!(
            self,
            Self::Demo
                | Self::Sweep
                | Self::Generation
                | Self::Lens
                | Self::Attribution
                | Self::Attention
                | Self::Directions
        )
    }

    fn key(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Sweep => "sweep",
            Self::DataSweep => "data_sweep",
            Self::PlanSweep => "plan",
            Self::Training => "training",
            Self::Collection => "collection",
            Self::Generation => "generation",
            Self::Edges => "edges",
            Self::Paths => "paths",
            Self::Faithfulness => "faithfulness",
            Self::Scrubbing => "scrub",
            Self::Pairs => "pairs",
            Self::Lens => "lens",
            Self::Attribution => "attribution",
            Self::Attention => "attention",
            Self::Directions => "directions",
        }
    }

    /// What messages call it in short, among those that can be gone on with.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Demo | Self::Sweep | Self::DataSweep => "sweep",
            Self::PlanSweep
            | Self::Edges
            | Self::Paths
            | Self::Faithfulness
            | Self::Scrubbing
            | Self::Pairs => "run",
            Self::Training => "training",
            Self::Collection => "collection",
            Self::Generation => "generation",
            Self::Lens | Self::Attribution | Self::Attention | Self::Directions => "look",
        }
    }

    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Sweep => "sweep over one pair of prompts",
            Self::DataSweep => "sweep over a data set",
            Self::PlanSweep => "plan over a data set",
            Self::Training => "training",
            Self::Collection => "collection of activations",
            Self::Generation => "generation",
            Self::Edges => "edges over a data set",
            Self::Paths => "path patching over a data set",
            Self::Faithfulness => "circuits over a data set",
            Self::Scrubbing => "causal scrubbing over a data set",
            Self::Pairs => "pairs of heads over a data set",
            Self::Lens => "look through the logit lens",
            Self::Attribution => "direct logit attribution",
            Self::Attention => "look at attention",
            Self::Directions => "search for directions",
        }
    }
}

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Running,
    Complete,
    Failed,
    Stopped,
}

impl Status {
    fn key(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// The record of a run.
#[derive(Clone, Debug)]
pub struct Record(Map<String, Value>);

/// Why a folder's record cannot be read.
pub enum Unreadable {
    /// There is none.
    Missing,
    /// It is not what was written, or was written by something else; in words that follow its path.
    Damaged(String),
}

impl Record {
    /// The record of a run that begins. `details` is an object; its entries that `determines` names, and the version of
    /// vene, determine the run's numbers.
    pub fn begin(kind: Kind, details: Value, determines: &[&str]) -> anyhow::Result<Self> {
        let directory = std::env::current_dir().context("the working folder is gone")?;
        let command: Vec<String> =
            std::env::args_os().map(|text| text.to_string_lossy().into_owned()).collect();
        let Value::Object(mut details) = details else { bail!("a record is made of an object") };
        let specified: Vec<Value> = determines
            .iter()
            .map(|key| specified(details.get(*key).unwrap_or(&Value::Null)))
            .collect();
        let version = env!("CARGO_PKG_VERSION");
        let spec = json!([kind.key(), version, specified]).to_string();
        let begin = json!({
            "vene": version,
            "kind": kind.key(),
            "run": new_id(),
            "spec": vene_files::sha256(spec),
            "status": Status::Running.key(),
            "command": command,
            "directory": directory.display().to_string(),
            "processor": threads::processor(),
        });
        let Value::Object(mut record) = begin else { bail!("a record is an object") };
        record.append(&mut details);
        Ok(Self(record))
    }

    /// Reads the record of a folder.
    pub fn read(folder: &Path) -> Result<Self, Unreadable> {
        let damaged = |text: &str| Unreadable::Damaged(text.to_owned());
        let text =
            vene_files::read_text(&folder.join(RECORD), LARGEST).map_err(|error| {
                match error.kind() {
                    std::io::ErrorKind::NotFound => Unreadable::Missing,
                    _ => Unreadable::Damaged(format!("cannot be read: {error}")),
                }
            })?;
        let foreign = "is no record of a run by this version of vene";
        let (rest, digest) = take_digest(&text).ok_or_else(|| damaged(foreign))?;
        if vene_files::sha256(rest) != digest {
            return Err(damaged(
                "is not as it was written: its SHA-256 is another one than it says",
            ));
        }
        let record = Self(serde_json::from_str(&text).map_err(|_| damaged(foreign))?);
        match (record.kind(), record.status(), record.text("run"), record.text("spec")) {
            (Some(_), Some(_), Some(_), Some(_)) => Ok(record),
            _ => Err(damaged(foreign)),
        }
    }

    /// Writes it into a folder, whole or not at all.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(RECORD);
        let text = self.file()?;
        vene_files::write_atomically(&path, |file| file.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The file's text, with its digest.
    pub fn file(&self) -> anyhow::Result<String> {
        let mut record = self.0.clone();
        record.remove(DIGEST);
        record.insert(DIGEST.to_owned(), "".into());
        let rest = serde_json::to_string_pretty(&record)? + "\n";
        record.insert(DIGEST.to_owned(), vene_files::sha256(rest).into());
        Ok(serde_json::to_string_pretty(&record)? + "\n")
    }

    /// What ran; every record that was begun or read has it.
    pub fn kind(&self) -> Option<Kind> {
        let name = self.text("kind")?;
        Kind::ALL.into_iter().find(|kind| kind.key() == name)
    }

    pub fn status(&self) -> Option<Status> {
        let name = self.text("status")?;
        let all = [Status::Running, Status::Complete, Status::Failed, Status::Stopped];
        all.into_iter().find(|status| status.key() == name)
    }

    pub fn set_status(&mut self, status: Status) {
        self.set("status", json!(status.key()));
        if status != Status::Failed {
            self.0.remove("error");
        }
    }

    /// Says that the run failed, and of what.
    pub fn set_failed(&mut self, error: &str) {
        self.set_status(Status::Failed);
        self.set("error", json!(error));
    }

    /// What is only of this run: no other has the same.
    pub fn run(&self) -> &str {
        self.text("run").unwrap_or_default()
    }

    /// What all runs have alike that give the same numbers.
    pub fn spec(&self) -> &str {
        self.text("spec").unwrap_or_default()
    }

    /// What tables' files say of the run: its kind, the SHA-256 of what determines its numbers, that in JSON, and the
    /// model's identity.
    pub fn notes(&self) -> Vec<(String, String)> {
        let given = ["data", "base", "sources", "plan", "experiment", "options"];
        let given = given.into_iter().filter(|key| !self.get(key).is_null());
        let given: Map<String, Value> =
            given.map(|key| (key.to_owned(), specified(self.get(key)))).collect();
        let notes = [
            ("vene", json!(self.text("vene"))),
            ("kind", json!(self.text("kind"))),
            ("model", specified(self.get("model"))),
            ("spec", Value::Object(given)),
            ("spec_sha256", json!(self.spec())),
        ];
        let text = |value: Value| match value {
            Value::String(text) => text,
            value => value.to_string(),
        };
        notes.map(|(key, value)| (format!("vene.{key}"), text(value))).into()
    }

    /// The first of these keys, or `vene`, the version, at which another record differs in what determines numbers; and
    /// what the two say there.
    pub fn first_difference<'a>(
        &self,
        other: &Self,
        keys: &[&'a str],
    ) -> Option<(&'a str, Value, Value)> {
        let mut keys = ["vene"].into_iter().chain(keys.iter().copied());
        keys.find_map(|key| {
            let (one, two) = (specified(self.get(key)), specified(other.get(key)));
            let [said, says] = [&one, &two].map(Value::to_string);
            (said != says).then_some((key, one, two))
        })
    }

    /// What [`Record::first_difference`] finds, in words for one line.
    pub fn difference_in_words(&self, other: &Self, keys: &[&str]) -> Option<String> {
        let (key, one, two) = self.first_difference(other, keys)?;
        let what = match key {
            "vene" => "the version of vene",
            "data" => "the data set",
            "model" => "the model",
            "options" => "an option",
            "experiment" => "the experiment",
            "plan_files" => "a file that the plan names",
            key => key,
        };
        Some(format!("{what} is not what it was: {}", difference::in_words(&one, &two)))
    }

    /// The files that it names as the run's own, less any that would lead out of the folder.
    pub fn files(&self) -> Vec<PathBuf> {
        let listed = self.get("files").as_array().into_iter().flatten().filter_map(Value::as_str);
        listed.map(PathBuf::from).filter(|path| is_plain(path)).collect()
    }

    pub fn set_files(&mut self, files: &[String]) {
        self.set("files", json!(files));
    }

    pub fn get(&self, key: &str) -> &Value {
        self.0.get(key).unwrap_or(&Value::Null)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.get(key).as_str()
    }

    pub fn set(&mut self, key: &str, value: Value) {
        self.0.insert(key.to_owned(), value);
    }

    /// All of it.
    pub fn value(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

/// A record as it is printed, with what the run found.
pub fn with_results(record: &Record, results: Value) -> Value {
    let mut value = record.value();
    value["results"] = results;
    value
}

/// What determines numbers in an entry. What was remarked on a model is known better after it was loaded; where files
/// lie does not matter, since hashes say what is in them, and neither does a budget of memory.
fn specified(entry: &Value) -> Value {
    let mut entry = entry.clone();
    let without = |entry: &mut Value, keys: &[&str]| {
        if let Value::Object(entry) = entry {
            keys.iter().for_each(|key| drop(entry.shift_remove(*key)));
        }
    };
    without(&mut entry, &["notices", "given", "name", "from"]);
    let no_matter = [("model", &["id"][..]), ("data", &["path", "lines"]), ("limits", &["memory"])];
    for (section, keys) in no_matter {
        if let Some(section) = entry.get_mut(section) {
            without(section, keys);
        }
        if entry.get(section).and_then(Value::as_object).is_some_and(Map::is_empty) {
            without(&mut entry, &[section]);
        }
    }
    entry
}

/// A name in the folder itself.
fn is_plain(path: &Path) -> bool {
    let mut parts = path.components();
    matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(_)), None))
}

/// The file's text without its digest, and the digest.
fn take_digest(text: &str) -> Option<(String, &str)> {
    let start = format!("\"{DIGEST}\": \"");
    let at = text.rfind(&start)? + start.len();
    let digest = text.get(at..at + 64)?;
    Some((format!("{}{}", &text[..at], &text[at + 64..]), digest))
}

/// Different for every run, on whatever machine.
fn new_id() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let machine = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let unique = format!("{machine} {} {}", process::id(), since.as_nanos());
    vene_files::sha256(unique)[..32].to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record() -> Record {
        let details = json!({
            "options": { "factor": 0.1, "text": "\"record_sha256\": \"é" },
            "model": { "sha256": "0", "notices": ["one"] },
        });
        Record::begin(Kind::DataSweep, details, &["options", "model"]).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Record::read(folder.path()), Err(Unreadable::Missing)));
        let mut written = record();
        written.set_failed("disk full");
        written.set_files(&["a.csv".into(), "../b".into(), "/c".into(), "d/e".into(), ".".into()]);
        written.write(folder.path()).unwrap();
        let Ok(read) = Record::read(folder.path()) else { panic!("not read") };
        assert_eq!((read.kind(), read.status()), (Some(Kind::DataSweep), Some(Status::Failed)));
        assert_eq!(read.run(), written.run());
        assert_eq!(read.files(), [Path::new("a.csv")]);
        // Read and written once more, it is still whole.
        read.write(folder.path()).unwrap();
        assert!(Record::read(folder.path()).is_ok());
    }

    #[test]
    fn the_spec_is_of_what_determines_numbers() {
        let (mut one, two) = (record(), record());
        assert_ne!(one.run(), two.run());
        assert_eq!(one.spec(), two.spec());
        one.set("model", json!(null));
        let details = |notice: &str, factor: f64| json!({ "options": { "factor": factor }, "model": { "notices": [notice] } });
        let spec = |details| {
            let record = Record::begin(Kind::Sweep, details, &["options", "model"]).unwrap();
            record.spec().to_owned()
        };
        assert_eq!(spec(details("a", 0.1)), spec(details("b", 0.1)));
        assert_ne!(spec(details("a", 0.1)), spec(details("a", 0.3)));
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let folder = tempfile::tempdir().unwrap();
        record().write(folder.path()).unwrap();
        let path = folder.path().join(RECORD);
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(&path, flipped).unwrap();
            assert!(matches!(Record::read(folder.path()), Err(Unreadable::Damaged(_))), "{at}");
        }
    }
}
