//! The files that a plan's file speaks of: tensors and autoencoders beside it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use candle_core::DType;
use serde_json::Value;
use vene_intervention::parameter::finite;
use vene_intervention::state::{self, Tensors};
use vene_intervention::{Intervention, ParameterError};
use vene_model::{ModelKey, Outline};

use super::Own;
use super::error::PlanFileError;
use super::table::Item;

type Values = Arc<Vec<f64>>;

/// Files by the names that a plan calls them, each read once.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
    /// The one file that may be read.
    only: Option<&'static str>,
    /// The model that the plan is for, and whether what was read of another one of its shape will do.
    model: Option<(ModelKey, bool)>,
    /// A file, and the SHA-256 that it must have.
    expected: Option<(PathBuf, String)>,
    read: RefCell<BTreeMap<PathBuf, Rc<Tensors>>>,
    /// What the plan calls each file that it names, and where it is.
    named: RefCell<BTreeMap<String, PathBuf>>,
    /// Interventions that are in no file, by name.
    own: Own,
    /// Values of tensors, by file and name.
    values: RefCell<BTreeMap<(PathBuf, String), Values>>,
}

impl Files {
    /// Names are taken from this folder on.
    pub fn beside(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            only: None,
            model: None,
            expected: None,
            read: RefCell::default(),
            named: RefCell::default(),
            own: Own::new(),
            values: RefCell::default(),
        }
    }

    /// With interventions that are in no file.
    pub fn with_own(self, own: Own) -> Self {
        Self { own, ..self }
    }

    /// A program's own intervention of this name.
    pub fn own(&self, name: &str) -> Option<&Arc<dyn Intervention>> {
        self.own.get(name)
    }

    /// Only this file in the folder, whatever the plan asks for: what was saved is whole in itself, and a
    /// plan from elsewhere has no business in other folders.
    pub fn only(folder: &Path, name: &'static str) -> Self {
        Self { only: Some(name), ..Self::beside(folder) }
    }

    /// For a plan of this model: a file that says of which model its values or parameters are must be of this
    /// one, or of one of its shape and tokenizer.
    pub fn of_model(self, outline: &Outline, alike_will_do: bool) -> Self {
        Self { model: Some((outline.key().clone(), alike_will_do)), ..self }
    }

    fn refuse_another_model(&self, item: &Item<'_>, stated: &Value) -> Result<(), PlanFileError> {
        let Some((model, alike_will_do)) = &self.model else { return Ok(()) };
        let text = |key: &str| stated.get(key).and_then(Value::as_str);
        let name = text("name").unwrap_or("another model");
        let problem = if text("shape").is_some_and(|shape| shape != model.shape()) {
            format!(
                "its values are of {name}, {}, not {}",
                text("shape").unwrap_or(""),
                model.shape()
            )
        } else if text("tokenizer").is_some_and(|own| own != model.tokenizer()) {
            format!("its values are of {name}, which has another tokenizer than {}", model.name())
        } else if text("identity").is_some_and(|own| own != model.weights()) && !alike_will_do {
            let (place, saved, given) =
                (item.place.clone(), name.to_owned(), model.name().to_owned());
            return Err(PlanFileError::ValuesOfAnotherModel { place, saved, given });
        } else {
            return Ok(());
        };
        Err(item.contradiction(problem))
    }

    /// The same files, one of which must have a certain SHA-256.
    pub fn expecting(self, expected: Option<(PathBuf, String)>) -> Self {
        Self { expected, ..self }
    }

    /// Where a name in the plan leads.
    pub fn path(&self, item: &Item<'_>) -> Result<PathBuf, PlanFileError> {
        let name = item.text("the path of a file")?;
        match self.only {
            Some(only) if only != name => {
                Err(item.expected(format!("{only}: a saved plan reads no other file")))
            }
            _ => {
                let path = self.folder.join(name);
                self.named.borrow_mut().insert(name.to_owned(), path.clone());
                Ok(path)
            }
        }
    }

    /// The SHA-256 of each file that was named, by its name; of a folder those of its files.
    pub fn digests(&self) -> Result<BTreeMap<String, String>, PlanFileError> {
        let mut digests = BTreeMap::new();
        for (name, path) in self.named.borrow().iter() {
            digest(name, path, &mut digests)
                .map_err(|error| PlanFileError::File { path: path.clone(), source: error })?;
        }
        Ok(digests)
    }

    /// The tensors of a safetensors file.
    pub fn tensors(&self, item: &Item<'_>) -> Result<(PathBuf, Rc<Tensors>), PlanFileError> {
        let path = self.path(item)?;
        // One file has many names.
        let key = std::fs::canonicalize(&path).unwrap_or(path.clone());
        let known = self.read.borrow().get(&key).cloned();
        let tensors = match known {
            Some(tensors) => tensors,
            None => {
                let expected = self.expected.as_ref().filter(|(expected, _)| *expected == path);
                let digest = expected.map(|(_, digest)| digest.as_str());
                let read = state::read_with_model(&path, digest);
                let (tensors, model) = read.map_err(|error| parameters(item, error))?;
                model.map_or(Ok(()), |model| self.refuse_another_model(item, &model))?;
                let tensors = Rc::new(tensors);
                self.read.borrow_mut().insert(key, tensors.clone());
                tensors
            }
        };
        Ok((path, tensors))
    }

    /// Values, row by row: `[0.5, 1.0]`, `[[0.5, 1.0], [2.0, 3.0]]`, or
    /// `{ file = "vectors.safetensors", tensor = "name" }`.
    pub fn values(&self, item: &Item<'_>) -> Result<Values, PlanFileError> {
        const EXPECTED: &str = "a list of numbers, a list of rows of numbers, or { file = \
                                \"vectors.safetensors\", tensor = \"name\" }";
        if !item.is_table() {
            let items = item.list(EXPECTED)?;
            let rows = items.iter().all(|row| row.list("").is_ok());
            return match rows && !items.is_empty() {
                false => items.iter().map(Item::number).collect::<Result<_, _>>().map(Arc::new),
                true => {
                    let rows = items
                        .iter()
                        .map(|row| row.list(EXPECTED)?.iter().map(Item::number).collect())
                        .collect::<Result<Vec<Vec<f64>>, _>>()?;
                    match rows.iter().find(|row| row.len() != rows[0].len()) {
                        None => Ok(Arc::new(rows.concat())),
                        Some(row) => Err(item.contradiction(format!(
                            "a row of {} numbers and one of {}; give rows of one length",
                            rows[0].len(),
                            row.len()
                        ))),
                    }
                }
            };
        }
        let table = item.table(EXPECTED, &["file", "tensor"])?;
        let file = table.need("file", "the path of a .safetensors file")?;
        let name_item = table.need("tensor", "the name of a tensor in the file")?;
        let name = name_item.text("the name of a tensor")?;
        let (path, tensors) = self.tensors(&file)?;
        let key = (path.clone(), name.to_owned());
        if let Some(values) = self.values.borrow().get(&key) {
            return Ok(values.clone());
        }
        let found = tensors.get(&path, name).map_err(|error| parameters(item, error))?;
        let tensor = found.ok_or_else(|| {
            let known: Vec<&str> = tensors.names().map(String::as_str).collect();
            name_item.unknown("tensor", name, &known)
        })?;
        finite(name, tensor).map_err(|error| parameters(item, error))?;
        let values = tensor.to_dtype(DType::F64).and_then(|tensor| tensor.flatten_all()?.to_vec1());
        let values = values.map_err(|error| {
            let reason = format!("`{name}`: {error}");
            parameters(item, ParameterError::File { path, reason })
        })?;
        let values = Arc::new(values);
        self.values.borrow_mut().insert(key, values.clone());
        Ok(values)
    }
}

fn digest(name: &str, path: &Path, digests: &mut BTreeMap<String, String>) -> io::Result<()> {
    if !path.is_dir() {
        digests.insert(name.to_owned(), vene_files::sha256_of(&mut vene_files::open(path)?)?);
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            digest(&name, &entry.path(), digests)?;
        }
    }
    Ok(())
}

/// An error of parameters, in its place.
pub(crate) fn parameters(item: &Item<'_>, error: ParameterError) -> PlanFileError {
    PlanFileError::Parameters { place: item.place.clone(), error: Box::new(error) }
}
