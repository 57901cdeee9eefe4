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

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use super::{Constraint, Intervention, ParameterError, orthogonal, parameter};

/// The formats that parameters are read in. Smaller ones are not converted by the library that reads them.
const FLOATS: [DType; 4] = [DType::F16, DType::BF16, DType::F32, DType::F64];

/// The entry of a file's metadata in which it says, as JSON, of which model its tensors are.
pub(crate) const NOTES: &str = "vene";

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
    let mut found = read(path)?;
    let parameters = intervention.parameters();
    let mut new = Vec::with_capacity(parameters.len());
    for parameter in &parameters {
        let name = &parameter.name;
        let tensor = found.remove(name).ok_or_else(|| ParameterError::Missing {
            path: path.to_owned(),
            intervention: intervention.name(),
            name: name.clone(),
            found: listed(found.keys()),
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
    if let Some(name) = found.keys().next() {
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

/// The tensors of a safetensors file by name; the `safetensors` crate checks its header against its
/// length.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, Tensor>, ParameterError> {
    Ok(read_with_model(path, None)?.0)
}

/// The same, and what the file says of the model that its tensors are of, if it does, as what `vene collect`
/// and saved plans write. The file must have this SHA-256, where one is given.
#[allow(clippy::type_complexity)]
pub(crate) fn read_with_model(
    path: &Path,
    sha256: Option<&str>,
) -> Result<(BTreeMap<String, Tensor>, Option<Value>), ParameterError> {
    let bytes =
        vene_files::read(path, u64::MAX).map_err(|error| ParameterError::file(path, error))?;
    if sha256.is_some_and(|expected| vene_files::sha256(&bytes) != expected) {
        let problem = "it is not as it was saved: its SHA-256 is another one than the plan says";
        return Err(ParameterError::file(path, problem));
    }
    let header = safetensors::SafeTensors::read_metadata(&bytes).ok();
    let notes = header.and_then(|(_, header)| header.metadata().as_ref()?.get(NOTES).cloned());
    let notes = notes.and_then(|notes| serde_json::from_str::<Value>(&notes).ok());
    let model = notes.and_then(|notes| notes.get("model").cloned());
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
        .map_err(|error| ParameterError::file(path, error))?;
    let not_floats = tensors.iter().find(|(_, tensor)| !FLOATS.contains(&tensor.dtype()));
    match not_floats {
        None => Ok((tensors.into_iter().collect(), model)),
        Some((name, tensor)) => Err(ParameterError::file(
            path,
            format!("`{name}` holds {:?}; expected floats (F16, BF16, F32 or F64)", tensor.dtype()),
        )),
    }
}

pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    crate::plan_file::listed(names.map(String::as_str))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::intervention::{LowRankRotatedSpace, Rotation, SigmoidMask, Subspace};

    fn low_rank(seed: u64) -> LowRankRotatedSpace {
        LowRankRotatedSpace::new(Rotation::random(6, 2, seed).unwrap(), Subspace::All)
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
        std::fs::write(&path, [255; 40]).unwrap();
        assert!(load(&das, &path).is_err());
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
