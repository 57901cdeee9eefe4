//! Generation: held to whole runs by the reference executor, and by what its settings promise.

mod bits;
mod refused;
mod settings;
mod steps;
mod whole_runs;

use std::ops::ControlFlow;

use vene::generation::GenerationError;
use vene::plan::ResolvedPlan;
use vene::{Generation, Generator, Model, RunError};

/// A greedy generator that stops at no token.
pub fn greedy(max_new_tokens: usize) -> Generator {
    Generator { max_new_tokens, stop: Some(Vec::new()), ..Generator::default() }
}

pub fn generate(generator: &Generator, model: &Model, plan: &ResolvedPlan) -> Generation {
    generator
        .run(model, plan, &mut |_| ControlFlow::Continue(()))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The logits that each text's tokens were taken from: of the edited texts, and of the originals, by
/// prompt and step.
pub type StepLogits = [Vec<Vec<Vec<f64>>>; 2];

/// Generates one text for each prompt, and keeps all logits.
pub fn with_logits(
    generator: &Generator,
    model: &Model,
    plan: &ResolvedPlan,
) -> Result<(Generation, StepLogits), RunError> {
    let mut logits = [0, 1].map(|_| vec![Vec::new(); plan.examples().len()]);
    let generation = generator.run(model, plan, &mut |token| {
        let steps: &mut Vec<Vec<f64>> = &mut logits[usize::from(token.is_original)][token.prompt];
        assert_eq!(steps.len(), token.step);
        steps.push(token.distribution.logits().to_vec());
        ControlFlow::Continue(())
    });
    match generation {
        Ok(generation) => Ok((generation, logits)),
        Err(GenerationError::Run(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}
