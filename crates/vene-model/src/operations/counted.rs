//! Operations that compute nothing and count everything: what a pass will cost.
//!
//! The decoder is run as ever, with tensors that have a shape and no values, so that a forecast
//! cannot drift away from what is forecast.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use candle_core::Tensor as Values;

use super::{ChosenLogits, HostRows, OperationError, Operations, Path, Plain, Precision, Scoring};
use crate::config::{Activation, ClampedGate, Experts, NormKind, Rotary};
use crate::matrix::Matrix;
use crate::pass::RowPlaces;
use crate::tensors::{LinearTensors, NormTensors};

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Work {
    /// How often a matrix `[out, in]` was multiplied by so many rows: `(rows, in, out)`.
    pub products: BTreeMap<(usize, usize, usize), usize>,
    /// Floating-point operations of attention: scores and weighted sums.
    pub attention: f64,
    /// Floats that were alive at once in tensors of packed rows, at most.
    pub most_alive: usize,
    /// Rows that rode together, at most.
    pub most_rows: usize,
    /// Forward passes.
    pub passes: usize,
    alive: usize,
}

impl Work {
    /// Floating-point operations of all matrix products and of attention; a multiplication and an
    /// addition are two.
    pub fn operations(&self) -> f64 {
        let product = |(&(rows, input, out), &times): (&(usize, usize, usize), &usize)| {
            2.0 * (rows * input) as f64 * (out * times) as f64
        };
        self.products.iter().map(product).sum::<f64>() + self.attention
    }
}

/// Operations that count. One set counts one pass, or several that come one after the other.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    work: Rc<RefCell<Work>>,
}

/// Packed rows without their values.
#[derive(Debug)]
pub struct CountedRows {
    rows: usize,
    width: usize,
    work: Rc<RefCell<Work>>,
}

impl Clone for CountedRows {
    fn clone(&self) -> Self {
        Counted { work: self.work.clone() }.rows(self.rows, self.width)
    }
}

impl Drop for CountedRows {
    fn drop(&mut self) {
        self.work.borrow_mut().alive -= self.rows * self.width;
    }
}

impl Counted {
    /// What was counted so far.
    pub fn work(&self) -> Work {
        self.work.borrow().clone()
    }

    fn rows(&self, rows: usize, width: usize) -> CountedRows {
        let mut work = self.work.borrow_mut();
        work.alive += rows * width;
        work.most_alive = work.most_alive.max(work.alive);
        work.most_rows = work.most_rows.max(rows);
        CountedRows { rows, width, work: self.work.clone() }
    }

    fn product(&self, rows: usize, [out, input]: [usize; 2]) {
        if rows > 0 {
            *self.work.borrow_mut().products.entry((rows, input, out)).or_default() += 1;
        }
    }
}

/// `[out, in]` of a matrix.
fn extents(matrix: &Matrix) -> [usize; 2] {
    [matrix.shape()[0], matrix.shape()[1]]
}

impl Operations for Counted {
    type Tensor = CountedRows;
    type Linear = [usize; 2];
    type Norm = ();
    type Table = [usize; 2];
    type Rotary = ();

    fn load_linear(&self, tensors: LinearTensors) -> Result<[usize; 2], OperationError> {
        Ok(extents(&tensors.weight))
    }

    fn load_norm(&self, _: NormTensors, _: NormKind) -> Result<(), OperationError> {
        Ok(())
    }

    fn load_table(&self, table: Matrix) -> Result<[usize; 2], OperationError> {
        Ok(extents(&table))
    }

    fn tie(&self, table: &[usize; 2]) -> Result<[usize; 2], OperationError> {
        Ok(*table)
    }

    fn load_rotary(&self, _: &Rotary) -> Result<(), OperationError> {
        Ok(())
    }

    fn embed(&self, table: &[usize; 2], indices: &[u32]) -> Result<CountedRows, OperationError> {
        Ok(self.rows(indices.len(), table[1]))
    }

    fn linear(&self, x: &CountedRows, linear: &[usize; 2]) -> Result<CountedRows, OperationError> {
        self.product(x.rows, *linear);
        Ok(self.rows(x.rows, linear[0]))
    }

    fn linear_by_head(
        &self,
        x: &CountedRows,
        linear: &[usize; 2],
        heads: usize,
    ) -> Result<CountedRows, OperationError> {
        self.product(x.rows, *linear);
        Ok(self.rows(x.rows, heads * linear[0]))
    }

    fn sum_heads(&self, x: &CountedRows, heads: usize) -> Result<CountedRows, OperationError> {
        Ok(self.rows(x.rows, x.width / heads))
    }

    fn norm(&self, x: &CountedRows, (): &()) -> Result<CountedRows, OperationError> {
        Ok(x.clone())
    }

    fn rotate(
        &self,
        x: CountedRows,
        (): &(),
        _: usize,
        _: RowPlaces<'_>,
    ) -> Result<CountedRows, OperationError> {
        Ok(x)
    }

    fn activate(&self, x: CountedRows, _: Activation) -> Result<CountedRows, OperationError> {
        Ok(x)
    }

    fn gate_clamped(
        &self,
        gate: CountedRows,
        _: &CountedRows,
        _: ClampedGate,
    ) -> Result<CountedRows, OperationError> {
        Ok(gate)
    }

    fn add(&self, a: CountedRows, _: &CountedRows) -> Result<CountedRows, OperationError> {
        Ok(a)
    }

    fn subtract(&self, a: CountedRows, _: &CountedRows) -> Result<CountedRows, OperationError> {
        Ok(a)
    }

    fn multiply(&self, a: CountedRows, _: &CountedRows) -> Result<CountedRows, OperationError> {
        Ok(a)
    }

    fn scale(&self, x: CountedRows, _: f64) -> Result<CountedRows, OperationError> {
        Ok(x)
    }

    fn clip(&self, x: CountedRows, _: f64) -> Result<CountedRows, OperationError> {
        Ok(x)
    }

    fn soft_cap(&self, x: CountedRows, _: f64) -> Result<CountedRows, OperationError> {
        Ok(x)
    }

    fn route(&self, scores: &CountedRows, _: &Experts) -> Result<CountedRows, OperationError> {
        Ok(scores.clone())
    }

    /// As if tokens were spread evenly over the experts.
    fn chosen_rows(
        &self,
        weights: &CountedRows,
        experts: &Experts,
    ) -> Result<Vec<Vec<usize>>, OperationError> {
        let Experts { count, chosen, .. } = *experts;
        let mut rows = vec![Vec::new(); count];
        for row in 0..weights.rows {
            (0..chosen).for_each(|index| rows[(row * chosen + index) % count].push(row));
        }
        Ok(rows)
    }

    fn mix(
        &self,
        _: &[Vec<usize>],
        outputs: &[CountedRows],
        weights: &CountedRows,
    ) -> Result<CountedRows, OperationError> {
        Ok(self.rows(weights.rows, outputs.first().map_or(0, |output| output.width)))
    }

    fn spread(
        &self,
        _: &[Vec<usize>],
        outputs: &[CountedRows],
        weights: &CountedRows,
    ) -> Result<CountedRows, OperationError> {
        Ok(self.rows(weights.rows, outputs.iter().map(|output| output.width).sum()))
    }

    fn take_part(
        &self,
        x: &CountedRows,
        indices: &[usize],
        _: usize,
        parts: usize,
    ) -> Result<CountedRows, OperationError> {
        Ok(self.rows(indices.len(), x.width / parts))
    }

    fn weigh_rows(&self, x: CountedRows, _: &CountedRows) -> Result<CountedRows, OperationError> {
        Ok(x)
    }

    fn take_rows(&self, x: &CountedRows, indices: &[usize]) -> Result<CountedRows, OperationError> {
        Ok(self.rows(indices.len(), x.width))
    }

    fn append_rows(&self, x: &mut CountedRows, indices: &[usize]) -> Result<(), OperationError> {
        *x = self.rows(x.rows + indices.len(), x.width);
        Ok(())
    }

    fn stack(&self, parts: &[CountedRows]) -> Result<CountedRows, OperationError> {
        let width = parts.first().map_or(0, |part| part.width);
        Ok(self.rows(parts.iter().map(|part| part.rows).sum(), width))
    }

    fn extend_rows(&self, x: &mut CountedRows, rows: &CountedRows) -> Result<(), OperationError> {
        *x = self.rows(x.rows + rows.rows, x.width);
        Ok(())
    }

    fn keep_first_rows(&self, x: &mut CountedRows, rows: usize) -> Result<(), OperationError> {
        *x = self.rows(rows, x.width);
        Ok(())
    }

    fn attend(
        &self,
        queries: &CountedRows,
        _: &CountedRows,
        _: &CountedRows,
        paths: &[Path<'_>],
        scoring: Scoring<'_>,
    ) -> Result<CountedRows, OperationError> {
        let seen = |position: u32| {
            let seen = position as usize + 1;
            scoring.window().map_or(seen, |window| seen.min(window))
        };
        let pairs: usize =
            paths.iter().flat_map(|path| path.queries).map(|query| seen(query.position)).sum();
        // Scores and weighted values, two operations each.
        self.work.borrow_mut().attention += 4.0 * (pairs * queries.width) as f64;
        Ok(self.rows(queries.rows, queries.width))
    }

    fn choose_logits(
        &self,
        x: &CountedRows,
        unembedding: &[usize; 2],
        _: Option<f64>,
        tokens: &[u32],
        normalised: bool,
    ) -> Result<ChosenLogits, OperationError> {
        let out = if normalised { unembedding[0] } else { tokens.len() };
        self.product(x.rows, [out, unembedding[1]]);
        Ok(ChosenLogits::default())
    }

    fn has_values(&self) -> bool {
        false
    }

    fn pass_ended(&self) {
        self.work.borrow_mut().passes += 1;
    }

    fn plain(&self) -> Plain {
        Plain::cpu(Precision::Single)
    }

    fn values(&self, x: &CountedRows, indices: &[usize]) -> Result<Values, OperationError> {
        let plain = self.plain();
        Ok(Values::zeros((indices.len(), x.width), plain.dtype(), plain.device())?)
    }

    fn rows_of(&self, values: &Values) -> Result<CountedRows, OperationError> {
        let (rows, width) = values.dims2()?;
        Ok(self.rows(rows, width))
    }

    fn set_values(
        &self,
        _: &mut CountedRows,
        _: &[usize],
        _: &Values,
    ) -> Result<(), OperationError> {
        Ok(())
    }

    fn host<'a>(&self, _: &'a mut CountedRows) -> Option<HostRows<'a>> {
        None
    }
}
