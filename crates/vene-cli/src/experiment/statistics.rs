//! How the rows of an experiment are summarised: `[statistics]`.

use anyhow::Context;
use vene::data::{PreparedRow, Row, Split};
use vene::statistics::Bootstrap;
use vene::sweep::Summary;

use super::{Experiment, key};
use crate::rows;

impl Experiment {
    /// Of these rows, of whose sources something is read or not.
    ///
    /// # Errors
    /// Too few resamples; rows that cannot be split.
    pub(super) fn summary(
        &self,
        rows: &[PreparedRow],
        reads_source: bool,
    ) -> anyhow::Result<Summary> {
        let seed = key!(self, statistics.seed).unwrap_or(0);
        let mut bootstrap = Bootstrap { seed, ..Bootstrap::default() };
        if let Some(resamples) = key!(self, statistics.resamples) {
            bootstrap.resamples = resamples;
        }
        bootstrap.check().context("--resamples")?;
        let correction = key!(self, statistics.correction).unwrap_or_default();
        let discovery = match key!(self, statistics.discovery) {
            None => None,
            Some(discovery) => {
                let together = key!(self, statistics.together).unwrap_or_default();
                let split = Split { discovery, seed, together, reads_source };
                let used: Vec<Row> = rows.iter().map(|row| row.row.clone()).collect();
                let found = split.rows(&used).context("--discovery")?.discovery;
                rows::warn_of_share("--discovery", discovery, found.len(), rows.len());
                Some(found.into_iter().map(|row| rows[row].index).collect())
            }
        };
        Ok(Summary { bootstrap, correction, discovery })
    }
}
