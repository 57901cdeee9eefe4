//! What a plan reads of chosen tokens, as numbers beside the metrics.

use vene_engine::Reading;
use vene_engine::plan::{Outputs, Plan, Tokens};
use vene_model::Outline;

use super::PlanSweepError;

/// A token whose logit, or probability, a plan reads.
#[derive(Clone, Debug)]
pub(super) struct TokenRead {
    /// What it is called in tables: ``probability of ` Madrid` ``.
    pub(super) name: String,
    /// Its place among the plan's tokens.
    pub(super) place: usize,
    pub(super) is_probability: bool,
}

impl TokenRead {
    /// Those of plans, which all read the same.
    pub(super) fn of_all<'p>(
        plans: impl Iterator<Item = &'p Plan>,
        outline: &Outline,
    ) -> Result<Vec<Self>, PlanSweepError> {
        let mut first: Option<Vec<Self>> = None;
        for plan in plans {
            let reads = Self::of(plan, outline)?;
            let names = |reads: &[Self]| -> Vec<String> {
                reads.iter().map(|read| read.name.clone()).collect()
            };
            match &first {
                Some(first) if names(first) != names(&reads) => {
                    return Err(PlanSweepError::OtherReads);
                }
                Some(_) => {}
                None => first = Some(reads),
            }
        }
        Ok(first.unwrap_or_default())
    }

    /// Those of a plan.
    fn of(plan: &Plan, outline: &Outline) -> Result<Vec<Self>, PlanSweepError> {
        let (tokens, is_probability) = match &plan.outputs {
            Outputs::Distributions => return Ok(Vec::new()),
            Outputs::Logits(tokens) => (tokens, false),
            Outputs::Probabilities(tokens) => (tokens, true),
            Outputs::Each(_) | Outputs::Reduced(_) => return Err(PlanSweepError::Reduced),
        };
        let Tokens::Same(tokens) = tokens else {
            return Err(PlanSweepError::ListedReads { what: "tokens" });
        };
        let what = if is_probability { "probability" } else { "logit" };
        let read = |(place, &token): (usize, &u32)| {
            let text = outline.tokenizer().token_text(token);
            let text = text.unwrap_or_else(|_| format!("#{token}"));
            Self { name: format!("{what} of `{text}`"), place, is_probability }
        };
        // A token that is listed twice is read once; of tokens with one text each is told by its id too.
        let listed = |(place, token): &(usize, &u32)| !tokens[..*place].contains(token);
        let mut reads: Vec<Self> = tokens.iter().enumerate().filter(listed).map(read).collect();
        let names: Vec<String> = reads.iter().map(|read| read.name.clone()).collect();
        for (read, name) in reads.iter_mut().zip(&names) {
            if names.iter().filter(|other| *other == name).count() > 1 {
                read.name = format!("{name} (#{})", tokens[read.place]);
            }
        }
        Ok(reads)
    }

    /// The number, of what was read at a position.
    pub(super) fn value(&self, reading: &Reading) -> Option<f64> {
        if self.is_probability {
            let normaliser = reading.log_normaliser()?;
            Some((reading.logits().get(self.place)? - normaliser).exp())
        } else {
            reading.logits().get(self.place).copied()
        }
    }
}
