//! What circuits are measured on: rows, the graph, places, metrics; and what senders add instead.

use std::sync::Arc;

use vene_data::{LeftOut, PreparedRow, Requirements, Role, Row, prepare};
use vene_metric::{Meter, Metric};
use vene_model::{Decoder, Model, ModelKey, OperationError, Operations, Outline, PromptForm};
use vene_named::named;

use crate::error::CircuitError;
use crate::graph::{Graph, GroupedKeys};
use crate::means::{Means, PlaceMeans};
use crate::place::PatchPlace;

named! {
    /// What senders add instead of what they add in the base.
    pub enum Ablation as "ablation", default Resample {
        /// What they add in the row's source.
        Resample = "resample",
        /// What they add on average in the rows' sources (of rows without one, their bases), over all positions of the place.
        Mean = "mean",
        /// The same at each of the place's positions by itself: all rows have as many.
        MeanByPosition = "mean_by_position",
        /// Nothing.
        Zero = "zero",
    }
}

impl Ablation {
    /// Whether it reads sources.
    pub fn reads_source(self) -> bool {
        self == Self::Resample
    }
}

/// Rows in tokens, the model's graph, the places that are patched, and what is measured.
#[derive(Clone, Debug)]
pub struct CircuitRows {
    key: ModelKey,
    graph: Graph,
    rows: Arc<[PreparedRow]>,
    left_out: Vec<LeftOut>,
    places: Vec<PatchPlace>,
    meter: Meter,
    means: Means,
}

/// Declares [`CircuitRows`].
#[derive(Clone)]
pub struct CircuitRowsBuilder<'a> {
    outline: &'a Outline,
    rows: Given<'a>,
    keys: GroupedKeys,
    places: Vec<PatchPlace>,
    metrics: Vec<Arc<dyn Metric>>,
    form: PromptForm,
    first_tokens: bool,
    reads_source: bool,
}

/// Rows as they are given.
#[derive(Clone, Debug)]
enum Given<'a> {
    Texts(&'a [Row]),
    Tokens(Vec<PreparedRow>),
}

impl CircuitRows {
    /// Rows for a model, or its outline.
    pub fn builder<'a>(outline: &'a Outline, rows: &'a [Row]) -> CircuitRowsBuilder<'a> {
        Self::given(outline, Given::Texts(rows))
    }

    /// The same of rows in tokens, which were prepared for the roles of the places that are patched, in their order, each with single tokens as
    /// answers.
    pub fn of_tokens(outline: &Outline, rows: Vec<PreparedRow>) -> CircuitRowsBuilder<'_> {
        Self::given(outline, Given::Tokens(rows))
    }

    fn given<'a>(outline: &'a Outline, rows: Given<'a>) -> CircuitRowsBuilder<'a> {
        CircuitRowsBuilder {
            outline,
            rows,
            keys: GroupedKeys::default(),
            places: vec![PatchPlace::All],
            metrics: Vec::new(),
            form: PromptForm::default(),
            first_tokens: false,
            reads_source: true,
        }
    }

    /// The model's graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The rows that are used.
    pub fn prepared(&self) -> &[PreparedRow] {
        &self.rows
    }

    /// The rows that are not, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The places that are patched, each by itself.
    pub fn places(&self) -> &[PatchPlace] {
        &self.places
    }

    /// What is measured.
    pub fn metrics(&self) -> &[Arc<dyn Metric>] {
        self.meter.metrics()
    }

    /// What senders add on average, at every place.
    pub(crate) fn means<O: Operations>(
        &self,
        decoder: &Decoder<O>,
    ) -> Result<Arc<Vec<PlaceMeans>>, OperationError> {
        self.means.of(decoder, &self.rows, &self.places)
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// A row of this model.
    pub(crate) fn row(&self, model: &Model, row: usize) -> Result<&PreparedRow, CircuitError> {
        model.expect("the circuit's rows", &self.key)?;
        self.rows.get(row).ok_or(CircuitError::NoRow { row, rows: self.rows.len() })
    }
}

impl CircuitRowsBuilder<'_> {
    /// Whose keys and values the graph speaks of. Default: grouped.
    #[must_use]
    pub fn graph(self, keys: GroupedKeys) -> Self {
        Self { keys, ..self }
    }

    /// The places that are patched, each by itself. Default: all positions at once.
    #[must_use]
    pub fn places(self, places: impl IntoIterator<Item = PatchPlace>) -> Self {
        Self { places: places.into_iter().collect(), ..self }
    }

    /// What is measured.
    #[must_use]
    pub fn metrics(self, metrics: impl IntoIterator<Item = Arc<dyn Metric>>) -> Self {
        Self { metrics: metrics.into_iter().collect(), ..self }
    }

    /// How prompts are made of texts. Default: as texts, with the model's own rule for the beginning.
    #[must_use]
    pub fn prompt_form(self, form: impl Into<PromptForm>) -> Self {
        Self { form: form.into(), ..self }
    }

    /// Whether an answer's first token stands for it. Default: answers must be single tokens.
    #[must_use]
    pub fn first_tokens(self, first_tokens: bool) -> Self {
        Self { first_tokens, ..self }
    }

    /// Whether rows need a source. Default: they do; ablations that read none do not.
    #[must_use]
    pub fn reads_source(self, reads_source: bool) -> Self {
        Self { reads_source, ..self }
    }

    /// Checks the rows.
    ///
    /// # Errors
    /// A model that is no decoder, no metric or one that cannot be read here, no row that can be used.
    pub fn build(self) -> Result<CircuitRows, CircuitError> {
        let graph = Graph::of(self.outline.config(), self.keys)?;
        let meter = Meter::new(self.metrics, self.outline.config().vocabulary);
        if meter.len() == 0 {
            return Err(CircuitError::NoMetric);
        }
        if let Some(metric) = meter.who(|reads| !reads.sites.is_empty()) {
            return Err(CircuitError::ReadsActivations { metric: metric.to_owned() });
        }
        let roles: Vec<Role> = self.places.iter().filter_map(PatchPlace::role).cloned().collect();
        let requirements = Requirements {
            form: &self.form,
            roles: &roles,
            read: &[],
            distinct_roles: 0,
            reads_source: self.reads_source,
            same_length: self.reads_source && self.places.contains(&PatchPlace::All),
            needs_target: meter.reads().needs_answers(),
            needs_foil: meter.reads().needs_foil(),
            // Answers of several tokens would be read in runs of their own.
            needs_single_tokens: true,
            first_tokens: self.first_tokens,
        };
        let (rows, left_out) = match self.rows {
            Given::Texts(rows) => prepare(self.outline, rows, &requirements),
            Given::Tokens(rows) => (rows, Vec::new()),
        };
        for row in &rows {
            self.outline.expect("the circuit's row", row.base.model())?;
            let is_short = row.source.as_ref().is_some_and(|source| source.len() < row.base.len());
            if row.answers.runs.len() != 1 || (requirements.same_length && is_short) {
                return Err(CircuitError::RowInTokens { row: row.index });
            }
        }
        if rows.is_empty() {
            let Some(first) = left_out.first() else { return Err(CircuitError::NoRows) };
            let reason = first.reason.to_string();
            return Err(CircuitError::NoUsableRow { rows: left_out.len(), reason });
        }
        let key = self.outline.key().clone();
        Ok(CircuitRows {
            key,
            graph,
            rows: rows.into(),
            left_out,
            places: self.places,
            meter,
            means: Means::default(),
        })
    }
}
