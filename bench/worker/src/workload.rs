//! Workloads as `workloads.py` writes them; what the fields mean is told there.

use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Request {
    /// A [`Workload`], or one over a data set.
    pub(crate) workload: serde_json::Value,
}

#[derive(Deserialize)]
pub(crate) struct Workload {
    pub(crate) model: String,
    pub(crate) kind: Kind,
    pub(crate) examples: Vec<Tokens>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) freeze: Option<String>,
    pub(crate) noise: Option<Noise>,
    pub(crate) read: Read,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Interchange,
    Restore,
    Forward,
}

#[derive(Deserialize)]
pub(crate) struct Tokens {
    pub(crate) base: Vec<u32>,
    pub(crate) source: Option<Vec<u32>>,
}

#[derive(Deserialize)]
pub(crate) struct Cell {
    pub(crate) component: String,
    pub(crate) layer: usize,
    pub(crate) position: i64,
    pub(crate) head: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct Noise {
    pub(crate) positions: Vec<i64>,
    /// For each row, for each of the positions, a vector.
    pub(crate) rows: Vec<Vec<Vec<f64>>>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Read {
    Probability {
        tokens: Vec<u32>,
    },
    LogitDifference {
        /// For each example the token whose logit counts and the one that is subtracted.
        pairs: Vec<[u32; 2]>,
    },
}
