//! What a receiver gives, as an edit of the model's run: the fork that begins there is an ordinary one.

use std::ops::Range;
use std::sync::Arc;

use vene_engine::plan::{Edit, Positions, Source};
use vene_model::{Component, DecoderConfig};

/// Values that stand at a site instead of the run's own.
#[derive(Clone, Debug)]
pub(crate) struct Patch {
    pub(crate) component: Component,
    pub(crate) layer: Option<usize>,
    pub(crate) heads: Option<Range<usize>>,
    pub(crate) positions: Vec<usize>,
    /// `[positions, width]`.
    pub(crate) values: Arc<Vec<f64>>,
}

impl Patch {
    /// What is unembedded at a position: the last norm's output, or where there is none the last block's. `values` is `[d_model]`.
    pub(crate) fn of_logits(
        config: &DecoderConfig,
        position: usize,
        values: Arc<Vec<f64>>,
    ) -> Self {
        let (component, layer) = Self::site_of_logits(config);
        Self { component, layer, heads: None, positions: vec![position], values }
    }

    /// Of what stands at these positions in a layer, which rows a value that is read at one of them depends on, and their positions: after the last
    /// layer's attention rows do not meet, so that the read one alone matters. `None` where none does.
    pub(crate) fn rows_that_matter(
        positions: &[usize],
        (is_last, read): (bool, usize),
    ) -> Option<(Range<usize>, Vec<usize>)> {
        if !is_last {
            return Some((0..positions.len(), positions.to_vec()));
        }
        let place = positions.iter().position(|&position| position == read)?;
        Some((place..place + 1, vec![read]))
    }

    /// Where that stands.
    pub(crate) fn site_of_logits(config: &DecoderConfig) -> (Component, Option<usize>) {
        match config.final_norm {
            true => (Component::FinalNorm, None),
            false => (Component::BlockOutput, Some(config.layers.len() - 1)),
        }
    }

    /// As an edit of a plan for one example.
    pub(crate) fn edit(&self) -> Edit {
        let positions = self.positions.iter().map(|&position| position as i64).collect();
        let edit = Edit::interchange(self.component, self.layer)
            .at(Positions::Each(vec![positions]))
            .source(Source::Given(self.values.clone()));
        match &self.heads {
            Some(heads) => edit.heads(heads.clone().collect::<Vec<_>>()),
            None => edit,
        }
    }
}

/// Rows of a tensor in host memory.
pub(crate) struct HostValues {
    /// `[rows, width]`.
    values: Vec<f64>,
    width: usize,
}

impl HostValues {
    pub(crate) fn new(values: Vec<f64>, width: usize) -> Self {
        Self { values, width }
    }

    /// Columns of some rows, `[rows, columns]`.
    pub(crate) fn part(&self, rows: Range<usize>, columns: Range<usize>) -> Vec<f64> {
        let row = |row: usize| &self.values[row * self.width..][columns.clone()];
        rows.flat_map(row).copied().collect()
    }
}
