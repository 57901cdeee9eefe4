//! From a workload to vene's plans, one a cell.

use anyhow::{Context, Result};
use vene::plan::ResolvedPlan;
use vene::{Component, Edit, Example, Model, Plan, Positions, Source};

use crate::workload::{Cell, Kind, Tokens, Workload};

/// The source that is the base itself, as some plans read it.
const BASE: usize = 1;

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
    plans.iter().map(|plan| Ok(plan.resolve(model, &examples)?)).collect()
}

/// The source, where there is one, and the base as a source behind it.
fn example(tokens: &Tokens, model: &Model) -> Result<Example> {
    let base = model.prompt_from_tokens(&tokens.base)?;
    let source = tokens.source.as_ref().unwrap_or(&tokens.base);
    Ok(Example::new(base.clone()).source(model.prompt_from_tokens(source)?).source(base))
}

fn component(name: &str) -> Result<Component> {
    Component::from_name(name).with_context(|| format!("no component is called {name}"))
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
            later.clone().map(move |layer| {
                Edit::interchange(component, layer)
                    .at(Positions::index(cell.position))
                    .source(Source::Run(BASE))
            })
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
            let restored = edit(cell)?.source(Source::Run(BASE));
            plans.push(Plan::new().edit(corrupted.clone()).edit(restored));
        }
    }
    Ok(plans)
}
