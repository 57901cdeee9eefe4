//! A run in which many edges are patched at once, node by node.
//!
//! Every receiver reads its own residual stream: what the run has there, and of each patched edge its sender's counterpart − what that sender adds
//! *in this run* (as EAP-IG evaluates circuits), not in the base. Receivers of a layer that read the same are computed together. Heads of one layer on one
//! receiver are taken together under a post-norm: what is normed is their sum.

use std::collections::HashMap;

use candle_core::Tensor;
use vene_model::{Decoder, DecoderConfig, OperationError, Operations, Path, Query, Scoring};

use crate::counterpart::Counterpart;
use crate::differences::AttentionRows;
use crate::edge_set::EdgeSet;
use crate::graph::{Graph, KeyHead, Receiver};
use crate::node_run::Places;

/// A run of a text in which edges are patched at all its positions.
pub(crate) struct CircuitRun<'a, O: Operations> {
    pub(crate) decoder: &'a Decoder<O>,
    pub(crate) graph: &'a Graph,
    pub(crate) tokens: &'a [u32],
    /// What senders add instead, at every position of the text.
    pub(crate) counterpart: &'a Counterpart<O>,
    pub(crate) patched: &'a EdgeSet,
}

/// What senders would add more in a run that is going on.
struct Changes<O: Operations> {
    /// Of the input, and of each MLP so far: counterpart − current, `[positions, d_model]`.
    input: Tensor,
    mlps: Vec<Tensor>,
    /// Of each attention so far what it gives, and of its heads counterpart − current before the norm, `[heads, positions * d_model]`.
    attentions: Vec<(AttentionRows<O>, Tensor)>,
}

/// Computes queries, keys or values of what so many variants read.
type Compute<'c, O> = &'c dyn Fn(
    &<O as Operations>::Tensor,
    usize,
) -> Result<<O as Operations>::Tensor, OperationError>;

impl<O: Operations> CircuitRun<'_, O> {
    /// What is unembedded: the last norm's rows, `[positions, d_model]`.
    pub(crate) fn run(&self) -> Result<O::Tensor, OperationError> {
        let Self { decoder, graph, counterpart, .. } = *self;
        let operations = decoder.operations();
        let positions: Vec<usize> = (0..self.tokens.len()).collect();
        let places = Places::of(decoder, self.tokens.len());
        let input = decoder.embed_tokens(self.tokens)?;
        let mut residual = decoder.embed(self.tokens, &positions)?;
        let mut changes = Changes {
            input: self.values(&operations.subtract(counterpart.input.clone(), &input)?)?,
            mlps: Vec::new(),
            attentions: Vec::new(),
        };
        for layer in 0..graph.layers() {
            let entering = residual.clone();
            let mixed = self.mixed(layer, &residual, &changes, &places)?;
            let output = decoder.attention_output(layer, &mixed)?;
            let attention = decoder.attention_contribution(layer, output.clone())?;
            let counterpart = &counterpart.layers[layer];
            let change = operations.subtract(counterpart.mixed.clone(), &mixed)?;
            let change = self.heads(&decoder.head_results(layer, &change)?)?;
            let rows = AttentionRows { layer, output, rows: self.tokens.len() };
            residual = operations.add(residual, &attention)?;
            // Beside attention the MLP reads no head of its layer.
            let is_sequential = decoder.config().is_sequential();
            let read = if is_sequential { &residual } else { &entering };
            if is_sequential {
                changes.attentions.push((rows, change));
                let input = self.read(Receiver::Mlp { layer }, read, &changes)?;
                residual = self.add_mlp(layer, &input, residual, &mut changes)?;
            } else {
                let input = self.read(Receiver::Mlp { layer }, read, &changes)?;
                changes.attentions.push((rows, change));
                residual = self.add_mlp(layer, &input, residual, &mut changes)?;
            }
        }
        let end = self.read(Receiver::Logits, &residual, &changes)?;
        decoder.final_norm(&end)
    }

    fn add_mlp(
        &self,
        layer: usize,
        read: &O::Tensor,
        residual: O::Tensor,
        changes: &mut Changes<O>,
    ) -> Result<O::Tensor, OperationError> {
        let operations = self.decoder.operations();
        let output = self.decoder.mlp_output(layer, &self.decoder.mlp_input(layer, read)?)?;
        let added = self.decoder.mlp_contribution(layer, output)?;
        let counterpart = self.counterpart.layers[layer].mlp.clone();
        changes.mlps.push(self.values(&operations.subtract(counterpart, &added)?)?);
        operations.add(residual, &added)
    }

    /// What heads mix, each of whose queries, keys and values may read a residual stream of its own.
    fn mixed(
        &self,
        layer: usize,
        residual: &O::Tensor,
        changes: &Changes<O>,
        places: &Places,
    ) -> Result<O::Tensor, OperationError> {
        let Self { decoder, graph, .. } = *self;
        let config = decoder.config();
        let heads = 0..graph.heads();
        let query = |head| Receiver::Query { layer, head };
        // The head whose keys and values a query head reads, as the graph tells them apart.
        let group = config.group();
        let read_by = |head: usize| match graph.is_grouped() {
            true => KeyHead::Shared(head / group),
            false => KeyHead::Own(head),
        };
        let key = |head| Receiver::Key { layer, head: read_by(head) };
        let value = |head| Receiver::Value { layer, head: read_by(head) };
        let own = |head: usize| head;
        let shared = |head: usize| head / group;
        let queries =
            self.of_heads(heads.clone().map(query), own, residual, changes, &|input, variants| {
                let input = decoder.attention_input(layer, input)?;
                self.places_of(places, variants, |at| decoder.queries(layer, &input, at))
            })?;
        let keys = self.of_heads(
            heads.clone().map(key),
            shared,
            residual,
            changes,
            &|input, variants| {
                let input = decoder.attention_input(layer, input)?;
                self.places_of(places, variants, |at| decoder.keys(layer, &input, at))
            },
        )?;
        let values = self.of_heads(heads.map(value), shared, residual, changes, &|input, _| {
            decoder.values(layer, &decoder.attention_input(layer, input)?)
        })?;
        let rows: Vec<u32> = (0..self.tokens.len() as u32).collect();
        let asked: Vec<Query> = rows.iter().map(|&row| Query { row, position: row }).collect();
        let path = Path { rows: &rows, queries: &asked };
        let scoring = decoder.scoring(layer)?;
        // Every query head has keys and values of its own here.
        let ungrouped = DecoderConfig { key_value_heads: config.heads, ..config.clone() };
        let scoring = Scoring { config: &ungrouped, ..scoring };
        decoder.operations().attend(&queries, &keys, &values, &[path], scoring)
    }

    /// Queries, keys or values of all query heads, `[positions, heads * head_dim]`, where each reads as its receiver does. `column` says which head's
    /// columns are a query head's.
    fn of_heads(
        &self,
        receivers: impl Iterator<Item = Receiver>,
        column: impl Fn(usize) -> usize,
        residual: &O::Tensor,
        changes: &Changes<O>,
        compute: Compute<'_, O>,
    ) -> Result<O::Tensor, OperationError> {
        let operations = self.decoder.operations();
        let (positions, head_dim) = (self.tokens.len(), self.decoder.config().head_dim);
        let mut known: HashMap<&[bool], usize> = HashMap::new();
        let mut patterns: Vec<Receiver> = Vec::new();
        let variants: Vec<usize> = receivers
            .map(|receiver| {
                *known.entry(self.patched.of(receiver)).or_insert_with(|| {
                    patterns.push(receiver);
                    patterns.len() - 1
                })
            })
            .collect();
        let read = self.read_all(&patterns, residual, changes)?;
        let computed = compute(&read, patterns.len())?;
        let values = operations.values(&computed, &all(patterns.len() * positions))?;
        let part = |(head, variant): (usize, &usize)| {
            let rows = values.narrow(0, variant * positions, positions)?;
            rows.narrow(1, column(head) * head_dim, head_dim)
        };
        let parts = variants.iter().enumerate().map(part).collect::<Result<Vec<_>, _>>()?;
        let whole = Tensor::cat(&parts, 1)?.contiguous()?;
        operations.rows_of(&whole)
    }

    /// The residual stream that a receiver reads, `[positions, d_model]`.
    fn read(
        &self,
        receiver: Receiver,
        residual: &O::Tensor,
        changes: &Changes<O>,
    ) -> Result<O::Tensor, OperationError> {
        self.read_all(&[receiver], residual, changes)
    }

    /// The same for several receivers, one after the other.
    fn read_all(
        &self,
        receivers: &[Receiver],
        residual: &O::Tensor,
        changes: &Changes<O>,
    ) -> Result<O::Tensor, OperationError> {
        let operations = self.decoder.operations();
        let patched: Vec<&[bool]> =
            receivers.iter().map(|receiver| self.patched.of(*receiver)).collect();
        let is_patched = |pattern: &[bool], sender: usize| pattern.get(sender) == Some(&true);
        let repeated: Vec<usize> = receivers.iter().flat_map(|_| 0..self.tokens.len()).collect();
        let mut read = operations.take_rows(residual, &repeated)?;
        let rest = std::iter::once(&changes.input).chain(&changes.mlps);
        let (heads, per_layer) = (self.graph.heads(), self.graph.heads() + 1);
        let sums =
            |weights: Vec<bool>, values: &Tensor| -> Result<Option<Tensor>, OperationError> {
                if !weights.contains(&true) {
                    return Ok(None);
                }
                let each = weights.len() / patched.len();
                let weights: Vec<f64> =
                    weights.into_iter().map(|is_in| f64::from(u8::from(is_in))).collect();
                let weights = Tensor::from_vec(weights, (patched.len(), each), values.device())?;
                let summed = weights.to_dtype(values.dtype())?.matmul(values)?;
                let width = summed.dim(1)? / self.tokens.len();
                Ok(Some(summed.reshape((repeated.len(), width))?))
            };
        for (number, change) in rest.enumerate() {
            // The input, then the MLP of each layer.
            let sender = number * per_layer;
            let weights = patched.iter().map(|pattern| is_patched(pattern, sender)).collect();
            if let Some(sums) = sums(weights, &change.reshape((1, change.elem_count()))?)? {
                read = operations.add(read, &operations.rows_of(&sums)?)?;
            }
        }
        for (layer, (rows, change)) in changes.attentions.iter().enumerate() {
            let first = 1 + layer * per_layer;
            let of_pattern = |pattern: &&[bool]| -> Vec<bool> {
                (first..first + heads).map(|sender| is_patched(pattern, sender)).collect()
            };
            if let Some(sums) = sums(patched.iter().flat_map(of_pattern).collect(), change)? {
                let sums = operations.rows_of(&sums)?;
                read =
                    operations.add(read, &rows.of_changes(self.decoder, sums, patched.len())?)?;
            }
        }
        Ok(read)
    }

    /// Calls with the places of the text's rows, once for each variant.
    fn places_of<T>(
        &self,
        places: &Places,
        variants: usize,
        call: impl FnOnce(vene_model::RowPlaces<'_>) -> T,
    ) -> T {
        let positions: Vec<usize> = (0..variants).flat_map(|_| 0..self.tokens.len()).collect();
        places.with(&positions, call)
    }

    /// `[positions, heads * d_model]` as `[heads, positions * d_model]`.
    fn heads(&self, results: &O::Tensor) -> Result<Tensor, OperationError> {
        let values = self.values(results)?;
        let (positions, heads) = (self.tokens.len(), self.graph.heads());
        let width = values.dim(1)? / heads;
        let values = values.reshape((positions, heads, width))?.transpose(0, 1)?.contiguous()?;
        Ok(values.reshape((heads, positions * width))?)
    }

    fn values(&self, rows: &O::Tensor) -> Result<Tensor, OperationError> {
        self.decoder.operations().values(rows, &all(self.tokens.len()))
    }
}

fn all(rows: usize) -> Vec<usize> {
    (0..rows).collect()
}
