//! Which positions a sweep visits, and where they are in the prompts of a pair.

use std::collections::BTreeMap;

use vene_data::{Role, Row};
use vene_engine::Whose;
use vene_engine::plan::{Positions, Run, SourcePositions, align};
use vene_model::Prompt;

use super::SweepUnit;
use crate::sweep::SweepError;

/// Which positions a sweep visits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SweepPositions {
    /// Of a pair every one; base and sources must be equally long.
    All,
    /// Of a pair those that correspond in base and source (see [`align`]); of several sources that are read, in all
    /// of them.
    Aligned,
    /// Of a pair these in the base, and these in the sources; what stands for several positions is visited one by
    /// one. Words are looked up in each source that is read.
    Named(Vec<NamedPositions>),
    /// Of a pair or of many rows those that play these roles, all tokens of a role at once.
    Roles(Vec<Role>),
}

/// Positions of a pair by a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPositions {
    /// The word that was asked for, in tables.
    pub role: Option<String>,
    /// In the base.
    pub base: Positions,
    /// In the sources.
    pub source: SourcePositions,
}

impl SweepPositions {
    /// Positions in the base, and those in the sources, pair by pair.
    pub fn named(pairs: impl IntoIterator<Item = (Positions, SourcePositions)>) -> Self {
        let named = |(base, source): (Positions, SourcePositions)| {
            let role = match &base {
                Positions::Last => Some("last".to_owned()),
                Positions::Role(role) => Some(role.to_string()),
                Positions::At(indices) => match indices.as_slice() {
                    [index] => Some(index.to_string()),
                    _ => None,
                },
                _ => None,
            };
            NamedPositions { role, base, source }
        };
        Self::Named(pairs.into_iter().map(named).collect())
    }
}

/// A place that is visited in a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PairPosition {
    /// The word that was asked for.
    pub(super) word: Option<String>,
    /// In the base.
    pub(super) base: Vec<usize>,
    /// In each source that is read.
    pub(super) sources: Vec<Vec<usize>>,
}

impl PairPosition {
    fn one(word: Option<String>, base: usize, sources: impl IntoIterator<Item = usize>) -> Self {
        let sources = sources.into_iter().map(|position| vec![position]).collect();
        Self { word, base: vec![base], sources }
    }
}

/// A pair whose positions are looked for.
pub(super) struct PairPrompts<'p> {
    pub(super) row: &'p Row,
    pub(super) base: &'p Prompt,
    /// Those that the method reads.
    pub(super) read: &'p [Prompt],
}

impl PairPrompts<'_> {
    /// The places that are visited; none where all positions are edited at once.
    pub(super) fn positions(
        &self,
        positions: &SweepPositions,
        unit: SweepUnit,
        is_given: bool,
    ) -> Result<Vec<PairPosition>, SweepError> {
        let Self { base, read, .. } = self;
        let must_match = unit == SweepUnit::Head || *positions == SweepPositions::All;
        let other = read.iter().position(|source| source.len() != base.len());
        if let Some(index) = other.filter(|_| must_match) {
            return Err(SweepError::DifferentLengths {
                base: base.len(),
                source_tokens: read[index].len(),
                whose: self.whose(index),
            });
        }
        if unit == SweepUnit::Head {
            if is_given && *positions != SweepPositions::All {
                return Err(SweepError::PositionsWithoutUnit);
            }
            return Ok(Vec::new());
        }
        let found = match positions {
            SweepPositions::All => {
                let everywhere =
                    |position| PairPosition::one(None, position, vec![position; read.len()]);
                (0..base.len()).map(everywhere).collect()
            }
            SweepPositions::Aligned => self.aligned(),
            SweepPositions::Named(names) => {
                let mut found: Vec<PairPosition> = Vec::new();
                for name in names {
                    for position in self.named(name)? {
                        if let Some(other) = found.iter().find(|other| other.base == position.base)
                        {
                            return Err(twice(other, &position));
                        }
                        found.push(position);
                    }
                }
                found
            }
            SweepPositions::Roles(roles) => {
                roles.iter().map(|role| self.of_role(role)).collect::<Result<_, _>>()?
            }
        };
        if found.is_empty() {
            return Err(SweepError::NoPositions);
        }
        Ok(found)
    }

    fn whose(&self, index: usize) -> Whose {
        Whose::Source { index, sources: self.read.len() }
    }

    /// Positions of the base that have a counterpart in each source.
    fn aligned(&self) -> Vec<PairPosition> {
        let maps: Vec<BTreeMap<usize, usize>> =
            self.read.iter().map(|source| align(self.base, source).into_iter().collect()).collect();
        let counterparts = |position: usize| {
            let each = maps.iter().map(|map| map.get(&position).copied());
            Some(PairPosition::one(None, position, each.collect::<Option<Vec<_>>>()?))
        };
        (0..self.base.len()).filter_map(counterparts).collect()
    }

    /// What is named in the base with what is named in each source, position by position.
    fn named(&self, name: &NamedPositions) -> Result<Vec<PairPosition>, SweepError> {
        let resolve = |positions: &Positions, prompt, whose: Whose| {
            positions.resolve(prompt, 0).map_err(|error| SweepError::Position { whose, error })
        };
        let written = resolve(&name.base, self.base, Whose::Base)?;
        let mut found: Vec<PairPosition> =
            written.iter().map(|&base| PairPosition::one(name.role.clone(), base, [])).collect();
        if let SourcePositions::BySource(each) = &name.source
            && !self.read.is_empty()
            && each.len() != self.read.len()
        {
            let (lists, sources) = (each.len(), self.read.len());
            return Err(SweepError::SourceLists { lists, sources });
        }
        for (index, source) in self.read.iter().enumerate() {
            let Some(words) = name.source.of(Run::Source(index)) else { continue };
            let whose = self.whose(index);
            let read = resolve(words, source, whose)?;
            if written.len() != read.len() {
                let (base, source_tokens) = (written.len(), read.len());
                return Err(SweepError::UnequalSpans { base, source_tokens, whose });
            }
            for (position, read) in found.iter_mut().zip(read) {
                position.sources.push(vec![read]);
            }
        }
        Ok(found)
    }

    /// The tokens that play a role.
    fn of_role(&self, role: &Role) -> Result<PairPosition, SweepError> {
        let refused = |whose| move |error| SweepError::Position { whose, error };
        let base = self.row.role_in_base(role, self.base).map_err(refused(Whose::Base))?;
        let mut sources = Vec::new();
        for (index, source) in self.read.iter().enumerate() {
            let whose = self.whose(index);
            let read = self.row.role_in_source(role, source).map_err(refused(whose))?;
            if base.len() != read.len() {
                let (base, source_tokens) = (base.len(), read.len());
                return Err(SweepError::UnequalSpans { base, source_tokens, whose });
            }
            sources.push(read);
        }
        Ok(PairPosition { word: Some(role.to_string()), base, sources })
    }
}

/// The error that two names are one position of the base.
fn twice(one: &PairPosition, other: &PairPosition) -> SweepError {
    let first = |positions: &Vec<usize>| positions.first().copied().unwrap_or_default();
    let position = first(&one.base);
    let sources = one.sources.len();
    let mut pairs = one.sources.iter().zip(&other.sources).enumerate();
    match pairs.find(|(_, (one, other))| one != other) {
        None => SweepError::PositionTwice { position },
        Some((index, (one, other))) => {
            let whose = Whose::Source { index, sources };
            SweepError::PositionShared { position, one: first(one), other: first(other), whose }
        }
    }
}

/// The positions that a sweep visits where none are named: of a pair all, of rows the last.
pub(super) fn usual(is_pair: bool) -> SweepPositions {
    if is_pair { SweepPositions::All } else { SweepPositions::Roles(vec![Role::Last]) }
}

/// The roles of rows, whose positions are visited by role alone.
///
/// # Errors
/// Positions that are for a pair.
pub(super) fn roles(positions: &SweepPositions) -> Result<Vec<Role>, SweepError> {
    match positions {
        SweepPositions::Roles(roles) => Ok(roles.clone()),
        SweepPositions::All => Err(SweepError::PositionsOfRows { what: "all" }),
        SweepPositions::Aligned => Err(SweepError::PositionsOfRows { what: "aligned" }),
        SweepPositions::Named(_) => Err(SweepError::PositionsOfRows { what: "named" }),
    }
}
