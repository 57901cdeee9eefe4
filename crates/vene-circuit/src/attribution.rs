//! The effect of every edge to first order: gradients in place of forks.
//!
//! Edge attribution patching (EAP; Syed et al. 2023) scores an edge by what it carries times the gradient of the metric with respect to what its
//! receiver reads, of one run forward and one back. EAP-IG (Hanna et al. 2024) averages that gradient over runs whose input embeddings lie on the way from the
//! base's to its counterpart's. What an edge carries is what patching it adds: under a post-norm the change of what is normed.
//!
//! The gradient of a receiver is not computed: `carried · gradient` is the derivative of what the receiver computes along what is carried, times the
//! gradient there, and all senders' derivatives are one product for all heads.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use vene_data::PreparedRow;
use vene_engine::plan::{Edit, Example, Outputs, Plan, Positions, ResolvedPlan, Source};
use vene_engine::{Gradients, SiteGradients};
use vene_model::{Component, Decoder, DecoderConfig, Model, Operations, Projection, Site};

use crate::counterpart::Counterpart;
use crate::differences::Differences;
use crate::edge_patches::Inputs;
use crate::edges::{EdgeValues, RowEdges};
use crate::error::CircuitError;
use crate::exact_check::ExactCheck;
use crate::frozen_norm::{FrozenNorm, Norm};
use crate::graph::{Graph, KeyHead, Receiver};
use crate::node_run::NodeRun;
use crate::options::{Ablation, CircuitRows};
use crate::reader::RowReader;
use crate::receivers::projection_site;
use crate::row_runs::RowRuns;
use crate::slope::Slope;

/// Scores edges by gradients.
#[derive(Clone, Debug)]
pub struct EdgeAttribution {
    rows: CircuitRows,
    pub(crate) ablation: Ablation,
    steps: Option<usize>,
    check: Option<ExactCheck>,
}

impl EdgeAttribution {
    /// EAP: gradients in the base's run.
    ///
    /// # Errors
    /// A graph whose keys and values are told apart by more than the model has of them.
    pub fn new(rows: CircuitRows) -> Result<Self, CircuitError> {
        let graph = rows.graph();
        if !graph.is_grouped() && graph.shares_keys() {
            return Err(CircuitError::UngroupedGradient);
        }
        Ok(Self { rows, ablation: Ablation::Resample, steps: None, check: None })
    }

    /// EAP-IG over inputs: gradients averaged over so many runs whose embeddings are `base + (step / steps) (counterpart − base)`,
    /// `step = 0.5, 1.5, ...` (the midpoint rule).
    ///
    /// # Errors
    /// No step.
    pub fn integrated(self, steps: usize) -> Result<Self, CircuitError> {
        if steps == 0 {
            return Err(CircuitError::NoSteps);
        }
        Ok(Self { steps: Some(steps), ..self })
    }

    /// What senders add instead. Default: what they add in the row's source.
    #[must_use]
    pub fn ablation(self, ablation: Ablation) -> Self {
        Self { ablation, ..self }
    }

    /// Which edges are patched exactly as well, in each row. Default: none.
    #[must_use]
    pub fn checked(self, check: ExactCheck) -> Self {
        Self { check: Some(check), ..self }
    }

    /// Which edges are patched exactly as well.
    pub fn check(&self) -> Option<ExactCheck> {
        self.check
    }

    /// Over how many steps gradients are averaged, if they are.
    pub fn steps(&self) -> Option<usize> {
        self.steps
    }

    /// The rows, and what is measured of them.
    pub fn rows(&self) -> &CircuitRows {
        &self.rows
    }

    /// The scores of a row's edges, by its place among the rows.
    ///
    /// # Errors
    /// A metric without a gradient, failures of the computation.
    pub fn run_row(&self, model: &Model, row: usize) -> Result<RowEdges, CircuitError> {
        let prepared = self.rows.row(model, row)?;
        let mut found = match model.fused()? {
            Some(decoder) => self.by(decoder, model, prepared)?,
            None => self.by(model.plain()?, model, prepared)?,
        };
        if let Some(check) = self.check {
            check.fill(self, model, row, &mut found)?;
        }
        Ok(found)
    }

    fn by<O: Operations>(
        &self,
        decoder: &Decoder<O>,
        model: &Model,
        row: &PreparedRow,
    ) -> Result<RowEdges, CircuitError> {
        let graph = self.rows.graph();
        let runs = RowRuns::of(decoder, row)?;
        let run = &runs.base;
        let metrics = self.rows.metrics();
        let mut edges = Vec::new();
        for (place, at) in self.rows.places().iter().enumerate() {
            let at = at.aligned(self.rows.places(), row);
            let counterpart = runs.counterpart(decoder, &self.rows, self.ablation, (place, &at))?;
            let differences = Differences::of(decoder, graph, run, &counterpart, &at.base)?;
            let mut scores = vec![vec![0.0; metrics.len()]; graph.edge_count()];
            let shares: Vec<Option<f64>> = match self.steps {
                None => vec![None],
                Some(steps) => {
                    (0..steps).map(|step| Some((step as f64 + 0.5) / steps as f64)).collect()
                }
            };
            for share in &shares {
                let moved = match share {
                    None => None,
                    Some(share) => Some(moved(decoder, run, &counterpart, &at.base, *share)?),
                };
                let run = moved.as_ref().unwrap_or(run);
                for (metric, scored) in metrics.iter().enumerate() {
                    let slope = Slope::of(scored.as_ref(), row)?;
                    let embedding = moved.as_ref().map(|run| &run.layers[0].residual);
                    let gradients = gradients(decoder, model, row, &slope, embedding)?;
                    let layers = Layers {
                        decoder,
                        graph,
                        run,
                        at: &at.base,
                        differences: &differences,
                        gradients: &gradients,
                    };
                    for (scores, score) in scores.iter_mut().zip(layers.scores()?) {
                        scores[metric] += score / shares.len() as f64;
                    }
                }
            }
            let of_edge = graph.edges().zip(scores);
            edges.extend(of_edge.map(|(edge, effects)| EdgeValues {
                edge,
                place,
                effects,
                exact: None,
            }));
        }
        let reader = RowReader::new(model, self.rows.meter(), row, None)?;
        Ok(RowEdges { base: reader.base()?, source: reader.source()?, edges })
    }
}

/// The run whose tokens' embeddings lie on the way to their counterparts.
fn moved<O: Operations>(
    decoder: &Decoder<O>,
    run: &NodeRun<O>,
    counterpart: &Counterpart<O>,
    at: &[usize],
    share: f64,
) -> Result<NodeRun<O>, CircuitError> {
    let operations = decoder.operations();
    let own = operations.take_rows(&run.input, at)?;
    let difference = operations.subtract(counterpart.input.clone(), &own)?;
    let difference = operations
        .values(&operations.scale(difference, share)?, &(0..at.len()).collect::<Vec<_>>())?;
    let first = &run.layers[0].residual;
    let mut residual = first.clone();
    let values = operations.values(first, at)?;
    operations.set_values(&mut residual, at, &(values + &difference)?)?;
    let mut input = run.input.clone();
    let values = operations.values(&run.input, at)?;
    operations.set_values(&mut input, at, &(values + &difference)?)?;
    Ok(NodeRun::from_embedding(decoder, input, residual, run.places.len())?)
}

/// The metric's gradients at what receivers compute, in the base's run, or in that with these embeddings `[positions, d_model]`.
fn gradients<O: Operations>(
    decoder: &Decoder<O>,
    model: &Model,
    row: &PreparedRow,
    slope: &Slope,
    embedding: Option<&O::Tensor>,
) -> Result<SiteGradients, CircuitError> {
    let layers = decoder.config().layers.len();
    let of_layer = |layer| {
        let of = |projection| projection_site(decoder.config(), projection);
        let components = [
            of(Projection::Queries),
            of(Projection::Keys),
            of(Projection::Values),
            Component::MlpInput,
        ];
        components.map(|component| site(decoder.config(), component, layer))
    };
    let sites = (0..layers).flat_map(of_layer);
    let end = site(decoder.config(), Component::BlockOutput, layers - 1);
    let sites = sites.chain([end]).collect::<Result<Vec<Site>, _>>()?;
    let mut plan = Plan::new()
        .read(Positions::Each(vec![vec![RowReader::position(row) as i64]]))
        .outputs(Outputs::Distributions);
    if let Some(embedding) = embedding {
        let all: Vec<usize> = (0..row.base.len()).collect();
        let values = decoder.operations().values(embedding, &all)?;
        let values = values.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        let edit = Edit::interchange(Component::Embedding, None)
            .at(Positions::All)
            .source(Source::Given(Arc::new(values)));
        plan = plan.edit(edit);
    }
    let example = Example::new(row.base.clone()).of_row(row.index);
    let plan: ResolvedPlan = plan.resolve(model, &[example])?;
    let gradients = Gradients::new(model, plan, &sites)?;
    Ok(gradients.of(&[0], &|logits| slope.value(logits))?)
}

fn site(config: &DecoderConfig, component: Component, layer: usize) -> Result<Site, CircuitError> {
    Ok(Site::new(component, Some(layer), config)?)
}

/// The edges of all layers in one run.
struct Layers<'a, O: Operations> {
    decoder: &'a Decoder<O>,
    graph: &'a Graph,
    run: &'a NodeRun<O>,
    at: &'a [usize],
    differences: &'a Differences<O>,
    gradients: &'a SiteGradients,
}

impl<O: Operations> Layers<'_, O> {
    /// The scores of all edges, in the graph's order.
    fn scores(&self) -> Result<Vec<f64>, CircuitError> {
        let mut scores = Vec::with_capacity(self.graph.edge_count());
        for inputs in Inputs::of(self.graph) {
            let senders = inputs.senders(self.graph);
            let added = self.differences.of_senders(self.decoder.operations(), 0..senders)?;
            // `[senders, positions, width]`, and the gradient `[positions, width]`.
            let (along, gradient) = match inputs {
                Inputs::Queries(layer) => {
                    self.of_attention(layer, &added, senders, Projection::Queries)?
                }
                Inputs::Keys(layer) => {
                    self.of_attention(layer, &added, senders, Projection::Keys)?
                }
                Inputs::Values(layer) => {
                    self.of_attention(layer, &added, senders, Projection::Values)?
                }
                Inputs::Mlp(layer) => self.of_mlp(layer, &added, senders)?,
                Inputs::Logits => {
                    let gradient =
                        self.gradient(Component::BlockOutput, self.graph.layers() - 1)?;
                    (self.variants(&added, senders)?, gradient)
                }
            };
            let products = along.broadcast_mul(&gradient)?;
            for receiver in inputs.receivers(self.graph) {
                let columns = self.columns(receiver);
                let of_receiver = products.narrow(2, columns.start, columns.len())?;
                let sums = of_receiver.sum(2)?.sum(1)?.to_dtype(DType::F64)?;
                scores.extend(sums.to_vec1::<f64>()?);
            }
        }
        Ok(scores)
    }

    /// A receiver's columns of what its kind computes.
    fn columns(&self, receiver: Receiver) -> std::ops::Range<usize> {
        let config = self.decoder.config();
        let head = match receiver {
            Receiver::Query { head, .. } => head,
            Receiver::Key { head, .. } | Receiver::Value { head, .. } => match head {
                KeyHead::Own(head) | KeyHead::Shared(head) => head,
            },
            Receiver::Mlp { .. } | Receiver::Logits => return 0..config.d_model,
        };
        head * config.head_dim..(head + 1) * config.head_dim
    }

    fn of_attention(
        &self,
        layer: usize,
        added: &O::Tensor,
        senders: usize,
        projection: Projection,
    ) -> Result<(Tensor, Tensor), CircuitError> {
        let operations = self.decoder.operations();
        let norm: Norm<'_, O> = &|rows| self.decoder.attention_input(layer, rows);
        let along = self.derivative(norm, &self.run.layers[layer].residual, added, senders)?;
        let project = |rows: &O::Tensor| self.decoder.projected(layer, projection, rows);
        // Without the bias, which is what zeros give.
        let zero = operations.take_rows(&along, &[0])?;
        let zero = operations.subtract(zero.clone(), &zero)?;
        let bias = operations.values(&project(&zero)?, &[0])?;
        let rows: Vec<usize> = (0..senders * self.at.len()).collect();
        let mut projected = operations.values(&project(&along)?, &rows)?.broadcast_sub(&bias)?;
        let config = self.decoder.config();
        let component = projection_site(config, projection);
        let mut gradient = self.gradient(component, layer)?;
        // What the projection itself gives in this run.
        let input = operations.take_rows(&self.run.layers[layer].residual, self.at)?;
        let own = project(&norm(&input)?)?;
        if let Some(limit) = config.projection_clip {
            // Where it is clipped nothing changes.
            let own = operations.values(&own, &(0..self.at.len()).collect::<Vec<_>>())?;
            let is_free = own.abs()?.lt(limit)?.to_dtype(gradient.dtype())?;
            gradient = (gradient * is_free)?;
        }
        if matches!(component, Component::NormedQuery | Component::NormedKey) {
            let norm: Norm<'_, O> = &|rows| self.decoder.projection_normed(layer, projection, rows);
            let frozen = FrozenNorm::of(self.decoder, norm, &own, self.at.len())?;
            let along = frozen.derivative(&operations.rows_of(&projected)?, senders)?;
            projected = operations.values(&along, &rows)?;
        }
        let width = projected.dim(1)?;
        Ok((projected.reshape((senders, self.at.len(), width))?, gradient))
    }

    fn of_mlp(
        &self,
        layer: usize,
        added: &O::Tensor,
        senders: usize,
    ) -> Result<(Tensor, Tensor), CircuitError> {
        let norm: Norm<'_, O> = &|rows| self.decoder.mlp_input(layer, rows);
        let residual = &self.run.layers[layer].residual_of_mlp;
        let along = self.derivative(norm, residual, added, senders)?;
        Ok((self.variants(&along, senders)?, self.gradient(Component::MlpInput, layer)?))
    }

    /// The derivative of a norm at the run's rows.
    fn derivative(
        &self,
        norm: Norm<'_, O>,
        residual: &O::Tensor,
        added: &O::Tensor,
        senders: usize,
    ) -> Result<O::Tensor, CircuitError> {
        if !self.decoder.config().pre_norms {
            return Ok(added.clone());
        }
        let own = self.decoder.operations().take_rows(residual, self.at)?;
        let frozen = FrozenNorm::of(self.decoder, norm, &own, self.at.len())?;
        Ok(frozen.derivative(added, senders)?)
    }

    /// `[senders * positions, width]` as `[senders, positions, width]`.
    fn variants(&self, rows: &O::Tensor, senders: usize) -> Result<Tensor, CircuitError> {
        let all: Vec<usize> = (0..senders * self.at.len()).collect();
        let values = self.decoder.operations().values(rows, &all)?;
        let width = values.dim(1)?;
        Ok(values.reshape((senders, self.at.len(), width))?)
    }

    /// The gradient at a site, at the patched positions.
    fn gradient(&self, component: Component, layer: usize) -> Result<Tensor, CircuitError> {
        let site = site(self.decoder.config(), component, layer)?;
        let Some(gradient) = self.gradients.gradient(0, site) else {
            return Err(CircuitError::NoSite { site: site.to_string() });
        };
        let rows: Vec<u32> = self.at.iter().map(|&position| position as u32).collect();
        let rows = Tensor::new(rows, gradient.device())?;
        Ok(gradient.index_select(&rows, 0)?)
    }
}
