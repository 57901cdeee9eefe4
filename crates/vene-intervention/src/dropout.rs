//! Dropout behind an intervention, in training only (Srivastava et al. 2014; the `dropout` of
//! pyreft's interventions, which drops of the *edited values*, not of the edit).

use std::sync::Arc;

use candle_core::Tensor;
use vene_random::Draws;

use super::{Dependence, Granularity, Intervention, Settings, Traits, UnitContext};

/// In a training step, each of the inner intervention's values is 0 with this probability, and else
/// divided by one less it; otherwise nothing is dropped.
///
/// What is dropped depends on the seed, the step, the row ([`UnitContext`]), the position and the column alone.
#[derive(Clone, Debug)]
pub struct Dropout {
    inner: Arc<dyn Intervention>,
    probability: f64,
    seed: u64,
}

impl Dropout {
    /// Behind this intervention.
    pub fn new(inner: Arc<dyn Intervention>, probability: f64, seed: u64) -> Self {
        Self { inner, probability, seed }
    }
}

impl Intervention for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn settings(&self) -> Option<Settings> {
        let settings = Settings::around(self.name(), &*self.inner)?;
        Some(settings.with("probability", self.probability).with("seed", self.seed))
    }

    fn traits(&self) -> Traits {
        // In a training some values are not the source's, and which depends on the example.
        self.inner.traits().at_least(Dependence::Absolute, Granularity::Whole)
    }

    fn inner(&self) -> Option<&dyn Intervention> {
        Some(&*self.inner)
    }

    fn problem(&self) -> Option<String> {
        let probability = self.probability;
        if !(0.0..1.0).contains(&probability) {
            return Some(format!(
                "a probability of {probability}; expected 0 or more, and less than 1"
            ));
        }
        self.inner.problem()
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        match width {
            Some(_) => self.inner.check(width),
            None => Err("dropout, which is not for attention patterns".to_owned()),
        }
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let edited = self.inner.apply(base, sources, context)?;
        let UnitContext { row, step, positions, columns, .. } = context;
        let Some(step) = step else { return Ok(edited) };
        let stretch = base.elem_count() / (positions.len() * columns.len()).max(1);
        let kept = 1.0 / (1.0 - self.probability);
        let threshold = (self.probability * (1u64 << 32) as f64) as usize;
        let factors = positions.iter().flat_map(|&position| {
            columns.iter().flat_map(|&column| column..column + stretch).map(move |column| {
                let key = [self.seed, step, row as u64, position as u64, column as u64];
                if Draws::new(key).below(1 << 32) < threshold { 0.0 } else { kept }
            })
        });
        let factors: Vec<f64> = factors.collect();
        let factors = Tensor::from_vec(factors, edited.shape(), edited.device())?;
        &edited * factors.to_dtype(edited.dtype())?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Interchange;
    use candle_core::{DType, Device};

    #[test]
    fn in_training_only_a_share_of_the_values_is_dropped() {
        let dropout = Dropout::new(Arc::new(Interchange), 0.25, 7);
        let ones = Tensor::ones((50, 200), DType::F64, &Device::Cpu).unwrap();
        let positions: Vec<usize> = (0..50).collect();
        let apply = |step| {
            let context = UnitContext { step, ..UnitContext::at(&positions) };
            let edited = dropout.apply(&ones, std::slice::from_ref(&ones), context).unwrap();
            edited.to_vec2::<f64>().unwrap().concat()
        };
        assert!(apply(None).iter().all(|&value| value == 1.0));
        let first = apply(Some(1));
        assert!(first.iter().all(|&value| value == 0.0 || value == 4.0 / 3.0));
        let dropped = first.iter().filter(|&&value| value == 0.0).count();
        // 2500 of 10000 are expected; a standard deviation is 43.
        assert!((2330..2670).contains(&dropped), "{dropped}");
        assert_eq!(first, apply(Some(1)));
        assert_ne!(first, apply(Some(2)));
    }

    #[test]
    fn everything_cannot_be_dropped() {
        let dropout = Dropout::new(Arc::new(Interchange), 1.0, 7);
        assert!(dropout.problem().unwrap().starts_with("a probability of 1"));
    }
}
