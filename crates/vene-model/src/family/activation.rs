//! Activation functions by transformers' names for them (its `ACT2FN`).

use crate::config::Activation;
use crate::error::ModelError;

/// Every name that is understood. `gelu_fast`, `gelu_new` and `gelu_accurate` are the tanh approximation,
/// written in other orders of rounding.
const NAMES: [(&str, Activation); 18] = [
    ("gelu", Activation::GeluExact),
    ("gelu_python", Activation::GeluExact),
    ("gelu_10", Activation::GeluClipped),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("gelu_accurate", Activation::GeluTanh),
    ("quick_gelu", Activation::GeluQuick),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("mish", Activation::Mish),
    ("relu", Activation::Relu),
    ("relu2", Activation::ReluSquared),
    ("relu6", Activation::Relu6),
    ("leaky_relu", Activation::ReluLeaky),
    ("tanh", Activation::Tanh),
    ("sigmoid", Activation::Sigmoid),
    ("linear", Activation::Linear),
];

/// An activation function by its name.
pub(super) fn named(key: &str, name: &str) -> Result<Activation, ModelError> {
    match NAMES.iter().find(|(known, _)| *known == name) {
        Some((_, activation)) => Ok(*activation),
        None => Err(ModelError::NotUnderstood {
            key: key.into(),
            value: name.into(),
            understood: NAMES.map(|(name, _)| name).join(", "),
        }),
    }
}
