//! What can be wrong with a question to a data set, each told in one line.

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
}

vene_named::debug_as_sentence!(StatisticsError);
