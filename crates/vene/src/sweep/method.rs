//! What a sweep does at each of its places.

use std::sync::Arc;

use vene_model::Component;

use crate::error::SweepError;
use crate::intervention::{
    Addition, Interchange, Intervention, Knockout, Mean, Noise, Scaling, SourceCount, Subtraction,
    Zero, registry,
};
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
    /// The one that a name alone describes, by its name in the registry: `interchange`, `skip`; `None` where a name is not
    /// enough, or unknown.
    pub fn named(name: &str) -> Option<Self> {
        registry::methods().find(|(known, _)| *known == name).map(|(_, method)| method())
    }

    /// The names of those that a name alone describes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        registry::methods().map(|(name, _)| name)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Skip => "skip",
            method => method.intervention().name(),
        }
    }

    /// Whether it reads a source.
    pub fn reads_source(&self) -> bool {
        self.source_count() != SourceCount::None
    }

    /// How many of the sources it reads: none, the first, or all of them.
    pub(super) fn source_count(&self) -> SourceCount {
        match self {
            // It reads the module's own input.
            Self::Skip => SourceCount::None,
            method => method.intervention().traits().sources,
        }
    }

    fn intervention(&self) -> Arc<dyn Intervention> {
        match self {
            Self::Interchange | Self::Skip => Arc::new(Interchange),
            Self::Zero => Arc::new(Zero),
            Self::Mean => Arc::new(Mean),
            Self::Addition => Arc::new(Addition),
            Self::Subtraction => Arc::new(Subtraction),
            Self::Scaling { factor } => Arc::new(Scaling { factor: *factor }),
            Self::Noise { standard_deviation, seed } => {
                Arc::new(Noise { standard_deviation: *standard_deviation, seed: *seed })
            }
            Self::Knockout => Arc::new(Knockout),
            Self::Custom(intervention) => intervention.clone(),
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
            method => Edit::new(component, layer, method.intervention()),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_method_of_a_name_has_that_name() {
        assert!(Method::names().count() >= 7);
        for name in Method::names() {
            assert_eq!(Method::named(name).unwrap().name(), name);
        }
        assert!(Method::named("scaling").is_none());
    }
}
