//! What a model says in which only some edges are as they were: circuits, and their complements, as ablated models.

use std::sync::Arc;

use candle_core::DType;
use vene_data::PreparedRow;
use vene_model::{Component, Decoder, Model, Operations};

use crate::circuit_run::CircuitRun;
use crate::edge_set::EdgeSet;
use crate::error::CircuitError;
use crate::node_run::NodeRun;
use crate::options::{Ablation, CircuitRows};
use crate::patch::Patch;
use crate::place::PatchPlace;
use crate::reader::RowReader;

/// Runs models in which many edges are patched at once, at all positions.
#[derive(Clone, Debug)]
pub struct Circuits {
    rows: CircuitRows,
    ablation: Ablation,
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

    /// Runs a row, by its place among the rows, for each of these sets of *patched* edges (of a circuit, its
    /// [complement](EdgeSet::complement)). Every receiver reads of a patched edge its sender's counterpart in place of what the sender adds in that run.
    ///
    /// # Errors
    /// Edges of another graph, failures of the computation, a metric that gives no number.
    pub fn run_row(
        &self,
        model: &Model,
        row: usize,
        patched: &[EdgeSet],
    ) -> Result<RowCircuits, CircuitError> {
        let row = self.rows.row(model, row)?;
        match model.fused()? {
            Some(decoder) => self.by(decoder, model, row, patched),
            None => self.by(model.plain()?, model, row, patched),
        }
    }

    fn by<O: Operations>(
        &self,
        decoder: &Decoder<O>,
        model: &Model,
        row: &PreparedRow,
        patched: &[EdgeSet],
    ) -> Result<RowCircuits, CircuitError> {
        let graph = self.rows.graph();
        let operations = decoder.operations();
        let reader = RowReader::new(model, self.rows.meter(), row, None)?;
        let run = NodeRun::of(decoder, row.base.tokens())?;
        let source = match &row.source {
            Some(source) => Some(NodeRun::of(decoder, source.tokens())?),
            None => None,
        };
        let at = PatchPlace::All.aligned(&[], row);
        let counterpart = self.ablation.counterpart(operations, &run, source.as_ref(), &at)?;
        let read = RowReader::position(row);
        let mut patches = Vec::with_capacity(patched.len());
        for patched in patched {
            if patched.graph() != graph {
                return Err(CircuitError::AnotherGraph);
            }
            let tokens = row.base.tokens();
            let counterpart = &counterpart;
            let normed = CircuitRun { decoder, graph, tokens, counterpart, patched }.run()?;
            let values = operations.values(&normed, &[read])?;
            let values = values.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
            let (component, layer) = match decoder.config().final_norm {
                true => (Component::FinalNorm, None),
                false => (Component::BlockOutput, Some(graph.layers() - 1)),
            };
            let values = Arc::new(values);
            let positions = vec![read];
            patches.push(Patch { component, layer, heads: None, positions, values });
        }
        let runs: Vec<Vec<&Patch>> = patches.iter().map(|patch| vec![patch]).collect();
        let mut values = vec![Vec::new(); patched.len()];
        reader.patched(&runs, "a run of a circuit", &mut |index, of_run| {
            values[index] = of_run;
            std::ops::ControlFlow::Continue(())
        })?;
        Ok(RowCircuits { base: reader.base()?, source: reader.source()?, values })
    }
}
