//! AdamW (Loshchilov & Hutter 2019, "Decoupled weight decay regularization"), with a state that can be
//! saved.

use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor};
use vene_intervention::{Constraint, Parameter};

use super::parametrization::Parametrization;

/// The optimizer's options; PyTorch's defaults, but for the weight decay, which is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// The step size, before a schedule's factor.
    pub learning_rate: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the latter.
    pub epsilon: f64,
    /// Share of a parameter that a step of size 1 takes away.
    pub weight_decay: f64,
    /// In which numbers rotations are stepped.
    pub rotations: Rotations,
}

/// In which numbers a rotation is stepped, on each of which the step's size depends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotations {
    /// Its own: along the manifold, and back onto it ([`orthogonal`](vene_intervention::orthogonal)).
    #[default]
    Tangent,
    /// Those that PyTorch, and with it pyvene and pyreft, trains in its place: a lower triangle `X` with `R = B exp(X − Xᵀ)`,
    /// or the Householder reflections of its columns where there are fewer of these. A step costs some twenty products
    /// of the rotation's size. What Adam does there depends on `B`, whose columns behind the rotation's own PyTorch draws at
    /// random; here they follow from the rotation.
    PyTorch,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            rotations: Rotations::Tangent,
        }
    }
}

/// What the optimizer knows of its parameters' past. The trainer has one; a network of one's own that is
/// trained by candle's gradients takes another.
#[derive(Debug)]
pub struct State {
    options: AdamW,
    steps: usize,
    /// For each parameter the running means of gradients and of their squares.
    moments: Vec<(Tensor, Tensor)>,
    /// The coordinates of those that are stepped in others than their own.
    coordinates: Vec<Option<Parametrization>>,
}

impl State {
    /// Before the first step.
    ///
    /// # Errors
    /// Failures of candle.
    pub fn new(options: AdamW, parameters: &[Parameter]) -> Result<Self> {
        let zeros = |Parameter { variable, .. }: &Parameter| {
            Ok((variable.zeros_like()?, variable.zeros_like()?))
        };
        let moments = parameters.iter().map(zeros).collect::<Result<_>>()?;
        let coordinates = |parameter: &Parameter| match (parameter.constraint, options.rotations) {
            (Constraint::Orthogonal, Rotations::PyTorch) => {
                Parametrization::at(&parameter.variable).map(Some)
            }
            _ => Ok(None),
        };
        let coordinates = parameters.iter().map(coordinates).collect::<Result<_>>()?;
        Ok(Self { options, steps: 0, moments, coordinates })
    }

    /// Moves parameters against their gradients, as far as their constraints allow; one without a
    /// gradient stays. `factor` is the schedule's.
    ///
    /// # Errors
    /// Failures of candle, such as a gradient of another shape.
    pub fn step(
        &mut self,
        parameters: &[Parameter],
        gradients: &GradStore,
        factor: f64,
    ) -> Result<()> {
        self.steps += 1;
        let AdamW { learning_rate, beta1, beta2, epsilon, weight_decay, .. } = self.options;
        let rate = learning_rate * factor;
        let unbias = |beta: f64| 1.0 - beta.powi(self.steps as i32);
        let states = self.moments.iter_mut().zip(&mut self.coordinates);
        for (parameter, ((mean, square), coordinates)) in parameters.iter().zip(states) {
            let Some(gradient) = gradients.get(&parameter.variable) else { continue };
            let dtype = parameter.variable.dtype();
            let gradient = match &coordinates {
                Some(coordinates) => coordinates.gradient(gradient)?.to_dtype(dtype)?,
                None => parameter.project(gradient)?,
            };
            *mean = ((&*mean * beta1)? + (&gradient * (1.0 - beta1))?)?;
            *square = ((&*square * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
            let scale = ((&*square / unbias(beta2))?.sqrt()? + epsilon)?;
            let change = ((&*mean / unbias(beta1))? / scale)?;
            let change = (change * rate)?;
            let kept = 1.0 - rate * weight_decay;
            match coordinates {
                Some(at) => {
                    let change = change.to_dtype(DType::F64)?;
                    at.coordinates = ((&at.coordinates * kept)? - change)?.detach();
                    parameter.variable.set(&at.rotation()?.to_dtype(dtype)?)?;
                }
                None => {
                    let kept = (parameter.variable.as_tensor() * kept)?;
                    parameter.variable.set(&(kept - change)?.detach())?;
                    parameter.retract()?;
                }
            }
        }
        Ok(())
    }

    /// What must be kept to go on as if nothing had happened, by the parameters' names.
    pub(super) fn tensors(&self, parameters: &[Parameter]) -> HashMap<String, Tensor> {
        let both = |(Parameter { name, .. }, (mean, square)): (&Parameter, &(Tensor, Tensor))| {
            [(format!("{name}.mean"), mean.clone()), (format!("{name}.square"), square.clone())]
        };
        let mut tensors: HashMap<String, Tensor> =
            parameters.iter().zip(&self.moments).flat_map(both).collect();
        for (Parameter { name, .. }, coordinates) in parameters.iter().zip(&self.coordinates) {
            if let Some(Parametrization { base, coordinates }) = coordinates {
                tensors.insert(format!("{name}.base"), base.clone());
                tensors.insert(format!("{name}.coordinates"), coordinates.clone());
            }
        }
        tensors
    }

    /// Takes up what was kept; `None` where something is missing or of another shape.
    pub(super) fn restore(
        &mut self,
        steps: usize,
        parameters: &[Parameter],
        tensors: &HashMap<String, Tensor>,
    ) -> Option<()> {
        let states = self.moments.iter_mut().zip(&mut self.coordinates);
        for (Parameter { name, .. }, ((mean, square), coordinates)) in parameters.iter().zip(states)
        {
            let found = |part: &str, like: &Tensor| {
                let tensor = tensors.get(&format!("{name}.{part}"))?;
                (tensor.shape() == like.shape() && tensor.dtype() == like.dtype())
                    .then(|| tensor.clone())
            };
            if let Some(at) = coordinates {
                let base = found("base", &at.base)?;
                at.coordinates = found("coordinates", &at.coordinates)?;
                at.base = base;
            }
            let (kept_mean, kept_square) = (found("mean", mean)?, found("square", square)?);
            (*mean, *square) = (kept_mean, kept_square);
        }
        self.steps = steps;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{Device, Var};

    /// The first steps on |x - 3|^2 by the formulas, in plain floats.
    #[test]
    fn steps_are_those_of_the_formulas() {
        let options = AdamW { learning_rate: 0.1, weight_decay: 0.5, ..AdamW::default() };
        let variable = Var::new(&[1.0_f64], &Device::Cpu).unwrap();
        let parameter = Parameter::trained("x", &variable);
        let mut state = State::new(options, std::slice::from_ref(&parameter)).unwrap();
        let (mut x, mut mean, mut square) = (1.0_f64, 0.0, 0.0);
        for step in 1..=5 {
            let loss = (variable.as_tensor() - 3.0).unwrap().sqr().unwrap().sum_all().unwrap();
            let gradients = loss.backward().unwrap();
            state.step(std::slice::from_ref(&parameter), &gradients, 0.5).unwrap();
            let gradient = 2.0 * (x - 3.0);
            mean = 0.9 * mean + 0.1 * gradient;
            square = 0.999 * square + 0.001 * gradient * gradient;
            let (mean, square) =
                (mean / (1.0 - 0.9_f64.powi(step)), square / (1.0 - 0.999_f64.powi(step)));
            x = x * (1.0 - 0.05 * 0.5) - 0.05 * mean / (square.sqrt() + 1e-8);
            let found = variable.to_vec1::<f64>().unwrap()[0];
            assert!((found - x).abs() < 1e-12, "step {step}: {found}, not {x}");
        }
    }
}
