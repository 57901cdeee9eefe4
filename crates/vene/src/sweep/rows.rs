//! The rows of a data set that a sweep is over: which can be used.

use std::collections::BTreeMap;

use vene_data::{Reason, Requirements, Role, Row, prepare};
use vene_model::Outline;

use super::partners::needs_equal_lengths;
use super::{Method, Sweep, SweepBuilder, SweepUnit, batch, positions};
use crate::metric::Meter;
use crate::sweep::SweepError;

impl SweepBuilder<'_> {
    /// The sweep over rows.
    pub(super) fn build_rows(self, rows: &[Row]) -> Result<Sweep, SweepError> {
        let roles = match self.unit {
            SweepUnit::Head => Vec::new(),
            _ => positions::roles(&self.swept_positions())?,
        };
        let mut found_roles = roles.clone();
        if let Method::Restore { corrupted, .. } = &self.method {
            found_roles.push(corrupted.clone());
        }
        let reads_source = self.method.reads_source();
        let meter = Meter::new(self.measured(), self.outline.config().vocabulary);
        let read: Vec<Role> = meter.sites().iter().map(|site| site.position.clone()).collect();
        let requirements = Requirements {
            form: &self.form,
            roles: &found_roles,
            read: &read,
            distinct_roles: if self.distinct_roles { roles.len() } else { 0 },
            reads_source,
            same_length: needs_equal_lengths(self.unit, self.components.iter().copied())
                && reads_source,
            needs_target: true,
            needs_foil: meter.reads().needs_foil(),
            needs_single_tokens: meter.reads().needs_single_tokens(),
            first_tokens: self.first_tokens,
        };
        let (rows, left_out) = prepare(self.outline, rows, &requirements);
        let mut sweep = Sweep {
            cells: self.cells(roles.len())?,
            rows,
            left_out,
            words: roles.iter().map(|role| Some(role.to_string())).collect(),
            roles,
            unit: self.unit,
            method: self.method,
            directions: self.directions,
            window: self.window,
            effect: self.effect,
            meter,
            targets: Vec::new(),
            controls: self.controls,
            seed: self.seed,
            first_tokens: self.first_tokens,
            distinct_roles: self.distinct_roles,
            noise_cells: None,
            weights: crate::effort::weights(self.outline.config()),
        };
        sweep.refuse_none_usable()?;
        sweep.leave_out_unusable(self.outline)?;
        batch::check(&sweep, self.outline)?;
        Ok(sweep)
    }
}

impl Sweep {
    /// Leaves out rows that cannot be run with the others, until all can. Without one of them another
    /// may have too few to draw from.
    fn leave_out_unusable(&mut self, outline: &Outline) -> Result<(), SweepError> {
        loop {
            let mut reasons: BTreeMap<usize, Reason> = BTreeMap::new();
            for (row, reason) in batch::unusable(self, outline)? {
                reasons.entry(row).or_insert(reason);
            }
            if reasons.is_empty() {
                return Ok(());
            }
            let mut index = 0;
            let (rows, left_out) = (&mut self.rows, &mut self.left_out);
            rows.retain(|row| {
                let reason = reasons.remove(&index);
                index += 1;
                let stays = reason.is_none();
                left_out.extend(reason.map(|reason| row.left_out(reason)));
                stays
            });
            self.refuse_none_usable()?;
        }
    }

    fn refuse_none_usable(&self) -> Result<(), SweepError> {
        match (self.rows.is_empty(), self.left_out.first()) {
            (true, Some(first)) => Err(SweepError::NoneUsable {
                rows: self.left_out.len(),
                first: first.name(),
                reason: Box::new(first.reason.clone()),
            }),
            _ => Ok(()),
        }
    }
}
