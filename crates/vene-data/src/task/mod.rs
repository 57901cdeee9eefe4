//! Data sets for the common tasks of causal interpretability, made for a model's own tokenizer.
//!
//! A [`Task`] makes as many [`Row`]s as one wants, with bases and sources that differ in the one
//! thing the task is about, from templates of vene's own. Each row is checked against the model's
//! tokenizer: no answer merges with its prompt, target and foil begin with different tokens (except
//! where answers are sets), names are single tokens where the task compares positions.
//!
//! The same tokenizer, seed and count give the same rows on every machine, and the first rows of
//! a larger data set are those of a smaller one.
//!
//! ```
//! use vene::Outline;
//! use vene::task::Task;
//!
//! let model = Outline::open("embedded", &mut |_| {})?;
//! let made = Task::Capital.rows(&model, 20, 1)?;
//! assert_eq!(made.rows.len(), 20);
//! assert!(made.rows[0].spans.contains_key("subject"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod agreement;
mod check;
mod choices;
mod dice;
mod error;
mod gendered_pronoun;
mod generate;
mod greater_than;
mod induction;
mod ioi;
mod relation;
mod template;
mod words;

use vene_embedded::Relation;
use vene_model::Outline;
use vene_named::{Named, named};

use crate::{FoilIs, Row};
use generate::generate;

pub use error::TaskError;

named! {
    /// A task: a question with a known answer, asked in many ways. Its name also begins those of its groups.
    #[non_exhaustive]
    pub enum Task as "task" {
        /// A country's capital; source: another country.
        Capital = "capital",
        /// A country's continent; source: a country of another one.
        Continent = "continent",
        /// A country's language; source: a country of another one.
        Language = "language",
        /// A country's currency; source: a country of another one.
        Currency = "currency",
        /// The indirect object (ABBA and BABA); source: three other names (ABC).
        Ioi = "ioi",
        /// A year later than another one; source: that one is 01.
        GreaterThan = "greater_than",
        /// He or she for a name; source: a name of the other gender.
        GenderedPronoun = "gendered_pronoun",
        /// A verb's number, another noun in between; source: the subject in the other number.
        Agreement = "agreement",
        /// A verb's number, right after its subject; source: the subject in the other number.
        AgreementSimple = "agreement_simple",
        /// Random words repeated; source: another word where the answer stood.
        Induction = "induction",
    }
}

/// A data set, and what was left out of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// The rows, no two with the same base and source.
    pub rows: Vec<Row>,
    /// What was left out, and how often.
    pub left_out: Vec<Omitted>,
}

/// Something that did not come into a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omitted {
    /// What it is and why, in the plural.
    pub what: String,
    /// How many of it.
    pub count: usize,
}

impl Task {
    /// Rows that are made at most.
    pub const MOST_ROWS: usize = 1_000_000;

    /// What it asks and what its sources change, in a line.
    pub fn description(self) -> &'static str {
        self.summary().trim_end_matches('.')
    }

    /// Whether its foils are the right answers to its sources.
    pub fn foil_is(self) -> FoilIs {
        match self {
            // Three other names: nothing tells which of them is given something.
            Self::Ioi => FoilIs::WrongAnswer,
            // After the year 01 nearly every year is right, those of the foil too.
            Self::GreaterThan => FoilIs::WrongAnswer,
            Self::Capital
            | Self::Continent
            | Self::Language
            | Self::Currency
            | Self::GenderedPronoun
            | Self::Agreement
            | Self::AgreementSimple
            | Self::Induction => FoilIs::SourceAnswer,
        }
    }

    /// The paper that introduced the task, or studied it by interventions.
    pub fn paper(self) -> &'static str {
        match self {
            Self::Capital | Self::Continent | Self::Language | Self::Currency => {
                "Meng et al. 2022, arXiv 2202.05262"
            }
            Self::Ioi => "Wang et al. 2022, arXiv 2211.00593",
            Self::GreaterThan => "Hanna et al. 2023, arXiv 2305.00586",
            Self::GenderedPronoun => "Vig et al. 2020, arXiv 2004.12265",
            Self::Agreement | Self::AgreementSimple => "Finlayson et al. 2021, arXiv 2106.06087",
            Self::Induction => "Olsson et al. 2022, arXiv 2209.11895",
        }
    }

    /// Makes a data set for the model with this outline; of the model, only tokenizer and context
    /// matter.
    ///
    /// # Errors
    /// Where the tokenizer has too few of the task's words as single tokens, or where there are not
    /// so many different rows; more than [`Task::MOST_ROWS`].
    pub fn rows(self, outline: &Outline, count: usize, seed: u64) -> Result<Generated, TaskError> {
        if count > Self::MOST_ROWS {
            return Err(TaskError::TooManyRows {
                task: self,
                wanted: count,
                most: Self::MOST_ROWS,
            });
        }
        let recipe = match self {
            Self::Capital => relation::recipe(Relation::Capital),
            Self::Continent => relation::recipe(Relation::Continent),
            Self::Language => relation::recipe(Relation::Language),
            Self::Currency => relation::recipe(Relation::Currency),
            Self::Ioi => ioi::recipe(outline)?,
            Self::GreaterThan => greater_than::recipe(outline)?,
            Self::GenderedPronoun => gendered_pronoun::recipe(outline)?,
            Self::Agreement => agreement::recipe(outline, true)?,
            Self::AgreementSimple => agreement::recipe(outline, false)?,
            Self::Induction => induction::recipe(outline)?,
        };
        generate(self, recipe.as_ref(), outline, count, seed)
    }
}

impl Generated {
    /// The groups and how many rows each has, sorted.
    pub fn groups(&self) -> Vec<(String, usize)> {
        let mut groups: Vec<(String, usize)> = Vec::new();
        for name in self.rows.iter().filter_map(|row| row.group.as_ref()) {
            match groups.iter_mut().find(|(known, _)| known == name) {
                Some((_, count)) => *count += 1,
                None => groups.push((name.clone(), 1)),
            }
        }
        // The tenth behind the ninth, not behind the first.
        groups.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then(a.cmp(b)));
        groups
    }
}
