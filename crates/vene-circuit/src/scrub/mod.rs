//! Causal scrubbing: is a model's behaviour what a hypothesis says of it?
//!
//! Chan et al. 2022, *Causal scrubbing: a method for rigorously testing interpretability hypotheses*. A [`Hypothesis`] says which senders compute what,
//! and on what of the input that depends. If it is right, each of them may be given another row that agrees on that, drawn anew wherever it is read, and
//! all that no node claims may be given any row at all: the model goes on saying what it said. How much of what it says is lost is how wrong the hypothesis is.
//!
//! ```
//! use std::ops::ControlFlow;
//! use std::sync::Arc;
//! use vene::data::Row;
//! use vene::metric::LOG_PROBABILITY;
//! use vene::Model;
//! use vene_circuit::{CircuitRows, Claim, Hypothesis, Scrubbing};
//!
//! let model = Model::load("embedded")?;
//! let rows: Vec<Row> = [("Spain", " Madrid"), ("Italy", " Rome"), ("Japan", " Tokyo")]
//!     .map(|(country, city)| Row::of_base(format!("The capital of {country} is")).target(city))
//!     .into();
//! // All heads and MLPs of the answer's own row: true by construction.
//! let nodes = [("all".to_owned(), Claim::new(["rest"], ["tokens"]))];
//! let whole = Hypothesis {
//!     name: "whole".to_owned(),
//!     logits: vec!["all".to_owned()],
//!     nodes: nodes.into(),
//!     ..Hypothesis::default()
//! };
//! let rows = CircuitRows::builder(&model, &rows)
//!     .metrics([Arc::new(LOG_PROBABILITY) as _])
//!     .reads_source(false)
//!     .build()?;
//! let scrubbing = Scrubbing::new(rows, vec![whole])?.draws(2);
//! let found = scrubbing.run_row(&model, 0, &mut |_| ControlFlow::Continue(()))?;
//! assert!((found.runs[0].value[0] - found.base[0]).abs() < 1e-4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod composed;
mod draw;
mod evaluate;
mod feature;
mod hypothesis;
mod kept;
mod recovered;
mod resolved;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::DType;
use vene_data::Role;
use vene_model::{Decoder, Model, Operations};

use self::draw::Candidates;
use self::evaluate::Scrub;
use self::kept::KeptRuns;
use self::resolved::Resolved;
use crate::error::CircuitError;
use crate::node_run::Places;
use crate::options::CircuitRows;
use crate::patch::Patch;
use crate::place::PatchPlace;
use crate::reader::RowReader;
pub use feature::Feature;
pub use hypothesis::{Claim, Hypothesis, HypothesisError};
pub use recovered::recovered;

/// Bytes of runs that are kept where nothing else is said.
const MEMORY: usize = 1 << 30;

/// Draws for each row where nothing else is said.
const DRAWS: usize = 10;

/// Scrubs models by hypotheses.
#[derive(Clone, Debug)]
pub struct Scrubbing {
    rows: CircuitRows,
    hypotheses: Vec<(Resolved, Candidates)>,
    draws: usize,
    seed: u64,
    memory: usize,
    runs: KeptRuns,
}

/// What a row's scrubbed runs gave.
#[derive(Clone, Debug, PartialEq)]
pub struct RowScrubs {
    /// Of each metric, of the row as it is.
    pub base: Vec<f64>,
    /// Of each hypothesis, one draw after the other.
    pub runs: Vec<ScrubbedRun>,
}

/// One draw.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrubbedRun {
    /// Which of the hypotheses.
    pub hypothesis: usize,
    /// Which of its draws.
    pub draw: usize,
    /// Of each metric, in the baseline.
    pub baseline: Vec<f64>,
    /// Of each metric, scrubbed.
    pub value: Vec<f64>,
}

impl Scrubbing {
    /// By these hypotheses, on rows that have no source and were prepared for the hypotheses' [roles](Hypothesis::roles) as places.
    ///
    /// # Errors
    /// A hypothesis that does not fit the model's graph.
    pub fn new(rows: CircuitRows, hypotheses: Vec<Hypothesis>) -> Result<Self, CircuitError> {
        Self::with_features(rows, hypotheses, &[])
    }

    /// The same with features of your own, which nodes may agree on by their names.
    ///
    /// # Errors
    /// As [`Scrubbing::new`].
    pub fn with_features(
        rows: CircuitRows,
        hypotheses: Vec<Hypothesis>,
        features: &[Feature],
    ) -> Result<Self, CircuitError> {
        let roles: Vec<Role> = rows.places().iter().filter_map(PatchPlace::role).cloned().collect();
        let mut resolved = Vec::with_capacity(hypotheses.len());
        for (number, mut hypothesis) in hypotheses.into_iter().enumerate() {
            if hypothesis.name.is_empty() {
                hypothesis.name = format!("hypothesis {}", number + 1);
            }
            let name = hypothesis.name.clone();
            let is_taken = |(known, _): &(Resolved, Candidates)| known.name == name;
            if resolved.iter().any(is_taken) {
                return Err(CircuitError::TwoHypotheses { name });
            }
            let wrong = |error| CircuitError::Hypothesis { name: name.clone(), error };
            let asked = hypothesis.roles(features).map_err(wrong)?;
            if let Some(missing) = asked.into_iter().find(|role| !roles.contains(role)) {
                return Err(CircuitError::UnpreparedRole { role: missing.to_string() });
            }
            let of = (roles.as_slice(), features);
            let hypothesis =
                Resolved::of(&hypothesis, rows.graph(), rows.prepared(), of).map_err(wrong)?;
            let candidates = Candidates::of(&hypothesis, rows.prepared());
            resolved.push((hypothesis, candidates));
        }
        if resolved.is_empty() {
            return Err(CircuitError::NoHypothesis);
        }
        let runs = KeptRuns::default();
        Ok(Self { rows, hypotheses: resolved, draws: DRAWS, seed: 0, memory: MEMORY, runs })
    }

    /// How often each row's tree is drawn. Default: 10.
    #[must_use]
    pub fn draws(self, draws: usize) -> Self {
        Self { draws: draws.max(1), ..self }
    }

    /// What is drawn depends on it. Default: 0.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// About how many bytes the runs of rows may take that are kept. Default: 1 GiB.
    #[must_use]
    pub fn memory(self, bytes: usize) -> Self {
        Self { memory: bytes, ..self }
    }

    /// The rows, and what is measured of them.
    pub fn rows(&self) -> &CircuitRows {
        &self.rows
    }

    /// The names of the hypotheses.
    pub fn names(&self) -> Vec<&str> {
        self.hypotheses.iter().map(|(hypothesis, _)| hypothesis.name.as_str()).collect()
    }

    /// How often each row's tree is drawn.
    pub fn draws_per_row(&self) -> usize {
        self.draws
    }

    /// Scrubs a row, by its place among the rows. `progress` is told how many draws are done, and may break off.
    ///
    /// # Errors
    /// Failures of the computation, a metric that gives no number; [`vene_engine::RunError::Stopped`] where `progress` broke off.
    pub fn run_row(
        &self,
        model: &Model,
        row: usize,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<RowScrubs, CircuitError> {
        self.rows.row(model, row)?;
        match model.fused()? {
            Some(decoder) => self.by(decoder, model, row, progress),
            None => self.by(model.plain()?, model, row, progress),
        }
    }

    fn by<O: Operations>(
        &self,
        decoder: &Decoder<O>,
        model: &Model,
        row: usize,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<RowScrubs, CircuitError> {
        let rows = self.rows.prepared();
        let prepared = &rows[row];
        let reader = RowReader::new(model, self.rows.meter(), prepared, None)?;
        let read = RowReader::position(prepared);
        let places = Places::of(decoder, prepared.base.len());
        let keys: Vec<u64> =
            (0..self.draws).map(|draw| draw::of_root(self.seed, prepared, draw)).collect();
        let mut runs = Vec::with_capacity(self.hypotheses.len() * self.draws);
        for (number, (hypothesis, candidates)) in self.hypotheses.iter().enumerate() {
            let scrub = Scrub {
                decoder,
                graph: self.rows.graph(),
                rows,
                hypothesis,
                candidates,
                runs: &self.runs,
                memory: self.memory,
                places: &places,
            };
            let mut patches = Vec::with_capacity(2 * self.draws);
            for reads in [&hypothesis.baseline, &hypothesis.logits] {
                let values = scrub.logits(row, reads, &keys)?;
                let values = to_rows(&values)?;
                let patch = |values| Patch::of_logits(decoder.config(), read, Arc::new(values));
                patches.extend(values.into_iter().map(patch));
            }
            let made: Vec<Vec<&Patch>> = patches.iter().map(|patch| vec![patch]).collect();
            let mut values = vec![Vec::new(); made.len()];
            reader.patched(&made, "a scrubbed run", &mut |index, of_run| {
                values[index] = of_run;
                ControlFlow::Continue(())
            })?;
            let scrubbed = values.split_off(self.draws);
            let of_draws = values.into_iter().zip(scrubbed).enumerate();
            runs.extend(of_draws.map(|(draw, (baseline, value))| ScrubbedRun {
                hypothesis: number,
                draw,
                baseline,
                value,
            }));
            if progress(self.draws).is_break() {
                return Err(vene_engine::RunError::Stopped.into());
            }
        }
        Ok(RowScrubs { base: reader.base()?, runs })
    }
}

fn to_rows(values: &candle_core::Tensor) -> Result<Vec<Vec<f64>>, vene_model::OperationError> {
    Ok(values.to_dtype(DType::F64)?.to_vec2()?)
}
