//! What receivers read in a scrubbed run: another row's residual stream, with what nodes claim in place of its own.

use std::collections::BTreeMap;

use candle_core::Tensor;
use vene_model::{OperationError, Operations};

use super::evaluate::{At, Claimed, Entered, Scrub};
use super::kept::KeptRun;
use crate::error::CircuitError;
use crate::graph::{Receiver, Sender};

impl<O: Operations> Scrub<'_, O> {
    /// The residual stream that a receiver reads, at every position of what was entered.
    pub(super) fn residual(
        &self,
        entered: &Entered,
        receiver: Receiver,
    ) -> Result<Tensor, CircuitError> {
        let before = self.graph.read_by(receiver);
        let is_read = |sender: Sender| self.graph.sender_index(sender) < before;
        let base = &entered.base;
        let mut residual = self.gather(base, |run| self.read_of(run, receiver))?;
        if let Some(value) = self.claimed(entered, Sender::Input, |run| &run.input)? {
            let own = self.gather(base, |run| Ok(run.input.clone()))?;
            residual = moved(&residual, &value, &own)?;
        }
        for layer in 0..self.graph.layers() {
            let is_head_read = is_read(Sender::Head { layer, head: 0 });
            if let (true, Some(mixed)) = (is_head_read, self.claimed_heads(entered, layer)?) {
                let output = self.decoder.attention_output(layer, &self.rows_of(&mixed)?)?;
                let added = self.decoder.attention_contribution(layer, output)?;
                let value = self.values(&added, base.len())?;
                let own = self.gather(base, |run| Ok(run.layers[layer].attention.clone()))?;
                residual = moved(&residual, &value, &own)?;
            }
            let mlp = Sender::Mlp { layer };
            if !is_read(mlp) {
                continue;
            }
            if let Some(value) = self.claimed(entered, mlp, |run| &run.layers[layer].mlp)? {
                let own = self.gather(base, |run| Ok(run.layers[layer].mlp.clone()))?;
                residual = moved(&residual, &value, &own)?;
            }
        }
        Ok(residual)
    }

    /// The residual stream of a run where a receiver reads it.
    fn read_of(&self, run: &KeptRun, receiver: Receiver) -> Result<Tensor, OperationError> {
        Ok(match receiver {
            Receiver::Logits => run.end.clone(),
            Receiver::Mlp { layer } if !self.graph.is_parallel() => {
                let layer = &run.layers[layer];
                (&layer.residual + &layer.attention)?
            }
            Receiver::Mlp { layer }
            | Receiver::Query { layer, .. }
            | Receiver::Key { layer, .. }
            | Receiver::Value { layer, .. } => run.layers[layer].residual.clone(),
        })
    }

    /// What a node adds as the input or an MLP, if one claims it.
    fn claimed(
        &self,
        entered: &Entered,
        sender: Sender,
        of_run: impl Fn(&KeptRun) -> &Tensor,
    ) -> Result<Option<Tensor>, CircuitError> {
        for claimed in &entered.claims {
            match claimed {
                Claimed::Rows { senders, at } if senders.contains(&sender) => {
                    return self.gather(at, |run| Ok(of_run(run).clone())).map(Some);
                }
                Claimed::Computed(values) if values.contains_key(&sender) => {
                    return Ok(values.get(&sender).cloned());
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// What all heads of a layer mix, those that a node claims as it says; `None` where none is claimed.
    fn claimed_heads(
        &self,
        entered: &Entered,
        layer: usize,
    ) -> Result<Option<Tensor>, CircuitError> {
        let (heads, width) = (self.graph.heads(), self.decoder.config().head_dim);
        let of = |tensor: &Tensor, head: usize| -> Result<Tensor, OperationError> {
            Ok(tensor.narrow(1, head * width, width)?)
        };
        let mut columns: Vec<Option<Tensor>> = vec![None; heads];
        for claimed in &entered.claims {
            let here = claimed.heads_of(layer);
            if here.is_empty() {
                continue;
            }
            match claimed {
                Claimed::Rows { at, .. } => {
                    let mixed = self.gather(at, |run| Ok(run.layers[layer].mixed.clone()))?;
                    for head in here {
                        columns[head] = Some(of(&mixed, head)?);
                    }
                }
                Claimed::Computed(values) => {
                    for head in here {
                        columns[head] = values.get(&Sender::Head { layer, head }).cloned();
                    }
                }
            }
        }
        if columns.iter().all(Option::is_none) {
            return Ok(None);
        }
        let own = self.gather(&entered.base, |run| Ok(run.layers[layer].mixed.clone()))?;
        let column = |(head, column): (usize, Option<Tensor>)| match column {
            Some(column) => Ok(column),
            None => of(&own, head),
        };
        let columns: Vec<Tensor> =
            columns.into_iter().enumerate().map(column).collect::<Result<_, _>>()?;
        let whole: Result<Tensor, OperationError> =
            (|| Ok(Tensor::cat(&columns, 1)?.contiguous()?))();
        Ok(Some(whole?))
    }

    /// Rows of runs, in the order in which they are asked for.
    pub(super) fn gather(
        &self,
        at: &At,
        of_run: impl Fn(&KeptRun) -> Result<Tensor, OperationError>,
    ) -> Result<Tensor, CircuitError> {
        let mut by_row: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, &(row, _)) in at.iter().enumerate() {
            by_row.entry(row).or_default().push(place);
        }
        let mut parts = Vec::with_capacity(by_row.len());
        let mut order = vec![0u32; at.len()];
        let mut next = 0;
        for (row, places) in by_row {
            let run = self.runs.get(self.decoder, (row, &self.rows[row]), self.memory)?;
            let positions = places.iter().map(|&place| at[place].1);
            parts.push(taken(&of_run(&run)?, positions.map(|position| position as u32))?);
            for place in places {
                order[place] = next;
                next += 1;
            }
        }
        let whole: Result<Tensor, OperationError> = (|| Ok(Tensor::cat(&parts, 0)?))();
        Ok(taken(&whole?, order)?)
    }
}

/// Rows of a tensor.
fn taken(tensor: &Tensor, rows: impl IntoIterator<Item = u32>) -> Result<Tensor, OperationError> {
    let rows: Vec<u32> = rows.into_iter().collect();
    let count = rows.len();
    Ok(tensor.index_select(&Tensor::from_vec(rows, count, tensor.device())?, 0)?)
}

/// With a value in place of its own.
fn moved(residual: &Tensor, value: &Tensor, own: &Tensor) -> Result<Tensor, OperationError> {
    Ok((residual + (value - own)?)?)
}
