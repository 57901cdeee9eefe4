//! A random direction of matched size: a control for interchange.
//!
//! Any change of an activation changes the output somewhat. Whether it is the *source's* values
//! that matter is seen by comparison with a change of the same size in a direction that means
//! nothing.

use candle_core::{D, DType, Tensor};
use vene_random::standard_normal;

use super::{Intervention, Settings, SourceCount, Traits, UnitContext, only_source};

/// `base + |source - base| u`, with a random unit vector `u` for every position: row by row the
/// change is as large (in Euclidean length, over all edited heads together) as that of an
/// interchange.
///
/// The draw depends on the seed, the example, the position and the column alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomDirection {
    /// The same seed gives the same directions.
    pub seed: u64,
}

impl Intervention for RandomDirection {
    fn name(&self) -> &'static str {
        "random_direction"
    }

    fn settings(&self) -> Option<Settings> {
        Some(Settings::new(self.name()).with("seed", self.seed))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::One)
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let UnitContext { row, positions, columns, keys, .. } = context;
        if keys.is_some() {
            candle_core::bail!("a random direction of an attention pattern is no pattern");
        }
        let stretch = base.elem_count() / (positions.len() * columns.len()).max(1);
        let draw = |position: usize| {
            let columns = columns.iter().flat_map(move |&column| column..column + stretch);
            columns.map(move |column| {
                standard_normal([self.seed, row as u64, position as u64, column as u64])
            })
        };
        let direction: Vec<f64> = positions.iter().flat_map(|&position| draw(position)).collect();
        let direction = Tensor::from_vec(direction, base.shape(), base.device())?;
        let length = |rows: &Tensor| rows.sqr()?.sum_keepdim(D::Minus1)?.sqrt();
        let change = (only_source(sources)? - base)?.to_dtype(DType::F64)?;
        let scale = (length(&change)? / length(&direction)?)?;
        base + direction.broadcast_mul(&scale)?.to_dtype(base.dtype())?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn each_row_changes_by_as_much_as_an_interchange_would() {
        let tensor =
            |values: &[f64]| Tensor::from_vec(values.to_vec(), (2, 4), &Device::Cpu).unwrap();
        let base = tensor(&[1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0]);
        let source = tensor(&[4.0, 2.0, 7.0, 4.0, 0.0, 0.0, 2.0, 0.0]);
        let apply = |example, seed| {
            let context = UnitContext { example, row: example, ..UnitContext::at(&[3, 5]) };
            let edited =
                RandomDirection { seed }.apply(&base, std::slice::from_ref(&source), context);
            (edited.unwrap() - &base).unwrap().to_vec2::<f64>().unwrap()
        };
        let change = apply(0, 1);
        let length = |row: &[f64]| row.iter().map(|value| value * value).sum::<f64>().sqrt();
        assert!((length(&change[0]) - 5.0).abs() < 1e-12);
        assert!((length(&change[1]) - 2.0).abs() < 1e-12);
        assert_eq!(change, apply(0, 1));
        assert_ne!(change, apply(1, 1));
        assert_ne!(change, apply(0, 2));
    }
}
