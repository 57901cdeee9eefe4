//! A control: what do directions that nobody learned do in the same place?

use std::sync::Arc;

use candle_core::Tensor;
use vene_data::Row;
use vene_data::{SplitError, Together};
use vene_engine::plan::{Plan, ResolvedPlan};
use vene_intervention::{Constraint, Interchange, Parameter, SourceCount, orthogonal};
use vene_random::Draws;
use vene_statistics::share::nearest;

use super::error::TrainingError;

/// Runs something while the plan's rotations are random ones, all equally likely, and gives what it gave; `None` where
/// the plan has no rotation that is learned. All other parameters stay, and so do rotations behind it.
///
/// # Errors
/// What the work says; failures of the computation.
pub fn with_random_directions<T, E: From<TrainingError>>(
    plan: &ResolvedPlan,
    seed: u64,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<Option<T>, E> {
    let rotations = rotations(plan.learned());
    if rotations.is_empty() {
        return Ok(None);
    }
    let kept: Vec<Tensor> = copies(&rotations)?;
    let drawn = draw(&rotations, seed);
    let found = match drawn {
        Ok(()) => work(),
        Err(error) => Err(error.into()),
    };
    for (Parameter { variable, .. }, kept) in rotations.iter().zip(&kept) {
        variable.set(kept).map_err(TrainingError::from)?;
    }
    found.map(Some)
}

/// Draws the rotations that a plan learns anew, all equally likely, and says whether it has any. The plan must be one by
/// itself: what shares its interventions is changed too.
///
/// # Errors
/// Failures of the computation.
pub fn random_directions(plan: &Plan, seed: u64) -> Result<bool, TrainingError> {
    let parameters = plan.edits.iter().flat_map(|edit| edit.intervention.parameters());
    let mut learned: Vec<Parameter> = Vec::new();
    for parameter in parameters.filter(Parameter::is_trained) {
        if learned.iter().all(|known| known.variable.id() != parameter.variable.id()) {
            learned.push(parameter);
        }
    }
    let rotations = rotations(learned);
    draw(&rotations, seed)?;
    Ok(!rotations.is_empty())
}

/// The plan with a plain interchange in place of each intervention that learns: all of an activation instead of some
/// directions of it. `None` where one of them reads no source, so that there is nothing to interchange.
pub fn whole_activations(plan: &Plan) -> Option<Plan> {
    let mut whole = plan.clone();
    for edit in &mut whole.edits {
        let intervention = &edit.intervention;
        if intervention.parameters().iter().any(Parameter::is_trained) {
            if intervention.traits().sources != SourceCount::One {
                return None;
            }
            edit.intervention = Arc::new(Interchange);
            edit.subspaces = None;
            edit.concatenated = false;
        }
    }
    Some(whole)
}

fn rotations(learned: Vec<Parameter>) -> Vec<Parameter> {
    let is_rotation = |parameter: &Parameter| parameter.constraint == Constraint::Orthogonal;
    learned.into_iter().filter(is_rotation).collect()
}

fn copies(rotations: &[Parameter]) -> Result<Vec<Tensor>, TrainingError> {
    let copy = |parameter: &Parameter| Ok(parameter.variable.as_tensor().copy()?.detach());
    rotations.iter().map(copy).collect()
}

fn draw(rotations: &[Parameter], seed: u64) -> Result<(), TrainingError> {
    for (index, Parameter { variable, .. }) in rotations.iter().enumerate() {
        let (rows, columns) = variable.dims2()?;
        let random = orthogonal::random(rows, columns, seed.wrapping_add(index as u64))?;
        variable.set(&random.to_dtype(variable.dtype())?)?;
    }
    Ok(())
}

/// Which rows are trained on, and which are held out: as near to the given share of them as what stays `together`
/// allows, at least one of each. The seed draws among the choices that are as near. Both are in ascending order.
///
/// # Errors
/// [`SplitError::Inseparable`] where all rows belong together; [`SplitError::Share`].
pub fn split(
    rows: &[Row],
    held_out: f64,
    seed: u64,
    together: Together,
    reads_source: bool,
) -> Result<[Vec<usize>; 2], SplitError> {
    if !(held_out > 0.0 && held_out < 1.0) {
        return Err(SplitError::Share { share: held_out });
    }
    let blocks = together.blocks(rows, reads_source);
    if blocks.len() < 2 {
        return Err(SplitError::Inseparable { rows: rows.len(), together, reads_source });
    }
    let wanted = (rows.len() as f64 * held_out).round().clamp(1.0, rows.len() as f64 - 1.0);
    // The last of the order are held out, as far as they make the share.
    let mut order = Draws::new([seed, 0x4845_4c44]).order(blocks.len());
    order.reverse();
    let sizes: Vec<usize> = order.iter().map(|&block| blocks[block].len()).collect();
    let taken = nearest(&sizes, wanted);
    Ok([false, true].map(|side| {
        let blocks_there = order.iter().zip(&taken).filter(|(_, taken)| **taken == side);
        let mut rows: Vec<usize> =
            blocks_there.flat_map(|(&block, _)| &blocks[block]).copied().collect();
        rows.sort_unstable();
        rows
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Rows of these bases.
    fn rows(bases: &[usize]) -> Vec<Row> {
        bases.iter().map(|base| Row::of_base(base.to_string())).collect()
    }

    fn halves(rows: &[Row], share: f64, seed: u64) -> [Vec<usize>; 2] {
        split(rows, share, seed, Together::Prompts, true).unwrap()
    }

    #[test]
    fn every_row_is_on_one_side() {
        let ten = rows(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let [trained, held_out] = halves(&ten, 0.2, 7);
        assert_eq!((trained.len(), held_out.len()), (8, 2));
        let mut all = [trained.clone(), held_out.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        assert_ne!(halves(&ten, 0.2, 8)[0], trained);
        // Rows without twins are divided as they always were: the last of an order that is drawn.
        let mut last = Draws::new([7, 0x4845_4c44]).order(10).split_off(8);
        last.sort_unstable();
        assert_eq!(held_out, last);
        assert_eq!(halves(&ten[..2], 0.01, 0).map(|side| side.len()), [1, 1]);
    }

    #[test]
    fn the_share_is_met_by_twins_of_different_numbers() {
        let twins = rows(&[0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        for seed in 0..8 {
            assert_eq!(halves(&twins, 0.2, seed)[1], [0, 1]);
        }
    }

    #[test]
    fn rows_of_the_same_prompts_are_on_one_side() {
        let twins = rows(&[0, 1, 0, 2, 1, 3, 3, 0]);
        for seed in 0..20 {
            let [trained, held_out] = halves(&twins, 0.4, seed);
            assert!(!trained.is_empty() && !held_out.is_empty());
            for row in trained {
                assert!(held_out.iter().all(|&other| twins[other].base != twins[row].base));
            }
        }
        let mut sources = [Row::new("a", "b"), Row::new("a", "c"), Row::new("d", "b")];
        for seed in 0..20 {
            // No source is read: the first two are the same.
            let [_, held_out] = split(&sources, 0.34, seed, Together::Prompts, false).unwrap();
            assert_ne!(held_out.contains(&0), held_out.contains(&2));
            assert_eq!(held_out.contains(&0), held_out.contains(&1));
        }
        sources.iter_mut().for_each(|row| row.group = Some("one".to_owned()));
        let error = split(&sources, 0.5, 0, Together::Groups, true).unwrap_err();
        assert!(error.to_string().contains("all belong to one group"), "{error}");
    }

    #[test]
    fn what_cannot_be_divided_says_so() {
        for few in [&[][..], &[3], &[3, 3, 3]] {
            let error = split(&rows(few), 0.2, 0, Together::Prompts, true).unwrap_err();
            assert!(error.to_string().contains("cannot be split into two"), "{error}");
        }
        for share in [0.0, 1.0, f64::NAN] {
            assert!(split(&rows(&[0, 1]), share, 0, Together::Prompts, true).is_err());
        }
    }
}
