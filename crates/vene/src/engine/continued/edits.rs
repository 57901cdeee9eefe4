//! Edits of new rows: each applied to the rows of one sequence.

use std::collections::{BTreeSet, HashMap};

use candle_core::Tensor;
use vene_model::{DecoderConfig, Operations, Site};

use super::stage::Stage;
use crate::engine::apply::Application;
use crate::engine::trace::Trace;
use crate::error::RunError;
use crate::plan::{Outcome, Receipt, ResolvedEdit};

/// A sequence's place among those of the pass, and its example.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) sequence: usize,
    pub(super) example: usize,
}

/// What a stage's edits do at one of its steps.
pub(super) struct Edits<'a> {
    stage: &'a Stage,
    step: usize,
    trace: &'a Trace,
    config: &'a DecoderConfig,
    wanted: BTreeSet<Site>,
    /// What edits read of their own run, by edit and sequence.
    current: HashMap<(usize, usize), Tensor>,
    receipts: Vec<(usize, Receipt)>,
}

impl<'a> Edits<'a> {
    pub(super) fn new(
        stage: &'a Stage,
        step: usize,
        trace: &'a Trace,
        config: &'a DecoderConfig,
    ) -> Self {
        let (current, receipts) = (HashMap::new(), Vec::new());
        let mut edits =
            Self { stage, step, trace, config, wanted: BTreeSet::new(), current, receipts };
        let wanted = edits.of_step().flat_map(|(_, edit)| [Some(edit.site), edit.reads_current()]);
        edits.wanted = wanted.flatten().collect();
        edits
    }

    /// The edits that are made at this step.
    fn of_step(&self) -> impl Iterator<Item = (usize, &'a ResolvedEdit)> + use<'a> {
        let step = self.step;
        let all = self.stage.plan.edits.iter().enumerate();
        all.filter(move |(_, edit)| edit.when.covers(step))
    }

    /// Whether something is to be done at a site.
    pub(super) fn wants(&self, site: Site) -> bool {
        self.wanted.contains(&site)
    }

    /// The positions of an example whose logits are needed.
    pub(super) fn logit_positions(&self, example: usize) -> Vec<usize> {
        self.stage.plan.logit_positions(example)
    }

    /// Edits a sequence's rows at a site; `rows_of` knows where they are.
    pub(super) fn rows<O: Operations>(
        &mut self,
        operations: &O,
        site: Site,
        place: Place,
        tensor: &mut O::Tensor,
        rows_of: &dyn Fn(&[usize]) -> Vec<usize>,
    ) -> Result<(), RunError> {
        for (index, edit) in self.of_step() {
            let application = self.application(index, place);
            if edit.units[place.example].is_empty() {
                if edit.site == site {
                    let receipt = application.receipt(Outcome::NotEdited);
                    self.receipts.push((place.sequence, receipt));
                }
                continue;
            }
            let rows = rows_of(&edit.units[place.example].positions);
            if edit.reads_current() == Some(site) {
                let values = operations.values(tensor, &rows)?;
                self.current.insert((index, place.sequence), values);
            }
            if edit.site != site {
                continue;
            }
            let own = operations.values(tensor, &rows)?;
            let all: Vec<usize> = (0..rows.len()).collect();
            let read = |before: &Tensor| self.read(application, place, before);
            let (edited, receipt) = application.edit_rows(self.config, &own, &all, &read)?;
            operations.set_values(tensor, &rows, &edited)?;
            self.receipts.push((place.sequence, receipt));
        }
        Ok(())
    }

    /// Edits a sequence's attention pattern `[heads, queries, keys]`, whose queries are at `positions`.
    pub(super) fn pattern(
        &mut self,
        site: Site,
        place: Place,
        positions: &[usize],
        pattern: &mut Tensor,
    ) -> Result<(), RunError> {
        for (index, _) in self.of_step().filter(|(_, edit)| edit.site == site) {
            let application = self.application(index, place);
            let read = |before: &Tensor| self.read(application, place, before);
            let (edited, receipt) =
                application.edit_pattern(self.config, pattern, positions, &read)?;
            *pattern = edited;
            self.receipts.push((place.sequence, receipt));
        }
        Ok(())
    }

    fn application(&self, index: usize, place: Place) -> Application<'a> {
        Application::new(&self.stage.plan, index, place.example)
    }

    fn read(
        &self,
        application: Application<'_>,
        place: Place,
        before: &Tensor,
    ) -> Result<Vec<Tensor>, RunError> {
        let current = self.current.get(&(application.index, place.sequence));
        application.read(self.config, self.trace, current, before)
    }

    /// What the edits did, with their sequences, in the order of both.
    pub(super) fn into_receipts(mut self) -> Vec<(usize, Receipt)> {
        self.receipts.sort_by_key(|(sequence, receipt)| (*sequence, receipt.edit));
        self.receipts
    }
}
