//! What edits did to values, as a reduction over them.
//!
//! Edits that are one call of an intervention are measured by one operation, which gives a few numbers for each of
//! them: receipts, and whether all values are finite, need no copy of the values themselves.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use vene_model::{Component, Site};

use crate::plan::Tally;

/// Compares values before and after an edit at a site, `[rows, ...]` both; `rows` says how many of them each result is of,
/// one after the other.
pub(super) fn tallies(
    site: Site,
    before: &Tensor,
    after: &Tensor,
    rows: &[usize],
) -> Result<Vec<Tally>> {
    // A score of minus infinity is a key that is not seen.
    let hides = site.component() == Component::AttentionScore;
    let (before, after) = (before.detach().contiguous()?, after.detach().contiguous()?);
    let measured = before.apply_op2_no_bwd(&after, &Measure { rows, hides })?;
    let numbers: Vec<f64> = measured.flatten_all()?.to_vec1()?;
    let (tallies, _) = numbers.as_chunks();
    Ok(tallies.iter().map(Tally::of_numbers).collect())
}

/// The operation: from `[rows, ...]` before and after, `[results, numbers]`.
struct Measure<'a> {
    rows: &'a [usize],
    hides: bool,
}

impl Measure<'_> {
    fn of<T: Copy + Into<f64>>(&self, before: &[T], after: &[T]) -> Vec<f64> {
        let width = before.len() / self.rows.iter().sum::<usize>().max(1);
        let mut start = 0;
        let of_rows = |&rows: &usize| {
            let mut tally = Tally::default();
            let end = start + rows * width;
            tally.add(&before[start..end], &after[start..end], self.hides);
            start = end;
            tally.numbers()
        };
        self.rows.iter().flat_map(of_rows).collect()
    }
}

impl CustomOp2 for Measure<'_> {
    fn name(&self) -> &'static str {
        "measure"
    }

    fn cpu_fwd(
        &self,
        before: &CpuStorage,
        of_before: &Layout,
        after: &CpuStorage,
        of_after: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ranges = of_before.contiguous_offsets().zip(of_after.contiguous_offsets());
        let Some(((start, end), (from, to))) = ranges else {
            bail!("measured values lie in one piece");
        };
        let numbers = match (before, after) {
            (CpuStorage::F32(before), CpuStorage::F32(after)) => {
                self.of(&before[start..end], &after[from..to])
            }
            (CpuStorage::F64(before), CpuStorage::F64(after)) => {
                self.of(&before[start..end], &after[from..to])
            }
            _ => bail!("measured values are floats of 32 or of 64 bits, before and after"),
        };
        Ok((CpuStorage::F64(numbers), Shape::from((self.rows.len(), Tally::NUMBERS))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use candle_core::Device;

    use super::*;

    #[test]
    fn each_edit_of_a_call_is_told_of_its_own_rows() {
        let before = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
        let after = [[1.0, 2.5], [f64::NEG_INFINITY, 4.0], [5.0, f64::NAN]];
        let measure = |hides, double| {
            let dtype = if double { candle_core::DType::F64 } else { candle_core::DType::F32 };
            let tensor = |rows: &[[f64; 2]; 3]| {
                Tensor::new(rows, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
            };
            let operation = Measure { rows: &[1, 2], hides };
            let measured = tensor(&before).apply_op2_no_bwd(&tensor(&after), &operation).unwrap();
            measured.to_vec2::<f64>().unwrap()
        };
        for double in [false, true] {
            let [first, second] = &measure(true, double)[..] else { panic!("two results") };
            assert_eq!(first, &[2.0, 1.0, 2.0, 0.5, 0.25, 5.0, 1.0, 0.0]);
            assert_eq!(second[..7], [4.0, 2.0, 2.0, 0.0, 0.0, 41.0, 0.0]);
            assert!(second[7].is_nan());
            assert_eq!(measure(false, double)[1][7], f64::NEG_INFINITY);
        }
    }
}
