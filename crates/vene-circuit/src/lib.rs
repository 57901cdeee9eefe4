//! Circuits: which part of a model talks to which, and how much of an answer goes that way.
//!
//! A circuit speaks of edges. A *sender* (the embeddings, a head, an MLP) adds to the residual stream; a *receiver* (a head's queries, keys or values, an
//! MLP, the logits) reads it. Patching one edge lets the receiver alone read what the sender adds in another run. Tools that rerun the model for that
//! pay a forward pass an edge, and approximate; here an edge is a fork that begins at its receiver, and costs what lies after it.
//!
//! * [`Graph`]: nodes and edges of a model, by the names of EAP-IG;
//! * [`EdgeEffects`]: the effect of every edge, exactly, in the rows of a data set;
//! * [`EdgeAttribution`]: the same to first order, by gradients (EAP, EAP-IG);
//! * [`PathEffects`]: path patching, from sets of senders to sets of receivers, directly or through MLPs;
//! * [`EdgeRanking`], [`SavedCircuit`]: circuits made of scores, and in files;
//! * [`Circuits`]: models in which only some edges are as they were;
//! * [`Faithfulness`]: how much of what a model does circuits of growing size do by themselves;
//! * [`HeadPairs`]: what patching two heads at once does beyond what each does, and Shapley values;
//! * [`Scrubbing`]: causal scrubbing, how much of it a [`Hypothesis`] of what is computed where accounts for.

mod attribution;
mod circuit_run;
mod circuits;
mod compare;
mod counterpart;
mod differences;
mod edge_patches;
mod edge_set;
mod edges;
mod error;
mod exact_check;
mod faithfulness;
mod faithfulness_curve;
mod frozen_norm;
pub mod graph;
mod graphml;
mod means;
mod node_run;
mod options;
mod pair_means;
mod pairs;
mod patch;
mod paths;
mod place;
mod prune;
mod ranking;
mod ratio_columns;
mod reader;
mod receiver_inputs;
mod receivers;
mod row_runs;
mod saved;
mod score;
mod scrub;
mod sent;
mod slope;
mod table;

pub use attribution::EdgeAttribution;
pub use circuits::{Carry, Circuits, Patched, RowCircuits};
pub use compare::Comparison;
pub use edge_set::EdgeSet;
pub use edges::{EdgeEffects, EdgeValues, RowEdges};
pub use error::CircuitError;
pub use exact_check::{Checked, ExactCheck, check_summary};
pub use faithfulness::{CircuitRole, CircuitSizes, Faithfulness, RowFaithfulness, SHARES};
pub use faithfulness_curve::{CIRCUIT_SETTINGS, FaithfulnessCurve};
pub use graph::{Edge, Graph, GraphError, GroupedKeys, KeyHead, Receiver, Sender};
pub use options::{Ablation, CircuitRows, CircuitRowsBuilder};
pub use pair_means::pair_means;
pub use pairs::{HeadPairs, PairLine, PairTerm, RowPairs};
pub use paths::{PathEffects, PathValues, RowPaths, SenderSet};
pub use place::PatchPlace;
pub use ranking::{EdgeRanking, RankBy};
pub use receivers::NormOf;
pub use saved::SavedCircuit;
pub use score::{EdgeMethod, EdgeScores};
pub use scrub::{
    Claim, Feature, Hypothesis, HypothesisError, RowScrubs, ScrubbedRun, Scrubbing, recovered,
};
pub use sent::Through;
pub use table::{SETTINGS as EDGE_SETTINGS, summary};
