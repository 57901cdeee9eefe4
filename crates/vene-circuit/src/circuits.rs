//! What a model says in which only some edges are as they were: circuits, and their complements, as ablated models.

use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::DType;
use vene_data::PreparedRow;
use vene_model::{Decoder, Model, Operations};

use crate::circuit_run::CircuitRun;
use crate::counterpart::Counterpart;
use crate::edge_set::EdgeSet;
use crate::error::CircuitError;
use crate::options::{Ablation, CircuitRows};
use crate::patch::Patch;
use crate::place::PatchPlace;
use crate::reader::RowReader;
use crate::row_runs::RowRuns;

/// Runs models in which many edges are patched at once, at all positions.
#[derive(Clone, Debug)]
pub struct Circuits {
    rows: CircuitRows,
    ablation: Ablation,
}

/// Edges that are patched together in a run.
#[derive(Clone, Copy, Debug)]
pub struct Patched<'a> {
    /// The edges; of a circuit, its [complement](EdgeSet::complement).
    pub edges: &'a EdgeSet,
    /// What they carry.
    pub carry: Carry,
}

/// What patched edges carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carry {
    /// What the ablation says.
    #[default]
    Counterpart,
    /// What they carry in the base's own run: a control, which changes nothing.
    Own,
}

impl<'a> From<&'a EdgeSet> for Patched<'a> {
    fn from(edges: &'a EdgeSet) -> Self {
        Self { edges, carry: Carry::Counterpart }
    }
}

/// What a row's runs show.
#[derive(Clone, Debug, PartialEq)]
pub struct RowCircuits {
    /// Of each metric, of the base as it is.
    pub base: Vec<f64>,
    /// Of each metric, of the source as it is, where there is one.
    pub source: Option<Vec<f64>>,
    /// For each set of patched edges, of each metric.
    pub values: Vec<Vec<f64>>,
}

impl Circuits {
    /// In these rows, edges carrying what they carry in the row's source.
    pub fn new(rows: CircuitRows) -> Self {
        Self { rows, ablation: Ablation::Resample }
    }

    /// What senders add instead. Default: what they add in the row's source.
    #[must_use]
    pub fn ablation(self, ablation: Ablation) -> Self {
        Self { ablation, ..self }
    }

    /// The rows, and what is measured of them.
    pub fn rows(&self) -> &CircuitRows {
        &self.rows
    }

    /// What senders add instead.
    pub fn ablated_by(&self) -> Ablation {
        self.ablation
    }

    /// Runs a row, by its place among the rows, for each of these sets of *patched* edges. Every receiver reads of a patched edge its sender's
    /// counterpart in place of what the sender adds in that run. `progress` is told how many runs are done, and may break off.
    ///
    /// # Errors
    /// Edges of another graph, failures of the computation, a metric that gives no number; [`vene_engine::RunError::Stopped`] where `progress` broke off.
    pub fn run_row(
        &self,
        model: &Model,
        row: usize,
        patched: &[Patched<'_>],
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<RowCircuits, CircuitError> {
        let row = self.rows.row(model, row)?;
        match model.fused()? {
            Some(decoder) => self.by(decoder, model, row, patched, progress),
            None => self.by(model.plain()?, model, row, patched, progress),
        }
    }

    fn by<O: Operations>(
        &self,
        decoder: &Decoder<O>,
        model: &Model,
        row: &PreparedRow,
        patched: &[Patched<'_>],
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<RowCircuits, CircuitError> {
        let graph = self.rows.graph();
        let operations = decoder.operations();
        if self.rows.places() != [PatchPlace::All] {
            return Err(CircuitError::CircuitPlaces);
        }
        let reader = RowReader::new(model, self.rows.meter(), row, None)?;
        let runs = RowRuns::of(decoder, row)?;
        let at = PatchPlace::All.aligned(&[], row);
        let counterpart = runs.counterpart(decoder, &self.rows, self.ablation, (0, &at))?;
        let own = Counterpart::of_run(operations, &runs.base, &at.base)?;
        let read = RowReader::position(row);
        let mut patches = Vec::with_capacity(patched.len());
        for of_run in patched {
            if of_run.edges.graph() != graph {
                return Err(CircuitError::AnotherGraph);
            }
            let run = CircuitRun {
                decoder,
                graph,
                tokens: row.base.tokens(),
                counterpart: match of_run.carry {
                    Carry::Counterpart => &counterpart,
                    Carry::Own => &own,
                },
                patched: of_run.edges,
            };
            let values = operations.values(&run.run()?, &[read])?;
            let values = values.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
            patches.push(Patch::of_logits(decoder.config(), read, Arc::new(values)));
            if progress(1).is_break() {
                return Err(vene_engine::RunError::Stopped.into());
            }
        }
        let runs: Vec<Vec<&Patch>> = patches.iter().map(|patch| vec![patch]).collect();
        let mut values = vec![Vec::new(); patched.len()];
        reader.patched(&runs, "a run of a circuit", &mut |index, of_run| {
            values[index] = of_run;
            ControlFlow::Continue(())
        })?;
        Ok(RowCircuits { base: reader.base()?, source: reader.source()?, values })
    }
}
