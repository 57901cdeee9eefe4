//! What a plan reads: `[read]` with `positions`, and of the distributions there all, or some tokens.

use std::sync::Arc;

use vene_engine::plan::{Outputs, Plan, Positions, Tokens};
use vene_model::Outline;

use super::document::{Node, table};
use super::error::PlanFileError;
use super::positions;
use super::table::Item;

const EXPECTED: &str =
    "tokens, as [\" Madrid\", 42] (texts or ids), or a list of such lists, one for each example";

/// The plan, with what the section says of it.
pub(super) fn read(
    item: &Item<'_>,
    mut plan: Plan,
    outline: &Outline,
) -> Result<Plan, PlanFileError> {
    let known = ["positions", "logits_of", "probabilities_of", "original"];
    let table = item.table("a table", &known)?;
    let positions = table.read("positions", positions::read)?.unwrap_or_default();
    let outputs = match (table.get("logits_of"), table.get("probabilities_of")) {
        (None, None) => Outputs::Distributions,
        (Some(ids), None) => Outputs::Logits(tokens(&ids, outline)?),
        (None, Some(ids)) => Outputs::Probabilities(tokens(&ids, outline)?),
        (Some(_), Some(second)) => {
            return Err(second.contradiction(
                "give `logits_of` or `probabilities_of`; the latter has the logits too",
            ));
        }
    };
    if table.read("original", Item::flag)?.unwrap_or(false) {
        plan = plan.with_original();
    }
    Ok(plan.read(positions).outputs(outputs))
}

fn tokens(item: &Item<'_>, outline: &Outline) -> Result<Tokens, PlanFileError> {
    let id = |item: &Item<'_>| match item.text("") {
        Ok(text) => {
            let token = outline.tokenizer().single_token(text);
            token.map_err(|error| item.contradiction(error.to_string()))
        }
        Err(_) => item.whole::<u32>(EXPECTED),
    };
    let ids = |item: &Item<'_>| item.list(EXPECTED)?.iter().map(id).collect();
    let items = item.list(EXPECTED)?;
    match !items.is_empty() && items.iter().all(|item| item.list("").is_ok()) {
        true => {
            let lists = items.iter().map(ids).collect::<Result<Vec<Vec<u32>>, _>>()?;
            Ok(lists.into())
        }
        false => Ok(ids(item)?.into()),
    }
}

/// Nothing where it is what a plan reads anyway.
pub(super) fn write(plan: &Plan) -> Result<Option<Node>, PlanFileError> {
    let tokens = |tokens: &Tokens| -> Node {
        match tokens {
            Tokens::Same(ids) => ids.to_vec().into(),
            Tokens::Each(lists) => Arc::clone(lists).to_vec().into(),
        }
    };
    let of = match &plan.outputs {
        Outputs::Distributions => None,
        Outputs::Logits(ids) => Some(("logits_of", tokens(ids))),
        Outputs::Probabilities(ids) => Some(("probabilities_of", tokens(ids))),
        Outputs::Each(_) | Outputs::Reduced(_) => {
            return Err(PlanFileError::NotWritable {
                entry: "read".to_owned(),
                problem:
                    "numbers that a program makes of the distributions are no part of a file: \
                          read them whole, or name tokens"
                        .to_owned(),
            });
        }
    };
    let positions = (plan.read != Positions::Last).then(|| positions::write(&plan.read));
    let entries: Vec<_> = [
        positions.map(|positions| ("positions", positions)),
        of,
        plan.original.then(|| ("original", true.into())),
    ]
    .into_iter()
    .flatten()
    .collect();
    Ok((!entries.is_empty()).then(|| table(entries)))
}
