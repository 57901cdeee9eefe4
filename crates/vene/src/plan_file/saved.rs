//! Plans that are kept with what their interventions learned: a folder with `plan.json` and
//! `interventions.safetensors`.
//!
//! Parameters are learned on one model and mean nothing on another. So the plan states which, and is
//! refused for others unless one says otherwise. It also states the SHA-256 of both files, so that a bit that flipped
//! gives an error and no other numbers.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use candle_core::Tensor;
use serde_json::json;
use vene_engine::plan::Plan;
use vene_intervention::state;
use vene_model::Outline;

use super::document::{self, Node, Value, table};
use super::error::PlanFileError;
use super::files::Files;
use super::grid::PlanGrid;
use super::sections::ModelSection;
use super::table::Item;
use super::write::Sink;
use super::{Format, PlanFile, Sections};

type Result<T> = std::result::Result<T, PlanFileError>;

/// The plan.
const PLAN: &str = "plan.json";

/// Parameters and given values.
pub(super) const TENSORS: &str = "interventions.safetensors";

/// The names of the files in a saved plan's folder.
pub const SAVED_FILES: [&str; 2] = [PLAN, TENSORS];

/// The key of the digests in the plan's file.
pub(super) const SHA256: &str = "sha256";

/// The keys there: of the plan, and of the tensors.
const OF_PLAN: &str = "plan";
const OF_TENSORS: &str = "interventions";

/// What the two files of a saved plan were, each by its SHA-256.
#[derive(Clone, Debug)]
pub(super) struct Digests {
    /// Of the plan's text as it is written in JSON, without the digests themselves.
    plan: String,
    /// Of the file of tensors.
    pub interventions: String,
}

impl Digests {
    pub fn read(item: &Item<'_>) -> Result<Self> {
        const EXPECTED: &str = "64 hexadecimal digits";
        let table = item.table("a table", &[OF_PLAN, OF_TENSORS])?;
        let digest =
            |key| -> Result<String> { Ok(table.need(key, EXPECTED)?.text(EXPECTED)?.to_owned()) };
        Ok(Self { plan: digest(OF_PLAN)?, interventions: digest(OF_TENSORS)? })
    }

    fn write(&self) -> Node {
        table([
            (OF_PLAN, self.plan.as_str().into()),
            (OF_TENSORS, self.interventions.as_str().into()),
        ])
    }
}

/// Keeps a plan, its interventions' parameters and its given values in a folder, whole or not at all.
/// A folder in which a plan was kept before is replaced.
///
/// # Errors
/// A folder that cannot be written or holds other files; an intervention of one's own, and numbers
/// that a program makes of distributions, which no file can describe; parameters that are shared in
/// part.
pub fn save(folder: &Path, plan: &Plan, outline: &Outline) -> Result<()> {
    save_with(folder, plan, outline, &Sections::default())
}

/// The same with sections that say what the plan is for; `model` is stated anyway.
///
/// # Errors
/// As [`save`].
pub fn save_with(folder: &Path, plan: &Plan, outline: &Outline, sections: &Sections) -> Result<()> {
    let mut sink = Sink::into(TENSORS);
    let mut file = PlanFile::written(plan, &mut sink)?;
    file.sections = sections.clone();
    let model = ModelSection {
        id: Some(outline.provenance().name.clone()),
        identity: Some(outline.identity()),
        shape: Some(outline.key().shape().to_owned()),
        tokenizer: Some(outline.key().tokenizer().to_owned()),
        ..sections.model.clone().unwrap_or_default()
    };
    let notes = HashMap::from([(state::NOTES.to_owned(), notes(&model))]);
    file.sections.model = Some(model);
    let failed = |source| PlanFileError::File { path: folder.to_owned(), source };
    let tensors: Vec<(&str, &Tensor)> =
        sink.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let bytes = safetensors::serialize(tensors, Some(notes))
        .map_err(std::io::Error::other)
        .map_err(failed)?;
    let digests = Digests {
        plan: vene_files::sha256(file.text(Format::Json)),
        interventions: vene_files::sha256(&bytes),
    };
    let mut entries = file.entries();
    entries.push((SHA256.to_owned(), digests.write()));
    let text = document::to_json(&Value::Table(entries).into());
    vene_files::write_folder(folder, &SAVED_FILES, |staging| {
        write(&staging.join(PLAN), text.as_bytes())?;
        write(&staging.join(TENSORS), &bytes)
    })
    .map_err(failed)
}

/// What the file of tensors says of the model that they are of, where another plan reads it by its name.
fn notes(model: &ModelSection) -> String {
    let ModelSection { id, identity, shape, tokenizer, .. } = model;
    let model = json!({ "name": id, "identity": identity, "shape": shape, "tokenizer": tokenizer });
    json!({ "model": model }).to_string()
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Loads a plan that was saved for this model.
///
/// # Errors
/// Another model; files that are missing, of a later version, or not as they were saved; parameters that are missing,
/// of another shape than the plan and the model say, or NaN.
pub fn load(folder: &Path, outline: &Outline) -> Result<Plan> {
    Saved::open(folder)?.plan(outline)
}

/// A saved plan, opened.
#[derive(Clone, Debug)]
pub struct Saved {
    file: PlanFile,
}

impl Saved {
    /// Reads what a folder's `plan.json` says; its parameters are read with the plan.
    ///
    /// # Errors
    /// As [`load`], but for the model.
    pub fn open(folder: &Path) -> Result<Self> {
        let file = PlanFile::read(&folder.join(PLAN))?;
        file.need("version", "the version of the format")?;
        let model = file.sections.model.as_ref();
        if model.and_then(|model| model.identity.as_ref()).is_none() {
            return Err(file.missing("model", "the model's `identity`, as saving states it"));
        }
        let Some(digests) = &file.digests else {
            return Err(file.missing(SHA256, "the digests of both files, as saving states them"));
        };
        if vene_files::sha256(file.text(Format::Json)) != digests.plan {
            return Err(PlanFileError::NotAsSaved { path: folder.join(PLAN) });
        }
        Ok(Self { file })
    }

    /// What the plan is for.
    pub fn sections(&self) -> &Sections {
        &self.file.sections
    }

    /// The plan's file.
    pub fn file(&self) -> &PlanFile {
        &self.file
    }

    /// Whether this is the model that the plan was saved for ([`Outline::identity`]).
    pub fn is_for(&self, outline: &Outline) -> bool {
        self.file.expect_model(outline).is_ok()
    }

    /// The plan, for the model that it was saved for.
    ///
    /// # Errors
    /// As [`load`].
    pub fn plan(&self, outline: &Outline) -> Result<Plan> {
        self.file.only(self.grid(outline)?)
    }

    /// The same as a grid of one run, with the files that were read.
    ///
    /// # Errors
    /// As [`load`].
    pub fn grid(&self, outline: &Outline) -> Result<PlanGrid> {
        self.file.expect_model(outline)?;
        self.grid_for_another_model(outline)
    }

    /// The plan, for another model of the same shape and tokenizer: for a copy in another format, a
    /// fine-tuned one, or a quantised one, if one knows that its parameters still mean something there.
    ///
    /// # Errors
    /// As [`load`], but for the weights.
    pub fn plan_for_another_model(&self, outline: &Outline) -> Result<Plan> {
        self.file.only(self.grid_for_another_model(outline)?)
    }

    /// The same as a grid of one run, with the files that were read.
    ///
    /// # Errors
    /// As [`load`], but for the weights.
    pub fn grid_for_another_model(&self, outline: &Outline) -> Result<PlanGrid> {
        self.file.expect_alike(outline)?;
        let files = Files::only(&self.file.folder, TENSORS).expecting(self.file.tensors_digest());
        self.file.grid_for(outline, &files)
    }
}
