//! An interchange of an autoencoder's latents (pyvene's `AutoencoderIntervention` and
//! `JumpReLUAutoencoderIntervention`; the first for DAS with a learned nonlinear basis, the second
//! for features: Huang et al. 2024, "RAVEL").

use std::sync::Arc;

use candle_core::Tensor;

use super::{Autoencoder, ErrorTerm};
use crate::parameter::expect_width;
use crate::subspace::mix;
use crate::{
    Granularity, Intervention, Parameter, Settings, SourceCount, Subspace, Traits, UnitContext,
    only_source,
};

/// The base's values with the source's latents in the subspace `S`: `z_i = encode(source)_i` for
/// `i` in `S`, else `encode(base)_i`; then `decode(z)`, and with its error term kept
/// `base + decode(z) − decode(encode(base))`.
///
/// Parameters: the autoencoder's.
#[derive(Clone, Debug)]
pub struct LatentInterchange {
    autoencoder: Arc<dyn Autoencoder>,
    subspace: Subspace,
    error_term: ErrorTerm,
}

impl LatentInterchange {
    /// Of these latents, where the plan does not choose others for each example.
    pub fn new(
        autoencoder: Arc<dyn Autoencoder>,
        subspace: Subspace,
        error_term: ErrorTerm,
    ) -> Self {
        Self { autoencoder, subspace, error_term }
    }
}

impl Intervention for LatentInterchange {
    fn name(&self) -> &'static str {
        "latent_interchange"
    }

    fn settings(&self) -> Option<Settings> {
        let settings = Settings::new(self.name()).with("autoencoder", self.autoencoder.settings()?);
        Some(settings.subspace(&self.subspace).with("error_term", self.error_term.name()))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::One).granularity(Granularity::Row)
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        expect_width("an autoencoder", self.autoencoder.width(), width)?;
        self.subspace.problem(self.autoencoder.latents())
    }

    fn coordinates(&self, _: Option<usize>) -> Option<usize> {
        Some(self.autoencoder.latents())
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.autoencoder.parameters()
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let autoencoder = self.autoencoder.as_ref();
        let latents = autoencoder.encode(base)?;
        let source = autoencoder.encode(only_source(sources)?)?;
        let edited = match self.subspace.chosen(&context) {
            None => source,
            Some(chosen) => mix(chosen, &source, &latents)?,
        };
        self.error_term.decode(autoencoder, base, &latents, &edited)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::LinearAutoencoder;
    use candle_core::Device;

    #[test]
    fn with_its_error_term_a_base_that_is_its_own_source_stays_bit_for_bit() {
        let autoencoder = Arc::new(LinearAutoencoder::random(6, 2, 1).unwrap());
        let base = Tensor::randn(0.0, 1.0, (2, 6), &Device::Cpu).unwrap();
        let apply = |error_term| {
            let edit = LatentInterchange::new(autoencoder.clone(), Subspace::first(1), error_term);
            let context = UnitContext::at(&[0, 1]);
            let edited = edit.apply(&base, std::slice::from_ref(&base), context).unwrap();
            edited.to_vec2::<f64>().unwrap()
        };
        let own = base.to_vec2::<f64>().unwrap();
        assert_eq!(apply(ErrorTerm::Kept), own);
        // Two of six dimensions are left of it otherwise.
        assert_ne!(apply(ErrorTerm::Dropped), own);
    }
}
