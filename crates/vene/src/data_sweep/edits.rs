//! One direction of a batch as the engine sees it: examples, and for each cell the edits.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use vene_model::{Component, Outline, Prompt};

use super::match_norm::MatchNorm;
use super::partners;
use super::{
    Control, DataCell, DataSweep, DataSweepError, Direction, EffectType, Means, NoiseSize,
    Treatment,
};
use crate::data::{PreparedRow, Reason};
use crate::engine::Distribution;
use crate::intervention::{Intervention, Noise, RandomDirection};
use crate::metric::Asked;
use crate::plan::{Edit, Example, Outputs, Plan, Positions, Source};
use crate::random::seed_at;
use crate::sweep::Method;

/// The examples of one direction of a batch. A row has as many as its answers have runs.
pub(super) struct Side<'a> {
    sweep: &'a DataSweep,
    outline: &'a Outline,
    means: &'a Means,
    pub(super) direction: Direction,
    /// The batch's rows.
    pub(super) rows: &'a [PreparedRow],
    pub(super) examples: Arc<[Example]>,
    /// For each example its row, by index in the batch, and its run.
    pub(super) places: Vec<(usize, usize)>,
    /// For each row in the batch the rows that are drawn for it, by index among all.
    drawn: Vec<Vec<usize>>,
    /// For each row in the batch the row whose other prompt stands in for its own.
    shuffled: Vec<usize>,
    /// For each row in the batch the distribution of its unedited run, where metrics compare with it and it is known.
    pub(super) unedited: Vec<Option<Arc<Distribution>>>,
    /// The standard deviation of noise, where some is drawn.
    deviation: Option<f64>,
    /// What was drawn so far: one object each, so that runs with the same noise are run once.
    drawn_in: RefCell<HashMap<Drawn, Arc<dyn Intervention>>>,
}

/// A prompt, and for each activation that metrics read its positions there.
pub(super) type PromptRun<'r> = (&'r Prompt, &'r [Vec<usize>]);

/// What a draw is for. Layers of a window draw each for itself: they are told apart by their distance from
/// the cell's own layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Drawn {
    Noise { draw: usize, distance: i64 },
    Direction { distance: i64 },
}

/// Which of a cell's runs.
#[derive(Clone, Copy)]
pub(super) struct Variant {
    pub(super) control: Option<Control>,
    pub(super) draw: usize,
}

impl<'a> Side<'a> {
    pub(super) fn new(
        sweep: &'a DataSweep,
        outline: &'a Outline,
        means: &'a Means,
        range: Range<usize>,
        direction: Direction,
    ) -> Result<Self, DataSweepError> {
        let rows = &sweep.rows[range.clone()];
        let (drawn, shuffled) = partners::draws(sweep, range, direction)?;
        let runs = |(row, prepared): (usize, &PreparedRow)| {
            (0..prepared.answers.runs.len()).map(move |run| (row, run)).collect::<Vec<_>>()
        };
        let places: Vec<(usize, usize)> = rows.iter().enumerate().flat_map(runs).collect();
        let mut side = Self {
            sweep,
            outline,
            means,
            direction,
            rows,
            examples: Arc::new([]),
            drawn,
            shuffled,
            places,
            unedited: vec![None; rows.len()],
            deviation: match sweep.treatment {
                Treatment::Noise { standard_deviation, .. } => Some(standard_deviation),
                Treatment::Restore { noise: NoiseSize::Absolute(deviation), .. } => Some(deviation),
                Treatment::Restore { noise: NoiseSize::OfEmbeddings(_), .. } => {
                    means.noise_deviation()
                }
                _ => None,
            },
            drawn_in: RefCell::default(),
        };
        let example = |&(row, run): &(usize, usize)| -> Result<Example, DataSweepError> {
            let prepared = &rows[row];
            let base = prepared.answers.runs[run].behind(side.edited(prepared), outline)?;
            let mut example = Example::new(base).of_row(prepared.index);
            for source in side.sources(row) {
                example = example.source(source.clone());
            }
            Ok(example)
        };
        side.examples = side.places.iter().map(example).collect::<Result<_, _>>()?;
        Ok(side)
    }

    /// The intervention of a draw.
    fn of_draw(&self, drawn: Drawn) -> Arc<dyn Intervention> {
        let make = || -> Arc<dyn Intervention> {
            let seed = self.sweep.seed;
            match drawn {
                // Seeds of one draw in two sweeps are the same, whatever the number of draws.
                Drawn::Noise { draw, distance } => Arc::new(Noise {
                    standard_deviation: self.deviation.unwrap_or_default(),
                    seed: seed_at(seed ^ (draw as u64) << 32, distance),
                }),
                Drawn::Direction { distance } => {
                    Arc::new(RandomDirection { seed: seed_at(seed, distance) })
                }
            }
        };
        let mut known = self.drawn_in.borrow_mut();
        known.entry(drawn).or_insert_with(make).clone()
    }

    /// The prompt whose run is edited, and for each activation that metrics read its positions there.
    pub(super) fn edited_run<'r>(&self, row: &'r PreparedRow) -> PromptRun<'r> {
        match (self.direction, &row.source) {
            (Direction::Denoising, Some(source)) => (source, &row.source_read),
            _ => (&row.base, &row.base_read),
        }
    }

    /// The prompt whose run is edited.
    pub(super) fn edited<'r>(&self, row: &'r PreparedRow) -> &'r Prompt {
        self.edited_run(row).0
    }

    /// The row's other run, where it has one: that of its other prompt; where cells repair a run, the run without
    /// noise.
    pub(super) fn other_run<'r>(&self, row: &'r PreparedRow) -> Option<PromptRun<'r>> {
        match (&self.sweep.treatment, self.direction) {
            (Treatment::Restore { .. }, _) | (_, Direction::Denoising) => {
                Some((&row.base, &row.base_read))
            }
            (_, Direction::Noising) => Some((row.source.as_ref()?, &row.source_read)),
        }
    }

    /// The row's other prompt, where it has one.
    pub(super) fn other<'r>(&self, row: &'r PreparedRow) -> Option<&'r Prompt> {
        match self.direction {
            Direction::Noising => row.source.as_ref(),
            Direction::Denoising => Some(&row.base),
        }
    }

    /// The prompts that a row's edits read: its other one, those drawn, the one that stands in.
    fn sources(&self, row: usize) -> Vec<&'a Prompt> {
        let mut sources = Vec::new();
        if self.sweep.treatment.reads_source() {
            sources.extend(self.other(&self.rows[row]));
        }
        let all = &self.sweep.rows;
        sources.extend(self.drawn.get(row).into_iter().flatten().map(|&drawn| &all[drawn].base));
        sources.extend(self.shuffled.get(row).and_then(|&other| self.other(&all[other])));
        sources
    }

    /// Positions for each example, from a function of its row.
    fn positions(&self, of: impl Fn(usize) -> Vec<usize>) -> Positions {
        let each = self
            .places
            .iter()
            .map(|&(row, _)| of(row).into_iter().map(|position| position as i64).collect());
        Positions::Each(each.collect())
    }

    /// Where a cell is edited in a row of the batch.
    fn written(&self, role: Option<usize>, row: usize) -> Vec<usize> {
        let row = &self.rows[row];
        match (role, self.direction) {
            (None, _) => (0..self.edited(row).len()).collect(),
            (Some(role), Direction::Noising) => row.base_positions[role].clone(),
            (Some(role), Direction::Denoising) => row.source_positions[role].clone(),
        }
    }

    /// Where a cell reads in a row's other prompt.
    fn read(&self, role: Option<usize>, row: &PreparedRow) -> Vec<usize> {
        match (role, self.direction) {
            (None, _) => (0..self.other(row).map_or(0, |prompt| prompt.len())).collect(),
            (Some(role), Direction::Noising) => row.source_positions[role].clone(),
            (Some(role), Direction::Denoising) => row.base_positions[role].clone(),
        }
    }

    /// The positions whose next-token distributions are read in the edited runs.
    pub(super) fn read_out(&self) -> Positions {
        let each = self.places.iter().map(|&(row, run)| {
            let row = &self.rows[row];
            row.answers.runs[run].positions_behind(self.edited(row))
        });
        Positions::Each(each.collect())
    }

    /// What is asked of the engine at some places.
    pub(super) fn outputs(&self, places: &[(usize, usize)]) -> Outputs {
        let asked = places.iter().map(|&(row, run)| {
            let (answers, first) = (&self.rows[row].answers, run == 0);
            Asked {
                run: &answers.runs[run],
                single: answers.are_single(),
                first,
                unedited: self.unedited[row].clone().filter(|_| first),
            }
        });
        self.sweep.meter.outputs(asked.collect())
    }

    /// A plan of the edited runs that reads what metrics read.
    pub(super) fn reading(&self) -> Plan {
        let plan = Plan::new().read(self.read_out()).outputs(self.outputs(&self.places));
        self.sweep.meter.collecting(plan, |site| {
            let of_row = |row: usize| self.edited_run(&self.rows[row]).1[site].clone();
            self.places.iter().map(|&(row, _)| of_row(row)).collect()
        })
    }

    /// What is done to the run before any cell: the noise that cells repair.
    pub(super) fn corruption(&self, draw: usize) -> Vec<Edit> {
        let Treatment::Restore { .. } = &self.sweep.treatment else { return Vec::new() };
        // The corrupted role stands behind the others.
        let role = self.sweep.roles.len();
        let at = self.positions(|row| self.rows[row].base_positions[role].clone());
        let noise = self.of_draw(Drawn::Noise { draw, distance: 0 });
        vec![Edit::new(Component::Embedding, None, noise).at(at)]
    }

    /// All edits of a cell; those in the range are the cell's own.
    pub(super) fn edits(
        &self,
        cell: DataCell,
        variant: Variant,
    ) -> Result<(Vec<Edit>, Range<usize>), DataSweepError> {
        let mut edits = self.corruption(variant.draw);
        let first = edits.len();
        let window = self.sweep.window_of(cell, self.outline.config().layers.len());
        for &layer in &window {
            let edit = self.edit(cell, layer, variant)?;
            edits.push(match cell.head {
                Some(head) => edit.heads([head]),
                None => edit,
            });
        }
        let own = first..edits.len();
        if self.sweep.effect == EffectType::Direct {
            edits.extend(self.held(cell, window.first().copied().flatten()));
        }
        Ok((edits, own))
    }

    fn edit(
        &self,
        cell: DataCell,
        layer: Option<usize>,
        Variant { control, draw }: Variant,
    ) -> Result<Edit, DataSweepError> {
        let DataCell { component, role, .. } = cell;
        let distance = match (layer, cell.layer) {
            (Some(layer), Some(own)) => layer as i64 - own as i64,
            _ => 0,
        };
        let at = self.positions(|row| self.written(role, row));
        let from = || self.positions(|row| self.read(role, &self.rows[row]));
        let by = |method: &Method, from| -> Result<Edit, DataSweepError> {
            let method = match method {
                Method::Noise { standard_deviation, seed } => &Method::Noise {
                    standard_deviation: *standard_deviation,
                    seed: seed_at(*seed, distance),
                },
                method => method,
            };
            let mut edit = method.edit(component, layer, at.clone(), from)?;
            if component.is_pattern() && edit.source.is_some() {
                // The answer's tokens stand behind the base only.
                edit = edit.keys(self.positions(|row| self.written(None, row)));
            }
            Ok(edit)
        };
        let treatment = match &self.sweep.treatment {
            Treatment::Other(method) => method,
            _ => &Method::Interchange,
        };
        match control {
            None => {}
            Some(Control::SelfSwap) => return Ok(Edit::freeze(component, layer).at(at).control()),
            Some(Control::ShuffledSource) => {
                let all = &self.sweep.rows;
                let from = self.positions(|row| self.read(role, &all[self.shuffled[row]]));
                return Ok(by(treatment, from)?.source(Source::Run(1)));
            }
            Some(Control::RandomDirection) => {
                let mut edit = by(treatment, from())?.source(Source::Run(0));
                let direction = self.of_draw(Drawn::Direction { distance });
                edit.intervention = match treatment {
                    Method::Interchange => direction,
                    _ => Arc::new(MatchNorm { change: edit.intervention, direction }),
                };
                return Ok(edit);
            }
        }
        Ok(match &self.sweep.treatment {
            Treatment::Interchange => by(&Method::Interchange, from())?,
            Treatment::Other(Method::Knockout) => {
                let last = self.positions(|row| vec![self.edited(&self.rows[row]).len() - 1]);
                by(&Method::Knockout, at.clone())?.at(last)
            }
            Treatment::Other(method) if method.reads_source() => {
                by(method, from())?.source(Source::Run(0))
            }
            Treatment::Other(method) => by(method, at.clone())?,
            Treatment::Zero => by(&Method::Zero, at.clone())?,
            Treatment::Mean { .. } => {
                let mean = self.means.get(component, layer, role).unwrap_or_default();
                let values = match (cell.head, component.heads(self.outline.config())) {
                    (Some(head), Some(heads)) => {
                        let width = mean.len() / heads;
                        mean[head * width..(head + 1) * width].to_vec()
                    }
                    _ => mean.to_vec(),
                };
                Edit::constant(component, layer, values).at(at)
            }
            Treatment::Resample { .. } => {
                let all = &self.sweep.rows;
                let from = self.positions(|row| {
                    let drawn = &all[self.drawn[row][draw]];
                    match role {
                        Some(role) => drawn.base_positions[role].clone(),
                        None => (0..drawn.base.len()).collect(),
                    }
                });
                by(&Method::Interchange, from)?.source(Source::Run(draw))
            }
            Treatment::Noise { .. } => {
                Edit::new(component, layer, self.of_draw(Drawn::Noise { draw, distance })).at(at)
            }
            Treatment::Restore { .. } => Edit::freeze(component, layer).at(at),
        })
    }

    /// Attention outputs behind a cell's first layer, held at what they are in the unedited run where
    /// the answer is read. (Of a window, those of its own layers too: they read what it edits.)
    fn held(&self, cell: DataCell, first: Option<usize>) -> Vec<Edit> {
        let layers = self.outline.config().layers.len();
        // What a block reads first goes through its own attention too.
        let first = match (first, cell.component) {
            (Some(layer), Component::BlockInput) => layer,
            (Some(layer), _) => layer + 1,
            (None, Component::Embedding) => 0,
            (None, _) => layers,
        };
        let at = self.read_out();
        (first..layers)
            .map(|layer| Edit::freeze(Component::AttentionOutput, layer).at(at.clone()))
            .collect()
    }

    /// Rows, by index, in which what is to be knocked out is nothing that the last position sees, or all.
    pub(super) fn blind(&self) -> Vec<(usize, Reason)> {
        let Treatment::Other(Method::Knockout) = self.sweep.treatment else { return Vec::new() };
        let why =
            |index: usize| self.sweep.cells.iter().find_map(|&cell| self.blind_at(cell, index));
        (0..self.rows.len()).filter_map(|index| Some((index, why(index)?))).collect()
    }

    /// Why a cell knocks nothing or everything out in a row.
    fn blind_at(&self, cell: DataCell, index: usize) -> Option<Reason> {
        let config = self.outline.config();
        let (last, hidden) =
            (self.edited(&self.rows[index]).len() - 1, self.written(cell.role, index));
        let window = self.sweep.window_of(cell, config.layers.len());
        window.into_iter().flatten().find_map(|layer| {
            let sees = |key: &usize| config.visible(layer, last, *key);
            let (sees, would) = if !hidden.iter().any(sees) {
                ("nothing", "change nothing")
            } else if (0..=last).filter(sees).all(|key| hidden.contains(&key)) {
                ("all that it sees", "leave it nothing to attend to")
            } else {
                return None;
            };
            let position = match cell.role {
                Some(role) => self.sweep.roles[role].to_string(),
                None => "all positions".to_owned(),
            };
            Some(Reason::Blind { layer, position, sees, would })
        })
    }
}
