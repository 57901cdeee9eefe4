//! What can go wrong with circuits.

use std::path::PathBuf;

use vene_engine::PlanError;
use vene_engine::RunError;
use vene_metric::MetricError;
use vene_model::{AnotherModel, OperationError};
use vene_statistics::StatisticsError;
use vene_table::TableError;

use crate::graph::{Edge, GraphError, GroupedKeys, Receiver, Sender};

/// Something about a circuit that cannot be computed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CircuitError {
    /// Nodes or edges that are not there.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Another model than the one that this was built on.
    #[error(transparent)]
    AnotherModel(#[from] AnotherModel),
    /// A site that this model does not have.
    #[error(transparent)]
    Site(#[from] vene_model::SiteError),
    /// A failure of the computation.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// A run that failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A plan that cannot be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Weights that could not be read.
    #[error(transparent)]
    Model(#[from] Box<vene_model::ModelError>),
    /// A metric that gave no finite number.
    #[error(transparent)]
    Metric(#[from] Box<MetricError>),
    /// A table that is none of ours, or cannot be made.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Intervals that cannot be drawn.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// A hypothesis that does not fit the model.
    #[error("the hypothesis `{name}`: {error}")]
    Hypothesis {
        /// Its name.
        name: String,
        /// What is wrong.
        error: crate::HypothesisError,
    },
    /// No pair.
    #[error(
        "there are fewer than two heads, and so no pair: name two or more, such as a5.h1,a6.h3"
    )]
    FewHeads,
    /// Nothing to scrub by.
    #[error("there is no hypothesis: give one")]
    NoHypothesis,
    /// Hypotheses that tables could not tell apart.
    #[error("two hypotheses are called `{name}`: give each a name of its own")]
    TwoHypotheses {
        /// The name.
        name: String,
    },
    /// A role that rows were not prepared for.
    #[error(
        "a hypothesis agrees on the role {role}, which the rows were not prepared for: build them with the hypothesis's roles as places"
    )]
    UnpreparedRole {
        /// The role.
        role: String,
    },
    /// No row.
    #[error("there is no row: give rows with a base, a source and their answers")]
    NoRows,
    /// A row in tokens that was not prepared for circuits.
    #[error(
        "row {row}, given in tokens, must have single tokens as answers, and a source as long as its base where all positions are patched"
    )]
    RowInTokens {
        /// The row.
        row: usize,
    },
    /// No row that can be used.
    #[error("none of the {rows} rows can be used; {reason}")]
    NoUsableRow {
        /// How many there are.
        rows: usize,
        /// Why the first cannot.
        reason: String,
    },
    /// No metric.
    #[error("there is no metric: name one, such as logit_difference")]
    NoMetric,
    /// A metric that reads more than the answers after the prompt.
    #[error(
        "the metric {metric} reads activations, and a circuit is measured by what the model says: take one of answers or of \
         the distribution, such as logit_difference or kl"
    )]
    ReadsActivations {
        /// The metric.
        metric: String,
    },
    /// Edges of a graph that is not the rows'.
    #[error(
        "the edges are of another graph than the rows': make both for one model, grouped or ungrouped"
    )]
    AnotherGraph,
    /// A metric that cannot be differentiated.
    #[error("the metric {metric} has no gradient: take one of {known}")]
    NoGradient {
        /// The metric.
        metric: String,
        /// Those that have one.
        known: String,
    },
    /// Keys and values of each query head, where the model has fewer.
    #[error(
        "gradients are those of keys and values as the model has them, which several query heads share: take the grouped graph, or          patch the edges exactly"
    )]
    UngroupedGradient,
    /// No step of integrated gradients.
    #[error("integrated gradients need at least one step; 5 are usual")]
    NoSteps,
    /// A site at which no gradient was found.
    #[error("there is no gradient at {site}")]
    NoSite {
        /// The site.
        site: String,
    },
    /// Edges that were measured in several ways.
    #[error(
        "the edges differ in `{column}`, so that they cannot stand in one table: summarise them apart"
    )]
    UnlikeEdges {
        /// The column in which they differ.
        column: &'static str,
    },
    /// A table that changed while it was read.
    #[error("the table of edges changed while it was read: start again")]
    Changed,
    /// No edge.
    #[error("there is no edge to look at: name at least one sender and one receiver after it")]
    NoEdges,
    /// An edge that has two scores.
    #[error("the edge `{edge}` is scored twice: each has one score")]
    EdgeTwice {
        /// The edge.
        edge: Edge,
    },
    /// An edge without a finite score.
    #[error("the score of `{edge}` is no finite number, so that edges cannot be ranked")]
    NoScore {
        /// The edge.
        edge: Edge,
    },
    /// Scores of some edges alone.
    #[error(
        "{scored} of the graph's {all} edges have a score (`{missing}` has none), and circuits are made of all: score every edge"
    )]
    NotAllEdges {
        /// How many have one.
        scored: usize,
        /// How many there are.
        all: usize,
        /// The first without.
        missing: Edge,
    },
    /// Scores of another graph.
    #[error(
        "the edges were scored in the {scored} graph, and the {wanted} one is asked for: take one for both"
    )]
    ScoredOnAnother {
        /// That of the scores.
        scored: String,
        /// That which is asked for.
        wanted: GroupedKeys,
    },
    /// Several metrics, or one that was not measured.
    #[error("{} of the edges' metrics is meant: take one of {}", asked_metric(metric), known.join(", "))]
    WhichMetric {
        /// The metric that was asked for.
        metric: Option<String>,
        /// Those that were measured.
        known: Vec<String>,
    },
    /// Scores of roles.
    #[error("the edges were patched at {}, and circuits are run at all positions: score them at all", places.join(", "))]
    NotAllPositions {
        /// Where they were patched.
        places: Vec<String>,
    },
    /// Circuits are run at all positions.
    #[error("circuits are run with edges patched at all positions at once: take no other place")]
    CircuitPlaces,
    /// Shares of edges that make no curve.
    #[error("shares of edges are numbers from 0 to 1, each larger than the one before")]
    Shares,
    /// A file of a circuit that cannot be read or written.
    #[error("{}: {reason}", path.display())]
    SavedCircuit {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// What is no file of this graph.
    #[error("it holds no circuit of this model's graph, as EAP-IG and vene write them: {0}")]
    NoGraph(String),
    /// A sender that the graph does not have.
    #[error("this model has no `{sender}`: `vene circuit graph` says what it has")]
    NoSender {
        /// The sender.
        sender: Sender,
    },
    /// A receiver that the graph does not have.
    #[error("this model's {keys} graph has no `{receiver}`: `vene circuit graph` says what it has")]
    NoReceiver {
        /// The receiver.
        receiver: Receiver,
        /// Which graph it is.
        keys: GroupedKeys,
    },
    /// Senders that lie behind all receivers.
    #[error("no receiver reads {senders}: name a receiver that is computed after it")]
    NoPath {
        /// The set of senders.
        senders: String,
    },
    /// One query head's copy of keys that several share.
    #[error(
        "`{receiver}` are a query head's own copy, and several heads share them in this model: path patching takes the grouped graph (`vene circuit edges` \
         patches single edges into such copies)"
    )]
    OwnKeys {
        /// The receiver.
        receiver: Receiver,
    },
    /// Two scorings of other edges.
    #[error(
        "the two have no edge in common: compare runs of one model and graph, at the same positions"
    )]
    NothingCommon,
    /// Means by position of rows that differ in length.
    #[error(
        "rows have unlike numbers of positions, so that there is no mean at each: take the ablation mean, or a place such as last"
    )]
    UnevenMeans,
    /// A row's index that there is not.
    #[error("there is no row {row}: there are {rows}, 0 to {}", rows - 1)]
    NoRow {
        /// The row.
        row: usize,
        /// How many there are.
        rows: usize,
    },
}

impl CircuitError {
    /// Refuses a metric that a table does not have, and none where it has several.
    pub(crate) fn expect_metric(
        metric: Option<&str>,
        known: Vec<String>,
    ) -> Result<(), CircuitError> {
        let is_clear = match metric {
            Some(metric) => known.iter().any(|known| known == metric),
            None => known.len() <= 1,
        };
        let metric = metric.map(str::to_owned);
        if is_clear { Ok(()) } else { Err(Self::WhichMetric { metric, known }) }
    }
}

/// Which metric was asked for, as the beginning of a sentence.
fn asked_metric(metric: &Option<String>) -> String {
    metric
        .as_ref()
        .map_or_else(|| "one".to_owned(), |metric| format!("{metric} is asked for, but none"))
}

vene_named::debug_as_sentence!(CircuitError);

impl From<candle_core::Error> for CircuitError {
    fn from(error: candle_core::Error) -> Self {
        OperationError::from(error).into()
    }
}
