//! A constant source: an intervention that reads a source is given the same vector every time
//! (pyvene's `ConstantSourceIntervention` and `source_representation`). With addition, a steering
//! vector that can be trained (Turner et al. 2023, "Activation Addition"; Subramani et al. 2022,
//! "Extracting Latent Steering Vectors").

use std::sync::Arc;

use candle_core::{Tensor, Var};

use super::parameter::{self, cast, variable};
use super::{
    Dependence, Granularity, Intervention, Parameter, ParameterError, Settings, SourceCount,
    Traits, UnitContext,
};

/// The inner intervention with one vector as its source, at every position.
///
/// Parameters: the inner one's, and `source_representation` `[width]`, trained where it was asked
/// for.
///
/// ```
/// use std::sync::Arc;
/// use vene::intervention::{Addition, ConstantSource, Intervention};
/// use vene::{Component, Edit};
///
/// let steering = ConstantSource::zeros(Arc::new(Addition), 64)?.trained();
/// assert!(steering.parameters()[0].is_trained());
/// let edit = Edit::new(Component::BlockOutput, 3, Arc::new(steering));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConstantSource {
    inner: Arc<dyn Intervention>,
    vector: Var,
    trained: bool,
}

impl ConstantSource {
    /// With a vector `[width]`.
    ///
    /// # Errors
    /// Something other than a vector, or what is no number.
    pub fn new(inner: Arc<dyn Intervention>, vector: &Tensor) -> Result<Self, ParameterError> {
        let vector = variable("source_representation", vector, &[vector.elem_count()])?;
        Ok(Self { inner, vector, trained: false })
    }

    /// With a vector of zeros, to be trained.
    ///
    /// # Errors
    /// Failures of the tensor operations.
    pub fn zeros(inner: Arc<dyn Intervention>, width: usize) -> Result<Self, ParameterError> {
        let zeros = Tensor::zeros(width, candle_core::DType::F64, &candle_core::Device::Cpu)?;
        Self::new(inner, &zeros)
    }

    /// A trainer is to change the vector.
    #[must_use]
    pub fn trained(mut self) -> Self {
        self.trained = true;
        self
    }

    /// The vector, `[width]`.
    pub fn vector(&self) -> &Var {
        &self.vector
    }
}

impl Intervention for ConstantSource {
    fn name(&self) -> &'static str {
        "constant_source"
    }

    fn settings(&self) -> Option<Settings> {
        Some(Settings::around(self.name(), &*self.inner)?.with("trained", self.trained))
    }

    fn traits(&self) -> Traits {
        // What is copied is no run's values, and the vector's values belong to columns.
        let inner = self.inner.traits().at_least(Dependence::Absolute, Granularity::Row);
        Traits { sources: SourceCount::None, ..inner }
    }

    fn inner(&self) -> Option<&dyn Intervention> {
        Some(&*self.inner)
    }

    fn problem(&self) -> Option<String> {
        if self.inner.traits().sources == SourceCount::None {
            return Some(format!("a constant source for {}, which reads none", self.inner.name()));
        }
        self.inner.problem()
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        parameter::expect_width("a vector", self.vector.elem_count(), width)?;
        self.inner.check(width)
    }

    fn parameters(&self) -> Vec<Parameter> {
        let name = "source_representation";
        let own = Parameter::trained_if(self.trained, name, &self.vector);
        [own].into_iter().chain(self.inner.parameters()).collect()
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let source = cast(&self.vector, base)?.broadcast_as(base.shape())?.contiguous()?;
        self.inner.apply(base, &[source], context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Addition, Zero};
    use candle_core::Device;

    #[test]
    fn the_vector_is_added_at_every_position_and_learns_from_all() {
        let vector = Tensor::new(&[1.0, -2.0], &Device::Cpu).unwrap();
        let steering = ConstantSource::new(Arc::new(Addition), &vector).unwrap().trained();
        let base = Tensor::new(&[[1.0f32, 1.0], [3.0, 3.0]], &Device::Cpu).unwrap();
        let context = UnitContext::at(&[0, 1]);
        let edited = steering.apply(&base, &[], context).unwrap();
        assert_eq!(edited.to_vec2::<f32>().unwrap(), [[2.0, -1.0], [4.0, 1.0]]);
        let gradients = edited.sum_all().unwrap().backward().unwrap();
        let gradient = gradients.get(steering.vector()).unwrap().to_vec1::<f64>().unwrap();
        assert_eq!(gradient, [2.0, 2.0]);
    }

    #[test]
    fn an_intervention_that_reads_no_source_has_no_use_for_one() {
        let constant = ConstantSource::zeros(Arc::new(Zero), 2).unwrap();
        assert_eq!(constant.problem().unwrap(), "a constant source for zero, which reads none");
    }
}
