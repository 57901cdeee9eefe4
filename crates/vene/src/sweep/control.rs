//! Controls: interventions that are sure to change nothing, run all the same.
//!
//! An interchange of the base with itself leaves each value as it is, and yet its run goes the way of
//! every fork: other rows in other batches. What its probabilities differ from the base's is the
//! noise of the computation, and an effect that is not well above it is none.

use vene_model::Outline;

use super::Cell;
use crate::error::PlanError;
use crate::plan::{Edit, Plan, Positions, ResolvedPlan};

/// At most so many controls.
const CONTROLS: usize = 8;

/// Effects below so many times the noise floor are marked.
pub(super) const RESOLVED: f64 = 5.0;

/// Controls at places spread evenly over a sweep's cells. Attention patterns and logits have none:
/// these are read from runs of their own.
pub(super) fn of(
    outline: &Outline,
    cells: &[Cell],
    plans: &[ResolvedPlan],
    tokens: &[u32],
) -> Result<Vec<ResolvedPlan>, PlanError> {
    let has_rows = |cell: &&(&Cell, &ResolvedPlan)| {
        let component = cell.0.component;
        component != vene_model::Component::Logits && !component.is_pattern()
    };
    let cells: Vec<(&Cell, &ResolvedPlan)> = cells.iter().zip(plans).collect();
    let cells: Vec<_> = cells.iter().filter(has_rows).collect();
    let count = CONTROLS.min(cells.len());
    let place = |index: usize| cells[(2 * index + 1) * cells.len() / (2 * count)];
    (0..count).map(place).map(|(cell, plan)| control(outline, cell, plan, tokens)).collect()
}

fn control(
    outline: &Outline,
    cell: &Cell,
    plan: &ResolvedPlan,
    tokens: &[u32],
) -> Result<ResolvedPlan, PlanError> {
    let positions = match cell.position {
        Some(position) => Positions::index(position as i64),
        None => Positions::All,
    };
    let mut edit = Edit::freeze(cell.component, cell.layer).at(positions).control();
    if let Some(head) = cell.head {
        edit = edit.heads([head]);
    }
    Plan::new().edit(edit).probabilities_of(tokens.to_vec()).resolve_shared(outline, &plan.examples)
}
