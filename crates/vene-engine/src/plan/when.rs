//! When an edit is made to a text that is being generated.

use vene_model::DecoderConfig;

use super::resolve::unit_width;
use super::{Example, ResolvedEdit, ResolvedPlan, ResolvedSource, Run, Unit};
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
    pub(super) fn refuse_at_steps(
        &self,
        config: &DecoderConfig,
        examples: &[Example],
    ) -> Option<String> {
        if matches!(&self.when, When::Steps(steps) if steps.is_empty()) {
            return Some("they are none; name one, 0 being the prompt".to_owned());
        }
        if !self.when.covers_new_tokens() {
            return None;
        }
        if let Run::Source(source) = self.run {
            return Some(format!(
                "source {source} is a prompt, of which no new tokens are generated; make it on the prompt"
            ));
        }
        let component = self.site.component();
        let edited = || self.units.iter().filter(|unit| !unit.is_empty());
        if component.is_pattern()
            && self.source.is_some()
            && edited().any(|unit| unit.keys.is_none())
        {
            return Some(format!(
                "a new token's {component} has more keys than its source: name those that are meant"
            ));
        }
        if self.reads_base() {
            return Some(
                "the base's unedited run has no new tokens to read; add the base as a source, if a \
                 position of its prompt is meant"
                    .to_owned(),
            );
        }
        let written = edited().map(|unit| unit.positions.len()).max().filter(|_| self.concatenated);
        let rows = written.into_iter().chain(self.rows_read(config, examples)).max()?;
        (rows > 1).then(|| {
            format!(
                "a new token has one row, and {rows} are meant together: name one position, or give one \
                 row for all"
            )
        })
    }

    fn reads_base(&self) -> bool {
        let Some(ResolvedSource::Runs { units, .. }) = &self.source else { return false };
        units.iter().flatten().any(|(run, _)| *run == Run::Base)
    }

    /// How many rows of its own a source has at most, where it is not the run itself.
    fn rows_read(&self, config: &DecoderConfig, examples: &[Example]) -> Option<usize> {
        match self.source.as_ref()? {
            ResolvedSource::Current(_) => None,
            ResolvedSource::Runs { units, .. } => {
                units.iter().flatten().map(|(_, unit)| unit.positions.len()).max()
            }
            ResolvedSource::Given(values) => {
                let rows = |(example, unit): (usize, &Unit)| {
                    let tokens = examples[example].base.len();
                    let width = unit_width(unit, self.site, config, tokens).max(1);
                    values[example].iter().map(|values| values.len() / width).max()
                };
                let edited = self.units.iter().enumerate().filter(|(_, unit)| !unit.is_empty());
                edited.filter_map(rows).max()
            }
        }
    }
}

impl ResolvedPlan {
    /// Refuses, for who runs prompts only, an edit that is not on the prompt.
    pub(crate) fn refuse_steps(&self) -> Result<(), RunError> {
        match self.edits.iter().find(|edit| !edit.when.covers(0)) {
            Some(edit) => Err(RunError::NotOnPrompt { edit: edit.index, site: edit.site }),
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
