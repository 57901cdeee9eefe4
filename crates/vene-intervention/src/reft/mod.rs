//! Representation fine-tuning (Wu et al. 2024, "ReFT: Representation Finetuning for Language
//! Models"): learned edits of a few hidden states, which read no source.
//!
//! All six add to the hidden state `h` something along a few directions. They differ in whether the
//! directions are orthonormal, in whether what was there along them is taken away first, and in
//! whether what is written there depends on `h`:
//!
//! | constructor | pyreft | directions | `h` along them is | written there | formula |
//! | --- | --- | --- | --- | --- | --- |
//! | [`Reft::loreft`] | `LoreftIntervention` | orthonormal | replaced | learned | `h + (f(W h + b) − h R) Rᵀ` |
//! | [`Reft::noreft`] | `NoreftIntervention` | any | replaced | learned | `h + (f(W h + b) − (P h + c)) P` |
//! | [`Reft::direft`] | `DireftIntervention` | orthonormal | added to | learned | `h + f(W h + b) Rᵀ` |
//! | [`Reft::nodireft`] | `NodireftIntervention` | any | added to | learned | `h + f(W h + b) P` |
//! | [`Reft::consreft`] | `ConsreftIntervention` | orthonormal | replaced | a constant | `h + (b − h R) Rᵀ` |
//! | [`Reft::lobireft`] | `LobireftIntervention` | orthonormal | added to | a constant | `h + b Rᵀ` |
//!
//! LoReFT and DiReFT are the paper's equations 2 and 3, NoReFT its ablation without orthogonality; the others are
//! pyreft's, of the same family. pyreft's `dropout` is [`Dropout`](super::Dropout) around one of them.

mod activation;
mod directions;
mod kind;
mod linear;

use candle_core::{Tensor, Var};

pub use activation::Activation;
pub use directions::Directions;
pub use kind::ReftKind;
pub use linear::Linear;

use super::parameter::{self, cast};
use super::{
    Granularity, Intervention, Parameter, ParameterError, Rotation, Settings, SourceCount, Traits,
    UnitContext,
};

/// A learned edit along a few directions: the columns of a rotation `R` `[width, rank]`, or the rows of a projection
/// `P` `[rank, width]`.
///
/// Parameters: `rotate_layer.weight`, `R`; or `proj_layer.weight`, `P`, and where what was there is taken away and there
/// is one (pyreft's `add_bias`) `proj_layer.bias`, `c` `[rank]`. `learned_source.weight`, `W` `[rank, width]`, and
/// `learned_source.bias`, `b` `[rank]`; or of a constant `learned_source`, `b` `[rank]`.
#[derive(Clone, Debug)]
pub struct Reft {
    kind: ReftKind,
    directions: Directions,
    written: Written,
}

/// What is written along the directions.
#[derive(Clone, Debug)]
enum Written {
    Learned(Linear, Activation),
    Constant(Var),
}

impl Reft {
    /// Along the directions the hidden state becomes `f(W h + b)`; across them it stays. From its directions and its
    /// learned source, of as many numbers as there are directions.
    ///
    /// # Errors
    /// Sizes that do not go together.
    pub fn loreft(
        rotation: Rotation,
        source: Linear,
        activation: Activation,
    ) -> Result<Self, ParameterError> {
        let directions = Directions::Orthonormal(rotation);
        Self::learned(ReftKind::LoReft, directions, source, activation)
    }

    /// LoReFT with the rows of `projection`'s weight instead of orthonormal directions.
    ///
    /// # Errors
    /// Sizes that do not go together.
    pub fn noreft(
        projection: Linear,
        source: Linear,
        activation: Activation,
    ) -> Result<Self, ParameterError> {
        Self::learned(ReftKind::NoReft, Directions::Any(projection), source, activation)
    }

    /// Something learned is added, "direct" without taking away what was there.
    ///
    /// # Errors
    /// Sizes that do not go together.
    pub fn direft(
        rotation: Rotation,
        source: Linear,
        activation: Activation,
    ) -> Result<Self, ParameterError> {
        let directions = Directions::Orthonormal(rotation);
        Self::learned(ReftKind::DiReft, directions, source, activation)
    }

    /// DiReFT along the rows of `projection`'s weight: a low-rank adapter of the hidden state. The projection's bias,
    /// which pyreft's may have, is not in the formula, and not a parameter.
    ///
    /// # Errors
    /// Sizes that do not go together.
    pub fn nodireft(
        projection: Linear,
        source: Linear,
        activation: Activation,
    ) -> Result<Self, ParameterError> {
        Self::learned(ReftKind::NodiReft, Directions::Any(projection), source, activation)
    }

    /// Along the directions every hidden state becomes the constant `[rank]`.
    ///
    /// # Errors
    /// A constant of another size, or values that are not finite.
    pub fn consreft(rotation: Rotation, constant: &Tensor) -> Result<Self, ParameterError> {
        Self::constant(ReftKind::ConsReft, rotation, constant)
    }

    /// The same vector, a learned bias `[rank]` along the directions, is added to every hidden state.
    ///
    /// # Errors
    /// A constant of another size, or values that are not finite.
    pub fn lobireft(rotation: Rotation, constant: &Tensor) -> Result<Self, ParameterError> {
        Self::constant(ReftKind::LobiReft, rotation, constant)
    }

    /// As a training begins: random directions; a random linear source with a bias, or a random constant in 0 to 1. A
    /// projection has a bias where the formula uses it.
    ///
    /// # Errors
    /// A rank above the width, or 0, of orthonormal directions.
    pub fn random(
        kind: ReftKind,
        width: usize,
        rank: usize,
        seed: u64,
    ) -> Result<Self, ParameterError> {
        if kind.is_constant() {
            let constant = random_constant(rank, seed)?;
            return Self::constant(kind, Rotation::random(width, rank, seed)?, &constant);
        }
        let directions = if kind.is_orthonormal() {
            Directions::Orthonormal(Rotation::random(width, rank, seed)?)
        } else {
            Directions::Any(Linear::random(width, rank, kind.replaces(), !seed)?)
        };
        let source = Linear::random(width, rank, true, seed)?;
        Self::learned(kind, directions, source, Activation::Linear)
    }

    /// One whose rows are written by a learned projection of the base: `source` reads `[width]` and gives `[rank]`.
    ///
    /// # Errors
    /// A source of other widths than the directions.
    pub fn learned(
        kind: ReftKind,
        directions: Directions,
        source: Linear,
        activation: Activation,
    ) -> Result<Self, ParameterError> {
        source.expect("learned_source.weight", directions.width(), directions.rank())?;
        Ok(Self { kind, directions, written: Written::Learned(source, activation) })
    }

    /// One whose coordinates in the rotated space become constants, `values` of shape `[rank]`.
    ///
    /// # Errors
    /// Values of another shape, or that are not finite.
    pub fn constant(
        kind: ReftKind,
        rotation: Rotation,
        values: &Tensor,
    ) -> Result<Self, ParameterError> {
        let constant = parameter::variable("learned_source", values, &[rotation.rank()])?;
        let directions = Directions::Orthonormal(rotation);
        Ok(Self { kind, directions, written: Written::Constant(constant) })
    }
}

/// A constant as a training begins: uniform in 0 to 1, as pyreft draws it.
pub fn random_constant(rank: usize, seed: u64) -> Result<Tensor, ParameterError> {
    Ok(linear::uniform(&[rank], 0.0, 1.0, [seed, 2])?)
}

impl Intervention for Reft {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn settings(&self) -> Option<Settings> {
        let settings = Settings::new(self.name()).with("rank", self.directions.rank());
        Some(match &self.written {
            Written::Learned(_, activation) => settings.with("activation", activation.name()),
            Written::Constant(_) => settings,
        })
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None).granularity(Granularity::Row)
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        self.directions.check(width)
    }

    fn parameters(&self) -> Vec<Parameter> {
        // What is added to is not read, and a bias of a projection not used.
        let mut parameters = self.directions.parameters(self.kind.replaces());
        match &self.written {
            Written::Learned(source, _) => parameters.extend(source.parameters("learned_source")),
            Written::Constant(constant) => {
                parameters.push(Parameter::trained("learned_source", constant));
            }
        }
        parameters
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let written = match &self.written {
            Written::Learned(source, activation) => activation.apply(&source.apply(base)?)?,
            Written::Constant(constant) => cast(constant, base)?.unsqueeze(0)?,
        };
        let change = if self.kind.replaces() {
            written.broadcast_sub(&self.directions.read(base)?)?
        } else {
            written
        };
        base.broadcast_add(&self.directions.write(&change)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn each_is_its_formula() {
        let tensor = |values: &[[f64; 3]; 1]| Tensor::new(values, &Device::Cpu).unwrap();
        let number = |value: f64| Tensor::new(&[value], &Device::Cpu).unwrap();
        let rotation = || {
            let direction = tensor(&[[0.6, 0.0, 0.8]]).t().unwrap().contiguous().unwrap();
            Rotation::new(&direction).unwrap()
        };
        let projection =
            |bias: Option<&Tensor>| Linear::new(&tensor(&[[1.0, 0.0, 2.0]]), bias).unwrap();
        let source = || Linear::new(&tensor(&[[1.0, 1.0, 0.0]]), Some(&number(-1.0))).unwrap();
        let linear = Activation::Linear;
        let half = number(0.5);
        let expected = [
            (Reft::loreft(rotation(), source(), linear), [0.4, 2.0, 2.2]),
            (Reft::noreft(projection(Some(&half)), source(), linear), [-4.5, 2.0, -8.0]),
            (Reft::direft(rotation(), source(), linear), [2.2, 2.0, 4.6]),
            (Reft::nodireft(projection(None), source(), linear), [3.0, 2.0, 7.0]),
            (Reft::consreft(rotation(), &number(5.0)), [2.2, 2.0, 4.6]),
            (Reft::lobireft(rotation(), &number(5.0)), [4.0, 2.0, 7.0]),
        ];
        let base = tensor(&[[1.0, 2.0, 3.0]]);
        for (edit, expected) in expected {
            let edit = edit.unwrap();
            let edited = edit.apply(&base, &[], UnitContext::at(&[0])).unwrap();
            let edited = edited.to_vec2::<f64>().unwrap();
            assert!(
                edited[0].iter().zip(expected).all(|(e, x): (&f64, f64)| (e - x).abs() < 1e-14),
                "{}: {edited:?}",
                edit.name()
            );
        }
    }

    #[test]
    fn sizes_must_go_together() {
        let rotation = Rotation::random(6, 2, 1).unwrap();
        let source = Linear::random(6, 3, true, 1).unwrap();
        assert!(Reft::loreft(rotation, source, Activation::Linear).is_err());
    }
}
