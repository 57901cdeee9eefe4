//! Any intervention, in some of the values' own dimensions only (pyvene's `subspaces` of its
//! vanilla, addition, subtraction and zero interventions).

use std::sync::Arc;

use candle_core::Tensor;

use super::{Dependence, Granularity, Intervention, Settings, Subspace, Traits, UnitContext};

/// The inner intervention's values in the subspace's dimensions, and the base's own, bit for bit,
/// in all others.
///
/// ```
/// use std::sync::Arc;
/// use vene::intervention::{InSubspace, Interchange, Subspace};
/// use vene::{Component, Edit};
///
/// let some = InSubspace::new(Arc::new(Interchange), Subspace::dimensions([0, 5]));
/// let edit = Edit::new(Component::BlockOutput, 3, Arc::new(some));
/// ```
#[derive(Clone, Debug)]
pub struct InSubspace {
    inner: Arc<dyn Intervention>,
    subspace: Subspace,
}

impl InSubspace {
    /// Where the plan does not choose a subspace for each example, in this one.
    pub fn new(inner: Arc<dyn Intervention>, subspace: Subspace) -> Self {
        Self { inner, subspace }
    }
}

impl Intervention for InSubspace {
    fn name(&self) -> &'static str {
        "in_subspace"
    }

    fn settings(&self) -> Option<Settings> {
        Some(Settings::around(self.name(), &*self.inner)?.subspace(&self.subspace))
    }

    fn traits(&self) -> Traits {
        // The other dimensions are the base's, and columns say which they are.
        self.inner.traits().at_least(Dependence::Relative, Granularity::Row)
    }

    fn inner(&self) -> Option<&dyn Intervention> {
        Some(&*self.inner)
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        self.inner.check(width)?;
        match width {
            Some(width) => self.subspace.problem(width),
            None => Err(
                "a subspace; an attention pattern has no dimensions but keys: choose them by Edit::keys"
                    .to_owned(),
            ),
        }
    }

    fn coordinates(&self, width: Option<usize>) -> Option<usize> {
        width
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let chosen = self.subspace.chosen(&context);
        let edited = self.inner.apply(base, sources, UnitContext { subspace: None, ..context })?;
        match chosen {
            None => Ok(edited),
            Some(chosen) => super::subspace::mix(chosen, &edited, base),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Addition, Zero};
    use candle_core::Device;

    #[test]
    fn only_the_chosen_dimensions_change() {
        let tensor = |values: &[[f64; 3]; 2]| Tensor::new(values, &Device::Cpu).unwrap();
        let base = tensor(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let source = tensor(&[[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]]);
        let apply = |inner: Arc<dyn Intervention>, subspace: Option<&[usize]>| {
            let edit = InSubspace::new(inner, Subspace::dimensions([2, 0]));
            let context = UnitContext { subspace, ..UnitContext::at(&[0, 1]) };
            let edited = edit.apply(&base, std::slice::from_ref(&source), context).unwrap();
            edited.to_vec2::<f64>().unwrap()
        };
        assert_eq!(apply(Arc::new(Addition), None), [[11.0, 2.0, 33.0], [44.0, 5.0, 66.0]]);
        assert_eq!(apply(Arc::new(Zero), Some(&[1])), [[1.0, 0.0, 3.0], [4.0, 0.0, 6.0]]);
    }
}
