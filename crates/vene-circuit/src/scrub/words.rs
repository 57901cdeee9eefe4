//! What the words of a claim mean for a model: senders, features, inputs.

use vene_data::{PreparedRow, Role};

use super::feature::{Feature, Known};
use super::hypothesis::{Claim, HypothesisError};
use super::resolved::Senders;
use crate::graph::{Graph, Sender};

pub(super) fn known(node: &str, feature: &str) -> Result<Known, HypothesisError> {
    Known::named(feature).ok_or_else(|| HypothesisError::Feature {
        node: node.to_owned(),
        feature: vene_named::shown(feature),
    })
}

pub(super) fn senders(
    node: &str,
    claim: &Claim,
    graph: &Graph,
) -> Result<Senders, HypothesisError> {
    if claim.senders.is_empty() {
        return Err(HypothesisError::NoSender { node: node.to_owned() });
    }
    if claim.senders.iter().any(|sender| sender == "rest") {
        let reads = [&claim.reads, &claim.query, &claim.key, &claim.value];
        if claim.senders.len() > 1 || reads.into_iter().any(Option::is_some) {
            return Err(HypothesisError::Rest { node: node.to_owned() });
        }
        return Ok(Senders::Rest);
    }
    let mut found: Vec<Sender> = Vec::new();
    for name in &claim.senders {
        let wrong = |problem: String| HypothesisError::Sender {
            node: node.to_owned(),
            sender: vene_named::shown(name),
            problem,
        };
        match name.as_str() {
            "heads" => {
                found.extend(graph.senders().filter(|one| matches!(one, Sender::Head { .. })))
            }
            "mlps" => found.extend(graph.senders().filter(|one| matches!(one, Sender::Mlp { .. }))),
            name => {
                let sender: Sender = name.parse().map_err(|error| wrong(format!("{error}")))?;
                if !graph.has_sender(sender) {
                    return Err(wrong(format!(
                        "this model has {} layers of {} heads",
                        graph.layers(),
                        graph.heads()
                    )));
                }
                found.push(sender);
            }
        }
    }
    found.sort_by_key(|sender| graph.sender_index(*sender));
    found.dedup();
    Ok(Senders::Named(found))
}

/// That what is said of inputs is of senders that have them.
pub(super) fn check_inputs(
    node: &str,
    claim: &Claim,
    senders: &Senders,
) -> Result<(), HypothesisError> {
    let Senders::Named(senders) = senders else { return Ok(()) };
    let node = node.to_owned();
    if !senders.iter().any(|sender| matches!(sender, Sender::Head { .. })) {
        for (input, given) in
            [("query", &claim.query), ("key", &claim.key), ("value", &claim.value)]
        {
            if given.is_some() {
                return Err(HypothesisError::NoHead { node, input });
            }
        }
    }
    if claim.reads.is_some() && senders[..] == [Sender::Input] {
        return Err(HypothesisError::ReadsNothing { node });
    }
    Ok(())
}

pub(super) fn feature_of(
    node: &str,
    name: &str,
    rows: &[PreparedRow],
    (roles, own): (&[Role], &[Feature]),
) -> Result<Feature, HypothesisError> {
    if let Some(own) = own.iter().find(|own| own.name() == name) {
        return Ok(own.clone());
    }
    let known = known(node, name)?;
    if known.is_word() && rows.iter().any(|row| row.row.spans.contains_key(name)) {
        let (node, feature) = (node.to_owned(), name.to_owned());
        return Err(HypothesisError::AmbiguousFeature { node, feature });
    }
    Ok(Feature::of(name, &known, roles))
}
