//! Rotations as PyTorch keeps them: free numbers and a starting point, of which
//! `torch.nn.utils.parametrizations.orthogonal` makes an orthogonal matrix.
//!
//! `W = B Q`, with `B` `[n, n]` the starting point (`base`) and `Q` `[n, k]` made of the free numbers
//! `X` (`original`): of a square one `exp(L − Lᵀ)`, with `L` the lower triangle of `X`; of a tall one
//! the first `k` columns of the product of the reflections `I − τ v vᵀ` whose `v` are the columns of `X`
//! below the diagonal, with a 1 above, times the signs on the diagonal of `X`. Computed in double
//! precision, so that the result is what PyTorch rounds.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor};

/// Squarings behind which no rotation that was trained lies: its angles would be 2^24.
const MOST_SQUARINGS: i32 = 24;

/// Puts `name` in the place of the numbers that it is made of; leaves a state without them as it is.
pub(super) fn resolve(state: &mut BTreeMap<String, Tensor>) -> std::result::Result<(), String> {
    const ORIGINAL: &str = "rotate_layer.parametrizations.weight.original";
    const BASE: &str = "rotate_layer.parametrizations.weight.0.base";
    const WEIGHT: &str = "rotate_layer.weight";
    let Some(original) = state.remove(ORIGINAL) else { return Ok(()) };
    let base = state.remove(BASE);
    let weight = effective(&original, base.as_ref())
        .map_err(|error| format!("{WEIGHT} cannot be made of {ORIGINAL} and {BASE}: {error}"))?;
    state.insert(WEIGHT.to_owned(), weight);
    Ok(())
}

fn effective(original: &Tensor, base: Option<&Tensor>) -> Result<Tensor> {
    let (rows, columns) = original.dims2()?;
    // PyTorch makes a wide matrix as the transpose of a tall one.
    let wide = rows < columns;
    let tall = if wide { original.t()?.contiguous()? } else { original.clone() };
    let tall = tall.to_dtype(DType::F64)?;
    let made = match rows == columns {
        true => exponential(&tall)?,
        false => reflections(&tall)?,
    };
    let made = match base {
        None => made,
        Some(base) => base.to_dtype(DType::F64)?.contiguous()?.matmul(&made)?,
    };
    match wide {
        true => made.t()?.contiguous(),
        false => Ok(made),
    }
}

/// `exp(L − Lᵀ)`.
fn exponential(free: &Tensor) -> Result<Tensor> {
    let rows = free.to_vec2::<f64>()?;
    let size = rows.len();
    let skew = |row: usize, column: usize| match row.cmp(&column) {
        std::cmp::Ordering::Greater => rows[row][column],
        std::cmp::Ordering::Less => -rows[column][row],
        std::cmp::Ordering::Equal => 0.0,
    };
    let values: Vec<f64> =
        (0..size).flat_map(|row| (0..size).map(move |column| skew(row, column))).collect();
    if values.iter().any(|value| !value.is_finite()) {
        candle_core::bail!("its numbers are not finite");
    }
    let norm = values.chunks(size.max(1)).map(|row| row.iter().map(|v| v.abs()).sum::<f64>());
    let norm = norm.fold(0.0, f64::max);
    let squarings = if norm > 0.25 { (norm / 0.25).log2().ceil() as i32 } else { 0 };
    if squarings > MOST_SQUARINGS {
        candle_core::bail!("its numbers are as large as {norm:e}, which no training makes");
    }
    let scaled = Tensor::from_vec(values, (size, size), &Device::Cpu)?;
    let scaled = (scaled * 0.5f64.powi(squarings))?;
    // Of a norm up to 1/4 the fourteenth term is below 1e-19.
    let identity = Tensor::eye(size, DType::F64, &Device::Cpu)?;
    let mut sum = identity.clone();
    for term in (1..=14).rev() {
        sum = (&identity + (scaled.matmul(&sum)? / f64::from(term))?)?;
    }
    for _ in 0..squarings {
        sum = sum.matmul(&sum)?;
    }
    Ok(sum)
}

/// The first columns of a product of reflections.
fn reflections(free: &Tensor) -> Result<Tensor> {
    let (size, count) = free.dims2()?;
    let free = free.to_vec2::<f64>()?;
    // Columns of the result, each reflected from the last to the first.
    let mut columns: Vec<Vec<f64>> = (0..count)
        .map(|column| {
            let mut unit = vec![0.0; size];
            unit[column] = 1.0;
            unit
        })
        .collect();
    for index in (0..count).rev() {
        let below: Vec<f64> = free[index + 1..].iter().map(|row| row[index]).collect();
        // PyTorch's τ leaves out the 1 of v in its sum, and adds it again.
        let tau = 2.0 / (1.0 + below.iter().map(|value| value * value).sum::<f64>());
        for column in &mut columns {
            let rest = column[index + 1..].iter().zip(&below);
            let product = column[index] + rest.map(|(value, v)| value * v).sum::<f64>();
            let by = tau * product;
            column[index] -= by;
            column[index + 1..].iter_mut().zip(&below).for_each(|(value, v)| *value -= by * v);
        }
    }
    for (index, column) in columns.iter_mut().enumerate() {
        // A whole number in PyTorch: what weight decay has taken off a sign of 1 makes it 0.
        let sign = free[index][index].trunc();
        column.iter_mut().for_each(|value| *value *= sign);
    }
    Tensor::new(columns, &Device::Cpu)?.t()?.contiguous()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tensor(rows: &[&[f64]]) -> Tensor {
        let columns = rows[0].len();
        Tensor::from_vec(rows.concat(), (rows.len(), columns), &Device::Cpu).unwrap()
    }

    fn assert_close(found: &Tensor, expected: &[&[f64]]) {
        let found = found.to_vec2::<f64>().unwrap();
        for (found, expected) in found.iter().flatten().zip(expected.concat()) {
            assert!((found - expected).abs() < 1e-14, "{found} is not {expected}");
        }
    }

    #[test]
    fn a_skew_matrix_of_two_dimensions_is_an_angle() {
        for angle in [0.0f64, 0.3, 2.0, -70.0] {
            let free = tensor(&[&[9.0, 9.0], &[angle, 9.0]]);
            let (sine, cosine) = angle.sin_cos();
            let found = effective(&free, None).unwrap();
            let expected: [&[f64]; 2] = [&[cosine, -sine], &[sine, cosine]];
            let found = found.to_vec2::<f64>().unwrap();
            for (found, expected) in found.iter().flatten().zip(expected.concat()) {
                assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
            }
        }
    }

    #[test]
    fn numbers_as_they_begin_are_the_identity() {
        // Minus ones on the diagonal: each reflection turns one axis around, the sign turns it back.
        let free = tensor(&[&[-1.0, 0.0], &[0.0, -1.0], &[0.0, 0.0]]);
        assert_close(&effective(&free, None).unwrap(), &[&[1.0, 0.0], &[0.0, 1.0], &[0.0, 0.0]]);
        let base = tensor(&[&[0.0, 1.0, 0.0], &[0.0, 0.0, 1.0], &[1.0, 0.0, 0.0]]);
        let found = effective(&free, Some(&base)).unwrap();
        assert_close(&found, &[&[0.0, 1.0], &[0.0, 0.0], &[1.0, 0.0]]);
    }

    #[test]
    fn what_is_made_is_orthogonal() {
        let numbers: Vec<f64> =
            (0..7 * 3).map(|index| (f64::from(index) * 1.7).sin() * 3.0).collect();
        for (rows, columns) in [(7, 3), (3, 7)] {
            let mut numbers = numbers.clone();
            for index in 0..3 {
                numbers[index * columns + index] = if index == 1 { 1.0 } else { -1.0 };
            }
            let free = Tensor::from_vec(numbers, (rows, columns), &Device::Cpu).unwrap();
            let made = effective(&free, None).unwrap();
            assert_eq!(made.dims(), [rows, columns]);
            let tall = if rows > columns { made } else { made.t().unwrap().contiguous().unwrap() };
            assert!(vene_intervention::orthogonal::drift(&tall).unwrap() < 1e-14);
        }
    }

    #[test]
    fn hostile_numbers_are_refused() {
        for angle in [f64::NAN, f64::INFINITY, 1e300] {
            assert!(effective(&tensor(&[&[0.0, 0.0], &[angle, 0.0]]), None).is_err());
        }
        assert!(effective(&Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap(), None).is_err());
        let (free, base) = (tensor(&[&[0.0, 0.0], &[1.0, 0.0]]), tensor(&[&[1.0]]));
        assert!(effective(&free, Some(&base)).is_err());
    }
}
