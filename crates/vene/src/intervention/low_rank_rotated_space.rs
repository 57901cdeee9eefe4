//! DAS with few directions: an interchange along learned orthonormal directions (Geiger et al.
//! 2024; Wu et al. 2024, "ReFT", where it is the interchange that LoReFT is made of; pyvene's
//! `LowRankRotatedSpaceIntervention`).

use candle_core::Tensor;

use super::{
    Granularity, Intervention, Parameter, Rotation, Settings, SourceCount, Subspace, Traits,
    UnitContext, only_source,
};

/// `base + (source − base) R_S R_Sᵀ` with few orthonormal directions in the columns of `R`
/// `[width, rank]`: along those in the subspace `S` the values are the source's, and across them
/// the base's.
///
/// Its one parameter is `rotate_layer.weight`, `R`. A training step costs in proportion to the
/// rank; the whole space's rotation is not needed to find a few of its directions.
#[derive(Clone, Debug)]
pub struct LowRankRotatedSpace {
    rotation: Rotation,
    subspace: Subspace,
}

impl LowRankRotatedSpace {
    /// Along these directions; where the plan does not choose some of them for each example, along
    /// those of this subspace.
    pub fn new(rotation: Rotation, subspace: Subspace) -> Self {
        Self { rotation, subspace }
    }

    /// The directions.
    pub fn rotation(&self) -> &Rotation {
        &self.rotation
    }
}

impl Intervention for LowRankRotatedSpace {
    fn name(&self) -> &'static str {
        "low_rank_rotated_space"
    }

    fn settings(&self) -> Option<Settings> {
        let rank = self.rotation.rank();
        Some(Settings::new(self.name()).with("rank", rank).subspace(&self.subspace))
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

    /// In the plane's first direction, worked out by hand: (1, 2, 3) with (5, 2, 0)'s part along
    /// (0.6, 0, 0.8).
    #[test]
    fn only_the_part_along_the_direction_is_exchanged() {
        let rotation = Tensor::new(&[[0.6, 0.0], [0.0, 1.0], [0.8, 0.0]], &Device::Cpu).unwrap();
        let edit = LowRankRotatedSpace::new(Rotation::new(&rotation).unwrap(), Subspace::first(1));
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
}
