//! Nodes: what adds to the residual stream, and what reads it.
//!
//! Names are those of EAP-IG (Hanna et al. 2024): `input`, `a5.h1`, `m5`, `logits`; a head's three inputs are `a5.h1<q>`, `a5.h1<k>`,
//! `a5.h1<v>`. Where several query heads share keys and values and the graph is grouped, these are `a5.kv0<k>`, `a5.kv0<v>`.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use super::GraphError;

/// What adds to the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sender {
    /// The embeddings of tokens, without positions.
    Input,
    /// A head, without the attention output's bias.
    Head {
        /// Its layer.
        layer: usize,
        /// Its number, of query heads.
        head: usize,
    },
    /// An MLP.
    Mlp {
        /// Its layer.
        layer: usize,
    },
}

/// What reads the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Receiver {
    /// A head's queries.
    Query {
        /// Its layer.
        layer: usize,
        /// Its number, of query heads.
        head: usize,
    },
    /// A head's keys.
    Key {
        /// Its layer.
        layer: usize,
        /// Whose keys.
        head: KeyHead,
    },
    /// A head's values.
    Value {
        /// Its layer.
        layer: usize,
        /// Whose values.
        head: KeyHead,
    },
    /// An MLP.
    Mlp {
        /// Its layer.
        layer: usize,
    },
    /// The unembedding, with the norm before it.
    Logits,
}

/// Whose keys or values are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyHead {
    /// One query head's own copy, of an ungrouped graph; its group reads on what it did.
    Own(usize),
    /// Those that a group of query heads shares, of a grouped graph.
    Shared(usize),
}

/// From a sender to a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// What adds to the residual stream.
    pub sender: Sender,
    /// What reads it.
    pub receiver: Receiver,
}

impl Sender {
    /// Its layer; `None` for the input.
    pub fn layer(self) -> Option<usize> {
        match self {
            Self::Input => None,
            Self::Head { layer, .. } | Self::Mlp { layer } => Some(layer),
        }
    }
}

impl Receiver {
    /// Its layer; `None` for the logits.
    pub fn layer(self) -> Option<usize> {
        match self {
            Self::Logits => None,
            Self::Query { layer, .. }
            | Self::Key { layer, .. }
            | Self::Value { layer, .. }
            | Self::Mlp { layer } => Some(layer),
        }
    }
}

impl Display for Sender {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input => formatter.write_str("input"),
            Self::Head { layer, head } => write!(formatter, "a{layer}.h{head}"),
            Self::Mlp { layer } => write!(formatter, "m{layer}"),
        }
    }
}

impl Display for KeyHead {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(head) => write!(formatter, "h{head}"),
            Self::Shared(head) => write!(formatter, "kv{head}"),
        }
    }
}

impl Display for Receiver {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query { layer, head } => write!(formatter, "a{layer}.h{head}<q>"),
            Self::Key { layer, head } => write!(formatter, "a{layer}.{head}<k>"),
            Self::Value { layer, head } => write!(formatter, "a{layer}.{head}<v>"),
            Self::Mlp { layer } => write!(formatter, "m{layer}"),
            Self::Logits => formatter.write_str("logits"),
        }
    }
}

impl Display for Edge {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}->{}", self.sender, self.receiver)
    }
}

/// A number in decimal digits, with no sign and nothing around it.
fn number(text: &str) -> Option<usize> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

/// `a5.h1`, or `a5.kv0`: the layer and what follows the point.
fn of_attention(text: &str) -> Option<(usize, &str)> {
    let (layer, head) = text.strip_prefix('a')?.split_once('.')?;
    Some((number(layer)?, head))
}

impl FromStr for Sender {
    type Err = GraphError;

    fn from_str(text: &str) -> Result<Self, GraphError> {
        let head = || {
            let (layer, head) = of_attention(text)?;
            Some(Self::Head { layer, head: number(head.strip_prefix('h')?)? })
        };
        let mlp = || Some(Self::Mlp { layer: number(text.strip_prefix('m')?)? });
        let found = if text == "input" { Some(Self::Input) } else { head().or_else(mlp) };
        found.ok_or_else(|| GraphError::Sender(vene_named::shown(text)))
    }
}

impl FromStr for Receiver {
    type Err = GraphError;

    fn from_str(text: &str) -> Result<Self, GraphError> {
        let of_head = || {
            let (head, input) = text.strip_suffix('>')?.split_once('<')?;
            let (layer, head) = of_attention(head)?;
            let key_head = || {
                let own = head.strip_prefix('h').and_then(number).map(KeyHead::Own);
                own.or_else(|| head.strip_prefix("kv").and_then(number).map(KeyHead::Shared))
            };
            match input {
                "q" => Some(Self::Query { layer, head: number(head.strip_prefix('h')?)? }),
                "k" => Some(Self::Key { layer, head: key_head()? }),
                "v" => Some(Self::Value { layer, head: key_head()? }),
                _ => None,
            }
        };
        let mlp = || Some(Self::Mlp { layer: number(text.strip_prefix('m')?)? });
        let found = if text == "logits" { Some(Self::Logits) } else { of_head().or_else(mlp) };
        found.ok_or_else(|| GraphError::Receiver(vene_named::shown(text)))
    }
}

impl FromStr for Edge {
    type Err = GraphError;

    fn from_str(text: &str) -> Result<Self, GraphError> {
        let (sender, receiver) =
            text.split_once("->").ok_or_else(|| GraphError::Edge(vene_named::shown(text)))?;
        Ok(Self { sender: sender.trim().parse()?, receiver: receiver.trim().parse()? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in [
            "input->m0",
            "input->a0.h3<q>",
            "a5.h1->a11.kv0<k>",
            "a5.h1->a11.h7<v>",
            "m5->logits",
            "m5->m7",
        ] {
            assert_eq!(name.parse::<Edge>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn other_names_are_refused_in_a_sentence() {
        for (name, part) in [
            ("a5.h1", "sender->receiver"),
            ("a5.h->m6", "`a5.h`"),
            ("a5.h+1->m6", "`a5.h+1`"),
            ("a5.kv1->m6", "`a5.kv1`"),
            ("a5.h1->a6.h1", "`a6.h1`"),
            ("a5.h1->a6.kv1<q>", "`a6.kv1<q>`"),
            ("m99999999999999999999->m6", "`m99999999999999999999`"),
            ("logits->m6", "`logits`"),
        ] {
            let error = name.parse::<Edge>().unwrap_err().to_string();
            assert!(error.contains(part), "{name}: {error}");
        }
    }
}
