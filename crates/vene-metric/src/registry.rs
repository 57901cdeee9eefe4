//! The built-in metrics, each a row: the command's names and help, the table in `docs/data-sets.md` and what is
//! refused come from here.

use std::sync::Arc;

use super::{
    ACCURACY, FORCED_CHOICE, KL, LOG_PROBABILITY, LOGIT_DIFFERENCE, Metric, Observed, PROBABILITY,
    PROBABILITY_DIFFERENCE, RANK, Reads,
};

/// A built-in metric.
#[derive(Clone, Debug)]
pub struct BuiltIn {
    /// Its name on the command line and in tables.
    pub name: &'static str,
    /// What else it is called, where it is given by name.
    pub aliases: &'static [&'static str],
    /// What it is, in one line.
    pub documentation: &'static str,
    pub(super) reads: fn() -> Reads,
    pub(super) value: fn(&Observed<'_>) -> Option<f64>,
}

/// All of them; the first is the default of a sweep over a data set.
pub static BUILT_IN: [BuiltIn; 8] = [
    LOGIT_DIFFERENCE,
    LOG_PROBABILITY,
    PROBABILITY,
    PROBABILITY_DIFFERENCE,
    KL,
    RANK,
    ACCURACY,
    FORCED_CHOICE,
];

/// The built-in metric of this name, or that is also called so.
pub fn named(name: &str) -> Option<Arc<dyn Metric>> {
    let found = BUILT_IN.iter().find(|row| row.name == name || row.aliases.contains(&name))?;
    Some(Arc::new(found.clone()))
}

impl Metric for BuiltIn {
    fn name(&self) -> &str {
        self.name
    }

    fn reads(&self) -> Reads {
        (self.reads)()
    }

    fn value(&self, observed: &Observed<'_>) -> Option<f64> {
        (self.value)(observed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;
    use crate::Said;

    const PAGE: &str = include_str!("../../../docs/data-sets.md");

    #[test]
    fn names_are_unique_and_found() {
        let mut names = HashSet::new();
        for row in &BUILT_IN {
            for name in row.aliases.iter().chain([&row.name]) {
                assert!(names.insert(name), "{name}");
                assert_eq!(named(name).unwrap().name(), row.name);
            }
        }
        assert!(named("surprise").is_none());
    }

    #[test]
    fn the_page_has_the_table() {
        let line = |(index, row): (usize, &BuiltIn)| {
            let default = if index == 0 { " (default)" } else { "" };
            let names: Vec<String> = [&row.name]
                .into_iter()
                .chain(row.aliases)
                .map(|name| format!("`{name}`"))
                .collect();
            let (names, reads) = (names.join(", "), row.reads());
            format!("| {names}{default} | {} | {reads} |\n", row.documentation)
        };
        let table: String = BUILT_IN.iter().enumerate().map(line).collect();
        assert!(PAGE.contains(&table), "docs/data-sets.md has another table than\n{table}");
    }

    #[test]
    fn what_was_not_read_gives_no_number() {
        let said =
            Said { score: 1.0, log_probability: None, rank: None, accuracy: None, tokens: 1 };
        let unread = Observed { target: vec![said], ..Observed::default() };
        for metric in &BUILT_IN {
            assert_eq!(metric.value(&unread), None, "{}", metric.name);
        }
    }
}
