//! Parameters in files: safetensors, each tensor under its parameter's name.
//!
//! Where pyvene or pyreft has the same parameter, it has the same name and orientation here:
//!
//! | here | pyvene's or pyreft's state |
//! | --- | --- |
//! | `rotate_layer.weight` `[width, rank]` | the *value* of that name; its `state_dict` holds `rotate_layer.parametrizations.weight.original` and `.0.base`, of which PyTorch computes it. pyreft's LoReFT saves it as `rotate_layer` |
//! | `intervention_boundaries`, `masks`, `mask`, `temperature`, `source_representation`, `pca_components`, `pca_mean`, `pca_std` | the same |
//! | `learned_source.weight`, `learned_source.bias`, `proj_layer.weight`, `proj_layer.bias`, `learned_source` | the same; pyreft's LoReFT drops `learned_source.` before `weight` and `bias` |
//! | `autoencoder.encoder.0.weight`, `.bias`, `autoencoder.decoder.0.weight`, `.bias` | the same |
//! | `W_enc`, `W_dec`, `b_enc`, `b_dec`, `threshold` | the same, also in SAELens and Gemma Scope |

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use candle_core::safetensors::Load;
use candle_core::{Device, Tensor};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use vene_model::safetensors_problem;
use vene_named::shown;

use super::{Constraint, Intervention, ParameterError, orthogonal, parameter};

/// The formats that parameters are read in. Smaller ones are not converted by the library that reads them.
const FLOATS: [Dtype; 4] = [Dtype::F16, Dtype::BF16, Dtype::F32, Dtype::F64];

/// The entry of a file's metadata in which it says, as JSON, of which model its tensors are.
pub const NOTES: &str = "vene";

/// Writes an intervention's parameters, whole or not at all.
///
/// # Errors
/// A file that cannot be written.
pub fn save(intervention: &dyn Intervention, path: &Path) -> Result<(), ParameterError> {
    let parameters = intervention.parameters();
    // Sorted by name, so that equal values make equal files.
    let tensors: BTreeMap<&str, &Tensor> = parameters
        .iter()
        .map(|parameter| (parameter.name.as_str(), parameter.variable.as_tensor()))
        .collect();
    let metadata = [("intervention".to_owned(), intervention.name().to_owned())];
    let bytes = safetensors::serialize(tensors, Some(metadata.into_iter().collect()))
        .map_err(|error| ParameterError::file(path, error))?;
    vene_files::write_atomically(path, |file| file.write_all(&bytes))
        .map_err(|error| ParameterError::file(path, error))
}

/// Sets an intervention's parameters to those of a file, in the precision that they have here.
/// Either all are set or none.
///
/// # Errors
/// A file that is no safetensors file, that lacks a parameter or has a tensor that is none; another
/// shape; values that are no numbers; a rotation that is none.
pub fn load(intervention: &dyn Intervention, path: &Path) -> Result<(), ParameterError> {
    let Tensors { mut floats, others } = read(path)?;
    let parameters = intervention.parameters();
    let mut new = Vec::with_capacity(parameters.len());
    for parameter in &parameters {
        let name = &parameter.name;
        if let Some(holds) = others.get(name) {
            return Err(not_floats(path, name, holds));
        }
        let tensor = floats.remove(name).ok_or_else(|| ParameterError::Missing {
            path: path.to_owned(),
            intervention: intervention.name(),
            name: name.clone(),
            found: listed(floats.keys().chain(others.keys())),
        })?;
        if tensor.dims() != parameter.variable.dims() {
            return Err(ParameterError::Shape {
                name: name.clone(),
                found: tensor.dims().to_vec(),
                expected: format!("{:?}", parameter.variable.dims()),
            });
        }
        parameter::finite(name, &tensor)?;
        if parameter.constraint == Constraint::Orthogonal {
            let drift = orthogonal::drift(&tensor)?;
            if drift > super::rotation::LARGEST_DRIFT {
                return Err(ParameterError::NotOrthogonal { name: name.clone(), drift });
            }
        }
        new.push(parameter::cast(&tensor, &parameter.variable)?);
    }
    if let Some(name) = floats.keys().chain(others.keys()).next() {
        return Err(ParameterError::Unknown {
            path: path.to_owned(),
            intervention: intervention.name(),
            name: name.clone(),
            expected: listed(parameters.iter().map(|parameter| &parameter.name)),
        });
    }
    for (parameter, tensor) in parameters.iter().zip(new) {
        parameter.variable.set(&tensor)?;
    }
    Ok(())
}

/// The tensors of a safetensors file, by name.
#[derive(Debug, Default)]
pub struct Tensors {
    /// Those of floats.
    pub floats: BTreeMap<String, Tensor>,
    /// What those hold that are no floats, and whose values are not read: nobody may ask for them.
    pub others: BTreeMap<String, String>,
}

impl Tensors {
    /// The tensor of this name, if there is one.
    ///
    /// # Errors
    /// One that holds no floats.
    pub fn get(&self, path: &Path, name: &str) -> Result<Option<&Tensor>, ParameterError> {
        match self.others.get(name) {
            None => Ok(self.floats.get(name)),
            Some(holds) => Err(not_floats(path, name, holds)),
        }
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.floats.keys().chain(self.others.keys())
    }

    /// The tensors of a file in which nothing but floats is expected.
    ///
    /// # Errors
    /// The first that holds something else.
    pub fn only_floats(self, path: &Path) -> Result<BTreeMap<String, Tensor>, ParameterError> {
        match self.others.first_key_value() {
            None => Ok(self.floats),
            Some((name, holds)) => Err(not_floats(path, name, holds)),
        }
    }
}

/// The error that a tensor that is needed holds no floats.
pub fn not_floats(path: &Path, name: &str, holds: &str) -> ParameterError {
    let name = shown(name);
    let reason = format!("`{name}` holds {holds}; expected floats (F16, BF16, F32 or F64)");
    ParameterError::file(path, reason)
}

/// The tensors of a safetensors file by name; the `safetensors` crate checks its header against its
/// length.
pub(crate) fn read(path: &Path) -> Result<Tensors, ParameterError> {
    Ok(read_with_model(path, None)?.0)
}

/// The same, and what the file says of the model that its tensors are of, if it does, as what `vene collect`
/// and saved plans write. The file must have this SHA-256, where one is given.
pub fn read_with_model(
    path: &Path,
    sha256: Option<&str>,
) -> Result<(Tensors, Option<Value>), ParameterError> {
    let bytes =
        vene_files::read(path, u64::MAX).map_err(|error| ParameterError::file(path, error))?;
    if sha256.is_some_and(|expected| vene_files::sha256(&bytes) != expected) {
        let problem = "it is not as it was saved: its SHA-256 is another one than the plan says";
        return Err(ParameterError::file(path, problem));
    }
    let header = SafeTensors::read_metadata(&bytes).ok();
    let notes = header.and_then(|(_, header)| header.metadata().as_ref()?.get(NOTES).cloned());
    let notes = notes.and_then(|notes| serde_json::from_str::<Value>(&notes).ok());
    let model = notes.and_then(|notes| notes.get("model").cloned());
    let file = SafeTensors::deserialize(&bytes).map_err(|error| {
        let problem = safetensors_problem(&bytes).unwrap_or_else(|| error.to_string());
        ParameterError::file(path, problem)
    })?;
    let mut tensors = Tensors::default();
    for (name, view) in file.iter() {
        if FLOATS.contains(&view.dtype()) {
            let tensor =
                view.load(&Device::Cpu).map_err(|error| ParameterError::file(path, error))?;
            tensors.floats.insert(name.to_owned(), tensor);
        } else {
            tensors.others.insert(name.to_owned(), format!("{:?}", view.dtype()));
        }
    }
    Ok((tensors, model))
}

/// Names of tensors as messages list them.
pub fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    vene_named::listed(names.map(String::as_str))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{RotatedSpace, Rotation, SigmoidMask, Subspace};

    fn low_rank(seed: u64) -> RotatedSpace {
        RotatedSpace::low_rank(Rotation::random(6, 2, seed).unwrap(), Subspace::All)
    }

    fn values(intervention: &dyn Intervention) -> Vec<f64> {
        let parameter = &intervention.parameters()[0];
        parameter.variable.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn what_is_saved_is_loaded_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("das.safetensors");
        let (original, other) = (low_rank(1), low_rank(2));
        save(&original, &path).unwrap();
        assert_ne!(values(&original), values(&other));
        load(&other, &path).unwrap();
        assert_eq!(values(&original), values(&other));
    }

    #[test]
    fn files_of_something_else_are_refused_and_nothing_is_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.safetensors");
        let write = |tensors: &[(&str, Tensor)]| {
            let tensors: std::collections::HashMap<_, _> =
                tensors.iter().map(|(name, tensor)| (*name, tensor.clone())).collect();
            candle_core::safetensors::save(&tensors, &path).unwrap();
        };
        let das = low_rank(1);
        let before = values(&das);
        let refused = |tensors: &[(&str, Tensor)]| {
            write(tensors);
            let error = load(&das, &path).unwrap_err().to_string();
            assert_eq!(values(&das), before, "{error}");
            error
        };
        let rotation = orthogonal::random(6, 2, 5).unwrap();
        let name = "rotate_layer.weight";
        assert!(
            refused(&[("mask", rotation.clone())]).contains("there is no `rotate_layer.weight`")
        );
        assert!(
            refused(&[(name, rotation.clone()), ("mask", rotation.clone())])
                .contains("no parameter `mask`")
        );
        assert!(
            refused(&[(name, rotation.t().unwrap().contiguous().unwrap())])
                .contains("expected [6, 2]")
        );
        assert!(refused(&[(name, (&rotation * 1.1).unwrap())]).contains("not orthonormal"));
        assert!(refused(&[(name, (&rotation / 0.0).unwrap())]).contains("expected finite numbers"));
        let integers = rotation.to_dtype(candle_core::DType::U8).unwrap();
        assert!(refused(&[(name, integers)]).contains("expected floats"));
        let flags = Tensor::zeros(3, candle_core::DType::I64, &Device::Cpu).unwrap();
        assert!(
            refused(&[(name, rotation.clone()), ("flags", flags)]).contains("no parameter `flags`")
        );
        std::fs::write(&path, [255; 40]).unwrap();
        let bytes = load(&das, &path).unwrap_err().to_string();
        assert!(bytes.contains("is no safetensors file, or cut short"), "{bytes}");
        std::fs::write(&path, "mask = 0.5\nrotation = 1.5\n").unwrap();
        let text = load(&das, &path).unwrap_err().to_string();
        assert!(text.contains("is a text and not what its name says"), "{text}");
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        std::fs::write(&path, pointer).unwrap();
        let text = load(&das, &path).unwrap_err().to_string();
        assert!(text.contains("git-lfs's pointer to the file of 12345 bytes"), "{text}");
    }

    #[test]
    fn values_are_cast_to_the_parameters_precision() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.safetensors");
        let single = Tensor::new(&[1.5f32, -2.0], &Device::Cpu).unwrap();
        save(&SigmoidMask::with_mask(&single, 0.5).unwrap(), &path).unwrap();
        let double = SigmoidMask::new(2).unwrap();
        load(&double, &path).unwrap();
        assert_eq!(values(&double), [1.5, -2.0]);
    }
}
