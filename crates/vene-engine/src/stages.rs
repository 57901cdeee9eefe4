//! Plans that need more than one run of base and sources, as the reference executor runs them: each run by itself, in full.
//!
//! A source that is itself edited is a plan of its own, in which it is the base: what is read of its
//! run is collected there, and given to those who read it. So the executor knows only plans of one base
//! whose sources are unedited; this module makes those of the others and puts their outcomes together.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::Tensor;
use vene_model::{DecoderConfig, ModelKey, Site};

use super::apply;
use super::executor::{Each, PlanOutcome};
use crate::error::RunError;
use crate::plan::{
    EditedSource, Example, Outputs, Receipt, ResolvedCollect, ResolvedEdit, ResolvedPlan,
    ResolvedSource, Run, Unit,
};

/// Runs plans of one run of base and sources.
type RunPlans<'e> = &'e mut dyn FnMut(&[ResolvedPlan], Each<'_>) -> Result<(), RunError>;

/// Runs plans by `run`, which knows only those of one run of base and sources.
pub(super) fn in_stages(
    key: &ModelKey,
    config: &DecoderConfig,
    plans: &[ResolvedPlan],
    each: Each<'_>,
    run: RunPlans<'_>,
) -> Result<(), RunError> {
    for plan in plans {
        plan.expect(key)?;
        plan.refuse_steps()?;
    }
    if plans.iter().all(ResolvedPlan::is_one_run) {
        return run(plans, each);
    }
    let mut staged = run_sources(config, plans, run)?;
    // Of each plan the base's run with its edits; without them too, where that is wanted.
    let (mut last, mut whose) = (Vec::new(), Vec::new());
    for (index, staged) in staged.iter().enumerate() {
        last.push(staged.base()?);
        whose.push((index, false));
        if plans[index].original {
            last.push(staged.original());
            whose.push((index, true));
        }
    }
    run(&last, &mut |place, outcome| {
        let (index, original) = whose[place];
        match staged[index].take_base(outcome, original) {
            Some(outcome) => each(index, outcome),
            None => ControlFlow::Continue(()),
        }
    })
}

fn run_sources<'p>(
    config: &'p DecoderConfig,
    plans: &'p [ResolvedPlan],
    run: RunPlans<'_>,
) -> Result<Vec<Staged<'p>>, RunError> {
    let mut staged: Vec<Staged<'_>> = plans.iter().map(|plan| Staged::new(plan, config)).collect();
    let stages = plans.iter().map(|plan| plan.edited_sources.len()).max().unwrap_or(0);
    for stage in 0..stages {
        let here: Vec<usize> =
            (0..plans.len()).filter(|&plan| stage < plans[plan].edited_sources.len()).collect();
        let of_sources =
            here.iter().map(|&plan| staged[plan].source(stage)).collect::<Result<Vec<_>, _>>()?;
        run(&of_sources, &mut |index, outcome| {
            staged[here[index]].take_source(stage, outcome);
            ControlFlow::Continue(())
        })?;
    }
    Ok(staged)
}

/// A plan with what its edited sources showed so far.
struct Staged<'p> {
    plan: &'p ResolvedPlan,
    config: &'p DecoderConfig,
    /// Whole runs of edited sources, by example, source and site.
    showed: HashMap<(usize, usize, Site), Tensor>,
    receipts: Vec<Receipt>,
    edited: Option<PlanOutcome>,
    original: Option<PlanOutcome>,
}

impl<'p> Staged<'p> {
    fn new(plan: &'p ResolvedPlan, config: &'p DecoderConfig) -> Self {
        Self {
            plan,
            config,
            showed: HashMap::new(),
            receipts: Vec::new(),
            edited: None,
            original: None,
        }
    }

    /// Where a source's edited run is read.
    fn read_sites(&self, source: usize) -> BTreeSet<Site> {
        let of_sources = self.plan.edited_sources.iter().flat_map(|edited| &edited.edits);
        let all = of_sources.chain(&self.plan.edits);
        let reads = |edit: &'p ResolvedEdit| match &edit.source {
            Some(ResolvedSource::Runs { site, units }) if edit.run != Run::Source(source) => {
                units.iter().flatten().any(|(run, _)| *run == Run::Source(source)).then_some(*site)
            }
            _ => None,
        };
        all.filter_map(reads).collect()
    }

    /// The plan in which an edited source is the base: its sources are those of the example, under
    /// their own indices, and behind them the base.
    fn source(&self, stage: usize) -> Result<ResolvedPlan, RunError> {
        let EditedSource { source, edits } = &self.plan.edited_sources[stage];
        let turned = |example: &Example| Example {
            base: example.sources[*source].clone(),
            sources: example.sources.iter().chain([&example.base]).cloned().collect(),
            row: example.row,
        };
        let examples: Arc<[Example]> = self.plan.examples.iter().map(turned).collect();
        let read = vec![Vec::new(); examples.len()];
        let all = |example: &Example| (0..example.base.len()).collect();
        let whole: Vec<Vec<usize>> = examples.iter().map(all).collect();
        let collect = |site| ResolvedCollect { site, positions: whole.clone() };
        let base = |example: usize| Run::Source(self.plan.examples[example].sources.len());
        Ok(ResolvedPlan {
            edits: edits.iter().map(|edit| self.lowered(edit, &base)).collect::<Result<_, _>>()?,
            collects: self.read_sites(*source).into_iter().map(collect).collect(),
            ..ResolvedPlan::reading(examples, read, Outputs::Distributions)
        })
    }

    fn take_source(&mut self, stage: usize, outcome: PlanOutcome) {
        let source = self.plan.edited_sources[stage].source;
        let sites = self.read_sites(source);
        for (example, showed) in outcome.examples.into_iter().enumerate() {
            for (&site, values) in sites.iter().zip(showed.collected) {
                self.showed.insert((example, source, site), values);
            }
        }
        self.receipts.extend(outcome.receipts);
    }

    /// Receipts say what edits read of runs, whether or not it was given to them.
    fn say_what_was_read(&self, receipts: &mut [Receipt]) {
        let of_sources = self.plan.edited_sources.iter().flat_map(|source| &source.edits);
        let edits = self.plan.edits.iter().chain(of_sources);
        let edits: HashMap<usize, &ResolvedEdit> = edits.map(|edit| (edit.index, edit)).collect();
        for receipt in receipts {
            if let Some(edit) = edits.get(&receipt.edit) {
                receipt.read = edit.positions_read(receipt.example);
            }
        }
    }

    /// The base's run with its edits.
    fn base(&self) -> Result<ResolvedPlan, RunError> {
        let lowered = |edit| self.lowered(edit, &|_| Run::Base);
        Ok(ResolvedPlan {
            edits: self.plan.edits.iter().map(lowered).collect::<Result<_, _>>()?,
            edited_sources: Vec::new(),
            original: false,
            ..self.plan.clone()
        })
    }

    /// The same without.
    fn original(&self) -> ResolvedPlan {
        ResolvedPlan {
            edits: Vec::new(),
            edited_sources: Vec::new(),
            original: false,
            ..self.plan.clone()
        }
    }

    /// Takes the base's outcome with its edits or without; the plan's, if nothing is missing now.
    fn take_base(&mut self, outcome: PlanOutcome, original: bool) -> Option<PlanOutcome> {
        match original {
            true => self.original = Some(outcome),
            false => self.edited = Some(outcome),
        }
        if self.edited.is_none() || self.plan.original != self.original.is_some() {
            return None;
        }
        let mut whole = self.edited.take()?;
        whole.receipts.append(&mut self.receipts);
        self.say_what_was_read(&mut whole.receipts);
        whole.receipts.sort_by_key(|receipt| (receipt.example, receipt.edit));
        whole.original = self.original.take().map(|original| original.examples).unwrap_or_default();
        Some(whole)
    }

    /// An edit that reads no edited run any more, but what it showed. `base` says under which name the
    /// base's run is found.
    fn lowered(
        &self,
        edit: &ResolvedEdit,
        base: &dyn Fn(usize) -> Run,
    ) -> Result<ResolvedEdit, RunError> {
        let Some(ResolvedSource::Runs { site, units }) = &edit.source else {
            return Ok(edit.clone());
        };
        let source = match edit.reads_edited {
            true => ResolvedSource::Given(
                units
                    .iter()
                    .enumerate()
                    .map(|(example, read)| {
                        read.iter().map(|read| self.values(example, *site, read)).collect()
                    })
                    .collect::<Result<_, _>>()?,
            ),
            false => {
                let renamed = |example: usize, (run, unit): &(Run, Unit)| match run {
                    Run::Base => (base(example), unit.clone()),
                    run => (*run, unit.clone()),
                };
                let of_example = |(example, read): (usize, &Vec<(Run, Unit)>)| {
                    read.iter().map(|read| renamed(example, read)).collect()
                };
                let units = units.iter().enumerate().map(of_example).collect();
                ResolvedSource::Runs { site: *site, units }
            }
        };
        Ok(ResolvedEdit { source: Some(source), reads_edited: false, ..edit.clone() })
    }

    fn values(
        &self,
        example: usize,
        site: Site,
        (run, unit): &(Run, Unit),
    ) -> Result<Arc<Vec<f64>>, RunError> {
        let showed = match run {
            Run::Source(source) => self.showed.get(&(example, *source, site)),
            Run::Base => None,
        };
        let showed = showed.ok_or(RunError::NotTraced { site })?;
        Ok(Arc::new(apply::values_of(self.config, site, showed, unit)?))
    }
}
