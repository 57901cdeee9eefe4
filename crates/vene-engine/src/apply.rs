//! One application of an edit: the same lines for every executor.

use candle_core::Tensor;
use vene_files::{Panicked, guarded};
use vene_intervention::UnitContext;
use vene_model::{DecoderConfig, Site};

use super::measure;
use super::trace::Trace;
use super::unit::{self, Selection};
use crate::error::RunError;
use crate::plan::{Example, Outcome, Receipt, ResolvedEdit, ResolvedSource, Tally, Unit};

/// An edit of a plan in one of its examples.
#[derive(Clone, Copy)]
pub(super) struct Application<'a> {
    /// The edits of the same run.
    pub(super) edits: &'a [ResolvedEdit],
    pub(super) examples: &'a [Example],
    pub(super) index: usize,
    pub(super) example: usize,
    /// Of a unit that is edited step by step, inside a recurrent block: which of its positions.
    pub(super) part: Option<usize>,
    /// The step of the training that is going on.
    pub(super) step: Option<u64>,
}

impl<'a> Application<'a> {
    /// Of all positions at once.
    pub(super) fn new(
        edits: &'a [ResolvedEdit],
        examples: &'a [Example],
        index: usize,
        example: usize,
    ) -> Self {
        Self { edits, examples, index, example, part: None, step: None }
    }

    pub(super) fn edit(&self) -> &'a ResolvedEdit {
        &self.edits[self.index]
    }

    pub(super) fn unit(&self) -> &'a Unit {
        &self.edit().units[self.example]
    }

    /// The positions that are edited now.
    fn positions(&self) -> &'a [usize] {
        self.part_of(&self.unit().positions)
    }

    /// The positions of a unit that is written, or read, now.
    fn part_of<'p>(&self, positions: &'p [usize]) -> &'p [usize] {
        match self.part {
            Some(place) => &positions[place..=place],
            None => positions,
        }
    }

    /// Edits `written` rows of packed rows `[rows, width]`.
    pub(super) fn edit_rows(
        &self,
        config: &DecoderConfig,
        tensor: &Tensor,
        written: &[usize],
        sources: &dyn Fn(&Tensor) -> Result<Vec<Tensor>, RunError>,
    ) -> Result<(Tensor, Tally), RunError> {
        let before = self.gather(config, tensor, written)?;
        let sources = sources(&before)?;
        let sources = sources.iter().map(|source| self.as_handed_over(source));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        let before = self.as_handed_over(&before)?;
        let columns = self.columns(config, &before)?;
        let context = self.context(&columns, None);
        let (after, tally) = self.apply(&before, &sources, context, None)?;
        Ok((self.put_back(config, tensor, written, &after)?, tally))
    }

    /// The values that the edit is about, of `written` rows of packed rows `[rows, width]`: a row for each of them.
    pub(super) fn gather(
        &self,
        config: &DecoderConfig,
        tensor: &Tensor,
        written: &[usize],
    ) -> Result<Tensor, RunError> {
        let unit = self.unit();
        let split = by_head(tensor, unit, self.edit().site.component().heads(config))?;
        let values = unit::gather(&split, row_selection(written, unit))?;
        let (count, chosen, width) = values.dims3()?;
        Ok(values.reshape((count, chosen * width))?)
    }

    /// Values as the intervention is given them: a row for each position, or one for all where they are one vector.
    pub(super) fn as_handed_over(&self, values: &Tensor) -> Result<Tensor, RunError> {
        Ok(match self.edit().concatenated {
            true => values.reshape((1, values.elem_count()))?,
            false => values.clone(),
        })
    }

    /// Packed rows `[rows, width]` with `written` ones changed to what [`Application::gather`] gave and was edited since.
    pub(super) fn put_back(
        &self,
        config: &DecoderConfig,
        tensor: &Tensor,
        written: &[usize],
        after: &Tensor,
    ) -> Result<Tensor, RunError> {
        let unit = self.unit();
        let split = by_head(tensor, unit, self.edit().site.component().heads(config))?;
        let (_, heads, width) = split.dims3()?;
        let chosen = unit.heads.as_ref().map_or(heads, Vec::len);
        let after = after.reshape((written.len(), chosen, width))?;
        let edited = unit::replace(&split, row_selection(written, unit), &after)?;
        Ok(edited.reshape(tensor.shape())?)
    }

    /// Where the edited stretches begin in a row of the component.
    pub(super) fn columns(
        &self,
        config: &DecoderConfig,
        gathered: &Tensor,
    ) -> Result<Vec<usize>, RunError> {
        let Some(heads) = &self.unit().heads else { return Ok(vec![0]) };
        let width = match self.edit().site.component().width(config) {
            Some(width) => width / self.edit().site.component().heads(config).unwrap_or(1),
            None => gathered.dim(1)?,
        };
        Ok(heads.iter().map(|head| head * width).collect())
    }

    /// What was counted, unless the edit made a value that is NaN or infinite.
    pub(super) fn checked(&self, tally: Tally) -> Result<Tally, RunError> {
        let Some(value) = tally.not_finite() else { return Ok(tally) };
        let (edit, example) = (self.edit(), self.example);
        let (intervention, site) = (edit.intervention.name(), edit.site);
        Err(RunError::NotFinite { intervention, site, value, example })
    }

    /// Edits an attention pattern `[heads, queries, keys]` of all keys, whose queries are at
    /// `positions`. What a query may not see stays hidden.
    pub(super) fn edit_pattern(
        &self,
        config: &DecoderConfig,
        pattern: &Tensor,
        positions: &[usize],
        sources: &dyn Fn(&Tensor) -> Result<Vec<Tensor>, RunError>,
    ) -> Result<(Tensor, Tally), RunError> {
        let unit = self.unit();
        let place = |position: &usize| positions.binary_search(position).ok();
        let queries: Vec<usize> = unit.positions.iter().filter_map(place).collect();
        let selection = pattern_selection(&queries, unit);
        let before = unit::gather(pattern, selection)?;
        let (all_heads, _, all_keys) = pattern.dims3()?;
        let heads = unit.heads.clone().unwrap_or_else(|| (0..all_heads).collect());
        let keys = unit.keys.clone().unwrap_or_else(|| (0..all_keys).collect());
        let visible = self.visible(config, &keys, &before)?;
        let context = self.context(&heads, Some(&keys));
        let (after, tally) = self.apply(&before, &sources(&before)?, context, Some(&visible))?;
        Ok((unit::replace(pattern, selection, &after)?, tally))
    }

    /// The values that the edit reads, each in the shape of the values that it writes: of runs what
    /// `trace` kept, of its own run what was kept at its positions.
    pub(super) fn read(
        self,
        config: &DecoderConfig,
        trace: &Trace,
        current: Option<&Tensor>,
        before: &Tensor,
    ) -> Result<Vec<Tensor>, RunError> {
        match &self.edit().source {
            None => Ok(Vec::new()),
            Some(ResolvedSource::Given(values)) => {
                values[self.example].iter().map(|values| self.given(values, before)).collect()
            }
            Some(ResolvedSource::Current(_)) => {
                current.into_iter().map(|kept| read_current(config, self, kept, before)).collect()
            }
            Some(ResolvedSource::Runs { site, units }) => units[self.example]
                .iter()
                .map(|(run, unit)| {
                    let kept = trace.get(self.example, *run, *site);
                    let kept = kept.ok_or(RunError::NotTraced { site: *site })?;
                    match site.component().is_pattern() {
                        true => read_pattern(kept, unit),
                        false => self.read_run(config, kept, &unit.positions, unit, before),
                    }
                })
                .collect(),
        }
    }

    /// Which of a pattern's values `[heads, queries, keys]` the queries may see: 1, else 0.
    fn visible(
        &self,
        config: &DecoderConfig,
        keys: &[usize],
        pattern: &Tensor,
    ) -> Result<Tensor, RunError> {
        let queries = &self.unit().positions;
        let layer = self.edit().site.layer().unwrap_or_default();
        let sees = queries.iter().flat_map(|&query| {
            keys.iter().map(move |&key| u8::from(config.visible(layer, query, key)))
        });
        let sees = Tensor::from_iter(sees, pattern.device())?;
        Ok(sees.reshape((1, queries.len(), keys.len()))?.broadcast_as(pattern.shape())?)
    }

    pub(super) fn context<'c>(
        &'c self,
        columns: &'c [usize],
        keys: Option<&'c [usize]>,
    ) -> UnitContext<'c> {
        let (example, positions) = (self.example, self.positions());
        let subspaces = self.edit().subspaces.as_ref();
        let subspace = subspaces.map(|subspaces| subspaces[example].as_slice());
        let row = self.examples[example].row.unwrap_or(example);
        UnitContext { example, row, step: self.step, positions, columns, keys, subspace }
    }

    /// The edited values of the unit, and what was measured. Only `writable` values (1, else 0) change.
    fn apply(
        &self,
        before: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
        writable: Option<&Tensor>,
    ) -> Result<(Tensor, Tally), RunError> {
        let after = applied(self.edit(), before, sources, context)?;
        let after = match writable {
            Some(writable) => writable.where_cond(&after, before)?,
            None => after,
        };
        let site = self.edit().site;
        let tallies = measure::tallies(site, before, &after, &[before.dim(0)?])?;
        let tally = tallies.into_iter().next().unwrap_or_default();
        Ok((after, self.checked(tally)?))
    }

    pub(super) fn receipt(&self, outcome: Outcome) -> Receipt {
        let (edit, unit) = (self.edit(), self.unit());
        let read = edit.positions_read(self.example);
        Receipt {
            example: self.example,
            edit: edit.index,
            run: edit.run,
            intervention: edit.intervention.name(),
            site: edit.site,
            positions: unit.positions.clone(),
            heads: unit.heads.clone(),
            keys: unit.keys.clone(),
            read,
            outcome,
        }
    }

    /// A source's values out of a whole run's rows, in the shape of the values that are written.
    pub(super) fn read_run(
        &self,
        config: &DecoderConfig,
        kept: &Tensor,
        rows: &[usize],
        unit: &Unit,
        before: &Tensor,
    ) -> Result<Tensor, RunError> {
        read_rows(config, self.edit(), kept, self.part_of(rows), unit, before)
    }

    /// Given values in the shape of the values that are written.
    pub(super) fn given(&self, values: &[f64], before: &Tensor) -> Result<Tensor, RunError> {
        let row = before.elem_count();
        match self.part {
            Some(place) if values.len() > row => {
                given(&values[place * row..(place + 1) * row], before)
            }
            _ => given(values, before),
        }
    }
}

/// What an edit's intervention makes of values, which has their shape.
pub(super) fn applied(
    edit: &ResolvedEdit,
    before: &Tensor,
    sources: &[Tensor],
    context: UnitContext<'_>,
) -> Result<Tensor, RunError> {
    let (intervention, site) = (edit.intervention.name(), edit.site);
    let after = guarded(|| edit.intervention.apply(before, sources, context))
        .map_err(|panic| panicked(edit, sources.len(), panic))?
        .map_err(|error| RunError::Intervention { intervention, site, error: error.into() })?;
    if after.dims() != before.dims() {
        let (returned, expected) = (after.dims().to_vec(), before.dims().to_vec());
        return Err(RunError::InterventionShape { intervention, site, returned, expected });
    }
    if after.dtype() != before.dtype() {
        let (returned, expected) = (after.dtype().as_str(), before.dtype().as_str());
        return Err(RunError::InterventionType { intervention, site, returned, expected });
    }
    Ok(after)
}

/// The error of an intervention that panicked when it was given so many sources.
pub(super) fn panicked(edit: &ResolvedEdit, sources: usize, panic: Panicked) -> RunError {
    let (intervention, site) = (edit.intervention.name(), edit.site);
    let message = panic.message;
    RunError::InterventionPanicked { intervention, site, sources, message }
}

/// A source's values at `rows` of packed rows, in the shape of the values that are written.
pub(super) fn read_rows(
    config: &DecoderConfig,
    edit: &ResolvedEdit,
    tensor: &Tensor,
    rows: &[usize],
    unit: &Unit,
    before: &Tensor,
) -> Result<Tensor, RunError> {
    let split = by_head(tensor, unit, edit.site.component().heads(config))?;
    Ok(unit::gather(&split, row_selection(rows, unit))?.reshape(before.shape())?)
}

/// What an edit read of its own run at its positions, `[positions, width]`, in the shape of the
/// values that are written.
pub(super) fn read_current(
    config: &DecoderConfig,
    application: Application<'_>,
    kept: &Tensor,
    before: &Tensor,
) -> Result<Tensor, RunError> {
    let rows: Vec<usize> = (0..kept.dim(0)?).collect();
    // What was read inside the block, at this step, is one row.
    let rows = if rows.len() == 1 { &rows } else { application.part_of(&rows) };
    read_rows(config, application.edit(), kept, rows, application.unit(), before)
}

/// A source's values out of a whole attention pattern.
pub(super) fn read_pattern(pattern: &Tensor, unit: &Unit) -> Result<Tensor, RunError> {
    Ok(unit::gather(pattern, pattern_selection(&unit.positions, unit))?)
}

/// A unit's values out of a whole run's tensor at a site, row-major.
pub(super) fn values_of(
    config: &DecoderConfig,
    site: Site,
    tensor: &Tensor,
    unit: &Unit,
) -> Result<Vec<f64>, RunError> {
    let values = match site.component().is_pattern() {
        true => read_pattern(tensor, unit)?,
        false => {
            let split = by_head(tensor, unit, site.component().heads(config))?;
            unit::gather(&split, row_selection(&unit.positions, unit))?
        }
    };
    Ok(unit::values(&values)?)
}

/// Given values in the shape of the values that are written: all of them, or one row for every
/// position.
pub(super) fn given(values: &[f64], before: &Tensor) -> Result<Tensor, RunError> {
    let given =
        Tensor::from_slice(values, values.len(), before.device())?.to_dtype(before.dtype())?;
    if values.len() == before.elem_count() {
        return Ok(given.reshape(before.shape())?);
    }
    let row = match before.dims() {
        &[heads, _, keys] => given.reshape((heads, 1, keys))?,
        _ => given,
    };
    Ok(row.broadcast_as(before.shape())?.contiguous()?)
}

/// `[rows, width]` as `[rows, heads, width of a head]`, or as one stretch where all heads are meant.
pub(super) fn by_head(
    tensor: &Tensor,
    unit: &Unit,
    heads: Option<usize>,
) -> Result<Tensor, RunError> {
    let (rows, width) = tensor.dims2()?;
    let heads = heads.filter(|_| unit.heads.is_some()).unwrap_or(1);
    Ok(tensor.reshape((rows, heads, width / heads))?)
}

pub(super) fn row_selection<'a>(rows: &'a [usize], unit: &'a Unit) -> Selection<'a> {
    [Some(rows), unit.heads.as_deref(), None]
}

fn pattern_selection<'a>(queries: &'a [usize], unit: &'a Unit) -> Selection<'a> {
    [unit.heads.as_deref(), Some(queries), unit.keys.as_deref()]
}
