//! Temperatures that fall in the course of a training, so that soft masks become hard.

use candle_core::Tensor;
use vene_engine::plan::ResolvedPlan;
use vene_intervention::{Parameter, ParameterRole};

use super::error::TrainingError;

/// A temperature that goes from one value to another in equal steps, one for each step of the training: the
/// first step has the first, the last step the last (pyvene's tutorial of boundless DAS: 50 to 0.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Annealing {
    /// At the first step.
    pub from: f64,
    /// At the last step.
    pub to: f64,
}

impl Annealing {
    /// The temperature of a step, counted from 0, out of so many.
    pub fn temperature(self, step: usize, steps: usize) -> f64 {
        let way = step as f64 / steps.saturating_sub(1).max(1) as f64;
        self.from + (self.to - self.from) * way.min(1.0)
    }

    /// Whether it can be.
    pub(super) fn check(self) -> Result<(), TrainingError> {
        match [self.from, self.to].into_iter().find(|value| !(value.is_finite() && *value > 0.0)) {
            Some(value) => Err(TrainingError::Temperature(value)),
            None => Ok(()),
        }
    }
}

/// The temperatures of a plan's interventions.
pub(super) fn temperatures(plan: &ResolvedPlan) -> Result<Vec<Parameter>, TrainingError> {
    let all = plan.edits().iter().flat_map(|edit| edit.intervention.parameters());
    let found: Vec<Parameter> =
        all.filter(|parameter| parameter.role == ParameterRole::Temperature).collect();
    match found.is_empty() {
        true => Err(TrainingError::NoTemperature),
        false => Ok(found),
    }
}

/// Sets them.
pub(super) fn set(temperatures: &[Parameter], value: f64) -> Result<(), TrainingError> {
    for Parameter { variable, .. } in temperatures {
        let value = Tensor::new(value, variable.device())?.to_dtype(variable.dtype())?;
        variable.set(&value.broadcast_as(variable.shape())?.contiguous()?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_steps_from_the_first_to_the_last() {
        let annealing = Annealing { from: 50.0, to: 0.1 };
        assert_eq!(annealing.temperature(0, 11), 50.0);
        assert!((annealing.temperature(5, 11) - 25.05).abs() < 1e-12);
        assert!((annealing.temperature(10, 11) - 0.1).abs() < 1e-12);
        assert_eq!(annealing.temperature(0, 1), 50.0);
        assert!(Annealing { from: 1.0, to: 0.0 }.check().is_err());
    }
}
