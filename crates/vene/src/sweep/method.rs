//! What a sweep does at each of its places.

use std::str::FromStr;
use std::sync::Arc;

use vene_data::Role;
use vene_engine::plan::{Edit, Module, Positions, SourcePositions};
use vene_intervention::{
    Addition, Interchange, Intervention, Knockout, Mean, Noise, Scaling, SourceCount, Subtraction,
    Zero,
};
use vene_model::Component;
use vene_named::UnknownName;

use super::NoiseSize;
use crate::registry;
use crate::sweep::SweepError;

/// The intervention of a sweep.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Method {
    /// The source's values instead of the base's (activation patching).
    Interchange,
    /// 0 instead of the base's values.
    Zero,
    /// The mean over all sources of a pair instead of the base's values.
    Mean,
    /// The mean over the data set's bases instead of the values (mean ablation).
    MeanAblation {
        /// Over the tokens that play the edited position's role, rather than over all but a
        /// beginning-of-sequence token. Where all positions are edited at once, it is over all.
        per_position: bool,
    },
    /// The values of other rows' bases instead of the values, drawn at random; effects are averaged
    /// over the draws.
    Resample {
        /// How many draws for each row.
        draws: usize,
    },
    /// The source's values added to the base's.
    Addition,
    /// The source's values subtracted from the base's.
    Subtraction,
    /// The base's values times a factor.
    Scaling {
        /// The factor.
        factor: f64,
    },
    /// Gaussian noise added to the values; effects are averaged over the draws. The same
    /// [seed](super::SweepBuilder::seed) gives the same noise.
    Noise {
        /// The noise's standard deviation.
        standard_deviation: f64,
        /// How many draws for each row.
        draws: usize,
    },
    /// Causal tracing (Meng et al. 2022): noise is added to the embeddings of a role's tokens, and
    /// at each place the values of the run without noise are put back.
    Restore {
        /// How strong the noise is.
        noise: NoiseSize,
        /// How many draws for each row.
        draws: usize,
        /// The tokens whose embeddings get the noise.
        corrupted: Role,
    },
    /// A module's output becomes its own input.
    Skip,
    /// The last position no longer sees the swept position; on `attention_score`.
    Knockout,
    /// A user's own.
    Custom(Arc<dyn Intervention>),
}

impl FromStr for Method {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::named(name).ok_or_else(|| {
            let known: Vec<&str> = Self::names().collect();
            UnknownName::new("intervention that a name alone describes", name, &known)
        })
    }
}

impl Method {
    /// Draws for each row and place at most.
    pub const MOST_DRAWS: usize = 1000;

    /// The one that a name alone describes, by its name in the registry: `interchange`, `skip`; `None` where a name is not
    /// enough, or unknown.
    pub fn named(name: &str) -> Option<Self> {
        registry::methods().find(|(known, _)| *known == name).map(|(_, method)| method())
    }

    /// The names of those that a name alone describes, which parse: `"zero".parse::<Method>()`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        registry::methods().map(|(name, _)| name)
    }

    /// Its name, in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::MeanAblation { per_position: true } => "mean",
            Self::MeanAblation { per_position: false } => "mean_of_all_positions",
            Self::Resample { .. } => "resample",
            Self::Restore { .. } => "restore",
            Self::Noise { .. } => "noise",
            method => method.intervention().name(),
        }
    }

    /// What its name does not say, in words; empty where that is nothing.
    pub(super) fn parameters(&self) -> String {
        match self {
            Self::Noise { standard_deviation, .. } => {
                format!("standard deviation {standard_deviation}")
            }
            Self::Restore { noise: NoiseSize::Absolute(standard_deviation), corrupted, .. } => {
                format!("standard deviation {standard_deviation} at {corrupted}")
            }
            Self::Restore { noise: NoiseSize::OfEmbeddings(times), corrupted, .. } => {
                format!("{times} standard deviations of the embeddings at {corrupted}")
            }
            Self::Scaling { factor } => format!("factor {factor}"),
            _ => String::new(),
        }
    }

    /// How many edited runs are averaged for each row and place.
    pub fn draws(&self) -> usize {
        match self {
            Self::Resample { draws } | Self::Noise { draws, .. } | Self::Restore { draws, .. } => {
                *draws
            }
            _ => 1,
        }
    }

    /// Whether it reads a source.
    pub fn reads_source(&self) -> bool {
        self.source_count() != SourceCount::None
    }

    /// Whether it reads all of a pair's sources, and not the first alone.
    pub fn reads_all_sources(&self) -> bool {
        self.source_count() == SourceCount::Several
    }

    /// Whether it is made of the other rows of a data set, which a pair does not have.
    pub(super) fn needs_rows(&self) -> bool {
        matches!(self, Self::MeanAblation { .. } | Self::Resample { .. })
    }

    /// How many of the sources it reads: none, the first, or all of them.
    pub(super) fn source_count(&self) -> SourceCount {
        match self {
            // What they read is the module's own input, other rows' bases, and the run without noise.
            Self::Skip
            | Self::MeanAblation { .. }
            | Self::Resample { .. }
            | Self::Restore { .. } => SourceCount::None,
            method => method.intervention().traits().sources,
        }
    }

    /// What is done to values; of noise, that of seed 0, in place of which each draw stands.
    fn intervention(&self) -> Arc<dyn Intervention> {
        match self {
            Self::Interchange
            | Self::Skip
            | Self::MeanAblation { .. }
            | Self::Resample { .. }
            | Self::Restore { .. } => Arc::new(Interchange),
            Self::Zero => Arc::new(Zero),
            Self::Mean => Arc::new(Mean),
            Self::Addition => Arc::new(Addition),
            Self::Subtraction => Arc::new(Subtraction),
            Self::Scaling { factor } => Arc::new(Scaling { factor: *factor }),
            Self::Noise { standard_deviation, .. } => {
                Arc::new(Noise { standard_deviation: *standard_deviation, seed: 0 })
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
    pub(super) fn edit(
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
