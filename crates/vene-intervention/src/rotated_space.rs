//! Interchanges along the directions of a learned rotation: distributed alignment search (DAS) and what came of it.
//!
//! All four are `base + ((source − base) R ∘ m) Rᵀ`, with orthonormal directions in the columns of `R`. They differ in
//! how many directions there are, and in which share `m` of each is the source's:
//!
//! | constructor | name | `R` | `m` |
//! | --- | --- | --- | --- |
//! | [`RotatedSpace::new`] | `rotated_space` | `[width, width]` | 1 in a subspace, else 0 |
//! | [`RotatedSpace::low_rank`] | `low_rank_rotated_space` | `[width, rank]` | 1 in a subspace, else 0 |
//! | [`RotatedSpace::boundless`] | `boundless_rotated_space` | `[width, width]` | between learned boundaries |
//! | [`RotatedSpace::sigmoid_mask`] | `sigmoid_mask_rotated_space` | `[width, width]` | learned for each direction |
//!
//! * Geiger et al. 2024, "Finding Alignments Between Interpretable Causal Variables and Distributed Neural
//!   Representations": the first (pyvene's `RotatedSpaceIntervention`).
//! * Wu et al. 2024, "ReFT", where the second is the interchange that LoReFT is made of (pyvene's
//!   `LowRankRotatedSpaceIntervention`).
//! * Wu et al. 2023, "Interpretability at Scale: Identifying Causal Mechanisms in Alpaca": the third (pyvene's
//!   `BoundlessRotatedSpaceIntervention`).
//! * Csordás et al. 2021, "Are Neural Nets Modular?", for the mask of the fourth (pyvene's
//!   `SigmoidMaskRotatedSpaceIntervention`).

use candle_core::Tensor;

use super::parameter::cast;
use super::{
    Granularity, Intervention, Mask, Parameter, ParameterError, Rotation, Settings, SourceCount,
    Subspace, Traits, UnitContext, only_source,
};

/// `base + ((source − base) R ∘ m) Rᵀ`: along the orthonormal directions in the columns of `R` a share `m` of the values
/// is the source's, and across them all is the base's.
///
/// Parameters: `rotate_layer.weight`, `R`; and those of a mask.
#[derive(Clone, Debug)]
pub struct RotatedSpace {
    rotation: Rotation,
    exchanged: Exchanged,
}

/// Which share of each direction is the source's.
#[derive(Clone, Debug)]
enum Exchanged {
    /// All of those in the subspace, of a rotation of the whole space.
    Some(Subspace),
    /// All of those in the subspace, of few directions.
    OfFew(Subspace),
    /// Of those between boundaries.
    Boundless(Mask),
    /// A learned one of each.
    Masked(Mask),
}

impl RotatedSpace {
    /// The coordinates in the subspace are the source's and all others the base's, with respect to a rotation of the
    /// whole space; where the plan does not choose a subspace for each example, in this one.
    ///
    /// With the whole space as its subspace it is a plain interchange.
    ///
    /// # Errors
    /// Fewer directions than dimensions.
    pub fn new(rotation: Rotation, subspace: Subspace) -> Result<Self, ParameterError> {
        Ok(Self { rotation: rotation.square()?, exchanged: Exchanged::Some(subspace) })
    }

    /// Along few directions; where the plan does not choose some of them for each example, along those of this
    /// subspace.
    ///
    /// A training step costs in proportion to the rank; the whole space's rotation is not needed to find a few of its
    /// directions.
    pub fn low_rank(rotation: Rotation, subspace: Subspace) -> Self {
        Self { rotation, exchanged: Exchanged::OfFew(subspace) }
    }

    /// As a training begins: the upper boundary at half of the width, a temperature of 50.
    ///
    /// # Errors
    /// Fewer directions than dimensions.
    pub fn boundless(rotation: Rotation) -> Result<Self, ParameterError> {
        Self::with_boundaries(rotation, &[0.5], 50.0)
    }

    /// How many directions are exchanged is learned along with the rotation: with `[upper]` or `[lower, upper]`, as
    /// fractions of the width, and a temperature. Of the directions `i = 0 .. width − 1`
    ///
    /// `m_i = σ((i − lower · width) / temperature) · σ((upper · width − i) / temperature)`
    ///
    /// Parameters besides the rotation: `intervention_boundaries`, `[upper]` with a lower boundary of 0, as in pyvene, or
    /// `[lower, upper]`, the upper clamped to 0.001 to 1 and the lower to 0 to 1; `temperature`, not trained: a trainer
    /// lowers it step by step (50 to 0.1 in the paper), and the mask becomes hard.
    ///
    /// # Errors
    /// Fewer directions than dimensions, another number of boundaries, or values that are not finite.
    pub fn with_boundaries(
        rotation: Rotation,
        boundaries: &[f64],
        temperature: f64,
    ) -> Result<Self, ParameterError> {
        let (width, like) = (rotation.width(), rotation.directions());
        let mask = Mask::of_boundaries(boundaries, width, temperature, like)?;
        Ok(Self { rotation: rotation.square()?, exchanged: Exchanged::Boundless(mask) })
    }

    /// As a training begins: masks of 100 at a temperature of 50, so that 0.88 of each direction is the source's.
    ///
    /// # Errors
    /// Fewer directions than dimensions.
    pub fn sigmoid_mask(rotation: Rotation) -> Result<Self, ParameterError> {
        let masks = Tensor::full(100.0, rotation.width(), rotation.directions().device())?;
        Self::with_masks(rotation, &masks, 50.0)
    }

    /// `m = σ(masks / temperature)`, with masks `[width]`, before the sigmoid, and a temperature: DAS that finds its
    /// subspace's dimensions by itself.
    ///
    /// Parameters besides the rotation: `masks`; `temperature`, not trained: a trainer lowers it.
    ///
    /// # Errors
    /// Fewer directions than dimensions, masks of another shape, or values that are not finite.
    pub fn with_masks(
        rotation: Rotation,
        masks: &Tensor,
        temperature: f64,
    ) -> Result<Self, ParameterError> {
        let rotation = rotation.square()?;
        let mask = Mask::of_logits("masks", masks, rotation.width(), temperature)?;
        Ok(Self { rotation, exchanged: Exchanged::Masked(mask) })
    }

    /// The rotation.
    pub fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// The learned mask over the directions, if there is one.
    pub fn mask(&self) -> Option<&Mask> {
        match &self.exchanged {
            Exchanged::Boundless(mask) | Exchanged::Masked(mask) => Some(mask),
            Exchanged::Some(_) | Exchanged::OfFew(_) => None,
        }
    }

    fn subspace(&self) -> Option<&Subspace> {
        match &self.exchanged {
            Exchanged::Some(subspace) | Exchanged::OfFew(subspace) => Some(subspace),
            Exchanged::Boundless(_) | Exchanged::Masked(_) => None,
        }
    }
}

impl Intervention for RotatedSpace {
    fn name(&self) -> &'static str {
        match self.exchanged {
            Exchanged::Some(_) => "rotated_space",
            Exchanged::OfFew(_) => "low_rank_rotated_space",
            Exchanged::Boundless(_) => "boundless_rotated_space",
            Exchanged::Masked(_) => "sigmoid_mask_rotated_space",
        }
    }

    fn settings(&self) -> Option<Settings> {
        let settings = Settings::new(self.name());
        Some(match &self.exchanged {
            Exchanged::Some(subspace) => settings.subspace(subspace),
            Exchanged::OfFew(subspace) => {
                settings.with("rank", self.rotation.rank()).subspace(subspace)
            }
            Exchanged::Boundless(_) | Exchanged::Masked(_) => settings,
        })
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::One).granularity(Granularity::Row)
    }

    fn problem(&self) -> Option<String> {
        self.mask()?.problem()
    }

    fn check(&self, width: Option<usize>) -> Result<(), String> {
        self.rotation.check(width)?;
        self.subspace().map_or(Ok(()), |subspace| subspace.problem(self.rotation.rank()))
    }

    fn coordinates(&self, _: Option<usize>) -> Option<usize> {
        self.subspace().map(|_| self.rotation.rank())
    }

    fn parameters(&self) -> Vec<Parameter> {
        let of_mask = self.mask().into_iter().flat_map(Mask::parameters);
        std::iter::once(self.rotation.parameter()).chain(of_mask).collect()
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let chosen = self.subspace().and_then(|subspace| subspace.chosen(&context));
        let directions = self.rotation.cast(base, chosen)?;
        let share = self.mask().map(|mask| cast(&mask.share()?, base)).transpose()?;
        Rotation::exchange(base, only_source(sources)?, &directions, share.as_ref())
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
        assert!(RotatedSpace::new(few.clone(), Subspace::All).is_err());
        assert!(RotatedSpace::boundless(few.clone()).is_err());
        assert!(RotatedSpace::sigmoid_mask(few).is_err());
    }

    /// In the plane's first direction, worked out by hand: (1, 2, 3) with (5, 2, 0)'s part along
    /// (0.6, 0, 0.8).
    #[test]
    fn only_the_part_along_the_direction_is_exchanged() {
        let rotation = Tensor::new(&[[0.6, 0.0], [0.0, 1.0], [0.8, 0.0]], &Device::Cpu).unwrap();
        let edit = RotatedSpace::low_rank(Rotation::new(&rotation).unwrap(), Subspace::first(1));
        let base = Tensor::new(&[[1.0, 2.0, 3.0]], &Device::Cpu).unwrap();
        let source = Tensor::new(&[[5.0, 9.0, 0.0]], &Device::Cpu).unwrap();
        let context = UnitContext::at(&[0]);
        let edited = edit.apply(&base, &[source], context).unwrap().to_vec2::<f64>().unwrap();
        // Along the direction: 3.0 for the base, 3.0 for the source.
        assert!(edited[0].iter().zip([1.0, 2.0, 3.0]).all(|(e, b)| (e - b).abs() < 1e-15));
        let source = Tensor::new(&[[5.0, 9.0, 5.0]], &Device::Cpu).unwrap();
        let edited = edit.apply(&base, &[source], context).unwrap().to_vec2::<f64>().unwrap();
        // 7.0 for the source now: 4 further along it.
        assert!(edited[0].iter().zip([3.4, 2.0, 6.2]).all(|(e, b)| (e - b).abs() < 1e-14));
    }

    #[test]
    fn a_direction_that_is_masked_out_stays_the_bases() {
        let rotation = Rotation::random(3, 3, 4).unwrap();
        let masks = Tensor::new(&[90.0, -90.0, 0.0], &Device::Cpu).unwrap();
        let edit = RotatedSpace::with_masks(rotation.clone(), &masks, 1.0).unwrap();
        let [base, source] = [1, 2].map(|_| Tensor::randn(0.0, 1.0, (1, 3), &Device::Cpu).unwrap());
        let edited = edit.apply(&base, std::slice::from_ref(&source), UnitContext::at(&[0]));
        let [edited, base, source] = [edited.unwrap(), base, source].map(|values| {
            values.matmul(rotation.directions()).unwrap().to_vec2::<f64>().unwrap().concat()
        });
        let expected = [source[0], base[1], (base[2] + source[2]) / 2.0];
        assert!(edited.iter().zip(expected).all(|(e, x)| (e - x).abs() < 1e-14));
    }

    #[test]
    fn a_sigmoid_mask_begins_near_an_interchange() {
        let edit = RotatedSpace::sigmoid_mask(Rotation::random(2, 2, 4).unwrap()).unwrap();
        let share = edit.mask().unwrap().share().unwrap().to_vec1::<f64>().unwrap();
        assert!(share.iter().all(|share| (share - 0.880_797_077_977_882_3).abs() < 1e-15));
    }
}
