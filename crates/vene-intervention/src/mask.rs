//! Learned masks: which share of each coordinate is the source's. Soft while a training begins, and hard as its
//! temperature falls.

use candle_core::{DType, Result, Tensor, Var};

use super::parameter::{Parameter, ParameterError, variable};
use super::sigmoid::sigmoid;

/// A share for each of `width` coordinates, made of what is learned and of a temperature, which a trainer lowers. A
/// clone shares both.
#[derive(Clone, Debug)]
pub struct Mask {
    /// The learned parameter's name.
    name: &'static str,
    learned: Var,
    form: Form,
    temperature: Var,
}

/// How a share is made of what is learned.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `σ(mask_i / temperature)`.
    Logits,
    /// `σ((i − lower · width) / temperature) · σ((upper · width − i) / temperature)`.
    Boundaries { width: usize },
}

impl Mask {
    /// `σ(logits / temperature)`, of logits `[width]`.
    pub(super) fn of_logits(
        name: &'static str,
        logits: &Tensor,
        width: usize,
        temperature: f64,
    ) -> std::result::Result<Self, ParameterError> {
        let temperature = Tensor::new(temperature, logits.device())?;
        Ok(Self {
            name,
            learned: variable(name, logits, &[width])?,
            form: Form::Logits,
            temperature: variable("temperature", &temperature, &[])?,
        })
    }

    /// Of the coordinates between `[upper]`, with a lower boundary of 0, or `[lower, upper]`, as fractions of the
    /// width; on the device of `like`.
    pub(super) fn of_boundaries(
        boundaries: &[f64],
        width: usize,
        temperature: f64,
        like: &Tensor,
    ) -> std::result::Result<Self, ParameterError> {
        let name = "intervention_boundaries";
        let given = Tensor::new(boundaries, like.device())?;
        if !(1..=2).contains(&boundaries.len()) {
            return Err(ParameterError::Shape {
                name: name.to_owned(),
                found: given.dims().to_vec(),
                expected: "[1], the upper, or [2], the lower and the upper".to_owned(),
            });
        }
        let temperature = Tensor::new(temperature, like.device())?;
        Ok(Self {
            name,
            learned: variable(name, &given, given.dims())?,
            form: Form::Boundaries { width },
            temperature: variable("temperature", &temperature, &[])?,
        })
    }

    /// What is learned: logits `[width]`; or boundaries, `[upper]` or `[lower, upper]`, as fractions of the width.
    pub fn learned(&self) -> &Var {
        &self.learned
    }

    /// The temperature: of boundaries, in coordinates.
    pub fn temperature(&self) -> &Var {
        &self.temperature
    }

    /// The source's share of each coordinate, `[width]` in double precision.
    ///
    /// # Errors
    /// Failures of the tensor operations.
    pub fn share(&self) -> Result<Tensor> {
        let learned = self.learned.to_dtype(DType::F64)?;
        let temperature = self.temperature.to_dtype(DType::F64)?;
        match self.form {
            Form::Logits => sigmoid(&learned.broadcast_div(&temperature)?),
            Form::Boundaries { width } => between(&learned, width, &temperature),
        }
    }

    /// How many coordinates there are.
    pub(super) fn width(&self) -> usize {
        match self.form {
            Form::Logits => self.learned.elem_count(),
            Form::Boundaries { width } => width,
        }
    }

    /// What is wrong with its temperature, if something is.
    pub(super) fn problem(&self) -> Option<String> {
        let value =
            self.temperature.to_dtype(DType::F64).and_then(|value| value.to_scalar::<f64>());
        match value {
            Ok(value) if value.is_finite() && value > 0.0 => None,
            Ok(value) => Some(format!("a temperature of {value}; expected a number above 0")),
            Err(error) => Some(format!("a temperature that is no number: {error}")),
        }
    }

    pub(super) fn parameters(&self) -> [Parameter; 2] {
        [
            Parameter::trained(self.name, &self.learned),
            Parameter::temperature("temperature", &self.temperature),
        ]
    }
}

/// The share of each coordinate that lies between boundaries.
fn between(boundaries: &Tensor, width: usize, temperature: &Tensor) -> Result<Tensor> {
    let last = boundaries.dim(0)? - 1;
    let upper = (boundaries.narrow(0, last, 1)?.clamp(1e-3, 1.0)? * width as f64)?;
    let coordinates = Tensor::arange(0.0, width as f64, boundaries.device())?;
    let from_lower = if last == 0 {
        coordinates.clone()
    } else {
        let lower = (boundaries.narrow(0, 0, 1)?.clamp(0.0, 1.0)? * width as f64)?;
        coordinates.broadcast_sub(&lower)?
    };
    let to_upper = upper.broadcast_sub(&coordinates)?;
    sigmoid(&from_lower.broadcast_div(temperature)?)?
        * sigmoid(&to_upper.broadcast_div(temperature)?)?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    fn of_boundaries(
        boundaries: &[f64],
        temperature: f64,
    ) -> std::result::Result<Mask, ParameterError> {
        let like = Tensor::zeros(1, DType::F64, &Device::Cpu).unwrap();
        Mask::of_boundaries(boundaries, 10, temperature, &like)
    }

    #[test]
    fn a_cold_mask_is_what_lies_between_the_boundaries() {
        let mask = |boundaries: &[f64]| {
            of_boundaries(boundaries, 0.01).and_then(|mask| Ok(mask.share()?.to_vec1::<f64>()?))
        };
        let near = |mask: Vec<f64>, expected: [f64; 10]| {
            assert!(mask.iter().zip(expected).all(|(m, e)| (m - e).abs() < 1e-12), "{mask:?}");
        };
        near(mask(&[0.25, 0.65]).unwrap(), [0., 0., 0., 1., 1., 1., 1., 0., 0., 0.]);
        // The lower boundary at 0 goes through the middle of the first direction.
        near(mask(&[0.35]).unwrap(), [0.5, 1., 1., 1., 0., 0., 0., 0., 0., 0.]);
        near(mask(&[7.0]).unwrap(), [0.5, 1., 1., 1., 1., 1., 1., 1., 1., 1.]);
        assert!(mask(&[]).is_err() && mask(&[0.1, 0.2, 0.3]).is_err());
    }

    #[test]
    fn a_temperature_of_0_is_a_problem() {
        let problem = of_boundaries(&[0.5], 0.0).unwrap().problem();
        assert_eq!(problem.unwrap(), "a temperature of 0; expected a number above 0");
    }
}
