//! A control: what do directions that nobody learned do in the same place?

use candle_core::Tensor;

use super::error::TrainingError;
use crate::intervention::{Constraint, Parameter, orthogonal};
use crate::plan::ResolvedPlan;
use crate::random::Draws;

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
    let rotations: Vec<Parameter> = super::trainer::learned(plan)
        .into_iter()
        .filter(|parameter| parameter.constraint == Constraint::Orthogonal)
        .collect();
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

/// Which of so many examples are trained on, and which are held out: the given share of them, at least one of
/// each where there are two, drawn by the seed; both in ascending order.
pub fn split(examples: usize, held_out: f64, seed: u64) -> [Vec<usize>; 2] {
    let count = (examples as f64 * held_out).round() as usize;
    let count = count.clamp(1.min(examples), examples.saturating_sub(1));
    let mut order = Draws::new([seed, 0x4845_4c44]).order(examples);
    let mut held_out = order.split_off(examples - count);
    order.sort_unstable();
    held_out.sort_unstable();
    [order, held_out]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_on_one_side() {
        let [trained, held_out] = split(10, 0.2, 7);
        assert_eq!((trained.len(), held_out.len()), (8, 2));
        let mut all = [trained.clone(), held_out].concat();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        assert_ne!(split(10, 0.2, 8)[0], trained);
        assert_eq!(split(2, 0.01, 0).map(|side| side.len()), [1, 1]);
        assert_eq!(split(0, 0.5, 0), [Vec::<usize>::new(), Vec::new()]);
    }
}
