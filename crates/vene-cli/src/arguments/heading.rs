//! The sections of a command's help: which options belong together.

/// Options of one pair of prompts.
pub const PAIR: &str = "One pair of prompts";
/// Options of the rows of a file.
pub const DATA: &str = "A data set";
/// Options of a pair and of a data set alike.
pub const BOTH: &str = "Both";
/// Prompts that are typed or stand in a file, line by line.
pub const PROMPTS: &str = "Prompts";
/// What a look inside shows.
pub const SEEN: &str = "What is shown";
/// What is measured, and its statistics.
pub const MEASURED: &str = "What is measured";
/// Activations that are kept.
pub const KEPT: &str = "What is kept";
/// How a text is continued.
pub const TEXT: &str = "How tokens are chosen";
/// A plan, and what its edits read.
pub const EDITS: &str = "Edits";
/// Which parts of a circuit, and what is done to them.
pub const CIRCUIT: &str = "Circuits";
/// The model, and how it is run.
pub const MODEL: &str = "Model and computation";
/// What is printed and written.
pub const OUTPUT: &str = "Output";
