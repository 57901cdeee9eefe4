//! A learned mask over the values' own dimensions: differential binary masking (De Cao et al. 2020,
//! "How do Decisions Emerge across Layers in Neural Models?"; Csordás et al. 2021, "Are Neural Nets
//! Modular?"; pyvene's `SigmoidMaskIntervention`).

use candle_core::{DType, Tensor};

use super::parameter::{self, cast};
use super::{
    Granularity, Intervention, Mask, Parameter, ParameterError, Settings, SourceCount, Traits,
    UnitContext, only_source,
};

/// `base + σ(mask / temperature) ∘ (source − base)`: of each dimension a learned share is the
/// source's.
///
/// Parameters: `mask` `[width]`, before the sigmoid; `temperature`, not trained: lowered by a
/// trainer, it makes the shares 0 or 1.
#[derive(Clone, Debug)]
pub struct SigmoidMask {
    mask: Mask,
}

impl SigmoidMask {
    /// As a training begins: half of every dimension is the source's; a temperature of 0.01.
    ///
    /// # Errors
    /// Failures of the tensor operations.
    pub fn new(width: usize) -> Result<Self, ParameterError> {
        let mask = Tensor::zeros(width, DType::F64, &candle_core::Device::Cpu)?;
        Self::with_mask(&mask, 0.01)
    }

    /// With a mask `[width]`, before the sigmoid, and a temperature.
    ///
    /// # Errors
    /// A mask of another shape, or what is no number.
    pub fn with_mask(mask: &Tensor, temperature: f64) -> Result<Self, ParameterError> {
        Ok(Self { mask: Mask::of_logits("mask", mask, mask.elem_count(), temperature)? })
    }

    /// The mask.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }
}

impl Intervention for SigmoidMask {
    fn name(&self) -> &'static str {
        "sigmoid_mask"
    }

    fn settings(&self) -> Option<Settings> {
        Some(Settings::new(self.name()))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::One).granularity(Granularity::Row)
    }

    fn problem(&self) -> Option<String> {
        self.mask.problem()
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        parameter::expect_width("a mask", self.mask.width(), width)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.mask.parameters().into()
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        base + (only_source(sources)? - base)?.broadcast_mul(&cast(&self.mask.share()?, base)?)?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn shares_go_from_the_base_to_the_source() {
        let mask = Tensor::new(&[-80.0, 0.0, 80.0], &Device::Cpu).unwrap();
        let edit = SigmoidMask::with_mask(&mask, 2.0).unwrap();
        let base = Tensor::new(&[[1.0, 1.0, 1.0]], &Device::Cpu).unwrap();
        let source = Tensor::new(&[[3.0, 3.0, 3.0]], &Device::Cpu).unwrap();
        let context = UnitContext::at(&[0]);
        let edited = edit.apply(&base, &[source], context).unwrap();
        assert_eq!(edited.to_vec2::<f64>().unwrap(), [[1.0, 2.0, 3.0]]);
        assert!(edit.check(Some(2)).is_err());
    }
}
