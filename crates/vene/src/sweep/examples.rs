//! The examples of a table, and which of them belong together.

use vene_statistics::Clusters;
use vene_table::{Distinct, TableSource, Value};

use super::SweepError;

/// The data set's rows that occur in a table.
pub(super) struct Examples {
    /// Ascending, each with the number of its group.
    examples: Vec<(i64, u32)>,
    groups: Distinct,
}

/// Some of the examples, which are summarised together.
pub(super) struct Half {
    pub name: &'static str,
    /// `[example]`: which observation of the half it is; `None` where it is in the other.
    pub observations: Vec<Option<u32>>,
    pub clusters: Clusters,
}

impl Examples {
    /// Those of a table. Where its rows disagree on an example's group, the last one holds.
    pub fn read(table: &impl TableSource) -> Result<Self, SweepError> {
        let mut groups = Distinct::default();
        let mut examples: Vec<(i64, u32)> = Vec::new();
        for chunk in table.chunks(Some(&["example", "group"]))? {
            let chunk = chunk?;
            // A group is text that may be missing.
            chunk.words("group")?;
            let numbers = groups.number(chunk.column("group")?);
            for (&example, group) in chunk.integers("example")?.iter().zip(numbers) {
                if examples.last() != Some(&(example, group)) {
                    examples.push((example, group));
                }
            }
        }
        examples.sort_by_key(|(example, _)| *example);
        // Of equal ones the last is kept.
        examples.reverse();
        examples.dedup_by_key(|(example, _)| *example);
        examples.reverse();
        examples.shrink_to_fit();
        Ok(Self { examples, groups })
    }

    /// The place of an example among all.
    pub fn place(&self, example: i64) -> Option<usize> {
        self.examples.binary_search_by_key(&example, |(other, _)| *other).ok()
    }

    /// The examples that are chosen. One without a group is a cluster of its own.
    pub fn half(&self, name: &'static str, chosen: impl Fn(i64) -> bool) -> Half {
        let mut count = 0;
        let mut observation = |(example, _): &(i64, u32)| {
            chosen(*example).then(|| {
                count += 1;
                count - 1
            })
        };
        let observations: Vec<Option<u32>> = self.examples.iter().map(&mut observation).collect();
        let here = self.examples.iter().zip(&observations);
        let here = here.filter(|(_, observation)| observation.is_some());
        let groups = here.map(|((_, group), _)| match self.groups.value(*group) {
            Value::Text(group) => Some(group),
            _ => None,
        });
        let clusters = Clusters::of(groups);
        Half { name, observations, clusters }
    }
}
