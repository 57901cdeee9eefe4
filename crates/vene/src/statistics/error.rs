//! What can be wrong with a question to a data set, each told in one line.

use super::Together;

/// Why no statistics can be given.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// A level that is no share.
    #[error("an interval's level of {level}: expected a number between 0 and 1, such as 0.95")]
    Level {
        /// What was asked for.
        level: f64,
    },
    /// More resamples than any interval needs.
    #[error("{resamples} resamples are too many: take at most {most}")]
    ManyResamples {
        /// What was asked for.
        resamples: usize,
        /// The most there may be.
        most: usize,
    },
    /// So few resamples that none lies outside the interval.
    #[error(
        "{resamples} resamples are too few for an interval of level {level}: take {least} or more"
    )]
    FewResamples {
        /// What was asked for.
        resamples: usize,
        /// The interval's level.
        level: f64,
        /// As many as that level needs.
        least: usize,
    },
    /// A cell whose effects are not those of the data set's rows.
    #[error(
        "cell {cell} has {values} values for {observations} observations: \
         give one for each, NaN where it is missing"
    )]
    Observations {
        /// The cell.
        cell: usize,
        /// Its values.
        values: usize,
        /// The observations.
        observations: usize,
    },
    /// A value that no mean can be taken of.
    #[error("cell {cell}, observation {observation}: an effect of {value} has no mean")]
    Infinite {
        /// The cell.
        cell: usize,
        /// The observation.
        observation: usize,
        /// Its effect.
        value: f64,
    },
    /// Ratios of unlike numbers of cells.
    #[error("{numerators} cells are to be divided by {denominators}: give a denominator for each")]
    Denominators {
        /// Cells above.
        numerators: usize,
        /// Cells below.
        denominators: usize,
    },
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

vene_named::debug_as_sentence!(StatisticsError);
