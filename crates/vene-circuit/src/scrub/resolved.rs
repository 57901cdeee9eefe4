//! A hypothesis on a model's graph: nodes by number, senders that there are, no circles.

use vene_data::{PreparedRow, Role};

use super::feature::{Feature, Known};
use super::hypothesis::{Hypothesis, HypothesisError};
use super::words::{check_inputs, feature_of, known, senders};
use crate::graph::{Graph, Sender};

/// More ways from the logits to nodes than this are refused.
const MOST_PATHS: usize = 100_000;

/// Where a node reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrance {
    Logits,
    Query,
    Key,
    Value,
    Mlp,
}

/// What is read at an entrance: nodes by number, all else of another row; `None`: what the row itself has.
pub(super) type Reads = Option<Vec<usize>>;

/// A hypothesis on a graph.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub(super) name: String,
    pub(super) logits: Vec<usize>,
    pub(super) baseline: Vec<usize>,
    pub(super) nodes: Vec<Node>,
}

/// A node of it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) senders: Senders,
    pub(super) agrees: Vec<Feature>,
    query: Reads,
    key: Reads,
    value: Reads,
    mlp: Reads,
}

/// Whose contributions a node claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Senders {
    /// In the order of the computation, each once.
    Named(Vec<Sender>),
    /// All that no other node has which is read at the same place.
    Rest,
}

impl Node {
    pub(super) fn reads(&self, entrance: Entrance) -> Option<&[usize]> {
        let reads = match entrance {
            Entrance::Query => &self.query,
            Entrance::Key => &self.key,
            Entrance::Value => &self.value,
            Entrance::Mlp => &self.mlp,
            Entrance::Logits => return None,
        };
        reads.as_deref()
    }

    /// Whether it is what the row itself has.
    pub(super) fn is_leaf(&self) -> bool {
        [&self.query, &self.key, &self.value, &self.mlp].into_iter().all(Option::is_none)
    }

    /// Whether rows are drawn for each position by itself.
    pub(super) fn is_by_position(&self) -> bool {
        self.agrees.iter().any(Feature::is_by_position)
    }

    fn children(&self) -> impl Iterator<Item = usize> + '_ {
        [&self.query, &self.key, &self.value, &self.mlp].into_iter().flatten().flatten().copied()
    }
}

impl Hypothesis {
    /// The roles that its nodes agree on, each once.
    ///
    /// # Errors
    /// A feature that is none, and none of `own`.
    pub fn roles(&self, own: &[Feature]) -> Result<Vec<Role>, HypothesisError> {
        let mut roles = Vec::new();
        for (name, claim) in &self.nodes {
            for feature in &claim.agrees {
                if own.iter().any(|own| own.name() == feature) {
                    continue;
                }
                match known(name, feature)? {
                    Known::Role(role) if !roles.contains(&role) => roles.push(role),
                    _ => {}
                }
            }
        }
        Ok(roles)
    }
}

impl Resolved {
    /// `roles`: those that the rows were prepared for; `own`: features of one's own.
    pub(super) fn of(
        hypothesis: &Hypothesis,
        graph: &Graph,
        rows: &[PreparedRow],
        (roles, own): (&[Role], &[Feature]),
    ) -> Result<Self, HypothesisError> {
        let names: Vec<&str> = hypothesis.nodes.keys().map(String::as_str).collect();
        let numbers = |place: &str, nodes: &[String]| numbers(&names, place, nodes);
        let mut nodes = Vec::with_capacity(names.len());
        for (name, claim) in &hypothesis.nodes {
            let senders = senders(name, claim, graph)?;
            check_inputs(name, claim, &senders)?;
            let agrees = claim
                .agrees
                .iter()
                .map(|feature| feature_of(name, feature, rows, (roles, own)))
                .collect::<Result<_, _>>()?;
            let reads = |given: &Option<Vec<String>>, input: &str| {
                let place = format!("the {input} of `{name}`");
                let nodes = given.as_ref().or(claim.reads.as_ref());
                nodes.map(|nodes| numbers(&place, nodes)).transpose()
            };
            let has = |is: fn(&Sender) -> bool| match &senders {
                Senders::Named(senders) => senders.iter().any(is),
                Senders::Rest => false,
            };
            let heads = has(|sender| matches!(sender, Sender::Head { .. }));
            let mlps = has(|sender| matches!(sender, Sender::Mlp { .. }));
            let of_heads = |reads: Result<Reads, HypothesisError>| match heads {
                true => reads,
                false => Ok(None),
            };
            nodes.push(Node {
                name: name.clone(),
                agrees,
                query: of_heads(reads(&claim.query, "query"))?,
                key: of_heads(reads(&claim.key, "key"))?,
                value: of_heads(reads(&claim.value, "value"))?,
                mlp: if mlps { reads(&None, "MLP")? } else { None },
                senders,
            });
        }
        let logits = numbers("the hypothesis", &hypothesis.logits)?;
        let baseline = numbers("the baseline", &hypothesis.baseline)?;
        if let Some(&node) = baseline.iter().find(|node| !logits.contains(node)) {
            return Err(HypothesisError::Baseline { node: names[node].to_owned() });
        }
        let resolved = Self { name: hypothesis.name.clone(), logits, baseline, nodes };
        resolved.check(graph)?;
        Ok(resolved)
    }

    /// That every node is read, by what is computed later, and none by itself.
    fn check(&self, graph: &Graph) -> Result<(), HypothesisError> {
        let mut is_read = vec![false; self.nodes.len()];
        let read = self.logits.iter().copied().chain(self.nodes.iter().flat_map(Node::children));
        read.for_each(|node| is_read[node] = true);
        if let Some(node) = is_read.iter().position(|is_read| !is_read) {
            return Err(HypothesisError::Unread { node: self.nodes[node].name.clone() });
        }
        self.check_readers(graph)?;
        let mut paths = vec![None; self.nodes.len()];
        let mut all = 0usize;
        for &node in &self.logits {
            all = all.saturating_add(self.paths(node, &mut paths, &mut Vec::new())?);
        }
        match all <= MOST_PATHS {
            true => Ok(()),
            false => Err(HypothesisError::TooManyPaths { paths: all, most: MOST_PATHS }),
        }
    }

    fn check_readers(&self, graph: &Graph) -> Result<(), HypothesisError> {
        let check = |place: String, children: &[usize], before: usize| {
            let of = |child: usize| match &self.nodes[child].senders {
                Senders::Named(senders) => senders.as_slice(),
                Senders::Rest => &[],
            };
            for (place_of, &child) in children.iter().enumerate() {
                let name = || self.nodes[child].name.clone();
                let is_before = |sender: &Sender| graph.sender_index(*sender) < before;
                let is_rest = self.nodes[child].senders == Senders::Rest;
                if !is_rest && !of(child).iter().any(is_before) {
                    return Err(HypothesisError::Later { place: place.clone(), node: name() });
                }
                for &other in &children[..place_of] {
                    let shared = of(child).iter().find(|sender| of(other).contains(sender));
                    let is_twice = is_rest && self.nodes[other].senders == Senders::Rest;
                    if shared.is_some() || is_twice {
                        let first = self.nodes[other].name.clone();
                        let sender = shared.map_or("rest".to_owned(), ToString::to_string);
                        let place = place.clone();
                        return Err(HypothesisError::Shared {
                            place,
                            first,
                            second: name(),
                            sender,
                        });
                    }
                }
            }
            Ok(())
        };
        check("the hypothesis".to_owned(), &self.logits, graph.sender_count())?;
        for node in &self.nodes {
            let Senders::Named(senders) = &node.senders else { continue };
            let last = senders.iter().filter_map(|sender| sender.layer()).max().unwrap_or(0);
            let before = graph.sender_index(Sender::Head { layer: last, head: 0 });
            let of_mlp = match graph.is_parallel() {
                true => before,
                false => graph.sender_index(Sender::Mlp { layer: last }),
            };
            let entrances = [
                (Entrance::Query, "query", before),
                (Entrance::Key, "key", before),
                (Entrance::Value, "value", before),
                (Entrance::Mlp, "MLP", of_mlp),
            ];
            for (entrance, input, before) in entrances {
                let place = format!("the {input} of `{}`", node.name);
                check(place, node.reads(entrance).unwrap_or_default(), before)?;
            }
        }
        Ok(())
    }

    /// How many ways lead from a node to nodes that it reads, itself among them.
    fn paths(
        &self,
        node: usize,
        known: &mut Vec<Option<usize>>,
        above: &mut Vec<usize>,
    ) -> Result<usize, HypothesisError> {
        if above.contains(&node) {
            return Err(HypothesisError::Circle { node: self.nodes[node].name.clone() });
        }
        if let Some(paths) = known[node] {
            return Ok(paths);
        }
        above.push(node);
        let mut paths = 1usize;
        for child in self.nodes[node].children() {
            paths = paths.saturating_add(self.paths(child, known, above)?);
        }
        above.pop();
        known[node] = Some(paths);
        Ok(paths)
    }
}

fn numbers(names: &[&str], place: &str, nodes: &[String]) -> Result<Vec<usize>, HypothesisError> {
    let mut found = Vec::with_capacity(nodes.len());
    for node in nodes {
        let number =
            names.iter().position(|name| name == node).ok_or_else(|| HypothesisError::NoNode {
                place: place.to_owned(),
                node: vene_named::shown(node),
                known: names.join(", "),
            })?;
        if found.contains(&number) {
            return Err(HypothesisError::Twice { place: place.to_owned(), node: node.clone() });
        }
        found.push(number);
    }
    Ok(found)
}
