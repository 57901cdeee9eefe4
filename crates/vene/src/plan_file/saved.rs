//! Plans that are kept with what their interventions learned: a folder with `plan.json` and
//! `interventions.safetensors`.
//!
//! Parameters are learned on one model and mean nothing on another. So the plan states which, and is
//! refused for others unless one says otherwise.

use std::io::Write;
use std::path::Path;

use candle_core::Tensor;
use vene_model::Outline;

use super::error::PlanFileError;
use super::files::Files;
use super::sections::ModelSection;
use super::write::Sink;
use super::{Format, PlanFile, Sections};
use crate::plan::Plan;

type Result<T> = std::result::Result<T, PlanFileError>;

/// The plan.
const PLAN: &str = "plan.json";

/// Parameters and given values.
pub(super) const TENSORS: &str = "interventions.safetensors";

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
    file.sections.model = Some(ModelSection {
        id: Some(outline.provenance().name.clone()),
        identity: Some(outline.identity()),
        shape: Some(outline.key().shape().to_owned()),
        tokenizer: Some(outline.key().tokenizer().to_owned()),
    });
    let failed = |source| PlanFileError::File { path: folder.to_owned(), source };
    vene_files::write_folder(folder, &[PLAN, TENSORS], |staging| {
        write(&staging.join(PLAN), file.text(Format::Json).as_bytes())?;
        let tensors: Vec<(&str, &Tensor)> =
            sink.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let bytes = safetensors::serialize(tensors, None).map_err(std::io::Error::other)?;
        write(&staging.join(TENSORS), &bytes)
    })
    .map_err(failed)
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Loads a plan that was saved for this model.
///
/// # Errors
/// Another model; files that are missing, damaged, or of a later version; parameters that are missing,
/// of another shape than the plan and the model say, or no numbers.
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
        match model.and_then(|model| model.identity.as_ref()) {
            Some(_) => Ok(Self { file }),
            None => Err(file.missing("model", "the model's `identity`, as saving states it")),
        }
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
        self.file.expect_model(outline)?;
        self.plan_for_another_model(outline)
    }

    /// The plan, for another model of the same shape and tokenizer: for a copy in another format, a
    /// fine-tuned one, or a quantised one, if one knows that its parameters still mean something there.
    ///
    /// # Errors
    /// As [`load`], but for the weights.
    pub fn plan_for_another_model(&self, outline: &Outline) -> Result<Plan> {
        self.file.expect_alike(outline)?;
        self.file.plan_for(outline.config(), &Files::only(&self.file.folder, TENSORS))
    }
}
