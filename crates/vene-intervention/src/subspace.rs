//! Subspaces: which coordinates an intervention acts on, and parts of them by name.
//!
//! Coordinates are those in which the intervention works: the values' own for
//! [`InSubspace`](super::InSubspace), a rotation's directions, principal components, an
//! autoencoder's latents.

use std::collections::{HashMap, HashSet};

use candle_core::Tensor;

use super::UnitContext;

/// Coordinates that are acted on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Subspace {
    /// All.
    #[default]
    All,
    /// These, each once, counted from 0.
    Dimensions(Vec<usize>),
}

impl Subspace {
    /// These coordinates: `[0, 3, 5]`, `0..64`.
    pub fn dimensions(dimensions: impl IntoIterator<Item = usize>) -> Self {
        Self::Dimensions(dimensions.into_iter().collect())
    }

    /// The first `count`, pyvene's `interchange_dim`.
    pub fn first(count: usize) -> Self {
        Self::dimensions(0..count)
    }

    /// The chosen ones of this many coordinates; `None` stands for all.
    ///
    /// # Errors
    /// A coordinate past the end or named twice, or none at all.
    pub fn check(&self, coordinates: usize) -> Result<(), SubspaceError> {
        let Self::Dimensions(dimensions) = self else { return Ok(()) };
        if dimensions.is_empty() {
            return Err(SubspaceError::Empty);
        }
        let mut seen = HashSet::with_capacity(dimensions.len());
        for &dimension in dimensions {
            if dimension >= coordinates {
                return Err(SubspaceError::PastEnd { dimension, coordinates });
            }
            if !seen.insert(dimension) {
                return Err(SubspaceError::Twice { dimension });
            }
        }
        Ok(())
    }

    /// What an example's application acts on: the plan's choice, else this one. `None` stands for
    /// all.
    pub(super) fn chosen<'a>(&'a self, context: &UnitContext<'a>) -> Option<&'a [usize]> {
        context.subspace.or(match self {
            Self::All => None,
            Self::Dimensions(dimensions) => Some(dimensions),
        })
    }

    /// [`Subspace::check`], in words that stand behind "has".
    pub(super) fn problem(&self, coordinates: usize) -> Result<(), String> {
        self.check(coordinates).map_err(|error| format!("a subspace that cannot be: {error}"))
    }
}

/// In the chosen columns the values of `inside`, in all others those of `outside`, both
/// `[rows, coordinates]`.
pub(super) fn mix(
    chosen: &[usize],
    inside: &Tensor,
    outside: &Tensor,
) -> candle_core::Result<Tensor> {
    let coordinates = outside.dim(candle_core::D::Minus1)?;
    let mut is_inside = vec![0u8; coordinates];
    for &dimension in chosen {
        match is_inside.get_mut(dimension) {
            Some(inside) => *inside = 1,
            None => candle_core::bail!("{}", SubspaceError::PastEnd { dimension, coordinates }),
        }
    }
    let is_inside = Tensor::new(is_inside, outside.device())?.broadcast_as(outside.shape())?;
    is_inside.where_cond(inside, outside)
}

/// A partition of coordinates into parts with names (pyvene's `subspace_partition`, whose parts are
/// numbered). It need not cover all of them.
///
/// ```
/// use vene::intervention::Partition;
///
/// let partition = Partition::new(8, [("country", 0..3), ("language", 3..8)])?;
/// assert_eq!(partition.subspace(["country"])?, vene::intervention::Subspace::first(3));
/// assert!(Partition::new(8, [("country", 0..4), ("language", 3..8)]).is_err());
/// # Ok::<(), vene::intervention::SubspaceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    parts: Vec<(String, Vec<usize>)>,
}

impl Partition {
    /// Parts of this many coordinates.
    ///
    /// # Errors
    /// Two parts of one name, a part without a coordinate, a coordinate past the end, twice in a
    /// part or in two parts.
    pub fn new<Name: Into<String>, Dimensions: IntoIterator<Item = usize>>(
        coordinates: usize,
        parts: impl IntoIterator<Item = (Name, Dimensions)>,
    ) -> Result<Self, SubspaceError> {
        let mut owner: HashMap<usize, usize> = HashMap::new();
        let mut names: HashSet<String> = HashSet::new();
        let mut kept: Vec<(String, Vec<usize>)> = Vec::new();
        for (name, dimensions) in parts {
            let (name, dimensions) = (name.into(), dimensions.into_iter().collect());
            if !names.insert(name.clone()) {
                return Err(SubspaceError::PartTwice { name });
            }
            let subspace = Subspace::Dimensions(dimensions);
            subspace.check(coordinates)?;
            let Subspace::Dimensions(dimensions) = subspace else { continue };
            for &dimension in &dimensions {
                if let Some(first) = owner.insert(dimension, kept.len()) {
                    let first = kept[first].0.clone();
                    return Err(SubspaceError::Overlap { dimension, first, second: name });
                }
            }
            kept.push((name, dimensions));
        }
        Ok(Self { parts: kept })
    }

    /// The parts' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(name, _)| name.as_str())
    }

    /// The coordinates of these parts together.
    ///
    /// # Errors
    /// A name that no part has, or one given twice; no name at all.
    pub fn subspace<Name: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = Name>,
    ) -> Result<Subspace, SubspaceError> {
        let (mut dimensions, mut named) = (Vec::new(), HashSet::new());
        let parts: HashMap<&str, usize> =
            self.names().enumerate().map(|(index, name)| (name, index)).collect();
        for name in names {
            let name = name.as_ref();
            let part = parts.get(name).copied().ok_or_else(|| {
                let known: Vec<_> = self.names().collect();
                SubspaceError::UnknownPart { name: name.to_owned(), known: known.join(", ") }
            })?;
            if !named.insert(part) {
                return Err(SubspaceError::PartTwice { name: name.to_owned() });
            }
            dimensions.extend(&self.parts[part].1);
        }
        match dimensions.is_empty() {
            true => Err(SubspaceError::Empty),
            false => Ok(Subspace::Dimensions(dimensions)),
        }
    }
}

/// A subspace or partition that cannot be.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubspaceError {
    /// Past the end.
    #[error("dimension {dimension}: there are {coordinates}, counted from 0")]
    PastEnd {
        /// What was asked for.
        dimension: usize,
        /// How many there are.
        coordinates: usize,
    },
    /// Twice the same.
    #[error("dimension {dimension} is named twice")]
    Twice {
        /// The dimension.
        dimension: usize,
    },
    /// Nothing.
    #[error("it names no dimension")]
    Empty,
    /// In two parts of a partition.
    #[error(
        "dimension {dimension} is in the part `{first}` and in `{second}`; parts may not overlap"
    )]
    Overlap {
        /// The dimension.
        dimension: usize,
        /// One part.
        first: String,
        /// The other.
        second: String,
    },
    /// A part's name twice.
    #[error("the part `{name}` is named twice")]
    PartTwice {
        /// The name.
        name: String,
    },
    /// No such part.
    #[error("there is no part `{name}`; there are {known}")]
    UnknownPart {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
}

vene_named::debug_as_sentence!(SubspaceError);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn parts_may_not_overlap_nor_reach_past_the_end() {
        let new = |parts: &[(&str, &[usize])]| {
            let parts = parts.iter().map(|&(name, dimensions)| (name, dimensions.to_vec()));
            Partition::new(4, parts).map(|partition| partition.names().count())
        };
        assert_eq!(new(&[("a", &[0, 2]), ("b", &[3])]), Ok(2));
        let (first, second) = ("a".to_owned(), "b".to_owned());
        let overlap = SubspaceError::Overlap { dimension: 2, first, second };
        assert_eq!(new(&[("a", &[0, 2]), ("b", &[2])]), Err(overlap));
        let past_end = SubspaceError::PastEnd { dimension: 4, coordinates: 4 };
        assert_eq!(new(&[("a", &[4])]), Err(past_end));
        assert_eq!(new(&[("a", &[1, 1])]), Err(SubspaceError::Twice { dimension: 1 }));
        assert_eq!(new(&[("a", &[])]), Err(SubspaceError::Empty));
        let twice = SubspaceError::PartTwice { name: "a".to_owned() };
        assert_eq!(new(&[("a", &[0]), ("a", &[1])]), Err(twice));
    }

    #[test]
    fn parts_are_joined_in_the_order_of_their_names() {
        let partition = Partition::new(4, [("a", vec![0, 2]), ("b", vec![3])]).unwrap();
        assert_eq!(partition.subspace(["b", "a"]), Ok(Subspace::dimensions([3, 0, 2])));
        let error = partition.subspace(["c"]).unwrap_err().to_string();
        assert_eq!(error, "there is no part `c`; there are a, b");
        assert_eq!(
            partition.subspace(["a", "a"]).unwrap_err().to_string(),
            "the part `a` is named twice"
        );
    }
}
