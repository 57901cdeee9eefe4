//! The unedited runs of a row, and what its senders add instead.

use vene_data::PreparedRow;
use vene_model::{Decoder, OperationError, Operations};

use crate::counterpart::Counterpart;
use crate::error::CircuitError;
use crate::node_run::NodeRun;
use crate::options::{Ablation, CircuitRows};
use crate::place::Aligned;

/// The runs of a row's prompts, part by part.
pub(crate) struct RowRuns<O: Operations> {
    pub(crate) base: NodeRun<O>,
    source: Option<NodeRun<O>>,
}

impl<O: Operations> RowRuns<O> {
    pub(crate) fn of(decoder: &Decoder<O>, row: &PreparedRow) -> Result<Self, OperationError> {
        let source = row.source.as_ref().map(|source| NodeRun::of(decoder, source.tokens()));
        Ok(Self { base: NodeRun::of(decoder, row.base.tokens())?, source: source.transpose()? })
    }

    /// What senders add instead at a place of the rows, which is at these positions in this one.
    pub(crate) fn counterpart(
        &self,
        decoder: &Decoder<O>,
        rows: &CircuitRows,
        ablation: Ablation,
        (place, at): (usize, &Aligned),
    ) -> Result<Counterpart<O>, CircuitError> {
        let operations = decoder.operations();
        let like = operations.values(&self.base.input, &[0])?.dtype();
        let found = match (ablation, &self.source) {
            (Ablation::Resample, Some(source)) => {
                Counterpart::of_run(operations, source, &at.source)?
            }
            // A row without a source is refused where one is read.
            (Ablation::Resample, None) => Counterpart::of_run(operations, &self.base, &at.base)?,
            (Ablation::Zero, _) => Counterpart::zero(operations, &self.base, &at.base)?,
            (Ablation::Mean, _) => {
                rows.means(decoder)?[place].anywhere(operations, (at.base.len(), like))?
            }
            (Ablation::MeanByPosition, _) => {
                rows.means(decoder)?[place].by_position(operations, like)?
            }
        };
        Ok(found)
    }
}
