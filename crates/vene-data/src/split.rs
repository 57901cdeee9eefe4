//! Rows for discovery and rows for evaluation.
//!
//! Whoever looks for the best of a thousand cells finds one that is good on these rows by luck. What
//! was found must be shown on rows that had no part in finding it; and a row that stands in both
//! halves, or has a twin in the other, would show nothing.

use std::collections::{BTreeMap, HashMap};

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use vene_named::named;
use vene_statistics::share::nearest;

use super::row::Row;

/// How rows are divided.
///
/// ```
/// use vene::data::{Row, Split};
///
/// let countries = ["Spain", "Italy", "France", "Norway", "Spain"];
/// let rows = countries.map(|name| Row::of_base(format!("The capital of {name} is")));
/// let halves = Split::default().rows(&rows)?;
/// assert_eq!(halves.discovery.len() + halves.evaluation.len(), 5);
/// // The two of Spain are on one side.
/// assert_eq!(halves.discovery.contains(&0), halves.discovery.contains(&4));
/// # Ok::<(), vene::data::SplitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// The share of the rows on which something is to be found, between 0 and 1: 0.5 unless said
    /// otherwise.
    pub discovery: f64,
    /// The same seed gives the same split of the same rows, in whatever order they are.
    pub seed: u64,
    /// Which rows stay on one side.
    pub together: Together,
    /// Whether the rows' sources are read; where they are not, rows of one base stay on one side.
    pub reads_source: bool,
}

named! {
    /// Which rows are not parted.
    pub enum Together as "way to keep rows together", default Prompts {
        /// Those of the same two prompts, whichever of them is the base; where no source is read, of the same base.
        Prompts = "prompts",
        /// Those of the same base, whatever their source, and where sources are read those of the same two
        /// prompts: where none is read rows of one base are the same experiment.
        Bases = "bases",
        /// Those of the same prompts, and all rows of a group: shows that a finding holds for templates
        /// that had no part in it.
        Groups = "groups",
    }
}

impl Together {
    /// What experiments in which sources are read, or are not, must keep together at least.
    pub fn least(reads_source: bool) -> Self {
        if reads_source { Self::Prompts } else { Self::Bases }
    }

    /// The rows that stay together, as lists of their indices, in the order of their first rows.
    ///
    /// Where `reads_source` is false, a row's source counts for nothing: rows of one base are never parted,
    /// and no row is held to another by a text that neither reads.
    pub fn blocks(self, rows: &[Row], reads_source: bool) -> Vec<Vec<usize>> {
        let mut parents: Vec<usize> = (0..rows.len()).collect();
        let mut of_prompts = HashMap::new();
        let mut of_base = HashMap::new();
        let mut of_group = HashMap::new();
        for (index, row) in rows.iter().enumerate() {
            if reads_source {
                join(&mut parents, index, *of_prompts.entry(prompts(row)).or_insert(index));
            }
            if self == Self::Bases || !reads_source {
                join(&mut parents, index, *of_base.entry(&row.base).or_insert(index));
            }
            if let (Self::Groups, Some(group)) = (self, &row.group) {
                join(&mut parents, index, *of_group.entry(group).or_insert(index));
            }
        }
        let mut blocks: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for index in 0..rows.len() {
            blocks.entry(root(&mut parents, index)).or_default().push(index);
        }
        blocks.into_values().collect()
    }
}

/// Why rows cannot be divided.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// A share of the rows that is none or all of them.
    #[error("a share of {share} of the rows: expected a number between 0 and 1, such as 0.5")]
    Share {
        /// What was asked for.
        share: f64,
    },
    /// Rows that all belong together.
    #[error(
        "{rows} rows cannot be split into two: {}",
        match (together, reads_source) {
            (Together::Groups, true) => "all belong to one group, or share their prompts with others of it; \
                                         split by prompts, or add rows of other groups",
            (Together::Groups, false) => "all belong to one group, or share their base with others of it; \
                                          split by prompts, or add rows of other groups",
            (Together::Prompts, true) => "they are all of the same prompts",
            (Together::Bases, true) => "each shares its base or its two prompts with others",
            (Together::Prompts | Together::Bases, false) => {
                "they all have the same base, and no source is read"
            }
        }
    )]
    Inseparable {
        /// How many.
        rows: usize,
        /// What was to be kept together.
        together: Together,
        /// Whether their sources are read.
        reads_source: bool,
    },
}

vene_named::debug_as_sentence!(SplitError);

/// The indices of the rows on either side, ascending. Every row is on one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitRows {
    /// For finding.
    pub discovery: Vec<usize>,
    /// For showing.
    pub evaluation: Vec<usize>,
}

impl Default for Split {
    fn default() -> Self {
        Self { discovery: 0.5, seed: 0, together: Together::default(), reads_source: true }
    }
}

impl Split {
    /// Divides the rows. What stays together is shuffled, and as much of it is discovery's as brings its share
    /// as near as can be; of the choices that are as near, the one whose clusters come first in the
    /// shuffled order. Neither side is left empty.
    ///
    /// # Errors
    ///
    /// [`SplitError::Share`]; [`SplitError::Inseparable`] where all rows belong together.
    pub fn rows(&self, rows: &[Row]) -> Result<SplitRows, SplitError> {
        let share = self.discovery;
        if !(share > 0.0 && share < 1.0) {
            return Err(SplitError::Share { share });
        }
        let mut blocks = self.blocks(rows);
        if blocks.len() < 2 {
            let Self { together, reads_source, .. } = *self;
            return Err(SplitError::Inseparable { rows: rows.len(), together, reads_source });
        }
        blocks.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(self.seed));
        let wanted = share * rows.len() as f64;
        let sizes: Vec<usize> = blocks.iter().map(Vec::len).collect();
        let taken = nearest(&sizes, wanted);
        let side = |side: bool| {
            let blocks = blocks.iter().zip(&taken).filter(|(_, taken)| **taken == side);
            let mut indices: Vec<usize> = blocks.flat_map(|(block, _)| block).copied().collect();
            indices.sort_unstable();
            indices
        };
        Ok(SplitRows { discovery: side(true), evaluation: side(false) })
    }

    /// The rows that stay together, in an order that does not depend on theirs.
    fn blocks(&self, rows: &[Row]) -> Vec<Vec<usize>> {
        let mut blocks = self.together.blocks(rows, self.reads_source);
        // Rows that are alike in what is read are in one block, so that no two blocks have the same first.
        let read = |index: &usize| match self.reads_source {
            true => prompts(&rows[*index]),
            false => (None, rows[*index].base.as_str()),
        };
        blocks.sort_by_cached_key(|block| block.iter().map(read).min());
        blocks
    }
}

/// A row's prompts, base and source in either order.
fn prompts(row: &Row) -> (Option<&str>, &str) {
    let (base, source) = (row.base.as_str(), row.source.as_deref());
    match source {
        Some(source) if source > base => (Some(base), source),
        _ => (source, base),
    }
}

/// The representative of the rows that an index was joined with (union–find, halving paths).
fn root(parents: &mut [usize], mut index: usize) -> usize {
    while parents[index] != index {
        parents[index] = parents[parents[index]];
        index = parents[index];
    }
    index
}

fn join(parents: &mut [usize], one: usize, other: usize) {
    let (one, other) = (root(parents, one), root(parents, other));
    parents[one.max(other)] = one.min(other);
}

/// Rows of the same two prompts in two data sets, as pairs of indices: none should be, where one is
/// for discovery and the other for evaluation. Of several equal rows of `evaluation` each is named,
/// with the first that it equals.
pub fn shared_prompts(discovery: &[Row], evaluation: &[Row]) -> Vec<(usize, usize)> {
    let mut seen = HashMap::new();
    for (index, row) in discovery.iter().enumerate() {
        seen.entry(prompts(row)).or_insert(index);
    }
    let rows = evaluation.iter().enumerate();
    rows.filter_map(|(index, row)| Some((*seen.get(&prompts(row))?, index))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Rows of few prompts and groups, so that many belong together.
    fn rows(prompts: u8) -> impl Strategy<Value = Vec<Row>> {
        let prompt = (0..prompts).prop_map(|number| number.to_string());
        let group = proptest::option::of((0..6_u8).prop_map(|number| number.to_string()));
        let row = (prompt.clone(), proptest::option::of(prompt), group)
            .prop_map(|(base, source, group)| Row { base, source, group, ..Row::default() });
        vec(row, 0..60)
    }

    fn texts(rows: &[Row], indices: &[usize]) -> Vec<String> {
        let mut texts: Vec<_> = indices.iter().map(|&index| format!("{:?}", rows[index])).collect();
        texts.sort();
        texts
    }

    proptest! {
        #[test]
        fn no_row_is_on_both_sides(
            rows in rows(12),
            discovery in 0.01..0.99,
            seed in any::<u64>(),
            together in proptest::sample::select(vec![Together::Prompts, Together::Bases, Together::Groups]),
            reads_source in any::<bool>(),
        ) {
            let split = Split { discovery, seed, together, reads_source };
            let Ok(halves) = split.rows(&rows) else {
                prop_assert!(split.blocks(&rows).len() < 2);
                return Ok(());
            };
            prop_assert!(!halves.discovery.is_empty() && !halves.evaluation.is_empty());
            let mut all = [halves.discovery.clone(), halves.evaluation.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..rows.len()).collect::<Vec<_>>());
            let of = |indices: &[usize]| -> Vec<Row> {
                indices.iter().map(|&index| rows[index].clone()).collect()
            };
            let (discovery, evaluation) = (of(&halves.discovery), of(&halves.evaluation));
            if reads_source {
                prop_assert_eq!(shared_prompts(&discovery, &evaluation), []);
            }
            if together == Together::Groups {
                for row in discovery.iter().filter(|row| row.group.is_some()) {
                    prop_assert!(evaluation.iter().all(|other| other.group != row.group));
                }
            }
            if together == Together::Bases || !reads_source {
                for row in &discovery {
                    prop_assert!(evaluation.iter().all(|other| other.base != row.base));
                }
            }
            prop_assert_eq!(split.rows(&rows), Ok(halves));
        }

        #[test]
        fn the_order_of_rows_does_not_matter(
            rows in rows(40),
            keys in vec(any::<u32>(), 60),
            seed in any::<u64>(),
            reads_source in any::<bool>(),
        ) {
            let mut order: Vec<usize> = (0..rows.len()).collect();
            order.sort_by_key(|&index| keys[index]);
            let shuffled: Vec<Row> = order.iter().map(|&index| rows[index].clone()).collect();
            let split = Split { seed, reads_source, ..Split::default() };
            if let Ok(halves) = split.rows(&rows) {
                let other = split.rows(&shuffled).unwrap();
                prop_assert_eq!(
                    texts(&rows, &halves.discovery),
                    texts(&shuffled, &other.discovery)
                );
            }
        }
    }

    fn pairs(count: usize) -> Vec<Row> {
        let row = |index| Row::new(format!("base {index}"), format!("source {index}"));
        (0..count).map(row).collect()
    }

    #[test]
    fn the_share_is_met_where_rows_allow() {
        for (discovery, expected) in [(0.5, 50), (0.2, 20), (0.001, 1), (0.999, 99)] {
            let halves = Split { discovery, ..Split::default() }.rows(&pairs(100)).unwrap();
            assert_eq!(halves.discovery.len(), expected, "{discovery}");
        }
    }

    #[test]
    fn the_share_is_met_by_clusters_of_different_sizes() {
        let row = |index| Row::new(format!("base {index}"), "source");
        let rows: Vec<Row> = (0..12).map(|index| row(usize::from(index < 2))).collect();
        for seed in 0..8 {
            let halves = Split { discovery: 0.2, seed, ..Split::default() }.rows(&rows).unwrap();
            assert_eq!(halves.discovery, [0, 1]);
        }
    }

    #[test]
    fn seeds_give_different_splits() {
        let of = |seed| Split { seed, ..Split::default() }.rows(&pairs(100)).unwrap();
        let shared = of(0).discovery.iter().filter(|row| of(1).discovery.contains(row)).count();
        // Hypergeometric: 25 expected, with a standard deviation of 2.5.
        assert!((13..=37).contains(&shared), "{shared}");
    }

    #[test]
    fn swapped_prompts_are_twins() {
        let rows = [Row::new("a", "b"), Row::new("b", "a"), Row::of_base("a"), Row::new("a", "a")];
        assert_eq!(Split::default().blocks(&rows), [vec![2], vec![3], vec![0, 1]]);
        assert_eq!(shared_prompts(&rows[..1], &rows[1..]), [(0, 0)]);
    }

    /// A ring of bases, each the source of the next: without sources each is an experiment of its own.
    #[test]
    fn sources_that_nobody_reads_hold_nothing_together() {
        let rows = [Row::new("a", "b"), Row::new("b", "a"), Row::new("a", "c")];
        for together in [Together::Prompts, Together::Bases] {
            let split = Split { together, reads_source: false, ..Split::default() };
            assert_eq!(split.blocks(&rows), [vec![0, 2], vec![1]]);
        }
        let split = Split { together: Together::Bases, ..Split::default() };
        let error = split.rows(&rows).unwrap_err().to_string();
        assert!(error.ends_with("each shares its base or its two prompts with others"), "{error}");
        let split = Split { reads_source: false, ..Split::default() };
        let error = split.rows(&[rows[0].clone(), rows[2].clone()]).unwrap_err().to_string();
        assert!(error.ends_with("they all have the same base, and no source is read"), "{error}");
    }

    #[test]
    fn groups_that_share_prompts_stay_together() {
        let rows = [
            Row::new("a", "b").group("one"),
            Row::new("c", "d").group("one"),
            Row::new("d", "c").group("two"),
            Row::new("e", "f").group("two"),
            Row::new("g", "h").group("three"),
        ];
        let split = Split { together: Together::Groups, ..Split::default() };
        assert_eq!(split.blocks(&rows), [vec![0, 1, 2, 3], vec![4]]);
        assert_eq!(
            split.rows(&rows[..4]).unwrap_err().to_string(),
            "4 rows cannot be split into two: all belong to one group, or share their prompts with \
             others of it; split by prompts, or add rows of other groups"
        );
    }

    #[test]
    fn shares_and_rows_are_checked() {
        for share in [0.0, 1.0, -0.5, f64::NAN] {
            let split = Split { discovery: share, ..Split::default() };
            assert!(matches!(split.rows(&pairs(9)), Err(SplitError::Share { .. })), "{share}");
        }
        let same = [Row::new("a", "b"), Row::new("a", "b")];
        assert_eq!(
            Split::default().rows(&same).unwrap_err().to_string(),
            "2 rows cannot be split into two: they are all of the same prompts"
        );
    }
}
