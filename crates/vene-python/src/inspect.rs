//! A look inside: the lens, attributions, attention, weights. Tables cross as Arrow streams, patterns and weights as buffers.

use std::path::PathBuf;

use pyo3::prelude::*;
use vene::data::{LeftOut, ReadOptions, Role, read_with};
use vene::inspect::attention::{self, Patterns};
use vene::inspect::attribution::{self, Attribution};
use vene::inspect::composition::{self, Input};
use vene::inspect::{InspectError, RowsAsked, Subject, Summary, chunks, lens, weights};
use vene::statistics::Bootstrap;
use vene::{HostTensor, Model as Loaded, Positions, PromptForm};

use crate::compute::compute;
use crate::error;
use crate::model::{GivenPrompt, Model};
use crate::plan::Plan;
use crate::table::Table;
use crate::values::Values;

/// What is looked at, as Python gives it: a prompt, or the file of a data set.
#[derive(FromPyObject)]
pub struct Looked {
    prompt: Option<GivenPrompt>,
    data: Option<PathBuf>,
    /// Numbers, `last`, `all`, or of a data set roles.
    positions: Vec<String>,
    tokens: Vec<u32>,
    plan: Option<Py<Plan>>,
    sources: Vec<GivenPrompt>,
    limit: Option<usize>,
    resamples: Option<usize>,
}

/// Tables by name, and what a user should know.
type Tables = (Vec<(&'static str, Table)>, Vec<String>);

/// What is looked at, made ready.
struct Ready {
    subjects: Vec<Subject>,
    of_rows: bool,
    bootstrap: Bootstrap,
    warnings: Vec<String>,
}

impl Looked {
    /// `needs` says whether rows must have targets, and foils wherever one has.
    fn ready(&self, model: &Model, needs: bool) -> PyResult<Ready> {
        let mut bootstrap = Bootstrap::default();
        bootstrap.resamples = self.resamples.unwrap_or(bootstrap.resamples);
        bootstrap.check().map_err(error::of_input)?;
        let edits = self.plan.as_ref().map(|plan| plan.get().inner.clone()).unwrap_or_default();
        if let Some(path) = &self.data {
            let options = ReadOptions { leave_out: true, ..ReadOptions::default() };
            let mut rows = read_with(path, &options).map_err(error::of_input)?.rows;
            rows.truncate(self.limit.unwrap_or(usize::MAX));
            let roles = self.positions.iter().map(|text| text.parse::<Role>());
            let roles = roles.collect::<Result<Vec<_>, _>>().map_err(error::of_input)?;
            let asked = RowsAsked {
                roles: &roles,
                plan: &edits,
                form: PromptForm::default(),
                needs_target: needs,
                needs_foil: needs && rows.iter().any(|row| !row.foil.is_empty()),
            };
            let found = asked.of(&model.inner, &rows).map_err(of_look)?;
            let warnings = of_left_out(&found.left_out, rows.len());
            return Ok(Ready { subjects: found.subjects, of_rows: true, bootstrap, warnings });
        }
        let Some(prompt) = &self.prompt else { return Err(error::input("there is no prompt")) };
        let subject = Subject::new(model.prompt(prompt)?).at(&self.positions()?);
        let mut subject = subject.map_err(of_look)?;
        for &token in &self.tokens {
            let text = model.inner.tokenizer().token_text(token);
            let text = text.unwrap_or_else(|_| model.inner.tokenizer().display(token));
            subject = subject.asking(text, token);
        }
        if self.plan.is_some() {
            let sources = self.sources.iter().map(|source| model.prompt(source));
            subject = subject.edited(edits, sources.collect::<PyResult<Vec<_>>>()?);
        }
        Ok(Ready { subjects: vec![subject], of_rows: false, bootstrap, warnings: Vec::new() })
    }

    fn positions(&self) -> PyResult<Positions> {
        if self.positions.iter().any(|text| text == "all") {
            return Ok(Positions::All);
        }
        let number = |text: &String| match text.as_str() {
            "last" => Ok(-1),
            text => text.parse::<i64>().map_err(|_| {
                error::input(format!(
                    "`{text}` names no position of a prompt: expected \"all\", \"last\", or numbers"
                ))
            }),
        };
        Ok(Positions::At(self.positions.iter().map(number).collect::<PyResult<_>>()?))
    }
}

impl Ready {
    /// A table of all rows, and its summary, chunk by chunk.
    fn over_rows(
        &self,
        bytes: impl Fn(&Subject) -> usize,
        mut summary: Summary,
        mut look: impl FnMut(&[Subject]) -> Result<vene::Table, InspectError>,
    ) -> Result<[(&'static str, vene::Table); 2], InspectError> {
        let mut tables = Vec::new();
        for range in chunks(&self.subjects, bytes) {
            let table = look(&self.subjects[range])?;
            summary.add(&table)?;
            tables.push(table);
        }
        let table = vene::Table::concatenate(&tables, &[])?;
        Ok([("table", table), ("summary", summary.table(&self.bootstrap)?)])
    }
}

/// An error of a look, by its kind.
/// What a user should know of rows that are not used.
pub(crate) fn of_left_out(left_out: &[LeftOut], all: usize) -> Vec<String> {
    let said = left_out.first().map(|first| {
        let count = left_out.len();
        format!("{count} of {all} rows left out ({}: {})", first.name(), first.reason)
    });
    said.into_iter().collect()
}

pub(crate) fn of_look(failed: InspectError) -> PyErr {
    match failed {
        InspectError::Run(failed) => error::of_run(*failed),
        InspectError::Plan(_) | InspectError::Position(_) => error::of_plan(failed),
        InspectError::Model(_) => error::of_model(*match failed {
            InspectError::Model(failed) => failed,
            other => return error::of_input(other),
        }),
        _ => error::of_input(failed),
    }
}

fn tables(found: Vec<(&'static str, vene::Table)>, warnings: Vec<String>) -> Tables {
    (found.into_iter().map(|(name, table)| (name, Table::new(table))).collect(), warnings)
}

/// The logit lens.
#[pyfunction]
pub fn look_lens(
    python: Python<'_>,
    model: &Model,
    looked: Looked,
    likeliest: usize,
) -> PyResult<Tables> {
    let ready = looked.ready(model, false)?;
    let model: &Loaded = &model.inner;
    let work = |_: &_| -> Result<_, InspectError> {
        if ready.of_rows {
            let summary = Summary::new(&ready.subjects, lens::KEYS, lens::METRICS);
            let bytes = |subject: &Subject| lens::bytes(model.config(), subject);
            let found =
                ready.over_rows(bytes, summary, |some| Ok(lens::lens(model, some, 0)?.numbers))?;
            return Ok(found.into());
        }
        let found = lens::lens(model, &ready.subjects, likeliest)?;
        Ok(vec![("table", found.numbers), ("likeliest", found.likeliest)])
    };
    let found = compute(python, work, of_look)?;
    Ok(tables(found, ready.warnings))
}

/// Direct logit attribution.
#[pyfunction]
pub fn look_attribution(
    python: Python<'_>,
    model: &Model,
    looked: Looked,
    direct: bool,
) -> PyResult<Tables> {
    let ready = looked.ready(model, true)?;
    let model: &Loaded = &model.inner;
    let work = |_: &_| -> Result<_, InspectError> {
        let attribution = Attribution::new(model)?;
        if ready.of_rows {
            let metrics =
                if direct { &attribution::METRICS[..] } else { &attribution::METRICS[..1] };
            let summary = Summary::new(&ready.subjects, attribution::KEYS, metrics);
            let bytes = |subject: &Subject| attribution::bytes(model.config(), subject);
            let mut totals = Vec::new();
            let found = ready.over_rows(bytes, summary, |some| {
                let found = attribution.of(some, direct)?;
                totals.push(found.totals);
                Ok(found.terms)
            })?;
            let mut found: Vec<_> = found.into();
            found.push(("totals", vene::Table::concatenate(&totals, &[])?));
            return Ok(found);
        }
        let subjects = attribution::asking_the_likeliest(model, &ready.subjects)?;
        let found = attribution.of(&subjects, direct)?;
        Ok(vec![("table", found.terms), ("totals", found.totals)])
    };
    let found = compute(python, work, of_look)?;
    Ok(tables(found, ready.warnings))
}

/// Scores of heads.
#[pyfunction]
pub fn look_head_scores(python: Python<'_>, model: &Model, looked: Looked) -> PyResult<Tables> {
    let ready = looked.ready(model, false)?;
    let model: &Loaded = &model.inner;
    let work = |_: &_| -> Result<_, InspectError> {
        if ready.of_rows {
            let summary = Summary::new(&ready.subjects, attention::KEYS, attention::METRICS);
            let bytes = |subject: &Subject| attention::bytes(model.config(), subject);
            let found = ready.over_rows(bytes, summary, |some| attention::scores(model, some))?;
            return Ok(found.into());
        }
        Ok(vec![("table", attention::scores(model, &ready.subjects)?)])
    };
    let found = compute(python, work, of_look)?;
    Ok(tables(found, ready.warnings))
}

/// Attention patterns of a prompt.
#[pyclass(frozen, module = "vene._vene")]
pub struct Attention {
    patterns: Patterns,
    scores: vene::Table,
    title: String,
}

#[pymethods]
impl Attention {
    #[new]
    fn new(
        python: Python<'_>,
        model: &Model,
        looked: Looked,
        layers: Option<Vec<usize>>,
        heads: Option<Vec<usize>>,
    ) -> PyResult<Self> {
        let ready = looked.ready(model, false)?;
        let model: &Loaded = &model.inner;
        let chosen = attention::heads(model.config(), layers.as_deref(), heads.as_deref());
        let chosen = chosen.map_err(of_look)?;
        let work = |_: &_| -> Result<_, InspectError> {
            let subject = ready.subjects.first().ok_or(InspectError::Empty)?;
            let patterns = attention::patterns(model, subject, &chosen)?;
            let scores = attention::scores(model, std::slice::from_ref(subject))?;
            Ok((patterns, scores))
        };
        let (patterns, scores) = compute(python, work, of_look)?;
        let title = format!("attention of {}", model.provenance().name);
        Ok(Self { patterns, scores, title })
    }

    /// The tokens, as they are shown.
    #[getter]
    fn tokens(&self) -> Vec<String> {
        self.patterns.tokens.clone()
    }

    /// Layer and number of each head.
    #[getter]
    fn heads(&self) -> Vec<(usize, usize)> {
        self.patterns.heads.iter().map(|head| (head.layer, head.head)).collect()
    }

    /// `[heads, queries, keys]`.
    fn weights(&self) -> Values {
        let width = self.patterns.tokens.len();
        let all = self.patterns.heads.iter().flat_map(|head| head.weights.iter().copied());
        Values::single(&[self.patterns.heads.len(), width, width], all.collect())
    }

    /// A row for each head, query and key.
    fn table(&self) -> PyResult<Table> {
        Ok(Table::new(self.patterns.table().map_err(of_look)?))
    }

    /// A page on which one points at heads and tokens.
    fn page(&self) -> PyResult<String> {
        vene_cli::attention_page(self.title.clone(), &self.patterns, &self.scores)
            .map_err(error::of_experiment)
    }
}

/// The names and shapes of a model's weights.
#[pyfunction]
pub fn list_weights(model: &Model) -> PyResult<Vec<(String, Vec<usize>)>> {
    let found = weights::list(&model.inner).map_err(of_look)?;
    Ok(found.into_iter().map(|info| (info.name, info.shape)).collect())
}

/// A weight's values.
#[pyfunction]
pub fn read_weight(python: Python<'_>, model: &Model, name: &str) -> PyResult<Values> {
    let HostTensor { data, shape } =
        compute(python, |_| weights::read(&model.inner, name), of_look)?;
    Ok(Values::single(&shape, data))
}

/// How much heads copy.
#[pyfunction]
pub fn copying(python: Python<'_>, model: &Model) -> PyResult<Table> {
    Ok(Table::new(compute(python, |_| composition::copying(&model.inner), of_look)?))
}

/// How heads compose.
#[pyfunction]
pub fn compositions(python: Python<'_>, model: &Model, inputs: Vec<String>) -> PyResult<Table> {
    let inputs = inputs.iter().map(|name| name.parse::<Input>());
    let inputs = inputs.collect::<Result<Vec<_>, _>>().map_err(error::of_input)?;
    let found = compute(python, |_| composition::compositions(&model.inner, &inputs), of_look)?;
    Ok(Table::new(found))
}
