//! Taps: edits that change nothing, and from which gradients are read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use vene_intervention::{Intervention, SourceCount, Traits, UnitContext};
use vene_model::Site;

use crate::error::RunError;
use crate::plan::{ResolvedEdit, ResolvedPlan, Run, Unit, When};

/// Zeros that are added at a site: the gradient of a metric with respect to them is that with respect to the
/// values there.
#[derive(Debug, Default)]
pub(super) struct Tap {
    found: Mutex<BTreeMap<usize, Vec<Tapped>>>,
}

/// What one call of a tap saw of an example.
#[derive(Debug)]
struct Tapped {
    positions: Vec<usize>,
    zeros: Var,
    values: Tensor,
    is_pattern: bool,
}

impl Intervention for Tap {
    fn name(&self) -> &'static str {
        "tap"
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None).observing()
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        let zeros = Var::from_tensor(&base.detach().zeros_like()?)?;
        let sum = (base + zeros.as_tensor())?;
        let (positions, values) = (context.positions.to_vec(), base.detach());
        let tapped = Tapped { positions, zeros, values, is_pattern: base.rank() == 3 };
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.entry(context.example).or_default().push(tapped);
        Ok(sum)
    }
}

impl Tap {
    /// Forgets what earlier runs showed.
    pub(super) fn clear(&self) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What stood there in an example of so many positions, and its gradient: `[positions, width]`, with zeros where
    /// nothing was run; or `[heads, queries, keys]`. `None` where the example was not run.
    pub(super) fn of(
        &self,
        example: usize,
        length: usize,
        gradients: &GradStore,
    ) -> Result<Option<(Tensor, Tensor)>, RunError> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(calls) = found.get(&example) else { return Ok(None) };
        let gradient = |zeros: &Var| match gradients.get(zeros) {
            Some(gradient) => Ok(gradient.clone()),
            None => zeros.zeros_like(),
        };
        let mut rows: BTreeMap<usize, (Tensor, Tensor)> = BTreeMap::new();
        for call in calls {
            let of_call = gradient(&call.zeros)?;
            if call.is_pattern {
                return Ok(Some((call.values.clone(), of_call)));
            }
            for (row, &position) in call.positions.iter().enumerate() {
                let both = (call.values.narrow(0, row, 1)?, of_call.narrow(0, row, 1)?);
                rows.insert(position, both);
            }
        }
        let Some((first, _)) = rows.values().next() else { return Ok(None) };
        let nothing = first.zeros_like()?;
        let of = |position: usize| match rows.get(&position) {
            Some((values, gradient)) => (values.clone(), gradient.clone()),
            None => (nothing.clone(), nothing.clone()),
        };
        let (values, gradients): (Vec<Tensor>, Vec<Tensor>) = (0..length).map(of).unzip();
        Ok(Some((Tensor::cat(&values, 0)?, Tensor::cat(&gradients, 0)?)))
    }
}

/// The plan with a tap at a site, after its own edits there: at all positions, or behind all blocks at those that it reads.
pub(super) fn tapped(plan: &mut ResolvedPlan, site: Site, by_step: bool) -> Arc<Tap> {
    let tap = Arc::new(Tap::default());
    let unit = |(example, read): (&crate::plan::Example, &Vec<usize>)| Unit {
        positions: match site.layer() {
            None if site.component() != vene_model::Component::Embedding => read.clone(),
            _ => (0..example.base.len()).collect(),
        },
        heads: None,
        keys: None,
    };
    let units = plan.examples.iter().zip(&plan.read).map(unit).collect();
    plan.edits.push(ResolvedEdit {
        index: plan.edits.len(),
        when: When::Prompt,
        run: Run::Base,
        site,
        by_step,
        intervention: tap.clone(),
        units,
        concatenated: false,
        source: None,
        reads_edited: false,
        control: true,
        subspaces: None,
    });
    tap
}
