//! Teacher forcing: a base that goes on with the answer that its edited run should give.
//!
//! An answer of several tokens is asked for all at once: its tokens but the last stand after the base, and each is
//! predicted at the position before it. The plan's words still mean tokens of the base alone, so that what is edited is
//! what would be edited if the model wrote the answer itself.

use vene_model::{Outline, Prompt};

use super::{Edit, Example, Plan, Positions, ResolvedPlan, Run, Source, SourcePositions};
use crate::error::{PlanError, Whose};

/// A plan whose examples' bases go on with their answers, and what it reads of them.
#[derive(Clone, Debug)]
pub struct TeacherForced {
    /// The plan; it reads each base's last position and all positions after it.
    pub plan: ResolvedPlan,
    /// For each example the token that each of its reads should say: the answer's tokens.
    pub labels: Vec<Vec<u32>>,
}

impl Plan {
    /// The plan over examples whose bases go on with these answers, one for each example. All positions are those of the
    /// bases themselves: `last` is the base's last token, `all` are its tokens.
    ///
    /// # Errors
    /// As [`Plan::resolve`]; another number of answers than examples, an answer without a token, a plan that says itself
    /// which positions it reads, and an answer that is too long for the model.
    pub fn teacher_forced(
        &self,
        outline: &Outline,
        examples: &[Example],
        answers: &[Vec<u32>],
    ) -> Result<TeacherForced, PlanError> {
        let refused = |problem: String| Err(PlanError::TeacherForcing { problem });
        if answers.len() != examples.len() {
            let (answers, examples) = (answers.len(), examples.len());
            return refused(format!("{answers} answers are given for {examples} examples"));
        }
        if let Some(example) = answers.iter().position(Vec::is_empty) {
            return refused(format!("the answer of example {example} has no token"));
        }
        if self.read != Positions::Last {
            return refused(
                "the plan says itself which positions it reads; an answer is read from the base's last one on"
                    .to_owned(),
            );
        }
        // What is wrong with it is wrong without the answers too, and said in words of the bases.
        self.resolve(outline, examples)?;
        let bases: Vec<&Prompt> = examples.iter().map(|example| &example.base).collect();
        let continued = |(index, example): (usize, &Example)| {
            let answer = &answers[index];
            let tokens = [example.base.tokens(), &answer[..answer.len() - 1]].concat();
            let base = outline.prompt_from_tokens(&tokens).map_err(|error| PlanError::Input {
                whose: Whose::Other("the base with its answer"),
                example: index,
                error: Box::new(error),
            })?;
            Ok(Example { base, ..example.clone() })
        };
        let read = |(example, answer): (&Example, &Vec<u32>)| {
            let last = example.base.len() - 1;
            (last..last + answer.len()).map(|position| position as i64).collect()
        };
        let reads = Positions::Each(examples.iter().zip(answers).map(read).collect());
        let plan = self.in_bases(&bases)?.read(reads);
        let continued: Vec<Example> =
            examples.iter().enumerate().map(continued).collect::<Result<_, PlanError>>()?;
        Ok(TeacherForced { plan: plan.resolve(outline, &continued)?, labels: answers.to_vec() })
    }

    /// The same plan with numbers in place of words, as these bases have them, one for each example: for examples whose
    /// bases go on after their own tokens. What is read of other runs is still looked up there.
    ///
    /// # Errors
    /// Words that stand for nothing in a base.
    pub fn in_bases(&self, bases: &[&Prompt]) -> Result<Self, PlanError> {
        let mut plan = self.clone();
        plan.edits =
            self.edits.iter().map(|edit| edit_in_bases(edit, bases)).collect::<Result<_, _>>()?;
        for collect in &mut plan.collects {
            collect.positions = numbers(&collect.positions, bases)?;
        }
        plan.read = numbers(&self.read, bases)?;
        Ok(plan)
    }
}

fn edit_in_bases(edit: &Edit, bases: &[&Prompt]) -> Result<Edit, PlanError> {
    let in_run = |positions: &Positions, run: Run| match run {
        Run::Base => numbers(positions, bases),
        Run::Source(_) => Ok(positions.clone()),
    };
    let read_run = edit.read_run();
    // What is read in another run is found by the words that the edit is written with, there.
    let read = match &edit.source_positions {
        None if read_run != Run::Base => Some(edit.positions.clone().into()),
        None => None,
        Some(SourcePositions::Same(same)) => Some(in_run(same, read_run)?.into()),
        Some(SourcePositions::BySource(each)) => {
            let each = each.iter().map(|positions| in_run(positions, read_run));
            Some(each.collect::<Result<Vec<_>, _>>()?.into())
        }
    };
    // Keys that are not named are all of the run, of which the answer is not one.
    let all = edit.component.is_pattern().then_some(Positions::All);
    let keys = edit.keys.as_ref().or(all.as_ref());
    let source_keys = edit.source_keys.as_ref().or(keys);
    Ok(Edit {
        positions: in_run(&edit.positions, edit.run)?,
        keys: keys.map(|keys| in_run(keys, edit.run)).transpose()?,
        source_positions: read.filter(|_| edit.source.is_some()),
        source_keys: source_keys.map(|keys| in_run(keys, read_run)).transpose()?,
        ..edit.clone()
    })
}

/// Positions as numbers in each base.
fn numbers(positions: &Positions, bases: &[&Prompt]) -> Result<Positions, PlanError> {
    let in_base = |(example, base): (usize, &&Prompt)| {
        let found = positions.resolve(base, example);
        let found =
            found.map_err(|error| PlanError::Position { whose: Whose::Base, example, error })?;
        Ok(found.into_iter().map(|position| position as i64).collect())
    };
    let each = bases.iter().enumerate().map(in_base).collect::<Result<_, PlanError>>()?;
    Ok(Positions::Each(each))
}

impl Edit {
    /// The run that it reads at positions of its own.
    pub(super) fn read_run(&self) -> Run {
        match self.source {
            Some(Source::Run(source)) => Run::Source(source),
            Some(Source::AllRuns) => Run::Source(0),
            _ => Run::Base,
        }
    }
}
