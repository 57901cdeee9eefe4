//! Experiments with a model that is loaded: what `vene_cli` does in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyo3::prelude::*;
use vene_cli::{InMemory, PlanFrom, Progress, Warned};

use crate::compute::{briefly, compute};
use crate::error;
use crate::figure::{Figure, figures};
use crate::intervention::Intervention;
use crate::metric::{GivenMetric, Raised, metrics};
use crate::model::Model;
use crate::plan::Plan;
use crate::table::Table;
use crate::values::Values;

/// An experiment as Python gives it.
#[derive(FromPyObject)]
pub struct Asked {
    /// What a file would say of it (`docs/experiments.md`), as JSON.
    experiment: String,
    plan: Option<GivenPlan>,
    /// Functions that its plan has as interventions, by the names that it calls them.
    functions: Vec<(String, Py<Intervention>)>,
    /// A function that a sweep has in an intervention's place.
    method: Option<Py<Intervention>>,
    /// Functions that the experiment names as metrics.
    metrics: Vec<GivenMetric>,
    /// Is called now and then: `progress(done, all, says)`.
    progress: Option<Py<PyAny>>,
}

/// A plan that the experiment does not say itself.
#[derive(FromPyObject)]
enum GivenPlan {
    Made(Py<Plan>),
    Path(PathBuf),
}

/// Does an experiment. Its warnings come with its result.
fn done<T: Send>(
    python: Python<'_>,
    model: &Model,
    asked: Asked,
    run: impl FnOnce(InMemory<'_>) -> anyhow::Result<Warned<T>> + Send,
) -> PyResult<(T, Vec<String>)> {
    let Asked { experiment, plan, functions, method, metrics: given, progress } = asked;
    let raised = Raised::default();
    let own = metrics(given, &raised)?;
    let plan = plan.map(|plan| match plan {
        GivenPlan::Made(plan) => PlanFrom::Made(plan.get().inner.clone()),
        GivenPlan::Path(path) => PlanFrom::Path(path),
    });
    let inner = |own: &Py<Intervention>| Arc::clone(&own.get().inner);
    let functions: Vec<_> =
        functions.iter().map(|(name, own)| (name.clone(), inner(own))).collect();
    let method = method.as_ref().map(inner);
    let work = |watch: &crate::compute::Watch| {
        let mut told = |Progress { done, all, says }: Progress| {
            watch.tell(|python| {
                if let Some(progress) = &progress {
                    progress.call1(python, (done, all, says))?;
                }
                Ok(())
            })
        };
        run(InMemory {
            model: &model.inner,
            experiment: &experiment,
            plan,
            own: functions,
            method,
            metrics: own,
            progress: &mut told,
        })
    };
    let warned = compute(python, work, error::of_experiment);
    let Warned { result, warnings } = warned.map_err(|error| raised.behind(python, error))?;
    Ok((result, warnings))
}

/// What a sweep gave.
#[pyclass(frozen, module = "vene._vene")]
pub struct Swept {
    inner: vene_cli::Swept,
    model: Arc<vene::Model>,
}

#[pyfunction]
pub fn sweep(python: Python<'_>, model: &Model, asked: Asked) -> PyResult<(Swept, Vec<String>)> {
    let (inner, warnings) = done(python, model, asked, vene_cli::sweep_in_memory)?;
    Ok((Swept { inner, model: Arc::clone(&model.inner) }, warnings))
}

#[pymethods]
impl Swept {
    #[getter]
    fn examples(&self) -> Table {
        Table::new(self.inner.outcome.examples().clone())
    }

    #[getter]
    fn tokens(&self) -> Option<Table> {
        self.inner.outcome.tokens().cloned().map(Table::new)
    }

    #[getter]
    fn summary(&self) -> Option<Table> {
        self.inner.summary.clone().map(Table::new)
    }

    #[getter]
    fn seconds(&self) -> f64 {
        self.inner.seconds
    }

    /// The command's figures by name.
    fn figures(&self, python: Python<'_>) -> PyResult<Vec<(String, Figure)>> {
        briefly(|| Ok(figures(python.detach(|| self.inner.figures(&self.model)))))
    }
}

/// What edges, paths or circuits over rows gave.
#[pyclass(frozen, module = "vene._vene")]
pub struct Measured {
    inner: vene_cli::Measured,
    model: Arc<vene::Model>,
}

#[pyfunction]
pub fn measure(
    python: Python<'_>,
    model: &Model,
    asked: Asked,
) -> PyResult<(Measured, Vec<String>)> {
    let (inner, warnings) = done(python, model, asked, vene_cli::measure_in_memory)?;
    Ok((Measured { inner, model: Arc::clone(&model.inner) }, warnings))
}

#[pymethods]
impl Measured {
    #[getter]
    fn examples(&self) -> Table {
        Table::new(self.inner.examples.clone())
    }

    /// The tables over all rows, by name.
    #[getter]
    fn summaries(&self) -> Vec<(&'static str, Table)> {
        let of = |(name, table): &(&'static str, vene::Table)| (*name, Table::new(table.clone()));
        self.inner.summaries.iter().map(of).collect()
    }

    /// The command's figures by name.
    fn figures(&self, python: Python<'_>) -> PyResult<Vec<(String, Figure)>> {
        briefly(|| Ok(figures(python.detach(|| self.inner.figures(&self.model)))))
    }
}

/// What a plan over rows gave.
#[pyclass(frozen, module = "vene._vene")]
pub struct PlanRan {
    inner: vene_cli::PlanRan,
    model: Arc<vene::Model>,
}

#[pyfunction]
pub fn run_over_rows(
    python: Python<'_>,
    model: &Model,
    asked: Asked,
) -> PyResult<(PlanRan, Vec<String>)> {
    let (inner, warnings) = done(python, model, asked, vene_cli::run_in_memory)?;
    Ok((PlanRan { inner, model: Arc::clone(&model.inner) }, warnings))
}

#[pymethods]
impl PlanRan {
    #[getter]
    fn examples(&self) -> Table {
        Table::new(self.inner.examples.clone())
    }

    #[getter]
    fn summary(&self) -> Option<Table> {
        self.inner.summary.clone().map(Table::new)
    }

    #[getter]
    fn receipts(&self) -> Table {
        Table::new(self.inner.receipts.clone())
    }

    #[getter]
    fn rows(&self) -> Table {
        Table::new(self.inner.rows.clone())
    }

    /// Of an evaluation, each plan's loss and accuracy, as JSON.
    #[getter]
    fn evaluation(&self) -> Option<String> {
        self.inner.evaluation.as_ref().map(ToString::to_string)
    }

    /// What was collected, by name: `[rows, positions, width]`, of patterns `[rows, heads, queries, keys]`.
    fn collected(&self) -> Vec<(String, Values)> {
        let of = &self.inner.collected;
        let tensor = |(index, site): (usize, &vene::plan_sweep::CollectedSite)| {
            let rows = of.values[index].iter().flat_map(|row| row.values.iter().copied());
            (site.name.clone(), Values::single(&of.shape(index), rows.collect()))
        };
        of.sites.iter().enumerate().map(tensor).collect()
    }

    /// The command's figures by name.
    fn figures(&self, python: Python<'_>) -> PyResult<Vec<(String, Figure)>> {
        briefly(|| Ok(figures(python.detach(|| self.inner.figures(&self.model)))))
    }
}

/// What a training came to.
#[pyclass(frozen, module = "vene._vene")]
pub struct Trained {
    inner: vene_cli::TrainedPlan,
    model: Arc<vene::Model>,
}

#[pyfunction]
pub fn train(python: Python<'_>, model: &Model, asked: Asked) -> PyResult<(Trained, Vec<String>)> {
    let (inner, warnings) = done(python, model, asked, vene_cli::train_in_memory)?;
    Ok((Trained { inner, model: Arc::clone(&model.inner) }, warnings))
}

#[pymethods]
impl Trained {
    #[getter]
    fn plan(&self) -> Plan {
        Plan::of(self.inner.plan.clone())
    }

    #[getter]
    fn steps(&self) -> Table {
        Table::new(self.inner.steps.clone())
    }

    /// What `run.json` says of it, as JSON.
    #[getter]
    fn result(&self) -> String {
        self.inner.result().to_string()
    }

    /// What was learned, by name.
    fn parameters(&self) -> PyResult<Vec<(String, Values)>> {
        let parameters = self.inner.plan.learned().into_iter();
        let values = |parameter: vene::intervention::Parameter| {
            Ok((parameter.name, Values::of(parameter.variable.as_tensor())?))
        };
        parameters.map(values).collect()
    }

    fn save(&self, folder: PathBuf) -> PyResult<()> {
        briefly(|| self.inner.save(Path::new(&folder), &self.model).map_err(error::of_experiment))
    }

    /// The learning curves.
    fn figures(&self, python: Python<'_>) -> PyResult<Vec<(String, Figure)>> {
        let figure = briefly(|| {
            python.detach(|| self.inner.figure(&self.model)).map_err(error::of_experiment)
        })?;
        Ok(vec![("curves".to_owned(), figure.into())])
    }
}

/// Tensors by name: `[rows, positions, width]`, of patterns `[rows, heads, queries, keys]`; where rows are padded, for each
/// how many positions of each list are values; which row is which.
type Collected = (Vec<(String, Values)>, Option<Vec<Vec<usize>>>, Table);

#[pyfunction]
pub fn collect(
    python: Python<'_>,
    model: &Model,
    asked: Asked,
) -> PyResult<(Collected, Vec<String>)> {
    let (collection, warnings) = done(python, model, asked, vene_cli::collect_in_memory)?;
    let rows = collection.rows.rows();
    let tensor = |(stack, values): (vene_cli::Stack, Vec<f32>)| {
        let shape = [&[rows], &stack.of_row[..]].concat();
        (stack.name, Values::single(&shape, values))
    };
    let tensors = collection.tensors.into_iter().map(tensor).collect();
    Ok(((tensors, collection.lengths, Table::new(collection.rows)), warnings))
}
