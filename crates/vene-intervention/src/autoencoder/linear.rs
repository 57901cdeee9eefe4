//! The autoencoder of pyvene's `AutoencoderIntervention`: one layer in, one layer out, ReLU
//! between.

use candle_core::{DType, Device, Result, Tensor, Var};

use super::Autoencoder;
use crate::parameter::{cast, variable};
use crate::product::product;
use crate::{Parameter, ParameterError, Settings, orthogonal};

/// `encode(x) = relu(W (x − c) + b)`, `decode(z) = V z + c`, with `W` `[latents, width]` and `V`
/// `[width, latents]` in PyTorch's layout; all of it is trained.
///
/// Parameters: `autoencoder.encoder.0.weight`, `W`; `autoencoder.encoder.0.bias`, `b`;
/// `autoencoder.decoder.0.weight`, `V`; `autoencoder.decoder.0.bias`, `c`. A clone shares them.
#[derive(Clone, Debug)]
pub struct LinearAutoencoder {
    encoder: Var,
    encoder_bias: Var,
    decoder: Var,
    decoder_bias: Var,
}

const NAMES: [&str; 4] = [
    "autoencoder.encoder.0.weight",
    "autoencoder.encoder.0.bias",
    "autoencoder.decoder.0.weight",
    "autoencoder.decoder.0.bias",
];

impl LinearAutoencoder {
    /// From `W` `[latents, width]`, `b` `[latents]`, `V` `[width, latents]`, `c` `[width]`.
    ///
    /// # Errors
    /// Shapes that do not go together, or what is no number.
    pub fn new(
        encoder: &Tensor,
        encoder_bias: &Tensor,
        decoder: &Tensor,
        decoder_bias: &Tensor,
    ) -> std::result::Result<Self, ParameterError> {
        let &[latents, width] = encoder.dims() else {
            return Err(ParameterError::Shape {
                name: NAMES[0].to_owned(),
                found: encoder.dims().to_vec(),
                expected: "[latents, width]".to_owned(),
            });
        };
        Ok(Self {
            encoder: variable(NAMES[0], encoder, &[latents, width])?,
            encoder_bias: variable(NAMES[1], encoder_bias, &[latents])?,
            decoder: variable(NAMES[2], decoder, &[width, latents])?,
            decoder_bias: variable(NAMES[3], decoder_bias, &[width])?,
        })
    }

    /// To be trained, in double precision: random orthonormal directions for at most as many
    /// latents as there are dimensions, decoded along the same; biases of 0.
    ///
    /// # Errors
    /// More latents than dimensions, or none.
    pub fn random(
        width: usize,
        latents: usize,
        seed: u64,
    ) -> std::result::Result<Self, ParameterError> {
        let directions = orthogonal::random(width, latents, seed)?;
        let zeros = |count: usize| Tensor::zeros(count, DType::F64, &Device::Cpu);
        let encoder = directions.t()?.contiguous()?;
        Self::new(&encoder, &zeros(latents)?, &directions, &zeros(width)?)
    }
}

impl Autoencoder for LinearAutoencoder {
    fn settings(&self) -> Option<Settings> {
        Some(Settings::new("linear").with("latents", self.latents()))
    }

    fn width(&self) -> usize {
        self.encoder.dims()[1]
    }

    fn latents(&self) -> usize {
        self.encoder.dims()[0]
    }

    fn encode(&self, values: &Tensor) -> Result<Tensor> {
        let centred = values.broadcast_sub(&cast(&self.decoder_bias, values)?)?;
        let latents = product(&centred, &cast(&self.encoder, values)?.t()?)?;
        latents.broadcast_add(&cast(&self.encoder_bias, values)?)?.relu()
    }

    fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        let values = product(latents, &cast(&self.decoder, latents)?.t()?)?;
        values.broadcast_add(&cast(&self.decoder_bias, latents)?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        let variables = [&self.encoder, &self.encoder_bias, &self.decoder, &self.decoder_bias];
        NAMES.iter().zip(variables).map(|(name, var)| Parameter::trained(*name, var)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_is_the_formula() {
        let tensor = |values: &[f64], shape: &[usize]| {
            Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
        };
        let autoencoder = LinearAutoencoder::new(
            &tensor(&[1.0, 0.0, 0.0, -1.0, 1.0, 1.0], &[3, 2]),
            &tensor(&[0.5, 0.0, 1.0], &[3]),
            &tensor(&[1.0, 2.0, 0.0, 0.0, 1.0, 1.0], &[2, 3]),
            &tensor(&[1.0, 1.0], &[2]),
        )
        .unwrap();
        // Centred: (2, 1).
        let latents = autoencoder.encode(&tensor(&[3.0, 2.0], &[1, 2])).unwrap();
        assert_eq!(latents.to_vec2::<f64>().unwrap(), [[2.5, 0.0, 4.0]]);
        let decoded = autoencoder.decode(&latents).unwrap();
        assert_eq!(decoded.to_vec2::<f64>().unwrap(), [[3.5, 5.0]]);
    }

    #[test]
    fn shapes_must_go_together() {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F64, &Device::Cpu).unwrap();
        let error =
            LinearAutoencoder::new(&zeros(&[3, 2]), &zeros(&[3]), &zeros(&[3, 2]), &zeros(&[2]));
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "`autoencoder.decoder.0.weight` has the shape [3, 2]; expected [2, 3]");
    }
}
