//! Executors by their names.

use vene::{Executor, ExecutorName, ForecastOf, Forked, Model, Outline, Precision, Reference};

use crate::model;

/// The executor; the forked one's passes are held to `memory` bytes, where given.
pub fn on(name: ExecutorName, model: &Model, memory: Option<usize>) -> Box<dyn Executor + '_> {
    match (name, memory) {
        (ExecutorName::Reference, _) => Box::new(Reference::new(model)),
        (ExecutorName::Forked, None) => Box::new(Forked::new(model)),
        (ExecutorName::Forked, Some(bytes)) => Box::new(Forked::new(model).memory(bytes)),
    }
}

/// Reads the weights in the form that it needs.
pub fn load(name: ExecutorName, outline: Outline, precision: Precision) -> anyhow::Result<Model> {
    match name {
        ExecutorName::Forked => model::load(outline, precision),
        ExecutorName::Reference => model::load_plain(outline, precision),
    }
}

/// Whose costs are forecast.
pub fn forecast_of(name: ExecutorName, memory: Option<usize>) -> ForecastOf {
    match name {
        ExecutorName::Reference => ForecastOf::Reference,
        ExecutorName::Forked => ForecastOf::Forked(memory),
    }
}
