//! A hypothesis's tree, evaluated breadth first: all that is read at an input of a node in one batch, over all draws and positions.
//!
//! What a plain evaluator computes for each occurrence of a node and each position by itself is computed together here: rows' unedited runs are kept,
//! and a context (a row that was drawn, with the positions at which it is read) has its keys and values once for all its queries. The numbers are the
//! same, as draws depend on their place in the tree alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use candle_core::Tensor;
use vene_data::PreparedRow;
use vene_model::{Decoder, OperationError, Operations, Path, Query};

use super::draw::{self, Candidates};
use super::kept::KeptRuns;
use super::resolved::{Entrance, Resolved, Senders};
use crate::error::CircuitError;
use crate::graph::{Graph, Receiver, Sender};
use crate::node_run::Places;

/// Rows of keys and values that are computed at a time.
const ROWS_AT_ONCE: usize = 4096;

/// Evaluates a hypothesis on the rows of a data set.
pub(super) struct Scrub<'a, O: Operations> {
    pub(super) decoder: &'a Decoder<O>,
    pub(super) graph: &'a Graph,
    pub(super) rows: &'a [PreparedRow],
    pub(super) hypothesis: &'a Resolved,
    pub(super) candidates: &'a Candidates,
    pub(super) runs: &'a KeptRuns,
    /// Bytes that kept runs may take.
    pub(super) memory: usize,
    /// Of rows as long as the one that is scrubbed.
    pub(super) places: &'a Places,
}

/// A row that stands for another one, and where it is read.
struct Context {
    row: usize,
    key: u64,
    /// Ascending, at least one.
    positions: Vec<usize>,
}

/// Positions of rows.
pub(super) type At = Vec<(usize, usize)>;

/// What stands at an input, at every position of every context.
pub(super) struct Entered {
    /// Where all is taken from that no node claims.
    pub(super) base: At,
    pub(super) claims: Vec<Claimed>,
}

/// What a node adds there.
pub(super) enum Claimed {
    /// What rows have themselves.
    Rows { senders: Vec<Sender>, at: At },
    /// `[positions, width]`: of heads what they mix, else what is added.
    Computed(HashMap<Sender, Tensor>),
}

impl Claimed {
    fn senders(&self) -> Vec<Sender> {
        match self {
            Self::Rows { senders, .. } => senders.clone(),
            Self::Computed(values) => values.keys().copied().collect(),
        }
    }

    pub(super) fn heads_of(&self, layer: usize) -> Vec<usize> {
        let head = |sender| match sender {
            Sender::Head { layer: of, head } if of == layer => Some(head),
            _ => None,
        };
        self.senders().into_iter().filter_map(head).collect()
    }
}

impl<O: Operations> Scrub<'_, O> {
    /// What is unembedded at the last position of a row, where the logits read these nodes: `[draws, d_model]`.
    pub(super) fn logits(
        &self,
        row: usize,
        reads: &[usize],
        draws: &[u64],
    ) -> Result<Tensor, CircuitError> {
        let last = self.rows[row].base.len() - 1;
        let context = |&key: &u64| Context { row, key, positions: vec![last] };
        let contexts: Vec<Context> = draws.iter().map(context).collect();
        let positions: Vec<Vec<usize>> = contexts.iter().map(|one| one.positions.clone()).collect();
        let entered = self.enter(Some(reads), Entrance::Logits, &contexts, &positions)?;
        let end = self.rows_of(&self.residual(&entered, Receiver::Logits)?)?;
        Ok(self.values(&self.decoder.final_norm(&end)?, draws.len())?)
    }

    /// What stands at an input of contexts, at these positions of each.
    fn enter(
        &self,
        reads: Option<&[usize]>,
        entrance: Entrance,
        contexts: &[Context],
        positions: &[Vec<usize>],
    ) -> Result<Entered, CircuitError> {
        let each = || contexts.iter().zip(positions);
        let at = |row_of: &dyn Fn(&Context) -> usize| -> At {
            let of = |(context, positions): (&Context, &Vec<usize>)| {
                let row = row_of(context);
                positions.iter().map(move |&position| (row, position)).collect::<Vec<_>>()
            };
            each().flat_map(of).collect()
        };
        let Some(reads) = reads else {
            return Ok(Entered { base: at(&|context| context.row), claims: Vec::new() });
        };
        let other = |context: &Context| {
            let key = draw::of_other(context.key, entrance);
            self.candidates.any(&self.rows[context.row], key)
        };
        let mut claims = Vec::with_capacity(reads.len());
        for &number in reads {
            let node = &self.hypothesis.nodes[number];
            let child = |context: &Context, position: Option<usize>, positions: Vec<usize>| {
                let key = draw::of_child(context.key, entrance, number, position);
                let row = &self.rows[context.row];
                let row = self.candidates.draw((number, node), row, position, key);
                Context { row, key, positions }
            };
            let drawn: Vec<Context> = match node.is_by_position() {
                true => each()
                    .flat_map(|(context, positions)| {
                        let one = |&position| child(context, Some(position), vec![position]);
                        positions.iter().map(one).collect::<Vec<_>>()
                    })
                    .collect(),
                false => each()
                    .map(|(context, positions)| child(context, None, positions.clone()))
                    .collect(),
            };
            claims.push(match node.is_leaf() {
                true => {
                    let at = |one: &Context| -> At {
                        one.positions.iter().map(|&position| (one.row, position)).collect()
                    };
                    let at = drawn.iter().flat_map(at).collect();
                    Claimed::Rows { senders: self.senders(number, reads), at }
                }
                false => Claimed::Computed(self.compute(number, &drawn)?),
            });
        }
        Ok(Entered { base: at(&other), claims })
    }

    /// The senders of a node that is read beside others.
    fn senders(&self, number: usize, beside: &[usize]) -> Vec<Sender> {
        let named = |number: usize| match &self.hypothesis.nodes[number].senders {
            Senders::Named(senders) => senders.clone(),
            Senders::Rest => Vec::new(),
        };
        if self.hypothesis.nodes[number].senders != Senders::Rest {
            return named(number);
        }
        let others: BTreeSet<Sender> = beside.iter().flat_map(|&number| named(number)).collect();
        self.graph.senders().filter(|sender| !others.contains(sender)).collect()
    }

    /// What the senders of a node that reads others add in contexts, at all their positions.
    fn compute(
        &self,
        number: usize,
        contexts: &[Context],
    ) -> Result<HashMap<Sender, Tensor>, CircuitError> {
        let mut parts: HashMap<Sender, Vec<Tensor>> = HashMap::new();
        let mut rest = contexts;
        while !rest.is_empty() {
            let mut rows = 0;
            let fits = |context: &&Context| {
                rows += context.positions.last().map_or(0, |last| last + 1);
                rows <= ROWS_AT_ONCE
            };
            let count = rest.iter().take_while(fits).count().max(1);
            for (sender, values) in self.compute_at_once(number, &rest[..count])? {
                parts.entry(sender).or_default().push(values);
            }
            rest = &rest[count..];
        }
        let whole = |(sender, parts): (Sender, Vec<Tensor>)| {
            let whole: Result<Tensor, OperationError> = Ok(Tensor::cat(&parts, 0)?);
            Ok((sender, whole?))
        };
        parts.into_iter().map(whole).collect()
    }

    fn compute_at_once(
        &self,
        number: usize,
        contexts: &[Context],
    ) -> Result<HashMap<Sender, Tensor>, CircuitError> {
        let node = &self.hypothesis.nodes[number];
        let Senders::Named(senders) = &node.senders else { return Ok(HashMap::new()) };
        let own: Vec<Vec<usize>> = contexts.iter().map(|one| one.positions.clone()).collect();
        let mut found = HashMap::new();
        let mut heads: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut mlps = Vec::new();
        for sender in senders {
            match *sender {
                Sender::Head { layer, head } => heads.entry(layer).or_default().push(head),
                Sender::Mlp { layer } => mlps.push(layer),
                // Beside senders that read others it is the row's.
                Sender::Input => {
                    let at = contexts
                        .iter()
                        .flat_map(|one| one.positions.iter().map(|&position| (one.row, position)));
                    let values = self.gather(&at.collect(), |run| Ok(run.input.clone()))?;
                    found.insert(Sender::Input, values);
                }
            }
        }
        if !heads.is_empty() {
            let before: Vec<Vec<usize>> = own
                .iter()
                .map(|positions| (0..=positions.last().copied().unwrap_or(0)).collect())
                .collect();
            let enter = |entrance, positions: &[Vec<usize>]| {
                self.enter(node.reads(entrance), entrance, contexts, positions)
            };
            let query = enter(Entrance::Query, &own)?;
            let key = enter(Entrance::Key, &before)?;
            let value = enter(Entrance::Value, &before)?;
            for (layer, heads) in heads {
                let mixed = self.mixed(layer, [&query, &key, &value], (&own, &before))?;
                let width = self.decoder.config().head_dim;
                for head in heads {
                    let of_head = mixed.narrow(1, head * width, width);
                    let of_head: Result<Tensor, OperationError> = Ok(of_head?.contiguous()?);
                    found.insert(Sender::Head { layer, head }, of_head?);
                }
            }
        }
        if !mlps.is_empty() {
            let entered = self.enter(node.reads(Entrance::Mlp), Entrance::Mlp, contexts, &own)?;
            for layer in mlps {
                let read = self.rows_of(&self.residual(&entered, Receiver::Mlp { layer })?)?;
                let output =
                    self.decoder.mlp_output(layer, &self.decoder.mlp_input(layer, &read)?)?;
                let added = self.decoder.mlp_contribution(layer, output)?;
                found.insert(Sender::Mlp { layer }, self.values(&added, entered.base.len())?);
            }
        }
        Ok(found)
    }

    /// What the heads of a layer mix, at `own` positions of each context, of keys and values at those `before`.
    fn mixed(
        &self,
        layer: usize,
        entered: [&Entered; 3],
        (own, before): (&[Vec<usize>], &[Vec<usize>]),
    ) -> Result<Tensor, CircuitError> {
        let decoder = self.decoder;
        // All inputs of a layer's attention read what is there at its beginning.
        let receiver = Receiver::Query { layer, head: 0 };
        let input = |entered: &Entered| -> Result<O::Tensor, CircuitError> {
            let residual = self.rows_of(&self.residual(entered, receiver)?)?;
            Ok(decoder.attention_input(layer, &residual)?)
        };
        let [query, key, value] = entered;
        let query = input(query)?;
        let own_flat: Vec<usize> = own.concat();
        let queries = self.places.with(&own_flat, |at| decoder.queries(layer, &query, at))?;
        let key = input(key)?;
        let keys = self.places.with(&before.concat(), |at| decoder.keys(layer, &key, at))?;
        let values = decoder.values(layer, &input(value)?)?;
        let (mut first_query, mut first_key) = (0u32, 0u32);
        let mut ways: Vec<(Vec<u32>, Vec<Query>)> = Vec::with_capacity(own.len());
        for (own, before) in own.iter().zip(before) {
            let rows = (first_key..first_key + before.len() as u32).collect();
            let asked = own.iter().zip(first_query..);
            let asked = asked.map(|(&position, row)| Query { row, position: position as u32 });
            ways.push((rows, asked.collect()));
            first_key += before.len() as u32;
            first_query += own.len() as u32;
        }
        let paths: Vec<Path<'_>> =
            ways.iter().map(|(rows, queries)| Path { rows, queries }).collect();
        let scoring = decoder.scoring(layer)?;
        let mixed = decoder.operations().attend(&queries, &keys, &values, &paths, scoring)?;
        Ok(self.values(&mixed, own_flat.len())?)
    }

    pub(super) fn rows_of(&self, values: &Tensor) -> Result<O::Tensor, OperationError> {
        self.decoder.operations().rows_of(values)
    }

    pub(super) fn values(&self, rows: &O::Tensor, count: usize) -> Result<Tensor, OperationError> {
        self.decoder.operations().values(rows, &(0..count).collect::<Vec<_>>())
    }
}
