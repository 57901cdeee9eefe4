//! Plans as files: TOML for people, JSON for programs, and folders in which a plan and what its
//! interventions learned are kept.
//!
//! An experiment that stands in a file can be read, compared and run again. [`PlanFile::read`]
//! understands every key or says which it does not, in which line, and what there is instead;
//! [`PlanFile::plan`] checks the rest against a model's outline, before any weight is read. The
//! format is told in `docs/plans.md`.
//!
//! ```
//! use std::path::Path;
//! use vene::plan_file::{Format, PlanFile};
//! use vene::{Example, Model, RunPlans};
//!
//! let file = PlanFile::parse(
//!     r#"
//!     [[edit]]
//!     intervention = "interchange"
//!     component = "block_output"
//!     layer = 0
//!     positions = { phrase = "Spain" }
//!     from = { phrase = "Italy" }
//!     "#,
//!     Format::Toml,
//!     Path::new("."),
//! )?;
//! let model = Model::load("embedded")?;
//! let example = Example::new(model.prompt("The capital of Spain is")?)
//!     .source(model.prompt("The capital of Italy is")?);
//! let plan = file.plan(&model)?.resolve(&model, &[example])?;
//! let outcome = model.run(&plan)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod budget;
mod deserialize;
mod dimensions;
mod document;
mod edit;
mod error;
pub(crate) mod files;
mod grid;
mod heads;
mod hypothesis;
mod link;
pub(crate) mod making;
mod positions;
pub(crate) mod pyvene;
mod read;
mod saved;
mod sections;
mod serialize;
mod set;
mod source;
mod table;
mod when;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vene_intervention::Intervention;
use vene_model::{Outline, Site, alias};

use budget::MOST_EDITS;
pub use document::Format;
use document::{Node, Value};
pub use error::{At, FilePlace, PlanFileError};
use files::Files;
use grid::Expanded;
pub use grid::{GridRun, GridValue, PlanGrid};
pub use hypothesis::read_hypothesis;
pub use pyvene::{Nested, PyveneCall, PyveneSaved, PyveneState, pyvene_parameters};
use saved::Digests;
pub use saved::{SAVED_FILES, Saved, load, save, save_with};
use sections::SECTIONS;
pub use sections::{
    CircuitSection, DataSection, ExperimentKind, GenerateSection, LabelName, LimitsSection, List,
    LossName, MeanOver, MeasureSection, ModelSection, ScheduleName, Sections, StatisticsSection,
    SweepMethod, SweepSection, TensorsSection, TrainSection,
};
use table::Item;
use vene_engine::PlanError;
use vene_engine::plan::{Plan, Positions};
use write::Sink;

type Result<T> = std::result::Result<T, PlanFileError>;

/// The text of a file that may have so many bytes.
fn text_of(path: &Path, most: u64) -> Result<String> {
    let failed = |source| PlanFileError::File { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > most {
        return Err(PlanFileError::TooLarge { path: path.to_owned(), bytes, most });
    }
    vene_model::opened::read_text(path, most).map_err(failed)
}

/// No plan is larger; what is, holds values that belong into a file of tensors.
const LARGEST: u64 = 8 << 20;

/// The version of the format that is written; earlier ones are read.
const VERSION: usize = 1;

/// What a plan's file says.
#[derive(Clone, Debug)]
pub struct PlanFile {
    /// What is to be done with it. Default: the plan is run.
    pub kind: Option<ExperimentKind>,
    /// What the plan is for.
    pub sections: Sections,
    document: Node,
    /// What was read, as it was written; empty where the plan was not read.
    source: String,
    /// What the two files of a saved plan were, by their digests.
    digests: Option<Digests>,
    /// The file, where it is one.
    file: Option<Arc<Path>>,
    /// Where names of other files are looked up.
    folder: PathBuf,
    /// Interventions of a program's own, by the names that the plan calls them.
    own: Own,
}

/// Interventions by name.
type Own = BTreeMap<String, Arc<dyn Intervention>>;

impl PlanFile {
    /// Reads a `.toml` or `.json` file. Files that it names are looked up beside it.
    ///
    /// # Errors
    /// A file that cannot be read, that is neither, and keys or values that are not understood.
    pub fn read(path: &Path) -> Result<Self> {
        let format = Format::of(path)?;
        let text = text_of(path, LARGEST)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parsed(&text, format, Some(path), folder)
    }

    /// Reads a text. Files that it names are looked up in `folder`.
    ///
    /// # Errors
    /// As [`PlanFile::read`].
    pub fn parse(text: &str, format: Format, folder: &Path) -> Result<Self> {
        Self::parsed(text, format, None, folder)
    }

    fn parsed(text: &str, format: Format, file: Option<&Path>, folder: &Path) -> Result<Self> {
        let document = document::parse(text, format).map_err(|error| PlanFileError::Syntax {
            place: FilePlace { file: file.map(Arc::from), at: error.at, entry: Arc::default() },
            message: error.message,
        })?;
        Self::of_document(document, text.to_owned(), file, folder)
    }

    fn of_document(
        document: Node,
        source: String,
        file: Option<&Path>,
        folder: &Path,
    ) -> Result<Self> {
        let item = Item::document(&document, file.map(Arc::from));
        let plan = ["grid", "edit", "collect", "read", "sha256"];
        let known = ["version", "kind"].into_iter().chain(SECTIONS).chain(plan);
        let known: Vec<&str> = known.collect();
        let table = item.table("a table of sections", &known)?;
        if let Some(version) = table.get("version")
            && !(1..=VERSION).contains(&version.count()?)
        {
            let known = format!("{VERSION}, the version of the format that this program knows");
            return Err(version.expected(known));
        }
        Ok(Self {
            kind: table.read("kind", deserialize::read)?,
            sections: Sections::read(&item)?,
            digests: table.read("sha256", Digests::read)?,
            file: file.map(Arc::from),
            folder: folder.to_owned(),
            own: Own::new(),
            source,
            document,
        })
    }

    /// The folder beside which other files are looked up.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The same with a value in place of what it says: `grid.dose=[0.5, 1.0]`, `edit.0.layer=3`. The value is TOML, or else
    /// a text.
    ///
    /// # Errors
    /// A key in something that has none; what is then wrong with the file.
    pub fn set(&self, assignment: &str) -> Result<Self> {
        let document = set::set(&self.document, assignment)?;
        Self::of_document(document, self.source.clone(), self.file.as_deref(), &self.folder)
    }

    /// The same, but that it collects what another plan does.
    ///
    /// # Errors
    /// Positions that no file can describe.
    pub fn collecting(&self, plan: &Plan) -> Result<Self> {
        let collects = Plan { edits: Vec::new(), ..plan.clone() };
        let collects = Self::of(&collects)?.document.get("collect").cloned();
        let mut file = self.clone();
        if let Value::Table(entries) = &mut file.document.value {
            entries.retain(|(key, _)| key != "collect");
            entries.extend(collects.map(|collects| ("collect".to_owned(), collects)));
        }
        Ok(file)
    }

    /// The file of a plan whose interventions have no parameters; one with parameters is saved into
    /// a folder.
    ///
    /// # Errors
    /// Parameters, an intervention of one's own, and numbers that a program makes of distributions.
    pub fn of(plan: &Plan) -> Result<Self> {
        Self::written(plan, &mut Sink::inline())
    }

    fn written(plan: &Plan, sink: &mut Sink) -> Result<Self> {
        let document = Node::from(Value::Table(write::plan(plan, sink)?));
        if !document.is_finite() {
            return Err(PlanFileError::NotWritable {
                entry: "the plan".to_owned(),
                problem: "it holds a number that is not finite, which no run takes".to_owned(),
            });
        }
        let sections = Sections::default();
        let (source, folder) = (String::new(), PathBuf::new());
        Ok(Self {
            kind: None,
            sections,
            document,
            source,
            digests: None,
            file: None,
            folder,
            own: Own::new(),
        })
    }

    /// The text that was read, with its comments; empty where the plan was not read of a text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What the file says, as sections and their keys: `("read", Some("original"))`; of a list of tables such as
    /// `[[edit]]` the section alone. So a command can tell what it does not read.
    pub fn keys(&self) -> Vec<(&str, Option<&str>)> {
        let Value::Table(sections) = &self.document.value else { return Vec::new() };
        let mut keys = Vec::new();
        // The digests are of the files, and are looked at here.
        for (section, node) in sections.iter().filter(|(section, _)| section != saved::SHA256) {
            match &node.value {
                Value::Table(entries) => {
                    keys.extend(entries.iter().map(|(key, _)| (&**section, Some(&**key))));
                }
                Value::List(items) if !items.is_empty() => keys.push((&**section, None)),
                _ => {}
            }
        }
        keys
    }

    /// The same, in which these names are a program's own interventions: `intervention = "halfway"`. No file can describe
    /// them.
    #[must_use]
    pub fn with_own(self, own: impl IntoIterator<Item = (String, Arc<dyn Intervention>)>) -> Self {
        Self { own: own.into_iter().collect(), ..self }
    }

    /// The plan, for this model.
    ///
    /// Interventions with parameters are made anew at each call: two plans share none.
    ///
    /// # Errors
    /// Another model than the one whose `identity` the file states, where it states one; whatever
    /// of the plan cannot be, by its line; a grid that makes several plans.
    pub fn plan(&self, outline: &Outline) -> Result<Plan> {
        self.only(self.grid(outline)?)
    }

    /// The plans of the file's grid, for this model; of a file without one its only plan.
    ///
    /// # Errors
    /// As [`PlanFile::plan`].
    pub fn grid(&self, outline: &Outline) -> Result<PlanGrid> {
        self.expect_model(outline)?;
        let files = self.files().of_model(outline, false).expecting(self.tensors_digest());
        self.grid_for(outline, &files)
    }

    fn files(&self) -> Files {
        Files::beside(&self.folder).with_own(self.own.clone())
    }

    /// The only plan of a grid of this file.
    ///
    /// # Errors
    /// A grid that makes several.
    pub fn only(&self, grid: PlanGrid) -> Result<Plan> {
        let count = grid.runs.len();
        match <[GridRun; 1]>::try_from(grid.runs) {
            Ok([run]) => Ok(run.plan),
            Err(_) => {
                let item = Item::document(&self.document, self.file.clone());
                let item = item.get("grid").unwrap_or(item);
                Err(item.contradiction(format!(
                    "the plan's grid ({}) makes {count} plans, and one is wanted here: `vene run` runs them all",
                    grid.variables.join(", ")
                )))
            }
        }
    }

    /// The plan for another model than the file states, of the same shape and tokenizer where it states
    /// these.
    ///
    /// # Errors
    /// As [`PlanFile::plan`], but for the weights.
    pub fn plan_for_another_model(&self, outline: &Outline) -> Result<Plan> {
        self.only(self.grid_for_another_model(outline)?)
    }

    /// The plans of the file's grid for such a model.
    ///
    /// # Errors
    /// As [`PlanFile::plan_for_another_model`].
    pub fn grid_for_another_model(&self, outline: &Outline) -> Result<PlanGrid> {
        self.expect_alike(outline)?;
        let files = self.files().of_model(outline, true).expecting(self.tensors_digest());
        self.grid_for(outline, &files)
    }

    /// Refuses another model than the one that the file states, if it does.
    fn expect_model(&self, outline: &Outline) -> Result<()> {
        self.expect_alike(outline)?;
        let stated = self.sections.model.as_ref().and_then(|model| model.identity.as_ref());
        match stated.is_none_or(|identity| *identity == outline.identity()) {
            true => Ok(()),
            false => {
                let (place, saved, given) = self.models(outline);
                Err(PlanFileError::AnotherModel { place, saved, given })
            }
        }
    }

    /// Refuses a model of another shape or tokenizer than those that the file states, if it does.
    fn expect_alike(&self, outline: &Outline) -> Result<()> {
        let Some(stated) = &self.sections.model else { return Ok(()) };
        let differs = |stated: &Option<String>, found: &dyn Fn() -> String| {
            stated.as_ref().is_some_and(|stated| *stated != found())
        };
        let difference = if differs(&stated.shape, &|| outline.key().shape().to_owned()) {
            let shape = stated.shape.as_deref().unwrap_or_default();
            format!("is another model: {}, not {shape}", outline.key().shape())
        } else if differs(&stated.tokenizer, &|| outline.key().tokenizer().to_owned()) {
            "has another tokenizer, whose token ids mean other texts".to_owned()
        } else {
            return Ok(());
        };
        let (place, saved, given) = self.models(outline);
        Err(PlanFileError::AnotherShape {
            place,
            saved,
            difference: format!("{given} {difference}"),
        })
    }

    /// Where the file is, the model that it was made for, and the one that is given.
    fn models(&self, outline: &Outline) -> (FilePlace, String, String) {
        let place = FilePlace { file: self.file.clone(), at: At::default(), entry: Arc::default() };
        let saved = self.sections.model.as_ref().and_then(|model| model.id.clone());
        let saved = saved.unwrap_or_else(|| "a model without a name".to_owned());
        (place, saved, outline.provenance().name.clone())
    }

    fn grid_for(&self, outline: &Outline, files: &Files) -> Result<PlanGrid> {
        let document = Item::document(&self.document, self.file.clone());
        let (variables, runs) = grid::expand(&document, outline.config())?;
        let run = |run: Expanded| {
            let item = Item { node: &run.document, place: document.place.clone() };
            let plan = plan_of(&item, &run, outline, files)?;
            Ok(GridRun { values: run.values, plan })
        };
        let runs = runs.into_iter().map(run).collect::<Result<_>>()?;
        Ok(PlanGrid { variables, runs, files: files.digests()? })
    }

    /// The file of tensors that a saved plan has beside it, and the SHA-256 that it must have.
    fn tensors_digest(&self) -> Option<(PathBuf, String)> {
        let digests = self.digests.as_ref()?;
        Some((self.folder.join(saved::TENSORS), digests.interventions.clone()))
    }

    /// Refuses a file without a key.
    fn need(&self, key: &'static str, expected: &str) -> Result<()> {
        match self.document.get(key) {
            Some(_) => Ok(()),
            None => Err(self.missing(key, expected)),
        }
    }

    fn missing(&self, key: &'static str, expected: &str) -> PlanFileError {
        let place = FilePlace { file: self.file.clone(), at: At::default(), entry: Arc::default() };
        PlanFileError::MissingKey { place, key, expected: expected.to_owned() }
    }

    /// The file's text.
    pub fn text(&self, format: Format) -> String {
        let document = Node::from(Value::Table(self.entries()));
        match format {
            Format::Toml => document::to_toml(&document),
            Format::Json => document::to_json(&document),
        }
    }

    /// Its keys and values, but for the digests.
    fn entries(&self) -> Vec<(String, Node)> {
        let sections = self.sections.write();
        let rest = match &self.document.value {
            Value::Table(entries) => entries.clone(),
            _ => Vec::new(),
        };
        let rest = rest
            .into_iter()
            .filter(|(key, _)| matches!(key.as_str(), "grid" | "edit" | "collect" | "read"));
        let version = [("version".to_owned(), VERSION.into())];
        let kind = self.kind.map(|kind| ("kind".to_owned(), kind.name().into()));
        version.into_iter().chain(kind).chain(sections).chain(rest).collect()
    }
}

/// The plan of a document whose placeholders and lists of layers were put in place.
fn plan_of(
    document: &Item<'_>,
    expanded: &Expanded,
    outline: &Outline,
    files: &Files,
) -> Result<Plan> {
    let config = outline.config();
    let mut plan = Plan::new();
    let mut reader = edit::Reader::new(outline, files);
    let numbered = |name: &str, numbers: &[usize]| -> Result<Vec<Item<'_>>> {
        let Some(list) = document.node.get(name) else { return Ok(Vec::new()) };
        let Value::List(items) = &list.value else {
            return document.get(name).map_or(Ok(Vec::new()), |item| item.tables(name));
        };
        let item = |(node, number): (_, &usize)| document.numbered(node, name, *number);
        Ok(items.iter().zip(numbers).map(item).collect())
    };
    let edits = numbered("edit", &expanded.edits)?;
    if let Some(item) = edits.get(MOST_EDITS) {
        return Err(item.contradiction(format!(
            "a plan may have {MOST_EDITS} edits, and there are {}: split it",
            edits.len()
        )));
    }
    for (index, item) in edits.iter().enumerate() {
        plan = plan.edit(reader.edit(index, item)?);
    }
    for item in numbered("collect", &expanded.collects)? {
        let table = item.table("a table", &["component", "layer", "positions"])?;
        let component = table.need("component", "what is collected")?;
        let name = component.text("the name of a component")?;
        let refused = |error: PlanError| edit::plan_error(&component, error);
        let named = alias::resolve(name, config).map_err(|error| refused(error.into()))?;
        let layer = named.layer.or(table.read("layer", Item::count)?);
        Site::new(named.component, layer, config).map_err(|error| refused(error.into()))?;
        let positions = table.read("positions", positions::read)?.unwrap_or(Positions::Last);
        plan = plan.collect(named.component, layer, positions);
    }
    if let Some(item) = document.get("read") {
        plan = read::read(&item, plan, outline)?;
    }
    Ok(plan)
}
