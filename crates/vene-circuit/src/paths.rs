//! Path patching: what senders send to receivers, and what the model says when the receivers alone read it.
//!
//! Two runs (Wang et al. 2022; Goldowsky-Dill et al. 2023). In the first, senders add their counterparts, all other heads what they add in the base, and MLPs on
//! the way are frozen as well or computed anew ([`Through`]); it is walked only as far as the last receiver. In the second, the receivers read
//! what has reached them there, and everything after them is computed anew: a fork of the base's run that begins at the first receiver.

use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::DType;
use vene_data::PreparedRow;
use vene_model::{Component, Decoder, Model, OperationError, Operations, Projection};
use vene_table::Table;

use crate::error::CircuitError;
use crate::graph::{KeyHead, Receiver, Sender};
use crate::options::{Ablation, CircuitRows};
use crate::patch::{HostValues, Patch};
use crate::reader::RowReader;
use crate::receivers::{NormOf, Receivers, projection_site};
use crate::row_runs::RowRuns;
use crate::sent::{Reads, Sent, Through};
use crate::table::{Line, of_lines};

/// Bytes that what is sent may take at a time, beside the forks.
const SENT: usize = 64 << 20;

/// Senders that are patched together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderSet {
    /// What tables call it.
    pub name: String,
    /// The senders.
    pub senders: Vec<Sender>,
}

impl From<Sender> for SenderSet {
    fn from(sender: Sender) -> Self {
        Self { name: sender.to_string(), senders: vec![sender] }
    }
}

/// Which paths are patched, and how.
#[derive(Clone, Debug)]
pub struct PathEffects {
    rows: CircuitRows,
    sets: Vec<SenderSet>,
    receivers: Vec<Receiver>,
    through: Through,
    ablation: Ablation,
    norm: NormOf,
    memory: Option<usize>,
}

/// What a row's paths did.
#[derive(Clone, Debug, PartialEq)]
pub struct RowPaths {
    /// Of each metric, of the base as it is.
    pub base: Vec<f64>,
    /// Of each metric, of the source as it is, where there is one.
    pub source: Option<Vec<f64>>,
    /// Every set of senders at every place.
    pub paths: Vec<PathValues>,
}

/// What patching the paths from a set of senders did.
#[derive(Clone, Debug, PartialEq)]
pub struct PathValues {
    /// Which of the sets.
    pub set: usize,
    /// Which of the places it was patched at.
    pub place: usize,
    /// Of each metric, how much larger it is in the patched run than in the base.
    pub effects: Vec<f64>,
}

impl PathEffects {
    /// The paths from each of these sets of senders, one after the other, to all of these receivers together.
    ///
    /// # Errors
    /// Senders or receivers that the graph does not have; a set that no receiver reads; keys or values of single query heads, where the model has
    /// fewer.
    pub fn new(
        rows: CircuitRows,
        sets: Vec<SenderSet>,
        receivers: Vec<Receiver>,
    ) -> Result<Self, CircuitError> {
        let graph = rows.graph();
        let mut receivers = receivers;
        receivers.sort_by_key(|receiver| graph.receiver_index(*receiver));
        receivers.dedup();
        if let Some(unknown) = receivers.iter().find(|one| !graph.has_receiver(**one)) {
            return Err(CircuitError::NoReceiver { receiver: *unknown, keys: graph.keys() });
        }
        let is_own = |receiver: &&Receiver| {
            let head = match receiver {
                Receiver::Key { head, .. } | Receiver::Value { head, .. } => Some(head),
                _ => None,
            };
            matches!(head, Some(KeyHead::Own(_))) && graph.shares_keys()
        };
        if let Some(receiver) = receivers.iter().find(is_own) {
            return Err(CircuitError::OwnKeys { receiver: *receiver });
        }
        let Some(last) = receivers.iter().map(|receiver| graph.read_by(*receiver)).max() else {
            return Err(CircuitError::NoEdges);
        };
        for set in &sets {
            if let Some(unknown) = set.senders.iter().find(|one| !graph.has_sender(**one)) {
                return Err(CircuitError::NoSender { sender: *unknown });
            }
            if !set.senders.iter().any(|sender| graph.sender_index(*sender) < last) {
                return Err(CircuitError::NoPath { senders: set.name.clone() });
            }
        }
        if sets.is_empty() {
            return Err(CircuitError::NoEdges);
        }
        Ok(Self {
            rows,
            sets,
            receivers,
            through: Through::default(),
            ablation: Ablation::default(),
            norm: NormOf::default(),
            memory: None,
        })
    }

    /// Which nodes on the way are computed anew. Default: none.
    #[must_use]
    pub fn through(self, through: Through) -> Self {
        Self { through, ..self }
    }

    /// What senders add instead. Default: what they add in the row's source.
    #[must_use]
    pub fn ablation(self, ablation: Ablation) -> Self {
        Self { ablation, ..self }
    }

    /// How receivers' norms treat what reaches them. Default: recomputed.
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

    /// The sets of senders.
    pub fn sets(&self) -> &[SenderSet] {
        &self.sets
    }

    /// The receivers, in the order of the computation.
    pub fn receivers(&self) -> &[Receiver] {
        &self.receivers
    }

    /// How many runs each row has: one for each set at every place.
    pub fn paths_per_row(&self) -> usize {
        self.sets.len() * self.rows.places().len()
    }

    /// Patches the paths in a row, by its place among the rows. `progress` is told how many are done, and may break off.
    ///
    /// # Errors
    /// Failures of the computation, a metric that gives no number; [`vene_engine::RunError::Stopped`] where `progress` broke off.
    pub fn run_row(
        &self,
        model: &Model,
        row: usize,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<RowPaths, CircuitError> {
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
    ) -> Result<RowPaths, CircuitError> {
        let graph = self.rows.graph();
        let reader = RowReader::new(model, self.rows.meter(), row, self.memory)?;
        let base = reader.base()?;
        let runs = RowRuns::of(decoder, row)?;
        let is_in = |set: &SenderSet| {
            let mut is_in = vec![false; graph.sender_count()];
            set.senders.iter().for_each(|sender| is_in[graph.sender_index(*sender)] = true);
            is_in
        };
        let sets: Vec<Vec<bool>> = self.sets.iter().map(is_in).collect();
        let mut paths = Vec::with_capacity(self.paths_per_row());
        for (place, at) in self.rows.places().iter().enumerate() {
            let at = at.aligned(self.rows.places(), row);
            let counterpart = runs.counterpart(decoder, &self.rows, self.ablation, (place, &at))?;
            let sent = Sent {
                decoder,
                graph,
                run: &runs.base,
                counterpart: &counterpart,
                at: &at.base,
                through: self.through,
            };
            let read = RowReader::position(row);
            let at_once = self.sets_at_once(decoder, at.base.len());
            for (chunk, sets) in sets.chunks(at_once).enumerate() {
                let patches = self.patches(&sent, sets, read)?;
                let made: Vec<Vec<&Patch>> =
                    patches.iter().map(|patches| patches.iter().collect()).collect();
                let first = paths.len();
                paths.extend((0..sets.len()).map(|index| PathValues {
                    set: chunk * at_once + index,
                    place,
                    effects: vec![0.0; base.len()],
                }));
                let mut flow = ControlFlow::Continue(());
                reader.patched(&made, "a run with patched paths", &mut |index, values| {
                    let effects = values.iter().zip(&base).map(|(value, base)| value - base);
                    paths[first + index].effects = effects.collect();
                    flow = progress(1);
                    flow
                })?;
                if flow.is_break() {
                    return Err(vene_engine::RunError::Stopped.into());
                }
            }
        }
        Ok(RowPaths { base, source: reader.source()?, paths })
    }

    /// How many sets' values fit into [`SENT`].
    fn sets_at_once<O: Operations>(&self, decoder: &Decoder<O>, positions: usize) -> usize {
        let config = decoder.config();
        let heads = config.heads * config.head_dim;
        // What is added and read, an MLP's inner values, and the projections with their patches.
        let row = 4 * (4 * config.d_model + 2 * config.widest_mlp())
            + self.receivers.len().min(3 * config.heads) * (12 * heads);
        (SENT / (row * positions).max(1)).max(1)
    }

    /// For each set what stands at the receivers' inputs instead.
    fn patches<O: Operations>(
        &self,
        sent: &Sent<'_, O>,
        sets: &[Vec<bool>],
        read: usize,
    ) -> Result<Vec<Vec<Patch>>, OperationError> {
        let receivers =
            Receivers { decoder: sent.decoder, run: sent.run, at: sent.at, norm: self.norm };
        let places: Vec<Reads> = self.receivers.iter().map(|receiver| reads(*receiver)).collect();
        let last = places.last().copied().unwrap_or(Reads::Logits);
        let mut patches = vec![Vec::new(); sets.len()];
        sent.walk(sets, last, &mut |here, added| {
            if !places.contains(&here) {
                return Ok(());
            }
            let of_place = OfPlace { receivers: &receivers, added, sets: sets.len(), read };
            of_place.put(&self.receivers, here, &mut patches)
        })?;
        Ok(patches)
    }

    /// What a row's paths did as a table, as that of [edges](crate::EdgeScores::table): the sender is the set's name, the receiver all receivers'.
    ///
    /// # Errors
    /// A row that there is not.
    pub fn table(&self, row: usize, found: &RowPaths) -> Result<Table, CircuitError> {
        let receiver = self.receivers.iter().map(ToString::to_string).collect::<Vec<_>>().join("+");
        let line = |path: &PathValues| Line {
            sender: self.sets[path.set].name.clone(),
            receiver: receiver.clone(),
            place: path.place,
            effects: path.effects.clone(),
        };
        let values = [
            "exact",
            "path",
            self.through.name(),
            self.norm.name(),
            self.ablation.name(),
            self.rows.graph().keys().name(),
        ];
        let lines = found.paths.iter().map(line).collect::<Vec<_>>();
        of_lines(&self.rows, row, (&found.base, found.source.as_deref()), &lines, values)
    }
}

/// Where a receiver reads.
fn reads(receiver: Receiver) -> Reads {
    match receiver {
        Receiver::Query { layer, .. }
        | Receiver::Key { layer, .. }
        | Receiver::Value { layer, .. } => Reads::Attention(layer),
        Receiver::Mlp { layer } => Reads::Mlp(layer),
        Receiver::Logits => Reads::Logits,
    }
}

/// What has reached a place.
struct OfPlace<'a, O: Operations> {
    receivers: &'a Receivers<'a, O>,
    /// `[sets * positions, d_model]`.
    added: &'a O::Tensor,
    sets: usize,
    read: usize,
}

impl<O: Operations> OfPlace<'_, O> {
    /// Adds the patches of the receivers that read here.
    fn put(
        &self,
        receivers: &[Receiver],
        here: Reads,
        patches: &mut [Vec<Patch>],
    ) -> Result<(), OperationError> {
        let config = self.receivers.decoder.config();
        let here: Vec<Receiver> =
            receivers.iter().copied().filter(|receiver| reads(*receiver) == here).collect();
        for projection in [Projection::Queries, Projection::Keys, Projection::Values] {
            let heads: Vec<(usize, usize)> = here
                .iter()
                .filter_map(|receiver| match (*receiver, projection) {
                    (Receiver::Query { layer, head }, Projection::Queries) => Some((layer, head)),
                    (Receiver::Key { layer, head }, Projection::Keys)
                    | (Receiver::Value { layer, head }, Projection::Values) => match head {
                        KeyHead::Own(head) | KeyHead::Shared(head) => Some((layer, head)),
                    },
                    _ => None,
                })
                .collect();
            let Some(&(layer, _)) = heads.first() else { continue };
            let values = self.receivers.projection(layer, projection, self.added, self.sets)?;
            let values = self.host(&values)?;
            let component = projection_site(config, projection);
            for (set, patches) in patches.iter_mut().enumerate() {
                for &(_, head) in &heads {
                    let columns = head * config.head_dim..(head + 1) * config.head_dim;
                    let at = self.receivers.at;
                    let rows = set * at.len()..(set + 1) * at.len();
                    patches.push(Patch {
                        component,
                        layer: Some(layer),
                        heads: Some(head..head + 1),
                        positions: at.to_vec(),
                        values: Arc::new(values.part(rows, columns)),
                    });
                }
            }
        }
        for receiver in here {
            match receiver {
                Receiver::Mlp { layer } => self.put_mlp(layer, patches)?,
                Receiver::Logits => self.put_logits(patches)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn put_mlp(&self, layer: usize, patches: &mut [Vec<Patch>]) -> Result<(), OperationError> {
        let values = self.host(&self.receivers.mlp_input(layer, self.added, self.sets)?)?;
        let (at, width) = (self.receivers.at, self.receivers.decoder.config().d_model);
        for (set, patches) in patches.iter_mut().enumerate() {
            patches.push(Patch {
                component: Component::MlpInput,
                layer: Some(layer),
                heads: None,
                positions: at.to_vec(),
                values: Arc::new(values.part(set * at.len()..(set + 1) * at.len(), 0..width)),
            });
        }
        Ok(())
    }

    fn put_logits(&self, patches: &mut [Vec<Patch>]) -> Result<(), OperationError> {
        let at = self.receivers.at;
        // Nobody reads the logits elsewhere.
        let Some(place) = at.iter().position(|&position| position == self.read) else {
            return Ok(());
        };
        let config = self.receivers.decoder.config();
        let values = self.host(&self.receivers.by_logits(self.added, self.sets)?)?;
        for (set, patches) in patches.iter_mut().enumerate() {
            let row = set * at.len() + place;
            let values = Arc::new(values.part(row..row + 1, 0..config.d_model));
            patches.push(Patch::of_logits(config, self.read, values));
        }
        Ok(())
    }

    fn host(&self, rows: &O::Tensor) -> Result<HostValues, OperationError> {
        let all: Vec<usize> = (0..self.sets * self.receivers.at.len()).collect();
        let values = self.receivers.decoder.operations().values(rows, &all)?;
        let width = values.dim(1)?;
        let values = values.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        Ok(HostValues::new(values, width))
    }
}
