//! Eigenvectors of a symmetric matrix: Householder's reduction to a tridiagonal one, and the QL
//! algorithm with implicit shifts (Bowdler, Martin, Reinsch and Wilkinson 1968; Golub and Van Loan,
//! "Matrix Computations", 8.3).
//!
//! candle has none, and each of the linear algebra crates that do would be the largest dependency,
//! for this one function. Components are fitted once: of a width of 768 in half a second, of 2304
//! in twenty.

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

/// Sweeps after which an eigenvalue that has not settled never will.
const MOST_SWEEPS: usize = 60;

/// The `count` largest eigenvalues of a symmetric matrix `[n, n]` in double precision, in falling
/// order, and their eigenvectors as rows `[count, n]`.
///
/// # Errors
/// Something other than a square matrix; values that are no numbers, which never settle.
pub(super) fn largest(matrix: &Tensor, count: usize) -> Result<(Vec<f64>, Tensor)> {
    let mut rows = matrix.to_vec2::<f64>()?;
    if rows.iter().any(|row| row.len() != rows.len()) {
        candle_core::bail!("a matrix of {:?} is not square", matrix.dims());
    }
    let Tridiagonal { mut diagonal, beside, reflections } = tridiagonal(&mut rows);
    let mut vectors = diagonalise(&mut diagonal, beside)?;
    let mut order: Vec<usize> = (0..diagonal.len()).collect();
    order.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
    order.truncate(count);
    let values = order.iter().map(|&index| diagonal[index]).collect();
    let mut chosen: Vec<Vec<f64>> =
        order.iter().map(|&index| std::mem::take(&mut vectors[index])).collect();
    chosen.par_iter_mut().for_each(|vector| {
        for (start, direction) in reflections.iter().enumerate().rev() {
            let tail = &mut vector[start + 1..];
            let product = 2.0 * dot(direction, tail);
            tail.iter_mut().zip(direction).for_each(|(value, by)| *value -= product * by);
        }
    });
    Ok((values, Tensor::new(chosen, &Device::Cpu)?))
}

/// `T = H … A … H`, and the unit vectors `v` of the reflections `H = I − 2 v vᵀ`, the k-th of which
/// leaves the first k + 1 coordinates alone.
struct Tridiagonal {
    diagonal: Vec<f64>,
    beside: Vec<f64>,
    reflections: Vec<Vec<f64>>,
}

fn tridiagonal(rows: &mut [Vec<f64>]) -> Tridiagonal {
    let size = rows.len();
    let mut beside = vec![0.0; size];
    let mut reflections = Vec::with_capacity(size.saturating_sub(2));
    for step in 0..size.saturating_sub(1) {
        // Symmetric: the column below the diagonal is the row beside it.
        let mut direction = rows[step][step + 1..].to_vec();
        let length = dot(&direction, &direction).sqrt();
        if step + 2 == size {
            beside[step] = direction[0];
            break;
        }
        // Away from the entry itself, so that nothing cancels.
        let target = if direction[0] > 0.0 { -length } else { length };
        beside[step] = target;
        direction[0] -= target;
        let norm = dot(&direction, &direction).sqrt();
        if norm > 0.0 {
            direction.iter_mut().for_each(|value| *value /= norm);
        }
        let rest = &mut rows[step + 1..];
        let mut product: Vec<f64> =
            rest.par_iter().map(|row| 2.0 * dot(&row[step + 1..], &direction)).collect();
        let along = dot(&product, &direction);
        product.iter_mut().zip(&direction).for_each(|(value, by)| *value -= along * by);
        rest.par_iter_mut().zip(&direction).zip(&product).for_each(|((row, v), w)| {
            for ((value, by_w), by_v) in row[step + 1..].iter_mut().zip(&product).zip(&direction) {
                *value -= v * by_w + w * by_v;
            }
        });
        reflections.push(direction);
    }
    let diagonal = rows.iter().enumerate().map(|(index, row)| row[index]).collect();
    Tridiagonal { diagonal, beside, reflections }
}

/// Turns the diagonal into the eigenvalues; gives the eigenvectors as rows.
fn diagonalise(diagonal: &mut [f64], mut beside: Vec<f64>) -> Result<Vec<Vec<f64>>> {
    let size = diagonal.len();
    let unit = |index: usize| {
        let mut row = vec![0.0; size];
        row[index] = 1.0;
        row
    };
    let mut vectors: Vec<Vec<f64>> = (0..size).map(unit).collect();
    for first in 0..size {
        for sweep in 0.. {
            // The block from `first` on that is not split off yet.
            let is_split = |&index: &usize| {
                let scale = diagonal[index].abs() + diagonal[index + 1].abs();
                beside[index].abs() <= f64::EPSILON * scale
            };
            let last = (first..size - 1).find(is_split).unwrap_or(size - 1);
            if last == first {
                break;
            }
            if sweep == MOST_SWEEPS {
                candle_core::bail!("an eigenvalue does not settle");
            }
            sweep_up(diagonal, &mut beside, &mut vectors, first, last);
        }
    }
    Ok(vectors)
}

/// One QL step on the block `first ..= last`, shifted by the eigenvalue of its first corner.
fn sweep_up(
    diagonal: &mut [f64],
    beside: &mut [f64],
    vectors: &mut [Vec<f64>],
    first: usize,
    last: usize,
) {
    let ratio = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
    let root = ratio.hypot(1.0).copysign(ratio);
    let mut carried = diagonal[last] - diagonal[first] + beside[first] / (ratio + root);
    let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
    for index in (first..last).rev() {
        let (bulge, below) = (sine * beside[index], cosine * beside[index]);
        let length = bulge.hypot(carried);
        beside[index + 1] = length;
        if length == 0.0 {
            // The block falls apart here.
            diagonal[index + 1] -= shift;
            beside[last] = 0.0;
            return;
        }
        (sine, cosine) = (bulge / length, carried / length);
        let shifted = diagonal[index + 1] - shift;
        let turned = (diagonal[index] - shifted) * sine + 2.0 * cosine * below;
        shift = sine * turned;
        diagonal[index + 1] = shifted + shift;
        carried = cosine * turned - below;
        let (low, high) = vectors.split_at_mut(index + 1);
        for (low, high) in low[index].iter_mut().zip(&mut high[0]) {
            (*low, *high) = (cosine * *low - sine * *high, sine * *low + cosine * *high);
        }
    }
    diagonal[first] -= shift;
    beside[first] = carried;
    beside[last] = 0.0;
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    crate::orthogonal::dot(left, right)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::orthogonal;

    #[test]
    fn eigenvectors_are_orthonormal_and_the_matrix_stretches_them() {
        for size in [1, 2, 3, 17, 60] {
            let matrix = Tensor::randn(0.0, 1.0, (size, size), &Device::Cpu).unwrap();
            let matrix = (&matrix + matrix.t().unwrap()).unwrap();
            let (values, vectors) = largest(&matrix, size).unwrap();
            assert!(values.is_sorted_by(|a, b| a >= b));
            assert!(orthogonal::drift(&vectors.t().unwrap()).unwrap() < 1e-13);
            let stretched = vectors.matmul(&matrix).unwrap();
            let values = Tensor::new(values, &Device::Cpu).unwrap().unsqueeze(1).unwrap();
            let error = (stretched - vectors.broadcast_mul(&values).unwrap()).unwrap();
            let error = error.abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
            assert!(error < 1e-12 * size as f64, "{size}: {error:e}");
        }
    }

    #[test]
    fn equal_eigenvalues_and_zeros_are_no_trouble() {
        let directions = orthogonal::random(9, 9, 2).unwrap();
        let wanted = [3.0, 3.0, 3.0, 1.0, 1.0, 0.0, 0.0, 0.0, -2.0];
        let values = Tensor::new(&wanted, &Device::Cpu).unwrap();
        let matrix =
            directions.broadcast_mul(&values).unwrap().matmul(&directions.t().unwrap()).unwrap();
        let (found, vectors) = largest(&matrix, 9).unwrap();
        assert!(
            found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-14),
            "{found:?}"
        );
        assert!(orthogonal::drift(&vectors.t().unwrap()).unwrap() < 1e-13);
        let zeros = matrix.zeros_like().unwrap();
        assert_eq!(largest(&zeros, 2).unwrap().0, [0.0, 0.0]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let matrix = Tensor::new(&[[f64::NAN, 1.0], [1.0, 0.0]], &Device::Cpu).unwrap();
        assert!(largest(&matrix, 1).is_err());
    }
}
