//! When an edit is made to a text that is being generated.

use vene_model::DecoderConfig;

use super::resolve::{ResolvedEdit, ResolvedPlan, ResolvedSource, unit_width};
use super::{Example, Run};
use crate::error::RunError;

/// The steps of a generation at which an edit is made.
///
/// Step 0 is the pass over the prompt, which gives the first new token; there an edit lands at its
/// positions. Step `k` is the pass over the `k`-th new token, which gives the next; there it lands on
/// that token's own row, and of other runs it reads what it reads for the prompt.
///
/// ```
/// use vene::When;
///
/// assert!(When::Prompt.covers(0) && !When::Prompt.covers(1));
/// assert!(When::EveryStep.covers(0) && When::EveryStep.covers(7));
/// assert!(!When::Generated.covers(0) && When::Generated.covers(1));
/// assert!(When::Steps(vec![0, 2]).covers(2));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// On the prompt (pyvene's `intervene_on_prompt=True`).
    #[default]
    Prompt,
    /// On the prompt and on every new token.
    EveryStep,
    /// On every new token and not on the prompt (pyvene's `intervene_on_prompt=False`).
    Generated,
    /// At these steps; 0 is the prompt.
    Steps(Vec<usize>),
}

impl When {
    /// Whether the edit is made at a step.
    pub fn covers(&self, step: usize) -> bool {
        match self {
            Self::Prompt => step == 0,
            Self::EveryStep => true,
            Self::Generated => step > 0,
            Self::Steps(steps) => steps.contains(&step),
        }
    }

    /// Whether the edit is made at a new token's step.
    pub(crate) fn covers_new_tokens(&self) -> bool {
        self.meets(&Self::Generated).is_some()
    }

    /// The last step that is named.
    pub(crate) fn last_named(&self) -> Option<usize> {
        match self {
            Self::Steps(steps) => steps.iter().max().copied(),
            _ => None,
        }
    }

    /// The first new token's step that both cover.
    pub(super) fn meets(&self, other: &Self) -> Option<usize> {
        let (named, other) = match (self, other) {
            (Self::Steps(steps), other) | (other, Self::Steps(steps)) => (steps.as_slice(), other),
            _ => return (self.covers(1) && other.covers(1)).then_some(1),
        };
        named.iter().copied().filter(|&step| step > 0 && other.covers(step)).min()
    }
}

impl ResolvedEdit {
    /// What is wrong with making it at its steps, if something is.
    pub(super) fn check_steps(
        &self,
        config: &DecoderConfig,
        examples: &[Example],
    ) -> Result<(), String> {
        if matches!(&self.when, When::Steps(steps) if steps.is_empty()) {
            return Err("they are none; name one, 0 being the prompt".to_owned());
        }
        if !self.when.covers_new_tokens() {
            return Ok(());
        }
        let component = self.site.component();
        if component.is_pattern()
            && self.source.is_some()
            && self.units.iter().any(|unit| unit.keys.is_none())
        {
            return Err(format!(
                "a new token's {component} has more keys than its source: name those that are meant"
            ));
        }
        let several = |count: usize| {
            Err(format!(
                "a new token has one row, and its source has {count}: read one position, or give one \
                 row for all"
            ))
        };
        match &self.source {
            None | Some(ResolvedSource::Current(_)) => Ok(()),
            Some(ResolvedSource::Given(values)) => {
                let mut units = self.units.iter().zip(examples);
                let rows = |(unit, example): (&super::Unit, &Example)| {
                    let width = unit_width(unit, self.site, config, example.base.len());
                    Some(values.len() / width.max(1)).filter(|&rows| rows > 1)
                };
                units.find_map(rows).map_or(Ok(()), several)
            }
            Some(ResolvedSource::Runs { units, .. }) => {
                let mut read = units.iter().flatten();
                if read.clone().any(|(run, _)| *run == Run::Base) {
                    return Err(
                        "the base's unedited run has no new tokens to read; add the base as a \
                                source, if a position of its prompt is meant"
                            .to_owned(),
                    );
                }
                let rows = |(_, unit): &(Run, super::Unit)| {
                    Some(unit.positions.len()).filter(|&rows| rows > 1)
                };
                read.find_map(rows).map_or(Ok(()), several)
            }
        }
    }
}

impl ResolvedPlan {
    /// Refuses, for who runs prompts only, an edit that is not on the prompt.
    pub(crate) fn refuse_steps(&self) -> Result<(), RunError> {
        match self.edits.iter().enumerate().find(|(_, edit)| !edit.when.covers(0)) {
            Some((edit, ResolvedEdit { site, .. })) => {
                Err(RunError::NotOnPrompt { edit, site: *site })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_meets_at_a_new_token() {
        let steps = |steps: &[usize]| When::Steps(steps.to_vec());
        assert_eq!(When::Prompt.meets(&When::EveryStep), None);
        assert_eq!(When::EveryStep.meets(&When::Generated), Some(1));
        assert_eq!(steps(&[0, 5, 3]).meets(&When::EveryStep), Some(3));
        assert_eq!(When::Generated.meets(&steps(&[0])), None);
        assert_eq!(steps(&[0, 2, 4]).meets(&steps(&[0, 4])), Some(4));
        assert!(!steps(&[0]).covers_new_tokens());
    }
}
