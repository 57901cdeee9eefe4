//! Why a model cannot be looked into.

use vene_data::RowName;
use vene_engine::{PlanError, PositionError, RunError};
use vene_model::{ModelError, OperationError};
use vene_named::UnknownName;
use vene_statistics::StatisticsError;
use vene_table::TableError;

/// A question that has no answer, or a computation that failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The model's weights cannot be read.
    #[error(transparent)]
    Model(#[from] Box<ModelError>),
    /// The run failed.
    #[error(transparent)]
    Run(Box<RunError>),
    /// The edits do not fit the model or the prompt.
    #[error(transparent)]
    Plan(Box<PlanError>),
    /// A position that the prompt does not have.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// A table that cannot be made.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Sides of a data set that cannot be told apart.
    #[error(transparent)]
    Direction(Box<crate::direction::DirectionError>),
    /// A place that the model does not have.
    #[error(transparent)]
    Site(Box<vene_model::SiteError>),
    /// Intervals that cannot be computed.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// A network without attention.
    #[error(
        "{what} is about transformers, and this model is of the family `{family}`, whose blocks are others"
    )]
    NotATransformer {
        /// What was asked for.
        what: &'static str,
        /// The model's family.
        family: &'static str,
    },
    /// A token that the unembedding does not have.
    #[error("there is no token {token}: the model's vocabulary has {vocabulary}")]
    UnknownToken {
        /// Its id.
        token: u32,
        /// How many there are.
        vocabulary: usize,
    },
    /// A subject without tokens to attribute.
    #[error("nothing is attributed: name a token, or two whose difference is asked about")]
    NothingAsked,
    /// A layer that the model does not have.
    #[error("there is no layer {layer}: the model has {layers}, counted from 0")]
    NoLayer {
        /// The layer.
        layer: usize,
        /// How many there are.
        layers: usize,
    },
    /// A head that the model does not have.
    #[error("there is no head {head}: a layer has {heads}, counted from 0")]
    NoHead {
        /// The head.
        head: usize,
        /// How many a layer has.
        heads: usize,
    },
    /// A weight that the model does not have.
    #[error(transparent)]
    UnknownWeight(#[from] UnknownName),
    /// No row of a data set can be used.
    #[error("none of the {rows} rows can be used; {first}: {reason}")]
    NoRows {
        /// How many there are.
        rows: usize,
        /// The first of them.
        first: RowName,
        /// What is wrong with it.
        reason: String,
    },
    /// A data set without rows.
    #[error("the data set has no rows")]
    Empty,
    /// What was collected does not have the shape that it must have.
    #[error("{what} was not collected: this is an error in vene")]
    Missing {
        /// The site.
        what: String,
    },
}

vene_named::debug_as_sentence!(InspectError);

impl From<crate::direction::DirectionError> for InspectError {
    fn from(error: crate::direction::DirectionError) -> Self {
        Self::Direction(Box::new(error))
    }
}

impl From<vene_model::SiteError> for InspectError {
    fn from(error: vene_model::SiteError) -> Self {
        Self::Site(Box::new(error))
    }
}

impl From<RunError> for InspectError {
    fn from(error: RunError) -> Self {
        Self::Run(Box::new(error))
    }
}

impl From<PlanError> for InspectError {
    fn from(error: PlanError) -> Self {
        Self::Plan(Box::new(error))
    }
}

impl From<ModelError> for InspectError {
    fn from(error: ModelError) -> Self {
        Self::Model(Box::new(error))
    }
}

impl From<candle_core::Error> for InspectError {
    fn from(error: candle_core::Error) -> Self {
        RunError::from(OperationError::from(error)).into()
    }
}
