//! Noise: Gaussian noise on top of the base's values (Meng et al. 2022, causal tracing).
//!
//! The draw for a value depends on the seed, the example, the position and the column alone, so
//! that it is the same in whatever order, batch or chunk a plan is run. (In attention patterns the
//! position is the query's, and the column is `head * 2^32 + key`.) It can be repeated elsewhere in
//! a few lines: see `random.rs`.

use candle_core::Tensor;
use vene_random::standard_normal;

use super::{Intervention, Settings, SourceCount, Traits, UnitContext};

/// `base + standard_deviation * N(0, 1)`, a draw of its own for every value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// The noise's standard deviation, in the unit of the activations.
    pub standard_deviation: f64,
    /// The same seed gives the same noise.
    pub seed: u64,
}

impl Intervention for Noise {
    fn name(&self) -> &'static str {
        "noise"
    }

    fn settings(&self) -> Option<Settings> {
        let settings = Settings::new(self.name());
        Some(settings.with("standard_deviation", self.standard_deviation).with("seed", self.seed))
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None)
    }

    fn problem(&self) -> Option<String> {
        let standard_deviation = self.standard_deviation;
        let is_fine = standard_deviation.is_finite() && standard_deviation >= 0.0;
        (!is_fine).then(|| {
            format!("a standard deviation of {standard_deviation}; expected a number from 0 on")
        })
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let UnitContext { row, positions, columns, keys, .. } = context;
        let draw = |position: usize, column: u64| {
            let key = [self.seed, row as u64, position as u64, column];
            self.standard_deviation * standard_normal(key)
        };
        let mut noise = Vec::with_capacity(base.elem_count());
        match keys {
            // Rows: the heads' stretches side by side.
            None => {
                let stretch = base.elem_count() / (positions.len() * columns.len()).max(1);
                for &position in positions {
                    let columns = columns.iter().flat_map(|&column| column..column + stretch);
                    noise.extend(columns.map(|column| draw(position, column as u64)));
                }
            }
            // Attention patterns: a query's column is a head and a key.
            Some(keys) => {
                for &head in columns {
                    for &position in positions {
                        let column = |key: usize| (head as u64) << 32 | key as u64;
                        noise.extend(keys.iter().map(|&key| draw(position, column(key))));
                    }
                }
            }
        }
        let noise = Tensor::from_vec(noise, base.shape(), base.device())?;
        base + noise.to_dtype(base.dtype())?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use candle_core::Device;

    #[test]
    fn a_draw_does_not_depend_on_what_is_edited_with_it() {
        let noise = Noise { standard_deviation: 2.0, seed: 1 };
        let zeros = |rows| Tensor::zeros((rows, 4), candle_core::DType::F64, &Device::Cpu).unwrap();
        let draw = |positions: &[usize], columns: &[usize]| {
            let context = UnitContext { example: 5, row: 5, columns, ..UnitContext::at(positions) };
            noise.apply(&zeros(positions.len()), &[], context).unwrap().to_vec2::<f64>().unwrap()
        };
        let both = draw(&[2, 3], &[8]);
        assert_eq!(both[1], draw(&[3], &[8])[0]);
        assert_ne!(both[0], both[1]);
        // Two heads of two columns each, the second of which was edited above.
        assert_eq!(draw(&[2], &[0, 8])[0][2..], both[0][..2]);
    }

    #[test]
    fn nor_does_it_in_attention_patterns() {
        let noise = Noise { standard_deviation: 1.0, seed: 1 };
        let draw = |heads: &[usize], positions: &[usize], keys: &[usize]| {
            let shape = (heads.len(), positions.len(), keys.len());
            let zeros = Tensor::zeros(shape, candle_core::DType::F64, &Device::Cpu).unwrap();
            let context =
                UnitContext { columns: heads, keys: Some(keys), ..UnitContext::at(positions) };
            noise.apply(&zeros, &[], context).unwrap().to_vec3::<f64>().unwrap()
        };
        let all = draw(&[0, 1], &[4, 5], &[0, 1, 2]);
        assert_eq!(draw(&[1], &[5], &[2]), [[[all[1][1][2]]]]);
        assert_ne!(all[0][1][2], all[1][1][2]);
    }
}
