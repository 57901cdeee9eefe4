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
//! use vene::{Example, Model, Reference};
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
//! let outcome = Reference::new(&model).run(&plan)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod budget;
mod dimensions;
mod document;
mod edit;
mod error;
pub(crate) mod files;
mod heads;
mod link;
pub(crate) mod making;
mod positions;
pub(crate) mod pyvene;
mod read;
mod saved;
mod sections;
mod source;
mod table;
mod when;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vene_model::{Outline, Site, alias};

use crate::error::PlanError;
use crate::plan::{Plan, Positions};
use budget::MOST_EDITS;
pub use document::Format;
use document::{Node, Value};
pub(crate) use error::listed;
pub use error::{Place, PlanFileError};
use files::Files;
pub use pyvene::{Nested, PyveneCall, PyveneSaved};
use saved::Digests;
pub use saved::{SAVED_FILES, Saved, load, save, save_with};
pub use sections::{
    DataSection, GenerateSection, LossName, ModelSection, ScheduleName, TrainSection,
};
use table::Item;
use write::Sink;

type Result<T> = std::result::Result<T, PlanFileError>;

/// The text of a file that may have so many bytes.
fn text_of(path: &Path, most: u64) -> Result<String> {
    let failed = |source| PlanFileError::File { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > most {
        return Err(PlanFileError::TooLarge { path: path.to_owned(), bytes, most });
    }
    crate::opened::read_text(path, most).map_err(failed)
}

/// No plan is larger; what is, holds values that belong into a file of tensors.
const LARGEST: u64 = 8 << 20;

/// The version of the format that is written; earlier ones are read.
const VERSION: usize = 1;

/// What a plan is for: the sections of its file other than the plan itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sections {
    /// `[model]`.
    pub model: Option<ModelSection>,
    /// `[data]`.
    pub data: Option<DataSection>,
    /// `[train]`.
    pub train: Option<TrainSection>,
    /// `[generate]`.
    pub generate: Option<GenerateSection>,
}

/// What a plan's file says.
#[derive(Clone, Debug)]
pub struct PlanFile {
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
}

impl PlanFile {
    /// Reads a `.toml` or `.json` file. Files that it names are looked up beside it.
    ///
    /// # Errors
    /// A file that cannot be read, that is neither, and keys or values that are not understood.
    pub fn read(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        let format = match extension.to_ascii_lowercase().as_str() {
            "toml" => Format::Toml,
            "json" => Format::Json,
            _ => return Err(PlanFileError::Extension { path: path.to_owned() }),
        };
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
            place: Place {
                file: file.map(Arc::from),
                line: Some(error.line),
                entry: Arc::default(),
            },
            message: error.message,
        })?;
        let item = Item::document(&document, file.map(Arc::from));
        let known =
            ["version", "model", "data", "train", "generate", "edit", "collect", "read", "sha256"];
        let table = item.table("a table of sections", &known)?;
        if let Some(version) = table.get("version")
            && !(1..=VERSION).contains(&version.count()?)
        {
            let known = format!("{VERSION}, the version of the format that this program knows");
            return Err(version.expected(known));
        }
        Ok(Self {
            sections: Sections {
                model: table.read("model", ModelSection::read)?,
                data: table.read("data", DataSection::read)?,
                train: table.read("train", TrainSection::read)?,
                generate: table.read("generate", GenerateSection::read)?,
            },
            digests: table.read("sha256", Digests::read)?,
            file: file.map(Arc::from),
            folder: folder.to_owned(),
            source: text.to_owned(),
            document,
        })
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
        let document = Node { line: None, value: Value::Table(write::plan(plan, sink)?) };
        if !document.is_finite() {
            return Err(PlanFileError::NotWritable {
                entry: "the plan".to_owned(),
                problem: "it holds a number that is not finite, which no run takes".to_owned(),
            });
        }
        let sections = Sections::default();
        let (source, folder) = (String::new(), PathBuf::new());
        Ok(Self { sections, document, source, digests: None, file: None, folder })
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

    /// The plan, for this model.
    ///
    /// Interventions with parameters are made anew at each call: two plans share none.
    ///
    /// # Errors
    /// Another model than the one whose `identity` the file states, where it states one; and whatever
    /// of the plan cannot be, by its line.
    pub fn plan(&self, outline: &Outline) -> Result<Plan> {
        self.expect_model(outline)?;
        let files =
            Files::beside(&self.folder).of_model(outline, false).expecting(self.tensors_digest());
        self.plan_for(outline, &files)
    }

    /// The plan for another model than the file states, of the same shape and tokenizer where it states
    /// these.
    ///
    /// # Errors
    /// As [`PlanFile::plan`], but for the weights.
    pub fn plan_for_another_model(&self, outline: &Outline) -> Result<Plan> {
        self.expect_alike(outline)?;
        let files =
            Files::beside(&self.folder).of_model(outline, true).expecting(self.tensors_digest());
        self.plan_for(outline, &files)
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
    fn models(&self, outline: &Outline) -> (Place, String, String) {
        let place = Place { file: self.file.clone(), line: None, entry: Arc::default() };
        let saved = self.sections.model.as_ref().and_then(|model| model.id.clone());
        let saved = saved.unwrap_or_else(|| "a model without a name".to_owned());
        (place, saved, outline.provenance().name.clone())
    }

    fn plan_for(&self, outline: &Outline, files: &Files) -> Result<Plan> {
        let config = outline.config();
        let document = Item::document(&self.document, self.file.clone());
        let mut plan = Plan::new();
        let mut reader = edit::Reader::new(outline, files);
        let edits = document.get("edit").map(|item| item.tables("edit")).transpose()?;
        let edits = edits.unwrap_or_default();
        if let Some(item) = edits.get(MOST_EDITS) {
            return Err(item.contradiction(format!(
                "a plan may have {MOST_EDITS} edits, and there are {}: split it",
                edits.len()
            )));
        }
        for (index, item) in edits.iter().enumerate() {
            plan = plan.edit(reader.edit(index, item)?);
        }
        let collects = document.get("collect").map(|item| item.tables("collect")).transpose()?;
        for item in collects.unwrap_or_default() {
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
            plan = read::read(&item, plan)?;
        }
        Ok(plan)
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
        let place = Place { file: self.file.clone(), line: None, entry: Arc::default() };
        PlanFileError::MissingKey { place, key, expected: expected.to_owned() }
    }

    /// The file's text.
    pub fn text(&self, format: Format) -> String {
        let document = Node { line: None, value: Value::Table(self.entries()) };
        match format {
            Format::Toml => document::to_toml(&document),
            Format::Json => document::to_json(&document),
        }
    }

    /// Its keys and values, but for the digests.
    fn entries(&self) -> Vec<(String, Node)> {
        let Sections { model, data, train, generate } = &self.sections;
        let sections = [
            ("model", model.as_ref().map(ModelSection::write)),
            ("data", data.as_ref().map(DataSection::write)),
            ("train", train.as_ref().map(TrainSection::write)),
            ("generate", generate.as_ref().map(GenerateSection::write)),
        ];
        let sections =
            sections.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        let rest = match &self.document.value {
            Value::Table(entries) => entries.clone(),
            _ => Vec::new(),
        };
        let rest =
            rest.into_iter().filter(|(key, _)| matches!(key.as_str(), "edit" | "collect" | "read"));
        let version = [("version".to_owned(), VERSION.into())];
        version.into_iter().chain(sections).chain(rest).collect()
    }
}
