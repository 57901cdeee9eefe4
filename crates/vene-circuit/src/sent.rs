//! What reaches receivers when sets of senders add something else: directly, or through MLPs on the way.
//!
//! The run is walked layer by layer with what the senders add more, while all other heads add what they add in the base. Where paths lead through
//! MLPs, each MLP that is no sender is computed anew from what has reached it (Wang et al. 2022, "Interpretability in the Wild", 3.1).

use candle_core::Tensor;
use vene_model::{Decoder, OperationError, Operations};
use vene_named::named;

use crate::counterpart::Counterpart;
use crate::differences::AttentionRows;
use crate::graph::{Graph, Sender};
use crate::node_run::NodeRun;

named! {
    /// Which nodes on the way from senders to receivers are computed anew.
    pub enum Through as "way of paths", default Direct {
        /// None: the edges from senders to receivers alone.
        Direct = "direct",
        /// MLPs; heads stay what they are in the base.
        Mlps = "mlps",
    }
}

/// Where a layer's parts read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    Attention(usize),
    Mlp(usize),
    Logits,
}

/// Is told what is added to the residual stream that is read in a place.
pub(crate) type Reached<'r, O, E> =
    &'r mut dyn FnMut(Reads, &<O as Operations>::Tensor) -> Result<(), E>;

/// What sets of senders send.
pub(crate) struct Sent<'a, O: Operations> {
    pub(crate) decoder: &'a Decoder<O>,
    pub(crate) graph: &'a Graph,
    pub(crate) run: &'a NodeRun<O>,
    pub(crate) counterpart: &'a Counterpart<O>,
    /// Ascending, each once, at least one.
    pub(crate) at: &'a [usize],
    pub(crate) through: Through,
}

impl<O: Operations> Sent<'_, O> {
    /// Calls `reached` with what is added to the residual stream that is read in each place up to the last one, `[sets * positions, d_model]`; `sets`
    /// says of each which senders, by number, are in it.
    pub(crate) fn walk<E: From<OperationError>>(
        &self,
        sets: &[Vec<bool>],
        last: Reads,
        reached: Reached<'_, O, E>,
    ) -> Result<(), E> {
        let operations = self.decoder.operations();
        let of_input = operations.subtract(
            self.counterpart.input.clone(),
            &operations.take_rows(&self.run.input, self.at)?,
        )?;
        let mut added = self.chosen(sets, Sender::Input, &of_input)?;
        for layer in 0..self.graph.layers() {
            reached(Reads::Attention(layer), &added)?;
            if last == Reads::Attention(layer) {
                return Ok(());
            }
            let of_heads = self.of_heads(layer, sets)?;
            let is_sequential = !self.graph.is_parallel();
            if is_sequential && let Some(of_heads) = &of_heads {
                added = operations.add(added, of_heads)?;
            }
            reached(Reads::Mlp(layer), &added)?;
            if last == Reads::Mlp(layer) {
                return Ok(());
            }
            let of_mlp = self.of_mlp(layer, sets, &added)?;
            if !is_sequential && let Some(of_heads) = &of_heads {
                added = operations.add(added, of_heads)?;
            }
            if let Some(of_mlp) = of_mlp {
                added = operations.add(added, &of_mlp)?;
            }
        }
        reached(Reads::Logits, &added)
    }

    /// What a sender's difference comes to in each set: nothing where it is not in.
    fn chosen(
        &self,
        sets: &[Vec<bool>],
        sender: Sender,
        difference: &O::Tensor,
    ) -> Result<O::Tensor, OperationError> {
        let operations = self.decoder.operations();
        let mut rows = difference.clone();
        operations.extend_rows(&mut rows, &operations.scale(difference.clone(), 0.0)?)?;
        let number = self.graph.sender_index(sender);
        let positions = self.at.len();
        let of_set = |set: &Vec<bool>| {
            let first = if set[number] { 0 } else { positions };
            first..first + positions
        };
        operations.take_rows(&rows, &sets.iter().flat_map(of_set).collect::<Vec<_>>())
    }

    /// What the heads of a layer add more in each set, those of one layer together under a post-norm; `None` where none is in any.
    fn of_heads(
        &self,
        layer: usize,
        sets: &[Vec<bool>],
    ) -> Result<Option<O::Tensor>, OperationError> {
        let (operations, heads) = (self.decoder.operations(), self.graph.heads());
        let first = self.graph.sender_index(Sender::Head { layer, head: 0 });
        let weights: Vec<f64> = sets
            .iter()
            .flat_map(|set| {
                set[first..first + heads].iter().map(|is_in| f64::from(u8::from(*is_in)))
            })
            .collect();
        if weights.iter().all(|weight| *weight == 0.0) {
            return Ok(None);
        }
        let (own, positions) = (&self.run.layers[layer], self.at.len());
        let mixed = operations.subtract(
            self.counterpart.layers[layer].mixed.clone(),
            &operations.take_rows(&own.mixed, self.at)?,
        )?;
        let results = self.decoder.head_results(layer, &mixed)?;
        let results = operations.values(&results, &(0..positions).collect::<Vec<_>>())?;
        let width = results.dim(1)? / heads;
        // `[heads, positions * d_model]`.
        let results = results.reshape((positions, heads, width))?.transpose(0, 1)?.contiguous()?;
        let results = results.reshape((heads, positions * width))?;
        let weights = Tensor::from_vec(weights, (sets.len(), heads), results.device())?;
        let summed = weights.to_dtype(results.dtype())?.matmul(&results)?;
        let summed = operations.rows_of(&summed.reshape((sets.len() * positions, width))?)?;
        let output = operations.take_rows(&own.attention_output, self.at)?;
        let rows = AttentionRows { layer, output, rows: positions };
        rows.of_changes(self.decoder, summed, sets.len()).map(Some)
    }

    /// What the MLP of a layer adds more in each set: its own difference where it is a sender, and else what it makes of what has reached it.
    fn of_mlp(
        &self,
        layer: usize,
        sets: &[Vec<bool>],
        added: &O::Tensor,
    ) -> Result<Option<O::Tensor>, OperationError> {
        let operations = self.decoder.operations();
        let (own, positions) = (&self.run.layers[layer], self.at.len());
        let number = self.graph.sender_index(Sender::Mlp { layer });
        let is_sender = |set: &Vec<bool>| set[number];
        // Nothing has reached a set's MLP before its first sender.
        let is_reached = |set: &Vec<bool>| {
            self.through == Through::Mlps && !set[number] && set[..number].contains(&true)
        };
        let computed: Vec<usize> = (0..sets.len()).filter(|&set| is_reached(&sets[set])).collect();
        if computed.is_empty() && !sets.iter().any(is_sender) {
            return Ok(None);
        }
        let current = operations.take_rows(&own.mlp, self.at)?;
        // The sender's difference, nothing, and then what was computed for each set.
        let difference =
            operations.subtract(self.counterpart.layers[layer].mlp.clone(), &current)?;
        let mut rows = difference.clone();
        operations.extend_rows(&mut rows, &operations.scale(difference, 0.0)?)?;
        if !computed.is_empty() {
            let places = |set: &usize| set * positions..(set + 1) * positions;
            let here = operations
                .take_rows(added, &computed.iter().flat_map(places).collect::<Vec<_>>())?;
            let repeated: Vec<usize> =
                computed.iter().flat_map(|_| self.at.iter().copied()).collect();
            let residual = operations.take_rows(&own.residual_of_mlp, &repeated)?;
            let read = self.decoder.mlp_input(layer, &operations.add(residual, &here)?)?;
            let output = self.decoder.mlp_output(layer, &read)?;
            let output = self.decoder.mlp_contribution(layer, output)?;
            let unedited = operations.take_rows(&own.mlp, &repeated)?;
            operations.extend_rows(&mut rows, &operations.subtract(output, &unedited)?)?;
        }
        let mut places = Vec::with_capacity(sets.len() * positions);
        for (set, senders) in sets.iter().enumerate() {
            let block = match computed.binary_search(&set) {
                Ok(place) => 2 + place,
                Err(_) if is_sender(senders) => 0,
                Err(_) => 1,
            };
            places.extend(block * positions..(block + 1) * positions);
        }
        operations.take_rows(&rows, &places).map(Some)
    }
}
