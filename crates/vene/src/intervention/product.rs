//! Rows times a matrix, in which a row's result depends on that row alone.
//!
//! Engines hand over rows of many examples at once, as many as fit. A general product chooses its kernel, and the
//! order in which it sums, by the number of rows: then the same edit would have other bits in another batch. Here each
//! value is one sum in the order of the inputs, whatever else is computed beside it.

use std::ops::{Add, Mul};

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

/// Outputs that are summed in registers.
const WIDE: usize = 8;

/// Rows that are summed in registers.
const TALL: usize = 4;

/// Inputs of a block of the matrix, which stays near while all rows pass by.
const DEEP: usize = 128;

/// Groups of [`WIDE`] outputs of a block.
const GROUPS: usize = 32;

/// Multiplications that are worth another thread.
const WORTH_A_THREAD: usize = 1 << 18;

/// A float.
trait Float: Copy + Default + Send + Sync + Add<Output = Self> + Mul<Output = Self> {}

impl Float for f32 {}
impl Float for f64 {}

/// `[count, inputs]` times `[inputs, outputs]`. How it is cut into parts changes the order in which memory is read, and
/// no sum.
fn multiply<T: Float>(
    rows: &[T],
    matrix: &[T],
    (count, inputs, outputs): (usize, usize, usize),
) -> Vec<T> {
    const STRIP: usize = GROUPS * WIDE;
    let strip = |&first: &usize| {
        let columns = Columns { matrix, outputs, first, wide: STRIP.min(outputs - first) };
        if count < TALL {
            columns.times_few(rows, count, inputs)
        } else {
            columns.times(rows, count, inputs)
        }
    };
    let firsts: Vec<usize> = (0..outputs).step_by(STRIP).collect();
    let strips: Vec<Vec<T>> = if count * inputs * outputs > WORTH_A_THREAD {
        firsts.par_iter().map(strip).collect()
    } else {
        firsts.iter().map(strip).collect()
    };
    let mut product = vec![T::default(); count * outputs];
    for (first, strip) in firsts.into_iter().zip(strips) {
        let wide = STRIP.min(outputs - first);
        for (row, values) in strip.chunks_exact(STRIP).enumerate() {
            product[row * outputs + first..][..wide].copy_from_slice(&values[..wide]);
        }
    }
    product
}

/// Some columns of a matrix that stand side by side.
struct Columns<'m, T> {
    matrix: &'m [T],
    outputs: usize,
    first: usize,
    wide: usize,
}

impl<T: Float> Columns<'_, T> {
    fn of_input(&self, input: usize) -> &[T] {
        &self.matrix[input * self.outputs + self.first..][..self.wide]
    }

    /// A few rows times the columns, `[count, GROUPS * WIDE]`: the matrix is read once, where it lies.
    fn times_few(&self, rows: &[T], count: usize, inputs: usize) -> Vec<T> {
        let mut sums = vec![T::default(); count * GROUPS * WIDE];
        for input in 0..inputs {
            let columns = self.of_input(input);
            for (row, sums) in sums.chunks_exact_mut(GROUPS * WIDE).enumerate() {
                let value = rows[row * inputs + input];
                for (sum, &column) in sums.iter_mut().zip(columns) {
                    *sum = *sum + value * column;
                }
            }
        }
        sums
    }

    /// Rows times the columns, `[count, GROUPS * WIDE]`, a block after the other.
    fn times(&self, rows: &[T], count: usize, inputs: usize) -> Vec<T> {
        let mut sums = vec![[T::default(); WIDE]; count * GROUPS];
        let mut block = vec![[T::default(); WIDE]; DEEP.min(inputs) * GROUPS];
        for start in (0..inputs).step_by(DEEP) {
            let deep = DEEP.min(inputs - start);
            for (input, groups) in block.chunks_exact_mut(GROUPS).take(deep).enumerate() {
                let columns = self.of_input(start + input).chunks(WIDE);
                for (group, columns) in groups.iter_mut().zip(columns) {
                    group[..columns.len()].copy_from_slice(columns);
                }
            }
            let row = |row: usize| &rows[row * inputs + start..][..deep];
            for group in 0..self.wide.div_ceil(WIDE) {
                let columns = || block[group..].iter().step_by(GROUPS).take(deep);
                let place = |row: usize| row * GROUPS + group;
                for first in (0..count).step_by(TALL) {
                    if first + TALL <= count {
                        let four: [_; TALL] = std::array::from_fn(|i| row(first + i));
                        let before = std::array::from_fn(|i| sums[place(first + i)]);
                        let after = added(before, four, columns());
                        (0..TALL).for_each(|i| sums[place(first + i)] = after[i]);
                    } else {
                        for one in first..count {
                            [sums[place(one)]] = added([sums[place(one)]], [row(one)], columns());
                        }
                    }
                }
            }
        }
        sums.into_flattened()
    }
}

/// Sums to which so many rows times [`WIDE`] columns are added, each in the order of the inputs.
fn added<'a, T: Float + 'a, const ROWS: usize>(
    mut sums: [[T; WIDE]; ROWS],
    rows: [&[T]; ROWS],
    columns: impl Iterator<Item = &'a [T; WIDE]>,
) -> [[T; WIDE]; ROWS] {
    for (input, columns) in columns.enumerate() {
        let values = rows.map(|row| row[input]);
        // Written as new values, which stay in registers.
        sums = std::array::from_fn(|row| {
            std::array::from_fn(|column| sums[row][column] + values[row] * columns[column])
        });
    }
    sums
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
