//! A plan, by the words of a file: vene's own, or those of pyvene's configuration and call.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::TensorId;
use pyo3::prelude::*;
use serde_json::Value;
use vene::intervention::Parameter;
use vene::plan::ResolvedPlan;
use vene::plan_file::{Format, PlanFile, PyveneCall, PyveneSaved, PyveneState};
use vene::{Component, Example, Positions, When, candle_core};

use crate::compute::briefly;
use crate::error;
use crate::intervention::Intervention;
use crate::model::{GivenPrompt, Model};
use crate::values::{Given, Values};

/// What is edited and read, for a model.
#[pyclass(frozen, module = "vene._vene")]
pub struct Plan {
    pub inner: vene::Plan,
    /// For each edit the entry of the configuration that it is of.
    pub places: Vec<usize>,
}

/// What is in memory of a representation of pyvene's: parameters, an intervention, given values for each example.
#[derive(FromPyObject)]
pub struct GivenState(
    Option<BTreeMap<String, Given>>,
    Option<Py<Intervention>>,
    Option<Vec<Given>>,
);

impl GivenState {
    fn state(self, python: Python<'_>) -> PyResult<PyveneState> {
        let Self(parameters, intervention, given) = self;
        let named = |(name, values): (String, Given)| Ok((name, values.tensor(python)?));
        let parameters = parameters.map(|all| all.into_iter().map(named).collect::<PyResult<_>>());
        let values = |values: &Given| Ok(Arc::new(values.doubles(python)?));
        let given = given.map(|all| all.iter().map(values).collect::<PyResult<_>>());
        Ok(PyveneState {
            parameters: parameters.transpose()?,
            intervention: intervention.map(|own| Arc::clone(&own.get().inner)),
            given: given.transpose()?,
        })
    }
}

#[pymethods]
impl Plan {
    /// A plan as JSON has it (`docs/plans.md`); files that it names are looked up in `folder`. `own` are interventions of
    /// Python's, by the names that the plan calls them.
    #[staticmethod]
    #[pyo3(signature = (model, json, folder = "", own = Vec::new()))]
    fn parse(
        model: &Model,
        json: &str,
        folder: &str,
        own: Vec<(String, Py<Intervention>)>,
    ) -> PyResult<Self> {
        briefly(|| {
            let file =
                PlanFile::parse(json, Format::Json, Path::new(folder)).map_err(error::of_plan)?;
            let own = own.iter().map(|(name, own)| (name.clone(), Arc::clone(&own.get().inner)));
            let file = file.with_own(own);
            Ok(Self::of(file.plan(&model.inner).map_err(error::of_plan)?))
        })
    }

    /// A plan of a file, or of the folder in which it, or the training that made it, was saved.
    #[staticmethod]
    fn read(model: &Model, path: PathBuf) -> PyResult<Self> {
        briefly(|| {
            let plan = vene_cli::read_plan(&path, &model.inner).map_err(error::of_experiment)?;
            Ok(Self::of(plan))
        })
    }

    /// What pyvene would do of a configuration, as its `config.json` has it, at a call. `states` has for each representation
    /// its parameters by name, an intervention in place of the class, and given values in place of a source's. `when`: `prompt`,
    /// or `generated` for the tokens that are generated. `skips_own_input`: each source is the base itself.
    #[staticmethod]
    #[pyo3(signature = (model, config, unit_locations, subspaces, sources, states, when = "prompt", skips_own_input = false))]
    #[expect(clippy::too_many_arguments)]
    fn of_pyvene(
        python: Python<'_>,
        model: &Model,
        config: &str,
        unit_locations: &str,
        subspaces: &str,
        sources: Vec<Option<usize>>,
        states: Vec<GivenState>,
        when: &str,
        skips_own_input: bool,
    ) -> PyResult<Self> {
        let value = |text: &str| serde_json::from_str::<Value>(text).map_err(error::of_plan);
        let states =
            states.into_iter().map(|state| state.state(python)).collect::<PyResult<_>>()?;
        let saved = PyveneSaved::parse(config).map_err(error::of_plan)?;
        let saved = saved.with_states(states).map_err(error::of_plan)?;
        let call = PyveneCall::from_json(&value(unit_locations)?, &value(subspaces)?);
        let mut call = call.map_err(error::of_plan)?.sources(sources);
        call = match when {
            "prompt" => call.when(When::Prompt),
            "generated" => call.when(When::Generated),
            other => {
                return Err(error::plan(format!(
                    "when is {other:?}; expected prompt or generated"
                )));
            }
        };
        if skips_own_input {
            call = call.skips_own_input();
        }
        let (inner, places) =
            saved.plan_with_places(&model.inner, &call).map_err(error::of_plan)?;
        Ok(Self { inner, places })
    }

    /// What interventions that collect have kept since this was last asked: by the representation, the example, and the
    /// values `[positions, width]`, or `[heads, queries, keys]`.
    fn collected(&self) -> PyResult<Vec<(usize, usize, Values)>> {
        let mut collected = Vec::new();
        for (&place, intervention) in self.places.iter().zip(self.inner.interventions()) {
            for kept in intervention.take_collected() {
                collected.push((place, kept.example, Values::of(&kept.values)?));
            }
        }
        Ok(collected)
    }

    /// The same, keeping what a component is at every position.
    #[pyo3(signature = (component, layer = None))]
    fn collecting(&self, component: &str, layer: Option<usize>) -> PyResult<Self> {
        let component: Component = component.parse().map_err(error::of_plan)?;
        let inner = self.inner.clone().collect(component, layer, Positions::All);
        Ok(Self { inner, places: self.places.clone() })
    }

    /// The same, reading no distribution: the unembedding is not computed.
    fn without_distributions(&self) -> Self {
        let inner = self.inner.clone().read(Positions::At(Vec::new()));
        Self { inner, places: self.places.clone() }
    }
}

impl Plan {
    /// One whose edits are each an entry of their own.
    pub fn of(inner: vene::Plan) -> Self {
        Self { places: (0..inner.interventions().count()).collect(), inner }
    }

    /// The plan for an example: a base and its sources.
    pub fn resolve(
        &self,
        model: &Model,
        base: &GivenPrompt,
        sources: &[GivenPrompt],
    ) -> PyResult<ResolvedPlan> {
        self.inner.resolve(&model.inner, &[example(model, base, sources)?]).map_err(error::of_plan)
    }

    /// The parameters of its interventions, each with the entry of the configuration that it is of; those that are shared, once.
    pub fn parameters(&self) -> impl Iterator<Item = (usize, Parameter)> {
        let mut seen: Vec<TensorId> = Vec::new();
        let placed = self.places.iter().zip(self.inner.interventions());
        let all = placed.flat_map(|(&place, intervention)| {
            intervention.parameters().into_iter().map(move |parameter| (place, parameter))
        });
        all.filter(move |(_, parameter)| {
            let id = parameter.variable.id();
            let is_new = !seen.contains(&id);
            if is_new {
                seen.push(id);
            }
            is_new
        })
    }

    /// The plan for examples, each a base and its sources.
    pub fn resolve_all(&self, model: &Model, examples: &[GivenExample]) -> PyResult<ResolvedPlan> {
        let examples = examples.iter().map(|(base, sources)| example(model, base, sources));
        let examples: Vec<Example> = examples.collect::<PyResult<_>>()?;
        self.inner.resolve(&model.inner, &examples).map_err(error::of_plan)
    }
}

/// A base and its sources.
pub type GivenExample = (GivenPrompt, Vec<GivenPrompt>);

fn example(model: &Model, base: &GivenPrompt, sources: &[GivenPrompt]) -> PyResult<Example> {
    let mut example = Example::new(model.prompt(base)?);
    for source in sources {
        example = example.source(model.prompt(source)?);
    }
    Ok(example)
}

/// The parameters in a file that pyvene saved, by name; nothing of the file is run.
#[pyfunction]
pub fn pyvene_parameters(path: PathBuf) -> PyResult<BTreeMap<String, Values>> {
    let read = vene::plan_file::pyvene_parameters(&path).map_err(error::of_plan)?;
    read.into_iter().map(|(name, values)| Ok((name, Values::of(&values)?))).collect()
}
