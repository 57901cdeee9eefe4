//! What is kept of unedited runs: what a fork needs of its run's beginning, in place and in depth.

use vene_model::{DecoderConfig, OperationError, Operations};

/// The keys and values of a trunk's rows in every block, and the residual stream as it enters some of them. Row `n` is
/// that of the trunk.
pub(crate) struct ActivationCache<O: Operations> {
    /// By block `[rows, key_value_heads * head_dim]`, keys and values.
    attention: Vec<Option<[O::Tensor; 2]>>,
    /// By block, and last behind all blocks, `[rows, d_model]`.
    residuals: Vec<Option<O::Tensor>>,
    /// Whether the residual stream is to be kept as it enters a block.
    keeps: Vec<bool>,
    /// How many rows are kept.
    rows: usize,
}

impl<O: Operations> ActivationCache<O> {
    /// That keeps the residual stream as it enters these blocks, of which there are as many as the model has, and what
    /// follows them.
    pub(crate) fn new(keeps: Vec<bool>) -> Self {
        let blocks = keeps.len() - 1;
        Self {
            attention: (0..blocks).map(|_| None).collect(),
            residuals: keeps.iter().map(|_| None).collect(),
            keeps,
            rows: 0,
        }
    }

    /// Whether the residual stream is kept behind all blocks.
    pub(super) fn keeps_output(&self) -> bool {
        self.keeps.last().copied().unwrap_or(false)
    }

    /// At which blocks the residual stream is kept.
    pub(super) fn keeps(&self) -> &[bool] {
        &self.keeps
    }

    /// How many rows are kept.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// For each block, and what follows them all, whether rows can come in there. The first they can enter anyway: by
    /// their embeddings.
    pub(super) fn entrances(&self) -> Vec<bool> {
        let mut entrances = self.keeps.clone();
        entrances[0] = true;
        entrances
    }

    /// The residual stream of some rows as it enters a block, if it is kept.
    pub(super) fn residual(
        &self,
        operations: &O,
        block: usize,
        rows: &[usize],
    ) -> Option<Result<O::Tensor, OperationError>> {
        let kept = self.residuals[block].as_ref()?;
        Some(operations.take_rows(kept, rows))
    }

    /// The keys and values of some rows in a block, if there are any.
    pub(super) fn attention(
        &self,
        operations: &O,
        block: usize,
        rows: &[usize],
    ) -> Result<Option<[O::Tensor; 2]>, OperationError> {
        let Some([keys, values]) = self.attention[block].as_ref().filter(|_| !rows.is_empty())
        else {
            return Ok(None);
        };
        Ok(Some([operations.take_rows(keys, rows)?, operations.take_rows(values, rows)?]))
    }

    /// All keys and values of a block, with others after them, for one attention: [`ActivationCache::give_back`] takes
    /// them again.
    pub(super) fn take_extended(
        &mut self,
        operations: &O,
        block: usize,
        others: [O::Tensor; 2],
    ) -> Result<[O::Tensor; 2], OperationError> {
        match self.attention[block].take() {
            None => Ok(others),
            Some(mut all) => {
                for (all, others) in all.iter_mut().zip(&others) {
                    operations.extend_rows(all, others)?;
                }
                Ok(all)
            }
        }
    }

    /// Takes what [`ActivationCache::take_extended`] gave; of the others these are kept, in this order.
    pub(super) fn give_back(
        &mut self,
        operations: &O,
        block: usize,
        mut all: [O::Tensor; 2],
        others: usize,
        kept: &[usize],
    ) -> Result<(), OperationError> {
        let is_all =
            kept.len() == others && kept.iter().enumerate().all(|(row, &kept)| row == kept);
        if !is_all {
            let rows: Vec<usize> = kept.iter().map(|row| self.rows + row).collect();
            for all in &mut all {
                let kept = operations.take_rows(all, &rows)?;
                operations.keep_first_rows(all, self.rows)?;
                operations.extend_rows(all, &kept)?;
            }
        }
        self.attention[block] = Some(all);
        Ok(())
    }

    /// Keeps further rows' residual stream as it enters a block, where that is wanted.
    pub(super) fn keep_residual(
        &mut self,
        operations: &O,
        block: usize,
        rows: &O::Tensor,
    ) -> Result<(), OperationError> {
        if !self.keeps[block] {
            return Ok(());
        }
        match &mut self.residuals[block] {
            Some(kept) => operations.extend_rows(kept, rows),
            none => {
                *none = Some(rows.clone());
                Ok(())
            }
        }
    }

    /// How many bytes it takes, of values of this size.
    pub(super) fn bytes(&self, config: &DecoderConfig, size_of_value: usize) -> usize {
        let of_attention = 2 * config.key_value_heads * config.head_dim;
        let blocks = self.attention.iter().flatten().count();
        let entrances = self.residuals.iter().flatten().count();
        self.rows * size_of_value * (blocks * of_attention + entrances * config.d_model)
    }

    /// Says that so many rows more were kept everywhere.
    pub(super) fn grow(&mut self, rows: usize) {
        self.rows += rows;
    }
}
