//! An experiment: what a command line, a file, or the record of an earlier run asks for, as one value.
//!
//! A file says it in sections ([`Sections`]) and a plan; an option stands in place of a key of these ([`put!`]), whichever
//! command it is given to. So `vene sweep` and `vene run sweep.toml` are the same run, `--print-spec` prints it, `run.json`
//! keeps it, and a run that is resumed, joined of shards or repeated begins with that value. What becomes of it is in one
//! file a kind; each reads keys through [`key!`], so that what is said and not read is refused.

mod circuit;
mod collect;
mod data;
mod delivery;
mod generate;
mod in_memory;
mod plan;
mod record;
mod statistics;
mod sweep;
mod train;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use vene::intervention::Intervention;
use vene::metric::{self, Metric};
use vene::plan_file::{ExperimentKind, Format, PlanFile, PlanGrid, Sections};
use vene::{ExecutorName, Outline, Plan};

use crate::arguments::Given;
use crate::model;
use crate::plan_given::PlanGiven;
use crate::record::Record;

pub use circuit::{Measured, Scored, measure_in_memory, scored_edges};
pub use collect::{Collection, collect_in_memory};
pub use delivery::{Delivery, join, resume, run};
pub use in_memory::{InMemory, PlanFrom, Progress, Warned};
pub use plan::{PlanRan, run_in_memory};
pub use record::{begin, check_same};
pub use sweep::{Swept, of_pair, sweep_in_memory};
pub use train::{TrainedPlan, train_in_memory};

/// What is asked for.
pub struct Experiment {
    pub kind: ExperimentKind,
    pub sections: Sections,
    /// What was said of it, and what was read.
    pub given: Given,
    plan: PlanGiven,
    /// The file, where it came from one.
    file: Option<PathBuf>,
    /// The files that were read for its plans, with their SHA-256.
    files: RefCell<BTreeMap<String, String>>,
    /// A plan that a program made, in place of that of a file.
    made: Option<Plan>,
    /// A program's own metrics, which are named among the built-in ones.
    own_metrics: Vec<Arc<dyn Metric>>,
    /// What a program's own sweep does at each place.
    own_method: Option<Arc<dyn Intervention>>,
}

/// What a record keeps of an experiment.
pub struct Spec {
    /// The model as it was named.
    pub model: String,
    /// The experiment as `vene run` reads it again.
    pub experiment: Value,
    /// Where the files are that its plan names.
    pub folder: PathBuf,
    /// These files, by the names that the plan calls them, with the SHA-256 of what was read.
    pub files: BTreeMap<String, String>,
}

/// What an option says, if it is given.
pub trait Said {
    type Value;

    fn said(&self) -> Option<Self::Value>;
}

impl<T: Clone> Said for Option<T> {
    type Value = T;

    fn said(&self) -> Option<T> {
        self.clone()
    }
}

impl<T: Clone> Said for Vec<T> {
    type Value = Vec<T>;

    fn said(&self) -> Option<Vec<T>> {
        (!self.is_empty()).then(|| self.clone())
    }
}

impl Said for bool {
    type Value = bool;

    fn said(&self) -> Option<bool> {
        self.then_some(true)
    }
}

/// Puts what an option says in the place of a key: `put!(experiment, self => memory => limits.memory)`. The option's id is the
/// field's name.
macro_rules! put {
    ($experiment:expr, $owner:expr => $field:ident => $section:ident.$key:ident) => {
        $crate::experiment::put!($experiment, $owner => $field => $section.$key, |value| value)
    };
    ($experiment:expr, $owner:expr => $field:ident => $section:ident.$key:ident, $of:expr) => {
        if let Some(value) = $crate::experiment::Said::said(&$owner.$field) {
            $experiment.given.stands_for(
                stringify!($field),
                stringify!($section),
                stringify!($key),
            );
            let section = $experiment.sections.$section.get_or_insert_default();
            let of = $of;
            section.$key = of(value).into();
        }
    };
}
pub(crate) use put;

/// A key's value, which enters it in the account: `key!(experiment, limits.memory)`.
macro_rules! key {
    ($experiment:expr, $section:ident.$key:ident) => {{
        $experiment.given.read_of_plan(stringify!($section), &[stringify!($key)]);
        match &$experiment.sections.$section {
            Some(section) => section.$key.clone(),
            None => Default::default(),
        }
    }};
}
pub(crate) use key;

impl Experiment {
    /// One that a command line says by itself.
    ///
    /// # Errors
    /// A working folder that is gone.
    pub fn of_line(kind: ExperimentKind, given: Given) -> anyhow::Result<Self> {
        let plan = PlanGiven::File(PlanFile::of(&Plan::new())?);
        Ok(Self::new(kind, Sections::default(), given, plan, None))
    }

    /// One of a file, the folder of a saved plan, or an earlier run's `run.json`, with values in place of what it says.
    ///
    /// # Errors
    /// What is wrong with the file or the values.
    pub fn of_file(path: &Path, set: &[String], mut given: Given) -> anyhow::Result<Self> {
        let plan = PlanGiven::read(path)?.set(set)?;
        plan.account(&mut given);
        given.said_here(set);
        let kind = plan.file().kind.unwrap_or_default();
        Self::of(plan, kind, given, Some(path.to_owned()))
    }

    /// That of a record.
    ///
    /// # Errors
    /// A record without one.
    pub fn of_record(record: &Record) -> anyhow::Result<Self> {
        let plan = PlanGiven::of_record(record)?;
        let kind = plan.file().kind.unwrap_or_default();
        Self::of(plan, kind, Given::default(), None)
    }

    fn of(
        plan: PlanGiven,
        kind: ExperimentKind,
        given: Given,
        file: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let mut sections = plan.file().sections.clone();
        let folder = plan.file().folder();
        // A file's paths are from its own folder.
        if let Some(data) = &mut sections.data {
            for path in [&mut data.path, &mut data.lines] {
                *path = path.take().map(|path| absolute(&folder.join(path))).transpose()?;
            }
        }
        if let Some(circuit) = &mut sections.circuit {
            circuit.edges =
                circuit.edges.take().map(|path| absolute(&folder.join(path))).transpose()?;
        }
        if let Some(id) = sections.model.as_mut().and_then(|model| model.id.as_mut()) {
            let path = folder.join(&*id);
            if path.exists() {
                *id = absolute(&path)?.display().to_string();
            }
        }
        Ok(Self::new(kind, sections, given, plan, file))
    }

    fn new(
        kind: ExperimentKind,
        sections: Sections,
        given: Given,
        plan: PlanGiven,
        file: Option<PathBuf>,
    ) -> Self {
        Self {
            kind,
            sections,
            given,
            plan,
            file,
            files: RefCell::default(),
            made: None,
            own_metrics: Vec::new(),
            own_method: None,
        }
    }

    /// The file that it came from.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The model that its file names, where that is no saved plan's.
    pub fn meant_for(&self) -> Option<&str> {
        let model = self.sections.model.as_ref().filter(|model| model.identity.is_none());
        model.and_then(|model| model.id.as_deref())
    }

    /// What its file says of the plan, as sections and keys.
    fn says(&self, section: &str, key: Option<&str>) -> bool {
        self.plan.file().keys().contains(&(section, key))
    }

    /// Whether its rows are those of a file, rather than prompts that were typed.
    pub fn has_rows(&self) -> bool {
        self.sections
            .data
            .as_ref()
            .is_some_and(|data| data.path.is_some() || data.lines.is_some() || data.task.is_some())
    }

    /// The same with a value in its plan: `read.original=true`, for which an option stands.
    ///
    /// # Errors
    /// What is then wrong with it.
    pub fn set(
        mut self,
        option: &str,
        (section, key): (&str, &str),
        value: &str,
    ) -> anyhow::Result<Self> {
        self.given.stands_for(option, section, key);
        self.plan = self.plan.set(&[format!("{section}.{key}={value}")])?;
        Ok(self)
    }

    /// The same, but that it collects what a plan does.
    ///
    /// # Errors
    /// Positions that no file can describe.
    pub fn collecting(mut self, plan: &Plan) -> anyhow::Result<Self> {
        self.plan = PlanGiven::File(self.plan.file().collecting(plan)?);
        Ok(self)
    }

    /// As a file has it.
    pub fn text(&self, format: Format) -> String {
        let mut file = self.plan.file().clone();
        file.kind = Some(self.kind);
        file.sections = self.sections.clone();
        file.text(format)
    }

    /// What a record keeps of it.
    ///
    /// # Errors
    /// A working folder that is gone.
    pub fn spec(&self, model: &str) -> anyhow::Result<Spec> {
        Ok(Spec {
            model: model.to_owned(),
            experiment: serde_json::from_str(&self.text(Format::Json))?,
            folder: absolute(self.plan.file().folder())?,
            files: self.files.borrow().clone(),
        })
    }

    /// Opens the model, without its weights. Where a user's data or plan is run it must be named.
    ///
    /// # Errors
    /// A model that is not named or cannot be opened.
    pub fn open(&mut self) -> anyhow::Result<(String, Outline)> {
        let name = self.name_model()?;
        let ignored: Vec<String> = key!(self, model.ignored_keys);
        let outline = model::open(&name, &ignored)?;
        // What identifies the model that a plan was made for is looked at with the plan.
        self.given.read_of_plan("model", &["identity", "shape", "tokenizer"]);
        Ok((name, outline))
    }

    /// The model's name, which the experiment has from then on, whatever it came from.
    fn name_model(&mut self) -> anyhow::Result<String> {
        let named = key!(self, model.id);
        let name = if self.has_rows() || self.file.is_some() {
            model::named(named)?
        } else {
            model::named_or_embedded(named)
        };
        self.sections.model.get_or_insert_default().id = Some(absolute_if_there(&name)?);
        Ok(name)
    }

    /// The plans of its grid.
    ///
    /// # Errors
    /// What of them cannot be; a plan of another model, unless that is said to be meant.
    pub fn grid(&self, outline: &Outline) -> anyhow::Result<PlanGrid> {
        if let Some(plan) = &self.made {
            return Ok(plan.clone().into());
        }
        let grid = self.plan.grid(outline, || key!(self, model.another).unwrap_or(false))?;
        self.files.replace(grid.files.clone());
        Ok(grid)
    }

    /// Its only plan.
    ///
    /// # Errors
    /// As [`Experiment::grid`]; a grid that makes several.
    pub fn plan(&self, outline: &Outline) -> anyhow::Result<Plan> {
        match &self.made {
            Some(plan) => Ok(plan.clone()),
            None => Ok(self.plan.file().only(self.grid(outline)?)?),
        }
    }

    /// Puts a file that is read beside the data on record, with its SHA-256.
    ///
    /// # Errors
    /// A file that cannot be read.
    fn read_file(&self, path: &Path) -> anyhow::Result<()> {
        let digest = vene_files::sha256_of(&mut std::fs::File::open(path)?)?;
        self.files.borrow_mut().insert(path.display().to_string(), digest);
        Ok(())
    }

    /// A metric by its name: one of the program's own, or a built-in one.
    fn metric(&self, name: &str) -> Option<Arc<dyn Metric>> {
        let own = self.own_metrics.iter().find(|metric| metric.name() == name);
        own.cloned().or_else(|| metric::named(name))
    }

    /// What runs it, and about how many bytes its passes may take, which the forked executor alone knows.
    pub fn executor(&self) -> (ExecutorName, Option<usize>) {
        let executor = key!(self, limits.executor).unwrap_or_default();
        let memory = match executor {
            ExecutorName::Forked => key!(self, limits.memory),
            ExecutorName::Reference => None,
        };
        (executor, memory)
    }
}

/// A path from the root on; an empty one is the folder that one is in.
fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    if path.as_os_str().is_empty() { std::env::current_dir() } else { std::path::absolute(path) }
}

/// A model's name, by its absolute path where it is a file's or a folder's.
fn absolute_if_there(id: &str) -> anyhow::Result<String> {
    let path = Path::new(id);
    Ok(if path.exists() { absolute(path)?.display().to_string() } else { id.to_owned() })
}
