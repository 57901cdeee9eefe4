//! What a sweep does at each of its places.

use std::sync::Arc;

use vene_model::Component;

use crate::error::SweepError;
use crate::intervention::{Intervention, SourceCount};
use crate::plan::{Edit, Module, Positions, SourcePositions};

/// The intervention of a sweep.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Method {
    /// The source's values instead of the base's.
    Interchange,
    /// 0 instead of the base's values.
    Zero,
    /// The mean over all sources instead of the base's values.
    Mean,
    /// The source's values added to the base's.
    Addition,
    /// The source's values subtracted from the base's.
    Subtraction,
    /// The base's values times a factor.
    Scaling {
        /// The factor.
        factor: f64,
    },
    /// Gaussian noise added to the base's values.
    Noise {
        /// The noise's standard deviation.
        standard_deviation: f64,
        /// The same seed gives the same noise.
        seed: u64,
    },
    /// A module's output becomes its own input.
    Skip,
    /// The last position no longer sees the swept position; on `attention_score`.
    Knockout,
    /// A user's own.
    Custom(Arc<dyn Intervention>),
}

impl Method {
    /// The names of those that a name alone describes, for messages.
    pub const NAMES: [&'static str; 9] = [
        "interchange",
        "zero",
        "mean",
        "addition",
        "subtraction",
        "scaling",
        "noise",
        "skip",
        "knockout",
    ];

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Interchange => "interchange",
            Self::Zero => "zero",
            Self::Mean => "mean",
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Scaling { .. } => "scaling",
            Self::Noise { .. } => "noise",
            Self::Skip => "skip",
            Self::Knockout => "knockout",
            Self::Custom(intervention) => intervention.name(),
        }
    }

    /// Whether it reads a source.
    pub fn reads_source(&self) -> bool {
        self.source_count() != SourceCount::None
    }

    /// How many of the sources it reads: none, the first, or all of them.
    pub(super) fn source_count(&self) -> SourceCount {
        match self {
            Self::Interchange | Self::Addition | Self::Subtraction => SourceCount::One,
            Self::Mean => SourceCount::Several,
            Self::Custom(intervention) => intervention.traits().sources,
            _ => SourceCount::None,
        }
    }

    /// Those of some sources that it reads.
    pub(super) fn read<'s, T>(&self, sources: &'s [T]) -> &'s [T] {
        let count = match self.source_count() {
            SourceCount::None => 0,
            SourceCount::One => 1,
            SourceCount::Several => sources.len(),
        };
        &sources[..count.min(sources.len())]
    }

    /// The edit at one place: what is written, and what is read where a source is.
    pub(crate) fn edit(
        &self,
        component: Component,
        layer: Option<usize>,
        base: Positions,
        source: impl Into<SourcePositions>,
    ) -> Result<Edit, SweepError> {
        let edit = match self {
            Self::Interchange => Edit::interchange(component, layer),
            Self::Zero => Edit::zero(component, layer),
            Self::Mean => Edit::mean(component, layer),
            Self::Addition => Edit::addition(component, layer),
            Self::Subtraction => Edit::subtraction(component, layer),
            Self::Scaling { factor } => Edit::scaling(component, layer, *factor),
            Self::Noise { standard_deviation, seed } => {
                Edit::noise(component, layer, *standard_deviation, *seed)
            }
            Self::Skip => match (module(component), layer) {
                (Some(module), Some(layer)) => Edit::skip(module, layer),
                _ => return Err(SweepError::NoSkip { component }),
            },
            Self::Knockout => match (component, layer) {
                (Component::AttentionScore, Some(layer)) => {
                    return Ok(Edit::knockout(layer).at(Positions::Last).keys(base));
                }
                _ => return Err(SweepError::NoKnockout { component }),
            },
            Self::Custom(intervention) => Edit::new(component, layer, intervention.clone()),
        };
        Ok(edit.at(base).from(source))
    }
}

fn module(component: Component) -> Option<Module> {
    match component {
        Component::AttentionOutput => Some(Module::Attention),
        Component::MlpOutput => Some(Module::Mlp),
        Component::BlockOutput => Some(Module::Block),
        _ => None,
    }
}
