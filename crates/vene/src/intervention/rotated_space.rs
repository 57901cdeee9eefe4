//! Distributed alignment search (DAS): an interchange along some directions of a learned basis
//! (Geiger et al. 2024, "Finding Alignments Between Interpretable Causal Variables and Distributed
//! Neural Representations"; pyvene's `RotatedSpaceIntervention`).

use candle_core::Tensor;

use super::{
    Granularity, Intervention, Parameter, ParameterError, Rotation, Settings, SourceCount,
    Subspace, Traits, UnitContext, only_source,
};

/// `base + (source − base) R_S R_Sᵀ`: with respect to the orthonormal basis in the columns of `R`
/// `[width, width]`, the coordinates in the subspace `S` are the source's and all others the
/// base's.
///
/// Its one parameter is `rotate_layer.weight`, `R`. With the whole space as its subspace it is a
/// plain interchange.
#[derive(Clone, Debug)]
pub struct RotatedSpace {
    rotation: Rotation,
    subspace: Subspace,
}

impl RotatedSpace {
    /// By a rotation of the whole space; where the plan does not choose a subspace for each
    /// example, in this one.
    ///
    /// # Errors
    /// Fewer directions than dimensions.
    pub fn new(rotation: Rotation, subspace: Subspace) -> Result<Self, ParameterError> {
        Ok(Self { rotation: rotation.square()?, subspace })
    }

    /// The rotation.
    pub fn rotation(&self) -> &Rotation {
        &self.rotation
    }
}

impl Intervention for RotatedSpace {
    fn name(&self) -> &'static str {
        "rotated_space"
    }

    fn settings(&self) -> Option<Settings> {
        Some(Settings::new(self.name()).subspace(&self.subspace))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::One).granularity(Granularity::Row)
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        self.rotation.check(width)?;
        self.subspace.problem(self.rotation.rank())
    }

    fn coordinates(&self, _: Option<usize>) -> Option<usize> {
        Some(self.rotation.rank())
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![self.rotation.parameter()]
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let directions = self.rotation.cast(base, self.subspace.chosen(&context))?;
        Rotation::exchange(base, only_source(sources)?, &directions, None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    fn context(subspace: Option<&[usize]>) -> UnitContext<'_> {
        UnitContext { subspace, ..UnitContext::at(&[0, 1, 2]) }
    }

    #[test]
    fn coordinates_in_the_subspace_are_the_sources_and_all_others_the_bases() {
        let rotation = Rotation::random(5, 5, 2).unwrap();
        let [base, source] = [1, 2].map(|_| Tensor::randn(0.0, 1.0, (3, 5), &Device::Cpu).unwrap());
        let das = RotatedSpace::new(rotation.clone(), Subspace::first(2)).unwrap();
        let coordinates = |values: &Tensor| {
            values.matmul(rotation.directions()).unwrap().to_vec2::<f64>().unwrap()
        };
        for (chosen, expected) in [(None, vec![0, 1]), (Some(&[3][..]), vec![3])] {
            let edited = das.apply(&base, std::slice::from_ref(&source), context(chosen)).unwrap();
            for ((edited, base), source) in
                coordinates(&edited).iter().zip(coordinates(&base)).zip(coordinates(&source))
            {
                for (index, edited) in edited.iter().enumerate() {
                    let from = if expected.contains(&index) { source[index] } else { base[index] };
                    assert!((edited - from).abs() < 1e-14);
                }
            }
        }
        let own = das.apply(&base, std::slice::from_ref(&base), context(None)).unwrap();
        assert_eq!(own.to_vec2::<f64>().unwrap(), base.to_vec2::<f64>().unwrap());
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let rotation = Rotation::random(4, 4, 2).unwrap();
        let das = RotatedSpace::new(rotation, Subspace::dimensions([4])).unwrap();
        assert_eq!(
            das.check(Some(8)).unwrap_err(),
            "a rotation of 4 dimensions; the edited values have 8"
        );
        assert_eq!(
            das.check(Some(4)).unwrap_err(),
            "a subspace that cannot be: dimension 4: there are 4, counted from 0"
        );
        assert!(das.check(None).unwrap_err().contains("attention pattern"));
        let few = Rotation::random(4, 2, 2).unwrap();
        assert!(RotatedSpace::new(few, Subspace::All).is_err());
    }
}
