//! An account of what was given on the command line (and in a plan's sections), and of what was read of it.
//!
//! An option that is passed over in silence gives a result that looks like the one that was asked for. So every mode
//! of a command reads its options through [`read!`], which enters them in the account; before a weight is read
//! [`Given::check`] refuses what was given and was not read. A default that nobody wrote is not "given"; the same
//! value written out is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;

use anyhow::bail;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};
use vene::plan_file::PlanFile;

use crate::prompts::READ_BY;

/// Enters an option in the account and gives its value: `read!(given, self.data => window)`. The option's id is the
/// field's name, so that the two cannot differ.
macro_rules! read {
    ($given:expr, $owner:expr => $field:ident) => {{
        $given.read(stringify!($field));
        &$owner.$field
    }};
}
pub(crate) use read;

/// What was given, and what was read of it.
#[derive(Default)]
pub struct Given {
    entries: Vec<Entry>,
    /// For each id that was read, how many of its values.
    read: RefCell<BTreeMap<String, usize>>,
}

struct Entry {
    id: String,
    /// As the user knows it: `--window`, `PROMPT`, `` `original` in [read] of the plan``.
    shown: String,
    /// How many values were given.
    count: usize,
    /// Whether it was said on the command line, rather than in a file that several commands may read.
    is_said_here: bool,
}

/// What each option is read by, in words that follow "it is read only": `with --plan`.
pub type ReadBy = [(&'static str, &'static str)];

impl Given {
    /// What a command line gives to its subcommand.
    pub fn of(command: &clap::Command, matches: &ArgMatches) -> Self {
        let Some((name, given)) = matches.subcommand() else { return Self::default() };
        let subcommand = command.find_subcommand(name);
        if let (Some(subcommand), Some(_)) = (subcommand, given.subcommand()) {
            // The options of a family of commands are their own.
            return Self::of(subcommand, given);
        }
        let arguments = subcommand.into_iter().flat_map(clap::Command::get_arguments);
        // What all commands take is read by none of them.
        let arguments = arguments.filter(|argument| !argument.is_global_set());
        let entries = arguments.filter_map(|argument| {
            let id = argument.get_id().as_str();
            let is_given = given.value_source(id) == Some(ValueSource::CommandLine);
            let count = || given.get_raw(id).map_or(1, Iterator::count);
            is_given.then(|| Entry {
                id: id.to_owned(),
                shown: shown(argument),
                count: count(),
                is_said_here: true,
            })
        });
        Self { entries: entries.collect(), read: RefCell::default() }
    }

    /// Enters what a plan says: `[section] key`, and `[[section]]` of lists of tables.
    pub fn add_plan(&mut self, plan: &PlanFile) {
        self.add_sections(plan, |_| true);
    }

    /// The same of some of its sections.
    pub fn add_sections(&mut self, plan: &PlanFile, wanted: impl Fn(&str) -> bool) {
        for (section, key) in plan.keys().into_iter().filter(|(section, _)| wanted(section)) {
            let id = of_plan(section, key);
            let shown = match key {
                Some(key) => format!("`{key}` in [{section}] of the plan"),
                None => format!("{id} of the plan"),
            };
            self.entries.push(Entry { id, shown, count: 1, is_said_here: false });
        }
    }

    /// Says which of a plan's keys were said on the command line: `train.epochs=3`.
    pub fn said_here(&mut self, assignments: &[String]) {
        for assignment in assignments {
            let path = assignment.split('=').next().unwrap_or_default();
            let mut parts = path.split('.').map(str::trim);
            let (section, key) = (parts.next().unwrap_or_default(), parts.next());
            let ids = [of_plan(section, None), of_plan(section, key)];
            for entry in self.entries.iter_mut().filter(|entry| ids.contains(&entry.id)) {
                entry.is_said_here = true;
            }
        }
    }

    /// Says that an option stands for a key of an experiment, in place of what a file says there.
    pub fn stands_for(&mut self, option: &str, section: &str, key: &str) {
        let id = of_plan(section, Some(key));
        self.entries.retain(|entry| entry.id != id);
        let entry = self.entries.iter_mut().find(|entry| entry.id == option);
        if let Some(entry) = entry {
            entry.id = id;
        }
    }

    /// Drops what a file says, which something else stands in place of.
    pub fn forget(&mut self, section: &str, keys: &[&str]) {
        let ids: Vec<String> = keys.iter().map(|key| of_plan(section, Some(key))).collect();
        self.entries.retain(|entry| !ids.contains(&entry.id));
    }

    /// Says that an option is read, whether it was given or not.
    pub fn read(&self, id: &str) {
        self.read_first(id, usize::MAX);
    }

    /// Says that so many of its values are read.
    pub fn read_first(&self, id: &str, values: usize) {
        self.read.borrow_mut().insert(id.to_owned(), values);
    }

    /// Says that so many of a key's values are read; of a list in a file all or none.
    pub fn read_values(&self, section: &str, key: &str, values: usize, all: usize) {
        let id = of_plan(section, Some(key));
        let is_each = self.entries.iter().any(|entry| entry.id == id && entry.count == all);
        if values >= all {
            self.read(&id);
        } else if is_each {
            self.read_first(&id, values);
        }
    }

    /// Says that these keys of a plan's section are read.
    pub fn read_of_plan(&self, section: &str, keys: &[&str]) {
        keys.iter().for_each(|key| self.read(&of_plan(section, Some(key))));
    }

    /// Says that a section of a plan is read, whatever its keys.
    pub fn read_section(&self, section: &str) {
        let ids = self.of_section(section).map(|entry| entry.id.as_str());
        ids.for_each(|id| self.read(id));
    }

    /// Says that a section of a file is addressed to other commands, so that it is passed over; what was said on this
    /// command line is not.
    pub fn skip_section(&self, section: &str) {
        let ids = self.of_section(section).filter(|entry| !entry.is_said_here);
        ids.for_each(|entry| self.read(&entry.id));
    }

    /// The same of some keys of a section.
    pub fn skip_of_plan(&self, section: &str, keys: &[&str]) {
        let ids: Vec<String> = keys.iter().map(|key| of_plan(section, Some(key))).collect();
        let skipped = |entry: &&Entry| !entry.is_said_here && ids.contains(&entry.id);
        self.entries.iter().filter(skipped).for_each(|entry| self.read(&entry.id));
    }

    fn of_section(&self, section: &str) -> impl Iterator<Item = &Entry> {
        let (list, key) = (of_plan(section, None), of_plan(section, Some("")));
        self.entries.iter().filter(move |entry| entry.id == list || entry.id.starts_with(&key))
    }

    /// Whether a key was said on the command line, rather than in a file.
    pub fn is_said_here(&self, section: &str, key: &str) -> bool {
        let id = of_plan(section, Some(key));
        self.entries.iter().any(|entry| entry.id == id && entry.is_said_here)
    }

    /// Whether an option was given, which is not reading it.
    pub fn has(&self, id: &str) -> bool {
        self.entries.iter().any(|entry| entry.id == id)
    }

    /// Refuses what was given and not read.
    ///
    /// # Errors
    /// The first such option: what it is read by, and what this is instead.
    pub fn check(&self, here: impl Display, read_by: &ReadBy) -> anyhow::Result<()> {
        let read = self.read.borrow();
        for Entry { id, shown, count, .. } in &self.entries {
            let by = || {
                let by = read_by.iter().chain(READ_BY).find(|(known, _)| known == id);
                by.map_or_else(String::new, |(_, by)| format!(": it is read only {by}"))
            };
            match read.get(id).copied().unwrap_or(0) {
                0 => bail!("{shown} would change nothing in {here}{}; leave it out", by()),
                values if values < *count => bail!(
                    "{shown} is given {count} times, and {values} would be read in {here}; leave the others out"
                ),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The id of what a plan's section says.
fn of_plan(section: &str, key: Option<&str>) -> String {
    match key {
        Some(key) => format!("[{section}] {key}"),
        None => format!("[[{section}]]"),
    }
}

/// An argument as the user writes it.
fn shown(argument: &Arg) -> String {
    let value_name = || {
        let names = argument.get_value_names().and_then(|names| names.first());
        names.map_or_else(|| argument.get_id().to_string(), ToString::to_string)
    };
    argument.get_long().map_or_else(value_name, |long| format!("--{long}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::arguments::Arguments;
    use vene::plan_file::Format;

    fn given(line: &[&str]) -> Given {
        let line: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
        Arguments::of(&line).unwrap().1
    }

    const READ_BY: &ReadBy = &[("seed", "with --intervention noise")];

    #[test]
    fn what_is_given_and_not_read_is_named_with_what_reads_it() {
        let given = given(&["vene", "top", "-n", "10", "one", "two"]);
        given.read("prompts");
        let error = given.check("a list", READ_BY).unwrap_err().to_string();
        assert_eq!(error, "--count would change nothing in a list; leave it out");
        given.read("count");
        given.check("a list", READ_BY).unwrap();
        given.read_first("prompts", 1);
        let error = given.check("a list", READ_BY).unwrap_err().to_string();
        assert!(error.starts_with("PROMPT is given 2 times, and 1 would be read"), "{error}");
    }

    #[test]
    fn defaults_are_given_where_they_are_written() {
        assert!(!given(&["vene", "top", "x"]).has("count"));
        assert!(given(&["vene", "top", "--bos", "model", "x"]).has("bos"));
        let mut given = given(&["vene", "task", "ioi", "--seed", "1"]);
        given.read("name");
        let error = given.check("this", READ_BY).unwrap_err().to_string();
        assert!(
            error.contains("--seed would change nothing in this: it is read only with"),
            "{error}"
        );
        given.read("seed");
        let plan = "[read]\noriginal = true\n[[collect]]\ncomponent = 'logits'\n[train]\nseed = 1";
        let plan = PlanFile::parse(plan, Format::Toml, Path::new("")).unwrap();
        given.add_plan(&plan);
        let error = given.check("this", READ_BY).unwrap_err().to_string();
        assert!(error.starts_with("`original` in [read] of the plan would"), "{error}");
        given.read_of_plan("read", &["original"]);
        let error = given.check("this", READ_BY).unwrap_err().to_string();
        assert!(error.starts_with("[[collect]] of the plan would"), "{error}");
        given.read_section("collect");
        given.skip_section("train");
        given.check("this", READ_BY).unwrap();
        // What is said on the line is not passed over.
        let mut given = Given::default();
        given.add_plan(&plan);
        given.said_here(&["train.seed=1".to_owned()]);
        ["read", "collect", "train"].iter().for_each(|section| given.skip_section(section));
        let error = given.check("this", READ_BY).unwrap_err().to_string();
        assert!(error.starts_with("`seed` in [train] of the plan would"), "{error}");
    }
}
