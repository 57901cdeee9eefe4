//! Sparse autoencoders: many more latents than dimensions, of which few are not 0 at a time, each
//! hopefully a feature that means something (Bricken et al. 2023, "Towards Monosemanticity";
//! Cunningham et al. 2023; with JumpReLU: Rajamanoharan et al. 2024, "Jumping Ahead"; pyvene's
//! `JumpReLUAutoencoderIntervention`).

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Result, Tensor, Var};

use super::Autoencoder;
use crate::parameter::{cast, variable};
use crate::product::product;
use crate::{Parameter, ParameterError, Settings, state};

/// `encode(x) = f((x − s b_dec) W_enc + b_enc)`, `decode(z) = z W_dec + b_dec`; `f(u)` is
/// `relu(u)`, and 0 besides where `u` is not above a threshold, if there are thresholds; `s` is 1
/// where the decoder's bias is taken off the input, else 0.
///
/// Parameters, frozen unless [`SparseAutoencoder::trained`]: `W_enc` `[width, latents]`, `b_enc`
/// `[latents]`, `W_dec` `[latents, width]`, `b_dec` `[width]`, and `threshold` `[latents]`, which
/// is never trained here: it is a step, whose gradient is 0 wherever it has one (the paper
/// estimates one from a kernel). A clone shares them.
#[derive(Clone, Debug)]
pub struct SparseAutoencoder {
    encoder: Var,
    encoder_bias: Var,
    decoder: Var,
    decoder_bias: Var,
    threshold: Option<Var>,
    centred: bool,
    trained: bool,
}

impl SparseAutoencoder {
    /// With ReLU, from `W_enc` `[width, latents]`, `b_enc` `[latents]`, `W_dec` `[latents, width]`
    /// and `b_dec` `[width]`.
    ///
    /// # Errors
    /// Shapes that do not go together, or what is no number.
    pub fn new(
        encoder: &Tensor,
        encoder_bias: &Tensor,
        decoder: &Tensor,
        decoder_bias: &Tensor,
    ) -> std::result::Result<Self, ParameterError> {
        let &[width, latents] = encoder.dims() else {
            return Err(ParameterError::Shape {
                name: "W_enc".to_owned(),
                found: encoder.dims().to_vec(),
                expected: "[width, latents]".to_owned(),
            });
        };
        Ok(Self {
            encoder: variable("W_enc", encoder, &[width, latents])?,
            encoder_bias: variable("b_enc", encoder_bias, &[latents])?,
            decoder: variable("W_dec", decoder, &[latents, width])?,
            decoder_bias: variable("b_dec", decoder_bias, &[width])?,
            threshold: None,
            centred: false,
            trained: false,
        })
    }

    /// With JumpReLU: latents that are not above these thresholds, `[latents]`, are 0.
    ///
    /// # Errors
    /// Another shape, or what is no number.
    pub fn jump_relu(mut self, threshold: &Tensor) -> std::result::Result<Self, ParameterError> {
        self.threshold = Some(variable("threshold", threshold, &[self.latents()])?);
        Ok(self)
    }

    /// The decoder's bias is taken off the input (SAELens's `apply_b_dec_to_input`).
    #[must_use]
    pub fn centred(mut self) -> Self {
        self.centred = true;
        self
    }

    /// A trainer is to change it.
    #[must_use]
    pub fn trained(mut self) -> Self {
        self.trained = true;
        self
    }

    /// From a file's tensors, all of which must be known.
    pub(super) fn from_tensors(
        path: &Path,
        mut tensors: BTreeMap<String, Tensor>,
        has_threshold: bool,
    ) -> std::result::Result<Self, ParameterError> {
        let mut take = |name: &str| {
            tensors.remove(name).ok_or_else(|| {
                let found = state::listed(tensors.keys());
                ParameterError::file(path, format!("there is no `{name}` beside {found}"))
            })
        };
        let [encoder, encoder_bias] = [take("W_enc")?, take("b_enc")?];
        let [decoder, decoder_bias] = [take("W_dec")?, take("b_dec")?];
        let threshold = has_threshold.then(|| take("threshold")).transpose()?;
        if let Some(name) = tensors.keys().next() {
            let reason = format!("`{name}` belongs to no autoencoder of this kind");
            return Err(ParameterError::file(path, reason));
        }
        let autoencoder = Self::new(&encoder, &encoder_bias, &decoder, &decoder_bias)?;
        match threshold {
            None => Ok(autoencoder),
            Some(threshold) => autoencoder.jump_relu(&threshold),
        }
    }
}

impl Autoencoder for SparseAutoencoder {
    fn settings(&self) -> Option<Settings> {
        let activation = if self.threshold.is_some() { "jump_relu" } else { "relu" };
        let settings = Settings::new("sparse").with("activation", activation);
        Some(settings.with("centred", self.centred).with("trained", self.trained))
    }

    fn width(&self) -> usize {
        self.encoder.dims()[0]
    }

    fn latents(&self) -> usize {
        self.encoder.dims()[1]
    }

    fn encode(&self, values: &Tensor) -> Result<Tensor> {
        let values = match self.centred {
            true => values.broadcast_sub(&cast(&self.decoder_bias, values)?)?,
            false => values.clone(),
        };
        let before = product(&values, &cast(&self.encoder, &values)?)?;
        let before = before.broadcast_add(&cast(&self.encoder_bias, &values)?)?;
        let after = before.relu()?;
        match &self.threshold {
            None => Ok(after),
            Some(threshold) => {
                let above = before.broadcast_gt(&cast(threshold, &values)?)?;
                above.where_cond(&after, &after.zeros_like()?)
            }
        }
    }

    fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        let values = product(latents, &cast(&self.decoder, latents)?)?;
        values.broadcast_add(&cast(&self.decoder_bias, latents)?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        let parameter = |name, variable| Parameter::trained_if(self.trained, name, variable);
        let mut parameters = vec![
            parameter("W_enc", &self.encoder),
            parameter("b_enc", &self.encoder_bias),
            parameter("W_dec", &self.decoder),
            parameter("b_dec", &self.decoder_bias),
        ];
        parameters.extend(
            self.threshold.as_ref().map(|threshold| Parameter::frozen("threshold", threshold)),
        );
        parameters
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn latents_jump_at_their_threshold() {
        let tensor = |values: &[f64], shape: &[usize]| {
            Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
        };
        let relu = SparseAutoencoder::new(
            &tensor(&[1.0, 1.0, -1.0], &[1, 3]),
            &tensor(&[0.0, 1.0, 0.0], &[3]),
            &tensor(&[1.0, 2.0, 3.0], &[3, 1]),
            &tensor(&[0.5], &[1]),
        )
        .unwrap();
        let encode = |autoencoder: &SparseAutoencoder, value: f64| {
            autoencoder.encode(&tensor(&[value], &[1, 1])).unwrap().to_vec2::<f64>().unwrap()
        };
        assert_eq!(encode(&relu, 2.0), [[2.0, 3.0, 0.0]]);
        assert_eq!(encode(&relu.clone().centred(), 2.5), [[2.0, 3.0, 0.0]]);
        let jump = relu.jump_relu(&tensor(&[2.0, 2.5, 0.0], &[3])).unwrap();
        // Not above its threshold is at it, too.
        assert_eq!(encode(&jump, 2.0), [[0.0, 3.0, 0.0]]);
        assert_eq!(
            jump.decode(&tensor(&[0.0, 3.0, 0.0], &[1, 3])).unwrap().to_vec2::<f64>().unwrap(),
            [[6.5]]
        );
    }
}
