//! One direction of a batch as the engine sees it: examples, and for each cell the edits.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use vene_data::{PreparedRow, Reason};
use vene_engine::Distribution;
use vene_engine::plan::{
    Edit, Example, Outputs, Plan, Positions, ResolvedPlan, Source, SourcePositions,
};
use vene_intervention::{Intervention, Noise, RandomDirection, SourceCount};
use vene_model::{Component, Outline, Prompt};
use vene_random::seed_at;

use super::match_norm::MatchNorm;
use super::partners;
use super::{Cell, Control, Direction, EffectType, Means, Method, NoiseSize, Sweep};
use crate::metric::Asked;
use crate::sweep::SweepError;

/// What is read of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The probabilities of the sweep's tokens after the prompt.
    Tokens,
    /// What metrics read.
    Metrics,
}

impl Reading {
    /// What is read in a sweep.
    pub(super) fn of(sweep: &Sweep) -> Vec<Self> {
        let tokens = (!sweep.targets.is_empty()).then_some(Self::Tokens);
        tokens.into_iter().chain((sweep.meter.len() > 0).then_some(Self::Metrics)).collect()
    }
}

/// The examples of one direction of a batch, in which tokens or metrics are read. For metrics a row has as many as its
/// answers have runs.
pub(super) struct Side<'a> {
    pub(super) sweep: &'a Sweep,
    pub(super) outline: &'a Outline,
    means: &'a Means,
    pub(super) direction: Direction,
    pub(super) read: Reading,
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
        sweep: &'a Sweep,
        outline: &'a Outline,
        means: &'a Means,
        range: Range<usize>,
        (direction, read): (Direction, Reading),
    ) -> Result<Self, SweepError> {
        let rows = &sweep.rows[range.clone()];
        let (drawn, shuffled) = partners::draws(sweep, range, direction)?;
        let runs = |(row, prepared): (usize, &PreparedRow)| {
            let runs = match read {
                Reading::Tokens => 1,
                Reading::Metrics => prepared.answers.runs.len(),
            };
            (0..runs).map(move |run| (row, run)).collect::<Vec<_>>()
        };
        let places: Vec<(usize, usize)> = rows.iter().enumerate().flat_map(runs).collect();
        let mut side = Self {
            sweep,
            outline,
            means,
            direction,
            read,
            rows,
            examples: Arc::new([]),
            drawn,
            shuffled,
            places,
            unedited: vec![None; rows.len()],
            deviation: match sweep.method {
                Method::Noise { standard_deviation, .. } => Some(standard_deviation),
                Method::Restore { noise: NoiseSize::Absolute(deviation), .. } => Some(deviation),
                Method::Restore { noise: NoiseSize::OfEmbeddings(_), .. } => {
                    means.noise_deviation()
                }
                _ => None,
            },
            drawn_in: RefCell::default(),
        };
        let example = |&(row, run): &(usize, usize)| -> Result<Example, SweepError> {
            let prepared = &rows[row];
            let base = side.continued(side.edited(prepared), row, run)?;
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

    /// The row's other runs, where it has some: those of its other prompts; where cells repair a run, the run without
    /// noise.
    pub(super) fn other_runs<'r>(&self, row: &'r PreparedRow) -> Vec<PromptRun<'r>> {
        match (&self.sweep.method, self.direction) {
            (Method::Restore { .. }, _) | (_, Direction::Denoising) => {
                vec![(&row.base, &row.base_read)]
            }
            (_, Direction::Noising) => {
                let first = row.source.iter().map(|source| (source, row.source_read.as_slice()));
                let further = row.further.iter();
                let further = further.map(|further| (&further.prompt, further.read.as_slice()));
                first.chain(further).collect()
            }
        }
    }

    /// The most other runs that a row has.
    pub(super) fn most_others(&self) -> usize {
        self.rows.iter().map(|row| self.other_runs(row).len()).max().unwrap_or(0)
    }

    /// The other runs of this number of the rows that have one, and where they are.
    #[allow(clippy::type_complexity)]
    pub(super) fn other_plan(
        &self,
        number: usize,
    ) -> Result<Option<(Vec<(usize, usize)>, ResolvedPlan)>, SweepError> {
        let (mut places, mut examples) = (Vec::new(), Vec::new());
        let (mut read, mut collected) = (Vec::new(), Vec::new());
        for &(row, run) in &self.places {
            let prepared = &self.rows[row];
            let Some((prompt, positions)) = self.other_runs(prepared).into_iter().nth(number)
            else {
                continue;
            };
            examples.push(Example::new(self.continued(prompt, row, run)?));
            read.push(self.positions_after(prompt, row, run));
            collected.push(positions);
            places.push((row, run));
        }
        if examples.is_empty() {
            return Ok(None);
        }
        let plan = Plan::new().read(Positions::Each(read)).outputs(self.outputs(&places));
        let plan = self.collecting(plan, |site| {
            collected.iter().map(|positions| positions[site].clone()).collect()
        });
        Ok(Some((places, plan.resolve(self.outline, &examples)?)))
    }

    /// A prompt of a row continued by an answer's tokens, where one is read.
    fn continued(&self, prompt: &Prompt, row: usize, run: usize) -> Result<Prompt, SweepError> {
        match self.read {
            Reading::Tokens => Ok(prompt.clone()),
            Reading::Metrics => {
                let continued = self.rows[row].answers.runs[run].behind(prompt, self.outline);
                continued.map_err(SweepError::of_answer)
            }
        }
    }

    /// The positions at which a prompt of a row is read.
    fn positions_after(&self, prompt: &Prompt, row: usize, run: usize) -> Vec<i64> {
        match self.read {
            Reading::Tokens => vec![prompt.len() as i64 - 1],
            Reading::Metrics if !self.sweep.meter.reads_output() => Vec::new(),
            Reading::Metrics => self.rows[row].answers.runs[run].positions_behind(prompt),
        }
    }

    /// The plan, collecting the activations that metrics read.
    fn collecting(&self, plan: Plan, positions: impl Fn(usize) -> Vec<Vec<usize>>) -> Plan {
        match self.read {
            Reading::Tokens => plan,
            Reading::Metrics => self.sweep.meter.collecting(plan, positions),
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
        if self.reads_all() && self.direction == Direction::Noising {
            sources.extend(self.rows[row].sources());
        } else if self.sweep.method.reads_source() {
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
    pub(super) fn written(&self, role: Option<usize>, row: usize) -> Vec<usize> {
        let row = &self.rows[row];
        match (role, self.direction) {
            (None, _) => (0..self.edited(row).len()).collect(),
            (Some(role), Direction::Noising) => row.base_positions[role].clone(),
            (Some(role), Direction::Denoising) => row.source_positions[role].clone(),
        }
    }

    /// Where a cell reads in a row's other prompt.
    pub(super) fn read_at(&self, role: Option<usize>, row: &PreparedRow) -> Vec<usize> {
        match (role, self.direction) {
            (None, _) => (0..self.other(row).map_or(0, |prompt| prompt.len())).collect(),
            (Some(role), Direction::Noising) => row.source_positions[role].clone(),
            (Some(role), Direction::Denoising) => row.base_positions[role].clone(),
        }
    }

    /// Whether the method reads all of a pair's sources; a row of a data set has one, beside which others are drawn.
    fn reads_all(&self) -> bool {
        self.sweep.is_pair() && self.sweep.method.source_count() == SourceCount::Several
    }

    /// Where a cell reads in the prompts that its method reads.
    fn read_by_method(&self, place: Option<usize>) -> SourcePositions {
        let first = self.positions(|row| self.read_at(place, &self.rows[row]));
        if !self.reads_all() {
            return first.into();
        }
        let further = self.rows.iter().map(|row| row.further.len()).max().unwrap_or(0);
        let of_further = |number: usize| {
            self.positions(|row| {
                let further = self.rows[row].further.get(number);
                further.map_or_else(Vec::new, |further| match place {
                    Some(place) => further.positions[place].clone(),
                    None => (0..further.prompt.len()).collect(),
                })
            })
        };
        let each: Vec<Positions> =
            std::iter::once(first).chain((0..further).map(of_further)).collect();
        each.into()
    }

    /// A position's name in messages.
    pub(super) fn position_name(&self, place: usize) -> String {
        let word = self.sweep.words.get(place).cloned().flatten();
        if !self.sweep.is_pair() {
            return word.unwrap_or_default();
        }
        let positions = self.rows.first().map_or_else(Vec::new, |_| self.written(Some(place), 0));
        match positions.as_slice() {
            [position] => format!("position {position}"),
            _ => word.unwrap_or_default(),
        }
    }

    /// The positions whose next-token distributions are read in the edited runs.
    pub(super) fn read_out(&self) -> Positions {
        let each = self
            .places
            .iter()
            .map(|&(row, run)| self.positions_after(self.edited(&self.rows[row]), row, run));
        Positions::Each(each.collect())
    }

    /// The positions of an edited run after which an answer's tokens stand, whether or not they are read.
    fn answered(&self, &(row, run): &(usize, usize)) -> Vec<i64> {
        let edited = self.edited(&self.rows[row]);
        match self.read {
            Reading::Tokens => self.positions_after(edited, row, run),
            Reading::Metrics => self.rows[row].answers.runs[run].positions_behind(edited),
        }
    }

    /// What is asked of the engine at some places.
    pub(super) fn outputs(&self, places: &[(usize, usize)]) -> Outputs {
        if self.read == Reading::Tokens {
            let tokens: Vec<u32> = self.sweep.targets.iter().map(|target| target.id).collect();
            return Outputs::Probabilities(tokens.into());
        }
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

    /// A plan of the edited runs that reads what is read.
    pub(super) fn reading(&self) -> Plan {
        let plan = Plan::new().read(self.read_out()).outputs(self.outputs(&self.places));
        self.collecting(plan, |site| {
            let of_row = |row: usize| self.edited_run(&self.rows[row]).1[site].clone();
            self.places.iter().map(|&(row, _)| of_row(row)).collect()
        })
    }

    /// What is done to the run before any cell: the noise that cells repair.
    pub(super) fn corruption(&self, draw: usize) -> Vec<Edit> {
        let Method::Restore { .. } = &self.sweep.method else { return Vec::new() };
        // The corrupted role comes after the others.
        let role = self.sweep.words.len();
        let at = self.positions(|row| self.rows[row].base_positions[role].clone());
        let noise = self.of_draw(Drawn::Noise { draw, distance: 0 });
        vec![Edit::new(Component::Embedding, None, noise).at(at)]
    }

    /// All edits of a cell; those in the range are the cell's own.
    pub(super) fn edits(
        &self,
        cell: Cell,
        variant: Variant,
    ) -> Result<(Vec<Edit>, Range<usize>), SweepError> {
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
        cell: Cell,
        layer: Option<usize>,
        Variant { control, draw }: Variant,
    ) -> Result<Edit, SweepError> {
        let Cell { component, position, .. } = cell;
        let distance = match (layer, cell.layer) {
            (Some(layer), Some(own)) => layer as i64 - own as i64,
            _ => 0,
        };
        let at = self.positions(|row| self.written(position, row));
        let from = || self.read_by_method(position);
        let by = |method: &Method, from: SourcePositions| -> Result<Edit, SweepError> {
            let mut edit = method.edit(component, layer, at.clone(), from)?;
            let is_continued = self.read == Reading::Metrics;
            if is_continued && component.is_pattern() && edit.source.is_some() {
                // The answer's tokens stand after the base only.
                edit = edit.keys(self.positions(|row| self.written(None, row)));
            }
            Ok(edit)
        };
        // All of a pair's sources, or the row's other prompt, which stands before those that are drawn.
        let read = |edit: Edit| {
            if self.reads_all() { edit } else { edit.source(Source::Run(0)) }
        };
        let method = &self.sweep.method;
        match control {
            None => {}
            Some(Control::SelfSwap) => return Ok(Edit::freeze(component, layer).at(at).control()),
            Some(Control::ShuffledSource) => {
                let all = &self.sweep.rows;
                let from = self.positions(|row| self.read_at(position, &all[self.shuffled[row]]));
                return Ok(by(method, from.into())?.source(Source::Run(1)));
            }
            Some(Control::RandomDirection) => {
                let mut edit = read(by(method, from())?);
                let direction = self.of_draw(Drawn::Direction { distance });
                edit.intervention = match method {
                    Method::Interchange => direction,
                    _ => Arc::new(MatchNorm { change: edit.intervention, direction }),
                };
                return Ok(edit);
            }
        }
        Ok(match method {
            Method::Interchange => by(method, from())?,
            Method::Knockout => {
                let last = self.positions(|row| vec![self.edited(&self.rows[row]).len() - 1]);
                by(method, at.clone().into())?.at(last)
            }
            Method::MeanAblation { .. } => {
                let mean = self.means.get(component, layer, position).unwrap_or_default();
                let values = match (cell.head, component.heads(self.outline.config())) {
                    (Some(head), Some(heads)) => {
                        let width = mean.len() / heads;
                        mean[head * width..(head + 1) * width].to_vec()
                    }
                    _ => mean.to_vec(),
                };
                Edit::constant(component, layer, values).at(at)
            }
            Method::Resample { .. } => {
                let all = &self.sweep.rows;
                let from = self.positions(|row| {
                    let drawn = &all[self.drawn[row][draw]];
                    match position {
                        Some(position) => drawn.base_positions[position].clone(),
                        None => (0..drawn.base.len()).collect(),
                    }
                });
                by(method, from.into())?.source(Source::Run(draw))
            }
            Method::Noise { .. } => {
                Edit::new(component, layer, self.of_draw(Drawn::Noise { draw, distance })).at(at)
            }
            Method::Restore { .. } => Edit::freeze(component, layer).at(at),
            method if method.reads_source() => read(by(method, from())?),
            method => by(method, at.clone().into())?,
        })
    }

    /// Attention outputs after a cell's first layer, held at what they are in the unedited run where
    /// the answer is read. (Of a window, those of its own layers too: they read what it edits.)
    fn held(&self, cell: Cell, first: Option<usize>) -> Vec<Edit> {
        let layers = self.outline.config().layers.len();
        // What a block reads first goes through its own attention too.
        let first = match (first, cell.component) {
            (Some(layer), Component::BlockInput) => layer,
            (Some(layer), _) => layer + 1,
            (None, Component::Embedding) => 0,
            (None, _) => layers,
        };
        let at = Positions::Each(self.places.iter().map(|place| self.answered(place)).collect());
        (first..layers)
            .map(|layer| Edit::freeze(Component::AttentionOutput, layer).at(at.clone()))
            .collect()
    }

    /// Rows, by index, in which what is to be knocked out is nothing that the last position sees, or all.
    pub(super) fn blind(&self) -> Vec<(usize, Reason)> {
        let Method::Knockout = self.sweep.method else { return Vec::new() };
        let why =
            |index: usize| self.sweep.cells.iter().find_map(|&cell| self.blind_at(cell, index));
        (0..self.rows.len()).filter_map(|index| Some((index, why(index)?))).collect()
    }

    /// Why a cell knocks nothing or everything out in a row.
    fn blind_at(&self, cell: Cell, index: usize) -> Option<Reason> {
        let config = self.outline.config();
        let (last, hidden) =
            (self.edited(&self.rows[index]).len() - 1, self.written(cell.position, index));
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
            let position = match cell.position {
                Some(place) => self.position_name(place),
                None => "all positions".to_owned(),
            };
            Some(Reason::Blind { layer, position, sees, would })
        })
    }
}
