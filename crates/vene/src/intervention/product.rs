//! Rows times a matrix, in which a row's result depends on that row alone.
//!
//! Engines hand over rows of many examples at once, as many as fit. A general product chooses its kernel, and the
//! order in which it sums, by the number of rows: then the same edit would have other bits in another batch. Here each
//! value is one sum in the order of the inputs, whatever else is computed beside it.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// `rows` `[n, inputs]` times `matrix` `[inputs, outputs]`, differentiable in both.
///
/// # Errors
/// Shapes or types that do not go together.
pub(super) fn product(rows: &Tensor, matrix: &Tensor) -> Result<Tensor> {
    rows.contiguous()?.apply_op2(&matrix.contiguous()?, Product)
}

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
        let (same, outputs) = matrix_layout.shape().dims2()?;
        if inputs != same {
            candle_core::bail!("rows of {inputs} values and a matrix of {same} inputs");
        }
        let product = match (rows, matrix) {
            (CpuStorage::F32(rows), CpuStorage::F32(matrix)) => CpuStorage::F32(multiply(
                part(rows, rows_layout)?,
                part(matrix, matrix_layout)?,
                (count, inputs, outputs),
            )),
            (CpuStorage::F64(rows), CpuStorage::F64(matrix)) => CpuStorage::F64(multiply(
                part(rows, rows_layout)?,
                part(matrix, matrix_layout)?,
                (count, inputs, outputs),
            )),
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
        let of_rows = |_| product(gradient, &matrix.detach().t()?);
        let of_matrix = |_| rows.detach().t()?.matmul(&gradient.contiguous()?);
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

/// Outputs that are summed side by side.
const WIDE: usize = 16;

/// Rows that are summed side by side.
const TALL: usize = 4;

/// Multiplications that are worth another thread.
const WORTH_A_THREAD: usize = 1 << 17;

/// A float.
trait Float: Copy + Default + Send + Sync + std::ops::Mul<Output = Self> + std::ops::AddAssign {}

impl Float for f32 {}
impl Float for f64 {}

/// `[count, inputs]` times `[inputs, outputs]`.
fn multiply<T: Float>(
    rows: &[T],
    matrix: &[T],
    (count, inputs, outputs): (usize, usize, usize),
) -> Vec<T> {
    let mut product = vec![T::default(); count * outputs];
    let strips = outputs.div_ceil(WIDE);
    let strip = |strip: usize| {
        let first = strip * WIDE;
        strip_of(rows, matrix, (count, inputs, outputs), first)
    };
    let work = count * inputs * outputs;
    let computed: Vec<Vec<T>> = if work > WORTH_A_THREAD {
        let at_once = (strips * WORTH_A_THREAD / work).max(1);
        (0..strips).into_par_iter().with_min_len(at_once).map(strip).collect()
    } else {
        (0..strips).map(strip).collect()
    };
    for (index, computed) in computed.iter().enumerate() {
        let first = index * WIDE;
        let wide = WIDE.min(outputs - first);
        for (row, values) in computed.chunks_exact(WIDE).enumerate() {
            product[row * outputs + first..][..wide].copy_from_slice(&values[..wide]);
        }
    }
    product
}

/// The outputs from `first` on, `[count, WIDE]`.
fn strip_of<T: Float>(
    rows: &[T],
    matrix: &[T],
    (count, inputs, outputs): (usize, usize, usize),
    first: usize,
) -> Vec<T> {
    let wide = WIDE.min(outputs - first);
    // The matrix's columns side by side, read once for all rows.
    let mut columns = vec![[T::default(); WIDE]; inputs];
    for (input, columns) in columns.iter_mut().enumerate() {
        columns[..wide].copy_from_slice(&matrix[input * outputs + first..][..wide]);
    }
    let mut computed = vec![T::default(); count * WIDE];
    for (rows, computed) in rows.chunks(TALL * inputs.max(1)).zip(computed.chunks_mut(TALL * WIDE))
    {
        if computed.len() == TALL * WIDE {
            tile::<T, TALL>(rows, &columns, computed);
        } else {
            for (row, computed) in rows.chunks_exact(inputs).zip(computed.chunks_exact_mut(WIDE)) {
                tile::<T, 1>(row, &columns, computed);
            }
        }
    }
    computed
}

/// So many rows times so many columns: each sum is in the order of the inputs.
fn tile<T: Float, const ROWS: usize>(rows: &[T], columns: &[[T; WIDE]], computed: &mut [T]) {
    let inputs = columns.len();
    let mut sums = [[T::default(); WIDE]; ROWS];
    let rows: [&[T]; ROWS] = std::array::from_fn(|row| &rows[row * inputs..][..inputs]);
    for (input, columns) in columns.iter().enumerate() {
        for (row, sums) in rows.iter().zip(&mut sums) {
            let value = row[input];
            for (sum, &column) in sums.iter_mut().zip(columns) {
                *sum += value * column;
            }
        }
    }
    for (sums, computed) in sums.iter().zip(computed.chunks_exact_mut(WIDE)) {
        computed.copy_from_slice(sums);
    }
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
        largest.to_scalar().unwrap()
    }

    #[test]
    fn it_is_the_product_and_a_row_is_the_same_alone() {
        for (count, inputs, outputs) in [(1, 1, 1), (7, 20, 3), (64, 33, 50), (5, 300, 700)] {
            let (rows, matrix) = (random((count, inputs)), random((inputs, outputs)));
            let all = product(&rows, &matrix).unwrap();
            assert!(distance(&all, &rows.matmul(&matrix).unwrap()) < 1e-12 * inputs as f64);
            // Its transpose lies in another order.
            let transposed = matrix.t().unwrap().contiguous().unwrap().t().unwrap();
            for row in 0..count {
                let alone = product(&rows.narrow(0, row, 1).unwrap(), &transposed).unwrap();
                assert_eq!(distance(&all.narrow(0, row, 1).unwrap(), &alone), 0.0);
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
