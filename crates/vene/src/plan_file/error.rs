//! What can be wrong with a plan's file.

use std::fmt;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vene_engine::PlanError;
use vene_intervention::ParameterError;

/// Where something stands in a text, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// The line, counted from 1.
    pub line: Option<NonZeroU32>,
    /// The character of the line, counted from 1; of JSON, which programs write, none.
    pub column: Option<NonZeroU32>,
}

impl At {
    /// A line, and a character of it, both counted from 1.
    pub(super) fn new(line: usize, column: Option<usize>) -> Self {
        let small = |number: usize| u32::try_from(number).ok().and_then(NonZeroU32::new);
        Self { line: small(line), column: column.and_then(small) }
    }
}

/// Where in a file something is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePlace {
    /// The file, where the text came from one.
    pub file: Option<Arc<Path>>,
    /// Where in its text.
    pub at: At,
    /// The path of the entry, such as `edit[0].positions`; edits are counted from 0, as in receipts.
    pub entry: Arc<str>,
}

impl fmt::Display for FilePlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_ref().map(|file| file.display().to_string());
        let line = self.at.line.map(|line| format!("line {line}"));
        let column = self.at.column.map(|column| format!("column {column}"));
        let entry = Some(self.entry.to_string()).filter(|entry| !entry.is_empty());
        let parts: Vec<String> = [file, line, column, entry].into_iter().flatten().collect();
        match parts.is_empty() {
            true => formatter.write_str("the plan"),
            false => formatter.write_str(&parts.join(", ")),
        }
    }
}

/// Why a plan's file cannot be used.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PlanFileError {
    /// The file cannot be opened, read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of no known format.
    #[error("{}: a plan is a .toml or a .json file", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// The file is larger than any plan.
    #[error(
        "{}: {bytes} bytes are more than a plan may have ({most}); put long lists of values into a \
         .safetensors file beside it", path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The most there may be.
        most: u64,
    },
    /// Not TOML, or not JSON.
    #[error("{place}: {message}")]
    Syntax {
        /// Where.
        place: FilePlace,
        /// What is wrong there.
        message: String,
    },
    /// A key that nothing here has.
    #[error("{place}: there is no key `{key}` here{}; there are {known}", maybe(nearest))]
    UnknownKey {
        /// Where.
        place: FilePlace,
        /// The key.
        key: String,
        /// The known key that it may have meant.
        nearest: Option<Box<str>>,
        /// Those that there are.
        known: Box<str>,
    },
    /// A key that is missing.
    #[error("{place}: there is no `{key}`; give {expected}")]
    MissingKey {
        /// Where.
        place: FilePlace,
        /// The key.
        key: &'static str,
        /// What it says.
        expected: String,
    },
    /// A value that is none that its key can have.
    #[error("{place}: {found}; expected {expected}")]
    Value {
        /// Where.
        place: FilePlace,
        /// What is there.
        found: String,
        /// What could be.
        expected: String,
    },
    /// A name that nothing has.
    #[error("{place}: there is no {what} `{name}`{}; there are {known}", maybe(nearest))]
    UnknownName {
        /// Where.
        place: FilePlace,
        /// What was looked for, such as "intervention".
        what: &'static str,
        /// The name.
        name: String,
        /// The known name that it may have meant.
        nearest: Option<Box<str>>,
        /// Those that there are.
        known: Box<str>,
    },
    /// Keys that contradict each other.
    #[error("{place}: {problem}")]
    Contradiction {
        /// Where.
        place: FilePlace,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// What the model, or the rest of the plan, refuses.
    #[error("{place}: {error}")]
    Plan {
        /// Where.
        place: FilePlace,
        /// What is wrong.
        error: Box<PlanError>,
    },
    /// Parameters or values of an intervention that cannot be.
    #[error("{place}: {error}")]
    Parameters {
        /// Where.
        place: FilePlace,
        /// What is wrong.
        error: Box<ParameterError>,
    },
    /// A plan for another model.
    #[error(
        "{place}: the plan was made for {saved}, and {given} is another model, by its configuration or \
         its weights: open that one, or say that the plan is meant for another model"
    )]
    AnotherModel {
        /// The plan.
        place: FilePlace,
        /// The model that it was made for.
        saved: String,
        /// The model that it was to be loaded for.
        given: String,
    },
    /// A file beside the plan whose values were read of another model, or learned on it.
    #[error(
        "{place}: its values are of {saved}, which has other weights than {given}: open that one, or say that \
         the plan is meant for another model"
    )]
    ValuesOfAnotherModel {
        /// Where the plan names the file.
        place: FilePlace,
        /// The model that the values are of.
        saved: String,
        /// The model that the plan was to be read for.
        given: String,
    },
    /// A plan for a model of another shape, or with another tokenizer.
    #[error("{place}: the plan was made for {saved}, and {difference}: make it anew")]
    AnotherShape {
        /// The plan.
        place: FilePlace,
        /// The model that it was made for.
        saved: String,
        /// How the model differs that it was to be loaded for.
        difference: String,
    },
    /// A saved plan that says something else than what was saved.
    #[error(
        "{}: the plan is not as it was saved: its SHA-256 is another one than it says. One that was edited on purpose is \
         read as a plan like any other where the file is given, not its folder", path.display()
    )]
    NotAsSaved {
        /// The file.
        path: PathBuf,
    },
    /// A plan that no file can hold.
    #[error("{entry}: {problem}")]
    NotWritable {
        /// The edit.
        entry: String,
        /// Why, and what to do.
        problem: String,
    },
}

vene_named::debug_as_sentence!(PlanFileError);

fn maybe(nearest: &Option<Box<str>>) -> String {
    nearest.as_ref().map_or(String::new(), |name| format!(" (did you mean `{name}`?)"))
}

/// The known names that another one probably stands for, if any. Of very many names the first are looked at.
pub(super) fn nearest(name: &str, known: &[&str]) -> Option<Box<str>> {
    const MOST: usize = 10_000;
    vene_named::meant_text(name, known.iter().take(MOST).copied()).map(Box::from)
}
