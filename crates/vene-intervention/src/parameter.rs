//! Parameters: what an intervention has learned, or is to learn.

use std::path::PathBuf;

use candle_core::{Result, Tensor, Var};

use super::orthogonal;

/// What must stay true of a parameter while it is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// Nothing.
    Free,
    /// The columns of `[n, k]`, `k <= n`, are orthonormal. A trainer follows the gradient as
    /// [`Parameter::project`] gives it and calls [`Parameter::retract`] after each step.
    Orthogonal,
}

/// What a parameter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterRole {
    /// A trainer changes it along its gradient.
    Trained,
    /// Nothing changes it.
    Fixed,
    /// How soft a mask is. No gradient changes it; a training with annealing sets it.
    Temperature,
}

/// One parameter of an intervention.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name within the intervention, as it stands in files.
    pub name: String,
    /// Its values. The intervention reads them anew at each application.
    pub variable: Var,
    /// What it is for.
    pub role: ParameterRole,
    /// What must stay true of it.
    pub constraint: Constraint,
}

impl Parameter {
    /// One that is trained.
    pub fn trained(name: impl Into<String>, variable: &Var) -> Self {
        let (name, variable) = (name.into(), variable.clone());
        Self { name, variable, role: ParameterRole::Trained, constraint: Constraint::Free }
    }

    /// One that no gradient step changes.
    pub fn frozen(name: impl Into<String>, variable: &Var) -> Self {
        Self { role: ParameterRole::Fixed, ..Self::trained(name, variable) }
    }

    /// One that is trained, or else frozen.
    pub fn trained_if(trained: bool, name: impl Into<String>, variable: &Var) -> Self {
        if trained { Self::trained(name, variable) } else { Self::frozen(name, variable) }
    }

    /// How soft a mask is, which annealing sets.
    pub fn temperature(name: impl Into<String>, variable: &Var) -> Self {
        Self { role: ParameterRole::Temperature, ..Self::trained(name, variable) }
    }

    /// One that is trained and whose columns stay orthonormal.
    pub fn orthogonal(name: impl Into<String>, variable: &Var) -> Self {
        Self { constraint: Constraint::Orthogonal, ..Self::trained(name, variable) }
    }

    /// Whether a trainer changes it.
    pub fn is_trained(&self) -> bool {
        self.role == ParameterRole::Trained
    }

    /// The part of a gradient along which the constraint is kept to first order: the gradient
    /// itself of a free parameter, [`orthogonal::tangent`] of an orthogonal one.
    ///
    /// # Errors
    /// A gradient of another shape or precision.
    pub fn project(&self, gradient: &Tensor) -> Result<Tensor> {
        match self.constraint {
            Constraint::Free => Ok(gradient.clone()),
            Constraint::Orthogonal => orthogonal::tangent(&self.variable, gradient),
        }
    }

    /// Puts the constraint right again after a step: nothing for a free parameter,
    /// [`orthogonal::orthonormalised`] for an orthogonal one.
    ///
    /// # Errors
    /// A step that made columns dependent, or something that is no number.
    pub fn retract(&self) -> Result<()> {
        match self.constraint {
            Constraint::Free => Ok(()),
            Constraint::Orthogonal => {
                self.variable.set(&orthogonal::orthonormalised(&self.variable)?)
            }
        }
    }
}

/// Parameters that an intervention cannot be made of.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// Another shape than the intervention, or its other parameters, say.
    #[error("`{name}` has the shape {found:?}; expected {expected}")]
    Shape {
        /// The parameter.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// What it should be.
        expected: String,
    },
    /// A value that is no number, or infinite.
    #[error("`{name}` holds {value} at index {index}; expected finite numbers")]
    NotFinite {
        /// The parameter.
        name: String,
        /// The value.
        value: f64,
        /// Where, row-major.
        index: usize,
    },
    /// A rotation that is none.
    #[error(
        "the columns of `{name}` are not orthonormal: their products differ from those of the identity \
         by up to {drift:.2e}; the Q of a QR decomposition of them is such a rotation"
    )]
    NotOrthogonal {
        /// The parameter.
        name: String,
        /// max |QᵀQ − I|.
        drift: f64,
    },
    /// A number that cannot be.
    #[error("{name} is {value}; expected {expected}")]
    Number {
        /// What it is.
        name: &'static str,
        /// What it was.
        value: f64,
        /// What it may be.
        expected: &'static str,
    },
    /// A file without a parameter of the intervention.
    #[error("{}: there is no `{name}`, which {intervention} needs; it has {found}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The intervention.
        intervention: &'static str,
        /// The parameter.
        name: String,
        /// What there is.
        found: String,
    },
    /// A file with a tensor that the intervention knows nothing of.
    #[error("{}: {intervention} has no parameter `{name}`; it has {expected}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The intervention.
        intervention: &'static str,
        /// The tensor.
        name: String,
        /// The intervention's parameters.
        expected: String,
    },
    /// A file that is not what it should be.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An operation on tensors failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

vene_named::debug_as_sentence!(ParameterError);

impl ParameterError {
    /// A file that is wrong, and why.
    pub fn file(path: &std::path::Path, reason: impl ToString) -> Self {
        Self::File { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// A parameter in the base's precision and on its device.
pub(super) fn cast(values: &Tensor, like: &Tensor) -> Result<Tensor> {
    values.to_device(like.device())?.to_dtype(like.dtype())
}

/// A variable of floats with this shape, all of them numbers. A tensor of a graph is cut off from
/// it: the variable is a leaf of its own.
pub(super) fn variable(
    name: &str,
    values: &Tensor,
    shape: &[usize],
) -> std::result::Result<Var, ParameterError> {
    if values.dims() != shape {
        return Err(ParameterError::Shape {
            name: name.to_owned(),
            found: values.dims().to_vec(),
            expected: format!("{shape:?}"),
        });
    }
    finite(name, values)?;
    // A copy, so that nothing else writes into it.
    Ok(Var::from_tensor(&values.detach().copy()?)?)
}

/// Refuses what is no number.
pub fn finite(name: &str, values: &Tensor) -> std::result::Result<(), ParameterError> {
    // Any infinity or NaN makes 0 * value a NaN, and the sum with it.
    let sum = (values.to_dtype(candle_core::DType::F64)? * 0.0)?.sum_all()?.to_scalar::<f64>()?;
    if sum == 0.0 {
        return Ok(());
    }
    let values: Vec<f64> = values.to_dtype(candle_core::DType::F64)?.flatten_all()?.to_vec1()?;
    let index = values.iter().position(|value| !value.is_finite()).unwrap_or_default();
    let value = values.get(index).copied().unwrap_or(f64::NAN);
    Err(ParameterError::NotFinite { name: name.to_owned(), value, index })
}

/// The width that a check expects, or why values of this width cannot be edited.
pub(super) fn expect_width(
    what: &str,
    own: usize,
    width: Option<usize>,
) -> std::result::Result<(), String> {
    match width {
        Some(width) if width == own => Ok(()),
        Some(width) => Err(format!("{what} of {own} dimensions; the edited values have {width}")),
        None => Err(format!(
            "{what} of {own} dimensions; an attention pattern has as many as the prompt has tokens"
        )),
    }
}
