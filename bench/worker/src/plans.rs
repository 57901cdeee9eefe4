//! From a workload to vene's plans, one a cell.

use std::sync::Arc;

use anyhow::{Context, Result};
use vene::plan::ResolvedPlan;
use vene::{Component, Edit, Example, Model, Plan, Positions, Source};

use crate::workload::{Cell, Kind, Read, Tokens, Workload};

/// The plans, in the order of the workload's values; a plan of the unedited base comes last.
pub(crate) fn of(workload: &Workload, model: &Model) -> Result<Vec<ResolvedPlan>> {
    let examples = workload
        .examples
        .iter()
        .map(|tokens| example(tokens, model))
        .collect::<Result<Vec<_>>>()?;
    let mut plans = match workload.kind {
        Kind::Interchange => interchanges(workload, model)?,
        Kind::Restore => restorations(workload)?,
        Kind::Forward => Vec::new(),
    };
    plans.push(Plan::new());
    let examples: Arc<[Example]> = examples.into();
    plans
        .into_iter()
        .map(|plan| Ok(reading(plan, workload).resolve_shared(model, &examples)?))
        .collect()
}

/// The plan with what the workload reads.
fn reading(plan: Plan, workload: &Workload) -> Plan {
    match &workload.read {
        Read::Probability { tokens } => plan.probabilities_of(tokens.clone()),
        Read::LogitDifference { pairs } => {
            let pairs: Vec<Vec<u32>> = pairs.iter().map(|pair| pair.to_vec()).collect();
            plan.logits_of(pairs)
        }
    }
}

fn example(tokens: &Tokens, model: &Model) -> Result<Example> {
    let example = Example::new(model.prompt_from_tokens(&tokens.base)?);
    Ok(match &tokens.source {
        Some(source) => example.source(model.prompt_from_tokens(source)?),
        None => example,
    })
}

fn component(name: &str) -> Result<Component> {
    Ok(name.parse()?)
}

fn edit(cell: &Cell) -> Result<Edit> {
    let edit = Edit::interchange(component(&cell.component)?, cell.layer)
        .at(Positions::index(cell.position));
    Ok(match cell.head {
        Some(head) => edit.heads([head]),
        None => edit,
    })
}

fn interchanges(workload: &Workload, model: &Model) -> Result<Vec<Plan>> {
    let frozen = workload.freeze.as_deref().map(component).transpose()?;
    let layers = model.config().layers.len();
    let plan = |cell: &Cell| {
        let later = cell.layer + 1..layers;
        let held = frozen.iter().flat_map(|&component| {
            let position = Positions::index(cell.position);
            later.clone().map(move |layer| Edit::freeze(component, layer).at(position.clone()))
        });
        Ok(held.fold(Plan::new().edit(edit(cell)?), Plan::edit))
    };
    workload.cells.iter().map(plan).collect()
}

fn restorations(workload: &Workload) -> Result<Vec<Plan>> {
    let noise = workload.noise.as_ref().context("a restoration without noise")?;
    let mut plans = Vec::new();
    for row in &noise.rows {
        let corrupted = Edit::steering(Component::Embedding, None, row.concat())
            .at(Positions::At(noise.positions.clone()));
        for cell in &workload.cells {
            let restored = edit(cell)?.source(Source::Base);
            plans.push(Plan::new().edit(corrupted.clone()).edit(restored));
        }
    }
    Ok(plans)
}
