//! A norm that divides by what it divided another row by: then it is linear.
//!
//! Both norms are `weight * (x - mean) / deviation + bias`, where root-mean-square norms have no mean and no bias. With a row's own deviation
//! in place of the changed row's the norm is linear in what is added, so that contributions of several senders add up (as in direct
//! logit attribution, Elhage et al. 2021). Its derivative is what attribution needs.

use candle_core::{D, Tensor};
use vene_model::config::NormKind;
use vene_model::{Decoder, OperationError, Operations};

/// Computes a norm, or gives back what it is given where there is none.
pub(crate) type Norm<'a, O> =
    &'a dyn Fn(&<O as Operations>::Tensor) -> Result<<O as Operations>::Tensor, OperationError>;

/// A norm, frozen at some rows.
pub(crate) struct FrozenNorm<'a, O: Operations> {
    decoder: &'a Decoder<O>,
    norm: Norm<'a, O>,
    /// The rows, `[rows, d_model]`.
    own: Tensor,
    /// What the norm makes of them.
    normed: Tensor,
    /// What the norm makes of zeros, `[1, d_model]`.
    bias: Tensor,
}

impl<'a, O: Operations> FrozenNorm<'a, O> {
    /// A norm at so many rows `[rows, d_model]`.
    pub(crate) fn of(
        decoder: &'a Decoder<O>,
        norm: Norm<'a, O>,
        own: &O::Tensor,
        rows: usize,
    ) -> Result<Self, OperationError> {
        let operations = decoder.operations();
        let all: Vec<usize> = (0..rows).collect();
        let first = operations.take_rows(own, &[0])?;
        let zeros = operations.subtract(first.clone(), &first)?;
        Ok(Self {
            decoder,
            norm,
            own: operations.values(own, &all)?,
            normed: operations.values(&norm(own)?, &all)?,
            bias: operations.values(&norm(&zeros)?, &[0])?,
        })
    }

    /// What it makes of the rows where `difference` is added to them, `[variants * rows, d_model]`.
    pub(crate) fn of_changed(
        &self,
        difference: &O::Tensor,
        variants: usize,
    ) -> Result<O::Tensor, OperationError> {
        let change = self.linear(difference, variants)?;
        let normed = Tensor::cat(&vec![&self.normed; variants], 0)?;
        self.decoder.operations().rows_of(&(change + normed)?)
    }

    /// The derivative of the norm itself (not frozen) along `difference`, `[variants * rows, d_model]`.
    pub(crate) fn derivative(
        &self,
        difference: &O::Tensor,
        variants: usize,
    ) -> Result<O::Tensor, OperationError> {
        let (rows, width) = self.own.dims2()?;
        let along = self.linear(difference, variants)?;
        let all: Vec<usize> = (0..variants * rows).collect();
        let values = self.decoder.operations().values(difference, &all)?;
        let own = self.centred(&self.own)?;
        let variance = self.deviation(&self.own)?.sqr()?;
        let values = self.centred(&values)?.reshape((variants, rows, width))?;
        let share =
            values.broadcast_mul(&own)?.mean_keepdim(D::Minus1)?.broadcast_div(&variance)?;
        let normed = self.normed.broadcast_sub(&self.bias)?;
        let less = share.broadcast_mul(&normed)?.reshape((variants * rows, width))?;
        self.decoder.operations().rows_of(&(along - less)?)
    }

    /// What is added to the normed rows.
    fn linear(&self, difference: &O::Tensor, variants: usize) -> Result<Tensor, OperationError> {
        let operations = self.decoder.operations();
        let (rows, width) = self.own.dims2()?;
        let all: Vec<usize> = (0..variants * rows).collect();
        let values = operations.values(difference, &all)?;
        let normed = operations.values(&(self.norm)(difference)?, &all)?;
        let factor = self.deviation(&values)?.reshape((variants, rows, 1))?;
        let factor = factor.broadcast_div(&self.deviation(&self.own)?)?;
        let normed = normed.broadcast_sub(&self.bias)?.reshape((variants, rows, width))?;
        Ok(normed.broadcast_mul(&factor)?.reshape((variants * rows, width))?)
    }

    /// What the norm divides rows by, `[rows, 1]`.
    fn deviation(&self, rows: &Tensor) -> Result<Tensor, OperationError> {
        let epsilon = match self.decoder.config().norm {
            NormKind::Layer { epsilon } | NormKind::RootMeanSquare { epsilon, .. } => epsilon,
        };
        let square = self.centred(rows)?.sqr()?.mean_keepdim(D::Minus1)?;
        Ok((square + epsilon)?.sqrt()?)
    }

    fn centred(&self, rows: &Tensor) -> Result<Tensor, OperationError> {
        match self.decoder.config().norm {
            NormKind::Layer { .. } => Ok(rows.broadcast_sub(&rows.mean_keepdim(D::Minus1)?)?),
            NormKind::RootMeanSquare { .. } => Ok(rows.clone()),
        }
    }
}
