//! Parameters that were learned elsewhere: `parameters = "das.safetensors"`, or
//! `{ file = "interventions.safetensors", prefix = "country." }`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{DType, Tensor};
use vene_intervention::ParameterError;
use vene_intervention::state::{listed, not_floats};

use super::{Making, Result};
use crate::plan_file::budget::Budget;
use crate::plan_file::error::PlanFileError;
use crate::plan_file::files::parameters;
use crate::plan_file::table::Item;

/// The tensors of one intervention, by its parameters' names.
pub(crate) struct Stored<'a> {
    budget: &'a Budget,
    item: Item<'a>,
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

impl<'a> Stored<'a> {
    /// Reads what an intervention's `parameters` say.
    pub fn read(item: Item<'a>, making: &Making<'a>) -> Result<Self> {
        const EXPECTED: &str =
            "the path of a .safetensors file, or { file = \"...\", prefix = \"...\" }";
        let (file, prefix) = match item.is_table() {
            false => (item.clone(), ""),
            true => {
                let table = item.table(EXPECTED, &["file", "prefix"])?;
                let prefix =
                    table.read("prefix", |item| item.text("what the tensors' names begin with"))?;
                (table.need("file", "the path of a .safetensors file")?, prefix.unwrap_or(""))
            }
        };
        file.text(EXPECTED)?;
        let (path, all) = making.files.tensors(&file)?;
        let own = |(name, tensor): (&String, &Tensor)| {
            Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone()))
        };
        // They stand together, as names are sorted.
        let tensors: BTreeMap<_, _> =
            all.floats.range(prefix.to_owned()..).map_while(own).collect();
        let other = all.others.range(prefix.to_owned()..).next();
        if let Some((name, holds)) = other.filter(|(name, _)| name.starts_with(prefix)) {
            return Err(parameters(&item, not_floats(&path, name, holds)));
        }
        if tensors.is_empty() {
            let reason = format!(
                "there is no tensor whose name begins with `{prefix}`; there are {}",
                listed(all.names())
            );
            return Err(parameters(&item, ParameterError::File { path, reason }));
        }
        Ok(Self { budget: making.budget, item, path, tensors })
    }

    /// A parameter.
    pub fn take(&mut self, intervention: &'static str, name: &str) -> Result<Tensor> {
        let tensor = self.tensors.remove(name).ok_or_else(|| {
            let error = ParameterError::Missing {
                path: self.path.clone(),
                intervention,
                name: name.to_owned(),
                found: listed(self.tensors.keys()),
            };
            parameters(&self.item, error)
        })?;
        self.budget.parameters(&self.item, tensor.dims())?;
        Ok(tensor)
    }

    /// A parameter that need not be there.
    pub fn take_optional(&mut self, name: &str) -> Option<Tensor> {
        self.tensors.remove(name)
    }

    /// A list of numbers.
    pub fn numbers(&mut self, intervention: &'static str, name: &str) -> Result<Vec<f64>> {
        let tensor = self.take(intervention, name)?;
        let numbers =
            tensor.to_dtype(DType::F64).and_then(|tensor| tensor.flatten_all()?.to_vec1());
        numbers.map_err(|error| parameters(&self.item, error.into()))
    }

    /// A single number.
    pub fn number(&mut self, intervention: &'static str, name: &str) -> Result<f64> {
        match self.numbers(intervention, name)?.as_slice() {
            &[number] => Ok(number),
            numbers => {
                let error = ParameterError::Shape {
                    name: name.to_owned(),
                    found: vec![numbers.len()],
                    expected: "one number".to_owned(),
                };
                Err(parameters(&self.item, error))
            }
        }
    }

    /// The error that something else says already what the parameters are.
    pub fn instead_of(&self, key: &str) -> PlanFileError {
        self.item.contradiction(format!("give `{key}` or `parameters`, not both"))
    }

    /// Refuses what nobody took.
    pub fn finish(self, intervention: &'static str) -> Result<()> {
        match self.tensors.keys().next() {
            None => Ok(()),
            Some(name) => {
                let error = ParameterError::Unknown {
                    path: self.path,
                    intervention,
                    name: name.clone(),
                    expected: "taken all that it needs".to_owned(),
                };
                Err(parameters(&self.item, error))
            }
        }
    }
}
