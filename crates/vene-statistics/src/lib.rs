//! What the effects of a data set say together: means with intervals, tests, ratios, and a split.
//!
//! One prompt pair is an anecdote; a data set of two hundred rows may still be only ten, where its
//! rows were made from ten templates, since rows of a template rise and fall together. So what is
//! drawn again and again here, and what a test counts, is the *cluster*: all rows of a group, or
//! a row that has none.
//!
//! * A **cell** is one place of a sweep; an **observation** is a row of the data set. A cell has an
//!   effect for each observation: patched − base, so that the comparison is within the row (paired).
//!   NaN stands for a missing one.
//! * [`means`] estimates each cell's mean effect; [`ratios_of_means`] its share of a total effect,
//!   (patched − base) / (source − base). Both resample the same clusters in all cells, so that
//!   cells may be compared: a difference of two cells is a cell too (subtract their effects row by
//!   row).
//! * Where there are more effects than memory, [`estimates`] and [`ratios`] take their sums over clusters
//!   ([`ClusterSums`], [`RatioSums`]), to which effects are added one by one.
//! * [`Correction`] takes into account that a sweep asks many questions at once.
//!
//! ```
//! use vene::statistics::{self, Bootstrap, Clusters, Correction};
//!
//! // Six rows from three templates, two cells.
//! let clusters = Clusters::of([Some("a"), Some("a"), Some("b"), Some("b"), Some("c"), None]);
//! let effects = [[0.9, 0.8, 0.7, 0.9, 0.8, 0.6], [0.1, -0.1, 0.0, 0.2, -0.2, f64::NAN]];
//! let estimates = statistics::means(&effects, &clusters, &Bootstrap::default())?;
//! assert_eq!((estimates[0].n, estimates[0].clusters), (6, 4));
//! assert!(!estimates[0].interval.unwrap().contains(0.0));
//! assert!(estimates[1].interval.unwrap().contains(0.0));
//!
//! let p_values: Vec<_> = estimates.iter().map(|estimate| estimate.p_value).collect();
//! let adjusted = Correction::Holm.adjust(&p_values);
//! assert!(adjusted[0].unwrap() < 0.01 && adjusted[1].unwrap() > 0.5);
//! # Ok::<(), statistics::StatisticsError>(())
//! ```

mod bootstrap;
mod clusters;
mod correction;
mod correlation;
mod error;
mod estimate;
mod interval;
mod ratio;
mod sampler;
pub mod share;
mod significance;
mod sums;

pub use bootstrap::Bootstrap;
pub use clusters::Clusters;
pub use correction::Correction;
pub use correlation::{correlation, rank_correlation};
pub use error::StatisticsError;
pub use estimate::{Estimate, estimates, means};
pub use interval::Interval;
pub use ratio::{Quotient, Ratio, RatioSums, Refusal, distance_from_one, ratios, ratios_of_means};
pub use sums::ClusterSums;
