//! One way to score edges, whichever it is.

use std::ops::ControlFlow;

use vene_model::Model;
use vene_named::named;

use crate::attribution::EdgeAttribution;
use crate::edges::{EdgeEffects, RowEdges};
use crate::error::CircuitError;
use crate::options::CircuitRows;

named! {
    /// How edges are scored.
    pub enum EdgeMethod as "way to score edges", default Exact {
        /// Each is patched by itself, and all that follows is recomputed.
        Exact = "exact",
        /// Edge attribution patching (Syed et al. 2023): to first order, by the gradients of the base's run.
        Eap = "eap",
        /// EAP with integrated gradients over inputs (Hanna et al. 2024): the gradients averaged on the way from base to source.
        EapIg = "eap-ig",
    }
}

/// Scores the edges of rows.
#[derive(Clone, Debug)]
pub enum EdgeScores {
    /// Exactly.
    Exact(EdgeEffects),
    /// To first order.
    Gradient(EdgeAttribution),
}

impl EdgeScores {
    /// The rows, and what is measured of them.
    pub fn rows(&self) -> &CircuitRows {
        match self {
            Self::Exact(effects) => effects.rows(),
            Self::Gradient(attribution) => attribution.rows(),
        }
    }

    /// Which way it is.
    pub fn method(&self) -> EdgeMethod {
        match self {
            Self::Exact(_) => EdgeMethod::Exact,
            Self::Gradient(attribution) if attribution.steps().is_some() => EdgeMethod::EapIg,
            Self::Gradient(_) => EdgeMethod::Eap,
        }
    }

    /// How many edges are scored in each row: at every place.
    pub fn edges_per_row(&self) -> usize {
        match self {
            Self::Exact(effects) => effects.edges_per_row(),
            Self::Gradient(attribution) => {
                let rows = attribution.rows();
                rows.graph().edge_count() * rows.places().len()
            }
        }
    }

    /// Scores the edges of a row, by its place among the rows. `progress` is told how many edges are done, and may break off.
    ///
    /// # Errors
    /// As [`EdgeEffects::run_row`] and [`EdgeAttribution::run_row`].
    pub fn run_row(
        &self,
        model: &Model,
        row: usize,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<RowEdges, CircuitError> {
        match self {
            Self::Exact(effects) => effects.run_row(model, row, progress),
            Self::Gradient(attribution) => {
                let scores = attribution.run_row(model, row)?;
                match progress(scores.edges.len()) {
                    ControlFlow::Continue(()) => Ok(scores),
                    ControlFlow::Break(()) => Err(vene_engine::RunError::Stopped.into()),
                }
            }
        }
    }
}
