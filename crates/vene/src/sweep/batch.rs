//! A batch of rows: all its interventions in as few passes as the memory allows.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use vene_data::Reason;
use vene_engine::plan::{Outcome, Plan, Receipt, ResolvedPlan};
use vene_engine::{ExampleOutcome, Executor, PlanOutcome};
use vene_engine::{RunError, Whose};
use vene_model::{Outline, Prompt};

use super::edits::{Reading, Side, Variant};
use super::outcome::{CellOutcome, DirectionOutcome, Numbers};
use super::{
    Cell, Control, Direction, Means, Method, Sweep, SweepOutcome, noise, pair_noise, partners,
    table,
};
use crate::metric::RowRun;
use crate::sweep::SweepError;

/// A batch of rows.
pub(super) struct Batch<'a> {
    pub(super) sweep: &'a Sweep,
    pub(super) outline: &'a Outline,
    pub(super) executor: &'a dyn Executor,
    pub(super) means: &'a Means,
    pub(super) range: Range<usize>,
}

/// What one direction of a batch measured.
pub(super) struct Measured {
    pub(super) direction: Direction,
    /// For each row what the run showed that is edited, before any cell's edit.
    pub(super) base: Vec<Numbers>,
    /// For each row what its other runs showed, where it has some.
    pub(super) others: Vec<Vec<Numbers>>,
    /// For each map (the real one, then the controls), cell and row.
    pub(super) cells: Vec<Vec<Vec<Seen>>>,
}

/// What a cell's edited runs showed of a row, on the way to a mean over draws.
#[derive(Clone, Default)]
pub(super) struct Seen {
    pub(super) numbers: Numbers,
    /// The root mean square of the change at the site, averaged over draws and layers.
    pub(super) change: f64,
    /// Whether something changed in any draw, or base and source are the same there in all.
    changed: bool,
    shared_prefix: bool,
    /// Of a pair what the cell's first edit did.
    pub(super) receipt: Option<Receipt>,
}

impl Seen {
    /// Why nothing changed, where nothing did.
    pub(super) fn note(&self) -> Option<&'static str> {
        match (self.changed, self.shared_prefix) {
            (true, _) => None,
            (false, true) => Some("unchanged: shared prefix"),
            (false, false) => Some("unchanged: same values"),
        }
    }
}

/// What a plan of a batch is for.
pub(super) enum Job {
    /// The run before any cell's edit.
    Base,
    /// An other run, by its number, of the rows at these places.
    Other {
        number: usize,
        places: Vec<(usize, usize)>,
    },
    Cell {
        map: usize,
        cell: usize,
        own: Range<usize>,
    },
}

/// Which of a direction's runs are made.
pub(super) struct Wanted<'w> {
    /// Cells, by index.
    pub(super) cells: &'w [usize],
    /// Whether controls are, and the other runs.
    pub(super) all: bool,
}

/// Refuses a sweep any cell of which cannot be planned, in its first row.
pub(super) fn check(sweep: &Sweep, outline: &Outline) -> Result<(), SweepError> {
    first_plans(sweep, outline, 0..1).map(|_| ())
}

/// Rows, by index, that cannot be run with the others: each may be named several times.
pub(super) fn unusable(
    sweep: &Sweep,
    outline: &Outline,
) -> Result<Vec<(usize, Reason)>, SweepError> {
    let lacking = partners::lacking(sweep);
    if !lacking.is_empty() {
        return Ok(lacking);
    }
    let means = Means::zeros(sweep, outline.config());
    let mut blind = Vec::new();
    for &direction in &sweep.directions {
        let ahead = Ahead { sweep, outline, means: &means, range: 0..sweep.rows.len(), direction };
        for side in ahead.sides()? {
            blind.extend(side.blind());
        }
    }
    Ok(blind)
}

/// A direction of a batch, nothing known yet of means and distributions.
struct Ahead<'a> {
    sweep: &'a Sweep,
    outline: &'a Outline,
    means: &'a Means,
    range: Range<usize>,
    direction: Direction,
}

impl<'a> Ahead<'a> {
    /// For each of what is read a side.
    fn sides(&self) -> Result<Vec<Side<'a>>, SweepError> {
        let side = |reading: Reading| {
            let of = (self.direction, reading);
            Side::new(self.sweep, self.outline, self.means, self.range.clone(), of)
        };
        Reading::of(self.sweep).into_iter().map(side).collect()
    }
}

/// The plans of a batch in all directions, nothing known yet of means and distributions; those of
/// cells with which of their edits are the cell's own.
#[allow(clippy::type_complexity)]
pub(super) fn first_plans(
    sweep: &Sweep,
    outline: &Outline,
    range: Range<usize>,
) -> Result<Vec<(Option<Range<usize>>, ResolvedPlan)>, SweepError> {
    let own = |job| match job {
        Job::Cell { own, .. } => Some(own),
        _ => None,
    };
    let means = Means::zeros(sweep, outline.config());
    let cells: Vec<usize> = (0..sweep.cells.len()).collect();
    let mut all = Vec::new();
    for &direction in &sweep.directions {
        let ahead = Ahead { sweep, outline, means: &means, range: range.clone(), direction };
        for side in ahead.sides()? {
            let plans = plans(&side, &Wanted { cells: &cells, all: true })?.into_iter();
            all.extend(plans.map(|(job, plan)| (own(job), plan)));
        }
    }
    Ok(all)
}

/// Of a pair the plans of some cells of a direction, and of the run before them.
pub(super) fn pair_plans(
    sweep: &Sweep,
    outline: &Outline,
    direction: Direction,
    cells: &[usize],
) -> Result<Vec<ResolvedPlan>, SweepError> {
    let means = Means::zeros(sweep, outline.config());
    let ahead = Ahead { sweep, outline, means: &means, range: 0..1, direction };
    let mut all = Vec::new();
    for side in ahead.sides()? {
        let plans = plans(&side, &Wanted { cells, all: false })?;
        all.extend(plans.into_iter().map(|(_, plan)| plan));
    }
    Ok(all)
}

/// Of a pair for each direction and cell whether base and source are the same up to there.
pub(super) fn shared_prefixes(
    sweep: &Sweep,
    outline: &Outline,
) -> Result<Vec<Vec<bool>>, SweepError> {
    let means = Means::zeros(sweep, outline.config());
    let cells: Vec<usize> = (0..sweep.cells.len()).collect();
    let of_direction = |&direction: &Direction| {
        let ahead = Ahead { sweep, outline, means: &means, range: 0..1, direction };
        let mut shared = vec![false; sweep.cells.len()];
        if let Some(side) = ahead.sides()?.first() {
            for (job, plan) in plans(side, &Wanted { cells: &cells, all: false })? {
                if let Job::Cell { cell, own, .. } = job {
                    let (example, mut edits) = (&plan.examples()[0], plan.edits()[own].iter());
                    shared[cell] = edits.all(|edit| edit.is_shared_prefix(0, example));
                }
            }
        }
        Ok(shared)
    };
    sweep.directions.iter().map(of_direction).collect()
}

/// Of a pair how many cells change nothing in the first direction.
pub(super) fn shared_prefix_cells(sweep: &Sweep, outline: &Outline) -> Result<usize, SweepError> {
    if !sweep.is_pair() {
        return Ok(0);
    }
    let shared = shared_prefixes(sweep, outline)?;
    Ok(shared.first().map_or(0, |cells| cells.iter().filter(|shared| **shared).count()))
}

/// Everything that is run for one direction of a batch.
fn plans(side: &Side<'_>, wanted: &Wanted<'_>) -> Result<Vec<(Job, ResolvedPlan)>, SweepError> {
    let sweep = side.sweep;
    let reading = side.reading();
    let plan = |edits: Vec<_>| {
        let plan = edits.into_iter().fold(reading.clone(), Plan::edit);
        plan.resolve_shared(side.outline, &side.examples)
    };
    let draws = sweep.method.draws();
    let mut plans = Vec::new();
    let corrupted = side.corruption(0);
    for draw in 0..if corrupted.is_empty() { 1 } else { draws } {
        plans.push((Job::Base, plan(side.corruption(draw))?));
    }
    let mut maps: Vec<Option<Control>> = vec![None];
    if wanted.all {
        for number in 0..side.most_others() {
            if let Some((places, plan)) = side.other_plan(number)? {
                plans.push((Job::Other { number, places }, plan));
            }
        }
        maps.extend(sweep.controls.iter().copied().map(Some));
    }
    for (map, control) in maps.into_iter().enumerate() {
        for &cell in wanted.cells {
            for draw in 0..draws {
                let (edits, own) = side.edits(sweep.cells[cell], Variant { control, draw })?;
                plans.push((Job::Cell { map, cell, own }, plan(edits)?));
            }
        }
    }
    Ok(plans)
}

impl Batch<'_> {
    pub(super) fn run(
        &self,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<SweepOutcome, SweepError> {
        let mut done = 0;
        let mut measured = Vec::new();
        let cells: Vec<usize> = (0..self.sweep.cells.len()).collect();
        for &direction in &self.sweep.directions {
            let sides = self.sides(self.range.clone(), direction)?;
            let wanted = Wanted { cells: &cells, all: true };
            measured.push(self.measure(self.executor, &sides, &wanted, &mut |more| {
                done += more;
                progress(done)
            })?);
        }
        if self.sweep.is_pair() {
            return self.pair(&measured);
        }
        let mut noise = Vec::new();
        for (number, place) in noise::places(self.sweep).iter().enumerate() {
            if self.range.contains(&place.row) {
                let squares = noise::squares(self, place)?;
                noise.extend(squares.map(|squares| (number, squares)));
            }
        }
        let examples = table::of(self, &measured, &noise, None)?;
        Ok(SweepOutcome::of_rows(examples))
    }

    /// What a pair showed.
    fn pair(&self, measured: &[Measured]) -> Result<SweepOutcome, SweepError> {
        let sweep = self.sweep;
        let noise = pair_noise::measured(self, measured)?;
        let squares = noise.as_ref().map_or(&[][..], |noise| &noise.squares);
        let floor = noise.as_ref().map(|noise| &noise.floor);
        let examples = table::of(self, measured, squares, floor)?;
        let cell = |rows: &Vec<Seen>| -> Option<CellOutcome> {
            let seen = rows.first()?;
            let Numbers { probabilities, logits, metrics } = seen.numbers.clone();
            let (unchanged, receipt) = (seen.note(), seen.receipt.clone()?);
            Some(CellOutcome { probabilities, logits, metrics, unchanged, receipt })
        };
        let direction = |measured: &Measured| -> Option<DirectionOutcome> {
            let controls = std::iter::once(None).chain(sweep.controls.iter().copied().map(Some));
            let map = |(control, cells): (Option<Control>, &Vec<Vec<Seen>>)| {
                Some((control, cells.iter().map(cell).collect::<Option<_>>()?))
            };
            let sources = measured.others.first()?;
            Some(DirectionOutcome {
                direction: measured.direction,
                base: measured.base.first()?.clone(),
                sources: sources.clone(),
                source: other_of(sweep, sources),
                maps: controls.zip(&measured.cells).map(map).collect::<Option<_>>()?,
            })
        };
        let directions = measured.iter().map(direction).collect::<Option<_>>();
        let directions = directions.ok_or(RunError::Stopped)?;
        SweepOutcome::of_pair(sweep, examples, directions, noise.map(|noise| noise.floor))
    }

    /// One direction of the batch, or of some of its cells, by an executor.
    pub(super) fn measure(
        &self,
        executor: &dyn Executor,
        sides: &[Side<'_>],
        wanted: &Wanted<'_>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Measured, SweepError> {
        let sweep = self.sweep;
        let (mut jobs, mut all) = (Vec::new(), Vec::new());
        for (side, of_side) in sides.iter().enumerate() {
            for (job, plan) in plans(of_side, wanted)? {
                jobs.push((side, job));
                all.push(plan);
            }
        }
        let Some(first) = sides.first() else { return Err(RunError::Stopped.into()) };
        let rows = first.rows.len();
        let maps = 1 + if wanted.all { sweep.controls.len() } else { 0 };
        let mut measured = Measured {
            direction: first.direction,
            base: vec![Numbers::default(); rows],
            others: vec![Vec::new(); rows],
            cells: vec![vec![vec![Seen::default(); rows]; sweep.cells.len()]; maps],
        };
        let is_base = |job: &&(usize, Job)| matches!(job, (0, Job::Base));
        let bases = jobs.iter().filter(is_base).count() as f64;
        sweep.meter.run_all(executor, &all, &mut |index, outcome| {
            let (side, job) = &jobs[index];
            let of_side = &sides[*side];
            let values = self.values(of_side, job, &outcome)?;
            match job {
                Job::Base => {
                    for (sum, values) in measured.base.iter_mut().zip(values) {
                        sum.add(&mut values.unwrap_or_default(), bases);
                    }
                }
                Job::Other { number, .. } => {
                    for (others, values) in measured.others.iter_mut().zip(values) {
                        let Some(mut values) = values else { continue };
                        others.resize(others.len().max(number + 1), Numbers::default());
                        others[*number].add(&mut values, 1.0);
                    }
                }
                Job::Cell { map, cell, own } => {
                    let seen = &mut measured.cells[*map][*cell];
                    let is_first = *side == 0;
                    take(seen, values, &outcome, of_side, (own, is_first), sweep);
                    if is_first {
                        return Ok(progress(rows));
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(measured)
    }

    /// One direction of some rows, for each of what is read, with what metrics compare their runs with.
    pub(super) fn sides(
        &self,
        rows: Range<usize>,
        direction: Direction,
    ) -> Result<Vec<Side<'_>>, SweepError> {
        let Self { sweep, outline, means, .. } = *self;
        let mut sides = Ahead { sweep, outline, means, range: rows, direction }.sides()?;
        if self.sweep.meter.reads().unedited {
            for side in sides.iter_mut().filter(|side| side.read == Reading::Metrics) {
                let prompts: Vec<&Prompt> = side.rows.iter().map(|row| side.edited(row)).collect();
                let read = self.executor.predict(&prompts)?.into_iter();
                side.unedited = read.map(|distribution| Some(Arc::new(distribution))).collect();
            }
        }
        Ok(sides)
    }

    /// What a plan's runs say, for each row of the batch; `None` for rows that it has no run of.
    pub(super) fn values(
        &self,
        side: &Side<'_>,
        job: &Job,
        outcome: &PlanOutcome,
    ) -> Result<Vec<Option<Numbers>>, RunError> {
        let places = match job {
            Job::Other { places, .. } => places,
            Job::Base | Job::Cell { .. } => &side.places,
        };
        let mut showed: Vec<Vec<&ExampleOutcome>> = vec![Vec::new(); side.rows.len()];
        for (&(row, _), example) in places.iter().zip(&outcome.examples) {
            showed[row].push(example);
        }
        if side.read == Reading::Tokens {
            let numbers = |showed: Vec<&ExampleOutcome>| {
                let reading = showed.first()?.readings.first()?;
                Some(Numbers {
                    probabilities: reading.probabilities().unwrap_or_default(),
                    logits: reading.logits().to_vec(),
                    metrics: Vec::new(),
                })
            };
            return Ok(showed.into_iter().map(numbers).collect());
        }
        let mut runs = Vec::with_capacity(side.rows.len());
        let mut of_runs = Vec::with_capacity(side.rows.len());
        for (index, showed) in showed.into_iter().enumerate() {
            let row = &side.rows[index];
            let run = match job {
                Job::Other { number, .. } => side.other_runs(row).into_iter().nth(*number),
                Job::Base | Job::Cell { .. } => Some(side.edited_run(row)),
            };
            if let Some((prompt, positions)) = run.filter(|_| !showed.is_empty()) {
                let (answers, unedited) = (&row.answers, side.unedited[index].as_deref());
                runs.push(RowRun { answers, prompt, positions, unedited, showed });
                of_runs.push(index);
            }
        }
        let whose = |place: usize| {
            let row = &side.rows[of_runs[place]];
            if self.sweep.is_pair() {
                whose(side, job, row.sources().count()).to_string()
            } else {
                row.name().to_string()
            }
        };
        let metrics = self.sweep.meter.values(&runs, whose, || self.name_of(side, job))?;
        let mut of_rows = vec![None; side.rows.len()];
        for (index, metrics) in of_runs.iter().zip(metrics) {
            of_rows[*index] = Some(Numbers { metrics, ..Numbers::default() });
        }
        Ok(of_rows)
    }

    /// What a run is, for messages.
    fn name_of(&self, side: &Side<'_>, job: &Job) -> String {
        let (map, cell) = match job {
            Job::Base => return "the run before any edit".to_owned(),
            Job::Other { .. } if self.sweep.is_pair() => {
                return "the run before any edit".to_owned();
            }
            Job::Other { .. } => return "the other run".to_owned(),
            Job::Cell { map, cell, .. } => (*map, self.sweep.cells[*cell]),
        };
        let mut name = cell_name(cell, cell.position.map(|place| side.position_name(place)));
        if !self.sweep.is_pair() || self.sweep.directions != [Direction::Noising] {
            name.push_str(&format!(", {}", side.direction.name()));
        }
        if let Some(control) = map.checked_sub(1) {
            name.push_str(&format!(", control {}", self.sweep.controls[control].name()));
        }
        name
    }
}

/// Whose run of a pair it is.
fn whose(side: &Side<'_>, job: &Job, sources: usize) -> Whose {
    // Where cells repair a run, the other one is that without noise.
    let restores = matches!(side.sweep.method, Method::Restore { .. });
    let is_other = matches!(job, Job::Other { .. }) && !restores;
    match (job, is_other == (side.direction == Direction::Noising)) {
        (Job::Other { number, .. }, true) => Whose::Source { index: *number, sources },
        (_, true) => Whose::Source { index: 0, sources },
        (_, false) => Whose::Base,
    }
}

/// A cell's name in messages.
fn cell_name(cell: Cell, position: Option<String>) -> String {
    let Cell { component, layer, head, .. } = cell;
    let layer = layer.map(|layer| format!(" of layer {layer}")).unwrap_or_default();
    let head = head.map(|head| format!(", head {head}")).unwrap_or_default();
    let position = position.map(|position| format!(" at {position}")).unwrap_or_default();
    format!("{component}{layer}{head}{position}")
}

/// What the run that is read shows by itself: the mean over those that the method reads, or over all where it reads
/// none.
pub(super) fn other_of(sweep: &Sweep, others: &[Numbers]) -> Option<Numbers> {
    match sweep.method.read(others) {
        [] => Numbers::mean(others),
        read => Numbers::mean(read),
    }
}

/// Takes what one draw of a cell showed, for each row.
fn take(
    seen: &mut [Seen],
    values: Vec<Option<Numbers>>,
    outcome: &PlanOutcome,
    side: &Side<'_>,
    (own, is_first): (&Range<usize>, bool),
    sweep: &Sweep,
) {
    let draws = sweep.method.draws();
    for (seen, values) in seen.iter_mut().zip(values) {
        seen.numbers.add(&mut values.unwrap_or_default(), draws as f64);
    }
    if !is_first {
        // The edits are the same, whatever is read.
        return;
    }
    let share = (draws * own.len()) as f64;
    for receipt in outcome.receipts.iter().filter(|receipt| own.contains(&receipt.edit)) {
        let (row, run) = side.places[receipt.example];
        let seen = &mut seen[row];
        if sweep.is_pair() && run == 0 && seen.receipt.is_none() {
            seen.receipt = Some(receipt.clone());
        }
        match &receipt.outcome {
            Outcome::Changed(change) => {
                seen.changed = true;
                // The first run stands for all: they are the same up to the prompt's end.
                if run == 0 {
                    seen.change += change.root_mean_square / share;
                }
            }
            Outcome::SharedPrefix => seen.shared_prefix = true,
            Outcome::SameValues | Outcome::NotEdited => {}
        }
    }
}
