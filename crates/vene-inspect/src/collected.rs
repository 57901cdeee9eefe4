//! Activations of subjects, as the engine collects them.

use std::collections::HashMap;
use std::ops::ControlFlow;

use candle_core::{DType, Tensor};
use vene_engine::plan::{Outputs, ResolvedPlan};
use vene_engine::{Distribution, Executor, Forked, Plan, Positions, Reading};
use vene_model::{Component, Model, Outline, Site};

use crate::{InspectError, Subject};

/// A component and its layer, `None` for one that a model has once.
pub(crate) type SiteOf = (Component, Option<usize>);

/// What one subject's run showed.
pub(crate) struct Collected {
    sites: HashMap<SiteOf, Tensor>,
    /// At each position that is looked at, where whole distributions were wanted.
    pub distributions: Vec<Distribution>,
    /// At each position that is looked at, where single tokens were wanted.
    pub readings: Vec<Reading>,
}

impl Collected {
    /// What a site showed: a row for each position that is looked at.
    pub fn rows(&self, site: SiteOf) -> Result<Vec<Vec<f64>>, InspectError> {
        Ok(self.tensor(site)?.to_dtype(DType::F64)?.to_vec2()?)
    }

    /// What a site showed: `[positions, width]`, or `[heads, queries, keys]` of attention patterns.
    pub fn tensor(&self, site: SiteOf) -> Result<&Tensor, InspectError> {
        self.sites.get(&site).ok_or_else(|| InspectError::Missing {
            what: match site {
                (component, Some(layer)) => format!("{component} of layer {layer}"),
                (component, None) => component.to_string(),
            },
        })
    }
}

/// What is wanted of the next-token distributions at the positions that are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of them.
    Distributions,
    /// The logits of the tokens that each subject asks about.
    Logits,
}

/// Runs subjects together and keeps these sites: rows at the positions that are looked at, `patterns` whole.
pub(crate) fn collect(
    model: &Model,
    subjects: &[Subject],
    sites: &[SiteOf],
    patterns: &[SiteOf],
    wanted: Wanted,
) -> Result<Vec<Collected>, InspectError> {
    let plans = subjects.iter().map(|subject| {
        let plan = planned(subject, sites, patterns);
        let plan = match wanted {
            Wanted::Distributions => plan.outputs(Outputs::Distributions),
            Wanted::Logits => {
                plan.logits_of(subject.asked.iter().map(|asked| asked.token).collect::<Vec<u32>>())
            }
        };
        Ok(plan.resolve(model, std::slice::from_ref(&subject.example))?)
    });
    let plans = plans.collect::<Result<Vec<ResolvedPlan>, InspectError>>()?;
    let mut found: Vec<Option<Collected>> = subjects.iter().map(|_| None).collect();
    Forked::new(model).run_all(&plans, &mut |index, outcome| {
        let mut examples = outcome.examples.into_iter();
        if let Some(showed) = examples.next() {
            let names = sites.iter().chain(patterns).copied();
            found[index] = Some(Collected {
                sites: names.zip(showed.collected).collect(),
                distributions: showed.distributions,
                readings: showed.readings,
            });
        }
        ControlFlow::Continue(())
    })?;
    found
        .into_iter()
        .map(|found| found.ok_or_else(|| InspectError::Missing { what: "a run".to_owned() }))
        .collect()
}

/// A subject's run as the engine takes it, which says whether its edits and positions fit the model.
pub(crate) fn resolve(
    outline: &Outline,
    subject: &Subject,
    sites: &[SiteOf],
    patterns: &[SiteOf],
) -> Result<ResolvedPlan, InspectError> {
    let plan = planned(subject, sites, patterns);
    Ok(plan.resolve(outline, std::slice::from_ref(&subject.example))?)
}

fn planned(subject: &Subject, sites: &[SiteOf], patterns: &[SiteOf]) -> Plan {
    let seen = Positions::At(distinct(subject));
    let mut plan = subject.plan.clone().read(seen.clone());
    for &(component, layer) in sites {
        plan = plan.collect(component, layer, seen.clone());
    }
    for &(component, layer) in patterns {
        plan = plan.collect(component, layer, Positions::All);
    }
    plan
}

/// The positions that are looked at, each once, in the order in which they come first.
fn distinct(subject: &Subject) -> Vec<i64> {
    let mut found: Vec<i64> = Vec::new();
    for position in subject.positions() {
        if !found.contains(&(position as i64)) {
            found.push(position as i64);
        }
    }
    found
}

/// For each position that is looked at the row in which it was collected.
pub(crate) fn rows_of(subject: &Subject) -> Vec<usize> {
    let distinct = distinct(subject);
    let row = |position| distinct.iter().position(|&other| other == position as i64).unwrap_or(0);
    subject.positions().map(row).collect()
}

/// The residual stream: as it enters the first block, and after each.
pub(crate) fn stream(model: &Outline) -> Vec<SiteOf> {
    let layers = 0..model.config().layers.len();
    let after = layers.map(|layer| (Component::BlockOutput, Some(layer)));
    std::iter::once((Component::Embedding, None)).chain(after).collect()
}

/// A site that exists in the model.
pub(crate) fn exists(model: &Outline, (component, layer): SiteOf) -> bool {
    Site::new(component, layer, model.config()).is_ok()
}
