//! What pyvene leaves to the call of a model: where each intervention reads and writes, and in which
//! subspace.

use serde_json::Value;

use crate::plan_file::error::{At, FilePlace, PlanFileError};
use vene_engine::plan::When;

/// Numbers in lists in lists, as pyvene nests them; `None` where Python has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Nested {
    /// Python's `None`.
    #[default]
    None,
    /// A number.
    Number(i64),
    /// A list.
    List(Vec<Nested>),
}

/// The arguments of a call of pyvene's `IntervenableModel`.
///
/// ```
/// use vene::plan_file::PyveneCall;
///
/// // {"sources->base": ([[[2], [3]]], [[[4], [4]]])}: one intervention, two examples.
/// let call = PyveneCall::new().locations(
///     "sources->base",
///     vec![vec![vec![2], vec![3]]],
///     vec![vec![vec![4], vec![4]]],
/// );
/// // The short form: position 4 of base and sources, in every intervention and example.
/// let call = PyveneCall::new().locations("sources->base", 4, 4);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PyveneCall {
    locations: Vec<(String, Nested, Nested)>,
    subspaces: Nested,
    sources: Option<Vec<Option<usize>>>,
    skips_own_input: bool,
    when: When,
}

impl PyveneCall {
    /// Without locations: whole components are read and written.
    pub fn new() -> Self {
        Self::default()
    }

    /// The entry of `unit_locations` under a name, `sources->base` or, in serial mode,
    /// `source_0->source_1` and so on: the sources' locations and the base's.
    ///
    /// Each is `[interventions][examples][units]`, for unit `h.pos`
    /// `[interventions][heads, positions][examples][units]`; or a position for all, or a list of
    /// positions for all. In place of an intervention's, `None` stands for the whole component; in
    /// place of an example's, for one that is not edited. Positions count tokens of the prompt, without
    /// padding.
    #[must_use]
    pub fn locations(
        mut self,
        name: impl Into<String>,
        sources: impl Into<Nested>,
        base: impl Into<Nested>,
    ) -> Self {
        self.locations.push((name.into(), sources.into(), base.into()));
        self
    }

    /// `subspaces`: `[interventions][examples][parts]`, or dimensions where there is no partition;
    /// `None` in place of an intervention's leaves its subspace as it was saved.
    #[must_use]
    pub fn subspaces(mut self, subspaces: impl Into<Nested>) -> Self {
        self.subspaces = subspaces.into();
        self
    }

    /// Which of an example's sources each group of interventions reads, in the order of the groups;
    /// `None` switches a group off, as a source of `None` does in pyvene. Unless told, the first group
    /// reads the first source, the second the second, as pyvene's list of sources says.
    #[must_use]
    pub fn sources(mut self, sources: impl Into<Vec<Option<usize>>>) -> Self {
        self.sources = Some(sources.into());
        self
    }

    /// Says that each example's source is its base wherever a `SkipIntervention` reads it, so that a
    /// module is skipped. Without it such a folder is refused: pyvene writes what the module was given
    /// in the *source's* run.
    #[must_use]
    pub fn skips_own_input(mut self) -> Self {
        self.skips_own_input = true;
        self
    }

    /// When edits are made to a text that is generated; by default on the prompt.
    #[must_use]
    pub fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    /// From `unit_locations` and `subspaces` as JSON, in which pairs are lists.
    ///
    /// # Errors
    /// Something else than numbers, lists and null in a table of pairs.
    pub fn from_json(unit_locations: &Value, subspaces: &Value) -> Result<Self, PlanFileError> {
        let wrong = |entry: &str, problem: &str| PlanFileError::Contradiction {
            place: FilePlace { file: None, at: At::default(), entry: entry.into() },
            problem: problem.to_owned(),
        };
        let nested = |entry: &str, value: &Value| {
            Nested::of(value)
                .ok_or_else(|| wrong(entry, "expected whole numbers, lists of them, and null"))
        };
        let mut call = Self::new().subspaces(nested("subspaces", subspaces)?);
        let pairs = match unit_locations {
            Value::Null => return Ok(call),
            Value::Object(pairs) => pairs,
            _ => return Err(wrong("unit_locations", "expected {\"sources->base\": [..., ...]}")),
        };
        for (name, pair) in pairs {
            let entry = format!("unit_locations, {name}");
            let (sources, base) = match pair {
                Value::Number(_) => (nested(&entry, pair)?, nested(&entry, pair)?),
                Value::Array(pair) if pair.len() == 2 && name != "base" => {
                    (nested(&entry, &pair[0])?, nested(&entry, &pair[1])?)
                }
                other if name == "base" => (Nested::None, nested(&entry, other)?),
                _ => return Err(wrong(&entry, "expected a pair: the sources' and the base's")),
            };
            let name = if name == "base" { "sources->base" } else { name };
            call = call.locations(name, sources, base);
        }
        Ok(call)
    }

    /// The sources' and the base's locations under a name.
    pub(super) fn pair(&self, name: &str) -> Option<(&Nested, &Nested)> {
        let found = self.locations.iter().find(|(known, _, _)| known == name);
        found.map(|(_, sources, base)| (sources, base))
    }

    /// The names under which locations are given.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.locations.iter().map(|(name, _, _)| name.as_str())
    }

    pub(super) fn all_subspaces(&self) -> &Nested {
        &self.subspaces
    }

    /// The source that a group reads.
    pub(super) fn source(&self, group: usize) -> Option<usize> {
        match &self.sources {
            None => Some(group),
            Some(sources) => sources.get(group).copied().flatten(),
        }
    }

    pub(super) fn steps(&self) -> &When {
        &self.when
    }

    pub(super) fn is_own_input_skipped(&self) -> bool {
        self.skips_own_input
    }
}

impl Nested {
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::None,
            Value::Number(number) => Self::Number(number.as_i64()?),
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect::<Option<_>>()?),
            _ => return None,
        })
    }

    /// Numbers in one list.
    pub(super) fn numbers(&self) -> Option<Vec<i64>> {
        let Self::List(items) = self else { return None };
        let number =
            |item: &Self| if let Self::Number(number) = item { Some(*number) } else { None };
        items.iter().map(number).collect()
    }
}

impl From<i64> for Nested {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<i32> for Nested {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl<T: Into<Nested>> From<Vec<T>> for Nested {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Nested>, const N: usize> From<[T; N]> for Nested {
    fn from(items: [T; N]) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Nested>> From<Option<T>> for Nested {
    fn from(item: Option<T>) -> Self {
        item.map_or(Self::None, Into::into)
    }
}
