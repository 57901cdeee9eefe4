//! A plan, by the words of a file: vene's own, or those of pyvene's configuration and call.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use serde_json::Value;
use vene::plan::ResolvedPlan;
use vene::plan_file::{Format, PlanFile, PyveneCall, PyveneSaved};
use vene::{Component, Example, Positions};

use crate::compute::briefly;
use crate::error;
use crate::model::{GivenPrompt, Model};

/// What is edited and read, for a model.
#[pyclass(frozen, module = "vene._vene")]
pub struct Plan {
    pub inner: vene::Plan,
}

#[pymethods]
impl Plan {
    /// A plan as JSON has it (`docs/plans.md`); files that it names are looked up in `folder`.
    #[staticmethod]
    #[pyo3(signature = (model, json, folder = ""))]
    fn parse(model: &Model, json: &str, folder: &str) -> PyResult<Self> {
        briefly(|| {
            let file =
                PlanFile::parse(json, Format::Json, Path::new(folder)).map_err(error::of_plan)?;
            Ok(Self { inner: file.plan(&model.inner).map_err(error::of_plan)? })
        })
    }

    /// A plan of a file, or of the folder in which it, or the training that made it, was saved.
    #[staticmethod]
    fn read(model: &Model, path: PathBuf) -> PyResult<Self> {
        briefly(|| {
            let plan = vene_cli::read_plan(&path, &model.inner).map_err(error::of_experiment)?;
            Ok(Self { inner: plan })
        })
    }

    /// What pyvene would do of a configuration, as its `config.json` has it, at a call.
    #[staticmethod]
    fn of_pyvene(
        model: &Model,
        config: &str,
        unit_locations: &str,
        subspaces: &str,
        sources: Vec<Option<usize>>,
    ) -> PyResult<Self> {
        let value = |text: &str| serde_json::from_str::<Value>(text).map_err(error::of_plan);
        let saved = PyveneSaved::parse(config).map_err(error::of_plan)?;
        let call = PyveneCall::from_json(&value(unit_locations)?, &value(subspaces)?);
        let call = call.map_err(error::of_plan)?.sources(sources);
        Ok(Self { inner: saved.plan(&model.inner, &call).map_err(error::of_plan)? })
    }

    /// The same, keeping what a component is at every position.
    #[pyo3(signature = (component, layer = None))]
    fn collecting(&self, component: &str, layer: Option<usize>) -> PyResult<Self> {
        let component: Component = component.parse().map_err(error::of_plan)?;
        Ok(Self { inner: self.inner.clone().collect(component, layer, Positions::All) })
    }

    /// The same, reading no distribution: the unembedding is not computed.
    fn without_distributions(&self) -> Self {
        Self { inner: self.inner.clone().read(Positions::Each(vec![Vec::new()])) }
    }
}

impl Plan {
    /// The plan for an example: a base and its sources.
    pub fn resolve(
        &self,
        model: &Model,
        base: &GivenPrompt,
        sources: &[GivenPrompt],
    ) -> PyResult<ResolvedPlan> {
        let mut example = Example::new(model.prompt(base)?);
        for source in sources {
            example = example.source(model.prompt(source)?);
        }
        self.inner.resolve(&model.inner, &[example]).map_err(error::of_plan)
    }
}
