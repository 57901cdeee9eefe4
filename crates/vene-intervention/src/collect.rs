//! Collect: what the values are, with nothing done to them (pyvene's `CollectIntervention`).
//!
//! [`Plan::collect`](crate::Plan::collect) hands activations out as numbers. This intervention
//! hands out tensors, through which gradients flow: for probes that are trained, or for
//! attributions.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{D, Tensor};

use super::{Intervention, Settings, SourceCount, Subspace, Traits, UnitContext};

/// Leaves the values as they are and keeps them, or the subspace's dimensions of them, until they
/// are taken. A clone keeps them in the same place.
#[derive(Clone, Debug, Default)]
pub struct Collect {
    subspace: Subspace,
    seen: Arc<Mutex<Vec<Collected>>>,
}

/// The values of one application.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The example's index.
    pub example: usize,
    /// The token positions.
    pub positions: Vec<usize>,
    /// The values, `[positions, width]`, of a subspace `[positions, dimensions]`; of attention
    /// patterns `[heads, queries, keys]`.
    pub values: Tensor,
}

impl Collect {
    /// Of these dimensions, where the plan does not choose others for each example.
    pub fn new(subspace: Subspace) -> Self {
        Self { subspace, ..Self::default() }
    }

    /// What was seen since it was last taken, by example.
    pub fn take(&self) -> Vec<Collected> {
        let mut seen = std::mem::take(&mut *self.lock());
        seen.sort_by_key(|collected| collected.example);
        seen
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Collected>> {
        // Nothing panics while it is locked; and what is in it would be whole all the same.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intervention for Collect {
    fn name(&self) -> &'static str {
        "collect"
    }

    fn settings(&self) -> Option<Settings> {
        Some(Settings::new(self.name()).subspace(&self.subspace))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None).observing()
    }

    fn take_collected(&self) -> Vec<Collected> {
        self.take()
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        match (width, &self.subspace) {
            (_, Subspace::All) => Ok(()),
            (Some(width), subspace) => subspace.problem(width),
            (None, _) => Err("a subspace; an attention pattern has none".to_owned()),
        }
    }

    fn coordinates(&self, width: Option<usize>) -> Option<usize> {
        width
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let values = match self.subspace.chosen(&context) {
            None => base.clone(),
            Some(chosen) => {
                let chosen = chosen.iter().map(|&dimension| dimension as u32);
                base.contiguous()?
                    .index_select(&Tensor::from_iter(chosen, base.device())?, D::Minus1)?
            }
        };
        let (example, positions) = (context.example, context.positions.to_vec());
        self.lock().push(Collected { example, positions, values });
        Ok(base.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn what_is_collected_has_gradients() {
        let base = Var::new(&[[1.0, 2.0, 3.0]], &Device::Cpu).unwrap();
        let collect = Collect::new(Subspace::dimensions([2, 0]));
        let context = |example| UnitContext { example, row: example, ..UnitContext::at(&[4]) };
        for example in [1, 0] {
            let after = collect.clone().apply(&base, &[], context(example)).unwrap();
            assert_eq!(after.to_vec2::<f64>().unwrap(), [[1.0, 2.0, 3.0]]);
        }
        let seen = collect.take();
        assert_eq!(seen.iter().map(|seen| seen.example).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(seen[0].positions, [4]);
        assert_eq!(seen[0].values.to_vec2::<f64>().unwrap(), [[3.0, 1.0]]);
        let gradients = seen[0].values.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let gradient = gradients.get(&base).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!(gradient, [[2.0, 0.0, 6.0]]);
        assert!(collect.take().is_empty());
    }
}
