//! How heads act together: what patching two at once does beyond what each does, and each one's share of what all do.
//!
//! A head is patched by giving what it mixes in another run; all that follows is computed anew (a total effect). Of two heads a and b the *interaction* is
//! Δab − Δa − Δb: below 0 where one stands in for the other, above 0 where one needs the other. The *Shapley value* of a head (Shapley 1953) is what it adds on average
//! when heads are patched one after the other, over orders that are drawn: of each row, the values of all heads sum to what patching all of them does.

use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::DType;
use vene_data::PreparedRow;
use vene_model::{Component, Decoder, Model, OperationError, Operations};
use vene_named::named;
use vene_random::Draws;
use vene_table::Table;

use crate::counterpart::Counterpart;
use crate::error::CircuitError;
use crate::graph::Sender;
use crate::options::{Ablation, CircuitRows};
use crate::patch::{HostValues, Patch};
use crate::place::PatchPlace;
use crate::reader::RowReader;
use crate::row_runs::RowRuns;

/// Runs that are planned at a time.
const RUNS_AT_ONCE: usize = 1024;

named! {
    /// What a line of the table is about.
    pub enum PairTerm as "term" {
        /// One head is patched.
        Single = "single",
        /// Two are.
        Pair = "pair",
        /// A head's share of what all do.
        Shapley = "shapley",
    }
}

/// Patches heads one by one, in pairs, and in orders.
#[derive(Clone, Debug)]
pub struct HeadPairs {
    rows: CircuitRows,
    /// Layer and number, in the order of the computation.
    heads: Vec<(usize, usize)>,
    orders: usize,
    seed: u64,
    ablation: Ablation,
    memory: Option<usize>,
}

/// What patching heads did in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowPairs {
    /// Of each metric, of the base as it is.
    pub base: Vec<f64>,
    /// Heads, pairs and shares at every place.
    pub lines: Vec<PairLine>,
}

/// A head, or two.
#[derive(Clone, Debug, PartialEq)]
pub struct PairLine {
    /// What it is about.
    pub term: PairTerm,
    /// Which of the heads.
    pub first: usize,
    /// Which other one, of pairs.
    pub second: Option<usize>,
    /// Which of the places.
    pub place: usize,
    /// Of each metric: patched − base, or the share of it.
    pub effects: Vec<f64>,
    /// Of each metric, of pairs: Δab − Δa − Δb.
    pub interactions: Option<Vec<f64>>,
}

/// The patches of a place's heads, and what each does.
struct Patched<'a> {
    patches: &'a [Option<Patch>],
    /// `[head][metric]`.
    single: Vec<Vec<f64>>,
}

impl HeadPairs {
    /// All pairs of these heads.
    ///
    /// # Errors
    /// Senders that are no heads, or that the graph does not have; fewer than two.
    pub fn new(rows: CircuitRows, heads: &[Sender]) -> Result<Self, CircuitError> {
        let graph = rows.graph();
        let mut found = Vec::with_capacity(heads.len());
        for &sender in heads {
            match sender {
                Sender::Head { layer, head } if graph.has_sender(sender) => {
                    found.push((layer, head));
                }
                _ => return Err(CircuitError::NoSender { sender }),
            }
        }
        found.sort_unstable();
        found.dedup();
        if found.len() < 2 {
            return Err(CircuitError::FewHeads);
        }
        let ablation = Ablation::default();
        Ok(Self { rows, heads: found, orders: 0, seed: 0, ablation, memory: None })
    }

    /// In how many orders heads are patched one after the other for Shapley values. Default: none.
    #[must_use]
    pub fn shapley(self, orders: usize) -> Self {
        Self { orders, ..self }
    }

    /// Which orders are drawn depends on it, and on the row. Default: 0.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// What heads give instead. Default: what they give in the row's source.
    #[must_use]
    pub fn ablation(self, ablation: Ablation) -> Self {
        Self { ablation, ..self }
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

    /// How many heads there are.
    pub fn head_count(&self) -> usize {
        self.heads.len()
    }

    /// In how many orders they are patched.
    pub fn orders(&self) -> usize {
        self.orders
    }

    /// How many runs each row has.
    pub fn runs_per_row(&self) -> usize {
        let heads = self.heads.len();
        let of_place = heads + heads * (heads - 1) / 2 + self.orders * (heads - 1);
        of_place * self.rows.places().len()
    }

    /// Patches the heads of a row, by its place among the rows. `progress` is told how many runs are done, and may break off.
    ///
    /// # Errors
    /// Failures of the computation, a metric that gives no number; [`vene_engine::RunError::Stopped`] where `progress` broke off.
    pub fn run_row(
        &self,
        model: &Model,
        row: usize,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<RowPairs, CircuitError> {
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
    ) -> Result<RowPairs, CircuitError> {
        let reader = RowReader::new(model, self.rows.meter(), row, self.memory)?;
        let base = reader.base()?;
        let runs = RowRuns::of(decoder, row)?;
        let mut lines = Vec::new();
        for (place, at) in self.rows.places().iter().enumerate() {
            let at = at.aligned(self.rows.places(), row);
            let counterpart = runs.counterpart(decoder, &self.rows, self.ablation, (place, &at))?;
            let patches =
                self.patches(decoder, &counterpart, &at.base, RowReader::position(row))?;
            // Of each set of heads, by how much each metric is larger than in the base.
            let mut effects = |sets: &[Vec<usize>]| -> Result<Vec<Vec<f64>>, CircuitError> {
                let mut found = Vec::with_capacity(sets.len());
                for sets in sets.chunks(RUNS_AT_ONCE) {
                    found.extend(effects_of(&reader, &patches, sets, &base)?);
                    if progress(sets.len()).is_break() {
                        return Err(vene_engine::RunError::Stopped.into());
                    }
                }
                Ok(found)
            };
            let heads = self.heads.len();
            let single = effects(&(0..heads).map(|head| vec![head]).collect::<Vec<_>>())?;
            let of = Patched { patches: &patches, single };
            lines.extend(of.singles(place));
            let pairs: Vec<Vec<usize>> = (0..heads)
                .flat_map(|first| (first + 1..heads).map(move |second| vec![first, second]))
                .collect();
            lines.extend(of.pairs(place, &pairs, effects(&pairs)?));
            if self.orders > 0 {
                let key = |order| [self.seed, row.index as u64, place as u64, order as u64];
                let orders: Vec<Vec<usize>> =
                    (0..self.orders).map(|order| Draws::new(key(order)).order(heads)).collect();
                let first_so_many = |order: &Vec<usize>| -> Vec<Vec<usize>> {
                    (2..=heads).map(|count| order[..count].to_vec()).collect()
                };
                let sets: Vec<Vec<usize>> = orders.iter().flat_map(first_so_many).collect();
                lines.extend(of.shares(place, &orders, &effects(&sets)?, base.len()));
            }
        }
        Ok(RowPairs { base, lines })
    }

    /// What each head gives instead; `None` where no value that is read depends on it.
    fn patches<O: Operations>(
        &self,
        decoder: &Decoder<O>,
        counterpart: &Counterpart<O>,
        positions: &[usize],
        read: usize,
    ) -> Result<Vec<Option<Patch>>, OperationError> {
        let config = decoder.config();
        let all: Vec<usize> = (0..positions.len()).collect();
        let mut of_layer: Option<(usize, HostValues)> = None;
        let mut patches = Vec::with_capacity(self.heads.len());
        for &(layer, head) in &self.heads {
            if of_layer.as_ref().is_none_or(|(known, _)| *known != layer) {
                let mixed = decoder.operations().values(&counterpart.layers[layer].mixed, &all)?;
                let width = mixed.dim(1)?;
                let values = mixed.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
                of_layer = Some((layer, HostValues::new(values, width)));
            }
            let Some((_, values)) = &of_layer else { continue };
            let is_last = layer + 1 == config.layers.len();
            let columns = head * config.head_dim..(head + 1) * config.head_dim;
            let matter = Patch::rows_that_matter(positions, (is_last, read));
            patches.push(matter.map(|(rows, positions)| Patch {
                component: Component::AttentionValueOutput,
                layer: Some(layer),
                heads: Some(head..head + 1),
                positions,
                values: Arc::new(values.part(rows, columns)),
            }));
        }
        Ok(patches)
    }

    /// What a row's heads did as a table: a line for each head, pair or share, place and metric.
    ///
    /// # Errors
    /// A row that there is not.
    pub fn table(&self, row: usize, found: &RowPairs) -> Result<Table, CircuitError> {
        let all = self.rows.prepared();
        let prepared = all.get(row).ok_or(CircuitError::NoRow { row, rows: all.len() })?;
        let metrics: Vec<&str> = self.rows.metrics().iter().map(|metric| metric.name()).collect();
        let places: Vec<String> = self.rows.places().iter().map(PatchPlace::name).collect();
        let name = |head: usize| {
            let (layer, head) = self.heads[head];
            Sender::Head { layer, head }.to_string()
        };
        let each: Vec<(&PairLine, usize)> = found
            .lines
            .iter()
            .flat_map(|line| (0..metrics.len()).map(move |metric| (line, metric)))
            .collect();
        let count = each.len();
        let text = |of: &dyn Fn(&PairLine, usize) -> String| -> Vec<String> {
            each.iter().map(|(line, metric)| of(line, *metric)).collect()
        };
        let second = each.iter().map(|(line, _)| line.second.map(name));
        let interaction =
            each.iter().map(|(line, metric)| Some(line.interactions.as_ref()?[*metric]));
        let table = Table::builder()
            .column("example", vec![prepared.index as i64; count])
            .column("group", vec![prepared.row.group.clone(); count])
            .column("term", text(&|line, _| line.term.name().to_owned()))
            .column("first", text(&|line, _| name(line.first)))
            .column("second", second.collect::<Vec<_>>())
            .column("position", text(&|line, _| places[line.place].clone()))
            .column("metric", text(&|_, metric| metrics[metric].to_owned()))
            .column(
                "base_value",
                each.iter().map(|(_, metric)| found.base[*metric]).collect::<Vec<_>>(),
            )
            .column(
                "effect",
                each.iter().map(|(line, metric)| line.effects[*metric]).collect::<Vec<_>>(),
            )
            .column("interaction", interaction.collect::<Vec<_>>())
            .column("ablation", vec![self.ablation.name(); count]);
        Ok(table.build()?)
    }
}

/// Of each set of heads, by how much each metric is larger where they are patched at once.
fn effects_of(
    reader: &RowReader<'_>,
    patches: &[Option<Patch>],
    sets: &[Vec<usize>],
    base: &[f64],
) -> Result<Vec<Vec<f64>>, CircuitError> {
    let made: Vec<Vec<&Patch>> = sets
        .iter()
        .map(|set| set.iter().filter_map(|&head| patches[head].as_ref()).collect())
        .collect();
    let mut found = vec![vec![0.0; base.len()]; sets.len()];
    reader.patched(&made, "a run with patched heads", &mut |index, values| {
        found[index] = values.iter().zip(base).map(|(value, base)| value - base).collect();
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

impl Patched<'_> {
    fn singles(&self, place: usize) -> Vec<PairLine> {
        let line = |(first, effects): (usize, &Vec<f64>)| PairLine {
            term: PairTerm::Single,
            first,
            second: None,
            place,
            effects: effects.clone(),
            interactions: None,
        };
        self.single.iter().enumerate().map(line).collect()
    }

    fn pairs(&self, place: usize, pairs: &[Vec<usize>], effects: Vec<Vec<f64>>) -> Vec<PairLine> {
        let line = |(pair, effects): (&Vec<usize>, Vec<f64>)| {
            let (first, second) = (pair[0], pair[1]);
            let alone = self.single[first].iter().zip(&self.single[second]);
            let interactions =
                effects.iter().zip(alone).map(|(both, (one, other))| both - one - other);
            let interactions = Some(interactions.collect());
            let second = Some(second);
            PairLine { term: PairTerm::Pair, first, second, place, effects, interactions }
        };
        pairs.iter().zip(effects).map(line).collect()
    }

    /// Each head's mean gain over orders; `effects` are those of the first 2, 3 ... heads of each order.
    fn shares(
        &self,
        place: usize,
        orders: &[Vec<usize>],
        effects: &[Vec<f64>],
        metrics: usize,
    ) -> Vec<PairLine> {
        let heads = self.patches.len();
        let mut shares = vec![vec![0.0; metrics]; heads];
        for (order, effects) in orders.iter().zip(effects.chunks(heads - 1)) {
            let mut before = vec![0.0; metrics];
            for (number, &head) in order.iter().enumerate() {
                let now = match number {
                    0 => &self.single[head],
                    number => &effects[number - 1],
                };
                for (share, (now, before)) in shares[head].iter_mut().zip(now.iter().zip(&before)) {
                    *share += (now - before) / orders.len() as f64;
                }
                before.clone_from(now);
            }
        }
        let line = |(first, effects): (usize, Vec<f64>)| PairLine {
            term: PairTerm::Shapley,
            first,
            second: None,
            place,
            effects,
            interactions: None,
        };
        shares.into_iter().enumerate().map(line).collect()
    }
}
