//! From numbered candidates to a data set: drawn without repetition, checked, as many of each group.

use std::collections::{BTreeMap, HashSet};

use vene_model::Outline;

use super::check::{Demands, Reason, check};
use super::dice::{Dice, Shuffle};
use super::{Generated, Omitted, Task, TaskError};
use crate::Row;

/// How many candidates may be left out without a row between them.
const PATIENCE: usize = 100_000;

/// A task whose words have been fitted to a tokenizer.
pub(super) trait Recipe {
    /// Its templates.
    fn groups(&self) -> Vec<Group>;

    /// The candidate of a group with this number. It has a source, and need not be checked yet.
    fn row(&self, group: usize, number: u64) -> Result<Row, Reason>;

    /// What is asked of its tokens.
    fn demands(&self) -> Demands;

    /// What was left out in fitting it to the tokenizer.
    fn left_out(&self) -> Vec<Omitted> {
        Vec::new()
    }
}

/// A template, or a variant of one.
pub(super) struct Group {
    /// The rows' group, which several variants may share; `None` where each row is drawn anew, so
    /// that rows do not depend on each other.
    pub name: Option<String>,
    /// How many candidates it has: the numbers below this.
    pub candidates: u64,
}

/// Draws rows until there are `count`.
///
/// Groups take turns, in an order that is drawn for each round, so that rows are spread over them
/// as evenly as they go, and the first rows of a large data set are those of a small one.
pub(super) fn generate(
    task: Task,
    recipe: &dyn Recipe,
    outline: &Outline,
    count: usize,
    seed: u64,
) -> Result<Generated, TaskError> {
    let groups = recipe.groups();
    let mut shuffles: Vec<_> = groups.iter().map(|group| Shuffle::new(group.candidates)).collect();
    let mut open: Vec<usize> = (0..groups.len()).collect();
    let mut dice = Dice::new(seed);
    let mut draw = Draw { outline, recipe, seen: HashSet::new(), reasons: BTreeMap::new() };
    let mut rows = Vec::new();
    while rows.len() < count && !open.is_empty() {
        for at in (1..open.len()).rev() {
            open.swap(at, dice.index(at + 1));
        }
        let mut exhausted = Vec::new();
        for &group in &open {
            if rows.len() == count {
                break;
            }
            let drawn = draw.row_of(group, &mut shuffles[group], &mut dice);
            match drawn.map_err(|reason| TaskError::HardlyAny {
                task,
                tried: PATIENCE,
                reason: reason.to_string(),
                found: rows.len(),
                wanted: count,
            })? {
                Some(row) => rows.push(Row {
                    group: groups[group].name.clone(),
                    foil_is: task.foil_is(),
                    ..row
                }),
                None => exhausted.push(group),
            }
        }
        open.retain(|group| !exhausted.contains(group));
        open.sort_unstable();
    }
    if rows.len() < count {
        return Err(TaskError::TooFewRows { task, wanted: count, possible: rows.len() });
    }
    let of_rows = draw.reasons.iter().map(|(reason, &count)| Omitted {
        what: format!("drawn candidates whose {reason}"),
        count,
    });
    Ok(Generated { rows, left_out: recipe.left_out().into_iter().chain(of_rows).collect() })
}

struct Draw<'a> {
    outline: &'a Outline,
    recipe: &'a dyn Recipe,
    seen: HashSet<(String, Option<String>)>,
    reasons: BTreeMap<Reason, usize>,
}

impl Draw<'_> {
    /// The next row of a group; `None` if it has no more.
    fn row_of(
        &mut self,
        group: usize,
        shuffle: &mut Shuffle,
        dice: &mut Dice,
    ) -> Result<Option<Row>, Reason> {
        for tried in 1.. {
            let Some(number) = shuffle.next(dice) else { break };
            match self.checked(group, number) {
                Ok(row) => return Ok(Some(row)),
                Err(reason) if tried == PATIENCE => return Err(reason),
                Err(reason) => *self.reasons.entry(reason).or_default() += 1,
            }
        }
        Ok(None)
    }

    fn checked(&mut self, group: usize, number: u64) -> Result<Row, Reason> {
        let row = self.recipe.row(group, number)?;
        check(self.outline, &row, self.recipe.demands())?;
        match self.seen.insert((row.base.clone(), row.source.clone())) {
            true => Ok(row),
            false => Err(Reason::Repeated),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Group 0 has three candidates of which two are alike, group 1 has many.
    struct Toy;

    impl Recipe for Toy {
        fn groups(&self) -> Vec<Group> {
            let group = |name: &str, candidates| Group { name: Some(name.to_owned()), candidates };
            vec![group("few", 3), group("many", 20)]
        }

        fn row(&self, group: usize, number: u64) -> Result<Row, Reason> {
            match (group, number) {
                (0, 2) => Ok(Row::new("few 0", "source")),
                (0, _) => Ok(Row::new(format!("few {number}"), "source")),
                (_, 7) => Err(Reason::SameAnswer),
                _ => Ok(Row::new(format!("many {number}"), "source")),
            }
        }

        fn demands(&self) -> Demands {
            Demands::default()
        }
    }

    fn toy(count: usize, seed: u64) -> Result<Generated, TaskError> {
        let outline = Outline::open("embedded", &mut |_| {}).unwrap();
        generate(Task::Capital, &Toy, &outline, count, seed)
    }

    #[test]
    fn groups_take_turns_while_they_last() {
        let made = toy(10, 3).unwrap();
        assert_eq!(made.groups(), [("few".to_owned(), 2), ("many".to_owned(), 8)]);
        let first = [&made.rows[0], &made.rows[1]].map(|row| row.group.clone().unwrap());
        assert_ne!(first[0], first[1]);
    }

    #[test]
    fn a_small_data_set_begins_a_large_one() {
        let (small, large) = (toy(6, 5).unwrap(), toy(15, 5).unwrap());
        assert_eq!(small.rows, large.rows[..6]);
        assert_ne!(small.rows, toy(6, 6).unwrap().rows);
    }

    #[test]
    fn an_exhausted_task_says_how_many_rows_it_has() {
        assert_eq!(
            toy(22, 1),
            Err(TaskError::TooFewRows { task: Task::Capital, wanted: 22, possible: 21 })
        );
        let made = toy(21, 1).unwrap();
        let distinct: HashSet<_> = made.rows.iter().map(|row| &row.base).collect();
        assert_eq!(distinct.len(), 21);
    }

    /// Nothing is ever a row.
    struct Barren;

    impl Recipe for Barren {
        fn groups(&self) -> Vec<Group> {
            vec![Group { name: None, candidates: u64::MAX }]
        }

        fn row(&self, _: usize, _: u64) -> Result<Row, Reason> {
            Err(Reason::NotAsDrawn)
        }

        fn demands(&self) -> Demands {
            Demands::default()
        }
    }

    #[test]
    fn a_task_without_rows_ends() {
        let outline = Outline::open("embedded", &mut |_| {}).unwrap();
        let error = generate(Task::Induction, &Barren, &outline, 5, 1).unwrap_err().to_string();
        assert!(
            error.starts_with("induction: 100000 candidates in a row were left out"),
            "{error}"
        );
        assert!(error.contains("0 of 5 rows"), "{error}");
    }
}
