//! Rows times a matrix, in which a row's result depends on that row alone.
//!
//! Engines hand over rows of many examples at once, as many as fit. A general product chooses its kernel, and the
//! order in which it sums, by the number of rows: then the same edit would have other bits in another batch. In single
//! precision this is the product that the decoder runs on, of a matrix that is packed anew, since it may have learned
//! since; in double each value is one sum in the order of the inputs.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use vene_kernels::{PackedMatrix, multiply};

/// `rows` `[n, inputs]` times `matrix` `[inputs, outputs]`, differentiable in both.
///
/// # Errors
/// Shapes or types that do not go together.
pub(super) fn product(rows: &Tensor, matrix: &Tensor) -> Result<Tensor> {
    // As the kernel reads it: outputs side by side.
    rows.contiguous()?.apply_op2(&matrix.t()?.contiguous()?, Product)
}

/// Of rows `[n, inputs]` and a matrix `[outputs, inputs]`.
struct Product;

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "product of rows"
    }

    fn cpu_fwd(
        &self,
        rows: &CpuStorage,
        rows_layout: &Layout,
        matrix: &CpuStorage,
        matrix_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (count, inputs) = rows_layout.shape().dims2()?;
        let (outputs, same) = matrix_layout.shape().dims2()?;
        if inputs != same {
            candle_core::bail!("rows of {inputs} values and a matrix of {same} inputs");
        }
        let product = match (rows, matrix) {
            (CpuStorage::F32(rows), CpuStorage::F32(matrix)) => {
                let mut product = vec![0.0; count * outputs];
                let matrix = PackedMatrix::pack(part(matrix, matrix_layout)?, outputs, inputs);
                multiply(part(rows, rows_layout)?, &matrix, None, &mut product);
                CpuStorage::F32(product)
            }
            (CpuStorage::F64(rows), CpuStorage::F64(matrix)) => {
                let (rows, matrix) = (part(rows, rows_layout)?, part(matrix, matrix_layout)?);
                CpuStorage::F64(in_order(rows, matrix, (count, inputs, outputs)))
            }
            _ => candle_core::bail!("rows and a matrix of floats of one precision are expected"),
        };
        Ok((product, (count, outputs).into()))
    }

    fn bwd(
        &self,
        rows: &Tensor,
        matrix: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let of_rows = |_| product(gradient, &matrix.detach());
        let of_matrix = |_| gradient.t()?.contiguous()?.matmul(&rows.detach());
        Ok((
            rows.track_op().then_some(()).map(of_rows).transpose()?,
            matrix.track_op().then_some(()).map(of_matrix).transpose()?,
        ))
    }
}

/// The values of a contiguous tensor.
fn part<'s, T>(storage: &'s [T], layout: &Layout) -> Result<&'s [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage[start..end]),
        None => candle_core::bail!("a product of tensors that are not contiguous"),
    }
}

/// Outputs whose sums grow side by side.
const WIDE: usize = 8;

/// `[count, inputs]` times `[outputs, inputs]`, each value one sum in the order of the inputs.
fn in_order(
    rows: &[f64],
    matrix: &[f64],
    (count, inputs, outputs): (usize, usize, usize),
) -> Vec<f64> {
    let mut product = vec![0.0; count * outputs];
    if inputs == 0 || outputs == 0 {
        return product;
    }
    // Of each output its own column of weights, input after input.
    let mut turned = vec![[0.0; WIDE]; inputs * outputs.div_ceil(WIDE)];
    for (output, weights) in matrix.chunks_exact(inputs).enumerate() {
        let panel = &mut turned[output / WIDE * inputs..][..inputs];
        panel.iter_mut().zip(weights).for_each(|(panel, weight)| panel[output % WIDE] = *weight);
    }
    let row = |(row, product): (&[f64], &mut [f64])| {
        for (panel, product) in turned.chunks_exact(inputs).zip(product.chunks_mut(WIDE)) {
            let mut sums = [0.0; WIDE];
            for (value, weights) in row.iter().zip(panel) {
                sums = std::array::from_fn(|output| sums[output] + value * weights[output]);
            }
            product.copy_from_slice(&sums[..product.len()]);
        }
    };
    rows.par_chunks_exact(inputs).zip(product.par_chunks_exact_mut(outputs)).for_each(row);
    product
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{DType, Device, Var};

    fn random(shape: (usize, usize)) -> Tensor {
        Tensor::randn(0.0, 1.0, shape, &Device::Cpu).unwrap()
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        let largest = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        largest.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn it_is_the_product_and_a_row_is_the_same_alone() {
        for (count, inputs, outputs) in [(1, 1, 1), (7, 20, 3), (64, 33, 50), (5, 300, 700)] {
            let (rows, matrix) = (random((count, inputs)), random((inputs, outputs)));
            for (precision, close) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
                let [rows, matrix] = [&rows, &matrix].map(|one| one.to_dtype(precision).unwrap());
                let all = product(&rows, &matrix).unwrap();
                let plain = rows.matmul(&matrix).unwrap();
                assert!(distance(&all, &plain) < close * inputs as f64);
                // Its transpose lies in another order.
                let transposed = matrix.t().unwrap().contiguous().unwrap().t().unwrap();
                for row in 0..count {
                    let alone = product(&rows.narrow(0, row, 1).unwrap(), &transposed).unwrap();
                    assert_eq!(distance(&all.narrow(0, row, 1).unwrap(), &alone), 0.0);
                }
            }
        }
    }

    #[test]
    fn its_gradients_are_those_of_the_product() {
        let [rows, matrix] =
            [(5, 8), (8, 3)].map(|shape| Var::from_tensor(&random(shape)).unwrap());
        let weights = random((5, 3));
        let gradients = |product: Tensor| {
            let gradients = (product * &weights).unwrap().sum_all().unwrap().backward().unwrap();
            [&rows, &matrix].map(|variable| gradients.get(variable).unwrap().clone())
        };
        let own = gradients(product(&rows, &matrix).unwrap());
        let expected = gradients(rows.matmul(&matrix).unwrap());
        assert!(own.iter().zip(&expected).all(|(own, expected)| distance(own, expected) < 1e-13));
        let frozen = product(&rows, &matrix.detach()).unwrap().sum_all().unwrap();
        assert!(frozen.backward().unwrap().get(&matrix).is_none());
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let (rows, matrix) = (random((2, 3)), random((3, 2)));
        assert!(product(&rows, &rows).is_err());
        assert!(product(&rows, &matrix.to_dtype(DType::F32).unwrap()).is_err());
        assert!(product(&rows.to_dtype(DType::I64).unwrap(), &matrix).is_err());
    }
}
