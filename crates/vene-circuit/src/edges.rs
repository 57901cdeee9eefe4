//! The effect of every edge, exactly, on metrics of the rows of a data set.
//!
//! Patching an edge gives its receiver alone `norm(residual + counterpart's contribution − base's contribution)`, and everything after the receiver is
//! recomputed (Goldowsky-Dill et al. 2023, path patching of one edge). As a fork from the base's run an edge costs what lies after its receiver,
//! at and after the first position that differs.

use std::collections::HashSet;
use std::ops::ControlFlow;

use vene_data::PreparedRow;
use vene_model::{Decoder, Model, Operations};

use crate::counterpart::Counterpart;
use crate::differences::Differences;
use crate::edge_patches::{EdgePatch, EdgePatches, Inputs};
use crate::error::CircuitError;
use crate::exact_check::Checked;
use crate::graph::Edge;
use crate::node_run::NodeRun;
use crate::options::{Ablation, CircuitRows};
use crate::patch::Patch;
use crate::reader::RowReader;
use crate::receivers::{NormOf, Receivers};
use crate::row_runs::RowRuns;

/// Bytes that patches and what they are made of may take at a time, beside the forks.
const PATCHES: usize = 64 << 20;

/// Which edges are patched, and how.
#[derive(Clone, Debug)]
pub struct EdgeEffects {
    pub(crate) rows: CircuitRows,
    /// `None`: all of the graph.
    pub(crate) edges: Option<HashSet<Edge>>,
    pub(crate) ablation: Ablation,
    pub(crate) norm: NormOf,
    pub(crate) memory: Option<usize>,
}

/// What a row's edges did.
#[derive(Clone, Debug, PartialEq)]
pub struct RowEdges {
    /// Of each metric, of the base as it is.
    pub base: Vec<f64>,
    /// Of each metric, of the source as it is, where there is one.
    pub source: Option<Vec<f64>>,
    /// Every edge at every place, in the graph's order.
    pub edges: Vec<EdgeValues>,
}

/// What patching an edge did.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeValues {
    /// The edge.
    pub edge: Edge,
    /// Which of the places it was patched at.
    pub place: usize,
    /// Of each metric, how much larger it is in the patched run than in the base.
    pub effects: Vec<f64>,
    /// Of an estimate that was checked: why, and its exact effects.
    pub exact: Option<(Checked, Vec<f64>)>,
}

impl EdgeEffects {
    /// All edges of a graph, each patched by itself with what it carries in the row's source.
    pub fn new(rows: CircuitRows) -> Self {
        Self {
            rows,
            edges: None,
            ablation: Ablation::Resample,
            norm: NormOf::Recomputed,
            memory: None,
        }
    }

    /// These edges alone.
    ///
    /// # Errors
    /// An edge that is not in the graph; none.
    pub fn edges(mut self, edges: impl IntoIterator<Item = Edge>) -> Result<Self, CircuitError> {
        let edges: HashSet<Edge> = edges.into_iter().collect();
        edges.iter().try_for_each(|edge| self.rows.graph().expect(edge))?;
        if edges.is_empty() {
            return Err(CircuitError::NoEdges);
        }
        self.edges = Some(edges);
        Ok(self)
    }

    /// What senders add instead. Default: what they add in the row's source.
    #[must_use]
    pub fn ablation(self, ablation: Ablation) -> Self {
        Self { ablation, ..self }
    }

    /// How the receiver's norm treats what is added. Default: recomputed.
    #[must_use]
    pub fn norm(self, norm: NormOf) -> Self {
        Self { norm, ..self }
    }

    /// About how many bytes the rows of one pass may take. Default: as [`vene_engine::Forked::memory`].
    #[must_use]
    pub fn memory(self, bytes: usize) -> Self {
        Self { memory: Some(bytes), ..self }
    }

    /// The rows, and what is measured of them.
    pub fn rows(&self) -> &CircuitRows {
        &self.rows
    }

    /// How many edges are patched in each row: at every place.
    pub fn edges_per_row(&self) -> usize {
        let edges =
            self.edges.as_ref().map_or_else(|| self.rows.graph().edge_count(), HashSet::len);
        edges * self.rows.places().len()
    }

    /// Patches the edges in a row, by its place among the rows. `progress` is told how many edges are done, and may break off.
    ///
    /// # Errors
    /// Failures of the computation, a metric that gives no number; [`vene_engine::RunError::Stopped`] where `progress` broke off.
    pub fn run_row(
        &self,
        model: &Model,
        row: usize,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<RowEdges, CircuitError> {
        let row = self.rows.row(model, row)?;
        match model.fused()? {
            Some(decoder) => self.by(decoder, model, row, progress),
            None => self.by(model.plain()?, model, row, progress),
        }
    }

    fn by<O: Operations>(
        &self,
        decoder: &Decoder<O>,
        model: &Model,
        row: &PreparedRow,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<RowEdges, CircuitError> {
        let reader = RowReader::new(model, self.rows.meter(), row, self.memory)?;
        let base = reader.base()?;
        let mut edges = Vec::with_capacity(self.edges_per_row());
        let runs = RowRuns::of(decoder, row)?;
        for (place, at) in self.rows.places().iter().enumerate() {
            let at = at.aligned(self.rows.places(), row);
            let counterpart = runs.counterpart(decoder, &self.rows, self.ablation, (place, &at))?;
            let of_place = OfPlace {
                effects: self,
                decoder,
                reader: &reader,
                run: &runs.base,
                at: &at.base,
                read: RowReader::position(row),
                place,
            };
            of_place.patched(&counterpart, &base, &mut edges, progress)?;
        }
        Ok(RowEdges { base, source: reader.source()?, edges })
    }
}

/// The edges of a row at one place.
struct OfPlace<'a, O: Operations> {
    effects: &'a EdgeEffects,
    decoder: &'a Decoder<O>,
    reader: &'a RowReader<'a>,
    run: &'a NodeRun<O>,
    at: &'a [usize],
    read: usize,
    place: usize,
}

impl<O: Operations> OfPlace<'_, O> {
    fn patched(
        &self,
        counterpart: &Counterpart<O>,
        base: &[f64],
        edges: &mut Vec<EdgeValues>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<(), CircuitError> {
        let graph = self.effects.rows.graph();
        let differences = Differences::of(self.decoder, graph, self.run, counterpart, self.at)?;
        let patches = EdgePatches {
            graph,
            receivers: Receivers {
                decoder: self.decoder,
                run: self.run,
                at: self.at,
                norm: self.effects.norm,
            },
            differences: &differences,
            read: self.read,
        };
        for inputs in Inputs::of(graph) {
            let senders = inputs.senders(graph);
            let at_once = self.senders_at_once();
            for first in (0..senders).step_by(at_once) {
                let stretch = first..senders.min(first + at_once);
                if !self.is_wanted(inputs, stretch.clone()) {
                    continue;
                }
                let wanted = |(edge, _): &EdgePatch| {
                    self.effects.edges.as_ref().is_none_or(|edges| edges.contains(edge))
                };
                let here = patches.of(inputs, stretch)?.into_iter().filter(wanted).collect();
                self.run(here, base, edges, progress)?;
            }
        }
        Ok(())
    }

    /// How many senders' patches fit into [`PATCHES`].
    fn senders_at_once(&self) -> usize {
        let config = self.decoder.config();
        let heads = config.heads * config.head_dim;
        // What is read, queries and what heads mix; patches, and their edits' copies.
        let row = 4 * (3 * config.d_model + 3 * heads + 2 * config.widest_mlp()) + 24 * heads;
        (PATCHES / (row * self.run.places.len()).max(1)).max(1)
    }

    fn is_wanted(&self, inputs: Inputs, senders: std::ops::Range<usize>) -> bool {
        let Some(edges) = &self.effects.edges else { return true };
        let graph = self.effects.rows.graph();
        inputs.receivers(graph).into_iter().any(|receiver| {
            senders
                .clone()
                .any(|sender| edges.contains(&Edge { sender: graph.sender(sender), receiver }))
        })
    }

    fn run(
        &self,
        patches: Vec<EdgePatch>,
        base: &[f64],
        edges: &mut Vec<EdgeValues>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<(), CircuitError> {
        let first = edges.len();
        let of_edge = |&(edge, _): &EdgePatch| EdgeValues {
            edge,
            place: self.place,
            effects: vec![0.0; base.len()],
            exact: None,
        };
        edges.extend(patches.iter().map(of_edge));
        let (mut numbers, mut made): (Vec<usize>, Vec<Vec<&Patch>>) = Default::default();
        for (number, (_, patch)) in patches.iter().enumerate() {
            if let Some(patch) = patch {
                numbers.push(number);
                made.push(vec![patch]);
            }
        }
        let mut flow = progress(patches.len() - made.len());
        if flow.is_break() {
            return Err(vene_engine::RunError::Stopped.into());
        }
        self.reader.patched(&made, "a run with a patched edge", &mut |index, values| {
            let effects = values.iter().zip(base).map(|(value, base)| value - base);
            edges[first + numbers[index]].effects = effects.collect();
            flow = progress(1);
            flow
        })?;
        match flow {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(vene_engine::RunError::Stopped.into()),
        }
    }
}
