//! Directions that tell the sides of a data set apart: tables cross as Arrow streams, vectors as buffers.

use std::path::PathBuf;

use pyo3::prelude::*;
use vene::data::{ReadOptions, Role, read_with};
use vene::inspect::direction::{self, Directions};
use vene::inspect::{InspectError, Summary};
use vene::statistics::Bootstrap;
use vene::{PromptForm, alias};

use crate::compute::compute;
use crate::error;
use crate::inspect::{of_left_out, of_look};
use crate::model::Model;
use crate::table::Table;
use crate::values::Values;

/// What is asked for, as Python gives it.
#[derive(FromPyObject)]
pub struct AskedDirections {
    data: PathBuf,
    method: String,
    component: String,
    layers: Option<Vec<usize>>,
    position: String,
    positive: Vec<String>,
    seed: u64,
    limit: Option<usize>,
    resamples: Option<usize>,
}

/// What was found: the layers' separation, each held-out pair, each layer's vector, and what a user should know.
type Found = (Table, Table, Vec<(usize, Values)>, Vec<String>);

#[pyfunction]
pub fn find_directions(
    python: Python<'_>,
    model: &Model,
    asked: AskedDirections,
) -> PyResult<Found> {
    let mut bootstrap = Bootstrap { seed: asked.seed, ..Bootstrap::default() };
    bootstrap.resamples = asked.resamples.unwrap_or(bootstrap.resamples);
    bootstrap.check().map_err(error::of_input)?;
    let model = &model.inner;
    let component = alias::resolve(&asked.component, model.config()).map_err(error::of_input)?;
    let role: Role = asked.position.parse().map_err(error::of_input)?;
    let directions = Directions {
        method: asked.method.parse().map_err(error::of_input)?,
        component: component.component,
        layers: match (asked.layers, component.layer) {
            (Some(layers), _) => layers,
            (None, Some(layer)) => vec![layer],
            (None, None) => (0..model.config().layers.len()).collect(),
        },
        seed: asked.seed,
    };
    let options = ReadOptions { leave_out: true, ..ReadOptions::default() };
    let mut rows = read_with(&asked.data, &options).map_err(error::of_input)?.rows;
    rows.truncate(asked.limit.unwrap_or(usize::MAX));
    let form = PromptForm::default();
    let sides = direction::pairs(model, &rows, &role, &form, &asked.positive);
    let (sides, left_out) = sides.map_err(of_look)?;
    let warnings = of_left_out(&left_out, rows.len());
    let work = |_: &_| -> Result<_, InspectError> {
        let found = directions.find(model, &sides, &mut |_| {})?;
        let mut summary =
            Summary::new(&sides[0], ["component", "layer", "method"], direction::METRICS);
        summary.add(&found.examples)?;
        Ok((summary.table(&bootstrap)?, found))
    };
    let (summary, found) = compute(python, work, of_look)?;
    let vector = |direction: direction::Direction| {
        let values: Vec<f32> = direction.vector.iter().map(|value| *value as f32).collect();
        (direction.layer, Values::single(&[values.len()], values))
    };
    let vectors = found.directions.into_iter().map(vector).collect();
    Ok((Table::new(summary), Table::new(found.examples), vectors, warnings))
}
