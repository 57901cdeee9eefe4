//! At which positions edges are patched.

use vene_data::{PreparedRow, Role};

/// Positions of the base that are patched together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchPlace {
    /// All of them: base and source are equally long.
    All,
    /// Those that play a role in each row.
    Role(Role),
}

/// Positions of the base, each with the position of the source whose contributions it gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aligned {
    /// Ascending, each once.
    pub(crate) base: Vec<usize>,
    /// As many.
    pub(crate) source: Vec<usize>,
}

impl PatchPlace {
    /// Its name in tables: `all`, or the role's.
    pub fn name(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Role(role) => role.to_string(),
        }
    }

    /// The role, where it is one.
    pub(crate) fn role(&self) -> Option<&Role> {
        match self {
            Self::All => None,
            Self::Role(role) => Some(role),
        }
    }

    /// Its positions in a row that was prepared for the roles of `places`. Where texts begin alike nothing differs: these positions
    /// are left out.
    pub(crate) fn aligned(&self, places: &[Self], row: &PreparedRow) -> Aligned {
        let source = row.source.as_ref().unwrap_or(&row.base);
        let pairs: Vec<(usize, usize)> = match self {
            Self::All => (0..row.base.len()).zip(0..source.len()).collect(),
            Self::Role(_) => {
                let roles = places.iter().filter(|place| matches!(place, Self::Role(_)));
                let place = roles.clone().position(|place| place == self);
                let of = |positions: &[Vec<usize>]| {
                    place.and_then(|place| positions.get(place)).cloned().unwrap_or_default()
                };
                let base = of(&row.base_positions);
                let source =
                    if row.source.is_some() { of(&row.source_positions) } else { base.clone() };
                base.into_iter().zip(source).collect()
            }
        };
        let mut pairs = pairs;
        pairs.sort_unstable();
        pairs.dedup_by_key(|(base, _)| *base);
        let (base, source) = pairs.into_iter().unzip();
        Aligned { base, source }
    }
}
