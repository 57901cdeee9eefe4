//! ConsReFT: along learned orthonormal directions, a learned constant (pyreft's
//! `ConsreftIntervention`; of the family of Wu et al. 2024).

use candle_core::{Tensor, Var};

use super::{constant, random_constant};
use crate::intervention::parameter::cast;
use crate::intervention::{
    Granularity, Intervention, Parameter, ParameterError, Rotation, Settings, SourceCount, Traits,
    UnitContext,
};

/// `h + (b − h R) Rᵀ`: along the orthonormal directions in the columns of `R` `[width, rank]`,
/// every hidden state becomes the constant `b`.
///
/// Parameters: `rotate_layer.weight`, `R`; `learned_source`, `b` `[rank]`.
#[derive(Clone, Debug)]
pub struct ConsReft {
    rotation: Rotation,
    constant: Var,
}

impl ConsReft {
    /// From its directions and its constant, `[rank]`.
    ///
    /// # Errors
    /// A constant of another size, or what is no number.
    pub fn new(rotation: Rotation, values: &Tensor) -> Result<Self, ParameterError> {
        let constant = constant(values, &rotation)?;
        Ok(Self { rotation, constant })
    }

    /// As a training begins: random directions, and a random constant in 0 to 1.
    ///
    /// # Errors
    /// A rank above the width, or 0.
    pub fn random(width: usize, rank: usize, seed: u64) -> Result<Self, ParameterError> {
        Self::new(Rotation::random(width, rank, seed)?, &random_constant(rank, seed)?)
    }
}

impl Intervention for ConsReft {
    fn name(&self) -> &'static str {
        "consreft"
    }

    fn settings(&self) -> Option<Settings> {
        Some(Settings::new(self.name()).with("rank", self.rotation.rank()))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None).granularity(Granularity::Row)
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        self.rotation.check(width)
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![self.rotation.parameter(), Parameter::trained("learned_source", &self.constant)]
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let directions = self.rotation.cast(base, None)?;
        let there = base.matmul(&directions)?;
        let change = cast(&self.constant, base)?.broadcast_sub(&there)?;
        base + change.matmul(&directions.t()?)?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn along_the_direction_it_becomes_the_constant() {
        let tensor = |values: &[[f64; 3]; 1]| Tensor::new(values, &Device::Cpu).unwrap();
        let rotation =
            Rotation::new(&tensor(&[[0.6, 0.0, 0.8]]).t().unwrap().contiguous().unwrap());
        let constant = Tensor::new(&[5.0], &Device::Cpu).unwrap();
        let context = UnitContext::at(&[0]);
        let edit = ConsReft::new(rotation.unwrap(), &constant).unwrap();
        let base = tensor(&[[1.0, 2.0, 3.0]]);
        let edited = edit.apply(&base, &[], context).unwrap().to_vec2::<f64>().unwrap();
        assert!(
            edited[0].iter().zip([2.2, 2.0, 4.6]).all(|(e, x): (&f64, f64)| (e - x).abs() < 1e-14),
            "{edited:?}"
        );
    }
}
