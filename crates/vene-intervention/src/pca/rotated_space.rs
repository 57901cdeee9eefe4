//! An interchange of principal components (pyvene's `PCARotatedSpaceIntervention`; the basis that
//! DAS is compared to in Geiger et al. 2024 and Huang et al. 2024, "RAVEL").

use candle_core::{Result, Tensor, Var};

use super::PrincipalComponents;
use crate::parameter::{cast, expect_width, variable};
use crate::product::product;
use crate::{
    ErrorTerm, Granularity, Intervention, Parameter, ParameterError, Settings, SourceCount,
    Subspace, Traits, UnitContext, only_source,
};

/// Of the values `(x − mean) / deviation`, the coordinates along the components `C`
/// `[components, width]` in the subspace `S` are the source's, all others the base's.
///
/// What lies outside of all components is the base's too with [`ErrorTerm::Kept`]:
/// `base + deviation ∘ ((source − base) / deviation · C_Sᵀ C_S)`. With [`ErrorTerm::Dropped`], as
/// in pyvene, it is lost: `deviation ∘ (z C) + mean`, with `z` the exchanged coordinates.
///
/// Parameters, none of them trained: `pca_components`, `pca_mean` `[width]`, `pca_std` `[width]`.
#[derive(Clone, Debug)]
pub struct PcaRotatedSpace {
    components: Var,
    mean: Var,
    deviation: Var,
    subspace: Subspace,
    error_term: ErrorTerm,
}

impl PcaRotatedSpace {
    /// Along these components; where the plan does not choose some for each example, along those of
    /// this subspace.
    ///
    /// # Errors
    /// Shapes that do not go together, what is no number, and deviations that are not above 0.
    pub fn new(
        fitted: &PrincipalComponents,
        subspace: Subspace,
        error_term: ErrorTerm,
    ) -> std::result::Result<Self, ParameterError> {
        let &[count, width] = fitted.components.dims() else {
            return Err(ParameterError::Shape {
                name: "pca_components".to_owned(),
                found: fitted.components.dims().to_vec(),
                expected: "[components, width]".to_owned(),
            });
        };
        let smallest = fitted.deviation.min_all()?.to_dtype(candle_core::DType::F64)?;
        let smallest = smallest.to_scalar::<f64>()?;
        if smallest <= 0.0 {
            return Err(ParameterError::Number {
                name: "the smallest of `pca_std`",
                value: smallest,
                expected: "a number above 0",
            });
        }
        Ok(Self {
            components: variable("pca_components", &fitted.components, &[count, width])?,
            mean: variable("pca_mean", &fitted.mean, &[width])?,
            deviation: variable("pca_std", &fitted.deviation, &[width])?,
            subspace,
            error_term,
        })
    }

    /// The coordinates along `components` of values `[positions, width]`.
    fn along(&self, values: &Tensor, components: &Tensor) -> Result<Tensor> {
        let values = values.broadcast_div(&cast(&self.deviation, values)?)?;
        product(&values, &components.t()?)
    }
}

impl Intervention for PcaRotatedSpace {
    fn name(&self) -> &'static str {
        "pca_rotated_space"
    }

    fn settings(&self) -> Option<Settings> {
        let settings = Settings::new(self.name()).subspace(&self.subspace);
        Some(settings.with("error_term", self.error_term.name()))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::One).granularity(Granularity::Row)
    }

    fn check(&self, width: Option<usize>) -> std::result::Result<(), String> {
        expect_width("principal components", self.mean.elem_count(), width)?;
        self.subspace.problem(self.components.dims()[0])
    }

    fn coordinates(&self, _: Option<usize>) -> Option<usize> {
        Some(self.components.dims()[0])
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![
            Parameter::frozen("pca_components", &self.components),
            Parameter::frozen("pca_mean", &self.mean),
            Parameter::frozen("pca_std", &self.deviation),
        ]
    }

    fn apply(&self, base: &Tensor, sources: &[Tensor], context: UnitContext<'_>) -> Result<Tensor> {
        let all = cast(&self.components, base)?;
        let exchanged = match self.subspace.chosen(&context) {
            None => all.clone(),
            Some(chosen) => {
                let chosen = chosen.iter().map(|&index| index as u32);
                all.index_select(&Tensor::from_iter(chosen, base.device())?, 0)?
            }
        };
        let along = self.along(&(only_source(sources)? - base)?, &exchanged)?;
        let change = product(&along, &exchanged)?;
        let deviation = cast(&self.deviation, base)?;
        match self.error_term {
            ErrorTerm::Kept => base + change.broadcast_mul(&deviation)?,
            ErrorTerm::Dropped => {
                let mean = cast(&self.mean, base)?;
                let own = product(&self.along(&base.broadcast_sub(&mean)?, &all)?, &all)?;
                (own + change)?.broadcast_mul(&deviation)?.broadcast_add(&mean)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn what_lies_outside_of_the_components_is_kept_or_lost() {
        let tensor = |values: &[f64], shape: &[usize]| {
            Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
        };
        let fitted = PrincipalComponents {
            components: tensor(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0], &[2, 3]),
            mean: tensor(&[10.0, 20.0, 30.0], &[3]),
            deviation: tensor(&[2.0, 4.0, 8.0], &[3]),
            variances: vec![1.0, 1.0],
        };
        let apply = |error_term| {
            let edit = PcaRotatedSpace::new(&fitted, Subspace::first(1), error_term).unwrap();
            let context = UnitContext::at(&[0]);
            let (base, source) =
                (tensor(&[1.0, 2.0, 3.0], &[1, 3]), tensor(&[4.0, 5.0, 6.0], &[1, 3]));
            edit.apply(&base, &[source], context).unwrap().to_vec2::<f64>().unwrap().concat()
        };
        assert_eq!(apply(ErrorTerm::Kept), [4.0, 2.0, 3.0]);
        // The third dimension is no component's: only its mean is left.
        assert_eq!(apply(ErrorTerm::Dropped), [4.0, 2.0, 30.0]);
    }

    #[test]
    fn a_deviation_of_0_is_refused() {
        let zeros = Tensor::zeros(2, candle_core::DType::F64, &Device::Cpu).unwrap();
        let components = Tensor::eye(2, candle_core::DType::F64, &Device::Cpu).unwrap();
        let (mean, deviation) = (zeros.clone(), zeros);
        let fitted = PrincipalComponents { components, mean, deviation, variances: Vec::new() };
        assert!(PcaRotatedSpace::new(&fitted, Subspace::All, ErrorTerm::Kept).is_err());
    }
}
