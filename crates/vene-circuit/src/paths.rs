//! Path patching: what senders send to receivers, and what the model says when the receivers alone read it.
//!
//! Two runs (Wang et al. 2022; Goldowsky-Dill et al. 2023). In the first, senders add their counterparts, all other heads what they add in the base, and MLPs on
//! the way are frozen as well or computed anew ([`Through`]); it is walked only as far as the last receiver. In the second, the receivers read
//! what has reached them there, and everything after them is computed anew: a fork of the base's run that begins at the first receiver.

use std::ops::ControlFlow;

use vene_data::PreparedRow;
use vene_model::{Decoder, Model, Operations};
use vene_table::Table;

use crate::error::CircuitError;
use crate::graph::{KeyHead, Receiver, Sender};
use crate::options::{Ablation, CircuitRows};
use crate::patch::Patch;
use crate::reader::RowReader;
use crate::receiver_inputs;
use crate::receivers::NormOf;
use crate::row_runs::RowRuns;
use crate::sent::{Sent, Through};
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
                let patches =
                    receiver_inputs::patches(&sent, sets, &self.receivers, (self.norm, read))?;
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
