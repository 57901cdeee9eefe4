//! Edits of many examples at once.
//!
//! The reference executor applies an edit example by example. A trained rotation has a gradient for each
//! application, of the size of its matrix; where an intervention treats row by row
//! ([`Granularity`](crate::intervention::Granularity)), the rows of all examples are
//! handed over together, and there is one.

use candle_core::{DType, Tensor};
use vene_model::{DecoderConfig, Site};

use crate::engine::apply::{self, Application};
use crate::engine::reference::Editor;
use crate::engine::sequences::{Rows, StepRuns, Visitor};
use crate::engine::unit;
use crate::error::RunError;
use crate::intervention::UnitContext;
use crate::plan::{ResolvedEdit, ResolvedPlan, ResolvedSource, Unit};

/// Applies a plan's edits as the reference does, those that can be at once.
pub(super) struct Edits<'a> {
    editor: Editor<'a>,
    plan: &'a ResolvedPlan,
    config: &'a DecoderConfig,
    /// Whether each edit is applied to all examples at once.
    at_once: Vec<bool>,
    /// Whether no gradient is to flow to what interventions have learned.
    detaches: bool,
}

impl<'a> Edits<'a> {
    pub(super) fn new(editor: Editor<'a>, detaches: bool) -> Self {
        let (plan, config) = (editor.plan, editor.config);
        let at_once = plan
            .edits
            .iter()
            .map(|edit| row_by_row(edit) && !edit.site.is_by_step(config))
            .collect();
        Self { editor, plan, config, at_once, detaches }
    }

    /// One edit in all examples.
    fn edit_all(&self, index: usize, rows: &Rows<'_>, tensor: &Tensor) -> Result<Tensor, RunError> {
        let edit = &self.plan.edits[index];
        let (mut written, mut positions, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for (example, unit) in edit.units.iter().enumerate() {
            let application = Application::new(self.plan, index, example);
            if !unit.is_empty() && !application.is_shared_prefix() {
                written.extend(rows.of(example, &unit.positions).unwrap_or_default());
                positions.extend(&unit.positions);
                changed.push(application);
            }
        }
        let Some(first) = changed.first() else { return Ok(tensor.clone()) };
        let unit = first.unit();
        let split = apply::by_head(tensor, unit, edit.site.component().heads(self.config))?;
        let selection = apply::row_selection(&written, unit);
        let before = unit::gather(&split, selection)?;
        let (all, chosen, head_width) = before.dims3()?;
        let flat = before.reshape((all, chosen * head_width))?;

        // What each example reads stands in the order in which its rows are written.
        let mut sources: Vec<Vec<Tensor>> = Vec::new();
        let mut start = 0;
        for application in &changed {
            let length = application.unit().positions.len();
            let own = flat.narrow(0, start, length)?;
            start += length;
            for (place, source) in self.editor.read(*application, &own)?.into_iter().enumerate() {
                if sources.len() == place {
                    sources.push(Vec::new());
                }
                sources[place].push(source);
            }
        }
        let sources = sources.iter().map(|parts| Tensor::cat(parts, 0));
        let sources: Vec<Tensor> = sources.collect::<Result<_, _>>()?;
        let columns = apply::columns(unit, head_width);
        let context = UnitContext { positions: &positions, ..first.context(&columns, None) };
        let after = apply::applied(edit, &flat, &sources, context)?;
        // A value that is not finite makes the sum so, too.
        let sum = after.detach().to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?;
        if !sum.is_finite() {
            return Err(not_finite(edit, &changed, &after, sum)?);
        }
        let after = after.reshape((all, chosen, head_width))?;
        Ok(unit::replace(&split, selection, &after)?.reshape(tensor.shape())?)
    }
}

/// The error that names the example whose rows have a value that is not finite.
fn not_finite(
    edit: &ResolvedEdit,
    changed: &[Application<'_>],
    after: &Tensor,
    sum: f64,
) -> Result<RunError, RunError> {
    let (intervention, site) = (edit.intervention.name(), edit.site);
    let mut start = 0;
    for application in changed {
        let (example, length) = (application.example, application.unit().positions.len());
        let rows = unit::values(&after.detach().narrow(0, start, length)?)?;
        if let Some(&value) = rows.iter().find(|value| !value.is_finite()) {
            return Ok(RunError::NotFinite { intervention, site, value, example });
        }
        start += length;
    }
    // Finite values whose sum is not.
    let example = changed.first().map_or(0, |application| application.example);
    Ok(RunError::NotFinite { intervention, site, value: sum, example })
}

/// Whether an edit's rows of several examples may be handed over together: they are as wide, and of the
/// same heads, in all of them.
fn row_by_row(edit: &ResolvedEdit) -> bool {
    let heads = |units: &mut dyn Iterator<Item = &Unit>| {
        let mut heads = units.map(|unit| &unit.heads);
        let first = heads.next();
        heads.all(|heads| Some(heads) == first)
    };
    let written = || edit.units.iter().filter(|unit| !unit.is_empty());
    let alike = |subspaces: &Vec<Vec<usize>>| subspaces.windows(2).all(|pair| pair[0] == pair[1]);
    edit.intervention.traits().is_by_row()
        && !edit.concatenated
        && !edit.site.component().is_pattern()
        && edit.subspaces.as_ref().is_none_or(alike)
        && heads(&mut written())
        && match &edit.source {
            Some(ResolvedSource::Runs { units, .. }) => {
                let edited = edit.units.iter().zip(units).filter(|(own, _)| !own.is_empty());
                let mut counts = edited.map(|(_, read)| read.len());
                let first = counts.next();
                counts.all(|count| Some(count) == first)
            }
            Some(ResolvedSource::Given(values)) => {
                values.windows(2).all(|pair| pair[0].len() == pair[1].len())
            }
            _ => true,
        }
}

impl Visitor for Edits<'_> {
    fn wants(&self, site: Site) -> bool {
        self.editor.wants(site)
    }

    fn rows(&mut self, site: Site, rows: &Rows<'_>, tensor: &mut Tensor) -> Result<(), RunError> {
        for index in 0..self.plan.edits.len() {
            if self.at_once[index] && self.plan.edits[index].site == site {
                *tensor = self.edit_all(index, rows, tensor)?;
                continue;
            }
            for example in 0..self.plan.examples.len() {
                self.editor.edit(index, example, site, rows, tensor)?;
            }
        }
        if self.detaches {
            *tensor = tensor.detach();
        }
        Ok(())
    }

    fn step(
        &mut self,
        site: Site,
        step: StepRuns<'_>,
        tensor: &mut Tensor,
    ) -> Result<(), RunError> {
        self.editor.step(site, step, tensor)?;
        if self.detaches {
            *tensor = tensor.detach();
        }
        Ok(())
    }

    fn pattern(
        &mut self,
        site: Site,
        run: usize,
        queries: &[usize],
        tensor: &mut Tensor,
    ) -> Result<(), RunError> {
        self.editor.pattern(site, run, queries, tensor)?;
        if self.detaches {
            *tensor = tensor.detach();
        }
        Ok(())
    }

    fn logit_positions(&self, run: usize) -> &[usize] {
        self.editor.logit_positions(run)
    }
}
