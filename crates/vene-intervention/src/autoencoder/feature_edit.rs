//! Edits of single features of a sparse autoencoder: set, scaled, added to (Bricken et al. 2023;
//! Templeton et al. 2024, "Scaling Monosemanticity"; ablated one by one in Marks et al. 2024,
//! "Sparse Feature Circuits").

use std::sync::Arc;

use candle_core::Tensor;

use super::{Autoencoder, ErrorTerm};
use crate::parameter::{cast, expect_width};
use crate::{Intervention, Parameter, Setting, Settings, SourceCount, Traits, UnitContext};

/// What is done to a feature's activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FeatureChange {
    /// It becomes this, at every edited position; 0 ablates the feature.
    Set(f64),
    /// It is multiplied by this.
    Scale(f64),
    /// This is added to it.
    Add(f64),
}

/// The base's values with some features changed: `decode(z)` with `z` the changed latents of the
/// base, and with its error term kept `base + decode(z) − decode(encode(base))`. To add to a
/// feature is then to add a multiple of its decoder direction.
///
/// Parameters: the autoencoder's.
#[derive(Clone, Debug)]
pub struct FeatureEdit {
    autoencoder: Arc<dyn Autoencoder>,
    changes: Vec<(usize, FeatureChange)>,
    error_term: ErrorTerm,
}

impl FeatureEdit {
    /// These changes, one after the other.
    pub fn new(
        autoencoder: Arc<dyn Autoencoder>,
        changes: impl Into<Vec<(usize, FeatureChange)>>,
        error_term: ErrorTerm,
    ) -> Self {
        Self { autoencoder, changes: changes.into(), error_term }
    }

    /// All changes together: a factor for each latent, and what is then added to it.
    fn factors(&self) -> candle_core::Result<(Vec<f64>, Vec<f64>)> {
        let latents = self.autoencoder.latents();
        let (mut factors, mut added) = (vec![1.0; latents], vec![0.0; latents]);
        for &(feature, change) in &self.changes {
            let (Some(factor), Some(term)) = (factors.get_mut(feature), added.get_mut(feature))
            else {
                candle_core::bail!("feature {feature}: there are {latents}, counted from 0");
            };
            match change {
                FeatureChange::Set(value) => (*factor, *term) = (0.0, value),
                FeatureChange::Scale(by) => {
                    *factor *= by;
                    *term *= by;
                }
                FeatureChange::Add(value) => *term += value,
            }
        }
        Ok((factors, added))
    }
}

impl Intervention for FeatureEdit {
    fn name(&self) -> &'static str {
        "feature_edit"
    }

    fn settings(&self) -> Option<Settings> {
        let change = |&(feature, change): &(usize, FeatureChange)| {
            let (kind, value) = match change {
                FeatureChange::Set(value) => ("set", value),
                FeatureChange::Scale(by) => ("scale", by),
                FeatureChange::Add(value) => ("add", value),
            };
            vec![("feature", feature.into()), (kind, value.into())]
        };
        let features = Setting::Tables(self.changes.iter().map(change).collect());
        let settings = Settings::new(self.name()).with("autoencoder", self.autoencoder.settings()?);
        Some(settings.with("features", features).with("error_term", self.error_term.name()))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None)
    }

    fn problem(&self) -> Option<String> {
        let latents = self.autoencoder.latents();
        if self.changes.is_empty() {
            return Some("no feature to change".to_owned());
        }
        self.changes.iter().find_map(|&(feature, change)| {
            let (FeatureChange::Set(value)
            | FeatureChange::Scale(value)
            | FeatureChange::Add(value)) = change;
            if feature >= latents {
                Some(format!("a change of feature {feature}; there are {latents}, counted from 0"))
            } else if !value.is_finite() {
                Some(format!("a change of feature {feature} by {value}; expected a finite number"))
            } else {
                None
            }
        })
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        expect_width("an autoencoder", self.autoencoder.width(), width)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.autoencoder.parameters()
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let latents = self.autoencoder.encode(base)?;
        let (factors, added) = self.factors()?;
        let row = |values: Vec<f64>| cast(&Tensor::new(values, base.device())?, base);
        let edited = latents.broadcast_mul(&row(factors)?)?.broadcast_add(&row(added)?)?;
        self.error_term.decode(self.autoencoder.as_ref(), base, &latents, &edited)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::SparseAutoencoder;
    use candle_core::Device;

    fn autoencoder() -> Arc<SparseAutoencoder> {
        let tensor = |values: &[f64], shape: &[usize]| {
            Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
        };
        // Feature 0 is the first dimension, feature 1 minus it, feature 2 is always 4.
        let autoencoder = SparseAutoencoder::new(
            &tensor(&[1.0, -1.0, 0.0, 0.0, 0.0, 0.0], &[2, 3]),
            &tensor(&[0.0, 0.0, 4.0], &[3]),
            &tensor(&[1.0, 0.0, -1.0, 0.0, 0.0, 1.0], &[3, 2]),
            &tensor(&[0.0, 0.0], &[2]),
        );
        Arc::new(autoencoder.unwrap())
    }

    fn edited(changes: &[(usize, FeatureChange)], error_term: ErrorTerm) -> Vec<f64> {
        let edit = FeatureEdit::new(autoencoder(), changes, error_term);
        let base = Tensor::new(&[[2.0, 7.0]], &Device::Cpu).unwrap();
        let context = UnitContext::at(&[0]);
        edit.apply(&base, &[], context).unwrap().to_vec2::<f64>().unwrap().concat()
    }

    #[test]
    fn features_are_set_scaled_and_added_to() {
        use FeatureChange::{Add, Scale, Set};
        // Latents (2, 0, 4), decoded (2, 4), an error of (0, 3).
        assert_eq!(edited(&[(0, Scale(3.0))], ErrorTerm::Kept), [6.0, 7.0]);
        assert_eq!(edited(&[(0, Scale(3.0))], ErrorTerm::Dropped), [6.0, 4.0]);
        assert_eq!(edited(&[(2, Set(0.0))], ErrorTerm::Kept), [2.0, 3.0]);
        assert_eq!(edited(&[(2, Set(0.0))], ErrorTerm::Dropped), [2.0, 0.0]);
        assert_eq!(edited(&[(1, Add(0.5))], ErrorTerm::Kept), [1.5, 7.0]);
        // One after the other: 2 + 1 = 3, times 2.
        assert_eq!(edited(&[(0, Add(1.0)), (0, Scale(2.0))], ErrorTerm::Kept), [6.0, 7.0]);
    }

    #[test]
    fn a_feature_past_the_end_is_a_problem() {
        let edit = FeatureEdit::new(autoencoder(), [(3, FeatureChange::Set(0.0))], ErrorTerm::Kept);
        assert_eq!(edit.problem().unwrap(), "a change of feature 3; there are 3, counted from 0");
    }
}
