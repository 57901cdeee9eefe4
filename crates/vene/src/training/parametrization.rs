//! Rotations in PyTorch's coordinates.
//!
//! `torch.nn.utils.parametrizations.orthogonal`, which pyvene and pyreft use, trains no rotation but a lower triangle
//! `X` of numbers, 0 at the beginning: `R = B exp(X − Xᵀ)` of square rotations, and `B` times the Householder
//! reflections of `X`'s columns where there are fewer columns than rows; `B` is the rotation at the beginning, filled
//! up to a square one. Adam divides each number's step by how large its gradients were, so in which numbers a
//! rotation is written decides where it goes. Here is the same, for trainings that are to be compared.

use candle_core::{DType, Device, Result, Tensor, Var};
use vene_intervention::orthogonal;

/// Degree of the exponential's series, for matrices whose norm was halved below 1/2: what is left out is below 1e-16.
const DEGREE: usize = 13;

/// A rotation `[n, k]` by its coordinates.
#[derive(Clone, Debug)]
pub(super) struct Parametrization {
    /// The square rotation `[n, n]` at the beginning.
    pub(super) base: Tensor,
    /// `[n, k]`, of which the part below the diagonal counts.
    pub(super) coordinates: Tensor,
}

impl Parametrization {
    /// At a rotation, whose coordinates are 0.
    pub(super) fn at(rotation: &Tensor) -> Result<Self> {
        // A copy, since the rotation itself is written into.
        let rotation = rotation.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64)?.copy()?;
        Ok(Self { base: filled_up(&rotation)?, coordinates: rotation.zeros_like()? })
    }

    /// The rotation.
    pub(super) fn rotation(&self) -> Result<Tensor> {
        self.of(&self.coordinates)
    }

    fn of(&self, coordinates: &Tensor) -> Result<Tensor> {
        let (rows, columns) = coordinates.dims2()?;
        let triangle = (coordinates * below_diagonal(rows, columns)?)?;
        let turned = match rows == columns {
            true => exponential(&(&triangle - triangle.t()?)?)?,
            false => reflected(&triangle)?,
        };
        self.base.matmul(&turned)
    }

    /// The gradient of the coordinates from that of the rotation.
    pub(super) fn gradient(&self, gradient: &Tensor) -> Result<Tensor> {
        let coordinates = Var::from_tensor(&self.coordinates)?;
        let gradient = gradient.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
        // The gradient of this sum is that of the rotation, carried on.
        let found = (self.of(&coordinates)? * gradient)?.sum_all()?.backward()?;
        match found.get(&coordinates) {
            Some(gradient) => Ok(gradient.clone()),
            None => coordinates.zeros_like(),
        }
    }
}

/// 1 below the diagonal, 0 elsewhere.
fn below_diagonal(rows: usize, columns: usize) -> Result<Tensor> {
    let below =
        (0..rows).flat_map(|row| (0..columns).map(move |column| f64::from(u8::from(column < row))));
    Tensor::from_iter(below, &Device::Cpu)?.reshape((rows, columns))
}

/// `exp(A)`: the series of a part of `A` that is small, squared as often as it was halved.
fn exponential(matrix: &Tensor) -> Result<Tensor> {
    let norm = matrix.detach().abs()?.sum(0)?.max(0)?.to_scalar::<f64>()?;
    if !norm.is_finite() {
        candle_core::bail!("a rotation's coordinates are no numbers");
    }
    let halvings = (2.0 * norm).log2().ceil().max(0.0) as i32;
    let small = (matrix / 2f64.powi(halvings))?;
    let identity = Tensor::eye(matrix.dim(0)?, DType::F64, &Device::Cpu)?;
    // Horner's scheme.
    let mut sum = identity.clone();
    for degree in (1..=DEGREE).rev() {
        sum = (&identity + (small.matmul(&sum)? / degree as f64)?)?;
    }
    for _ in 0..halvings {
        sum = sum.matmul(&sum)?;
    }
    Ok(sum)
}

/// The first columns of the product of the reflections `I − 2 v vᵀ / |v|²`, where `v` is 1 in a column's own place and what
/// the column holds below; with the sign that makes it the identity where that is 0.
fn reflected(triangle: &Tensor) -> Result<Tensor> {
    let (rows, columns) = triangle.dims2()?;
    let identity =
        Tensor::eye(rows, DType::F64, &Device::Cpu)?.narrow(1, 0, columns)?.contiguous()?;
    let vectors = (triangle + &identity)?;
    let mut product = identity;
    for column in (0..columns).rev() {
        let vector = vectors.narrow(1, column, 1)?.contiguous()?;
        let along = vector.t()?.contiguous()?.matmul(&product)?;
        let factor = (vector.sqr()?.sum_all()?.recip()? * 2.0)?;
        product = (&product - vector.matmul(&along)?.broadcast_mul(&factor)?)?;
    }
    product.neg()
}

/// A square rotation that begins with these columns. The others are the unit vectors of which the columns before leave
/// the most, made orthonormal; PyTorch draws them.
fn filled_up(rotation: &Tensor) -> Result<Tensor> {
    let (rows, columns) = rotation.dims2()?;
    let mut base = rotation.clone();
    for _ in columns..rows {
        let left = (Tensor::eye(rows, DType::F64, &Device::Cpu)? - base.matmul(&base.t()?)?)?;
        let most = left.sqr()?.sum(0)?.argmax(0)?.to_scalar::<u32>()?;
        base = Tensor::cat(&[&base, &left.narrow(1, most as usize, 1)?], 1)?;
        base = orthogonal::orthonormalised(&base)?;
    }
    Ok(base)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn far(n: usize, k: usize) -> Parametrization {
        let start = orthogonal::random(n, k, 3).unwrap();
        let at = Parametrization::at(&start).unwrap();
        let first = (at.rotation().unwrap() - &start).unwrap().abs().unwrap();
        assert!(first.max_all().unwrap().to_scalar::<f64>().unwrap() < 1e-14);
        let values = (0..n * k).map(|index| (index as f64 * 0.7).sin());
        let coordinates = Tensor::from_iter(values, &Device::Cpu).unwrap().reshape((n, k)).unwrap();
        Parametrization { coordinates, ..at }
    }

    #[test]
    fn coordinates_far_out_are_rotations_still() {
        for (n, k) in [(7, 7), (9, 4), (5, 1)] {
            let rotation = far(n, k).rotation().unwrap();
            assert!(orthogonal::drift(&rotation).unwrap() < 1e-13, "{n} x {k}");
        }
    }

    #[test]
    fn gradients_are_those_of_small_differences() {
        for (n, k) in [(5, 5), (6, 3)] {
            let here = far(n, k);
            let weight = orthogonal::random(n, k, 9).unwrap();
            let sum = |at: &Parametrization| {
                (at.rotation().unwrap() * &weight)
                    .unwrap()
                    .sum_all()
                    .unwrap()
                    .to_scalar::<f64>()
                    .unwrap()
            };
            let found = here.gradient(&weight).unwrap().to_vec2::<f64>().unwrap();
            for row in 0..n {
                for column in 0..k {
                    let moved = |step: f64| {
                        let mut values = here.coordinates.to_vec2::<f64>().unwrap();
                        values[row][column] += step;
                        let coordinates = Tensor::new(values, &Device::Cpu).unwrap();
                        sum(&Parametrization { coordinates, base: here.base.clone() })
                    };
                    let right = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                    assert!((found[row][column] - right).abs() < 1e-8, "{row}, {column}");
                }
            }
        }
    }
}
