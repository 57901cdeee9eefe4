//! Matrices with orthonormal columns: drawn, measured, and kept so while they are trained.
//!
//! A trained rotation is stored as it is, not as a function of free numbers. The trainer walks
//! along the tangent of the Stiefel manifold ([`tangent`]) and goes back onto it after each step
//! ([`orthonormalised`], the Q of a QR decomposition), outside of the graph: exact to rounding
//! however many steps are made, and in candle, which has neither matrix exponential nor QR, also
//! the shortest way. (Absil, Mahony and Sepulchre 2008, "Optimization Algorithms on Matrix
//! Manifolds", sections 3.6.1 and 4.1.)

use candle_core::{D, DType, Device, Result, Tensor};
use vene_random::standard_normal;

/// Columns that are made orthogonal to the earlier ones in one product.
const BLOCK: usize = 48;

/// What is left of a column below this part of its length is rounding: the columns are dependent.
const DEPENDENT: f64 = 1e-9;

/// `[n, k]` with orthonormal columns, in double precision; all rotations are equally likely (Haar).
/// The same seed gives the same matrix.
///
/// # Errors
/// More columns than rows.
pub fn random(rows: usize, columns: usize, seed: u64) -> Result<Tensor> {
    // Before so many numbers are drawn.
    refuse_too_many(rows, columns)?;
    let draws = (0..rows).flat_map(|row| {
        (0..columns).map(move |column| standard_normal([seed, 0, row as u64, column as u64]))
    });
    let draws = Tensor::from_iter(draws, &Device::Cpu)?.reshape((rows, columns))?;
    orthonormalised(&draws)
}

fn refuse_too_many(rows: usize, columns: usize) -> Result<()> {
    if columns == 0 || columns > rows {
        candle_core::bail!("{columns} columns of {rows} values cannot be orthonormal");
    }
    Ok(())
}

/// Q of the QR decomposition of `[n, k]`, R with a positive diagonal, in the matrix's precision:
/// the columns made orthonormal, each changed by earlier ones only. Computed in double precision by
/// Gram–Schmidt, twice over ("twice is enough": Giraud et al. 2005), in blocks.
///
/// # Errors
/// Columns that depend on each other, more columns than rows, and values that are no numbers.
pub fn orthonormalised(matrix: &Tensor) -> Result<Tensor> {
    let (rows, columns) = matrix.dims2()?;
    refuse_too_many(rows, columns)?;
    let on_host = matrix.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    // Columns as rows, so that each lies in one stretch.
    let transposed = on_host.t()?.contiguous()?;
    let mut done: Option<Tensor> = None;
    for start in (0..columns).step_by(BLOCK) {
        let block = transposed.narrow(0, start, BLOCK.min(columns - start))?;
        let before: Vec<f64> = block.sqr()?.sum(1)?.sqrt()?.to_vec1()?;
        let mut values = without(&block, done.as_ref())?.to_vec2::<f64>()?;
        for (index, before) in before.iter().enumerate() {
            let (earlier, rest) = values.split_at_mut(index);
            let Some(column) = rest.first_mut() else { continue };
            for _ in 0..2 {
                for other in &*earlier {
                    let product = dot(column, other);
                    column
                        .iter_mut()
                        .zip(other)
                        .for_each(|(value, other)| *value -= product * other);
                }
            }
            let length = dot(column, column).sqrt();
            // A NaN is not above anything.
            if !(length.is_finite() && length > DEPENDENT * before) {
                candle_core::bail!(
                    "column {} depends on those before it, or is no number: nothing orthogonal is left of it",
                    start + index
                );
            }
            column.iter_mut().for_each(|value| *value /= length);
        }
        // Once more against the earlier blocks: dividing by a short length magnified the rounding.
        let block = Tensor::new(values, &Device::Cpu)?;
        done = Some(match done {
            None => block,
            Some(done) => {
                let block = without(&block, Some(&done))?;
                let lengths = block.sqr()?.sum_keepdim(1)?.sqrt()?;
                Tensor::cat(&[done, block.broadcast_div(&lengths)?], 0)?
            }
        });
    }
    let done = done.map_or_else(|| Ok(transposed.clone()), |done| done.t()?.contiguous())?;
    done.to_dtype(matrix.dtype())?.to_device(matrix.device())
}

/// The rows of `block` less their part along the orthonormal rows of `done`.
fn without(block: &Tensor, done: Option<&Tensor>) -> Result<Tensor> {
    let Some(done) = done else { return Ok(block.clone()) };
    block - block.matmul(&done.t()?)?.matmul(done)?
}

pub(super) fn dot(left: &[f64], right: &[f64]) -> f64 {
    // Four sums side by side: one alone waits for each addition.
    let mut sums = [0.0; 4];
    let (left_chunks, right_chunks) = (left.chunks_exact(4), right.chunks_exact(4));
    let rest: f64 =
        left_chunks.remainder().iter().zip(right_chunks.remainder()).map(|(l, r)| l * r).sum();
    for (left, right) in left_chunks.zip(right_chunks) {
        for lane in 0..4 {
            sums[lane] += left[lane] * right[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// The gradient along the manifold of matrices with orthonormal columns, at `rotation` `[n, k]`:
/// `G − Q sym(QᵀG)`, the part of the gradient `G` along which `QᵀQ = I` is kept to first order.
///
/// # Errors
/// Another shape or precision than the rotation's.
pub fn tangent(rotation: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let (rotation, gradient) = (rotation.detach(), gradient.detach());
    let product = rotation.t()?.matmul(&gradient)?;
    let symmetric = ((&product + product.t()?)? * 0.5)?;
    &gradient - rotation.matmul(&symmetric)?
}

/// `max |QᵀQ − I|` of `[n, k]`: how far its columns are from being orthonormal.
///
/// # Errors
/// No matrix.
pub fn drift(matrix: &Tensor) -> Result<f64> {
    let matrix = matrix.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    let product = matrix.t()?.contiguous()?.matmul(&matrix)?;
    let identity = Tensor::eye(matrix.dim(1)?, DType::F64, &Device::Cpu)?;
    (product - identity)?.abs()?.flatten_all()?.max(D::Minus1)?.to_scalar()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Var;

    #[test]
    fn random_matrices_have_orthonormal_columns() {
        for (rows, columns) in [(1, 1), (5, 2), (130, 130), (200, 97)] {
            let drift = drift(&random(rows, columns, 3).unwrap()).unwrap();
            assert!(drift < 1e-14, "{rows} x {columns}: {drift:e}");
        }
        let values = |seed| random(4, 2, seed).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!(values(1), values(1));
        assert_ne!(values(1), values(2));
    }

    /// Of a rotation drawn uniformly, each value is N(0, 1/n) for large n.
    #[test]
    fn random_rotations_favour_no_direction() {
        let values: Vec<f64> = (0..40)
            .flat_map(|seed| random(16, 16, seed).unwrap().to_vec2::<f64>().unwrap().concat())
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let square = values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((square - 1.0 / 16.0).abs() < 1e-12, "{square}");
    }

    #[test]
    fn columns_are_changed_by_earlier_ones_only() {
        let matrix = Tensor::new(&[[2.0, 1.0], [0.0, 3.0], [0.0, 0.0]], &Device::Cpu).unwrap();
        let expected = vec![vec![1.0, 0.0], vec![0.0, 1.0], vec![0.0, 0.0]];
        assert_eq!(orthonormalised(&matrix).unwrap().to_vec2::<f64>().unwrap(), expected);
    }

    #[test]
    fn dependent_columns_and_wide_matrices_are_refused() {
        let dependent = Tensor::new(&[[1.0, 2.0], [1.0, 2.0]], &Device::Cpu).unwrap();
        let error = orthonormalised(&dependent).unwrap_err().to_string();
        assert!(error.contains("column 1 depends"), "{error}");
        let wide = Tensor::zeros((1, 2), DType::F64, &Device::Cpu).unwrap();
        assert!(orthonormalised(&wide).is_err());
        let nan = Tensor::new(&[[f64::NAN], [1.0]], &Device::Cpu).unwrap();
        assert!(orthonormalised(&nan).is_err());
    }

    #[test]
    fn along_the_tangent_columns_stay_orthonormal_to_first_order() {
        let rotation = random(12, 5, 1).unwrap();
        let gradient = Tensor::randn(0.0, 1.0, (12, 5), &Device::Cpu).unwrap();
        let direction = tangent(&rotation, &gradient).unwrap();
        let drift_after =
            |step: f64| drift(&(&rotation + (&direction * step).unwrap()).unwrap()).unwrap();
        assert!(drift_after(1e-4) < 1e-6);
        // Which the gradient itself does not.
        assert!(drift(&(&rotation + (&gradient * 1e-4).unwrap()).unwrap()).unwrap() > 1e-5);
        // What is tangent already stays as it is.
        let again = tangent(&rotation, &direction).unwrap();
        let change = (again - &direction).unwrap().abs().unwrap().max_all().unwrap();
        assert!(change.to_scalar::<f64>().unwrap() < 1e-14);
    }

    /// 1000 steps of gradient descent towards given directions: the rotation gets there, and is
    /// orthogonal to rounding all the time.
    #[test]
    fn a_thousand_steps_do_not_drift() {
        for (dtype, bound) in [(DType::F64, 1e-14), (DType::F32, 1e-6)] {
            let goal = random(24, 6, 8).unwrap().to_dtype(dtype).unwrap();
            let variable =
                Var::from_tensor(&random(24, 6, 9).unwrap().to_dtype(dtype).unwrap()).unwrap();
            let parameter = super::super::Parameter::orthogonal("rotation", &variable);
            let mut worst = 0.0f64;
            let loss = || (variable.as_tensor() - &goal).unwrap().sqr().unwrap().sum_all().unwrap();
            for _ in 0..1000 {
                let gradients = loss().backward().unwrap();
                let along = parameter.project(gradients.get(&variable).unwrap()).unwrap();
                variable.set(&(variable.as_tensor() - (along * 0.05).unwrap()).unwrap()).unwrap();
                parameter.retract().unwrap();
                worst = worst.max(drift(&variable).unwrap());
            }
            assert!(worst < bound, "{dtype:?}: {worst:e}");
            let loss = loss().to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap();
            assert!(loss < 1e-8, "{dtype:?}: not there yet, {loss:e}");
        }
    }
}
